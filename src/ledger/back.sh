# Shell functions of the way back: beside what a run kept (kept.sh) stands `changes`, a line for each resource that
# it was about to change and how that is undone.

# changing: lines for `changes` of this run, from the wire; on disk before anything that they are about is done.
changing() {
  [ -n "$keptn" ] || shelf "$state/kept" $keptmost || return
  M=$({ : >>"$state/kept/$keeping/changes"; } 2>&1) || { unkept 'what is changed'; return; }
  receive 5>>"$state/kept/$keeping/changes" || return
  ondisk "$state/kept/$keeping"
}
# undoable: the runs of which something is kept, a line for each.
undoable() {
  [ -e "$state/kept" ] || return 0
  own "$state/kept" || { echo "= foreign $state/kept"; return; }
  for p in "$state/kept"/*/changes; do
    [ ! -s "$p" ] || { p=${p%/changes}; echo "${p##*/}"; }
  done
}
# undo RUN: what it changed, what is kept of that, and of each copy of a file the size, the SHA-256 and, of those
# with up to 1 MiB, the content, 16 MiB of them together. Five processes, and one for each content.
undo() {
  [ -e "$state/kept/$1" ] || return 0
  own "$state/kept/$1" && cd "$state/kept/$1" || { echo "= foreign $state/kept/$1"; return; }
  echo '= changes'
  head -c 33554432 changes 2>/dev/null
  echo '= list'
  head -c 33554432 list 2>/dev/null
  set -- $(sed -n 's/^\([0-9][0-9]*\) [0-9]* file .*/\1/p' list 2>/dev/null)
  [ $# -gt 0 ] || return 0
  echo '= sums'
  sha256sum -- "$@" 2>/dev/null
  echo '= copies'
  a=0
  command stat -c '%n %s' -- "$@" 2>/dev/null | while read -r n l; do
    echo "s $n $l"
    [ "$l" -le 1048576 ] && a=$((a + l)) && [ "$a" -le 16777216 ] || continue
    echo "b $n"
    base64 <"$n"
    echo .
  done
}
