# The cached base image: builds it once per version of the recipe and prints where it is.
# Sourced by lab.sh. A finished image is a directory with:
#   rootfs/        the Debian tree, the read-only lower layer of every host
#   id_ed25519     the key that root and all lab users accept
#   host_key.pub   the public host key, the same on every host

LAB_PACKAGES=systemd,systemd-sysv,dbus,libpam-systemd,openssh-server,sudo,fish,tcsh
LAB_PACKAGES+=,busybox,iproute2,procps,nftables,acl,attr,e2fsprogs

# The body of base runs in a subshell: its lock ends with it, whoever calls it.
base() (
    cache=${TRUEUP_LAB_CACHE:-/var/cache/trueup-lab}
    image=$cache/$(image_hash)
    mkdir -p "$cache"
    exec 9>"$cache/lock"
    flock 9
    # A build appears under its final name only by a rename when all is done, so a
    # directory of that name is always whole.
    if [ ! -d "$image" ]; then
        remove_unfinished "$cache"
        build_image "$image.tmp" "$image.log" || exit 1
        mv "$image.tmp" "$image"
        remove_old "$cache" "$image"
    fi
    echo "$image"
)

image_hash() {
    {
        cat "$LAB_HERE/image.sh" "$LAB_HERE/recipe.sh" "$LAB_HERE/packages.sh"
        dpkg --print-architecture
    } | sha256sum | head -c 16
}

build_image() { # TMP LOG
    local tmp=$1 log=$2 missing
    missing=$(needs)
    [ -z "$missing" ] || die "these packages are missing here: $missing"
    echo "lab: building the base image (about a minute)" >&2
    mkdir -p "$tmp"
    ssh-keygen -q -t ed25519 -N '' -C lab-user -f "$tmp/id_ed25519"
    ssh-keygen -q -t ed25519 -N '' -C lab-host -f "$tmp/host_key"
    # shellcheck disable=SC2016
    # The hook finds its files by environment: no quoting of paths inside the hook.
    # In a mount namespace of its own, so that a killed build leaves no mounts behind.
    if ! LAB_RECIPE=$LAB_HERE/recipe.sh LAB_KEYS=$tmp \
        unshare --mount mmdebstrap --mode=root --variant=apt --skip=cleanup/apt \
        --include="$LAB_PACKAGES" \
        --customize-hook='bash "$LAB_RECIPE" "$1" "$LAB_KEYS"' \
        bookworm "$tmp/rootfs" </dev/null >"$log" 2>&1; then
        tail -n 40 "$log" >&2
        echo "lab: the image could not be built; all output is in $log" >&2
        return 1
    fi
    # The tree has setuid programs and a known password: nobody else gets in.
    chmod 700 "$tmp"
}

# Called under the lock: nobody is building, so what is left was cut short.
remove_unfinished() { # CACHE
    local tmp
    for tmp in "$1"/*.tmp; do
        [ ! -d "$tmp" ] || rm -rf --one-file-system "$tmp"
    done
}

remove_old() { # CACHE KEEP
    local old
    for old in "$1"/*/; do
        old=${old%/}
        [ "$old" != "$2" ] || continue
        # Hosts that run from an older image keep it.
        ! grep -qF "lowerdir=${old// /\\040}/rootfs," /proc/mounts || continue
        rm -rf --one-file-system "$old" "$old.log"
    done
}
