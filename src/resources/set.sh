# Shell functions of sets: files and links that go in together or not at all. `swap` is the folder of the set that is
# worked on, below $state/sets, for this login alone: `content` is what came on the wire, `tree` its members as they will
# be, `gone` where some will be no more, `journal` what the swap is about to do. As long as a journal is there the old
# files count, and whoever finds it puts them back; once it is called `done` the new ones count.

# unfinished: a line for each set that a run left in the middle.
unfinished() {
  for k in "$state"/sets/*/journal; do
    [ -s "$k" ] && IFS=' ' read -r l a o <"$k" && printf '= set %s\n' "$o"
  done
  :
}

# The rest is for steps.

# each FUNCTION: the step itself makes it. It calls `member FUNCTION KIND PATH WAS …` for each member that changes:
#   put PATH META DIGEST MODE OWNER VALIDATE SECONDS OFFSET LENGTH SUM    its content is so much of `content`; -: as it is
#   gone PATH META DIGEST
#   link PATH WAS TARGET
#   unlinked PATH WAS
member() {
  nth=$((nth + 1))
  "$@"
}
# gather FOLDER: begins a set.
gather() {
  [ -n "$state" ] || { fail 'a set needs the folder in which this host remembers what it was'; return; }
  M=$(mkdir -p -m 0700 -- "$state/sets" 2>&1) || return 1
  own "$state/sets" || { fail "$state/sets is not a folder of this login's alone"; return; }
  M=$(mkdir -m 0700 -- "$state/sets/$1" 2>&1) || return 1
  swap=$state/sets/$1
  M=$(mkdir -m 0700 -- "$swap/tree" "$swap/gone" 2>&1) && M=$({ : >"$swap/content"; } 2>&1) || return 1
  [ "$B" -lt 0 ] || receive 5>"$swap/content"
}
# stands KIND PATH WAS …: is a member still what it was planned against? `at` has gone into its folder.
stands() {
  at "$2" || { M="$2: $M"; return 1; }
  case $1 in
    put | gone) same "$T" "$3" "$4" ;;
    *) pointing "$3" ;;
  esac || { M="$2: $M"; return 1; }
}
# pointing WAS: does T still point there?
pointing() {
  if [ "$1" = absent ]; then same "$T" absent -; return; fi
  [ "$(readlink -- "$T" 2>&1)" = "${1#=}" ] || fail 'it does not point to where it did when this was planned'
}
# stage …: a member into the tree, as it will be.
stage() {
  stands "$@" || return
  case $1 in
    gone | unlinked)
      standing "$swap/gone" "$2" || return
      # What takes a name away where folders are laid over each other.
      mknod -- "$swap/gone$2" c 0 0 2>/dev/null || : >"$swap/blind"
      return 0
      ;;
  esac
  t=$swap/tree$2
  standing "$swap/tree" "$2" || return
  if [ "$1" = link ]; then M=$(ln -sT -- "$4" "$t" 2>&1); return; fi
  if [ "$9" = - ]; then
    if [ -n "$V" ]; then grasp 300 "$T" "$3" cp -- /proc/self/fd/8 "$t"; else M=$(cat <"$T" 2>&1 >"$t"); fi || return
    same "$T" "$3" "$4" || return
  else
    tail -c "+$(($9 + 1))" <"$swap/content" 2>/dev/null | head -c "${10}" >"$t"
    [ "$(sha256sum <"$t" 2>&1)" = "${11}  -" ] || { fail "$2: its new content cannot be written to $t"; return; }
  fi
  [ "$3" = absent ] || { keep "$T" "$t" && kept_of "$t" "$3"; } || return
  owned "$t" "$6" || M=$(chown -- "$6" "$t" 2>&1) || return
  [ "$5" = - ] || M=$(chmod -- "$5" "$t" 2>&1) || return
  [ -z "$7" ] || tried "$t" "$7" "$8" || { M="$2: $M"; return 1; }
}
# standing TREE PATH: the folders of PATH below TREE, with the owners and modes of the real ones.
standing() {
  l=${2%/*} n=
  l=${l#/}
  while [ -n "$l" ]; do
    n=$n/${l%%/*}
    case $l in */*) l=${l#*/} ;; *) l= ;; esac
    [ ! -d "$1$n" ] || continue
    M=$(mkdir -- "$1$n" 2>&1) || return 1
    o=$(command stat -L -c '%u:%g %a' -- "$n" 2>/dev/null) || continue
    chown -- "${o% *}" "$1$n" 2>/dev/null
    chmod -- "${o#* }" "$1$n" 2>/dev/null
  done
}
# alongside PATH…: members that do not change into the tree too, as they are.
alongside() {
  for p do
    at "$p" 2>/dev/null || continue
    if [ -L "$T" ] || [ -f "$T" ]; then
      standing "$swap/tree" "$p" && M=$(cp -pP -- "$T" "$swap/tree$p" 2>&1) || return 1
    fi
  done
  M= way=
}
# layered FOLDER…: can the tree be laid over these folders, for a validator alone to see? Then `way` is how.
layered() {
  case $#$swap$* in 0* | *[:,\\]*) return 0 ;; esac
  [ ! -e "$swap/blind" ] || return 0
  looked '
    o=
    for q in "$s/gone" "$s/tree"; do
      [ ! -d "$q$p" ] || o=$o$q$p:
    done
    mount -t overlay -o "ro,lowerdir=$o$p" overlay "$p"' "$@"
}
# bound FILE…: can they be laid over the files themselves? Only where each is there already, and stays a file.
bound() {
  [ -n "$way" ] || [ $# -eq 0 ] || looked 'mount --bind "$s/tree$p" "$p"' "$@"
}
# looked MOUNT PATH…: whether MOUNT does for each path, in a mount namespace of its own.
looked() {
  M=$({ n=$1; shift; printf '%s\n' "$@" >"$swap/laid"; } 2>&1) || return 1
  n='s=$1
while IFS= read -r p; do
'"$1"' || exit 1
done <"$s/laid"'
  ! try 20 unshare -m /bin/sh -c "$n" sh "$swap" || way=$n
  M=
}
# judged VALIDATE SECONDS FOLDER: what VALIDATE says of the members together. `staged` is FOLDER where the new files can
# be seen in their places, else FOLDER in the tree.
judged() {
  J="cd /
$1"
  if [ -n "$way" ]; then
    staged=$3; export staged
    run "$2" unshare -m /bin/sh -c "$way"'
P=$(cat) && exec </dev/null && eval "unset P s p q o
$P"' sh "$swap"
  else
    staged=$swap/tree$3; export staged
    run "$2" /bin/sh -c 'P=$(cat) && exec </dev/null && eval "unset P
$P"'
  fi || { J=; M="the old files stay, because validate said (exit status $r):
    $M"; return 1; }
  J= M=
  unset staged
  if [ -z "$way" ]; then
    remark 'validated in the staged tree only: a private mount is not possible here, so absolute paths in these files led to the old ones'
  elif [ -n "$H" ]; then
    remark 'validated in a private mount namespace: every path led to the new files'
  fi
}
# swapped LABEL FOLDER…: puts the staged members in their places, which are in these folders.
swapped() {
  M=$({ printf 'word %s %s\n' "$R-$S" "$1" >"$swap/journal"; } 2>&1) && each listed || return 1
  shift
  ondisk "$swap/journal" "$swap" "$state/sets" "$state" && each prepared && ondisk "$swap/journal" "$@" || return
  each stands && each entered && ondisk "$@" || return
  M=$(mv -fT -- "$swap/journal" "$swap/done" 2>&1) || return 1
  # Where it may not stay so, nothing of the old files may go.
  ondisk "$swap" || { mv -fT -- "$swap/done" "$swap/journal"; return 1; }
  tidied
}
# listed …: a line for the journal: `path NUMBER old|new PATH`.
listed() {
  k=old
  [ "$3" != absent ] || k=new
  M=$({ printf 'path %s %s %s\n' "$nth" "$k" "$2" >>"$swap/journal"; } 2>&1)
}
# prepared …: the new one beside its place, the old one kept beside it, and which it is: `made NUMBER INODE SUM`.
prepared() {
  stands "$@" || return
  later=-$nth i=- d=-
  case $1 in
    put)
      d=$(sha256sum <"$swap/tree$2" 2>&1)
      put "$2" "$3" "$4" "$5" "$6" '' 60 "${d%% *} $swap/tree$2" || { M="$2: $M"; return 1; }
      ;;
    link) fresh "$T" && M=$(ln -sT -- "$4" "$X" 2>&1) || { M="$2: $M"; return 1; } ;;
  esac
  [ -z "$X" ] || i=$(command stat -c %i -- "$X" 2>&1)
  X=
  [ "$3" = absent ] || beside "$@" || { M="$2: the old one cannot be kept: $M"; return 1; }
  later=
  M=$({ printf 'made %s %s %s\n' "$nth" "$i" "${d%% *}" >>"$swap/journal"; } 2>&1)
}
# beside …: the old one under a second name. The file itself, where its file system can do that.
beside() {
  o=./.trueup-$R-$S$later.old
  if [ -e "$o" ] || [ -L "$o" ]; then fail "${G%/}/${o#./} is in the way"; return; fi
  case $1 in
    link | unlinked) M=$(ln -sT -- "${3#=}" "$o" 2>&1); return ;;
  esac
  if ! M=$(ln -T -- "$T" "$o" 2>&1); then
    # A copy goes by its name, where somebody else could put a link.
    [ -z "$V" ] && M=$(cp -pP -- "$T" "$o" 2>&1) && keep "$T" "$o" || return 1
  fi
  same "$o" "$3" "$4"
}
# entered …: the new one in the place of the old one, which is still what it was planned against.
entered() {
  stands "$@" || return
  k=$3
  case $1 in link | unlinked) k=- ;; esac
  before "$T" "$k" || { M="$2: $M"; return 1; }
  o=./.trueup-$R-$S-$nth
  case $1 in
    put) M=$(mv -fT -- "$o" "$T" 2>&1) || { barred "$T"; false; } ;;
    link) X=$o; over ;;
    *) M=$(rm -f -- "$T" 2>&1) ;;
  esac || { M="$2: $M"; return 1; }
}
# tidied: the new files count: the old ones go, and the set is through.
tidied() {
  # Where what is left cannot be known, the next apply does it.
  ! through done away || rm -rf -- "$swap"
  swap= M=
}
# undone: ends a set that failed: all is as it was. M stays what it said.
undone() {
  X= later=
  [ -n "$swap" ] || return 1
  why=$M left=
  if [ -e "$swap/done" ]; then tidied; return; fi
  if [ ! -e "$swap/journal" ] || through journal back; then
    rm -rf -- "$swap"
    M=$why${left:+
changed meanwhile, and left as they are:$left}
  else
    M="$why
and the old files could not be put back, which the next apply tries again: $M"
  fi
  swap=
  return 1
}
# through FILE FUNCTION: FUNCTION NUMBER old|new PATH for each member that the journal names.
through() {
  word= label=
  while IFS= read -r E <&6; do
    case $E in
      'word '*)
        E=${E#word }
        word=${E%% *} label=${E#* }
        ;;
      'path '*' '*' '*)
        E=${E#path } k=${E#* }
        "$2" "${E%% *}" "${k%% *}" "${k#* }" || return
        ;;
    esac
  done 6<"$swap/$1" || fail "$swap/$1 cannot be read"
}
# away NUMBER old|new PATH: what a swap left beside a member.
away() {
  at "$3" || return 0
  n=./.trueup-$word-$1
  rm -f -- "$n" "$n.old" 2>/dev/null || [ -n "$V" ] || rm -rf -- "$n" "$n.old"
}
# back NUMBER old|new PATH: a member as it was. What this swap put there gives way; what somebody else put there since
# stays, and is told.
back() {
  at "$3" || { left="$left $3"; return 0; }
  x=./.trueup-$word-$1 i= d=
  while IFS=' ' read -r k n a b <&8; do
    if [ "$k $n" = "made $1" ]; then i=$a d=$b; fi
  done 8<"$swap/journal" || { fail "$swap/journal cannot be read"; return; }
  n=$(command stat -c %i -- "$T" 2>/dev/null)
  if [ -z "$i" ]; then
    :
  elif [ -n "$n" ] && [ "$n" = "$i" ]; then
    if [ "$d" != - ] && [ "$(sha256sum <"$T" 2>&1)" != "$d  -" ]; then
      left="$left $3"
    elif [ "$2" = new ]; then
      M=$(rm -f -- "$T" 2>&1) || return 1
    else
      former || return 1
    fi
  elif [ -e "$x.old" ] || [ -L "$x.old" ]; then
    if [ "$i" = - ] && [ -z "$n" ]; then
      former || return 1
    elif ! twins "$T" "$x.old"; then
      left="$left $3"
    fi
  fi
  away "$1" "$2" "$3"
  ondisk .
}
# former: the old one of T in its place again.
former() {
  if [ -L "$x.old" ]; then
    X=$x.old
    over
  else
    M=$(mv -fT -- "$x.old" "$T" 2>&1)
  fi
}
# twins ONE OTHER: are they the same thing?
twins() {
  [ "$(stat -c '%f %u %g' -- "$1" 2>&1)" = "$(stat -c '%f %u %g' -- "$2" 2>&1)" ] || return 1
  if [ -L "$1" ]; then [ "$(readlink -- "$1")" = "$(readlink -- "$2")" ]; return; fi
  [ "$(sha256sum <"$1" 2>&1)" = "$(sha256sum <"$2" 2>&1)" ]
}
# mend: sets that a run left in the middle, before anything is looked at: their old files are put back. M tells of it.
mend() {
  told=
  for swap in "$state"/sets/*; do
    [ -d "$swap" ] && own "$swap" || continue
    left= label=
    if [ -e "$swap/journal" ]; then
      through journal back || { M="$label was left in the middle, and its old files cannot be put back: $M"; swap=; return 1; }
      told="$told$label was left in the middle by a run that died: its old files are back${left:+, but for what was changed since:$left}
"
    elif [ -e "$swap/done" ]; then
      through done away || continue
    fi
    rm -rf -- "$swap"
  done
  cd /
  swap= M=$told
}
