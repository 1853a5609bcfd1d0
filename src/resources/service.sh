# Shell functions of services: systemd units.

# units UNIT…: what systemd says of each, in one process.
units() {
  command -v systemctl >/dev/null 2>&1 || { echo '!'; return; }
  systemctl show -p Id,Names,LoadState,LoadError,ActiveState,SubState,UnitFileState,FragmentPath,Type,RemainAfterExit -- "$@" 2>&1
}

# The rest is for steps.

# reread: systemd reads its unit files again, which a file before may have changed.
reread() {
  try "$1" systemctl daemon-reload && return
  M="systemctl daemon-reload: $M"
  return 1
}
# unit_now UNIT: a, how it runs (`running`, `stopped`, `failed`, `masked` …); b, whether it starts at boot (`on`, `off`,
# `runtime`, `masked`); and which of its starts this is (systemd.exec(5), INVOCATION_ID).
unit_now() {
  a= b=off n= p= invoked=
  E=$(systemctl show -p LoadState,ActiveState,SubState,UnitFileState,InvocationID -- "$1" 2>&1)
  IFS='
'
  set -f
  for l in $E; do
    case $l in
      LoadState=masked) n=masked ;;
      SubState=auto-restart*) p=failing ;;
      ActiveState=active | ActiveState=reloading | ActiveState=refreshing | ActiveState=activating) a=running ;;
      ActiveState=inactive) a=stopped ;;
      ActiveState=*) a=${l#*=} ;;
      UnitFileState=enabled | UnitFileState=alias) b=on ;;
      UnitFileState=enabled-runtime) b=runtime ;;
      UnitFileState=masked*) b=masked ;;
      InvocationID=?*) invoked=${l#*=} ;;
    esac
  done
  unset IFS
  set +f
  a=${p:-$a}
  case $n:$a in
    masked:running) a=masked+running ;;
    masked:*) a=masked ;;
  esac
}
# unit SECONDS UNIT RUNS BOOT RUN START VERB…: one systemctl for each verb, if the unit runs and starts as it
# did when this was planned (RUNS and BOOT; `-`: not asked) or as is wanted (RUN and START) already.
unit() {
  invoked=
  if [ "$G" -eq 0 ] && [ "$3$4" != -- ]; then
    unit_now "$2"
    case $3 in - | "$a") ;; *) [ "$a" = "$5" ] || { moved "$3" "$a"; return; } ;; esac
    case $4 in - | "$b") ;; *) [ "$b" = "$6" ] || { moved "at boot $4" "at boot $b"; return; } ;; esac
  fi
  s=$1 u=$2
  shift 6
  for c do
    verb "$s" "$c" "$u" || return
  done
}
# verb SECONDS VERB UNIT: what systemctl says on failure is completed by the unit's own last words.
verb() {
  [ -z "$keeping" ] || acting "$2" "$3" || return
  case $2 in
    unmask) systemctl --no-ask-password --runtime unmask -- "$3" >/dev/null 2>&1 ;;
    disable-runtime)
      try "$1" systemctl --no-ask-password --runtime disable -- "$3" && return
      M="systemctl --runtime disable: $M"
      return 1 ;;
  esac
  # Who dies now cannot say whether it came: by this the next run can, since each start has a number of its own.
  case $2$journal$invoked in restart1?*) echo "$S $invoked $3" >"$state/acting" ;; esac
  if try "$1" systemctl --no-ask-password "$2" -- "$3"; then
    case $2 in
      # What is owed came now; whether it holds is looked at next.
      start | restart | reload)
        mark acted
        [ ! -s "$state/acting" ] || : >"$state/acting" ;;
      enable)
        unit_now "$3"
        [ "$b" != off ] || fail 'systemctl enable left it as it was: nothing in its own [Install] starts it at boot; enable what it names in Also= instead'
        return ;;
      *) return 0 ;;
    esac
    stays "$3" && return
    M="it ended right after its $2"
  else
    M="systemctl $2: $M"
    case $M in *'not applicable'*) M="$M
it cannot reload: name its resource in \`restart_on\` instead" ;; esac
  fi
  M="$M
$(systemctl status --no-pager --lines=8 -- "$3" 2>&1 | tail -n 12)"
  return 1
}
# stays UNIT: is it still up? systemd calls a service of some types started before it has done anything:
# these are given some time here, and are looked at once more behind all steps.
stays() {
  case $(systemctl show -p Type -- "$1" 2>/dev/null) in
    Type=simple | Type=exec | Type=idle | Type=forking) sleep 0.3 2>/dev/null || sleep 1 ;;
  esac
  unit_now "$1"
  case $a in failed | failing) return 1 ;; esac
}
