# Shell functions of what a host remembers of a project. `state` is its folder: below /var/lib/trueup for
# root, below its own state folder for another login; nobody else can go into it.

# remembers PROJECT/HOST BASE: sets state; BASE is the folder around it, where another one was asked for.
remembers() {
  lair
  state=${2:-$n}/$1
}
# own FOLDER: is it a folder of the login's and no link?
own() {
  [ -d "$1" ] && [ ! -L "$1" ] && [ -O "$1" ]
}
# recall PROJECT/HOST BASE [BOOT LINES]: which boot this is and who holds the lock, then the ledger and its journal, by one
# process; or, where LINES are what stat says of them still (`since`), that they are the same. False where they cannot be
# read.
recall() {
  remembers "$1" "$2"
  [ -e "$state" ] || return 0
  own "$state" || { echo "= foreign $state"; return; }
  booted
  echo "= boot $boot"
  holder && printf '= lock %s\n' "$who"
  unfinished
  [ -e "$state/ledger" ] || [ -e "$state/journal" ] || return 0
  [ ! -e "$state/journal" ] || restarted
  # Who is not root remembers elsewhere, where nothing else was asked for: not where stat was asked.
  if [ $# -gt 2 ] && { [ "$U" -eq 0 ] || [ -n "$2" ]; }; then
    since "$3" "$4"
    stood && return
  fi
  shift $#
  [ ! -e "$state/ledger" ] || set -- "$state/ledger"
  if [ -e "$state/journal" ]; then
    echo '= journal'
    set -- "$@" "$state/journal"
  fi
  echo '= ledger'
  # Another one's apply may just take the journal in.
  cat "$@" 2>/dev/null || { r=$?; for p do [ -e "$p" ] || r=0; done; return "$r"; }
}
# restarted: that step SEQ of the journal acted, where a shell died over a restart that came all the same: the unit has
# another number than before, or systemd is still at it.
restarted() {
  [ -s "$state/acting" ] && read -r k l a <"$state/acting" || return 0
  n=$(systemctl show -p InvocationID,Job -- "$a" 2>/dev/null)
  case $n in
    *Job=[1-9]*) ;;
    *"InvocationID=$l"*) return ;;
    *InvocationID=?*) ;;
    *) return ;;
  esac
  printf '= acted %s\n' "$k"
}
# holder: who holds the lock. What was left by a process that is gone holds nothing.
holder() {
  who=$state/lock
  [ ! -e "$state/lock.d" ] || who=$state/lock.d/holder
  living "$who"
}
# living FILE: is the process there that it says first (`PID START BOOT WHO`)? `who` is who that is.
living() {
  [ -s "$1" ] && read -r k l a who <"$1" || return 1
  booted
  [ "$a" = "$boot" ] && process "$k" "$l"
}
# spent PROJECT/HOST BASE ID: which run used this saved plan up here, where one did.
spent() {
  remembers "$1" "$2"
  [ -d "$state/spent/$3" ] && own "$state" || return 0
  l=
  { read -r l <"$state/spent/$3/run"; } 2>/dev/null
  echo "${l:-unknown}"
}

# The rest is for steps.

# hold PROJECT/HOST BASE SECONDS WHO SEQ: the lock of this host and project, for as long as this shell lives. Who comes
# second says at once, in a frame beside the answer SEQ, who is first, and waits so long. With flock(1) the kernel keeps
# it; without, a folder does, which is taken away where its holder is gone.
hold() {
  remembers "$1" "$2"
  M=$(mkdir -p -m 0700 -- "$state" 2>&1) || { fail "$state cannot be made: ${M##*: }"; return; }
  own "$state" || { fail "$state is not a folder of this login's alone"; return; }
  if [ -n "$2" ] && [ "$U" -eq 0 ]; then
    # Who may swap a folder above it has root write where he likes.
    cd -P -- "$state" && trodden "$(pwd -P)" || { fail "$W may write to a folder on the way to $state: name another one"; return; }
    cd /
  fi
  M=$({ : >>"$state/lock"; } 2>&1) || { fail "$state cannot be written: ${M##*: }"; return; }
  booted
  n="$$ $born $boot $4" o=0
  if command -v flock >/dev/null 2>&1; then exec 9<>"$state/lock"; else lock=$state/lock.$$; fi
  M=
  until grab "$n"; do
    [ -z "$M" ] || { lock=; return 1; }
    if [ "$o" -ge "$3" ]; then
      lock=
      occupied
      return 1
    fi
    # Beside the answers, so not counted among them.
    [ "$o" -gt 0 ] || (occupied; answer live "$5" 0 "$M")
    sleep 1
    o=$((o + 1))
  done
  leftovers
}
# occupied: M, why the lock cannot be had now.
occupied() {
  if undecided; then M=$who; return; fi
  holder || who='somebody who did not say who'
  M="another apply is at work there: $who"
}
# leftovers: what shells left behind that were killed goes: new files beside those that they were to replace, and
# folders of their own. Several machines may share a home: each looks after its own.
leftovers() {
  (strays)
  lair
  for p in "$n"/trueup.* "$state"/lock.[0-9]*; do
    own "$p" || continue
    if [ -s "$p/holder" ]; then
      ! living "$p/holder" || continue
      case $p in */trueup.*) [ "$who" = "$machine" ] || continue ;; esac
      rm -rf -- "$p"
    else
      # A power cut took what it said.
      l=${p##*/trueup.} l=${l%.*}
      case $l in *[!0-9-]* | -* | *- | *-*-*) continue ;; *-*) process "${l%-*}" "${l#*-}" && continue ;; *) continue ;; esac
      if [ -e "$p/holder" ]; then rm -rf -- "$p"; else rmdir -- "$p" 2>/dev/null; fi
    fi
  done
  M=
  cd /
}
# strays: new files are called by the word of their shell. The journal says which shells there were, on disk before their
# first step, and which of them left in order; what the run kept says where they worked.
strays() {
  [ -s "$state/journal" ] || return 0
  set -- $(sed -n -e 's/^word \([0-9a-f]*\) \([0-9A-Z]*\)$/\1:\2/p' -e 's/^left \([0-9a-f]*\)$/\1:left/p' "$state/journal")
  k=' '
  for p do
    case $p in *:left) k="$k${p%:*} " ;; esac
  done
  for p do
    case $k in *" ${p%:*} "*) continue ;; esac
    sed -n 's,^[0-9]* [0-9]* [a-z]* [^ ]* \(/.*\)$,\1,p' "$state/kept/${p#*:}/list" 2>/dev/null | sed 's,[^/]*$,,' | sort -u | while IFS= read -r a; do
      for q in "$a.trueup-${p%:*}-"*; do
        # What a set keeps beside its members is put back, or is of no use, as its own journal says.
        case $q in *.old) continue ;; esac
        if [ -e "$q" ] || [ -L "$q" ]; then astray "$q"; fi
      done
    done
  done
}
# astray PATH: removes it, a name of our making. Where others could have put a folder there, it stays.
astray() {
  at "$1" || return
  rm -f -- "$T" 2>/dev/null || [ -n "$V" ] || rm -rf -- "$T"
}
# grab TEXT: one try for the lock; M says why none can be had at all. Of several that find a dead holder's folder one alone can move it away.
grab() {
  if [ -z "$lock" ]; then
    flock -n 9 2>/dev/null || return
    if undecided; then
      flock -u 9
      return 1
    fi
    M=$({ printf '%s\n' "$1" >"$state/lock"; } 2>&1)
    return
  fi
  rm -rf -- "$lock"
  M=$({ mkdir -- "$lock" && printf '%s\n' "$1" >"$lock/holder"; } 2>&1) || return
  ! undecided || return
  mv -T -- "$lock" "$state/lock.d" 2>/dev/null && { lock=$state/lock.d; return; }
  holder || { mv -T -- "$state/lock.d" "$lock.gone" 2>/dev/null && rm -rf -- "$lock.gone"; }
  return 1
}
# unlock PROJECT/HOST BASE RUN WHO: ends the apply of that run, which holds the lock, and writes down for it who did.
# Its shell ends behind the step that it is in; 20 s later at once, and what the step started may go on.
unlock() {
  remembers "$1" "$2"
  holder || { echo free; return; }
  case $who in *"run $3,"*) ;; *) echo "$who"; return ;; esac
  # k and l are his whom `holder` saw: by now somebody else may hold it.
  { echo "$3 $4" >"$state/ended"; } 2>/dev/null
  kill -TERM "$k"
  o=0
  while process "$k" "$l" && [ "$o" -lt 20 ]; do
    sleep 1
    o=$((o + 1))
  done
  process "$k" "$l" || return 0
  kill -KILL "$k"
  echo killed
}
# ended_by PROJECT/HOST BASE RUN: who ended the apply of this run, where somebody did.
ended_by() {
  remembers "$1" "$2"
  { read -r k l <"$state/ended"; } 2>/dev/null && [ "$k" = "$3" ] && echo "$l"
  :
}
# forget PROJECT/HOST BASE: what is remembered of the project goes, unless somebody is at work.
forget() {
  remembers "$1" "$2"
  [ -e "$state" ] || { echo none; return; }
  own "$state" || { echo "foreign $state"; return; }
  ! holder || { echo "lock $who"; return; }
  rm -rf -- "$state" 2>&1
}
# spend ID RUN: uses a saved plan up here; of two at once one is first. Of so many only the newest are known: what an
# older one was made against is gone since.
spend() {
  n=$state/spent
  M=$(mkdir -p -m 0700 -- "$n" 2>&1) || return 1
  M=$(mkdir -- "$n/$1" 2>&1) || {
    [ ! -e "$n/$1" ] || fail 'this plan was applied here already: plan again'
    return 1
  }
  echo "$2" 2>/dev/null >"$n/$1/run"
  (cd "$n" && ls -t | tail -n +1001 | while read -r l; do rm -rf -- "./$l"; done) 2>/dev/null
  :
}
# settle: the ledger anew, from the wire; then the journal, which it has taken in, goes.
settle() {
  [ ! -e "$state/ledger" ] || [ "${1:-}" != aside ] || mv -f -- "$state/ledger" "$state/ledger.damaged"
  X=$state/ledger.new
  M=$({ : >"$X"; } 2>&1) || return 1
  receive 5>"$X" || return
  M=$(mv -fT -- "$X" "$state/ledger" 2>&1) || return 1
  X=
  exec 7>&-
  journal=
  [ ! -e "$state/acting" ] || : >"$state/acting"
  M=$(rm -f -- "$state/journal" 2>&1) && ondisk "$state"
}
# note: lines for the journal, from the wire; on disk before anything that they are about is done. With them goes
# which boot this is: of what comes behind them, a host that loses its power may lose all. And who writes: `word`,
# by which its temporary files are called, and the run that keeps what it changes.
note() {
  booted
  M=$({ printf '\nboot %s\nword %s %s\n' "$boot" "$R" "$keeping" >>"$state/journal"; } 2>&1) || return 1
  receive 5>>"$state/journal" || return
  [ -z "$journal" ] || return 0
  ondisk "$state" || return
  exec 7>>"$state/journal"
  journal=1
}
