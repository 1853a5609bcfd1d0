# Shell functions of services: systemd units.

# quick UNIT…: what matters of those units that are up and start at boot, in one process that asks systemd one thing of
# all; `slow` are the others. Their names are plain: letters, digits and any of `:-_.`.
quick() {
  unset IFS
  set +f
  slow=" $* "
  l=$(systemctl list-units --all --full --plain --no-legend -- "$@" 2>/dev/null) || return
  set -- /etc/systemd/system/*.wants /etc/systemd/system/*.requires
  IFS='
'
  set -f
  for k in $l; do
    unset IFS
    up $k && usual && boots "$@" || continue
    printf 'Id=%s\nNames=%s\nLoadState=loaded\nActiveState=active\nUnitFileState=enabled\n\n' "$u" "$u"
    slow="${slow%%" $u "*} ${slow#*" $u "}"
  done
  unset IFS
  set +f
}
# up UNIT LOAD ACTIVE …: u, that unit; is it one of `slow`, and up?
up() {
  u=${1-}
  case ${2-}:${3-} in loaded:active) ;; *) return 1 ;; esac
  case $slow in *" $u "*) ;; *) return 1 ;; esac
}
# usual: did packages and administrators alone make u what it is, and is it not masked?
usual() {
  p=/etc/systemd/system/$u
  if [ -e "$p" ] || [ -L "$p" ]; then [ -s "$p" ] || return; fi
  for p in /etc/systemd/system.control /run/systemd/system /run/systemd/system.control /run/systemd/transient \
    /run/systemd/generator /run/systemd/generator.early /run/systemd/generator.late; do
    [ ! -e "$p/$u" ] || return
  done
}
# boots FOLDER…: is there a link by the name of u in one of these? It starts at boot then (systemctl(1), is-enabled);
# by anything else in there it does not.
boots() {
  for p do
    if [ -L "$p/$u" ] && [ -s "$p/$u" ] && [ ! -L "$p" ]; then return 0; fi
  done
  return 1
}
# units UNIT…: all that systemd says of each, in one process, which takes its time with each.
units() {
  [ $# -gt 0 ] || return 0
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
# unit_now UNIT: what `reads` says of it now.
unit_now() {
  reads "$(systemctl show -p "$asked" -- "$1" 2>&1)"
}
asked=LoadState,ActiveState,SubState,UnitFileState,InvocationID,Type
# reads TEXT: of what systemctl said of a unit a, how it runs (`running`, `stopped`, `failed`, `masked` …); b, whether it
# starts at boot (`on`, `off`, `runtime`, `masked`); which of its starts this is (systemd.exec(5), INVOCATION_ID); and its type.
reads() {
  a= b=off n= p= invoked= type=
  IFS='
'
  set -f
  for l in $1; do
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
      Type=*) type=${l#*=} ;;
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
  acting "$2" "$3" || return
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
  last_words "$3"
  return 1
}
# last_words UNIT: what it said last, and what systemd says of it.
last_words() {
  M="$M
$(systemctl status --no-pager --lines=8 -- "$1" 2>&1 | tail -n 12)"
}
# stays UNIT: is it still up?
stays() {
  unit_now "$1"
  ! settles || unit_now "$1"
  case $a in failed | failing) return 1 ;; esac
}
# settles: systemd calls a service of some types started before it has done anything: these are given some time here, and
# are looked at once more behind all steps.
settles() {
  case $type in
    simple | exec | idle | forking) sleep 0.3 2>/dev/null || sleep 1 ;;
    *) return 1 ;;
  esac
}

# upunits SECONDS VERBS ITEM…: an ITEM is a step's number, a unit, how it runs and starts at boot (as `unit` takes it), and
# `y` if systemd is to read its units again before. VERBS are `enable`, `start` or both. One systemctl does each verb for
# all; they are given their time together. Where they are not as planned, each is done by itself, and none behind one that
# failed; once something was done, each says what became of it.
upunits() {
  s=$1 verbs=$2 wide=5
  shift 2
  S=$1 B=-1 M= I= Q=0 G=0 V=
  cd /
  unset IFS
  set +f
  if [ -n "$F" ] || ! beat busy || ! foreseen "$@" || ! starting "$@"; then
    o=$5
    while [ $# -gt 0 ]; do
      go "$1" -1 && {
        { [ "$o" != y ] || reread "$s"; } && oneunit "$3" "$4" "$2"
        end $?
      }
      o=-
      shift "$wide"
    done
    return
  fi
  raised "$@"
  each "$@"
  while [ $# -gt 0 ]; do
    S=$1 M= I= Q=0 G=0 V=
    { one || fail "systemctl did not say what became of it: $E"; } && came_up "$2"
    end $?
    shift "$wide"
  done
}
# oneunit RUNS BOOT UNIT: one of them by itself.
oneunit() {
  case $verbs in
    enable) unit "$s" "$3" "$1" "$2" - on enable ;;
    start) unit "$s" "$3" "$1" "$2" running - start ;;
    *) unit "$s" "$3" "$1" "$2" running on enable start ;;
  esac
}
# came_up UNIT: is it as wanted, of which a and b are told? What was not tried with the others is, and tells why it fails.
came_up() {
  case $verbs:$b in
    enable*:off) oneunit - - "$1"; return ;;
    enable:*) return 0 ;;
  esac
  case $a in
    running) mark acted ;;
    failed | failing)
      M="it ended right after its start"
      last_words "$1"
      return 1 ;;
    *) oneunit - - "$1" ;;
  esac
}
nl='
'
# each ITEM…: E, what systemctl says of the units of all of these, one after the other, and k, their names.
each() {
  called "$@"
  E=$(systemctl show -p "$asked" -- $k 2>&1)$nl$nl
}
# one: reads what E says of the first of its units, and takes that away.
one() {
  case $E in *"$nl$nl"*) ;; *) return 1 ;; esac
  reads "${E%%"$nl$nl"*}"
  E=${E#*"$nl$nl"}
}
# foreseen ITEM…: do all run and start at boot as planned? `units` is what they are called, and `slow` says that some may be
# called started before they have done anything.
foreseen() {
  each "$@"
  units=$k slow=
  while [ $# -gt 0 ]; do
    one || return
    case $type in simple | exec | idle | forking | '') slow=y ;; esac
    case $3 in - | "$a") ;; *) [ "$a" = running ] || return ;; esac
    case $4 in - | "$b") ;; *) [ "$b" = on ] || return ;; esac
    shift "$wide"
  done
}
# raised ITEM…: enables them, starts them, or both. systemd reads its units again once, behind what `enable` does to files:
# with --now systemctl asks it to (systemctl(1)).
raised() {
  acting "$verbs" $units || return
  case $verbs in
    enable) try "$s" systemctl --no-ask-password --no-reload enable -- $units && reread "$s"; return ;;
    enable*) try "$s" systemctl --no-ask-password enable --now -- $units ;;
    *)
      [ "$5" != y ] || reread "$s" || return
      try "$s" systemctl --no-ask-password start -- $units ;;
  esac
  [ -z "$slow" ] || sleep 0.3 2>/dev/null || sleep 1
}
