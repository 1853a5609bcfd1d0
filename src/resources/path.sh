# Shell functions of probes and steps that are about paths: file, directory, symlink and line.

# stat …: the program, and a word when it did not end by itself: what it says nothing of is not there.
stat() {
  command stat "$@" && return
  n=$?
  [ "$n" -le 1 ] || echo "stat ended with status $n"
  return "$n"
}
# contents DIGEST PATH DIGEST PATH…: for each regular file whose digest is another, a line
# `d DIGEST PATH`, the first bytes in base64 and a line with a point. `sha256sum -c` compares all in one
# process, in their order. Only its word OK counts: a file of which it says something else, or nothing
# because it is missing or died, is looked at alone.
contents() {
  l=$(sums "$@" | sha256sum -c 2>/dev/null)
  IFS='
'
  set -f
  for k in $l; do
    while [ $# -gt 0 ] && ! plain "$2"; do shift 2; done
    [ $# -gt 0 ] || return 0
    # GNU escapes a backslash, and says so with one in front.
    case $k in \\*) k=$(printf '%b' "${k#?}") ;; esac
    [ "$k" = "$2: OK" ] || alone "$2"
    shift 2
  done
  while [ $# -gt 0 ]; do
    ! plain "$2" || alone "$2"
    shift 2
  done
}
sums() {
  while [ $# -gt 0 ]; do
    ! plain "$2" || printf '%s  %s\n' "$1" "$2"
    shift 2
  done
}
plain() {
  [ -f "$1" ] && [ ! -L "$1" ]
}
alone() {
  n=$(sha256sum <"$1" 2>/dev/null) || n=unreadable
  text "${n%% *}" "$1"
}
# texts PATH…: the same for every regular file; `-` stands for the digest, which nobody needs.
texts() {
  for p do if plain "$p"; then text - "$p"; fi; done
}
text() {
  printf 'd %s %s\n' "$1" "$2"
  l='!'
  if [ -r "$2" ]; then l=$(head -c 1048577 <"$2" | base64) || l='!'; fi
  [ -n "$l" ] || [ ! -s "$2" ] || l='!'
  printf '%s\n' "$l"
  echo .
}

# The rest is for steps. A new content goes into a temporary file beside its target (opened with
# noclobber, which is O_EXCL), is written and synced by one dd while only we can open it, gets owner and
# mode, is validated, and moved over the target with -T, so that a link to a folder is not moved into.

# same PATH META DIGEST: does PATH still stand as it was planned against? `-`: not asked.
same() {
  if [ "$2" = absent ]; then
    if [ -e "$1" ] || [ -L "$1" ]; then fail 'it was not there when this was planned, and is there now'; return; fi
    return 0
  fi
  if [ "$2" != - ] && [ "$(stat -c '%f %u %g' -- "$1" 2>&1)" != "$2" ]; then
    fail 'its owner, mode or kind is not what this was planned against'; return
  fi
  [ "$3" = - ] || [ "$(sha256sum <"$1" 2>&1)" = "$3  -" ] || fail 'its content is not what this was planned against'
}
# fresh PATH: X, the name of a temporary file beside PATH. Nothing may stand there: noclobber opens
# what is no regular file, and the name could be guessed by who saw the one before it.
fresh() {
  n=${1%/*}/.trueup-$R-$S
  if [ -e "$n" ] || [ -L "$n" ]; then fail "$n is in the way"; return; fi
  X=$n
}
# put PATH META DIGEST MODE OWNER VALIDATE SECONDS FROM: replaces a file, or makes it. The content comes
# on the wire, or FROM (`DIGEST PATH`) says which file has it already.
put() {
  same "$1" "$2" "$3" || return
  fresh "$1" || return
  r=-1
  set -C
  { set +C; fill "$@"; r=$?; } 2>/dev/null 5>"$X"
  set +C
  if [ "$r" -lt 0 ]; then
    M=$(set -C; { : 5>"$X"; } 2>&1)
    M="cannot make a file in ${X%/*}/: ${M##*: }"
    n=$(stat -f -c %d -- "${X%/*}/" 2>/dev/null)
    case $M$n in *'No space left'*[!0-9]0) M="$M (no inodes are left)" ;; esac
    r=1
  fi
  return "$r"
}
# fill: the new file through its open descriptor, so that whoever may write to the folder cannot have
# another file changed by putting a link into its place. Until it is whole, only we can open it.
fill() {
  if [ -n "$8" ]; then
    copy "${8#* }" || return
    [ "$(sha256sum <"$X" 2>&1)" = "${8%% *}  -" ] || { fail 'the file that brought the same content is another one now'; return; }
  else
    receive || return
  fi
  t=/proc/self/fd/5
  [ -e "$t" ] || t=$X
  if [ "$2" = absent ]; then
    owned "$t" "$5" || M=$(chown -- "$5" "$t" 2>&1) || return
    [ "$4" = - ] || M=$(chmod -- "$4" "$t" 2>&1) || return
  elif [ "$4$5" = - ]; then
    keep "$1" "$t" || return
  else
    become "$@" || return
  fi
  exec 5>&-
  if [ -n "$6" ]; then
    candidate=$X; export candidate
    run "$7" /bin/sh -c "$6" || { M="the old content stays, because validate said (exit status $r):
    $M"; return 1; }
    M=
  fi
  same "$1" "$2" "$3" || return
  M=$(mv -fT -- "$X" "$1" 2>&1) || { held "$1"; return 1; }
  X=
}
# held PATH: says in M why PATH cannot be replaced; of an attribute mv only says "not permitted".
held() {
  M="it cannot be replaced: ${M##*: }"
  n=$(lsattr -d -- "$1" 2>/dev/null)
  case ${n%% *} in
    *i*) M="$M (it is immutable: chattr -i lets it be changed)" ;;
    *a*) M="$M (it can only be appended to: chattr -a lets it be changed)" ;;
    *) case $M in *busy) M="$M (something is mounted on it)" ;; esac ;;
  esac
}
# become PATH META DIGEST MODE OWNER: what PATH has, and on it what is wanted, for the new file. An empty
# file that nobody else can reach goes through what was: who could open the new one for a moment could
# read its content later.
become() {
  private && M=$({ : >"$D/$S"; } 2>&1) && keep "$1" "$D/$S" || return
  owned "$D/$S" "$5" || M=$(chown -- "$5" "$D/$S" 2>&1) || return
  [ "$4" = - ] || M=$(chmod -- "$4" "$D/$S" 2>&1) || return
  keep "$D/$S" "$t"
}
# owned PATH OWNER: is that its owner already? chown(2) takes special bits and capabilities away even then.
owned() {
  n=$(stat -L -c %U:%G -- "$1")
  case $2 in '' | "$n" | "${n%:*}" | ":${n#*:}") ;; *) return 1 ;; esac
}
# keep OLD NEW: owner, mode, ACL and extended attributes of OLD for NEW.
keep() {
  n=mode,ownership,xattr
  [ ! -e /sys/fs/selinux/enforce ] || n=$n,context
  cp --attributes-only --preserve="$n" -- "$1" "$2" 2>/dev/null && return
  n=$(stat -c '%u:%g %a' -- "$1") && M=$(chown -- "${n% *}" "$2" 2>&1) && M=$(chmod -- "${n#* }" "$2" 2>&1)
}
# access PATH META DIGEST MODE OWNER: owner and mode of what is there.
access() {
  same "$1" "$2" "$3" || return
  owned "$1" "$5" || M=$(chown -h -- "$5" "$1" 2>&1) || return
  if [ "$4" != - ]; then M=$(chmod -- "$4" "$1" 2>&1) || return; fi
}
# gone PATH META DIGEST: removes a file or link.
gone() {
  same "$1" "$2" "$3" || return
  M=$(rm -f -- "$1" 2>&1)
}
