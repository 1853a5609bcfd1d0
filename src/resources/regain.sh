# Shell functions of files that go back to what was kept of them (kept.sh).

# The rest is for steps.

# regain PATH META DIGEST MODE OWNER COPY SUM: as `put`, from a copy of a run. It gets the times of the copy, and
# all that the copy has where nothing stands at PATH.
regain() {
  like=$state/kept/$6
  put "$1" "$2" "$3" "$4" "$5" '' 60 "$7 $like"
  r=$?
  like=
  return "$r"
}
# alike META: what the new file has of the copy besides its content.
alike() {
  if [ "$1" = absent ]; then keep "$like" "$t" || return; fi
  touch -r "$like" -- "$t" 2>/dev/null
  :
}
