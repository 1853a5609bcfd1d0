//! The way back of a run on real hosts: the very tree, users, packages and units of before.

use super::project;
use crate::support::{lab, lab::left_out, lab::own};

/// All that the tests here look at on a host, as text.
const SEEN: &str = "cd /srv/back && find . -exec stat -c '%n %f %u:%g' {} + | sort; \
    find . -type f -exec sha256sum {} + | sort; find . -type f -exec stat -c '%n %Y' {} + | sort; \
    find . -type l -exec readlink {} +; grep back- /etc/passwd /etc/group; ls /home | grep back-; true";

/// What stands there before the run.
const BEFORE: &str = "rm -rf /srv/back /run/back.starts; mkdir -p /srv/back/folder /srv/back/emptied; cd /srv/back; \
    printf 'old\\n' >content; printf 'mode\\n' >mode; printf 'goes' >gone; printf 'one\\ntwo' >edited; \
    head -c 3000000 /dev/zero >large; ln -s content link; chmod 2750 folder; chmod 640 content; \
    chown 65534:12345 gone; touch -d '2001-02-03 04:05:06' content gone edited large";

const FILES: &str = r#"
[directory."/srv/back/new"]
mode = "0710"
[file."/srv/back/new/in it"]
content = "new\n"
[file."/srv/back/content"]
content = "other\n"
mode = "0600"
[file."/srv/back/mode"]
mode = "4711"
[file."/srv/back/large"]
content = "small\n"
[file."/srv/back/gone"]
state = "absent"
[line.edit]
path = "/srv/back/edited"
line = "three"
[symlink."/srv/back/link"]
target = "new"
[directory."/srv/back/folder"]
mode = "0700"
[directory."/srv/back/emptied"]
state = "absent"
"#;

#[test]
fn t51_t68_a_host_goes_back_to_where_it_was() {
    if left_out() {
        return;
    }
    let _host = own("spare1");
    let lab = lab();
    let clean = "systemctl disable --now back-s >/dev/null 2>&1; rm -rf /etc/systemd/system/back-s.service; \
        systemctl daemon-reload; userdel -r back-user >/dev/null 2>&1; groupdel back-group 2>/dev/null; \
        apt-get -qq -y purge lab-pkg20 >/dev/null 2>&1; rm -rf /srv/back /var/lib/trueup/o; true";
    lab.on("spare1", clean);
    lab.on("spare1", BEFORE);
    lab.on(
        "spare1",
        "printf '[Service]\\nExecStartPre=sh -c \"echo x >>/run/back.starts\"\\nExecStart=sleep 1000\\n[Install]\\nWantedBy=multi-user.target\\n' \
         >/etc/systemd/system/back-s.service; systemctl daemon-reload; systemctl start back-s",
    );
    let state = "systemctl is-active back-s; systemctl is-enabled back-s; dpkg-query -W -f '${db:Status-Status}' lab-pkg20 2>/dev/null; true";
    let was = (lab.on("spare1", SEEN), lab.on("spare1", state));
    let module = format!(
        "[package.lab-pkg20]\n[group.back-group]\n[user.back-user]\ngroup = \"back-group\"\ncreate_home = false\n{FILES}\
         [service.back-s]\nenabled = true\nrestart_on = [\"file[/srv/back/content]\"]\n"
    );
    let project = project("[hosts.spare1]\n", &module);
    // Where it is kept on hosts that nobody tells another place.
    let usual = [("TRUEUP_HOST_STATE", "")];
    project.on_lab_with(&["apply", "--yes"], &usual).expect(0);
    assert_ne!((lab.on("spare1", SEEN), lab.on("spare1", state)), was);
    // Somebody else on the host sees nothing of what is kept.
    for path in ["/var/lib/trueup/o", "/var/lib/trueup/o/spare1/kept"] {
        let text = format!("ls {path}; su -s /bin/sh nobody -c 'ls {path}'");
        assert_ne!(lab.try_on("spare1", &text, b"").0, 0, "{path}");
    }
    let kept = lab.on("spare1", "ls /var/lib/trueup/o/spare1/kept/*/changes");
    assert!(!kept.is_empty());
    let open = "find /var/lib/trueup /var/lib/trueup/o /var/lib/trueup/o/spare1/kept -maxdepth 1 -type d -perm /077";
    assert_eq!(lab.on("spare1", open), "");
    let read = "su -s /bin/sh nobody -c 'find /var/lib/trueup -mindepth 1' 2>/dev/null; true";
    assert_eq!(lab.on("spare1", read), "");
    let back = project.on_lab_with(&["rollback", "last", "--yes"], &usual).expect(0);
    assert!(back.stdout.contains("service[back-s]"), "{}", back.stdout);
    assert_eq!((lab.on("spare1", SEEN), lab.on("spare1", state)), was, "{}", back.stdout);
    assert_eq!(lab.on("spare1", "cat /run/back.starts"), "x\n".repeat(3));
    let again = project.on_lab_with(&["plan", "--detailed-exitcode"], &usual).expect(2);
    assert!(!again.stdout.contains("drift"), "{}", again.stdout);
    lab.on("spare1", clean);
}

#[test]
fn files_go_back_with_busybox_too() {
    if left_out() {
        return;
    }
    let _host = own("busybox1");
    let lab = lab();
    lab.on("busybox1", BEFORE);
    let was = lab.on("busybox1", SEEN);
    let project = project("[hosts.busybox1]\n", FILES);
    project.on_lab(&["apply", "--yes"]).expect(0);
    let back = project.on_lab(&["rollback", "last", "--yes"]).expect(0);
    assert_eq!(lab.on("busybox1", SEEN), was, "{}", back.stdout);
    lab.on("busybox1", "rm -rf /srv/back");
}

/// A file with all that a file can have besides its content, and what tells of it.
const RICH: &str = "rm -rf /srv/rich; mkdir -p /srv/rich; cd /srv/rich; echo old >x; chown 65534:12345 x; chmod 2750 x; \
    setfacl -m u:deploy:r,g:4711:rw x; setfattr -n user.note -v kept x; setcap cap_net_raw+ep x; \
    setfattr -n security.selinux -v system_u:object_r:etc_t:s0 x; touch -d '2001-02-03 04:05:06' x";
const RICHES: &str =
    "stat -c '%a %u:%g' x; getfacl -cpn x; getfattr -d -m - x 2>/dev/null; getcap x";

#[test]
fn what_a_file_has_besides_its_content_survives_a_change_a_keep_and_the_way_back() {
    if left_out() {
        return;
    }
    let _host = own("spare1");
    let lab = lab();
    for module in [
        // As it is, with another mode than it has, and away.
        "content = \"new\\n\"\n",
        "content = \"new\\n\"\nmode = \"2751\"\n",
        "state = \"absent\"\n",
    ] {
        lab.on("spare1", RICH);
        let look = |folder: &str| lab.on("spare1", &format!("cd {folder}; {RICHES}"));
        let was = look("/srv/rich");
        for part in [
            "user.note",
            "security.selinux=\"system_u",
            "cap_net_raw=ep",
            "user:",
            "2770 65534:12345",
        ] {
            assert!(was.contains(part), "{part}: {was}");
        }
        let project = project("[hosts.spare1]\n", &format!("[file.\"/srv/rich/x\"]\n{module}"));
        project.on_lab(&["apply", "--yes"]).expect(0);
        if module.starts_with("content") {
            let is = look("/srv/rich");
            let rest = |text: &str| {
                text.lines()
                    .filter(|line| {
                        line.contains('.') && !line.contains("acl_access")
                            || line.starts_with("user:")
                    })
                    .map(ToOwned::to_owned)
                    .collect::<Vec<_>>()
            };
            if module.contains("mode") {
                assert_eq!(rest(&is), rest(&was));
            } else {
                assert_eq!(is, was);
            }
        }
        let kept = project.lab_state().join("o/spare1/kept");
        let copy = lab.on("spare1", &format!("cd {}/*; mkdir /run/rich; cp -a 1 /run/rich/x; cd /run/rich; {RICHES}; rm -r /run/rich", kept.display()));
        assert_eq!(copy, was, "{module}: the copy");
        project.on_lab(&["rollback", "last", "--yes"]).expect(0);
        assert_eq!(look("/srv/rich"), was, "{module}");
        assert_eq!(
            lab.on("spare1", "cd /srv/rich; cat x; date -r x +%F"),
            "old\n2001-02-03\n",
            "{module}"
        );
    }
    lab.on("spare1", "rm -rf /srv/rich");
}

/// A package, its configuration and its service, which hears of both.
const DAEMON: &str = r#"
[package.lab-daemon]
[file."/etc/lab-daemon.d/more.conf"]
content = "greeting = back\n"
[directory."/etc/lab-daemon.d"]
[service.lab-daemon]
state = "running"
enabled = true
restart_on = ["file[/etc/lab-daemon.d/**]", "package[lab-daemon]"]
"#;

#[test]
fn a_package_with_its_file_and_its_service_goes_back_whole() {
    if left_out() {
        return;
    }
    let _host = own("spare2");
    let lab = lab();
    let clean = "apt-get -qq -y purge lab-daemon >/dev/null 2>&1; rm -rf /etc/lab-daemon.d; true";
    lab.on("spare2", clean);
    for trigger in ["restart_on", "reload_on"] {
        let project = project("[hosts.spare2]\n", &DAEMON.replace("restart_on", trigger));
        project.on_lab(&["apply", "--yes"]).expect(0);
        // The file has changed since, so that the trigger went off by itself.
        let plan = project.on_lab(&["rollback", "last", "--plan"]).expect(0);
        let back = project.on_lab(&["rollback", "last", "--yes"]).expect(0);
        let at = |text: &str| {
            back.stdout.find(text).unwrap_or_else(|| panic!("{text}: {}", back.stdout))
        };
        assert!(at("service[lab-daemon]") < at("package[lab-daemon]"), "{}", back.stdout);
        assert!(
            !back.stdout.contains("restart,") && !back.stdout.contains("reload,"),
            "{}",
            plan.stdout
        );
        assert_eq!(lab.try_on("spare2", "systemctl cat lab-daemon 2>/dev/null", b"").0, 1);
        let drift = project.on_lab(&["drift"]).expect(0);
        let ledger = project.on_lab(&["ledger", "spare2"]);
        assert!(!ledger.stdout.contains("owed"), "{}{}", drift.stdout, ledger.stdout);
        let id = fs_first_run(&project);
        let again = project.on_lab(&["rollback", &id, "--yes"]).expect(0);
        assert!(again.stdout.contains("no changes"), "{}", again.stdout);
    }
    lab.on("spare2", clean);
}

/// The first run that a project recorded.
fn fs_first_run(project: &crate::support::Project) -> String {
    let runs = std::fs::read_dir(project.path().join(".trueup/runs")).expect("records");
    let mut runs: Vec<String> =
        runs.flatten().map(|run| run.file_name().to_string_lossy().into_owned()).collect();
    runs.sort();
    runs.remove(0)
}

#[test]
fn a_service_that_is_reloaded_for_its_file_is_so_again_on_the_way_back() {
    if left_out() {
        return;
    }
    let _host = own("spare2");
    let lab = lab();
    let clean = "systemctl disable --now back-t >/dev/null 2>&1; rm -rf /etc/systemd/system/back-t.service /run/back-t*; systemctl daemon-reload; true";
    lab.on("spare2", clean);
    lab.on(
        "spare2",
        "echo 1 >/run/back-t.conf; printf '[Service]\\nExecStart=sleep 1000\\nExecReload=cp /run/back-t.conf /run/back-t.loaded\\n' \
         >/etc/systemd/system/back-t.service; systemctl daemon-reload; systemctl start back-t",
    );
    let project = project(
        "[hosts.spare2]\n",
        "[file.\"/run/back-t.conf\"]\ncontent = \"2\\n\"\n[service.back-t]\nreload_on = [\"file[/run/back-t.conf]\"]\n",
    );
    project.on_lab(&["apply", "--yes"]).expect(0);
    assert_eq!(lab.on("spare2", "cat /run/back-t.loaded"), "2\n");
    project.on_lab(&["rollback", "last", "--yes"]).expect(0);
    assert_eq!(lab.on("spare2", "cat /run/back-t.loaded"), "1\n");
    lab.on("spare2", clean);
}
