# Shell functions that make many new things in one folder at once. They are made in `nest`, a folder beside their places
# that only this login can enter, and moved over together. Who owns the folder around it can give the nest another name,
# and cannot move it elsewhere (rename(2): that takes the right to write to it): all is done from inside it. What is in the
# way of that is made by itself, as if there were no others.

# The rest is for steps.

# several KIND WIDE FOLDER MODE ITEM…: an ITEM has WIDE words: a step's number, a name, an owner, and what KIND wants to know
# besides. `nest_KIND` makes all of them in the nest, `make_KIND PATH ITEM` one in its place.
several() {
  kind=$1 wide=$2 folder=${3%/} each=$4 left=
  shift 4
  S=$1 B=-1 M= I= Q=0 G=0 V=
  cd /
  unset IFS
  set +f
  if [ -z "$F" ] && at "$folder/x" && beat busy && vacant "$@" && nested "$@" && starting "$@"; then
    # What was put there meanwhile stays, and what was to be there stays in the nest.
    mv -n -- ./* .. 2>/dev/null
    for p in ./*; do
      if [ -e "$p" ] || [ -L "$p" ]; then left="$left ${p#./}/ "; fi
    done
  else
    left=all
  fi
  unnest
  while [ $# -gt 0 ]; do
    case $left in
      all | *" $2/ "*)
        go "$1" -1 && {
          "make_$kind" "$folder/$2" "$@"
          end $?
        } ;;
      *)
        S=$1 M= I= Q=0
        end 0 ;;
    esac
    shift "$wide"
  done
  cd /
}
# called ITEM…: k, the second words of all of these, which hold no space.
called() {
  k=
  while [ $# -gt 0 ]; do
    k="$k $2"
    shift "$wide"
  done
}
# vacant ITEM…: is nothing there yet? That nothing was there is kept for the way back, all of it at once.
vacant() {
  k= l= n=
  if [ -n "$keeping" ]; then
    [ -n "$keptn" ] || shelf "$state/kept" $keptmost || return
    n=$keptn
  fi
  while [ $# -gt 0 ]; do
    if [ -e "./$2" ] || [ -L "./$2" ]; then return 1; fi
    l="$l$folder/$2
"
    [ -z "$n" ] || {
      n=$((n + 1))
      k="$k$n $1 absent - $folder/$2
"
    }
    shift "$wide"
  done
  [ -n "$n" ] || return 0
  # What the run kept before stays as it was kept.
  [ "$keptn" -eq 0 ] || [ -z "$(cut -d ' ' -f 5- <"$state/kept/$keeping/list" | grep -Fx -e "${l%?}")" ] || return
  M=$(printf %s "$k" 2>&1 >>"$state/kept/$keeping/list") && ondisk "$state/kept/$keeping/list" || return
  keptn=$n keptall="$keptall$l"
}
# nested ITEM…: all of them are in the nest, with owner and mode, and on disk.
nested() {
  n=.trueup-$R-$S
  M=$(mkdir -- "./$n" 2>&1) && cd -P -- "./$n" 2>/dev/null || return
  nest=$n
  [ -O . ] && [ -z "$(ls -A . 2>&1)" ] && "nest_$kind" "$@" || return
  heirs "$@"
  for p in $a; do bestow "$p" "$@" || return; done
  if [ "$each" != - ]; then M=$(chmod -- "$each" ./* 2>&1) || return; fi
  [ "$kind" != file ] || ondisk ./*
}
# heirs ITEM…: a, to whom they are to belong. None of these holds a space.
heirs() {
  a=
  while [ $# -gt 0 ]; do
    case " $a " in *" $3 "*) ;; *) a="$a $3" ;; esac
    shift "$wide"
  done
}
# bestow OWNER ITEM…: what is to be his, by one process.
bestow() {
  o=$1 k=$(($# - 1))
  shift
  while [ "$k" -gt 0 ]; do
    [ "$3" != "$o" ] || set -- "$@" "./$2"
    shift "$wide"
    k=$((k - wide))
  done
  M=$(chown -h -- "$o" "$@" 2>&1)
}
# unnest: the nest goes, with what is still in it.
unnest() {
  [ -n "$nest" ] || return 0
  rmdir -- "../$nest" 2>/dev/null || { rm -f -- ./*; rmdir -- ./*; cd .. && rmdir -- "./$nest"; } 2>/dev/null
  nest=
  cd /
}
# starting ITEM…: all steps are marked as begun.
starting() {
  [ -z "$journal" ] || M=$({ while [ $# -gt 0 ]; do
    echo "begun $1"
    shift "$wide"
  done >&7; } 2>&1)
}

nest_file() {
  while [ $# -gt 0 ]; do
    printf %s "$4" 2>/dev/null >"./$2" || return
    shift 4
  done
}
make_file() {
  given=y text=$5
  put "$1" absent - "$each" "$4" '' 60 ''
  r=$?
  given= text=
  return "$r"
}
nest_folder() {
  k=$#
  while [ "$k" -gt 0 ]; do
    set -- "$@" "./$2"
    shift 3
    k=$((k - 3))
  done
  mkdir -- "$@" 2>/dev/null
}
make_folder() {
  folder "$1" "$each" "$4"
}
nest_link() {
  while [ $# -gt 0 ]; do
    ln -s -- "$4" "./$2" 2>/dev/null || return
    shift 4
  done
}
make_link() {
  link "$1" "$5" absent
}
