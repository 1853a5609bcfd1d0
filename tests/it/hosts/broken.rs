//! Hosts on which a step cannot do its work, or that go away meanwhile: each for real, and what is said.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use super::{project, stable};
use crate::support::{lab, lab::left_out, lab::own};

/// The end of an apply's text.
fn end(text: &str) -> String {
    stable(text.split_once("Plan: ").expect("a plan").1)
}

/// T05, T08 to T11: full, without inodes, read-only, immutable, mounted over.
#[test]
fn a_place_that_takes_nothing_is_named_and_the_old_file_stays() {
    if left_out() {
        return;
    }
    let _host = own("odd1");
    let lab = lab();
    let undo = "for d in readonly full inodes; do umount -l /srv/$d 2>/dev/null; done; \
                umount -l /srv/bound/file 2>/dev/null; chattr -i /srv/fixed/file 2>/dev/null; true";
    lab.on(
        "odd1",
        &format!(
            "{undo}; rm -rf /srv/readonly /srv/full /srv/inodes /srv/bound /srv/fixed; \
             mkdir -p /srv/readonly /srv/full /srv/inodes /srv/bound /srv/fixed && \
             mount -t tmpfs -o size=64k tmpfs /srv/readonly && echo old >/srv/readonly/file && mount -o remount,ro /srv/readonly && \
             mount -t tmpfs -o size=64k tmpfs /srv/full && echo old >/srv/full/file && {{ head -c 200000 /dev/zero >/srv/full/rest 2>/dev/null; true; }} && \
             mount -t tmpfs -o nr_inodes=3 tmpfs /srv/inodes && echo old >/srv/inodes/file && echo x >/srv/inodes/rest && \
             echo old >/srv/bound/file && mount --bind /srv/bound/file /srv/bound/file && \
             echo old >/srv/fixed/file && chattr +i /srv/fixed/file"
        ),
    );
    let mut text = String::new();
    for place in ["readonly", "full", "inodes", "bound", "fixed"] {
        let project = project(
            "[hosts.odd1]\n",
            &format!("[file.\"/srv/{place}/file\"]\ncontent = \"{}\\n\"\n", "new ".repeat(2000)),
        );
        let apply = project.on_lab(&["apply", "--yes"]).expect(3);
        let _ = write!(text, "-- {place}\n{}", end(&apply.stdout));
        assert_eq!(
            lab.on(
                "odd1",
                &format!("cat /srv/{place}/file; ls -A /srv/{place} | grep -c trueup || true")
            ),
            "old\n0\n"
        );
    }
    lab.on("odd1", undo);
    insta::assert_snapshot!("takes_nothing", text);
}

#[test]
fn a_hung_command_is_ended_on_the_host_and_others_finish() {
    if left_out() {
        return;
    }
    let (_host, _web) = (own("odd1"), own("web"));
    let lab = lab();
    lab.on("web1", "rm -f /etc/hung");
    let project = project(
        "[hosts.odd1]\n[hosts.web1]\n",
        "[command.hangs]\ncommand = \"exec sleep 4242\"\ntimeout = \"2s\"\nwhen = \"host.name == 'odd1'\"\n\
         [file.\"/etc/hung\"]\ncontent = \"x\\n\"\n",
    );
    lab.on("odd1", "rm -f /etc/hung");
    let begun = Instant::now();
    let apply = project.on_lab(&["apply", "--yes"]).expect(3);
    assert!(begun.elapsed() < Duration::from_secs(600), "{:?}", begun.elapsed());
    insta::assert_snapshot!("hung", end(&apply.stdout));
    assert_eq!(lab.on("odd1", "pgrep -fc '[s]leep 4242' || true"), "0\n", "it is ended there too");
    assert_eq!(lab.on("web1", "cat /etc/hung"), "x\n");
}

/// Applies while something happens to the host in the middle of a step that has made `/var/tmp/begun`.
fn in_the_middle(module: &str, happens: impl FnOnce() + Send) -> crate::support::Output {
    let lab = lab();
    lab.on("odd1", "rm -f /var/tmp/begun /var/tmp/ended /etc/one.conf /etc/two.conf");
    let project = project("[hosts.odd1]\n", module);
    std::thread::scope(|scope| {
        let run = scope.spawn(|| project.on_lab(&["apply", "--yes"]));
        let since = Instant::now();
        while self::lab().try_on("odd1", "test -e /var/tmp/begun", b"").0 != 0 {
            assert!(since.elapsed() < Duration::from_secs(30), "the step never began");
            std::thread::sleep(Duration::from_millis(50));
        }
        happens();
        run.join().expect("the run")
    })
}

/// A step in the middle that lasts some seconds and whose end can be seen.
const SLOW: &str = r#"
[file."/etc/one.conf"]
content = "one\n"
[command.slow]
command = "touch /var/tmp/begun; sleep 5; touch /var/tmp/ended"
creates = "/var/tmp/ended"
[file."/etc/two.conf"]
content = "two\n"
"#;

#[test]
fn a_lost_session_is_looked_at_again_and_what_stands_is_said() {
    if left_out() {
        return;
    }
    let _host = own("odd1");
    let lab = lab();
    // The session's own sshd: the shell of the step goes on until it answers.
    let killed = in_the_middle(SLOW, || {
        lab.on("odd1", "pkill -9 -f '^sshd: root@notty'");
    });
    insta::assert_snapshot!("lost_session", end(&killed.expect(3).stdout));
    assert_eq!(
        lab.on("odd1", "ls /var/tmp/ended /etc/two.conf 2>/dev/null || true"),
        "/var/tmp/ended\n"
    );
    // The shell itself: its step dies with it or not, and is found undone.
    let shell = in_the_middle(SLOW, || {
        lab.on("odd1", "pkill -9 -f '[r]ead -r p; eval'; for p in $(pgrep -x sleep); do kill -9 $(ps -o ppid= -p $p); done; pkill -x sleep; true");
    });
    insta::assert_snapshot!("lost_shell", end(&shell.expect(3).stdout));
}

#[test]
fn a_step_whose_end_cannot_be_seen_stays_unknown() {
    if left_out() {
        return;
    }
    let _host = own("odd1");
    let lab = lab();
    let blind = "[command.blind]\ncommand = \"touch /var/tmp/begun; sleep 5\"\n";
    let killed = in_the_middle(blind, || {
        lab.on("odd1", "pkill -9 -f '^sshd: root@notty'");
    });
    insta::assert_snapshot!("stays_unknown", end(&killed.expect(3).stdout));
}

#[test]
fn a_link_that_comes_back_is_used_to_see_what_stands() {
    if left_out() {
        return;
    }
    let _host = own("odd1");
    let lab = lab();
    let cut = in_the_middle(SLOW, || {
        lab.link("cut", "odd1");
        std::thread::sleep(Duration::from_secs(20));
        lab.link("mend", "odd1");
    });
    insta::assert_snapshot!("link_again", end(&cut.expect(3).stdout));
}

/// T42.
#[test]
fn a_host_that_reboots_in_a_step_is_looked_at_when_it_is_back() {
    if left_out() {
        return;
    }
    let _host = own("odd1");
    let lab = lab();
    let module = "[command.boots]\ncommand = \"touch /var/tmp/begun; systemctl reboot; sleep 60; touch /var/tmp/ended\"\n\
                  creates = \"/var/tmp/ended\"\n[file.\"/etc/two.conf\"]\ncontent = \"two\\n\"\n";
    let booted = in_the_middle(module, || {});
    insta::assert_snapshot!("rebooted", end(&booted.expect(3).stdout));
    lab.on("odd1", "systemctl is-system-running --wait >/dev/null; true");
}
