# The host of the attack: what is root's and bob's, and mal's folder as it is when a round begins.
#   place.sh first|again NAME…    names of files
#   place.sh victims              what must stay as it is
#   place.sh leaks                what mal can read and should not, what she got that is worth more than hers
set -eu
umask 022
what=$1
shift
folders='n0 m0 p0 n1 roots'
grown() { # FOLDER OWNER: a tree with a thing of each name, for its owner alone
  rm -rf "$1"
  mkdir -p "$1/.ssh"
  for n in $names; do echo "SECRET of $1/$n" >"$1/$n"; done
  echo "SECRET keys" >"$1/.ssh/authorized_keys"
  for n in $folders; do
    mkdir -p "$1/$n/deep/er"
    echo "SECRET" | tee "$1/$n/x" "$1/$n/deep/x" "$1/$n/deep/er/x" >/dev/null
  done
  chmod -R go= "$1"
  chown -R "$2:" "$1"
  chmod 0755 "$1"
}
case $what in
  first)
    names="$* l0 suid"
    for n in mal bob; do id $n >/dev/null 2>&1 || useradd -M -d /srv/$n -s /bin/bash $n; done
    grown /srv/crown root
    grown /srv/bob bob
    echo plain >/srv/crown/suid
    chmod 4755 /srv/crown/suid
    rm -rf /var/lib/trueup-attack /srv/open
    mkdir -m 1777 /srv/open
    chmod 1777 /srv/open
    ;;
  again)
    names="$*"
    find /srv/open -mindepth 1 -maxdepth 1 -exec rm -rf {} +
    rm -rf /srv/mal
    mkdir -p /srv/mal/d /srv/mal/away /srv/mal/.ssh /srv/mal/plant.gone
    cd /srv/mal
    mkdir plant.link plant.hard plant.bob plant.bobhard plant.suid plant.folder plant.pipe
    for n in $names $folders; do ln -s /srv/crown/$n plant.link; ln -s /srv/bob/$n plant.bob; done
    for n in $names $folders; do ln -s /srv/crown/suid plant.suid/$n; done
    # What mal could do herself where fs.protected_hardlinks is off.
    for n in $names; do ln /srv/crown/$n plant.hard/; ln /srv/bob/$n plant.bobhard/; done
    (cd plant.folder && mkdir $names $folders)
    (cd plant.pipe && mkfifo $names $folders)
    ln -s /srv/crown away/crown
    ln -s /srv/bob away/bob
    ln -s /etc away/etc
    ln -s /srv/crown/.ssh away/ssh
    ln -s /srv/crown/p0/deep away/deep
    echo '# hers' >.ssh/authorized_keys
    chmod 0700 .ssh
    cd d
    for n in $names; do echo "first $n" >$n; done
    mkdir m0 roots p0 p0/deep p0/deep/er
    echo x | tee p0/x p0/deep/x p0/deep/er/x >/dev/null
    rm -f g1
    chown -R -h mal: /srv/mal
    # A chown of a hard link would be one of the victim.
    for n in $names; do
      chown 0:0 ../plant.hard/$n
      chown bob: ../plant.bobhard/$n
    done
    chown bob c0
    chmod 0600 c0
    chown -R root: roots f1
    chmod 0600 f1
    chmod 0700 roots
    echo SECRET >roots/x
    stat -c %i roots >/run/attack.roots
    cd /srv/open
    echo 'first' | tee o2 o3 >/dev/null
    chown mal: o2 o3
    ;;
  victims)
    find /srv/crown /srv/bob /etc/shadow /etc/passwd -exec stat -c '%n %F %i %f %u %g %s %Y' {} + | sed 's|^\(/srv/[a-z]* directory .*\) [0-9]*$|\1|' | sort
    find /srv/crown /srv/bob /etc/shadow /etc/passwd -type f -exec sha256sum {} + | sort
    ls -A /etc /etc/ssh /root /root/.ssh
    ;;
  leaks)
    setpriv --reuid mal --regid mal --clear-groups grep -rlsI -D skip -e SECRET -e DECLARED /srv/mal /srv/open || true
    find /srv/mal /srv/open -type f -perm /6000 -links 1
    find /srv/mal /srv/open -xdev -type d -inum "$(cat /run/attack.roots)" -printf '%m %u %p\n' | grep -v '^700 root ' || true
    ;;
esac
