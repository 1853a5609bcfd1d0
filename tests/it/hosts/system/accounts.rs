//! Users and groups.

use super::{meanwhile, moved, project, settle, told};
use crate::support::{lab, lab::left_out, lab::own};

/// `openssl passwd -6 -salt saltsalt first` and `… second`.
const HASHES: [&str; 2] = [
    "$6$saltsalt$a0AooSCXWUxquMNP7WhessfbfbMmiy4CARpu2j093RRhAs7xIEQTMaJN8lRKPQvCsMdu3sVdAHMIZc1rdWtAo/",
    "$6$saltsalt$9qLrRX.VeBJ9aIkT9eTZGHiA7qe/QwdYYd1FcrAKPnGPudNjw3rnfywtCeJyd.SxbnWq2BlaPvwrSMpRy4ge81",
];

fn clean() {
    lab().on(
        "spare1",
        "rm -f /srv/meanwhile; systemctl stop acc1 2>/dev/null; for n in acc1 acc2; do userdel -r $n; groupdel $n; done 2>/dev/null; \
         groupdel accg 2>/dev/null; rm -rf /home/acc1 /home/acc2; true",
    );
}

#[test]
fn a_user_is_locked_given_a_password_and_taken_away_with_its_home() {
    if left_out() {
        return;
    }
    let _host = own("spare1");
    clean();
    let lab = lab();
    let [first, second] = HASHES;
    let made = settle(&format!(
        "[user.acc1]\nuid = 7411\ngroups = [\"adm\", \"video\"]\npassword = '{first}'\nshell = \"/bin/dash\"\n"
    ));
    insta::assert_snapshot!("user_made", keyless(&made));
    assert!(!made.contains(first), "{made}");
    let line = || lab.on("spare1", "getent shadow acc1 | cut -d : -f 2,8; id -Gn acc1");
    assert_eq!(line(), format!("{first}:\nacc1 adm video\n"));

    let changed = settle(&format!(
        "[user.acc1]\ngroups = [\"adm\"]\nexclusive_groups = true\npassword = '{second}'\nlocked = true\n"
    ));
    insta::assert_snapshot!("user_changed", keyless(&changed));
    assert_eq!(line(), format!("!{second}:1\nacc1 adm\n"));
    settle("[user.acc1]\nlocked = false\n");
    assert_eq!(line(), format!("{second}:\nacc1 adm\n"));

    lab.on("spare1", "touch /home/acc1/file");
    let gone = settle(
        "[user.acc1]\nstate = \"absent\"\nremove_home = true\n[group.acc1]\nstate = \"absent\"\n",
    );
    insta::assert_snapshot!("user_gone", keyless(&gone));
    assert_ne!(lab.try_on("spare1", "ls -d /home/acc1 || getent group acc1", b"").0, 0);

    settle("[user.acc1]\nsystem = true\nlocked = true\n");
    assert_eq!(line(), "!:1\nacc1\n");
    clean();
}

#[test]
fn a_home_of_another_user_is_not_removed() {
    if left_out() {
        return;
    }
    let _host = own("spare1");
    clean();
    lab().on("spare1", "useradd -m acc1; chown 7499 /home/acc1");
    let project = project("[user.acc1]\nstate = \"absent\"\nremove_home = true\n");
    let refused = project.on_lab(&["apply", "--yes"]).expect(3);
    let says = "its home /home/acc1 belongs to number 7499, not to it";
    let text = format!("{}{}", refused.stdout, refused.stderr).replace('\n', " ");
    assert!(text.split_whitespace().collect::<Vec<_>>().join(" ").contains(says), "{text}");
    lab().on("spare1", "getent passwd acc1 && rm -r /home/acc1");
    clean();
}

/// Keyed digests differ with each project's key, and times with each run.
fn keyless(text: &str) -> String {
    let lines = text.lines().map(|line| match line.split_once("(sensitive)") {
        Some((before, _)) => format!("{before}(sensitive)  DIGESTS"),
        None if line.starts_with("Applied") => "Applied".to_owned(),
        None => line.to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_user_that_runs_something_is_not_removed() {
    if left_out() {
        return;
    }
    let _host = own("spare1");
    clean();
    lab().on("spare1", "useradd acc1; systemd-run -q --unit acc1 -p User=acc1 sleep 1000");
    let apply = moved("[user.acc1]\nstate = \"absent\"\n");
    let told = told(&apply);
    assert!(told.contains("user acc1 is currently used by process"), "{told}");
    assert!(told.contains("end what runs as this user first"), "{told}");
    clean();
}

#[test]
fn a_group_that_is_needed_is_not_removed() {
    if left_out() {
        return;
    }
    let _host = own("spare1");
    clean();
    lab().on("spare1", "groupadd accg; useradd -g accg acc1");
    let told = told(&moved("[group.accg]\nstate = \"absent\"\n"));
    assert!(told.contains("cannot remove the primary group of user 'acc1'"), "{told}");
    assert!(told.contains("give that user another group"), "{told}");
    let gone = settle(
        "[group.accg]\nstate = \"absent\"\n[user.acc1]\nstate = \"absent\"\ngroup = \"accg\"\n",
    );
    assert!(gone.contains("2 deletes"), "the user goes first, though it stands last: {gone}");
}

/// T17.
#[test]
fn accounts_that_were_changed_meanwhile_are_left() {
    if left_out() {
        return;
    }
    let _host = own("spare1");
    let lab = lab();
    let cases = [
        (
            "user_moved",
            "useradd -u 7411 -c before acc1",
            "usermod -c by-hand acc1",
            "[user.acc1]\ncomment = \"after\"\n".to_owned(),
            "getent passwd acc1 | cut -d : -f 5",
            "by-hand",
        ),
        (
            "user_moved_groups",
            "useradd -u 7411 acc1",
            "usermod -aG video acc1",
            "[user.acc1]\ngroups = [\"adm\"]\n".to_owned(),
            "id -Gn acc1",
            "acc1 video",
        ),
        (
            "user_moved_password",
            "useradd -u 7411 acc1",
            "echo acc1:by-hand | chpasswd -c SHA512 && getent shadow acc1 | cut -d : -f 2 >/srv/by-hand",
            format!("[user.acc1]\npassword = '{}'\n", HASHES[0]),
            "[ \"$(getent shadow acc1 | cut -d : -f 2)\" = \"$(cat /srv/by-hand)\" ]; rm /srv/by-hand; echo kept",
            "kept",
        ),
        (
            "user_made_meanwhile",
            "true",
            "useradd -u 7411 acc1",
            "[user.acc1]\nshell = \"/bin/dash\"\n".to_owned(),
            "getent passwd acc1 | cut -d : -f 7",
            "/bin/sh",
        ),
        (
            "group_moved",
            "groupadd -g 7401 accg",
            "groupmod -g 7402 accg",
            "[group.accg]\ngid = 7403\n".to_owned(),
            "getent group accg | cut -d : -f 3",
            "7402",
        ),
    ];
    for (name, before, by_hand, resource, look, kept) in cases {
        clean();
        lab.on("spare1", before);
        let apply = moved(&format!("{}{resource}", meanwhile(by_hand)));
        let told = told(&apply);
        insta::assert_snapshot!(name, told);
        assert_eq!(lab.on("spare1", look).trim_end(), kept, "{name}");
    }
    clean();
}

#[test]
fn a_password_is_only_seen_by_chpasswd() {
    if left_out() {
        return;
    }
    let _host = own("spare1");
    clean();
    let lab = lab();
    super::watch(&["timeout", "useradd", "usermod", "chpasswd", "sha256sum"]);
    let module = format!("[user.acc1]\npassword = '{}'\nlocked = true\n", HASHES[0]);
    let run = project(&module).on_lab(&["apply", "--yes"]).expect(0);
    let seen = super::seen();
    let canary = &HASHES[0][12..40];
    assert!(seen.contains("useradd --create-home") && seen.contains("chpasswd -e"), "{seen}");
    assert!(!seen.contains(canary), "{seen}");
    assert!(!run.stdout.contains(canary) && !run.stderr.contains(canary));
    let kept = "grep -rlF CANARY /var/lib/trueup /tmp /var/log /run/log 2>/dev/null || true";
    assert_eq!(lab.on("spare1", &kept.replace("CANARY", canary)), "");
    // The lock alone, beside a password that is there already.
    settle(&format!("[user.acc1]\npassword = '{}'\nlocked = false\n", HASHES[0]));
    clean();
}

#[test]
fn a_saved_plan_has_no_password_in_it_and_is_refused_where_the_user_moved() {
    if left_out() {
        return;
    }
    let _host = own("spare1");
    clean();
    let lab = lab();
    lab.on("spare1", "useradd -u 7411 acc1");
    let project = project(&format!("[user.acc1]\npassword = '{}'\n", HASHES[0]));
    let path = |name: &str| project.path().join(name).display().to_string();
    let save = |name: &str| {
        project.on_lab(&["plan", "-o", &path(name)]).expect(0);
        std::fs::read_to_string(path(name)).expect("a saved plan")
    };
    let saved = save("first.json");
    assert!(!saved.contains(&HASHES[0][12..40]), "{saved}");
    lab.on("spare1", "echo acc1:by-hand | chpasswd -c SHA512");
    let refused = project.on_lab(&["apply", "--yes", &path("first.json")]).expect(3);
    assert!(refused.stdout.contains("m/user[acc1]"), "{}", refused.stdout);
    assert!(refused.last_line().contains("1 refused"), "{}", refused.stdout);
    save("second.json");
    project.on_lab(&["apply", "--yes", &path("second.json")]).expect(0);
    assert_eq!(lab.on("spare1", "getent shadow acc1 | cut -d : -f 2").trim_end(), HASHES[0]);
    clean();
}
