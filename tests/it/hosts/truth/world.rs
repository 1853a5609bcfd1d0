//! The world of the random projects: how a host is looked at by other means than the program's, what
//! hands do to it between rounds, and how it is made and left.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::draft::Shape;
use crate::support::Random;
use crate::support::lab::Shell;

/// Nearly everything that is declared on paths is below this folder.
pub(super) const ROOT: &str = "/srv/truth";
/// Where paths are looked at.
const ROOTS: &str = "/srv/truth /srv/truth-home /home/tu1 /home/tu2 /home/tu3 /etc/tr";

/// Public keys, of nobody; the last one comes by hand only.
pub(super) const KEYS: [&str; 4] = [
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDyEDz7r+sVkqjwPfM1mf/nh/x+VZJLXIjxZ0DgQuQB9",
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDyEDz7r+sVkqjwPfM1mf/nh/x+VZJLXIjxZ0DgQuQB8",
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDyEDz7r+sVkqjwPfM1mf/nh/x+VZJLXIjxZ0DgQuQB7",
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDyEDz7r+sVkqjwPfM1mf/nh/x+VZJLXIjxZ0DgQuQB6",
];

/// What is known of one thing, by the names that plans use where they have one.
pub(super) type Facts = BTreeMap<&'static str, String>;
/// All things of a host, by `KIND NAME`.
pub(super) type World = BTreeMap<String, Facts>;

/// Everything that a round may change.
pub(super) fn look(shell: &mut Shell) -> World {
    read(&shell.run(&format!(
        r#"export PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C
find {ROOTS} -printf 'file\t%p\t%y\t%m\t%u\t%g\t%U\t%G\t%l\n' 2>/dev/null
find {ROOTS} -type f -exec sha256sum {{}} + 2>/dev/null | sed 's/^\([0-9a-f]*\)  /sum\t\1\t/'
sed 's/:/\t/g; s/^/group\t/' /etc/group
sed 's/:/\t/g; s/^/user\t/' /etc/passwd
sed 's/:/\t/g; s/^/shadow\t/' /etc/shadow
dpkg-query -W -f 'package\t${{Package}}\t${{db:Status-Status}}\t${{Version}}\n'
systemctl show -p Id -p ActiveState -p UnitFileState tr-svc1 tr-svc2 tr-svc3 | sed 's/=/\t/'
for s in tr-svc1 tr-svc2 tr-svc3; do sed "s/^\([a-z]*\) .*/log\t$s\t\1/" /run/$s.log; done 2>/dev/null
"#
    )))
}

fn read(said: &str) -> World {
    let mut world = World::new();
    let mut groups: BTreeMap<String, String> = BTreeMap::new();
    let mut unit = String::new();
    let mut states: BTreeMap<String, (String, String)> = BTreeMap::new();
    for line in said.lines() {
        let parts: Vec<&str> = line.split('\t').collect();
        let mut set = |thing: String, field: &'static str, value: &str| {
            world.entry(thing).or_default().insert(field, value.to_owned());
        };
        match *parts {
            ["file", path, kind, mode, owner, group, uid, gid, target] => {
                let thing = || format!("file {path}");
                let fields = [("kind", kind), ("owner", uid), ("group", gid), ("target", target)];
                for (field, value) in fields {
                    set(thing(), field, value);
                }
                set(format!("names {path}"), "owner", owner);
                set(format!("names {path}"), "group", group);
                set(thing(), "mode", &format!("{mode:0>4}"));
            }
            ["sum", digest, path] => set(format!("file {path}"), "content", digest),
            ["group", name, _, gid, members] => {
                set(format!("group {name}"), "gid", gid);
                set(format!("group {name}"), "members", members);
                groups.insert(gid.to_owned(), name.to_owned());
                for member in members.split(',').filter(|member| !member.is_empty()) {
                    let all = world.entry(format!("member {member}")).or_default();
                    let all = all.entry("groups").or_default();
                    let mut names: Vec<&str> = all.split(',').chain([name]).collect();
                    names.retain(|name| !name.is_empty());
                    names.sort_unstable();
                    *all = names.join(",");
                }
            }
            ["user", name, _, uid, gid, comment, home, shell] => {
                let thing = || format!("user {name}");
                let fields = [("uid", uid), ("comment", comment), ("home", home), ("shell", shell)];
                for (field, value) in fields {
                    set(thing(), field, value);
                }
                // By its name: it is the group that has another number.
                let primary = groups.get(gid).map_or(gid, String::as_str);
                set(thing(), "group", primary);
            }
            ["shadow", name, password, _, _, _, _, _, expires, _] => {
                let thing = || format!("user {name}");
                set(thing(), "password", password);
                set(thing(), "expires", expires);
                let open = !password.starts_with('!') || password.len() < 3;
                // Days of those that are set here: in 1970, or in 2020 by hand.
                let over = expires.parse::<u32>().is_ok_and(|day| day < 20_000);
                let locked = match (open, over) {
                    (false, true) => "true",
                    (true, true) if password.len() < 3 => "true",
                    (true, false) => "false",
                    _ => "half",
                };
                set(thing(), "locked", locked);
            }
            ["package", name, "installed", version] => {
                set(format!("package {name}"), "version", version);
            }
            ["package", name, "config-files", _] => {
                set(format!("package {name}"), "configuration", "there");
            }
            ["log", name, what] => {
                let log = world.entry(format!("service {name}")).or_default();
                let _ = write!(log.entry("log").or_default(), "{what} ");
            }
            ["Id", id] => id.trim_end_matches(".service").clone_into(&mut unit),
            ["ActiveState", state] => {
                state.clone_into(&mut states.entry(unit.clone()).or_default().0);
            }
            ["UnitFileState", state] => {
                state.clone_into(&mut states.entry(unit.clone()).or_default().1);
            }
            _ => {}
        }
    }
    for (name, (active, file)) in states {
        let facts = world.entry(format!("service {name}")).or_default();
        let runs = if active == "active" { "running" } else { "stopped" };
        let state = match (file.as_str(), runs) {
            ("masked", "running") => "masked+running",
            ("masked", _) => "masked",
            _ => runs,
        };
        facts.insert("state", state.to_owned());
        facts.insert("runs", active);
        facts.insert("enabled", (file == "enabled").to_string());
    }
    world
}

/// Files and links of the whole host that changed after the file `/run/truth-stamp` was made.
pub(super) fn newer(shell: &mut Shell) -> Vec<String> {
    let said = shell.run(
        "export PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C
find / -xdev \\( -path /proc -o -path /sys -o -path /dev -o -path /run -o -path /var/log -o -path /var/lib/systemd \\
-o -path '/var/tmp/trueup-*' -o -path /var/lib/private \\) -prune -o ! -type d -cnewer /run/truth-stamp -print",
    );
    said.lines().filter(|line| !line.is_empty()).map(ToOwned::to_owned).collect()
}

/// From now on counts for [`newer`].
pub(super) fn stamp(shell: &mut Shell) {
    // The clock of files stands still for some milliseconds.
    shell.run("touch /run/truth-stamp; sleep 0.02");
}

/// What hands do between rounds.
pub(super) fn drift(random: &mut Random, shell: &mut Shell, shape: Shape) {
    const PATHS: [&str; 16] = [
        "[ ! -f f1 ] || echo drift >>f1",
        "[ ! -f f2 ] || chmod 0666 f2",
        "[ ! -f f2 ] || ln -f f2 f2-twin",
        "rm -f f3",
        "rm -f l1; ln -sfn elsewhere l1",
        "rm -f l2",
        "printf 'k0 = 9' >>t1",
        "printf 'k1 = 1\\r\\nk1 = 2\\n' >t2",
        "rm -f t2",
        "grep -v 'k[01]' t1 >t1.new; cat t1.new >t1; rm t1.new",
        "[ ! -d d1 ] || chown daemon d1",
        "[ ! -d p1 ] || { mkdir -p p1/s1/s2 p1/sub; echo 1 >p1/s1/s2/deep; echo 2 >p1/stray; echo 3 >p1/a.keep; ln -s /etc/passwd p1/k1; echo 4 >p1/sub/in; }",
        "[ ! -d p1 ] || { echo 12 >'p1/with space'; mkfifo p1/pipe; }",
        "mkdir -p d3/in; echo x >d3/in/side; chmod 0700 d3",
        "rm -f made open/who up done",
        "[ ! -f 'd2/f 5' ] || { setfacl -m u:daemon:r 'd2/f 5'; chown daemon 'd2/f 5'; }",
    ];
    const WHOLE: [&str; 14] = [
        "systemctl stop tr-svc1",
        "systemctl start tr-svc2",
        "systemctl -q disable tr-svc1 tr-svc3",
        "systemctl -q mask tr-svc3",
        "apt-get -qq -y remove lab-pkg02",
        "apt-get -qq -y --allow-downgrades install tr-a=1.1",
        "apt-get -qq -y purge tr-conf",
        "[ ! -f /etc/tr/conf ] || echo 'by hand' >>/etc/tr/conf",
        "usermod -s /bin/bash -aG video tu1",
        "usermod -L tu2; chage -E 2020-01-01 tu1",
        "echo 'tu2:word' | chpasswd",
        "userdel tu3",
        "groupmod -g 7599 tg1; gpasswd -d tu1 tg2",
        "[ ! -d /home/tu1/.ssh ] || { echo '# by hand'; echo 'KEY by hand'; } >>/home/tu1/.ssh/authorized_keys",
    ];
    let mut text = format!("export PATH=/usr/sbin:/usr/bin:/sbin:/bin; cd {ROOT} || exit\n");
    for act in PATHS {
        if random.chance(20) {
            let _ = writeln!(text, "{act}");
        }
    }
    for act in WHOLE {
        if random.chance(15) && shape == Shape::Whole {
            let _ = writeln!(text, "{{ {}; }} >/dev/null 2>&1", act.replace("KEY", KEYS[3]));
        }
    }
    if shape == Shape::Whole {
        // To remove a home of which another number is the owner is refused.
        text.push_str(
            "for u in tu1 tu2 tu3; do h=$(getent passwd $u | cut -d : -f 6); [ ! -d \"$h\" ] || chown $u \"$h\"; done\n",
        );
    }
    shell.run(&text);
}

/// Takes away what rounds leave.
pub(super) fn clean(shell: &mut Shell, shape: Shape) {
    shell.run(&format!("rm -rf {ROOTS} /run/truth-stamp"));
    if shape == Shape::Whole {
        shell.run(
            "for u in tu1 tu2 tu3; do userdel $u; done; for g in tg1 tg2 tg3 tu1 tu2 tu3; do groupdel $g; done
             systemctl -q unmask tr-svc1 tr-svc2 tr-svc3; systemctl -q disable --now tr-svc1 tr-svc2 tr-svc3
             apt-get -qq -y purge lab-pkg01 lab-pkg02 lab-pkg03 'tr-*'
             rm -f /usr/lib/systemd/system/tr-svc*.service /run/tr-svc*; systemctl daemon-reload
             rm -rf /opt/tr-repo /etc/apt/sources.list.d/tr.list; apt-get -qq update",
        );
    }
}

/// Makes what rounds begin with: texts, services whose files are not the administrator's, and a repository with
/// three versions of two packages.
pub(super) fn make(shell: &mut Shell, shape: Shape) {
    shell.run(&format!("mkdir -p {ROOT}; touch {ROOT}/t1 {ROOT}/t2"));
    if shape == Shape::Paths {
        return;
    }
    shell.run(
        "for n in 1 2 3; do sed s/lab-svc/tr-svc/g /etc/systemd/system/lab-svc$n.service >/usr/lib/systemd/system/tr-svc$n.service; done
systemctl daemon-reload; mkdir -p /opt/tr-repo; cd /opt/tr-repo
for p in tr-lib/1.0 tr-a/1.0 tr-a/1.1 tr-a/1.2 tr-conf/1.0 tr-conf/1.1 tr-conf/1.2; do
n=${p%/*}; v=${p#*/}; rm -rf t; mkdir -p t/DEBIAN t/usr/share/$n; echo $v >t/usr/share/$n/version
[ $n != tr-conf ] || { mkdir -p t/etc/tr; echo version = $v >t/etc/tr/conf; echo /etc/tr/conf >t/DEBIAN/conffiles; }
{ printf 'Package: %s\nVersion: %s\nArchitecture: all\nMaintainer: x <x@localhost>\n' $n $v
[ $n != tr-a ] || echo 'Depends: tr-lib'; echo 'Description: x'; } >t/DEBIAN/control
dpkg-deb --root-owner-group -Zgzip --build t ${n}_$v.deb
done
rm -rf t; for d in *.deb; do dpkg-deb --field $d; printf 'Filename: ./%s\nSize: %s\nSHA256: %s\n\n' $d $(stat -c %s $d) $(sha256sum <$d | cut -d ' ' -f 1); done >Packages
echo 'deb [trusted=yes] file:/opt/tr-repo ./' >/etc/apt/sources.list.d/tr.list; apt-get -qq update",
    );
}
