# The lab's network: one bridge per lab with an address for this machine, one network
# namespace and one veth per host, and the packet filter behind cut and mend.
# Sourced by lab.sh. Names: bridge tulab<n>, namespace tulab<n>-NAME, veth tl<n>v<i> on
# the bridge and host0 in the host. Networks: 10.213.<8n>.0/21, 32 labs of 2000 hosts.

# claim_lab: makes the bridge of a free lab number and puts that number in LAB_N.
# Making the bridge is the claim: the kernel gives a name only once, so two labs that
# start together cannot get the same number. ENV_FILE and the bridge both carry the lab's
# identity, by which lab_is_ours knows them as a pair.
claim_lab() { # ENV_FILE
    local net
    LAB_ID=$(</proc/sys/kernel/random/uuid)
    for ((LAB_N = 0; LAB_N < 32; LAB_N++)); do
        net=10.213.$((8 * LAB_N))
        # Any route into the network, also one of another program, makes it not free.
        [ -z "$(ip -4 route show table all root "$net.0/21")" ] || continue
        ip link add "tulab$LAB_N" type bridge 2>/dev/null || continue
        printf '%s=%s\n' LAB_N "$LAB_N" LAB_ID "$LAB_ID" >"$1"
        ip link set "tulab$LAB_N" alias "$LAB_ID"
        ip addr add "$net.1/21" dev "tulab$LAB_N"
        ip link set "tulab$LAB_N" up
        return
    done
    die "no free network for a lab: is something else using 10.213.0.0/16?"
}

# A bridge that is gone or was never given its identity belongs to nobody else.
lab_is_ours() {
    local alias
    alias=$(cat "/sys/class/net/tulab$LAB_N/ifalias" 2>/dev/null) || return 0
    [ -z "$alias" ] || [ "$alias" = "$LAB_ID" ]
}

host_address() { # INDEX
    echo "10.213.$((8 * LAB_N + $1 / 250)).$((2 + $1 % 250))"
}

add_host_network() { # NAME INDEX
    local ns=tulab$LAB_N-$1 link=tl${LAB_N}v$2
    ip netns add "$ns"
    ip link add "$link" type veth peer name host0 netns "$ns"
    ip link set "$link" master "tulab$LAB_N" up
    ip -n "$ns" -batch - <<END
link set lo up
addr add $(host_address "$2")/21 dev host0
link set host0 up
END
}

# The filter sits on the bridge, not in the host: the host's own rules stay its own, a
# flush there does not mend the cut, and neither side is told that packets are lost.
# ARP passes, because an unanswered ARP is an error that the kernel reports.
add_filter() {
    nft -f - <<END
table bridge tulab$LAB_N {
    set from { type ifname; }
    set to { type ifname; }
    chain incoming {
        type filter hook prerouting priority -300;
        iifname @from ether type != arp drop;
    }
    chain outgoing {
        type filter hook postrouting priority -300;
        oifname @to ether type != arp drop;
    }
}
END
}

cut_host() { # DIR NAME [both|from|to]
    local link
    load_lab "$1"
    link=$(host_link "$1" "$2")
    case ${3:-both} in
        both) filter_link add "$link" from && filter_link add "$link" to ;;
        from | to) filter_link add "$link" "$3" ;;
        *) die "cut: both, from or to" ;;
    esac
}

mend_host() { # DIR NAME
    local link way
    load_lab "$1"
    link=$(host_link "$1" "$2")
    for way in from to; do
        # Adding first makes the removal work also when it was not cut.
        filter_link add "$link" "$way"
        filter_link delete "$link" "$way"
    done
}

filter_link() { # add|delete LINK from|to
    nft "$1" element bridge "tulab$LAB_N" "$3" "{ $2 }"
}

host_link() { # DIR NAME
    local index
    index=$(host_index "$1/hosts" "$2") && echo "tl${LAB_N}v$index"
}

# Removes what is there, in any state of a half-made network.
remove_network() {
    local ns link
    nft delete table bridge "tulab$LAB_N" 2>/dev/null || true
    # The kernel ends a namespace in its own time; the links must be gone when we return.
    for link in "/sys/class/net/tl${LAB_N}v"*; do
        [ ! -e "$link" ] || ip link del "${link##*/}" || true
    done
    for ns in "/run/netns/tulab$LAB_N-"*; do
        [ ! -e "$ns" ] || ip netns del "${ns##*/}"
    done
    [ ! -e "/sys/class/net/tulab$LAB_N" ] || ip link del "tulab$LAB_N"
}
