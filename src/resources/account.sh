# Shell functions of users and groups.

# database NAME KEY…: lines of the user database; a host without getent(1) has only its files.
database() {
  if command -v getent >/dev/null 2>&1; then getent "$@"; else cat "/etc/$1"; fi 2>&1
  case $? in 0 | 2) return ;; esac
  shift
  for p do echo "$p:x:?:?:::"; done
}
# pick NAME LINES: E, the line of NAME, or nothing.
pick() {
  E="
$2
"
  case $E in
    *"
$1:"*)
      E=${E#*"
$1:"}
      E=$1:${E%%"
"*} ;;
    *) E= ;;
  esac
}
# tools NAME…: a line for each that this host has not.
tools() {
  for p do
    command -v "$p" >/dev/null 2>&1 || echo "@missing $p"
  done
}
# usergroups: whether userdel(8) takes a user's own group away too, and who else has which group.
usergroups() {
  n=no
  if [ -r /etc/login.defs ]; then
    while read -r a b p; do
      [ "$a" != USERGROUPS_ENAB ] || n=$b
    done </etc/login.defs
  fi
  echo "@usergroups $n"
  cut -d : -f 1,4 /etc/passwd
}
# homes LINES NAME…: a line for each user of LINES whose home directory is there, with the number of its owner.
homes() {
  l=$1
  shift
  for p do
    pick "$p" "$l"
    n=${E%:*}
    [ -z "$E" ] || [ ! -d "${n##*:}" ] || echo "@home $p $(command stat -L -c %u -- "${n##*:}" 2>&1)"
  done
}
# shadow NAME HASH LINES: E, what shadow(5) says: whether the password is `open`, `locked` or there is
# `none`, the day on which the account ends, and the password: `same` as HASH, `none`, `empty`, else its
# SHA-256.
shadow() {
  pick "$1" "$3"
  [ -n "$E" ] || return 0
  E=${E#*:}
  a=${E%%:*}
  E=${E#*:*:*:*:*:*:}
  b=${E%%:*}
  n=$a
  while [ "$n" != "${n#\!}" ]; do n=${n#\!}; done
  case $a:$n in
    :) E=open n=empty ;;
    *: | *:\**) E=none n=none ;;
    *)
      [ "$a" = "$n" ] && E=open || E=locked
      if [ "$n" = "$2" ]; then
        n=same
      else
        n=$(printf %s "$n" | sha256sum)
        n=${n%% *}
      fi ;;
  esac
  E=$E:$b:$n
}
# shadows NAME HASH…: a line for each of these users.
shadows() {
  echo "@shadow $(($(date +%s) / 86400))"
  [ "$U" -eq 0 ] || { echo '!'; return; }
  k=
  p=
  for n do
    if [ -z "$p" ]; then k="$k $n" p=1; else p=; fi
  done
  # Names were checked: they hold nothing that the shell would split or expand.
  l=$(database shadow $k)
  while [ $# -gt 0 ]; do
    shadow "$1" "$2" "$l"
    [ -z "$E" ] || echo "$1:$E"
    shift 2
  done
}

# The rest is for steps.

# entry NAME KEY: E, its line in that database, or nothing; what was asked for all neighbours of a
# step is not asked again.
entry() {
  case $1:$G$folk in
    passwd:0y) pick "$2" "$users" ;;
    group:0y) pick "$2" "$groups" ;;
    *) pick "$2" "$(database "$1" "$2")" ;;
  esac
}
folk= users= groups=
# newcomers ITEM…: an ITEM is a step's number, the name of a user that is to be made, and the step. Which of the names, and
# groups of such names, there are is asked once.
newcomers() {
  wide=3
  called "$@"
  users=$(database passwd $k) groups=$(database group $k) folk=y
  while [ $# -gt 0 ]; do
    go "$1" -1 && {
      eval "$3"
      end $?
    }
    shift "$wide"
  done
  folk=
}
# group_to SECONDS NAME BEFORE AFTER COMMAND…: BEFORE and AFTER are its number, or `absent`; AFTER is `any`
# where its number does not matter.
group_to() {
  entry group "$2"
  n=${E#*:*:}
  n=${n%%:*}
  [ -n "$n" ] || n=absent
  [ "$n" != "$4" ] || return 0
  if [ "$G" -eq 0 ] && [ "$n" != "$3" ]; then
    [ "$4" = any ] && return
    moved "$3" "$n"; return
  fi
  a=$1
  shift 4
  try "$a" "$@" && return
  r=$?
  case $M in
    *'primary group'*) M="$M
give that user another group, or declare it absent too" ;;
  esac
  return "$r"
}
# user_is NAME ENTRY GROUPS SHADOW HASH: is the user as planned against? ENTRY is `absent` or
# `uid:group:comment:home:shell`, GROUPS is `,a,b,`, SHADOW as `shadow` says it of HASH; `-` is not asked, the group too.
user_is() {
  [ "$G" -eq 0 ] || return 0
  entry passwd "$1"
  n=absent
  if [ -n "$E" ]; then
    E=${E#*:*:} k=${2#*:}
    case $k in -:*) k=- ;; *) k=$(id -gn "$1" 2>/dev/null) ;; esac
    n=${E%%:*}:$k:${E#*:*:}
  fi
  if [ "$n" != "$2" ]; then moved "$2" "$n"; return; fi
  if [ "$3" != - ]; then
    k=${3#,}
    n=$(database group | while IFS=: read -r a p p b; do
      case ,$b, in *",$1,"*) p=in ;; *) p='not in' ;; esac
      case $3:$p in
        *",$a,"*:in) ;;
        *",$a,"*:*) echo "not in $a" ;;
        *:in) echo "in $a" ;;
      esac
    done)
    k=${k%,}
    if [ -n "$n" ]; then moved "groups ${k:-none}" "$n"; return; fi
  fi
  [ "$4" != - ] || return 0
  shadow "$1" "$5" "$(database shadow "$1")"
  [ "$E" = "$4" ] || fail 'its password, its lock or the day on which it ends is not what this was planned against'
}
# account SECONDS NAME COMMAND…: useradd, usermod or userdel.
account() {
  a=$1 b=$2
  shift 2
  if [ "$1" = useradd ]; then
    # A try before this one may have made it.
    entry passwd "$b"
    [ -z "$E" ] || return 0
    # useradd makes a group of the user's name unless there is one already.
    case " $* " in
      *' --gid '*) ;;
      *)
        entry group "$b"
        if [ -n "$E" ]; then
          shift
          set -- useradd --gid "$b" "$@"
        fi ;;
    esac
  fi
  try "$a" "$@" -- "$b" && return
  r=$?
  case $M in
    *'used by process'*) M="$M
end what runs as this user first, such as its service: no process is ended for you" ;;
  esac
  return "$r"
}
# password SECONDS NAME HASH: on standard input alone, which no other user can see.
password() {
  unlimited
  M=$(printf '%s:%s\n' "$2" "$3" | timeout -k 5 "$1" chpasswd -e 2>&1 3<&- 4>&- 7>&- 9>&-) && return
  r=$?
  case $M in *"$3"*) M='chpasswd failed; what it said is not shown, because the hash was in it' ;; esac
  return "$r"
}
