# The image's own apt repository: tiny packages made here plus a few real ones from
# Debian, so that installing works on a host without any network.
# Sourced by recipe.sh.

# add_repository ROOT: makes ROOT/opt/lab-repo and makes it the only apt source.
add_repository() {
    local root=$1 repo=$1/opt/lab-repo work number
    work=$(mktemp -d)
    mkdir -p "$repo"
    fetch_packages "$root" "$repo" nginx curl
    for number in $(seq -w 1 25); do
        make_small_package "$work" "$repo" "lab-pkg$number"
    done
    make_daemon_package "$work" "$repo"
    make_broken_package "$work" "$repo"
    write_index "$repo"
    rm -rf "$work"

    rm -rf "$root"/etc/apt/sources.list.d/* "$root"/var/lib/apt/lists/*
    echo 'deb [trusted=yes] file:/opt/lab-repo ./' >"$root/etc/apt/sources.list"
    echo 'Acquire::Languages "none";' >"$root/etc/apt/apt.conf.d/90lab"
    chroot "$root" apt-get clean
    chroot "$root" apt-get update
    # A first query writes apt's caches, which makes later ones fast on every host.
    chroot "$root" apt-cache policy lab-pkg01
}

# Packages with all they need that the image does not have already.
fetch_packages() { # ROOT REPO PACKAGE...
    local root=$1 repo=$2
    shift 2
    mkdir -p "$repo/partial"
    # This apt configuration is the one that works on the new tree from outside.
    APT_CONFIG=$MMDEBSTRAP_APT_CONFIG apt-get --yes --no-install-recommends --download-only \
        -o Dir::Cache::archives="$repo" install "$@"
    rm -rf "$repo/partial" "$repo/lock"
    # A colon (epoch) in a file name does not survive in a file: address.
    local deb
    for deb in "$repo"/*%3a*.deb; do
        [ ! -e "$deb" ] || mv "$deb" "${deb/\%3a/_}"
    done
}

make_small_package() { # WORK REPO NAME
    local tree=$1/$3
    mkdir -p "$tree/DEBIAN" "$tree/usr/share/$3"
    echo "$3 1.0" >"$tree/usr/share/$3/version"
    control "$3" >"$tree/DEBIAN/control"
    build "$tree" "$2"
}

make_broken_package() { # WORK REPO
    local tree=$1/lab-broken
    mkdir -p "$tree/DEBIAN"
    control lab-broken >"$tree/DEBIAN/control"
    cat >"$tree/DEBIAN/postinst" <<'END'
#!/bin/sh
echo "lab-broken: this package never configures" >&2
exit 1
END
    build "$tree" "$2"
}

make_daemon_package() { # WORK REPO
    local tree=$1/lab-daemon
    mkdir -p "$tree/DEBIAN" "$tree/etc" "$tree/usr/lib/lab-daemon" "$tree/lib/systemd/system"
    control lab-daemon 'Depends: adduser' >"$tree/DEBIAN/control"
    echo /etc/lab-daemon.conf >"$tree/DEBIAN/conffiles"
    echo 'greeting = hello' >"$tree/etc/lab-daemon.conf"
    service_script >"$tree/usr/lib/lab-daemon/lab-daemon"
    chmod 755 "$tree/usr/lib/lab-daemon/lab-daemon"
    service_unit 'Lab daemon' \
        '/usr/lib/lab-daemon/lab-daemon /var/log/lab-daemon.log /etc/lab-daemon.conf' \
        /var/log/lab-daemon.log lab-daemon >"$tree/lib/systemd/system/lab-daemon.service"
    daemon_scripts "$tree/DEBIAN"
    build "$tree" "$2"
}

# The maintainer scripts do what debhelper's would: enable, start, honour policy-rc.d.
daemon_scripts() { # DEBIAN
    cat >"$1/postinst" <<'END'
#!/bin/sh
set -e
[ "$1" = configure ] || exit 0
if ! getent passwd lab-daemon >/dev/null; then
    adduser --system --group --quiet --no-create-home --home /nonexistent lab-daemon
fi
touch /var/log/lab-daemon.log
chown lab-daemon: /var/log/lab-daemon.log
deb-systemd-helper unmask lab-daemon.service >/dev/null || true
if deb-systemd-helper --quiet was-enabled lab-daemon.service; then
    deb-systemd-helper enable lab-daemon.service >/dev/null || true
else
    deb-systemd-helper update-state lab-daemon.service >/dev/null || true
fi
if [ -d /run/systemd/system ]; then
    systemctl --system daemon-reload >/dev/null || true
    if [ -n "$2" ]; then action=restart; else action=start; fi
    deb-systemd-invoke $action lab-daemon.service >/dev/null || true
fi
END
    cat >"$1/prerm" <<'END'
#!/bin/sh
set -e
if [ "$1" = remove ] && [ -d /run/systemd/system ]; then
    deb-systemd-invoke stop lab-daemon.service >/dev/null || true
fi
END
    cat >"$1/postrm" <<'END'
#!/bin/sh
set -e
if [ "$1" = remove ] && [ -d /run/systemd/system ]; then
    systemctl --system daemon-reload >/dev/null || true
fi
if [ "$1" = purge ]; then
    rm -f /var/log/lab-daemon.log
    if [ -x /usr/bin/deb-systemd-helper ]; then
        deb-systemd-helper purge lab-daemon.service >/dev/null || true
    fi
fi
END
}

# A service that logs "start PID TIME CONFIG" and, at each SIGHUP, "reload PID TIME CONFIG",
# where CONFIG is the start of the digest of its configuration.
service_script() {
    cat <<'END'
#!/bin/sh
# Test service: lab service LOG [CONFIG]
trap 'say reload' HUP
log=$1
config=${2:-/dev/null}
say() {
    echo "$1 $$ $(date +%s.%N) $(sha256sum <"$config" | cut -c1-16)" >>"$log"
}
say start
sleep infinity &
# A trapped signal ends wait early, not the service.
while kill -0 $! 2>/dev/null; do wait $!; done
END
}

# The start is complete only when its line is in the log: before that a SIGHUP could
# come before the trap and kill the script.
service_unit() { # DESCRIPTION COMMAND LOG [USER]
    cat <<END
[Unit]
Description=$1

[Service]
Type=simple
${4:+User=$4}
ExecStart=$2
ExecStartPost=/bin/sh -c 'until grep -qs "^start \$MAINPID " $3; do sleep 0.02; done'
ExecReload=/bin/kill -HUP \$MAINPID
TimeoutStartSec=15

[Install]
WantedBy=multi-user.target
END
}

control() { # NAME [LINE]
    printf '%s\n' "Package: $1" 'Version: 1.0' 'Architecture: all' \
        'Maintainer: Lab <lab@localhost>' 'Section: misc' 'Priority: optional' \
        ${2:+"$2"} "Description: test package $1"
}

build() { # TREE REPO
    local script
    for script in postinst prerm postrm; do
        [ ! -e "$1/DEBIAN/$script" ] || chmod 755 "$1/DEBIAN/$script"
    done
    dpkg-deb --root-owner-group -Zgzip --build "$1" "$2" >/dev/null
}

# Written by hand: it needs no more than dpkg-deb, and apt asks for no more.
write_index() { # REPO
    local deb
    (
        cd "$1" || exit
        for deb in *.deb; do
            dpkg-deb --field "$deb"
            printf 'Filename: ./%s\nSize: %s\nSHA256: %s\n\n' "$deb" "$(stat -c %s "$deb")" \
                "$(sha256sum <"$deb" | cut -d ' ' -f 1)"
        done >Packages
        printf 'Origin: lab\nSuite: lab\nCodename: lab\nDate: %s\nSHA256:\n %s %s Packages\n' \
            "$(date -Ru)" "$(sha256sum <Packages | cut -d ' ' -f 1)" "$(stat -c %s Packages)" \
            >Release
    )
}
