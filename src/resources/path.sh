# Shell functions of probes and steps that are about paths: file, directory, symlink, line and block.

# stat …: the program, and a word when it did not end by itself: what it says nothing of is not there.
stat() {
  command stat "$@" && return
  n=$?
  [ "$n" -le 1 ] || echo "stat ended with status $n"
  return "$n"
}
odd=y
# odd TEXT: is anything in what stat said neither file, folder nor link? What may be a pipe is not read before it is looked
# at alone.
odd() {
  odd=
  case "
$1" in *"
s "[126c]* | *[0-9]' s '[126c][0-9a-f][0-9a-f][0-9a-f]' '*) odd=y ;; esac
}
# contents SUMS PATH…: what each regular file holds of these whose digest is another than SUMS says, in the lines of
# sha256sum(1) and their order: one process tells all of them. A file of which that says nothing, because it is missing or
# died, is looked at alone.
contents() {
  e=$1
  shift
  IFS='
'
  set -f
  if [ -n "$odd$wrote" ]; then
    h=
    set --
    for q in $e; do
      p=${q#*  }
      plain "$p" && ! written "${q%%  *}" "$p" || continue
      set -- "$@" "$p"
      h="$h
$q"
    done
    e=${h#?}
  fi
  l= h=
  [ $# -eq 0 ] || l=$(exec sha256sum -- "$@" 2>/dev/null)
  set --
  if [ "$l" != "$e" ]; then
    set -- $l
    for q in $e; do
      p=${q#*  } k=${1-}
      # GNU escapes a backslash, and says so with one in front.
      case $k in \\*) k=$(printf '%b' "${k#?}") ;; esac
      [ "${k#*  }" != "$p" ] || shift
      [ "$k" = "$q" ] || ! plain "$p" || h="$h
$p"
    done
  fi
  fours alone $h
}
# written DIGEST PATH: is that the large content that a step of this shell wrote there, and nobody touched since? It is
# not read again then.
written() {
  case $wrote in *"
$1 "*) ;; *) return 1 ;; esac
  k=$(identity "$2") || return
  case $wrote in *"
$1 $k
"*) ;; *) return 1 ;; esac
}
# identity PATH: which regular file it is, how long, and when it was last changed, by the host's own clock: nobody but root
# can set that back. False where the host does not say it to less than a second (busybox).
identity() {
  plain "$1" && k=$(command stat -c '%d:%i:%s:%f:%u:%g:%z' -- "$1" 2>/dev/null) || return
  case $k in *.000000000* | *[!0-9a-f:.\ +-]*) return 1 ;; *:*.*) echo "$k" ;; *) return 1 ;; esac
}
plain() {
  [ -f "$1" ] && [ ! -L "$1" ]
}
alone() {
  n=$(sha256sum <"$1" 2>/dev/null) || n=unreadable
  [ "$n" != unreadable ] || command -v sha256sum >/dev/null 2>&1 || n=unsummed
  text "${n%% *}" "$1"
}
# texts PATH…: what all regular files of these hold; `-` stands for a digest, which nobody needs.
texts() {
  h=
  for p do
    ! plain "$p" || brief "$p" || h="$h
$p"
  done
  IFS='
'
  set -f
  fours whole $h
}
# brief PATH: the content of a small file of plain text, which this shell reads itself: in /etc or a folder of it, where
# nobody but root can put another one into its place meanwhile. Whoever can change /etc is root already. False where it is
# another file.
brief() {
  case $1 in
    /etc/*/*/*) return 1 ;;
    /etc/*/*)
      about "${1%/*}" || return
      case $k in 's 4'?[02468ace][014589cd]' 0 '*) ;; *) return 1 ;; esac ;;
    /etc/*) ;;
    *) return 1 ;;
  esac
  [ -r "$1" ] && about "$1" || return
  o=${k#s * * * } o=${o%% *}
  case $o in '' | *[!0-9]* | ????*) return 1 ;; esac
  k=
  while IFS= read -r n; do k="$k$n
"; done <"$1" || return
  k=$k$n
  case ${#k}:$k in "$o":*[![:print:][:space:]]*) return 1 ;; "$o":*) ;; *) return 1 ;; esac
  printf 'd - %s\n= %s\n> %s\n%s.\n' "$1" "$o" "$o" "$k"
}
# about PATH: k, the line of stat about it in `seen`; where that is long, to look through it is dearer than processes.
about() {
  [ "${#seen}" -le 16384 ] || return
  k=${seen%%" $1
"*}
  [ "$k" != "$seen" ] || return
  k=${k##*"
"}
  case $k in [0-9]*' s '*) k=${k#* } ;; esac
  # Of another path, which ends so, there are more words.
  case $k in s\ *\ *\ *\ *\ *\ *\ *\ *) return 1 ;; s\ *) ;; *) return 1 ;; esac
}
# fours HOW PATH…: four at a time, and where that cannot be, each by itself as HOW does it.
fours() {
  unset IFS
  set +f
  how=$1
  shift
  while [ $# -gt 0 ]; do
    case $# in
      1) set -- "$@" '' '' '' ;;
      2) set -- "$@" '' '' ;;
      3) set -- "$@" '' ;;
    esac
    some "$1" "$2" "$3" "$4" || for p in "$1" "$2" "$3" "$4"; do [ -z "$p" ] || "$how" "$p"; done
    shift 4
  done
}
# some PATH PATH PATH PATH: what was opened (it is not what stat saw where somebody put a link into its place), how long it
# is, and behind all of them what they hold, as it is: two processes. False where that does not do: for a byte 0, what is
# large, grows or cannot be read.
some() {
  for p do [ -z "$p" ] || [ -r "$p" ] || return; done
  {
    k="/proc/self/fd/0${2:+ /proc/self/fd/5}${3:+ /proc/self/fd/6}${4:+ /proc/self/fd/8}"
    q=$(exec stat -L -c 'f %f %u %g=%s' -- $k 2>/dev/null) || return
    n=0
    for l in $q; do
      case $l in
        *=???????*) return 1 ;;
        *=*) n=$((n + ${l#*=})) ;;
      esac
    done
    l=$(cat -- $k 2>/dev/null && echo .) && [ "${#l}" -eq $((n + 1)) ] || return
  } <"$1" 5<"${2:-/dev/null}" 6<"${3:-/dev/null}" 8<"${4:-/dev/null}" || return
  for p do
    [ -n "$p" ] || break
    o=${q%%"
"*} q=${q#*"
"}
    printf 'd - %s\n%s\n= %s\n' "$p" "${o%=*}" "${o#*=}"
  done
  printf '> %s\n%s\n' "$n" "$l"
}
whole() {
  text - "$1"
}
# text DIGEST PATH: a line with both, what was opened, the first bytes in base64, and a line with a point.
text() {
  printf 'd %s %s\n' "$1" "$2"
  l='!' q=
  if [ -r "$2" ]; then
    # What was opened is not what stat saw where somebody put a link into its place.
    {
      q=$(command stat -L -c 'f %f %u %g %s' /proc/self/fd/0 2>/dev/null)
      n=${q##* } q=${q% *}
      case $n in
        '' | *[!0-9]* | ????????*) l=$(head -c 1048577 | base64) ;;
        *) if [ "$n" -le 1048576 ]; then l=$(base64); else l=$(head -c 1048577 | base64); fi ;;
      esac || l='!'
    } <"$2"
  fi
  [ -n "$l" ] || [ ! -s "$2" ] || l='!'
  printf '%s\n' ${q:+"$q"} "$l"
  echo .
}

# The rest is for steps. A new content goes into a temporary file beside its target (opened with
# noclobber, which is O_EXCL), is written and synced by one dd while only we can open it, gets owner and
# mode, is validated, and moved over the target with -T, so that a link to a folder is not moved into.

# Nobody leads a step elsewhere: `at` goes into the folder and the step works on a name in it. Root's steps
# look at the way too: `V` is the owner of a folder on it where somebody else could swap what stands there
# (empty: there is none). What is done there by root goes through what is open already, or is done as the
# user whose folder or file it is.

# at PATH: goes into the folder of PATH. G is that folder, T the name in it.
at() {
  G=${1%/*} T=./${1##*/} V=
  G=${G:-/}
  cd -P -- "$G" 2>/dev/null || { fail "its folder $G cannot be entered"; return; }
  [ "$U" -eq 0 ] || return 0
  o=$(pwd -P)
  if [ "$o" != "$G" ]; then
    led "$G" || return
    [ "$(pwd -P)" = "$o" ] || { fail "its folder $G leads elsewhere now"; return; }
  fi
  trodden "$o" || V=$W
  [ -z "$open" ] || V=${V:-any user}
}
# trodden FOLDER: are it and each folder above it sound?
trodden() {
  l=${1#/} n=
  set -- /
  while [ -n "$l" ]; do
    n=$n/${l%%/*}
    set -- "$@" "$n"
    case $l in */*) l=${l#*/} ;; *) l= ;; esac
  done
  sound "$@"
}
# sound FOLDER…: can nobody but root change what stands in these folders? If not, W is whose it is. Where all may make
# things in the last one, but take away only their own (as in /tmp), it is sound, and `open` says so.
sound() {
  open=
  for q in $(command stat -c '%U:%u:%a' -- "$@" 2>&1); do
    W=${q%%:*} open=
    case $q in
      *:0:[1357]?[2367]? | *:0:[1357]??[2367]) open=y ;;
      *:0:[1357]???) ;;
      *:0:*[2367] | *:0:*[2367]?) return 1 ;;
      *:0:*) ;;
      *) return 1 ;;
    esac
  done
}
# led FOLDER: goes there step by step. A link on the way is followed where nobody but root could put it.
led() {
  cd /
  l=$1/ a=0
  while [ -n "$l" ]; do
    k=${l%%/*} l=${l#*/}
    case $k in '' | .) continue ;; esac
    if [ -L "./$k" ]; then
      n=$(pwd -P)
      n=${n%/}/$k
      sound . && case $open$(command stat -c %u -- "./$k" 2>&1) in y0 | [0-9]*) ;; *) W='any user' && false ;; esac ||
        { fail "$n on the way is a link that $W may have put there: name the folder itself"; return; }
      a=$((a + 1))
      [ "$a" -le 40 ] || { fail "$n on the way leads round in a circle"; return; }
      k=$(readlink -- "./$k") || { fail "$n on the way is another thing now"; return; }
      case $k in /*) cd / ;; esac
      l=$k/$l
    else
      n=$(pwd -P)
      n=${n%/}/$k
      cd -P -- "./$k" 2>/dev/null || { fail "its folder $1 cannot be entered"; return; }
      [ "$k" = .. ] || [ "$(pwd -P)" = "$n" ] || { fail "$n on the way was swapped for a link meanwhile"; return; }
    fi
  done
}
# inside: goes into T, a folder, where somebody else could swap it for a link.
inside() {
  [ -n "$V" ] || return 0
  n=$(pwd -P)
  n=${n%/}/${T#./}
  cd -P -- "$T" 2>/dev/null && [ "$(pwd -P)" = "$n" ] || { fail "$n was swapped for something else meanwhile"; return; }
  T=.
}
# as NAME:NUMBER COMMAND…: runs it as that user, who is not root, with no group but the first; stat(1) calls a
# number that nobody has UNKNOWN, and such a one has no group of its own.
as() {
  u=${1%:*}
  n=$(database passwd "$u" | while IFS=: read -r k l a b l; do [ "$k" != "$u" ] || echo "$a $b"; done)
  [ "$u:$n" != UNKNOWN: ] || n="${1##*:} 65534"
  case $n in
    *[!0-9\ ]* | ' '* | *' ' | '') echo "the user database has no user $u"; return 1 ;;
    '0 '*) echo "$u is root"; return 1 ;;
  esac
  if setpriv --reuid "${n% *}" --regid "${n#* }" --clear-groups true 2>/dev/null; then
    shift
    setpriv --reuid "${n% *}" --regid "${n#* }" --clear-groups "$@"
  else
    shift
    if [ "$u" = UNKNOWN ]; then echo "no user has the number ${n% *}, and there is no setpriv(1) to act as it"; return 1; fi
    n=$u
    su -s /bin/sh -c 'exec "$@"' -- "$n" sh "$@"
  fi
}

# same PATH META DIGEST: does PATH still stand as it was planned against? `-`: not asked.
same() {
  if [ "$2" = absent ]; then
    if [ -e "$1" ] || [ -L "$1" ]; then fail 'it was not there when this was planned, and is there now'; return; fi
    return 0
  fi
  if [ "$2" != - ] && ! [ -e "$1" ] && ! [ -L "$1" ]; then fail 'it is gone, and was there when this was planned'; return; fi
  if [ "$2" != - ] && [ "$(stat -c '%f %u %g' -- "$1" 2>&1)" != "$2" ]; then
    fail "its owner, mode or kind is not what this was planned against
planned against  $(looks $2)
found now        $(looks $(stat -c '%f %u %g' -- "$1" 2>&1))"
    return
  fi
  [ "$3" = - ] || [ "$(sum "$1")" = "$3  -" ] || fail "its content is not what this was planned against
planned against  sha256:$(printf %.12s "$3")
found now        sha256:$(sum "$1" | head -c 12)"
}
# looks MODE UID GID: what stat(1) says as `%f %u %g`, as a reader says it.
looks() {
  case $1 in
    4*) n='directory,' ;;
    8*) n='file,' ;;
    a*) n='link,' ;;
    *) n='another kind,' ;;
  esac
  case $1 in
    *[!0-9a-f]* | ????? | ??? | '') echo "$*" ;;
    *) printf '%s mode %04o, owner %s, group %s\n' "$n" $((0x$1 & 4095)) "${2:-}" "${3:-}" ;;
  esac
}
# sum FILE: as `sha256sum <FILE`. Where somebody else could put a pipe there, nobody waits for what comes out of it.
sum() {
  if [ -z "$V" ]; then sha256sum <"$1" 2>&1; return; fi
  [ ! -L "$1" ] && [ -f "$1" ] && case $(dd --version 2>/dev/null) in
    *coreutils*) dd if="$1" bs=1048576 iflag=nonblock,nofollow 2>/dev/null ;;
    *) limited 300 cat -- "$1" 2>/dev/null ;;
  esac | sha256sum 2>&1
}
# limited SECONDS COMMAND…: a program of our own that may come to wait for somebody.
limited() {
  unlimited
  timeout -k 5 "$@" 3<&- 4>&- 7>&- 9>&-
}
# grasp SECONDS PATH META COMMAND…: runs it with a file open that is what stands at PATH, under this name alone, and has
# the kind, owner and mode that it was planned against. It is /proc/self/fd/8, whatever is put in its place meanwhile.
grasp() {
  [ -e /proc/self/fd/0 ] || { fail "$V could swap it for a link: that cannot be ruled out without /proc"; return; }
  k=$1
  shift
  M=$(limited "$k" /bin/sh -c '
    [ ! -L "$1" ] && [ -f "$1" ] && exec 8<"$1" || exit
    k=$(stat -L -c "%d:%i %h %f %u %g" /proc/self/fd/8)
    [ "$k" = "$(stat -c "%d:%i 1 $2" -- "$1")" ] || {
      echo "it is another thing now, or has other names too (hard links)"
      exit 1
    }
    shift 2
    "$@"' sh "$@" 2>&1) || fail "${M:-it is another thing now}"
}
# before NAME META: what stands there, in the folder that `at` went into, is kept for the way back, where the run keeps.
before() {
  [ -z "$keeping" ] || keepsake "${G%/}/${T#./}" "$1" "${2:--}"
}
# fresh PATH: X, the name of a temporary file beside PATH. Nothing may stand there: noclobber opens
# what is no regular file. Where somebody else could put something there meanwhile, the name cannot be guessed from the
# one before it, but for what a set makes, which `later` keeps apart.
fresh() {
  n=${1%/*}/.trueup-$R-$S$later
  [ -z "$V" ] || [ -n "$later" ] || ! { read -r k </proc/sys/kernel/random/uuid; } 2>/dev/null || n=$n-$k
  if [ -e "$n" ] || [ -L "$n" ]; then fail "${G%/}/${n#./} is in the way"; return; fi
  X=$n
}
# put PATH META DIGEST MODE OWNER VALIDATE SECONDS FROM: replaces a file, or makes it. The content comes
# on the wire, or FROM (`DIGEST PATH`) says which file has it already.
put() {
  at "$1" || return
  shift
  set -- "$T" "$@"
  known= seen=
  # Of a large file it is compared once what is in it, and then whether somebody touched it since.
  [ "$B" -le 1048576 ] || [ -n "$V" ] || seen=$(identity "$1")
  same "$1" "$2" "$3" && single "$1" "$2" && before "$1" "$2" || return
  fresh "$1" || return
  r=-1
  set -C
  { set +C; fill "$1" "$2" "$3" "$4" "$5" "$6" "$7" "${8:-}" "$seen"; r=$?; } 2>/dev/null 5>"$X"
  set +C
  if [ "$r" -lt 0 ]; then
    M=$(set -C; { : 5>"$X"; } 2>&1)
    M="cannot make a file in ${G%/}/: ${M##*: }"
    n=$(stat -f -c %d -- "${G%/}/" 2>/dev/null)
    case $M$n in *'No space left'*[!0-9]0) M="$M (no inodes are left)" ;; esac
    held_fast . 'the folder'
    r=1
  fi
  return "$r"
}
# fill: the new file through its open descriptor, so that whoever may write to the folder cannot have
# another file changed by putting a link into its place. Until it is whole, only we can open it.
fill() {
  made || return
  if [ -n "$8" ]; then
    copy "${8#* }" || return
    [ "$(sha256sum <"$t" 2>&1)" = "${8%% *}  -" ] || { fail 'the file that brought the same content is another one now'; return; }
  elif [ -n "$given" ]; then
    M=$(printf %s "$text" | dd bs=65536 conv=fsync 2>&1 >&5) && r=0 || r=1
    said "$r" "${#text}" || return
  else
    receive || return
  fi
  if [ "$2" = absent ]; then
    owned "$t" "$5" || M=$(chown -- "$5" "$t" 2>&1) || return
    [ "$4" = - ] || M=$(chmod -- "$4" "$t" 2>&1) || return
  elif [ "$4$5" = - ]; then
    keep "$1" "$t" && kept_of "$t" "$2" || return
  else
    become "$@" || return
  fi
  [ -z "$like" ] || alike "$2" || return
  exec 5>&-
  [ -z "$6" ] || tried "${G%/}/${X#./}" "$6" "$7" || return
  # A set puts it in when all of its members are there.
  [ -z "$later" ] || return 0
  [ -n "$9" ] && [ "$(identity "$1")" = "$9" ] || same "$1" "$2" "$3" || return
  M=$(mv -fT -- "$X" "$1" 2>&1) || { barred "$1"; return 1; }
  X=
  [ -z "$known" ] || ! n=$(identity "$1") || wrote="${wrote:-
}$known $n
"
}
# made: t is the new file, by the descriptor that was opened.
made() {
  t=/proc/self/fd/5
  if [ ! -e "$t" ]; then
    [ -z "$V" ] || { fail "$V could swap the new file for a link: that cannot be ruled out without /proc"; return; }
    t=$X
  fi
  # noclobber takes pipes and devices for new.
  [ -f "$t" ] || fail "${G%/}/${X#./} is in the way"
}
# tried FILE VALIDATE SECONDS: what VALIDATE says of a new file.
tried() {
  candidate=$1; export candidate
  # On standard input: it may name a secret, and arguments are for all to see.
  J="cd /
$2"
  run "$3" /bin/sh -c 'P=$(cat) && exec </dev/null && eval "unset P
$P"' || { J=; M="the old content stays, because validate said (exit status $r):
    $M"; return 1; }
  J= M=
  unset candidate
}
# barred PATH: says in M why PATH cannot be replaced; of an attribute mv only says "not permitted".
barred() {
  M="it cannot be replaced: ${M##*: }"
  held_fast "$1" it
  case $M in *busy) M="$M (something is mounted on it)" ;; esac
}
# held_fast PATH WORD: adds to M that an attribute of PATH, which is called WORD, keeps it as it is.
held_fast() {
  n=$(lsattr -d -- "$1" 2>/dev/null)
  case ${n%% *} in
    *i*) M="$M ($2 is immutable: chattr -i lets it be changed)" ;;
    *a*) M="$M ($2 can only be appended to: chattr -a lets it be changed)" ;;
  esac
}
# become PATH META DIGEST MODE OWNER: what PATH has, and on it what is wanted, for the new file. An empty
# file that nobody else can reach goes through what was: who could open the new one for a moment could
# read its content later.
become() {
  private && M=$({ : >"$D/$S"; } 2>&1) && keep "$1" "$D/$S" && kept_of "$D/$S" "$2" || return
  owned "$D/$S" "$5" || M=$(chown -- "$5" "$D/$S" 2>&1) || return
  [ "$4" = - ] || M=$(chmod -- "$4" "$D/$S" 2>&1) || return
  keep "$D/$S" "$t"
}
# owned PATH OWNER: is that its owner already? chown(2) takes special bits and capabilities away even then.
owned() {
  n=$(stat -L -c %U:%G -- "$1")
  case $2 in '' | "$n" | "${n%:*}" | ":${n#*:}") ;; *) return 1 ;; esac
}
# keep OLD NEW: owner, mode, ACL and extended attributes of OLD for NEW. A link that was put in the place of OLD is not
# followed.
keep() {
  n=mode,ownership,xattr
  [ ! -e /sys/fs/selinux/enforce ] || n=$n,context
  cp -RP --attributes-only --preserve="$n" -- "$1" "$2" 2>/dev/null && return
  n=$(stat -c '%u:%g %a' -- "$1") && M=$(chown -- "${n% *}" "$2" 2>&1) && M=$(chmod -- "${n#* }" "$2" 2>&1)
}
# kept_of NEW META: does NEW have what was planned against, and not what somebody put in its place meanwhile?
kept_of() {
  [ -z "$V" ] || [ "$2" = - ] || [ "$(command stat -L -c '%f %u %g' -- "$1" 2>&1)" = "$2" ] ||
    fail 'its owner, mode or kind is not what this was planned against'
}
# single NAME META: has a file that somebody else could put there one name alone? Another one may be where he has no say.
single() {
  case $V/$2 in
    ?*/8*) [ "$(command stat -c %h -- "$1" 2>&1)" = 1 ] || fail "it has other names too (hard links), and $V may have made this one" ;;
  esac
}
# access PATH META DIGEST MODE OWNER WANTED: owner and mode of what is there. WANTED is the digest of a
# file's content, where the files say it.
access() {
  at "$1" || return
  same "$T" "$2" "$3" && before "$T" "$2" || return
  if [ -d "$T" ] && [ ! -L "$T" ]; then
    inside && same "$T" "$2" - || return
  elif [ -n "$V" ]; then
    shared "$@"
    return
  fi
  owned "$T" "$5" || M=$(chown -h -- "$5" "$T" 2>&1) || return
  if [ "$4" != - ]; then M=$(chmod -- "$4" "$T" 2>&1) || return; fi
}
# shared: access for a file that somebody else could swap for a link to any other. The mode is changed of what was
# opened. The owner is not: who had it open to write could still do so, so it is replaced by a copy, if it is known what
# must be in it.
shared() {
  if owned "$T" "$5"; then
    grasp 10 "$T" "$2" chmod -- "$4" /proc/self/fd/8 && return
    [ "${6:--}" != - ] || return
  fi
  if [ "${6:--}" != - ]; then
    put "$1" "$2" "$6" "$4" "$5" '' 60 "$6 $1"
  else
    fail "$V could swap it for a link while its owner or mode is set: declare its content too, so that it is replaced whole"
  fi
}
# gone PATH META DIGEST: removes a file or link.
gone() {
  at "$1" || return
  same "$T" "$2" "$3" && before "$T" "$2" || return
  M=$(rm -f -- "$T" 2>&1)
}
# over: the link X comes to stand at T.
over() {
  M=$(mv -fT -- "$X" "$T" 2>&1) && { X=; return 0; }
  # busybox's mv -T takes no link to a folder for what it is. By its name, and moved into the folder around it,
  # the new one replaces it all the same.
  [ -z "$V" ] && [ -L "$T" ] || return 1
  l=$(readlink -n -- "$X"; echo .)
  n=$X k=${T##*/}
  rm -f -- "$n" && M=$(mkdir -- "$n" 2>&1) || return
  X=$n/$k
  M=$(ln -sT -- "${l%.}" "$X" 2>&1) && M=$(mv -f -- "$X" "${T%/*}/" 2>&1) && X=
  r=$?
  [ -z "$X" ] || rm -f -- "$X"
  X=
  rmdir -- "$n" && return "$r"
}
