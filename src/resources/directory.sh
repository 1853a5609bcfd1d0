# Shell functions of the probe and the steps of directories.

# listing FOLDER NAME…: what is in FOLDER besides entries that a pattern NAME matches: a line for each of them
# and for all below, `e MODE INODE DEVICE SIZE TIME PATH`, and `m PATH` for each mount point, FOLDER itself too. No mount is
# entered and no link is followed. At most 10,001 lines; `x 0` at the end says that it is whole.
listing() {
  k=$1
  shift
  a=$#
  while [ "$a" -gt 0 ]; do
    set -- "$@" ! -name "$1"
    shift
    a=$((a - 1))
  done
  {
    [ ! -r /proc/self/mountinfo ] || while read -r l l l l n l; do
      case $n in "$k" | "$k"/*) echo "m $n" ;; esac
    done </proc/self/mountinfo
    find "$k" -mindepth 1 -maxdepth 1 "$@" -exec sh -c 'find "$@" -xdev -exec stat -c "e %f %i %d %s %Y %n" "{""}" +' sh {} +
    echo "x $?"
  } 2>&1 | head -n 10001
}
# entries FOLDER NAME…: the same with a line `p FOLDER` before it, if there is that folder.
entries() {
  [ -d "$1" ] && [ ! -L "$1" ] || return 0
  printf 'p %s\n' "$1"
  listing "$@"
}

# The rest is for steps.

# unmoved FOLDER META SUM NAME…: is the listing still the one of which SUM is the SHA-256?
unmoved() {
  at "$1" && same "$T" "$2" - || return
  a=$1 b=$3
  shift 3
  [ "$(listing "$a" "$@" | sort | sha256sum)" = "$b  -" ] || fail 'what is in it is not what this was planned against'
}
# cleared FOLDER ENTRY…: removes entries and all below them. An rm that is not GNU's can be led elsewhere by a link that
# somebody swaps in: it runs as the owner of the folder, and root's goes in itself.
cleared() {
  at "$1" || return
  V=.
  inside || return
  [ -z "$keeping" ] || keepsakes "$@" || return
  shift
  case $U$(rm --version 2>/dev/null) in
    0*GNU* | [1-9]*) M=$(rm -rf -- "$@" 2>&1); return ;;
  esac
  k=$(stat -c %U:%u .)
  if [ "${k##*:}" != 0 ]; then
    M=$(as "$k" rm -rf -- "$@" 2>&1 3<&- 4>&- 7>&- 9>&-)
    return
  fi
  M=$(emptied "$@" 2>&1)
}
# emptied ENTRY…: removes them with all that is in them, and works in each folder on names alone.
emptied() {
  for p do
    p=${p#./}
    if [ -L "./$p" ] || [ ! -d "./$p" ]; then
      rm -f -- "./$p" || return
      continue
    fi
    (
      q=$(pwd -P)
      q=${q%/}/$p
      cd -P -- "./$p" && [ "$(pwd -P)" = "$q" ] || { echo "$q was swapped for something else meanwhile"; exit 1; }
      set --
      for q in * .[!.]* ..?*; do
        if [ -e "./$q" ] || [ -L "./$q" ]; then set -- "$@" "$q"; fi
      done
      emptied "$@"
    ) && rmdir -- "./$p" || return
  done
}
# folder PATH MODE OWNER: makes a directory; the mode is set last, when the owner is right.
folder() {
  at "$1" && same "$T" absent - && before "$T" absent || return
  M=$(mkdir -- "$T" 2>&1) || return
  inside && blank || return
  if [ -n "$3" ]; then M=$(chown -h -- "$3" "$T" 2>&1) || return; fi
  M=$(chmod -- "$2" "$T" 2>&1)
}
# blank: is this the folder that was just made, or at least an empty one of ours, and none that was put in its place?
blank() {
  [ -z "$V" ] || { [ -O . ] && [ -z "$(ls -A . 2>&1)" ]; } || fail "it was swapped for another folder meanwhile"
}
# empty PATH META: removes an empty directory.
empty() {
  at "$1" && same "$T" "$2" - && before "$T" "$2" || return
  M=$(rmdir -- "$T" 2>&1)
}
