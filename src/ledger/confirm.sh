# Shell functions of commit-confirm: the host itself puts back what a run changed, unless somebody says in time,
# over a new connection, that it can still be reached. While that is open there is a folder for it below
# $state/confirm. `token` in it decides: it is renamed once, by who confirms or by who puts back. Behind
# that, what became of it stands in `fate` beside the copies that the run kept.

# booting: E, by what somebody can be started when this host starts anew: `units` of systemd, before the network;
# `local` of OpenRC or `cron`, behind it; or nothing.
booting() {
  E=
  if [ "$U" -ne 0 ]; then return; fi
  if [ -d /run/systemd/system ]; then
    E=units
  elif [ -d /etc/local.d ] && { [ -e /etc/runlevels/default/local ] || [ -e /etc/runlevels/boot/local ]; }; then
    E=local
  elif [ -d /etc/cron.d ] && { read -r k </run/crond.pid; } 2>/dev/null && started "$k" && [ ! "/proc/$k/exe" -ef /bin/busybox ]; then
    E=cron
  fi
}
# wayin HOW: `@machine` and what tells this machine from all others: its boot, when process 1 began, its name and number;
# `@boot` where somebody can be started at a boot; then who logged in, as `@login NAME:HOME:SHELL`, and a line
# of his groups. HOW is `sudo` where the login becomes root: the nearest process above us that is not root's is his.
wayin() {
  booted
  if started 1; then
    a=
    { read -r a </etc/machine-id; } 2>/dev/null
    echo "@machine $boot $T ${a:-none} $machine"
  fi
  booting
  [ -z "$E" ] || echo @boot
  k=$$ n=$U
  if [ "$1" = sudo ]; then
    while [ "$n" -eq 0 ] && [ "$k" -gt 0 ]; do
      a=0
      { while read -r p b E; do
        case $p in
          PPid:) a=$b ;;
          Uid:) n=$b; break ;;
        esac
      done <"/proc/$k/status"; } 2>/dev/null || return 0
      k=$a
    done
    [ "$n" -ne 0 ] || return 0
  fi
  lister "$n" </etc/passwd || database passwd "$n" | lister "$n"
}
# lister NUMBER: a line for the user of that number, of lines of the user database, and one of his groups: a root whose
# login gave him no other than his own is asked no more about them.
lister() {
  while IFS=: read -r a p b E E o E; do
    [ "$b" = "$1" ] || continue
    printf '@login %s:%s:%s\n' "$a" "$o" "$E"
    k=
    [ "$1" -ne 0 ] || while read -r p k; do
      [ "$p" != Groups: ] || break
    done </proc/self/status
    case $k in 0) echo root ;; *) id -Gn -- "$a" ;; esac
    return 0
  done 2>/dev/null
  return 1
}

# The rest is for steps.

# arm RUN ID SECONDS PATIENCE TOKEN: somebody watches from now on, who outlives us, and is seen to. The program that he
# runs comes on the wire. A step may take PATIENCE seconds; SECONDS after the last one ended it is put back.
arm() {
  guard=
  [ -n "$keptn" ] || shelf "$state/kept" $keptmost || return
  set -- "$state/confirm/$2" "$@"
  M=$(rm -f -- "$state/kept/$2/fate" 2>&1 && mkdir -p -m 0700 -- "$state/confirm" "$1" 2>&1) || return
  own "$state/confirm" && own "$1" || { fail "$1 is not a folder of this login's alone"; return; }
  M=$({ : >"$1/guard"; } 2>&1) || return
  receive 5>"$1/guard" || return
  booted
  started $$
  M=$({
    printf '%s\n' "$2 $3 $4 $5 $boot $$ $T" >"$1/run" && echo 'idle 0' >"$1/beat" && printf '%s\n' "$6" >"$1/token"
  } 2>&1) && ondisk "$1/run" "$1/token" "$1" "$state/confirm" "$state" || { swept "$1"; return 1; }
  if [ -d /run/systemd/system ] && [ "$U" -eq 0 ]; then by_units "$1" "$3"; else lasting && by_itself "$1" "$3"; fi && seen "$1" "$3" && guard=$1 && return
  M="what it may cut off could not be put back: ${M:-nobody watches}
nothing was changed; \`confirm = false\` goes without"
  swept "$1"
  return 1
}
# by_units FOLDER ID: by systemd: a service that it starts again where somebody kills it, and one that puts back
# before the network is up when the host starts anew meanwhile.
by_units() {
  case $state in *[!A-Za-z0-9./_@:+-]*) fail "systemd cannot be told of $state"; return ;; esac
  set -- "$@" "/etc/systemd/system/trueup-confirm-$2"
  M=$({
    printf '%s\n' '[Unit]' 'Description=Puts back what trueup changed, unless it is confirmed' StartLimitIntervalSec=0 \
      '[Service]' "ExecStart=/bin/sh $1/guard watch $state $2" Restart=on-failure RestartSec=1 OOMScoreAdjust=-900 >"$3.service" &&
    printf '%s\n' '[Unit]' 'Description=Puts back what trueup changed and nobody confirmed' DefaultDependencies=no \
      "RequiresMountsFor=$state" 'After=local-fs.target systemd-remount-fs.service' 'Conflicts=shutdown.target' \
      'Before=shutdown.target sysinit.target network-pre.target nftables.service firewalld.service ufw.service' \
      'Before=netfilter-persistent.service systemd-networkd.service networking.service NetworkManager.service' \
      '[Service]' Type=oneshot "ExecStart=/bin/sh $1/guard boot $state $2" >"$3-boot.service" &&
    chmod 0644 "$3.service" "$3-boot.service" && mkdir -p "${3%/*}/sysinit.target.wants" &&
    ln -s "../trueup-confirm-$2-boot.service" "${3%/*}/sysinit.target.wants/"
  } 2>&1) && ondisk "$3.service" "$3-boot.service" "${3%/*}" "${3%/*}/sysinit.target.wants" || return
  n=
  case $state in /var/lib/trueup/*) n=$(stat -f -c %T -- "$state") ;; esac
  case "$n $(stat -f -c %T -- "${3%/*}")" in
    *tmpfs* | *ramfs*) fail "/etc or $state is in memory only: nobody would put it back when the host starts anew"; return ;;
  esac
  systemctl is-enabled --quiet -- "${3##*/}-boot.service" && M=$(systemctl start -- "${3##*/}.service" 2>&1)
}
# lasting: does what a login leaves behind go on?
lasting() {
  [ -d /run/systemd/system ] || return 0
  case $(busctl get-property org.freedesktop.login1 /org/freedesktop/login1 org.freedesktop.login1.Manager KillUserProcesses 2>&1) in
    'b false') ;;
    *) fail 'systemd ends what a login leaves behind (KillUserProcesses), and only root can have it watch' ;;
  esac
}
# by_itself FOLDER ID: by a process of its own, where there is no systemd.
by_itself() {
  command -v setsid >/dev/null 2>&1 || { fail 'there is neither systemd nor setsid(1)'; return; }
  (setsid /bin/sh "$1/guard" watch "$state" "$2" </dev/null >/dev/null 2>&1 3<&- 4>&- 7>&- 9>&- &)
  booting
  case $E in
    local)
      set -- "$@" "/etc/local.d/trueup-confirm-$2.start"
      M=$({ printf '%s\n' '#!/bin/sh' "/bin/sh '$1/guard' late '$state' $2" >"$3" && chmod 0755 "$3"; } 2>&1) || return ;;
    cron)
      # What cron reads holds no word of anybody's: `%` would end the line there.
      case $state in *[!A-Za-z0-9./_@:+-]*) fail "cron cannot be told of $state"; return ;; esac
      set -- "$@" "/etc/cron.d/trueup-confirm-$2"
      M=$({ printf '%s\n' "@reboot root /bin/sh $1/guard late $state $2" >"$3" && chmod 0644 "$3"; } 2>&1) || return ;;
    *)
      remark 'where this host starts anew before it is confirmed, nobody puts anything back: this takes root, and systemd, OpenRC or cron'
      return 0 ;;
  esac
  ondisk "$3" "${3%/*}"
}
# seen FOLDER ID: is there who watches, and is it none that ends with this session?
seen() {
  n=0
  until { read -r k l <"$1/alive" && process "$k" "$l"; } 2>/dev/null; do
    n=$((n + 1))
    [ "$n" -le 50 ] || { fail 'who is to watch does not begin'; return; }
    sleep 0.2 2>/dev/null || sleep 1
  done
  if [ -d /run/systemd/system ] && [ "$U" -eq 0 ]; then
    [ "$(systemctl show -p MainPID -- "trueup-confirm-$2.service")" = "MainPID=$k" ] || fail 'systemd does not know who watches'
  elif [ -r /proc/self/stat ]; then
    read -r E <"/proc/$$/stat"
    read -r M <"/proc/$k/stat"
    l=$(set -- $M && echo "$6")
    [ "$(set -- $E && echo "$6")" != "$l" ] && M= || fail 'who watches would end with this session'
  fi
}
# confirmation PROJECT/HOST BASE RUN ID TOKEN: it can be reached. What became of it, by the host's own record.
confirmation() {
  remembers "$1" "$2"
  own "$state" || { echo none; return; }
  set -- "$state/kept/$3/fate" "$state/confirm/$4" "$5" 0
  if { read -r k <"$2/token"; } 2>/dev/null && [ "$k" = "$3" ] && mv -fT -- "$2/token" "$2/confirmed" 2>/dev/null; then
    confirmed "$1" "$2"
  fi
  while [ -e "$2/reverting" ] && [ "$4" -lt 240 ]; do
    sleep 1
    set -- "$1" "$2" "$3" "$(($4 + 1))"
  done
  cat "$1" 2>/dev/null || echo none
}
# outlived PID START: a shell whose connection was lost ends behind the step that it does, within 10 s.
outlived() {
  set -- "$@" 0
  process "$1" "$2" && kill -TERM "$1"
  while process "$1" "$2" && [ "$3" -lt 10 ]; do
    sleep 1
    set -- "$1" "$2" "$(($3 + 1))"
  done
}
# confirmed FATE FOLDER: writes that down. Nothing of the watch stays.
confirmed() {
  echo confirmed >"$1" && ondisk "$2" "$1" "${1%/*}"
  swept "$2"
}
# swept FOLDER: nothing is left of an arming.
swept() {
  set -- "$1" "/etc/systemd/system/trueup-confirm-${1##*/}"
  rm -f -- "$2.service" "$2-boot.service" "${2%/*}/sysinit.target.wants/${2##*/}-boot.service" "/etc/local.d/${2##*/}.start" "/etc/cron.d/${2##*/}"
  rm -rf -- "$1"
  rmdir -- "${1%/*}" 2>/dev/null
  # M stays why.
  if [ -d "${2%/*}/sysinit.target.wants" ]; then set -- "$state" "${2%/*}" "${2%/*}/sysinit.target.wants"; else set -- "$state"; fi
  (ondisk "$@")
}
# undecided: is a change of this host still to be confirmed? Where nobody watches over it any more it is put back now.
undecided() {
  for p in "$state"/confirm/*/run; do
    [ -e "$p" ] || continue
    p=${p%/run}
    read -r who l <"$p/run"
    who="run $who is not confirmed there yet: the host puts it back by itself, or its controller confirms it"
    { read -r k l <"$p/alive" && process "$k" "$l"; } 2>/dev/null && return
    [ ! -s "$p/guard" ] || /bin/sh "$p/guard" now "$state" "${p##*/}" </dev/null >/dev/null 2>&1 3<&- 4>&- 7>&- 9>&-
    swept "$p"
  done
  return 1
}

# What follows is for who watches.

# guarding WHAT STATE ID: the whole life of who watches.
guarding() {
  state=$2 c=$2/confirm/$3
  booted
  read -r run a b p E pid start <"$c/run" || exit 0
  # Behind the network, by somebody who may also be started again while the host goes on.
  if [ "$1" = late ]; then
    ! { read -r k l <"$c/alive" && process "$k" "$l"; } 2>/dev/null || return 0
  elif [ "$E" != "$boot" ]; then
    set -- boot
  fi
  if [ "$1" = watch ] && [ ! -e "$c/reverting" ]; then
    echo "$$ $born" >"$c/alive"
    waited "$b" "$p" || return 0
  fi
  revert "$1"
}
# waited SECONDS PATIENCE: true when the time is over and nobody confirmed it. A step that runs has its own time; the
# clock begins anew behind each. It is no clock of days, and goes on where somebody ends us and systemd starts us again.
waited() {
  was= since=
  { read -r since was <"$c/since"; } 2>/dev/null
  while [ -e "$c/token" ]; do
    { read -r b <"$c/beat"; } 2>/dev/null
    case $b in busy*) process "$pid" "$start" || b=gone ;; esac
    clock
    if [ "$b" != "$was" ]; then
      was=$b since=$t
      echo "$t $b" >"$c/since"
    fi
    n=$1
    case $b in busy*) n=$(($1 + $2)) ;; esac
    [ $((t - since)) -le "$n" ] || return 0
    sleep 1
  done
  # Who confirmed it may have been cut off before he had written that down.
  [ ! -e "$c/confirmed" ] || { sleep 5; [ ! -e "$c/confirmed" ] || confirmed "$state/kept/$run/fate" "$c"; }
  return 1
}
# revert WHAT: puts back all that the run changed, the last first. Begun anew where it was cut off.
revert() {
  mv -fT -- "$c/token" "$c/reverting" 2>/dev/null || [ -e "$c/reverting" ] || return 0
  silenced "$1"
  [ ! -e "$state/journal" ] || printf '\nword %s %s\n' "$R" "$run" >>"$state/journal"
  k=$state/kept/$run
  : >"$c/failed"
  set -- "$1" "$k" "$(wc -l <"$k/list")"
  while [ "$3" -gt 0 ]; do
    p=$(sed -n "$3{p;q;}" "$2/list")
    if (putback "$run" "$3" || { printf '%s: %s\n' "${p#* * * * }" "${M%%"
"*}" >>"$c/failed"; exit 1; }); then
      p=${p#* }
      [ ! -e "$state/journal" ] || echo "undone ${p%% *}" >>"$state/journal"
    fi
    set -- "$1" "$2" "$(($3 - 1))"
  done
  reacted "$1" "$2"
  # At boot nothing of before is loaded.
  [ "$1" = boot ] || rerun
  { echo 'rolled back' && cat "$c/failed"; } >"$2/fate.new" && mv -fT -- "$2/fate.new" "$2/fate"
  ondisk "$2/fate" "$2"
  swept "$c"
}
# rerun_one ADDRESS STATUS: what is told where a command that was run again failed.
rerun_one() {
  [ "$2" -eq 0 ] || printf '%s\n' "$1: run again with what was put back, and failed: ${M%%"
"*}" >>"$c/failed"
}
# silenced WHAT: the shell that did it begins nothing more, and what it does now gets 20 s; then the lock is ours. Who
# has this done now has it already.
silenced() {
  kill -USR1 "$pid" 2>/dev/null
  n=0
  while process "$pid" "$start"; do
    [ "$n" -ne 2 ] || kill -TERM "$pid"
    [ "$n" -lt 20 ] || kill -KILL "$pid"
    n=$((n + 1))
    sleep 1
  done 2>/dev/null
  [ "$1" != now ] || return 0
  ! command -v flock >/dev/null 2>&1 || { exec 9<>"$state/lock" && flock -w 60 9; }
}
# acting VERBS UNIT…: written down before systemctl does it, where the run keeps what it changes.
acting() {
  [ -n "$keeping" ] || return 0
  [ -n "$keptn" ] || shelf "$state/kept" $keptmost || return
  a=$1
  shift
  for k in $a; do for p do echo "$k $p"; done; done >>"$state/kept/$keeping/acts" && ondisk "$state/kept/$keeping/acts"
}
# reacted WHAT FOLDER: units go back too, the last first, each once. At boot they have not begun.
reacted() {
  [ -s "$2/acts" ] && [ -d /run/systemd/system ] || return 0
  [ "$1" = boot ] || systemctl daemon-reload
  l=' '
  sed '1!G;h;$!d' "$2/acts" | while read -r a p; do
    case "$l" in *" $a:$p "*) continue ;; esac
    l="$l$a:$p "
    case $a in
      enable) a=disable ;;
      disable) a=enable ;;
      disable-runtime) a='enable --runtime' ;;
      mask) a=unmask ;;
      unmask) a=mask ;;
      start) a=stop ;;
      stop) a=start ;;
      reload) a=reload-or-restart ;;
    esac
    case $1$a in bootst* | bootre*) continue ;; esac
    systemctl reset-failed -- "$p" >/dev/null 2>&1
    M=$(timeout -k 5 120 systemctl --no-ask-password $a -- "$p" 2>&1 </dev/null) || printf '%s\n' "$p: systemctl $a: ${M%%"
"*}" >>"$c/failed"
  done
}
