#!/bin/bash
# The test lab: real Debian hosts (systemd, sshd, sudo, apt) on this machine for the
# end-to-end tests. This file is the entry: it loads the parts and picks the command.
# See README.md for what each command does.
set -euo pipefail

LAB_HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# CI may start us with closed descriptors; a later open must never land on 0, 1 or 2.
[ -e /proc/self/fd/0 ] || exec </dev/null
[ -e /proc/self/fd/1 ] || exec >/dev/null
[ -e /proc/self/fd/2 ] || exec 2>/dev/null
# A bare environment (`env -i`) has no usable PATH; ours is fixed so results do not vary.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export LC_ALL=C.UTF-8
umask 022

. "$LAB_HERE/image.sh"
. "$LAB_HERE/network.sh"
. "$LAB_HERE/processes.sh"
. "$LAB_HERE/hosts.sh"

die() {
    echo "lab: $*" >&2
    exit 1
}

need_root() {
    [ "$(id -u)" = 0 ] || die "this command needs root"
}

usage() {
    cat >&2 <<'END'
usage: lab.sh needs
       lab.sh bench-needs
       lab.sh base
       lab.sh up DIR NAME...
       lab.sh down DIR
       lab.sh exec DIR NAME COMMAND...
       lab.sh cut DIR NAME [both|from|to]
       lab.sh mend DIR NAME
END
    exit 2
}

# Debian packages that the lab or the tests use on this machine and that are not there.
needs() {
    missing acl attr bash busybox coreutils dash debian-archive-keyring dpkg e2fsprogs \
        faketime findutils iproute2 libcap2-bin mmdebstrap mount nftables openssh-client procps strace \
        systemd-container util-linux valgrind xfsprogs
}

# The same for what the benches use besides.
bench_needs() {
    missing git python3 python3-venv strace tar
}

missing() { # PACKAGE...
    local package missing=()
    for package; do
        [[ $(dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null) == ?i* ]] ||
            missing+=("$package")
    done
    echo "${missing[*]}"
}

main() {
    local command=${1-}
    [ $# -eq 0 ] || shift
    case $command:$# in
        needs:0) needs ;;
        bench-needs:0) bench_needs ;;
        base:0) need_root && base ;;
        up:0 | up:1) usage ;;
        up:*) need_root && up "$@" ;;
        down:1) need_root && down "$1" ;;
        exec:0 | exec:1 | exec:2) usage ;;
        exec:*) need_root && host_exec "$@" ;;
        cut:2 | cut:3) need_root && cut_host "$@" ;;
        mend:2) need_root && mend_host "$@" ;;
        # Not for people: up starts one of these per host.
        keep:2) need_root && keep_host "$@" ;;
        *) usage ;;
    esac
    # Exit here: a keeper runs long, and bash must not read on in a file edited meanwhile.
    exit
}

main "$@"
