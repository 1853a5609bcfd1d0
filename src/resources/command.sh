# Shell functions of commands. What a shell is to run comes on its standard input, so that no argument,
# no environment and no file holds it: first shell text of known length, then what the command reads.

O='P=$(dd bs="$1" count=1 iflag=fullblock 2>/dev/null) && eval "unset P; set --; $P"'

# who USER: W, the words that start such a shell, with a clean environment and the groups of USER; `-` is
# the login as it is.
who() {
  W='/bin/sh -c "$O" sh'
  if [ "$1" = - ]; then home; return 0; fi
  w=$1
  # Names were checked: they hold nothing that the shell would expand.
  eval "h=~$w"
  case $h in '~'*) fail "there is no user $w on this host"; return ;; esac
  W="/usr/bin/env -i PATH=\"\$PATH\" LC_ALL=C HOME=\"\$h\" USER=\"\$w\" LOGNAME=\"\$w\" $W"
  if [ "$U" -ne 0 ]; then
    [ "$(id -un)" != "$w" ] || return 0
    if ! command -v sudo >/dev/null 2>&1; then fail "only root runs something as $w, and there is no sudo"; return; fi
    # What sudo started only root can end: so it ends itself.
    W="sudo -n -u \"\$w\" -- timeout -k 5 \"\$1\" $W"
  elif command -v runuser >/dev/null 2>&1; then
    W="runuser -u \"\$w\" -- $W"
  else
    W="su -s /bin/sh -c 'exec \"\$@\"' -- \"\$w\" sh $W"
  fi
}
# ready USER DIR: can a probe run? Else a line why not.
ready() {
  who "$1" || { echo "user $M"; return 1; }
  [ -d "$2" ] || { echo dir; return 1; }
}
# held SECONDS TEXT: the status of a probe's TEXT, 124 when its time was over. Nothing that it prints is
# kept, and nothing of the wire is open in it.
held() {
  unlimited
  printf %s "$2" | eval "timeout -k 5 \"\$1\" $W \"\${#2}\"" >/dev/null 2>&1 3<&- 4>&- 7>&- 9>&-
  r=$?
  ! late "$r" || r=124
  return "$r"
}

# The rest is for steps.

# clock: t, seconds that no change of the time of day moves.
clock() {
  if [ -r /proc/uptime ]; then
    read -r t p </proc/uptime
    t=${t%%.*}
  else
    t=$(date +%s)
  fi
}
# probed NAME: is the status r of a probe an answer?
probed() {
  case $r in
    124) fail "\`$1\` took longer than 60 s" ;;
    126 | 127) fail "\`$1\` cannot run: exit status $r, a program in it is not there" ;;
  esac
}
# needless CREATES UNLESS ONLY_IF: does what asked for the run ask no more? An empty one asks nothing.
needless() {
  if [ -n "$1" ] && { [ -e "$1" ] || [ -L "$1" ]; }; then remark "not run: $1 is there now"; return 0; fi
  if [ -n "$2" ]; then
    held 60 "$2"
    probed unless || return
    if [ "$r" -eq 0 ]; then remark 'not run: `unless` succeeds now'; return 0; fi
  fi
  if [ -n "$3" ]; then
    held 60 "$3"
    probed only_if || return
    if [ "$r" -ne 0 ]; then remark 'not run: `only_if` fails now'; return 0; fi
  fi
  M=
  return 1
}
# command_to SECONDS USER DIR TEXT INPUT UNTIL CREATES UNLESS ONLY_IF: an empty one is not there.
command_to() {
  who "$2" || return
  if [ ! -d "$3" ]; then fail "its folder $3 is not there"; return; fi
  if needless "$7" "$8" "$9"; then return 0; fi
  [ -z "$M" ] || return 1
  clock
  e=$((t + $1)) s=$1 r=1
  if [ -n "$4" ]; then
    J=$4$5
    eval "run \"\$1\" $W \"\${#4}\"" && r=0
    J=
    if [ "$r" -ne 0 ]; then
      # It has none where its time was over or it never ran, which M says.
      p=
      [ -z "$D" ] || read -r p <"$D/status" 2>/dev/null || p=
      case $p in '' | none) ;; *) M="exit status $r${M:+:
$M}" ;; esac
      return 1
    fi
  fi
  [ -z "$6" ] || wait_for 0 "$6"
}
# wait_for 0 TEXT: tries TEXT every second until it succeeds or the time e is over.
wait_for() {
  l=$M
  while :; do
    clock
    [ "$t" -lt "$e" ] || t=$((e - 1))
    set -- "$((e - t))" "$2"
    J=$2 r=1
    eval "run \"\$1\" $W \"\${#2}\"" && r=0
    J=
    [ "$r" -ne 0 ] || break
    clock
    if [ "$t" -ge "$e" ]; then
      M="\`until\` did not succeed within $s s; at last it ended with exit status $r${M:+ and said:
$M}"
      return 1
    fi
    sleep 1
  done
  M=$l
}
