//! Every resource type made, changed, found as wanted and taken away on a real host; each time the
//! plan after it is empty.

use crate::support::{Project, lab, lab::left_out, lab::own};

/// Applies `module` on spare1 and gives the plan's text; the plan after it must be empty.
fn settle(project: &Project, module: &str) -> String {
    project.file("modules/m/module.toml", module);
    let apply = project.on_lab(&["apply", "--yes"]).expect(0);
    let again = project.on_lab(&["plan", "--detailed-exitcode"]).expect(0);
    assert_eq!(again.last_line(), "Plan: 1 host: 1 unchanged.", "{}", again.stdout);
    let (plan, _) = apply.stdout.split_once("Applied").unwrap_or((&apply.stdout, ""));
    plan.to_owned()
}

fn project() -> Project {
    let project = Project::new();
    project
        .file(
            "trueup.toml",
            "[project]\nname = \"types\"\ninventory = \"inventory.toml\"\n\
             [[stage]]\nname = \"all\"\nhosts = \"all\"\nmodules = [\"m\"]\n",
        )
        .file("inventory.toml", "[hosts.spare1]\n");
    project
}

#[test]
fn each_type_is_made_changed_and_taken_away() {
    if left_out() {
        return;
    }
    let _host = own("spare1");
    let lab = lab();
    lab.on(
        "spare1",
        "rm -rf /srv/types /var/tmp/types; userdel ty1 2>/dev/null; groupdel tyg 2>/dev/null; \
         apt-get -qq -y purge lab-pkg24 lab-pkg25 >/dev/null 2>&1; systemctl disable --now lab-svc1 2>/dev/null; \
         mkdir /var/tmp/types; printf 'a\\nb' >/var/tmp/types/lines",
    );
    let project = project();
    let made = settle(
        &project,
        r#"
[group.tyg]
gid = 7301
[user.ty1]
uid = 7302
group = "tyg"
groups = ["adm", "video"]
shell = "/bin/dash"
comment = "typed, one"
[directory."/srv/types"]
owner = "ty1"
mode = "2750"
[file."/srv/types/f"]
content = "one\n"
owner = "ty1"
group = "tyg"
mode = "0600"
[symlink."/srv/types/l"]
target = "f"
[line.c]
path = "/var/tmp/types/lines"
line = "c=1"
match = "^c="
[package.lab-pkg24]
[package.lab-pkg25]
[command.stamp]
command = "echo made >stamp"
cwd = "/srv/types"
creates = "/srv/types/stamp"
[service.lab-svc1]
state = "running"
enabled = true
"#,
    );
    insta::assert_snapshot!("types_made", made);
    let state = "id ty1; getent passwd ty1; stat -c '%a %U %G %F' /srv/types /srv/types/f; readlink /srv/types/l; \
        cat /var/tmp/types/lines; dpkg-query -W -f '${Package} ${db:Status-Status}\\n' lab-pkg24 lab-pkg25; systemctl is-enabled lab-svc1";
    insta::assert_snapshot!("types_made_state", lab.on("spare1", state));
    lab.on("spare1", "setfacl -m u:deploy:r /srv/types/f; setfattr -n user.note -v kept /srv/types/f; chmod 0600 /srv/types/f");
    let changed = settle(
        &project,
        r#"
[group.tyg]
gid = 7301
[user.ty1]
uid = 7302
group = "tyg"
groups = ["games"]
shell = "/bin/bash"
[directory."/srv/types"]
owner = "root"
mode = "0755"
[file."/srv/types/f"]
content = "two\n"
[symlink."/srv/types/l"]
target = "/srv/types/f"
[line.c]
path = "/var/tmp/types/lines"
line = "c=2"
match = "^c="
[package.lab-pkg24]
[package.lab-pkg25]
state = "absent"
[service.lab-svc1]
state = "stopped"
enabled = false
"#,
    );
    insta::assert_snapshot!("types_changed", changed);
    let kept = lab.on("spare1", "getfattr --absolute-names --only-values -n user.note /srv/types/f; echo; getfacl -cpE /srv/types/f | grep deploy; stat -c '%U %G' /srv/types/f");
    assert_eq!(kept, "kept\nuser:deploy:r--\nty1 tyg\n", "ACL, attributes and owner are kept");
    let gone = settle(
        &project,
        r#"
[user.ty1]
state = "absent"
[group.tyg]
state = "absent"
requires = ["user[ty1]"]
[file."/srv/types/f"]
state = "absent"
[file."/srv/types/stamp"]
state = "absent"
[symlink."/srv/types/l"]
state = "absent"
[directory."/srv/types"]
state = "absent"
requires = ["file[/srv/types/*]", "symlink[/srv/types/l]"]
[line.c]
path = "/var/tmp/types/lines"
match = "^c="
state = "absent"
[package.lab-pkg24]
state = "absent"
"#,
    );
    insta::assert_snapshot!("types_gone", gone);
    assert_eq!(
        lab.on(
            "spare1",
            "cat /var/tmp/types/lines; ls -d /srv/types 2>&1; LC_ALL=C id ty1 2>&1 || true"
        ),
        "a\nb\nls: cannot access '/srv/types': No such file or directory\nid: 'ty1': no such user\n"
    );
}

#[test]
fn what_is_in_the_way_is_refused_before_anything_is_done() {
    if left_out() {
        return;
    }
    let _host = own("spare1");
    let lab = lab();
    lab.on(
        "spare1",
        "rm -rf /srv/way /etc/never.conf; mkdir -p /srv/way/dir; echo x >/srv/way/file; ln -s /etc/shadow /srv/way/link; \
         ln /srv/way/file /srv/way/hard; mkfifo /srv/way/fifo",
    );
    let project = project();
    project.file(
        "modules/m/module.toml",
        r#"
[file."/etc/never.conf"]
content = "must not be made\n"
[file."/srv/way/dir"]
content = "x"
[file."/srv/way/link"]
content = "x"
[file."/srv/way/file"]
content = "new"
[file."/srv/way/fifo"]
content = "x"
[directory."/srv/way/hard"]
[symlink."/srv/way/dir/../dir2"]
target = "x"
state = "absent"
[file."/srv/none/here"]
content = "x"
[line.none]
path = "/srv/way/none"
line = "x"
[service.no-such-unit]
state = "running"
"#,
    );
    let check = project.on_lab(&["plan"]).expect(1);
    assert!(check.stderr.contains("a path is normal"), "{}", check.stderr);
    let module =
        std::fs::read_to_string(project.path().join("modules/m/module.toml")).expect("the module");
    project.file("modules/m/module.toml", module.replace("dir/../dir2", "dir"));
    let clash = project.on_lab(&["plan"]).expect(1);
    assert!(clash.stderr.contains("manage the same path"), "{}", clash.stderr);
    project.file("modules/m/module.toml", module.replace("way/dir/../dir2", "way/hard2"));
    let plan = project.on_lab(&["apply", "--yes"]).expect(3);
    insta::assert_snapshot!("in_the_way", plan.stdout);
    lab.on("spare1", "! test -e /etc/never.conf; test -L /srv/way/link");
}
