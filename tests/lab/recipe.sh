#!/bin/bash
# Turns a fresh Debian tree into the lab's base image: keys, users, sshd, quiet boot,
# test services, and an apt repository that needs no network. mmdebstrap runs it as its
# customize hook, with the tree and the directory of the keys as arguments.
set -euo pipefail
root=$1
keys=$2
. "$(dirname "${BASH_SOURCE[0]}")/packages.sh"

main() {
    add_users
    set_up_sshd
    set_up_boot
    add_services
    add_repository "$root"
    # Each host writes its own; empty here so that no two hosts share one.
    : >"$root/etc/machine-id"
}

add_users() {
    authorize root /root
    add_user deploy /bin/bash
    add_user fishy /usr/bin/fish
    add_user tcshy /bin/tcsh
    add_user noisy /bin/bash
    add_user plain /bin/bash
    add_user askpw /bin/bash
    echo 'askpw:lab-password' | chroot "$root" chpasswd
    cat >"$root/etc/sudoers.d/lab" <<'END'
deploy,fishy,tcshy,noisy ALL=(ALL:ALL) NOPASSWD: ALL
askpw ALL=(ALL:ALL) ALL
END
    chmod 440 "$root/etc/sudoers.d/lab"
    make_noise
}

add_user() { # NAME SHELL
    chroot "$root" useradd --create-home --shell "$2" "$1"
    authorize "$1" "/home/$1"
}

authorize() { # USER HOME
    install -d -m 700 "$root$2/.ssh"
    install -m 600 "$keys/id_ed25519.pub" "$root$2/.ssh/authorized_keys"
    chroot "$root" chown -R "$1:" "$2/.ssh"
}

# A user whose start-up files print what a parser of remote output fears most.
make_noise() {
    local line digest
    for line in $(seq 1 30); do
        digest=$(echo "$line" | sha256sum | head -c 64)
        printf 'Welcome to \033[1;31mnoise\033[0m, line %d \033]0;title\007 \033[2K\r\n' "$line"
        printf '%s %d %d\n' "$digest" "$line" "$((line * 7))"
        printf 'ok\nend\n\0\377\n'
    done >"$root/home/noisy/.noise"
    cat >"$root/home/noisy/.bashrc" <<'END'
cat ~/.noise
cat ~/.noise >&2
END
    cp "$root/home/noisy/.bashrc" "$root/home/noisy/.profile"
    chroot "$root" chown noisy: /home/noisy/.noise /home/noisy/.bashrc /home/noisy/.profile
}

set_up_sshd() {
    # One fixed host key for all hosts, so that the lab can write known_hosts itself.
    rm -f "$root"/etc/ssh/ssh_host_*
    install -m 600 "$keys/host_key" "$root/etc/ssh/ssh_host_ed25519_key"
    install -m 644 "$keys/host_key.pub" "$root/etc/ssh/ssh_host_ed25519_key.pub"
    cat >"$root/etc/ssh/sshd_config.d/lab.conf" <<'END'
HostKey /etc/ssh/ssh_host_ed25519_key
PermitRootLogin prohibit-password
PasswordAuthentication no
UseDNS no
MaxStartups 200:30:400
MaxSessions 100
Banner /etc/ssh/lab-banner
END
    printf '%s\n' '*** This is a lab host. ***' '*** All you do here is lost. ***' \
        >"$root/etc/ssh/lab-banner"
    # The message of the day only costs time at each login.
    sed -i '/pam_motd/d' "$root/etc/pam.d/sshd"
}

set_up_boot() {
    # The apt timers would take the dpkg lock at a random time; a getty has no terminal here.
    local unit
    for unit in apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer \
        e2scrub_reap.service getty.target console-getty.service; do
        ln -sf /dev/null "$root/etc/systemd/system/$unit"
    done
    mkdir -p "$root/etc/systemd/journald.conf.d"
    printf '[Journal]\nStorage=volatile\nRuntimeMaxUse=16M\n' \
        >"$root/etc/systemd/journald.conf.d/lab.conf"
    # sshd's PAM asks for it at each login and complains to the journal.
    : >"$root/etc/default/locale"
    # Without this file man-db does not rebuild its index at each package installation.
    rm -f "$root/var/lib/man-db/auto-update"
}

# lab-svc1..3: installed, neither enabled nor started.
add_services() {
    local number
    mkdir -p "$root/usr/lib/lab"
    service_script >"$root/usr/lib/lab/service"
    chmod 755 "$root/usr/lib/lab/service"
    for number in 1 2 3; do
        service_unit "Lab service $number" "/usr/lib/lab/service /run/lab-svc$number.log" \
            "/run/lab-svc$number.log" >"$root/etc/systemd/system/lab-svc$number.service"
    done
}

main
