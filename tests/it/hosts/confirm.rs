//! Changes that cut us off, for real: the host puts them back by itself, and the run says so.

use std::process::Stdio;
use std::time::{Duration, Instant};

use super::project;
use crate::support::{Output, Project, lab, lab::left_out, lab::own};
use crate::wire::shells::say;

/// The lab's tests keep what hosts remember in memory; a host that starts anew must find it again.
const USUAL: [(&str, &str); 1] = [("TRUEUP_HOST_STATE", "")];

fn apply(project: &Project) -> Output {
    project.on_lab_with(&["apply", "--yes", "--connect-timeout", "3"], &USUAL)
}

/// How often a campaign does what a test does once.
fn rounds() -> usize {
    if std::env::var_os("TRUEUP_FULL").is_some() { 20 } else { 1 }
}

/// Nothing of the watch is left on a host, and it can be logged in to.
fn clean(host: &str) {
    let said = lab().on(
        host,
        "ls /etc/systemd/system /etc/systemd/system/sysinit.target.wants | grep trueup-confirm; ls -d /var/lib/trueup/o/*/confirm 2>/dev/null; true",
    );
    assert_eq!(said, "", "nothing of the watch is left");
}

/// Puts a host as it should be before, and forgets what it remembers.
fn anew(host: &str) {
    lab().on(
        host,
        "rm -rf /var/lib/trueup/o /etc/ssh/sshd_config.d/broken.conf; systemctl reset-failed ssh; systemctl restart ssh; \
         printf 'flush ruleset\\ntable inet old { }\\n' >/etc/nftables.conf; systemctl restart nftables",
    );
}

/// What drops all that comes to ssh's port.
const FIREWALL: &str = r#"
[file."/etc/nftables.conf"]
content = """
flush ruleset
table inet shut {
  chain input {
    type filter hook input priority 0;
    tcp dport 22 drop
  }
}
"""
confirm = "8s"
"#;

/// Loads it by a service.
const RELOADED: &str = r#"
[service.nftables]
reload_on = ["file[/etc/nftables.conf]"]
"#;

/// Loads it by a command that the file sets off.
const LOADED: &str = r#"
[command.load]
command = "nft -f /etc/nftables.conf"
run_on = ["file[/etc/nftables.conf]"]
only_if = "false"
"#;

/// A configuration that no sshd starts with, and nothing that looks at it before.
const SSHD: &str = r#"
[file."/etc/ssh/sshd_config.d/broken.conf"]
content = "Nonsense yes\n"
confirm = "8s"

[service.ssh]
restart_on = ["file[/etc/ssh/**]"]
"#;

/// T44: by the firewall, and by sshd.
#[test]
fn a_host_that_is_cut_off_puts_the_old_configuration_back_and_says_so() {
    if left_out() {
        return;
    }
    let _host = own("spare1");
    let [reloaded, loaded] = [RELOADED, LOADED].map(|by| [FIREWALL, by].concat());
    for round in 0..rounds() {
        for (what, module, check, was) in [
            (
                "nft",
                reloaded.as_str(),
                "nft list ruleset; cat /etc/nftables.conf",
                "table inet old {\n}\nflush ruleset\ntable inet old { }\n",
            ),
            (
                "command",
                loaded.as_str(),
                "nft list ruleset; cat /etc/nftables.conf",
                "table inet old {\n}\nflush ruleset\ntable inet old { }\n",
            ),
            (
                "sshd",
                SSHD,
                "ls /etc/ssh/sshd_config.d; systemctl is-active ssh",
                "lab.conf\nactive\n",
            ),
        ] {
            anew("spare1");
            let project = project("[hosts.spare1]\n", module);
            let begun = Instant::now();
            let apply = apply(&project).expect(4);
            let took = begun.elapsed();
            assert!(
                apply.stdout.contains("rolled back: not confirmed within 8 s"),
                "{}",
                apply.stdout
            );
            assert!(apply.last_line().contains("1 rolled back"), "{}", apply.stdout);
            assert_eq!(lab().on("spare1", check), was, "{what}");
            clean("spare1");
            say(&format!("confirm {what}: round {round}, told after {:.1} s", took.as_secs_f64()));
            assert!(took < Duration::from_secs(45), "{took:?}");
            let plan = project.on_lab_with(&["plan"], &USUAL).expect(0);
            assert!(
                !plan.stdout.contains("drift") && !plan.stdout.contains("owed"),
                "{}",
                plan.stdout
            );
        }
    }
    anew("spare1");
}

/// A careful change of the same files stays.
#[test]
fn a_change_that_does_not_cut_us_off_is_confirmed_by_itself() {
    if left_out() {
        return;
    }
    let _host = own("spare1");
    anew("spare1");
    let project = project(
        "[hosts.spare1]\n",
        &SSHD.replace("Nonsense yes", "PrintMotd no").replace("confirm = \"8s\"\n", ""),
    );
    let plan = project.on_lab_with(&["plan"], &USUAL).expect(0);
    assert!(
        plan.stdout.contains("confirm within 60 s, else the host puts it back"),
        "{}",
        plan.stdout
    );
    apply(&project).expect(0);
    clean("spare1");
    assert_eq!(lab().on("spare1", "cat /var/lib/trueup/o/spare1/kept/*/fate"), "confirmed\n");
    let again = project.on_lab_with(&["plan", "--detailed-exitcode"], &USUAL).expect(0);
    assert!(again.stdout.contains("1 unchanged"), "{}", again.stdout);
    anew("spare1");
}

/// A file, and a step behind it that takes its time.
const SLOW: &str = r#"
[file."/etc/nftables.conf"]
content = "flush ruleset\ntable inet new { }\n"
confirm = "WINDOW"

[command.slow]
command = "sleep 20"
unless = "false"
requires = ["file[/etc/nftables.conf]"]
"#;

/// Starts an apply on a host and kills it behind its change.
fn killed(host: &str, window: &str) -> Project {
    killed_with(host, &SLOW.replace("WINDOW", window), "true")
}

/// As [`killed`], of a module of its own, when `behind` is true as well.
fn killed_with(host: &str, module: &str, behind: &str) -> Project {
    let project = project(&format!("[hosts.{host}]\n"), module);
    let words = ["apply", "--yes", "--connect-timeout", "3"];
    let (mut command, _home) = project.lab_command_cleared(&words);
    command.envs(USUAL).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().expect("the program");
    let begun = Instant::now();
    let new = "flush ruleset\ntable inet new { }\n";
    while lab().on(host, "cat /etc/nftables.conf") != new || lab().try_on(host, behind, b"").0 != 0
    {
        assert!(begun.elapsed() < Duration::from_secs(30), "the change does not come");
        std::thread::sleep(Duration::from_millis(200));
    }
    child.kill().expect("a program to kill");
    child.wait().expect("its end");
    project
}

/// T46, T49: the controller is killed, and with it all that its login had started.
#[test]
fn the_way_back_outlives_the_controller_its_login_and_whoever_kills_it() {
    if left_out() {
        return;
    }
    let _host = own("spare1");
    anew("spare1");
    lab().on("spare1", "mkdir -p /etc/systemd/logind.conf.d; printf '[Login]\\nKillUserProcesses=yes\\n' >/etc/systemd/logind.conf.d/kill.conf; systemctl try-restart systemd-logind || true");
    killed("spare1", "10s");
    // All of ours: the session's processes, and who watches.
    lab().on(
        "spare1",
        "pkill -9 -f '[r]ead -r p; eval' || true; pkill -9 -f 'confirm/[0-9a-f]*/guard' || true",
    );
    let begun = Instant::now();
    while lab().on("spare1", "cat /etc/nftables.conf") != "flush ruleset\ntable inet old { }\n" {
        assert!(begun.elapsed() < Duration::from_secs(40), "it is not put back");
        std::thread::sleep(Duration::from_millis(500));
    }
    assert!(begun.elapsed() > Duration::from_secs(7), "not before its time: {:?}", begun.elapsed());
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(lab().on("spare1", "cat /var/lib/trueup/o/spare1/kept/*/fate"), "rolled back\n");
    lab().on("spare1", "rm -r /etc/systemd/logind.conf.d");
    clean("spare1");
    anew("spare1");
}

/// T45: the host starts anew within the time.
#[test]
fn a_host_that_starts_anew_meanwhile_puts_it_back_before_the_network_is_up() {
    if left_out() {
        return;
    }
    let _host = own("spare2");
    for round in 0..rounds() {
        anew("spare2");
        lab().on("spare2", "systemctl enable nftables");
        killed("spare2", "10m");
        let armed = lab().on(
            "spare2",
            "touch /run/before; cat /var/lib/trueup/o/spare2/confirm/*/run; systemctl --no-block reboot",
        );
        let begun = Instant::now();
        loop {
            let (status, said) = lab().try_on(
                "spare2",
                "test ! -e /run/before && systemctl is-active ssh && cat /etc/nftables.conf && nft list ruleset",
                b"",
            );
            let up = status == 0 && !said.contains("inactive");
            if up {
                assert!(
                    said.contains("table inet old { }") && said.contains("table inet old {\n}"),
                    "{armed}: {said}"
                );
                break;
            }
            assert!(begun.elapsed() < Duration::from_secs(90), "it does not come back: {said}");
            std::thread::sleep(Duration::from_millis(500));
        }
        assert_eq!(lab().on("spare2", "cat /var/lib/trueup/o/spare2/kept/*/fate"), "rolled back\n");
        clean("spare2");
        say(&format!(
            "confirm reboot: round {round}, back after {:.1} s",
            begun.elapsed().as_secs_f64()
        ));
    }
    lab().on("spare2", "systemctl disable nftables");
    anew("spare2");
}

/// The watch of a host without systemd, and the file that it changes.
const PLAIN: &str = "cat /etc/nftables.conf";

/// Puts a host without systemd as it should be before.
fn plain() {
    lab().on(
        "crowd1",
        "rm -rf /var/lib/trueup/o /etc/local.d /etc/runlevels /etc/cron.d/trueup-*; rm -f /run/crond.pid /run/again; \
         chmod 755 /usr/bin/setsid; printf 'flush ruleset\\ntable inet old { }\\n' >/etc/nftables.conf",
    );
}

/// T49: no systemd. A process of its own watches, in a session of its own; whoever ends what the login started does
/// not end it. The plan says that nobody puts anything back at a boot, and where nobody can watch nothing is changed.
#[test]
fn a_host_without_systemd_puts_back_by_a_process_of_its_own() {
    if left_out() {
        return;
    }
    let _host = own("crowd1");
    plain();
    let project = killed("crowd1", "10s");
    // All that the login had started ends.
    lab().on("crowd1", "pkill -9 -f '^sshd: root@notty'; pkill -9 -f '[r]ead -r p; eval'; true");
    let begun = Instant::now();
    let old = "flush ruleset\ntable inet old { }\n";
    while lab().on("crowd1", PLAIN) != old {
        assert!(begun.elapsed() < Duration::from_secs(60), "it is not put back");
        std::thread::sleep(Duration::from_millis(500));
    }
    assert!(begun.elapsed() > Duration::from_secs(5), "not before its time: {:?}", begun.elapsed());
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(lab().on("crowd1", "cat /var/lib/trueup/o/crowd1/kept/*/fate; ls -d /var/lib/trueup/o/crowd1/confirm 2>/dev/null; true"), "rolled back\n");
    let plan = project.on_lab_with(&["plan"], &USUAL).expect(0);
    assert!(
        plan.stdout.contains("nobody puts that back: this takes root, and systemd"),
        "{}",
        plan.stdout
    );
    plain();
    lab().on("crowd1", "chmod 644 /usr/bin/setsid");
    let refused = apply(&project).expect(3);
    assert!(
        refused.stdout.contains("there is neither systemd nor setsid(1)"),
        "{}",
        refused.stdout
    );
    assert_eq!(lab().on("crowd1", PLAIN), old, "nothing was changed");
    plain();
}

/// T45 without systemd: the `local` service of `OpenRC` and cron put back at a boot, and what was loaded is loaded once more. The boot
/// itself is not played: all of ours is killed, and then runs what they would run.
#[test]
fn a_host_without_systemd_puts_back_at_a_boot_by_what_it_has() {
    if left_out() {
        return;
    }
    let _host = own("crowd1");
    let module = SLOW.replace("WINDOW", "10m").replace("[command.slow]", "[command.load]\ncommand = \"echo loaded >>/run/again\"\nrun_on = [\"file[/etc/nftables.conf]\"]\nonly_if = \"false\"\n[command.slow]");
    for (made, runs) in [
        (
            "mkdir -p /etc/local.d /etc/runlevels/default; touch /etc/runlevels/default/local",
            "sh -c /etc/local.d/trueup-confirm-*.start",
        ),
        (
            "mkdir -p /etc/cron.d; (setsid sleep 600 >/dev/null 2>&1 & echo $! >/run/crond.pid)",
            "sed -n 's/^@reboot root //p' /etc/cron.d/trueup-confirm-* | sh",
        ),
    ] {
        plain();
        lab().on("crowd1", made);
        let project = killed_with("crowd1", &module, "test -s /run/again");
        let plan = project.on_lab_with(&["plan"], &USUAL).expect(0);
        assert!(!plan.stdout.contains("nobody puts that back"), "{}", plan.stdout);
        // Started while somebody watches, as where the service of these is started anew, it does nothing.
        lab().on("crowd1", runs);
        assert_eq!(lab().on("crowd1", PLAIN), "flush ruleset\ntable inet new { }\n");
        lab().on("crowd1", "pkill -9 -f '[r]ead -r p; eval' || true; pkill -9 -f 'confirm/[0-9a-f]*/guard' || true");
        lab().on("crowd1", runs);
        assert_eq!(lab().on("crowd1", PLAIN), "flush ruleset\ntable inet old { }\n", "{runs}");
        assert_eq!(lab().on("crowd1", "cat /run/again"), "loaded\nloaded\n", "{runs}");
        assert_eq!(
            lab().on("crowd1", "cat /var/lib/trueup/o/crowd1/kept/*/fate; ls /etc/local.d /etc/cron.d 2>/dev/null | grep trueup; true"),
            "rolled back\n"
        );
        lab().on("crowd1", "kill $(cat /run/crond.pid 2>/dev/null) 2>/dev/null; true");
    }
    plain();
}

/// What a login hangs on is armed by itself, and no other account: for one that becomes root, and for root.
#[test]
fn only_the_account_that_logs_in_is_armed_by_itself() {
    if left_out() {
        return;
    }
    let _host = own("odd1");
    let module = "[user.deploy]\nshell = \"/bin/dash\"\n[user.plain]\nshell = \"/bin/dash\"\n[user.root]\nshell = \"/bin/dash\"\n\
                  [authorized_key.plain]\nkeys = [\"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDmVAHRhyMULhuKjOSxFHeuo8Z7EMwIJE9pwAkOhnuNQ nobody\"]\nexclusive = true\n\
                  [authorized_key.deploy]\nkeys = [\"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDmVAHRhyMULhuKjOSxFHeuo8Z7EMwIJE9pwAkOhnuNQ nobody\"]\nexclusive = true\n\
                  [directory.\"/home/deploy\"]\nmode = \"0777\"\n[directory.\"/home/plain\"]\nmode = \"0777\"\n";
    let armed = |inventory: &str| {
        let plan = project(inventory, module).on_lab(&["plan", "--json"]).expect(0);
        let plan: serde_json::Value = serde_json::from_str(&plan.stdout).expect("JSON");
        let sets = plan["sets"].as_array().expect("sets").iter();
        let changes = sets.flat_map(|set| set["changes"].as_array().expect("changes"));
        let armed = changes.filter_map(|one| {
            let (_, why) = one["reason"].as_str()?.split_once("confirm within 60 s, ")?;
            let why = why.lines().next()?.rsplit(": ").next()?;
            Some(format!("{} {why}", one["address"].as_str()?.trim_start_matches("m/")))
        });
        armed.collect::<Vec<String>>().join("\n")
    };
    let sudo = armed("[connection]\nuser = \"deploy\"\nbecome = \"sudo\"\n[hosts.odd1]\n");
    assert_eq!(
        sudo,
        "user[deploy] it is who logs in here\nuser[root] the login becomes root\n\
         authorized_key[deploy] it is who logs in here\n\
         directory[/home/deploy] sshd looks at this folder before it lets the login in"
    );
    let root = armed("[connection]\nuser = \"root\"\n[hosts.odd1]\n");
    assert_eq!(root, "user[root] it is who logs in here");
}
