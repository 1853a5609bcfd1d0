# Shell functions of kept copies: what stood at paths before a run changed them, in $state/kept/RUN. `list` in
# it has a line for each thing, in the order in which they were kept: `N SEQ KIND META PATH`; the copy of a
# file or link is `N` beside it, and of a folder which one it was. What is on the list is whole, and on disk.

# The rest is for steps.

# keeping RUN LARGEST RUNS SIZE: from now on what steps change is kept, under this run. A file of more bytes than
# LARGEST is listed only. RUNS runs are kept, and SIZE KiB of them.
keeping() {
  keeping=$1 keptn= keptall=
  keptmost="${2:-67108864} ${3:-10} ${4:-1048576}"
}
# keepsake PATH NAME META: keeps what stands at PATH, which is NAME from here, unless the run kept it before. META is what
# the change was planned against, where that is known: another thing may be somebody's who has no say there.
keepsake() {
  [ -n "$keptn" ] || shelf "$state/kept" $keptmost || return
  case $keptall in *"
$1
"*) return 0 ;; esac
  set -- "$1" "$2" "$state/kept/$keeping" "$((keptn + 1))" "${3:--}"
  E='absent -'
  if [ -e "$2" ] || [ -L "$2" ]; then
    M=$(command stat -c '%f:%u:%g %s %d:%i' -- "$2" 2>&1) || return
    k=${M##* } M=${M% *} E=${5#* }
    case $5 in
      *' '*' '*) [ "${M% *}" = "${5%% *}:${E% *}:${E#* }" ] ;;
      *) [ "$5" = - ] ;;
    esac || { fail 'its owner, mode or kind is not what this was planned against'; return; }
    case $M in
      8???:*) E="file ${M% *}" && [ "${M#* }" -le "${keptmost%% *}" ] || E="large ${M% *}" ;;
      a???:*) E="link ${M% *}" ;;
      4???:*) E="folder ${M% *}" && M=$(echo "$k" 2>&1 >"$3/$4") || { unkept "$1"; return; } ;;
      *) E="other ${M% *}" ;;
    esac
    case $E in file* | link*) shelved "$1" "$2" "$3" "$4" "$M" || return ;; esac
  fi
  M=$(printf '%s\n' "$4 $S $E $1" 2>&1 >>"$3/list") || { unkept "$1"; return; }
  keptn=$4 keptall="$keptall$1
"
  ondisk "$3/list" || unkept "$1"
}
# shelf FOLDER LARGEST RUNS SIZE: the folder of this run, and what the one of before left there, if it is one that
# goes on. Runs that are too many, or too large together, go: the oldest first, and never the newest.
shelf() {
  M=$(mkdir -p -m 0700 -- "$1/$keeping" 2>&1) || { unkept "what is changed"; return; }
  own "$1" && own "$1/$keeping" || { fail "$1 is not a folder of this login's alone"; return; }
  M=$({ : >>"$1/$keeping/list"; } 2>&1) || { unkept "what is changed"; return; }
  keptall="
$(cut -d ' ' -f 5- <"$1/$keeping/list")
"
  keptn=$(wc -l <"$1/$keeping/list")
  keptn=$((keptn))
  outdated "$1" "$3" "$4"
  ondisk "$1/$keeping" "$1" || unkept 'what is changed'
}
# outdated FOLDER RUNS SIZE: removes the oldest until the rest fits. The newest beside this one stays.
outdated() {
  (
    cd "$1" || exit
    n=$2 k=$3 l=
    set --
    for p in *; do set -- "$p" "$@"; done
    for p do
      a=$(du -sk -- "./$p")
      a=${a%%[!0-9]*} n=$((n - 1))
      k=$((k - ${a:-0}))
      [ "$p" != "$keeping" ] || continue
      [ -n "$l" ] || { l=$p; continue; }
      [ "$n" -ge 0 ] && [ "$k" -ge 0 ] || rm -rf -- "./$p"
    done
  ) >/dev/null 2>&1
}
# unkept WHAT: M is why it cannot be kept.
unkept() {
  fail "what stood there cannot be kept for the way back, so $1 stays as it is: ${M##*: }"
}
# shelved PATH NAME FOLDER N META: the copy of a file or link, whole and on disk. It is looked at: what stands at
# NAME may have been swapped meanwhile.
shelved() {
  M=$(rm -rf -- "$3/$4" 2>&1 && cp -a -- "$2" "$3/$4" 2>&1) || { rm -rf -- "$3/$4"; unkept "$1"; return; }
  M=$(command stat -c '%f:%u:%g %s' -- "$3/$4" 2>&1)
  # Only root can make a copy that belongs to somebody else.
  [ "$U" -eq 0 ] || M="${M%"${M#?}"}${5#?}"
  if [ "$M" != "$5" ]; then
    rm -rf -- "$3/$4"
    M='it is another thing now'
    unkept "$1"
    return
  fi
  set -- "$1" "$3/$4" "$3" "$5"
  case $4 in
    8*) ondisk "$2" "$3" ;;
    *) ondisk "$3" ;;
  esac || { rm -rf -- "$2"; unkept "$1"; }
}
# keepsakes FOLDER ENTRY…: all that stands in a folder below these names, what is in a folder before it.
keepsakes() {
  a=$1
  shift
  IFS='
'
  set -f
  # A name with a line break has no place on the list.
  set -- "$a" $(find "$@" -xdev -depth ! -path '*
*')
  unset IFS
  set +f
  shift
  for p do
    keepsake "${a%/}/${p#./}" "$p" || return
  done
}
# ondisk PATH…: what was written there stays, whatever dies. Where one cannot be opened, or its file system cannot be
# asked, all that there is is synced. A disk that did not take it is a failure: who asks twice is told that all is well.
ondisk() {
  z=$(sync -- "$@" 2>&1) && return
  z=$(printf '%s\n' "$z" | grep '^sync: .*: ' | grep -Ev ': (Permission denied|Operation not permitted|No such file or directory|Not a directory|Invalid argument|Function not implemented|(Operation )?[Nn]ot supported|No such device or address|Text file busy)$') || { sync; return; }
  fail "it may not be on disk: ${z##*: }"
}

# putback RUN N: one thing as it stood before that run, by the copy that was kept.
putback() {
  case $2 in '' | *[!0-9]*) fail "$2 is no number"; return ;; esac
  set -- "$state/kept/$1" "$2" "$(sed -n "$2{p;q;}" "$state/kept/$1/list" 2>&1)"
  own "$1" || { fail "$1 is not a folder of this login's alone"; return; }
  case $3 in
    "$2 "[0-9]*' '[a-z]*' '*:*:*' /'* | "$2 "[0-9]*' absent - /'*) ;;
    *) fail "line $2 of $1/list is damaged"; return ;;
  esac
  set -- "$1" "$2" "${3#* * }"
  set -- "$1/$2" "${3%% *}" "${3#* }"
  set -- "$1" "$2" "${3%% *}" "${3#* }"
  case $2 in
    absent) [ -d "${4%/*}/" ] || return 0 ;;
    file | link | folder) ;;
    large) fail "it was too large to be kept"; return ;;
    *) fail 'it was neither file, link nor folder, and was not kept'; return ;;
  esac
  at "$4" || return
  case $2 in
    absent) unmade ;;
    folder) refolder "$3" "$1" ;;
    *)
      if [ -d "$T" ] && [ ! -L "$T" ]; then fail 'a folder stands there now'; return; fi
      fresh "$T" || return
      "re$2" "$1" ;;
  esac || return
  ondisk .
}
# unmade: takes away what was not there.
unmade() {
  if [ -d "$T" ] && [ ! -L "$T" ]; then M=$(rmdir -- "$T" 2>&1); else M=$(rm -f -- "$T" 2>&1); fi
}
# refolder META COPY: a folder with its owner and mode. In COPY stands which one it was: where somebody else could put
# another one there, that is not given to him.
refolder() {
  k= l=${1#*:} E=$(printf %05o "$((0x${1%%:*} & 07777))")
  if [ ! -e "$T" ] && [ ! -L "$T" ]; then
    M=$(mkdir -- "$T" 2>&1) && inside && blank || return
  elif [ -d "$T" ] && [ ! -L "$T" ]; then
    inside || return
    [ -z "$V" ] || { read -r k <"$2" && [ "$(command stat -c %d:%i .)" = "$k" ]; } 2>/dev/null || { fail 'another folder stands there now'; return; }
  else
    fail 'what stands there now is no folder'; return
  fi
  [ "$(command stat -c %u:%g -- "$T")" = "$l" ] || M=$(chown -h -- "$l" "$T" 2>&1) || return
  M=$(chmod -- "$E" "$T" 2>&1)
}
# refile COPY: as `put`, from a copy with all that it has.
refile() {
  r=-1
  set -C
  { set +C; refill "$1"; r=$?; } 2>/dev/null 5>"$X"
  set +C
  [ "$r" -ge 0 ] || fail "cannot make a file in ${G%/}/"
  return "${r#-}"
}
refill() {
  made && copy "$1" || return
  keep "$1" "$t" || return
  touch -r "$1" -- "$t" 2>/dev/null
  exec 5>&-
  M=$(mv -fT -- "$X" "$T" 2>&1) || { barred "$T"; return 1; }
  X=
}
# relink COPY: a link to where it led, with its owner where nobody could swap it meanwhile.
relink() {
  l=$(readlink -n -- "$1" && echo .) || { fail "its copy is not there"; return; }
  M=$(ln -sT -- "${l%.}" "$X" 2>&1) || return
  if [ -z "$V" ] && [ "$U" -eq 0 ]; then
    M=$(chown -h -- "$(command stat -c %u:%g -- "$1")" "$X" 2>&1) || return
  fi
  over
}
