# Starting, entering and ending hosts. Sourced by lab.sh.
# Every host is a systemd-nspawn container on an overlay of the base image. Its layers are
# in a tmpfs at /run/tulab<n>, so writes vanish with the lab but survive a reboot of the
# host.

LAB_USERS='deploy fishy tcshy noisy plain askpw'
LAB_PATIENCE=60

up() { # DIR NAME...
    local dir index=0 name waiting=() failed=0
    dir=$(realpath -m "$1")
    shift
    check_names "$@"
    [ ! -e "$dir/env" ] || die "$dir has a lab already; lab.sh down it first"
    LAB_IMAGE=$(base)
    mkdir -p "$dir"
    rm -f "$dir/hosts" "$dir/pids"
    claim_lab "$dir/env"
    LAB_RUN=/run/tulab$LAB_N
    printf '%s=%q\n' LAB_RUN "$LAB_RUN" LAB_IMAGE "$LAB_IMAGE" >>"$dir/env"
    for name; do
        echo "$name $(host_address "$index")"
        index=$((index + 1))
    done >"$dir/hosts"
    write_ssh_files "$dir"
    raise_limits
    add_filter
    mkdir -p "$LAB_RUN"
    mount -t tmpfs -o mode=755 "tulab$LAB_N" "$LAB_RUN"

    index=0
    for name; do
        add_host_network "$name" "$index"
        prepare_tree "$name" "$dir/hosts"
        start_host "$dir" "$name"
        index=$((index + 1))
    done
    while read -r name address; do
        wait_for_host "$dir" "$name" "$address" &
        waiting+=($!)
    done <"$dir/hosts"
    for index in "${waiting[@]}"; do
        wait "$index" || failed=1
    done
    [ "$failed" = 0 ] || die "not all hosts came up; lab.sh down $dir removes the rest"
}

check_names() {
    local name
    for name; do
        [[ $name =~ ^[a-z][a-z0-9-]{0,31}$ ]] || die "not a host name for the lab: $name"
    done
    [ -z "$(printf '%s\n' "$@" | sort | uniq -d)" ] || die "a host name comes twice"
}

# Each systemd takes a handful of inotify instances, all on root's account, and the
# kernel's default of 128 ends at about ten hosts.
raise_limits() {
    local limit=/proc/sys/fs/inotify/max_user_instances
    [ "$(<"$limit")" -ge 8192 ] || echo 8192 >"$limit"
}

write_ssh_files() { # DIR
    local dir=$1 name address user key
    key=$(cut -d ' ' -f 1,2 "$LAB_IMAGE/host_key.pub")
    while read -r name address; do
        echo "$name,$address $key"
    done <"$dir/hosts" >"$dir/known_hosts"
    {
        echo "# Written by lab.sh: use it with ssh -F."
        while read -r name address; do
            # shellcheck disable=SC2086 # one pattern for each user
            printf 'Host %s%s\n    HostName %s\n' "$name" \
                "$(printf " $name-%s" $LAB_USERS)" "$address"
        done <"$dir/hosts"
        for user in $LAB_USERS; do
            printf 'Host *-%s\n    User %s\n' "$user" "$user"
        done
        cat <<END
Host *
    User root
    IdentityFile "$LAB_IMAGE/id_ed25519"
    IdentitiesOnly yes
    UserKnownHostsFile "$dir/known_hosts"
    GlobalKnownHostsFile /dev/null
    StrictHostKeyChecking yes
    BatchMode yes
END
    } >"$dir/ssh_config"
}

# The host's tree: an overlay with what makes this host different from the others.
prepare_tree() { # NAME HOSTS_FILE
    local layers=$LAB_RUN/$1 tree=$LAB_RUN/$1/tree
    mkdir -p "$layers/upper" "$layers/work" "$tree"
    mount -t overlay -o "lowerdir=$LAB_IMAGE/rootfs,upperdir=$layers/upper,workdir=$layers/work" \
        "tulab$LAB_N" "$tree"
    echo "$1" >"$tree/etc/hostname"
    tr -d - </proc/sys/kernel/random/uuid >"$tree/etc/machine-id"
    {
        printf '127.0.0.1 localhost\n::1 localhost\n127.0.1.1 %s\n' "$1"
        # sudo asks for the own name: it must be there, and lead to one address.
        awk -v own="$1" '$1 != own { print $2, $1 }' "$2"
    } >"$tree/etc/hosts"
    [[ $1 != busybox* ]] || prefer_busybox "$tree"
}

# busybox before everything else in PATH, without the few applets that Debian's own
# start-up and package scripts cannot live with.
prefer_busybox() { # TREE
    local applet
    chroot "$1" /bin/busybox --install -s /usr/local/bin
    for applet in init linuxrc halt poweroff reboot shutdown runlevel telinit run-init \
        switch_root pivot_root busybox dpkg dpkg-deb rpm start-stop-daemon run-parts \
        adduser addgroup deluser delgroup login su; do
        rm -f "$1/usr/local/bin/$applet"
    done
    cp -P "$1"/usr/local/bin/* "$1/usr/local/sbin/"
}

# Ready means: ssh answers and, with systemd, the boot is over and nothing failed.
wait_for_host() { # DIR NAME ADDRESS
    local end=$((SECONDS + LAB_PATIENCE)) state=
    while [ "$SECONDS" -lt "$end" ]; do
        # Looking for the greeting first is far cheaper than an ssh that fails.
        if ssh_greets "$3"; then
            # Nothing else has to start on a crowd host.
            [[ $2 != crowd* ]] || return 0
            state=$(timeout "$LAB_PATIENCE" ssh -F "$1/ssh_config" -o LogLevel=ERROR \
                -o ConnectTimeout=5 "$2" systemctl is-system-running --wait \
                2>&1 </dev/null) && return
            case $state in degraded | maintenance) break ;; esac
        fi
        sleep 0.1
    done
    {
        echo "lab: $2 is not up: ${state:-ssh does not answer}; its console:"
        tail -n 40 "$1/console-$2.log"
        [[ $2 == crowd* ]] || (host_exec "$1" "$2" systemctl --failed --no-pager)
    } >&2
    return 1
}

ssh_greets() { # ADDRESS
    # shellcheck disable=SC2016 # expanded by the inner shell
    timeout 2 bash -c 'exec 3<>"/dev/tcp/$0/22" && read -r line <&3 && [[ $line == SSH-* ]]' \
        "$1" 2>/dev/null
}

load_lab() { # DIR
    [ -e "$1/env" ] || die "no lab in $1"
    # shellcheck disable=SC1091
    . "$1/env"
    LAB_RUN=/run/tulab$LAB_N
}

# host_index HOSTS_FILE NAME: the host's place in the lab, as the names of its links count.
host_index() {
    awk -v name="$2" '$1 == name { print NR - 1; found = 1 } END { exit !found }' "$1" ||
        die "no host $2 in this lab"
}

host_exec() { # DIR NAME COMMAND...
    local leader
    load_lab "$1"
    leader=$(host_leader "$2") || die "$2 is not running"
    shift 2
    exec nsenter --target "$leader" --mount --uts --ipc --net --pid --cgroup --root --wd \
        env -i PATH="$PATH" HOME=/root LC_ALL=C.UTF-8 "$@"
}

down() { # DIR
    local dir
    dir=$(realpath -m "$1")
    [ -e "$dir/env" ] || return 0
    load_lab "$dir"
    # After a reboot of this machine, say, the number may be another lab's.
    if lab_is_ours; then
        end_processes "$dir"
        remove_trees
        rmdir "/run/systemd/nspawn/propagate/tulab$LAB_N-"* 2>/dev/null || true
        # Last, as it frees the number for the next lab.
        remove_network
    fi
    rm -f "$dir/ssh_config" "$dir/known_hosts" "$dir/hosts" "$dir/pids" "$dir/env"
}

# Overlays first, then the tmpfs. Lazily if somebody still looks into one: the mount is
# then gone from the tree, and its memory when that last user leaves.
remove_trees() {
    local mount
    awk -v run="$LAB_RUN/" 'index($2 "/", run) == 1 { print $2 }' /proc/mounts | sort -r |
        while read -r mount; do
            umount "$mount" 2>/dev/null || umount --lazy "$mount"
        done
    [ ! -d "$LAB_RUN" ] || rm -rf --one-file-system "$LAB_RUN"
}
