//! The types about paths on real hosts: what they do, what a hand was faster at, and folders that belong
//! to somebody who would lead root elsewhere.

use std::fmt::Write as _;

use crate::support::{Output, Project, lab, lab::left_out, lab::own};

const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDyEDz7r+sVkqjwPfM1mf/nh/x+VZJLXIjxZ0DgQuQB9";
const OTHER: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDyEDz7r+sVkqjwPfM1mf/nh/x+VZJLXIjxZ0DgQuQB8";

fn project(host: &str, module: &str) -> Project {
    let project = Project::new();
    project
        .file(
            "trueup.toml",
            "[project]\nname = \"paths\"\ninventory = \"inventory.toml\"\n\
             [[stage]]\nname = \"all\"\nhosts = \"all\"\nmodules = [\"m\"]\n",
        )
        .file("inventory.toml", format!("[hosts.{host}]\n"))
        .file("modules/m/module.toml", module.replace("OTHER", OTHER).replace("KEY", KEY));
    project
}

/// Applies a module and gives the plan's text; the plan after it must be empty.
fn settle(host: &str, module: &str) -> String {
    let project = project(host, module);
    let apply = project.on_lab(&["apply", "--yes"]).expect(0);
    let again = project.on_lab(&["plan", "--detailed-exitcode"]).expect(0);
    assert_eq!(again.last_line(), "Plan: 1 host: 1 unchanged.", "{}", again.stdout);
    let (plan, _) = apply.stdout.split_once("Applied").unwrap_or((&apply.stdout, ""));
    plan.to_owned()
}

const MADE: &str = r#"
[user.pat]
[authorized_key.pat]
keys = ["KEY pat@home"]
options = ["restrict"]
[authorized_key.more]
user = "pat"
keys = ["OTHER"]
[directory."/srv/paths"]
[directory."/srv/paths/conf"]
purge = true
keep = ["*.local"]
[file."/srv/paths/conf/deep/kept"]
content = "kept\n"
requires = ["directory[/srv/paths/conf/deep]"]
[directory."/srv/paths/conf/deep"]
[file."/srv/paths/hosts"]
mode = "0640"
[block.servers]
path = "/srv/paths/hosts"
content = "10.0.0.1 a\n10.0.0.2 b\n"
[line.first]
path = "/srv/paths/hosts"
line = "127.0.0.1 localhost"
insert_at = "start"
[line.after]
path = "/srv/paths/hosts"
line = "127.0.1.1 me"
insert_after = "^127"
"#;

const CHANGED: &str = r#"
[authorized_key.pat]
keys = ["KEY"]
exclusive = true
[directory."/srv/paths/conf"]
mode = "0700"
purge = true
keep = ["*.local"]
[file."/srv/paths/conf/deep/kept"]
content = "kept\n"
[block.servers]
path = "/srv/paths/hosts"
content = "10.0.0.3 c\n"
[line.after]
path = "/srv/paths/hosts"
match = "^127"
state = "absent"
"#;

const GONE: &str = r#"
[authorized_key.pat]
keys = ["KEY"]
state = "absent"
[block.servers]
path = "/srv/paths/hosts"
state = "absent"
[directory."/srv/paths/conf"]
state = "absent"
purge = true
"#;

/// Made, changed and taken away; gives the three plans and what stood there after each.
fn cycle(host: &str) -> String {
    let lab = lab();
    lab.on(
        host,
        "rm -rf /srv/paths /home/pat; deluser pat >/dev/null 2>&1 || userdel pat >/dev/null 2>&1 || true",
    );
    let state = "cd /srv/paths; ls -l conf conf/deep 2>/dev/null | grep -v total | cut -c1-10; cat hosts; \
         stat -c '%a %U %G' /home/pat/.ssh /home/pat/.ssh/authorized_keys; cat /home/pat/.ssh/authorized_keys";
    let mut text = settle(host, MADE);
    text.push_str(&lab.on(host, state));
    lab.on(
        host,
        "cd /srv/paths/conf; echo x >old.conf; mkdir -p sub/below; echo yy >sub/below/f; ln -s /etc sub/link; \
         ln -s /etc link; echo z >mine.local; mkfifo 'a pipe'; echo beside >deep/beside; echo '# hand' >>/home/pat/.ssh/authorized_keys",
    );
    text.push_str(&settle(host, CHANGED));
    text.push_str(&lab.on(host, state));
    assert_eq!(
        lab.on(host, "ls /etc/passwd; ls -A /srv/paths/conf"),
        "/etc/passwd\ndeep\nmine.local\n"
    );
    text.push_str(&settle(host, GONE));
    text.push_str(&lab.on(host, state));
    text
}

#[test]
fn paths_are_made_changed_and_taken_away() {
    if left_out() {
        return;
    }
    let _host = own("spare1");
    insta::assert_snapshot!("paths_cycle", cycle("spare1"));
}

#[test]
fn paths_are_made_changed_and_taken_away_with_busybox() {
    if left_out() {
        return;
    }
    let _host = own("busybox1");
    let text = cycle("busybox1").replace("busybox1", "spare1");
    insta::assert_snapshot!("paths_cycle", text);
}

#[test]
fn what_a_command_brings_into_a_purged_folder_goes_in_the_same_run_and_was_announced() {
    if left_out() {
        return;
    }
    let _host = own("spare1");
    let lab = lab();
    lab.on("spare1", "rm -rf /srv/brought; mkdir /srv/brought");
    let module = "[command.bring]\ncommand = \"echo x >/srv/brought/by-command\"\nrun_on = [\"file[/srv/brought/kept]\"]\n\
         [file.\"/srv/brought/kept\"]\ncontent = \"kept\\n\"\n[directory.\"/srv/brought\"]\npurge = true\nrequires = [\"command[bring]\"]\n";
    let plan = settle("spare1", module);
    insta::assert_snapshot!("brought_by_a_command", plan);
    assert_eq!(lab.on("spare1", "ls -A /srv/brought"), "kept\n");
}

#[test]
fn a_hard_link_is_parted_only_where_that_is_said() {
    if left_out() {
        return;
    }
    let _host = own("spare1");
    let lab = lab();
    lab.on("spare1", "rm -rf /srv/hard; mkdir /srv/hard; cd /srv/hard; echo old >a; ln a b; setfattr -n user.note -v kept a");
    let module = "[file.\"/srv/hard/a\"]\ncontent = \"new\\n\"\nmode = \"0600\"\n";
    let plan = project("spare1", module).on_lab(&["plan"]).expect(3);
    assert!(plan.stdout.contains("`break_hardlinks = true` parts it from them"), "{}", plan.stdout);
    let plan = settle("spare1", &format!("{module}break_hardlinks = true\n"));
    assert!(plan.contains("hard links  2 → 1"), "{plan}");
    let state =
        "cd /srv/hard; cat a b; stat -c '%n %a %h' a b; getfattr --only-values -n user.note a";
    assert_eq!(lab.on("spare1", state), "new\nold\na 600 1\nb 644 1\nkept");
}

/// What a hand does between plan and step, with the resource that finds it and what it says.
const HANDS: [(&str, &str, &str); 9] = [
    (
        "[file.\"/srv/hand/x\"]\ncontent = \"new\\n\"\n",
        "echo hand >/srv/hand/x",
        "its content is not what this was planned against",
    ),
    (
        "[file.\"/srv/hand/x\"]\nstate = \"absent\"\n",
        "echo hand >/srv/hand/x",
        "its content is not what this was planned against",
    ),
    (
        "[file.\"/srv/hand/x\"]\ncontent = \"old\\n\"\nmode = \"0600\"\n",
        "chmod 4755 /srv/hand/x",
        "its owner, mode or kind is not what this was planned against",
    ),
    (
        "[line.l]\npath = \"/srv/hand/x\"\nline = \"new\"\n",
        "echo hand >>/srv/hand/x",
        "its content is not what this was planned against",
    ),
    (
        "[block.b]\npath = \"/srv/hand/x\"\ncontent = \"new\"\n",
        "echo hand >>/srv/hand/x",
        "its content is not what this was planned against",
    ),
    (
        "[symlink.\"/srv/hand/l\"]\ntarget = \"new\"\n",
        "ln -sfn hand /srv/hand/l",
        "it does not point to where it did when this was planned",
    ),
    (
        "[directory.\"/srv/hand/d\"]\nmode = \"0700\"\n",
        "chmod 1777 /srv/hand/d",
        "its owner, mode or kind is not what this was planned against",
    ),
    (
        "[directory.\"/srv/hand/d\"]\npurge = true\n",
        "echo hand >>/srv/hand/d/sub/f",
        "what is in it is not what this was planned against",
    ),
    (
        "[authorized_key.handy]\nkeys = [\"KEY\"]\n",
        "echo '# hand' >>/home/handy/.ssh/authorized_keys",
        "its content is not what this was planned against",
    ),
];

#[test]
fn what_a_hand_changed_since_the_plan_is_left_alone_and_named() {
    if left_out() {
        return;
    }
    let _host = own("spare1");
    let lab = lab();
    let tree = "cd /; find /srv/hand /home/handy/.ssh ! -name '.trueup*' ! -name first -exec stat -c '%n %f %u' {} + | sort; \
         cat /srv/hand/x /srv/hand/d/sub/f /home/handy/.ssh/authorized_keys; readlink /srv/hand/l";
    let mut wrong = String::new();
    for (module, hand, says) in HANDS {
        lab.on(
            "spare1",
            "rm -rf /srv/hand; userdel -r handy 2>/dev/null; useradd -m handy; mkdir -p /srv/hand/d/sub; \
             echo old >/srv/hand/x; echo old >/srv/hand/d/sub/f; ln -s old /srv/hand/l; \
             install -d -m 0700 -o handy /home/handy/.ssh; install -m 0600 -o handy /dev/null /home/handy/.ssh/authorized_keys",
        );
        // The file before it is tried by the hand, in the same wave.
        let first =
            format!("[file.\"/srv/hand/first\"]\ncontent = \"first\\n\"\nvalidate = \"{hand}\"\n");
        let project = project("spare1", &format!("{first}{module}"));
        let apply = project.on_lab(&["apply", "--yes"]).expect(3);
        let now = lab.on("spare1", tree);
        lab.on("spare1", hand.replace(">>", "</dev/null #").as_str());
        if !apply.stdout.contains(says) {
            let _ = writeln!(wrong, "{module}\n{}", apply.stdout);
        }
        if !now.contains("hand\n") && !hand.starts_with("chmod") {
            let _ = writeln!(wrong, "{module}\nthe hand's work is gone:\n{now}");
        }
        if lab.on("spare1", tree) != now {
            let _ = writeln!(wrong, "{module}\nthe hand's work was changed:\n{now}");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// A plan or apply that must not be led into /srv/victim by what `eve` does in her folder.
fn led(module: &str, before: &str) -> Output {
    let lab = lab();
    lab.on(
        "spare1",
        "pkill -u eve 2>/dev/null; rm -rf /srv/eve /srv/victim; id eve >/dev/null 2>&1 || useradd -m eve; \
         rm -rf /home/eve/.ssh; mkdir -p /srv/eve /srv/victim/sub; echo secret >/srv/victim/x; chmod 0600 /srv/victim/x; \
         chown eve /srv/eve; sysctl -qw fs.protected_symlinks=0 fs.protected_hardlinks=0 fs.protected_regular=0 2>/dev/null || true",
    );
    lab.on("spare1", before);
    project("spare1", module).on_lab(&["apply", "--yes"])
}

/// What stands in the victim's folder.
fn victim() -> String {
    lab().on(
        "spare1",
        "find /srv/victim -exec stat -c '%n %f %u %g %s' {} + | sort; cat /srv/victim/x",
    )
}

#[test]
fn a_folder_of_somebody_else_leads_nowhere() {
    if left_out() {
        return;
    }
    let _host = own("spare1");
    let lab = lab();
    // Links that stand there already.
    for (module, before, says) in [
        (
            "[file.\"/srv/eve/d/x\"]\ncontent = \"mine\\n\"\n",
            "su eve -s /bin/sh -c 'ln -s /srv/victim /srv/eve/d'",
            "/srv/eve/d on the way is a link that eve may have put there",
        ),
        (
            "[directory.\"/srv/eve/d/new\"]\n",
            "su eve -s /bin/sh -c 'ln -s /srv/victim /srv/eve/d'",
            "/srv/eve/d on the way is a link that eve may have put there",
        ),
        (
            "[authorized_key.eve]\nkeys = [\"KEY\"]\n",
            "su eve -s /bin/sh -c 'ln -s /srv/victim /home/eve/.ssh'",
            "/home/eve/.ssh is a symlink, not a directory",
        ),
        (
            "[file.\"/srv/eve/x\"]\nmode = \"0644\"\n",
            "ln /srv/victim/x /srv/eve/x",
            "has 2 hard links",
        ),
    ] {
        let apply = led(module, &format!("{before}; true"));
        let before = victim();
        assert!(
            before.contains("/srv/victim/x 8180 0 0 7\n") && before.ends_with("secret\n"),
            "{before}"
        );
        assert!(apply.status == 3 && apply.stdout.contains(says), "{module}{}", apply.stdout);
        assert!(!before.contains("new"), "{before}");
    }
    // Her own files are changed as hers, and a content is put in whole.
    let apply = led(
        "[file.\"/srv/eve/mode\"]\nmode = \"0604\"\n[file.\"/srv/eve/owner\"]\ncontent = \"x\\n\"\nowner = \"root\"\n\
         [file.\"/srv/eve/unknown\"]\nmode = \"0604\"\n[directory.\"/srv/eve/made\"]\nowner = \"eve\"\nmode = \"0701\"\n",
        "cd /srv/eve; echo x | tee mode owner unknown >/dev/null; chown eve mode owner; chmod 0600 mode owner unknown",
    );
    assert_eq!(apply.status, 0, "{}", apply.stdout);
    assert_eq!(
        lab.on("spare1", "cd /srv/eve; stat -c '%n %a %U' mode owner unknown made"),
        "mode 604 eve\nowner 600 root\nunknown 604 root\nmade 701 eve\n"
    );
    // Who had it open may still write to it, so an owner is only given to what is made anew.
    let apply = led(
        "[file.\"/srv/eve/owner\"]\nowner = \"root\"\n",
        "echo x >/srv/eve/owner; chown eve /srv/eve/owner",
    );
    assert!(
        apply.stdout.contains("eve could swap it for a link while its owner or mode is set"),
        "{}",
        apply.stdout
    );
    assert_eq!(lab.on("spare1", "stat -c %U /srv/eve/owner"), "eve\n");
}

/// Whose file it is may be nobody, or somebody who cannot come where it is.
#[test]
fn a_mode_in_a_folder_of_somebody_else_is_changed_whoever_owns_the_file() {
    if left_out() {
        return;
    }
    let _host = own("spare1");
    let made = "cd /srv/eve; mkdir shut; echo x | tee nobody shut/x shut/y >/dev/null; chown 7499 nobody; \
                chown daemon shut/x shut/y; chown eve shut; chmod 0700 shut; chmod 0600 nobody shut/?";
    let modes = || lab().on("spare1", "cd /srv/eve; stat -c '%n %a %u' nobody shut/x shut/y");
    let module = "[file.\"/srv/eve/nobody\"]\nmode = \"0604\"\n[file.\"/srv/eve/shut/x\"]\ncontent = \"x\\n\"\nmode = \"0604\"\n";
    led(module, made).expect(0);
    assert_eq!(modes(), "nobody 604 7499\nshut/x 604 1\nshut/y 600 1\n");
    led("[file.\"/srv/eve/shut/y\"]\nmode = \"0604\"\n", made).expect(0);
    assert_eq!(modes(), "nobody 600 7499\nshut/x 600 1\nshut/y 604 1\n");
}

/// A race: eve swaps a folder of hers for a link to the victim's and back, as fast as she can.
#[test]
fn a_folder_that_is_swapped_all_the_time_leads_nowhere() {
    if left_out() {
        return;
    }
    let _host = own("spare1");
    let lab = lab();
    let module = |content: &str| {
        format!(
            "[file.\"/srv/eve/d/x\"]\ncontent = \"{content}\\n\"\nmode = \"0{}\"\nowner = \"eve\"\n\
             [directory.\"/srv/eve/d/sub\"]\nmode = \"0{}\"\nowner = \"eve\"\n[line.l]\npath = \"/srv/eve/d/y\"\nline = \"{content}\"\n",
            if content.len().is_multiple_of(2) { "644" } else { "600" },
            if content.len().is_multiple_of(2) { "755" } else { "711" },
        )
    };
    led(
        &module("a"),
        "cd /srv/eve; mkdir d; echo y >d/y; ln -s /srv/victim link; chown -R eve d; chown -h eve link; cp -p d/y /srv/victim/y",
    );
    let before = victim();
    lab.on(
        "spare1",
        "su eve -s /bin/sh -c 'cd /srv/eve; exec perl -e '\\''while (1) { syscall(316, -100, \"d\", -100, \"link\", 2) }'\\'' >/dev/null 2>&1 </dev/null &'",
    );
    let mut outcomes = [0, 0];
    for round in 0..12 {
        let module = module(&"b".repeat(round + 1));
        let apply = project("spare1", &module).on_lab(&["apply", "--yes"]);
        outcomes[usize::from(apply.status != 0)] += 1;
        assert_eq!(
            victim(),
            before,
            "round {round}, done and refused {outcomes:?}: {}",
            apply.stdout
        );
    }
    lab.on("spare1", "pkill -u eve; true");
}
