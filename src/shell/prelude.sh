# The remote end of the wire: one long-lived POSIX sh that reads programs as frames on its standard
# input and answers in frames on its standard output. It is sent once for each connection; comments
# and indentation are taken out first. Before it, the controller sets N (the session's nonce, 32 hex
# digits) and R (another random word, for names of temporary files, which other users can see).
#
# Rules that every line here keeps (measured facts behind them are in docs/wire.md):
# - a frame is read whole and its length compared before one byte of it runs;
# - nothing but this loop reads the wire: standard input of everything else is /dev/null;
# - what an answer holds was captured first, so that its length is known before it is sent;
# - no here-documents, no files in /tmp, no writing in place;
# - PIPE is caught and not ignored: what is ignored here would be ignored by all that steps start;
# - a signal to end is heeded when the child that runs has ended, so that `leave` finds all; USR1 lets
#   the step that runs end, and no other begin.
set -u
umask 077
trap '' HUP
trap : PIPE
trap 'exit 1' INT TERM
trap 'F=stop' USR1
unset CDPATH ENV BASH_ENV
exec 3<&0 4>&1 0</dev/null 1>&2
F= X= D= S=0 B=-1 C=0 M= I= J= Q=0 G=0 V= T=0 H=
born= boot= state= journal= lock= keeping= guard= swap= later= like= nest= given= known= wrote= seen= had=-
trap 'leave' EXIT
cd /

# Removes what a step that did not end has left. D and X are names of our own making; `swap` is the folder of a set
# whose old files are still to count.
leave() {
  [ -z "$X" ] || rm -f -- "$X"
  [ -z "$D" ] || rm -rf -- "$D"
  [ -z "$nest" ] || unnest
  [ -z "$swap" ] || undone
  # Who finds this has nothing to look for that was left beside anything.
  [ -z "$journal" ] || echo "left $R" >&7
  [ -z "$lock" ] || rm -rf -- "$lock"
}

# answer KIND SEQ STATUS PAYLOAD: one frame to the controller; when nobody listens, end here.
answer() {
  printf '\n%s %s %s %s %s\n%s\n' "$N" "$1" "$2" "$3" "${#4}" "$4" >&4 || exit 1
  C=$((C + 1))
}

# frame SEQ LENGTH: reads a program of LENGTH bytes, runs it if all of it came, and counts its answers.
frame() {
  P=$(dd bs="$2" count=1 iflag=fullblock <&3 2>/dev/null)
  [ "${#P}" -eq "$2" ] || exit 1
  C=0
  eval "$P"
  closing "$1"
}

# closing SEQ: a program is through.
closing() {
  # Who hears the end may kill us at once.
  [ -z "$D" ] || rm -rf -- "$D"
  D=
  answer end "$1" 0 "$C"
}

# whoami: U, the number of the login: proc(5), or else a program says it.
whoami() {
  U=
  { while read -r k l n a; do
    case $k in Uid:) U=$n; break ;; esac
  done </proc/self/status; } 2>/dev/null
  case $U in '' | *[!0-9]*) U=$(id -u) ;; esac
}

# ask SEQ STATUS TEXT: the answer to a question of the probe.
ask() {
  answer data "$1" "$2" "$3"
}

# apart SEQ STATUS: the end of one of several answers in one frame. The next one begins as if it were alone.
apart() {
  printf '\n%s %s %s\n' "$N" "$1" "$2"
  unset IFS
  set +f
  cd /
}

# since BOOT LINES: what comes next was answered before, in this boot, when stat said LINES of what it hangs on. `had` is y
# where it says them still (in `seen`, all that it said before the questions), empty where it does not or nothing was
# answered, and - where nobody wants to know.
since() {
  had=
  booted
  if [ "$1" = "$boot" ]; then
    case "
$seen" in *"
$2
"*) had=y ;; esac
  fi
}

# stood: true, and `@same`, where the answer stands that was kept; else `@from` before it where somebody wants to know.
stood() {
  set -- "$had"
  had=-
  case $1 in
    y) echo @same ;;
    '') echo @from; return 1 ;;
    *) return 1 ;;
  esac
}

# fail TEXT: sets what the step says and fails.
fail() {
  M=$1
  return 1
}

# unlimited: where there is no timeout(1), programs take as long as they take.
unlimited() {
  command -v timeout >/dev/null 2>&1 || timeout() { shift 3; "$@"; }
}

# late STATUS: was a program ended by timeout(1)? GNU says 124, busybox only which signal it sent.
late() {
  [ "$1" -ne 124 ] || return 0
  [ "$1" -eq 143 ] || return 1
  case $(timeout --help 2>&1) in *BusyBox*) ;; *) return 1 ;; esac
}

# lair: n is the folder of all that is kept on this host.
lair() {
  n=/var/lib/trueup
  [ "$U" -eq 0 ] || {
    home
    n=$HOME/.local/state/trueup
  }
}

# booted: which boot of which machine this is.
booted() {
  [ -z "$boot" ] || return 0
  machine=
  [ -r /proc/sys/kernel/random/boot_id ] && read -r boot </proc/sys/kernel/random/boot_id
  [ -r /proc/sys/kernel/hostname ] && read -r machine </proc/sys/kernel/hostname
  boot=${boot:-unknown}
}

# home: HOME of the login, from the user database (env -i took the variable away).
home() {
  [ -z "${HOME:-}" ] || return 0
  n=$(id -un)
  case $n in
    '' | *[!A-Za-z0-9._-]*) HOME=/ ;;
    *) eval "HOME=~$n" ;;
  esac
  export HOME
}

# started PID: when a process was started, in T; the 22nd word of stat(5), if its name has no space. Who has
# ended and was not waited for is gone.
started() {
  T=0
  [ -r "/proc/$1/stat" ] && read -r E <"/proc/$1/stat" || return 1
  set -- $E
  [ "${3:-}" != Z ] || return 1
  T=${22:-0}
}

# process PID START: whether the process that was started then is there.
process() {
  started "$1" && [ "$T" = "$2" ]
}

# The rest is for steps.

# go SEQ BYTES: may this step run? It begins in /. BYTES of content follow on the wire (-1: none). After a failure
# nothing more is done, and contents that still come are read and thrown away.
go() {
  S=$1 B=$2 M= I= Q=0 G=0 V= most=65536
  cd /
  unset IFS
  set +f
  if [ -z "$F" ] && beat busy; then
    mark begun && return 0
    # What may have been done and was not written down would be taken for not done.
    M=$({ mark begun; } 2>&1)
    M="nothing is done, because it cannot be written down before in $state/journal: ${M##*: }"
    end 1
    return 1
  fi
  drop
  answer skipped "$S" 0 ''
  return 1
}

# beat WORD: tells who watches that a step begins or ended; false once he puts back what was changed.
beat() {
  [ -z "$guard" ] || { [ -e "$guard/token" ] && echo "$1 $S" >"$guard/beat"; }
}

# mark WORD: a line about this step in the journal of the run, where there is one.
mark() {
  [ -z "$journal" ] || echo "$1 $S" >&7
}

# end STATUS: the step's outcome, with M as what it said. Where it did its work, the lines that a reader
# should see come first, and their count in the place of the status.
end() {
  drop
  [ -z "$X" ] || rm -f -- "$X"
  X=
  beat idle
  if [ "$1" -eq 0 ]; then
    mark done
    answer done "$S" "$Q" "$I$M"
  else
    F=$S
    mark failed
    answer failed "$S" "$1" "$M"
  fi
}

# wire BYTES: exactly so many raw bytes from the wire to standard output. dd with a full block reads
# its block before it writes, so a failed write does not leave content on the wire.
wire() {
  if [ "$1" -ge 1048576 ]; then
    dd bs=1048576 count=$(($1 / 1048576)) iflag=fullblock <&3 || return
  fi
  [ $(($1 % 1048576)) -eq 0 ] || dd bs=$(($1 % 1048576)) count=1 iflag=fullblock <&3
}

# After each content stands a line with the nonce: without it the content was cut, and we end. Behind the nonce of one
# that was read from a file while it was sent stands its digest, or that it is not what was planned.
sealed() {
  IFS= read -r E <&3 || exit 1
  known=
  case $E in
    "$N") ;;
    "$N spoiled") return 1 ;;
    "$N "*[!0-9a-f]*) exit 1 ;;
    "$N "*) known=${E#* } ;;
    *) exit 1 ;;
  esac
}

# Throws away the content of a step that did not read it.
drop() {
  [ "$B" -ge 0 ] || return 0
  parts skip
  sealed || :
}

# receive: the step's content from the wire to file descriptor 5, on disk when it returns 0.
receive() {
  r=0
  set -- "$B"
  parts into
  if sealed; then
    said "$r" "$1"
  else
    fail 'the file that it comes from was changed after this was planned: plan again'
  fi
}

# parts VERB: the step's content by VERB, a large one part by part: `k` bytes on the wire, which are `n` of the content,
# made small where these are not the same. VERB is told how many come behind them.
parts() {
  set -- "$1" "$B"
  B=-1
  if [ "$2" -le 1048576 ]; then
    k=$2 n=$2
    "$1" 0
    return
  fi
  while [ "$2" -gt 0 ]; do
    # By dd: a signal would end what `read` reads.
    E=$(dd bs=80 count=1 iflag=fullblock <&3 2>/dev/null)
    case $E in "$N "*' '*' '*) ;; *) exit 1 ;; esac
    E=${E#* }
    k=${E%% *}
    E=${E#* }
    n=${E%% *}
    set -- "$1" $(($2 - n))
    "$1" "$2"
  done
}

# skip: `k` bytes on the wire that nobody wants.
skip() {
  wire "$k" 2>/dev/null | cat >/dev/null
}

# into LEFT: a part to file descriptor 5, if those before it came there; behind the last one all of it is on disk.
into() {
  [ "$r" -eq 0 ] || { skip; return; }
  set -- "$1" 0 "$k"
  if [ "$k" -ne "$n" ]; then
    set -- "$1" 0 0
    M=$({ wire "$k" 2>/dev/null | gzip -dc >&5; } 2>&1) || { unpacked $?; return; }
  elif [ "$k" -ge 1048576 ]; then
    set -- "$1" $((k / 131072)) $((k % 131072))
  fi
  if [ "$2" -gt 0 ]; then
    M=$(dd bs=131072 count="$2" iflag=fullblock <&3 2>&1 >&5) || { r=1; rest "$k"; return; }
  fi
  [ "$1" -gt 0 ] || set -- "$@" conv=fsync
  if [ "$3" -gt 0 ]; then
    M=$(dd bs="$3" count=1 iflag=fullblock ${4-} <&3 2>&1 >&5) || r=1
  elif [ "$1" -eq 0 ] && [ "$n" -gt 0 ]; then
    # With `count=0` GNU dd before 9.1 would end before it comes to that.
    M=$(dd bs=1 count=1 conv=fsync </dev/null 2>&1 >&5) || r=1
  fi
}

# unpacked STATUS: gzip, which said M, failed.
unpacked() {
  r=1 M=${M##*: }
  case $M in *'No space left on device') ;; *) M="${M:+$M, }gzip ended with status $1" ;; esac
}

# rest BYTES: dd, which said M, failed: what it did not read of so many bytes is thrown away. Where it does not say how
# many blocks it read, nobody knows where the next thing on the wire begins, and we end.
rest() {
  case $M in *'+0 records in'*) ;; *) exit 1 ;; esac
  set -- "$1" "${M%%'+0 records in'*}"
  case ${2##*[!0-9]} in '') exit 1 ;; esac
  k=$(($1 - ${2##*[!0-9]} * 131072))
  skip
}

# said STATUS BYTES: nothing when dd did its work, else the last words of its first line.
said() {
  if [ "$1" -eq 0 ]; then
    M=
    return 0
  fi
  M=${M%%"
"*}
  M=${M##*: }
  case $X$M in ?*'No space left on device') room "$2" ;; esac
  fail "cannot write the new file: $M"
}

# room BYTES: says too how large the new file X is, and how much room there would be without what was written of it.
room() {
  n=$(command stat -f -c '%a %S' -- "${X%/*}/" 2>/dev/null) && o=$(command stat -c '%b %B' -- "$X" 2>/dev/null) || return 0
  case $n$o in *[!0-9\ ]*) return ;; esac
  M="$M (it has $1 bytes, and there is room for $((${n% *} * ${n#* } + ${o% *} * ${o#* })))"
}

# copy FILE: the bytes of FILE to file descriptor 5, on disk when it returns 0.
copy() {
  M=$(dd bs=1048576 conv=fsync <"$1" 2>&1 >&5) && r=0 || { r=1; n=$(command stat -c %s -- "$1" 2>&1); }
  said "$r" "${n:-}"
}

# moved PLANNED FOUND: what a step is to change is not what it was planned against. Never tried again.
moved() {
  V=1
  fail "it is not what this was planned against
planned against  $1
found now        $2"
}

# remark LINE: for the reader of the run, though the step does its work.
remark() {
  [ "$Q" -lt 50 ] || return 0
  Q=$((Q + 1))
  I="$I$1
"
}

# again TIMES: the function `step`, and after a failure up to TIMES times more, with 1, 2, 4 … 60 s
# between. G counts: what a step was planned against is compared before its first time only, since a
# half done step has changed it.
again() {
  Y=1
  until step; do
    r=$?
    if [ "$G" -ge "$1" ] || [ -n "$V" ]; then
      [ "$G" -eq 0 ] || M="tried $((G + 1)) times; the last time:
$M"
      return "$r"
    fi
    G=$((G + 1))
    sleep "$Y"
    Y=$((Y * 2)) M= I= Q=0
    [ "$Y" -le 60 ] || Y=60
  done
}

# try SECONDS COMMAND…: runs a program with its output in M. Nothing of the wire is open in it.
try() {
  unlimited
  M=$(umask 022; timeout -k 5 "$@" </dev/null 3<&- 4>&- 7>&- 9>&- 2>&1) && return 0
  r=$?
  ! late "$r" || M="timed out after $1 s
$M"
  return "$r"
}

# run SECONDS COMMAND…: as try, for programs that may leave others running in the background: the
# output goes through a file, since a pipe would stay open as long as they live. Of more than `most`
# bytes the first and the last half are kept, and between them stands what was left out. The status comes through a file too, whose room is taken before:
# where none is in it the time was over, which timeout's own status would not tell from the program's. Who does
# not heed TERM is killed 5 s later, with all that it started; what the shell around it says of that is no
# output of the program. J is what they read, if anything.
run() {
  private || return 1
  unlimited
  a=$1
  shift
  M=$({ echo none >"$D/status" && echo >"$D/out"; } 2>&1) || { fail "what it prints cannot be kept: ${M##*: }"; return; }
  set -- "$a" /bin/sh -c 'l=; trap l=1 TERM; exec 6>&2 2>/dev/null; ("$@" 2>&6 6>&-); r=$?; [ -n "$l" ] || echo "$r" 1<>"$0"' "$D/status" "$@"
  Z=
  if [ -n "$H" ]; then
    rm -f -- "$D/quiet"
    : >"$D/out"
    follow 3<&- 7>&- 9>&- &
    Z=$!
  fi
  if [ -n "$J" ]; then
    printf %s "$J" | (umask 022; timeout -k 5 "$@") >"$D/out" 2>&1 3<&- 4>&- 7>&- 9>&-
  else
    (umask 022; timeout -k 5 "$@") </dev/null >"$D/out" 2>&1 3<&- 4>&- 7>&- 9>&-
  fi
  # It ends by itself: one that was killed could leave half a frame on the wire.
  [ -z "$Z" ] || { : >"$D/quiet" && wait "$Z"; }
  read -r r <"$D/status"
  M=
  [ "$r" != none ] || r=124 M="timed out after $a s
"
  n=$(wc -c <"$D/out")
  if [ "$n" -le "$most" ]; then
    M=$M$(cat "$D/out")
  else
    front=$(head -c $((most / 2)) "$D/out")
    rear=$(tail -c $((most - most / 2)) "$D/out")
    # Lines of which nothing is left.
    gap=$(($(grep -c '' "$D/out") - $(printf '%s\n%s\n' "$front" "$rear" | grep -c '')))
    [ "$gap" -gt 0 ] && gap=" in $gap lines" || gap=
    M="$M$front
[… $((n - most)) bytes$gap not shown …]
$rear"
    front= rear=
  fi
  rm -f -- "$D/out"
  return "$r"
}

# follow: what the running program prints, in frames beside the answers, a few times a second and 1 MiB
# at most, until D/quiet is there.
follow() {
  o=1
  while [ ! -e "$D/quiet" ]; do
    sleep 0.2 2>/dev/null || sleep 1
    n=$(wc -c <"$D/out")
    if [ "$n" -ge "$o" ] && [ "$o" -lt 1048576 ]; then
      E=$(tail -c +"$o" <"$D/out" | head -c 16384)
      o=$((o + 16384))
      [ "$o" -le "$n" ] || o=$((n + 1))
      [ -z "$E" ] || answer live "$S" 0 "$E"
    fi
  done
}

# private: makes D, a folder that only this login can read, removed when the session ends; `holder` in it says whose it is,
# and its name too, for where a power cut took what was in it.
private() {
  [ -z "$D" ] || return 0
  lair
  M=$(mkdir -p -m 0700 -- "$n" 2>&1) || {
    [ "$U" -ne 0 ] || return 1
    # A login whose home cannot be written has only what mktemp makes: mode 0700, a random name.
    n=/tmp
  }
  D=$(mktemp -d "$n/trueup.$$-$born.XXXXXXXXXX" 2>&1) || {
    M=$D D=
    return 1
  }
  booted
  M=$({ echo "$$ $born $boot $machine" >"$D/holder"; } 2>&1)
}

# What all this is for.
whoami
started $$
born=$T
command -v gzip >/dev/null 2>&1 && M=gzip || M=-
answer hello 0 0 "$U $$ $T $M"
M=
while IFS=' ' read -r K S L <&3; do
  case $K in
    P) frame "$S" "$L" ;;
    *) exit 0 ;;
  esac
done
exit 0
