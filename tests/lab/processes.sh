# The processes of the lab's hosts: starting them, keeping them through reboots, finding
# and ending them. Sourced by lab.sh.
# Every host has a control group tulab<n>/NAME of its own: two systemds need that, and it
# tells for certain which processes are the lab's.

# Starts the host's keeper in a session of its own: no terminal, nothing of the caller's.
start_host() { # DIR NAME
    (
        close_descriptors
        exec setsid env -i TRUEUP_LAB_CACHE="${TRUEUP_LAB_CACHE-}" \
            bash "$LAB_HERE/lab.sh" keep "$1" "$2"
    ) </dev/null >"$1/console-$2.log" 2>&1 &
    echo "$2 $!" >>"$1/pids"
}

# The keeper: runs the host, and again whenever it reboots. systemd-nspawn does not do
# that itself here, it ends with this status and leaves the restart to its caller.
keep_host() { # DIR NAME
    local status=133
    load_lab "$1"
    while [ "$status" = 133 ]; do
        status=0
        (
            enter_cgroup "$2" && run_host "$2"
        ) || status=$?
    done
}

run_host() { # NAME
    local mode=(--boot)
    # A crowd host is only sshd under a minimal init.
    [[ $1 != crowd* ]] ||
        mode=(--as-pid2 /bin/sh -c 'mkdir -p /run/sshd && exec /usr/sbin/sshd -D -e')
    # Of /proc/sys only the host's own network settings become writable. The tree is ours
    # alone, so it needs no lock file, which would stay behind when nspawn is killed.
    SYSTEMD_NSPAWN_LOCK=0 SYSTEMD_NSPAWN_API_VFS_WRITABLE=network exec systemd-nspawn \
        --quiet --directory="$LAB_RUN/$1/tree" --machine="tulab$LAB_N-$1" --hostname="$1" \
        --register=no --keep-unit --network-namespace-path="/run/netns/tulab$LAB_N-$1" \
        --capability=CAP_NET_ADMIN --resolv-conf=off --timezone=off --console=pipe "${mode[@]}"
}

# A host outlives its caller, so it must not hold the caller's pipes and locks open.
close_descriptors() {
    local fd
    for fd in "/proc/$BASHPID/fd/"*; do
        fd=${fd##*/}
        # 255 is bash's own, and closed at exec.
        if [ "$fd" -gt 2 ] && [ "$fd" != 255 ]; then eval "exec $fd>&-"; fi
    done
}

# The hierarchies that systemd works with: v2, and beside it v1's on older set-ups. Each once,
# where it is mounted first: somebody may have it in another tree too.
cgroup_roots() {
    awk '($3 == "cgroup2" || ($3 == "cgroup" && $4 ~ /name=systemd/)) && !seen[$3]++ { print $2 }' \
        /proc/mounts
}

# The keeper itself stays in a group beside: a group with inner groups must be empty.
# A failure must be told: a systemd outside its own group would manage this machine's.
enter_cgroup() { # NAME
    local group
    for group in $(cgroup_roots); do
        group=$group/tulab$LAB_N
        mkdir -p "$group/_keeper" && echo "$$" >"$group/_keeper/cgroup.procs" || return
        # What the last boot left would not take a new process in.
        [ ! -d "$group/$1" ] || find "$group/$1" -depth -type d -exec rmdir {} + || return
        mkdir -p "$group/$1" && echo "$BASHPID" >"$group/$1/cgroup.procs" || return
    done
}

# The host's process 1, by the number it has here. Looked up each time in the host's control
# group, as it changes when the host reboots and need not have a living nspawn above it.
host_leader() { # NAME
    local pids leader
    mapfile -t pids < <(group_processes "$1")
    [ "${#pids[@]}" -gt 0 ] || return
    # NSpid: the number here, and the number in the host's own namespace.
    pids=("${pids[@]/#//proc/}")
    leader=$(grep -lsE '^NSpid:\s[0-9]+\s1$' "${pids[@]/%//status}" | head -n 1)
    leader=${leader#/proc/}
    [ -n "$leader" ] && echo "${leader%/status}"
}

# All processes of one host, or of the whole lab.
group_processes() { # [NAME]
    local root
    for root in $(cgroup_roots); do
        root=$root/tulab$LAB_N/${1-}
        [ ! -d "$root" ] || find "$root" -name cgroup.procs -exec cat {} + 2>/dev/null
    done | sort -un
}

# First the hosts' process 1, so that each nspawn sees its host end and tidies up after
# itself; then whatever is left in the lab's control groups.
end_processes() { # DIR
    local name leader root
    while read -r name _; do
        leader=$(host_leader "$name") && kill -KILL "$leader" 2>/dev/null
    done < <(cat "$1/hosts" 2>/dev/null) || true
    wait_until_empty 10 || {
        group_processes | xargs -r kill -KILL 2>/dev/null || true
        wait_until_empty 10 || die "processes of lab $LAB_N do not end: $(group_processes | xargs)"
    }
    for root in $(cgroup_roots); do
        [ ! -d "$root/tulab$LAB_N" ] ||
            find "$root/tulab$LAB_N" -depth -type d -exec rmdir {} +
    done
}

wait_until_empty() { # SECONDS
    local end=$((SECONDS + $1))
    while [ -n "$(group_processes)" ]; do
        [ "$SECONDS" -lt "$end" ] || return 1
        sleep 0.1
    done
}
