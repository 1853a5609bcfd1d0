# Shell functions of the way back: beside what a run kept (kept.sh) stands `changes`, a line for each resource that
# it was about to change and how that is undone.

# The rest is for steps.

# changing WHO [RUN]: lines for `changes` of this run, from the wire; on disk before anything that they are about is
# done. Who began it, and the run that it takes back, stand in `about`. The journal stays beside them under a second
# name: it says later what of them was done.
changing() {
  [ -n "$keptn" ] || shelf "$state/kept" $keptmost || return
  [ -e "$state/kept/$keeping/journal" ] || ln -- "$state/journal" "$state/kept/$keeping/journal" 2>/dev/null
  M=$(printf '%s\n' "who $1" ${2:+"of $2"} 2>&1 >"$state/kept/$keeping/about") || { unkept 'what is changed'; return; }
  M=$({ : >>"$state/kept/$keeping/changes"; } 2>&1) || { unkept 'what is changed'; return; }
  receive 5>>"$state/kept/$keeping/changes" || return
  ondisk "$state/kept/$keeping"
}
# undoable: the runs of which something is kept: of each a line with its id, `did` where it changed something, who
# began it, the run that it took back, and those that took it back. What the host put back itself is back.
undoable() {
  [ -e "$state/kept" ] || return 0
  own "$state/kept" || { echo "= foreign $state/kept"; return; }
  booted
  for p in "$state/kept"/*/changes; do
    [ -s "$p" ] || continue
    p=${p%/changes}
    echo "= run ${p##*/}"
    ! did "$p" || echo did
    l=
    { read -r l && ! read -r n && [ "$l" = 'rolled back' ] && echo "back ${p##*/}"; } 2>/dev/null <"$p/fate"
    head -q -c 65536 "$p/about" "$p/back" 2>/dev/null
  done
}
# did FOLDER: was one of the changes begun and did not fail? Where that cannot be known, it may have been.
did() {
  watched "$1" || return 0
  sed -n 's/^{"seq":\([0-9]*\),.*/begun \1/p' "$1/changes" | grep -xF -f - -- "$1/journal" |
    sed 's/^begun/failed/' | grep -vxFq -f "$1/journal"
}
# watched FOLDER: is the journal of a run there, with all its marks? Those of another boot may be lost.
watched() {
  [ -e "$1/journal" ] && grep -qxF "boot $boot" -- "$1/journal"
}
# took_back RUN OF: this run took that one back.
took_back() {
  [ ! -d "$state/kept/$2" ] || { echo "back $1" >>"$state/kept/$2/back" && ondisk "$state/kept/$2/back" "$state/kept/$2"; }
}
# undo RUN: what it changed, what is kept of that, and of each copy of a file the size, the SHA-256 and, of those
# with up to 1 MiB, the content, 16 MiB of them together. Five processes, and one for each content.
undo() {
  [ -e "$state/kept/$1" ] || return 0
  own "$state/kept/$1" && cd "$state/kept/$1" || { echo "= foreign $state/kept/$1"; return; }
  booted
  echo '= marks'
  ! watched . || echo whole
  grep -x -e 'begun [0-9]*' -e 'failed [0-9]*' journal 2>/dev/null
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
