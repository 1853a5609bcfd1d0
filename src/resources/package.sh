# Shell functions of packages (dpkg and apt). Names and versions were checked against Debian policy 5.6:
# they hold nothing that the shell would split or expand, so they may stand without quotes.

# packages NAME/WANT…: WANT is `present`, `latest`, `=VERSION`, `absent` or `purge`. What dpkg knows; of those
# that must change what apt knows; and what apt would do for all of them together.
packages() {
  command -v dpkg-query >/dev/null 2>&1 && command -v apt-get >/dev/null 2>&1 || { echo '!'; return; }
  stood && return
  IFS=' '
  k=
  for p do k="$k ${p%%/*}"; done
  l=$(installed dpkg $k) || [ $? -eq 1 ] || echo @failed
  printf '%s\n' "$l"
  native
  there
  l="
$l
" q= o=
  for p do
    n=${p%%/*} w=${p#*/}
    [ "$w" = present ] || o=y
    case $w in
      present) has "$n" || q="$q $n" ;;
      =*) is "$n" "installed	${w#=}" || q="$q $n" ;;
      latest) q="$q $n" ;;
    esac
  done
  # Where all are to be there, and are, nothing is asked of apt.
  [ -n "$q$o" ] || return 0
  c=
  if [ -n "$q" ]; then
    c=$(apt-cache policy $q 2>/dev/null)
    printf '@candidates\n%s\n' "$c"
  fi
  versions "$c"
  z= x=
  for p do
    n=${p%%/*} w=${p#*/}
    case $w in
      present | latest)
        has "$n" && case $w:$g in present:* | *" $n=now "*) continue ;; esac
        case $g in *" $n "*) z="$z $n" ;; *) x="$x $n" ;; esac ;;
      =*)
        is "$n" "installed	${w#=}" && continue
        case $g in *" $n$w "*) z="$z $n$w" ;; esac ;;
      purge) is "$n" config-files && z="$z $n-" ;;
    esac
    case $w in absent | purge) if broken "$n" || has "$n"; then z="$z $n-"; fi ;; esac
  done
  [ -z "$x" ] || virtual $x
  [ -z "$z" ] || { echo "@simulated$z"; simulated $z; }
}
# installed NAME…: NAME:ARCHITECTURE, status, version, and whether it is on hold; for a command substitution, whose
# shell becomes dpkg-query.
installed() {
  exec dpkg-query -W -f '${Package}:${Architecture}\t${db:Status-Status}\t${Version}\t${db:Status-Want}\n' -- "$@" 2>/dev/null
}
# native: y, this host's own architecture, which is that of dpkg in l.
native() {
  y=
  IFS='
'
  for p in $l; do
    case $p in dpkg:*) y=${p#dpkg:} y=${y%%	*} ;; esac
  done
  IFS=' '
}
# there: t, the packages of l that are installed; those of this host's own architecture, or of none, by their names alone.
there() {
  t=' '
  IFS='
'
  for p in $l; do
    case $p in *"	installed	"*) ;; *) continue ;; esac
    n=${p%%	*}
    case $n in *:"$y" | *:all) n=${n%:*} ;; esac
    t="$t$n "
  done
  IFS=' '
}
# has NAME: is it one of t?
has() {
  case $t in *" $1 "*) return 0 ;; esac
  case $1 in *:*) is "$1" installed ;; *) return 1 ;; esac
}
# is NAME TEXT: does l say this of NAME?
is() {
  case $l in
    *"
$1	$2	"* | *"
$1:$y	$2	"* | *"
$1:all	$2	"*) return 0 ;;
  esac
  return 1
}
broken() {
  is "$1" half-installed || is "$1" unpacked || is "$1" half-configured || is "$1" triggers-awaited || is "$1" triggers-pending
}
# versions POLICY: g, of each package its name where there is one to install, `NAME=VERSION` for all that
# there are, and `NAME=now` where the one to install is installed.
versions() {
  g=' ' h= i=
  set -f
  IFS='
'
  for p in $1; do
    case $p in
      '  Installed: '*) i=${p#*: } ;;
      '  Candidate: (none)') ;;
      '  Candidate: '*)
        g="$g$h "
        [ "${p#*: }" != "$i" ] || g="$g$h=now " ;;
      ' *** '* | '     '[0-9]*)
        p=${p#?????}
        g="$g$h=${p%% *} " ;;
      ' '*) ;;
      *:) h=${p%:} ;;
    esac
  done
  IFS=' '
  set +f
}
# virtual NAME…: what provides each of them.
virtual() {
  apt-cache showpkg "$@" 2>/dev/null | {
    h= f=
    while IFS= read -r p; do
    case $p in
      'Package: '*) h=${p#*: } f= ;;
      'Reverse Provides:'*) f=1 ;;
      ?*) [ -z "$f" ] || echo "@virtual $h ${p%% *}" ;;
    esac
    done
  }
}
# simulated WORD…: what apt would do; nothing is changed and no lock is taken.
simulated() {
  apt-get -s -q --allow-downgrades install -- "$@" 2>&1 </dev/null | grep -E '^(Inst|Remv|Purg|Conf|E:) '
}

# The rest is for steps.

# transact SECONDS CONFFILES FLAGS ALLOWED WORDS NAME BEFORE AFTER…: one run of apt-get for WORDS, if each
# package is as it was when this was planned, or is as wanted already, and apt does nothing that is not
# ALLOWED (`+NAME=VERSION -NAME …`; `?`: what it brings along was not known). ALLOWED, FLAGS and WORDS are lists
# of words.
transact() {
  s=$1 o=$2 d=$3 z=$5 g=" $4 "
  shift 5
  IFS=' '
  as_known "$@" && agreed || return
  IFS=' '
  apt "$o" $d install -- $z || return
  told_of_files
}
# as_known NAME BEFORE AFTER…
as_known() {
  [ "$G" -eq 0 ] || return 0
  k=
  n=0
  for p do
    [ $((n % 3)) -ne 0 ] || k="$k $p"
    n=$((n + 1))
  done
  l=$(installed dpkg $k)
  native
  l="
$l
"
  while [ $# -gt 0 ]; do
    found "$1"
    case $3:$f in
      *:"$2" | "$f:$f" | installed:installed=* | none:config-files) ;;
      *)
        n=$2
        for p in n f; do eval "case \$$p in *=*) $p=\${$p%%=*}\ \${$p#*=} ;; esac"; done
        moved "$1 $n" "$1 $f"
        return ;;
    esac
    shift 3
  done
}
# found NAME: f, `none`, `config-files` or `STATUS=VERSION`.
found() {
  f=none
  set -f
  IFS='
'
  for p in $l; do
    case $p in
      "$1	"* | "$1:$y	"* | "$1:all	"*)
        p=${p#*	}
        f=${p%%	*}
        p=${p#*	}
        case $f in
          not-installed) f=none ;;
          config-files) ;;
          *) f=$f=${p%%	*} ;;
        esac ;;
    esac
  done
  IFS=' '
  set +f
}
# agreed: does apt do what was planned, and no more? Lists that do not know a name or a version are fetched
# again first.
agreed() {
  c=$(simulated $z)
  case $c in
    *'E: Unable to locate package'* | *'E: Version '*' was not found'* | *'has no installation candidate'*)
      refetch || return
      c=$(simulated $z)
      g='?' ;;
  esac
  set -f
  IFS='
'
  for p in $c; do
    IFS=' '
    within $p || { set +f; return 1; }
  done
  IFS=' '
  set +f
}
# within Inst NAME [OLD] (NEW …: is this line of a simulation allowed?
within() {
  case $1 in
    Remv | Purg)
      case " $z " in *" $2- "*) return 0 ;; esac
      V=1
      fail "apt would also remove $2, which was not planned: plan again" ;;
    Inst)
      case $3 in '['*) n=$4 ;; *) n=$3 ;; esac
      n=${n#?}
      case $g in '?' | *" +$2=$n "*) return 0 ;; esac
      V=1
      fail "apt would also install $2 $n, which was not planned: plan again" ;;
  esac
}
# apt CONFFILES WORD…: apt-get, which waits for who holds dpkg's lock half of its time, asks nothing, restarts
# nothing by needrestart(1), and is done again after the lists were fetched where a file is gone.
apt() {
  DEBIAN_FRONTEND=noninteractive APT_LISTCHANGES_FRONTEND=none NEEDRESTART_MODE=l UCF_FORCE_CONFFOLD=1 UCF_FORCE_CONFFNEW=
  export DEBIAN_FRONTEND APT_LISTCHANGES_FRONTEND NEEDRESTART_MODE
  if [ "$1" = replace ]; then
    unset UCF_FORCE_CONFFOLD
    UCF_FORCE_CONFFNEW=1
    export UCF_FORCE_CONFFNEW
    shift
    set -- -o Dpkg::Options::=--force-confnew "$@"
  else
    unset UCF_FORCE_CONFFNEW
    export UCF_FORCE_CONFFOLD
    shift
    set -- -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold "$@"
  fi
  set -- "$s" apt-get -y -q -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout="$((s / 2))" "$@"
  run "$@" && return
  a=$?
  case $M in
    *'Failed to fetch'* | *'Unable to fetch'*)
      refetch && run "$@" && return
      a=$? ;;
  esac
  case $M in
    *'Could not get lock'*) M="$M
another program holds that lock: the step waited for it $((s / 2)) s" ;;
    *'dpkg was interrupted'*) M="$M
nothing is repaired unasked: run \`dpkg --configure -a\` on the host" ;;
  esac
  return "$a"
}
# refetch: the package lists, again; another one that fetches them now is waited for.
refetch() {
  f=0
  until run "$s" apt-get -q update; do
    case $M in *'Could not get lock'*) ;; *) return 1 ;; esac
    f=$((f + 2))
    [ "$f" -lt "$((s / 2))" ] || return 1
    sleep 2
  done
}
# told_of_files: notes on the configuration files that dpkg kept or replaced.
told_of_files() {
  set -f
  IFS='
'
  for p in $M; do
    case $p in
      "Configuration file '"*) h=${p#*\'} h=${h%\'*} ;;
      *'==> Keeping old config file'* | *'==> Using current old file'*)
        remark "kept $h, which was changed on this host; the package's is beside it, as .dpkg-dist" ;;
      *'==> Using new '*)
        remark "replaced $h by the package's; the old one is beside it, as .dpkg-old" ;;
    esac
  done
  IFS=' '
  set +f
  return 0
}
