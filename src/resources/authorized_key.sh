# Shell functions of the probe and the steps of authorized keys.

# owners USER…: a line `h UID HOME USER` for each of them that is in the user database.
owners() {
  database passwd "$@" | while IFS=: read -r n l a l l b l; do
    for p do [ "$p" != "$n" ] || echo "h $a $b $n"; done
  done
}
# keyfiles USER…: the same; behind a line with a sign what stat says of their homes and of what leads to
# their keys; and the files with keys.
keyfiles() {
  l=$(owners "$@")
  printf '%s\n@files\n' "$l"
  IFS='
'
  set -f
  set --
  for k in $l; do
    k=${k#h * }
    k=${k% *}
    case $k in /*) set -- "$@" "$k" "$k/.ssh" "$k/.ssh/authorized_keys" ;; esac
  done
  [ $# -gt 0 ] || return 0
  stat -c 's %f %u %g %s %h %U %G %n' -- "$@" 2>&1
  for k do case $k in */.ssh/authorized_keys) [ -L "${k%/*}" ] || texts "$k" ;; esac; done
}

# The rest is for steps.

# keys USER HOME FOLDER FILE DIGEST SECONDS: puts a new file in, and makes what leads to it.
keys() {
  n=$(database passwd "$1" | while IFS=: read -r k l a b l h l; do [ "$k" != "$1" ] || echo "$a:$b:$h"; done)
  case $n in [0-9]*:[0-9]*:/*) ;; *) fail "the user database has no user $1 with a home"; return ;; esac
  set -- "$@" "${n#*:*:}" "${n%:"${n#*:*:}"}"
  [ "$2" = - ] || [ "$2" = "$7" ] || { fail "the home of $1 is $7, and was $2 when this was planned"; return; }
  # usermod gives to a new number or group of the user, in the same run maybe, what is in the home.
  k=${8%:*}\ ${8#*:} q=$3 l=$4
  [ "$(stat -c '%f %u %g' -- "$7/.ssh" 2>&1)" != "${q%% *} $k" ] || q="${q%% *} $k"
  [ "$(stat -c '%f %u %g' -- "$7/.ssh/authorized_keys" 2>&1)" != "${l%% *} $k" ] || l="${l%% *} $k"
  set -- "$1" "$2" "$q" "$l" "$5" "$6" "$7" "$8"
  if [ "$3" = absent ]; then
    folder "$7/.ssh" 00700 "$8" || return
  else
    at "$7/.ssh" && same "$T" "$3" - || return
  fi
  n=-
  a=
  if [ "$4" = absent ]; then n=00600 a=$8; fi
  put "$7/.ssh/authorized_keys" "$4" "$5" "$n" "$a" '' "$6" '' && ondisk "$7/.ssh"
}
