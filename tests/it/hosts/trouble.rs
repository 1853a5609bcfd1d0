//! Trouble of a host's own while trueup is at work there: too little memory (T18), a file system that never answers
//! (T28), an sshd that our own change restarts (T29).

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use super::project;
use crate::support::{lab, lab::left_out, lab::own};
use crate::wire::shells::say;

/// Undoes on a host what a test did there, also when it fails.
struct Undo(&'static str, String);

impl Drop for Undo {
    fn drop(&mut self) {
        let _ = lab().try_on(self.0, &self.1, b"");
    }
}

/// Puts sshd, and with it all sessions that begin, into a memory cgroup; without swap.
const STARVE: &str = r#"
limit=$1
p=$(systemctl show -P MainPID ssh)
if grep -q '^cgroup2 .*memory' /proc/mounts || grep -qw memory /sys/fs/cgroup/cgroup.controllers 2>/dev/null; then
  systemctl set-property --runtime ssh.service MemoryMax="$limit" MemorySwapMax=0
else
  mkdir -p /srv/memory && mount -t cgroup -o memory none /srv/memory && mkdir -p /srv/memory/trueup-lab-starved &&
  echo "$limit" >/srv/memory/trueup-lab-starved/memory.limit_in_bytes &&
  { [ ! -e /srv/memory/trueup-lab-starved/memory.memsw.limit_in_bytes ] ||
    echo "$limit" >/srv/memory/trueup-lab-starved/memory.memsw.limit_in_bytes; } &&
  echo "$p" >/srv/memory/trueup-lab-starved/cgroup.procs
fi"#;

/// Undoes that.
const FED: &str = r#"
if [ -d /srv/memory/trueup-lab-starved ]; then
  while read -r p; do echo "$p"; done </srv/memory/trueup-lab-starved/cgroup.procs >/srv/memory-processes
  while read -r p; do echo "$p" >/srv/memory/cgroup.procs; done </srv/memory-processes
  sleep 1; rmdir /srv/memory/trueup-lab-starved; umount /srv/memory; rmdir /srv/memory; rm -f /srv/memory-processes
else
  systemctl set-property --runtime ssh.service MemoryMax=infinity MemorySwapMax=infinity
fi
systemctl reset-failed ssh; systemctl is-active ssh >/dev/null || systemctl restart ssh
rm -rf /srv/large; true"#;

#[test]
fn a_host_without_memory_has_the_old_content_or_the_new_one() {
    if left_out() {
        return;
    }
    let _host = own("odd1");
    let project = project(
        "[hosts.odd1]\n",
        "[file.\"/srv/large/file\"]\nsource = \"files/large\"\n[file.\"/srv/large/small\"]\ncontent = \"small\\n\"\n",
    );
    let _undo = Undo("odd1", FED.to_owned());
    // 64 MiB, as one line would be too long for a text.
    let large = [&[0u8, 1, 2, 3][..], &vec![b'x'; (64 << 20) - 4]].concat();
    let digest = trueup::model::change::sha256_hex(&large);
    project.file("modules/m/files/large", &large);
    for limit in ["160M", "32M", "8M"] {
        lab().on("odd1", "mkdir -p /srv/large; echo old >/srv/large/file; rm -f /srv/large/small");
        lab().on("odd1", &format!("set -- {limit}; {STARVE}"));
        let begun = Instant::now();
        let run = project.on_lab(&["apply", "--yes", "--connect-timeout", "5"]);
        let took = begun.elapsed();
        let told = format!("{limit}, {took:?}: {}\n{}", run.stdout, run.stderr);
        lab().on("odd1", FED.rsplit_once("rm -rf").expect("its end").0);
        let stands =
            lab().on("odd1", "sha256sum </srv/large/file; cat /srv/large/file | head -c 4");
        let new = stands.starts_with(&digest);
        assert!(new || stands.ends_with("old\n"), "neither old nor new: {stands}\n{told}");
        match run.status {
            0 => assert!(new, "{told}"),
            3 => {}
            _ => panic!("{told}"),
        }
        assert!(took < Duration::from_secs(120), "{told}");
        project.on_lab(&["apply", "--yes", "--lock-timeout", "60"]).expect(0);
        let stands = lab().on("odd1", "sha256sum </srv/large/file; ls -A /srv/large");
        assert_eq!(stands, format!("{digest}  -\nfile\nsmall\n"), "{told}");
        let said = run.stdout.lines().rfind(|line| line.starts_with("odd1  "));
        let content = if new { "new" } else { "old" };
        let said = said.unwrap_or_default();
        say(&format!("memory {limit}: exit {}, {content} content, {took:.1?}; {said}", run.status));
    }
}

/// A mount of FUSE whose server never answers.
const MUTE: &str = "mkdir -p /srv/mute && mknod /srv/fuse-device c 10 229 && \
    { exec 3<>/srv/fuse-device; rm /srv/fuse-device; \
    mount -i -t fuse -o fd=3,rootmode=40000,user_id=0,group_id=0 mute /srv/mute && \
    { sleep 4249 </dev/null >/dev/null 2>&1 & }; }";

#[test]
fn a_file_system_that_never_answers_costs_its_host_alone() {
    if left_out() {
        return;
    }
    let (_host, _web) = (own("odd1"), own("web"));
    lab().on("web1", "rm -f /etc/mute");
    lab().on("odd1", "rm -f /etc/mute");
    let undo = Undo(
        "odd1",
        "pkill -f '[s]leep 4249'; umount -l /srv/mute; rmdir /srv/mute; true".to_owned(),
    );
    lab().on("odd1", MUTE);
    let project = project(
        "[hosts.odd1]\n[hosts.web1]\n",
        "[file.\"/srv/mute/file\"]\ncontent = \"x\\n\"\nwhen = \"host.name == 'odd1'\"\n\
         [file.\"/etc/mute\"]\ncontent = \"x\\n\"\n",
    );
    let begun = Instant::now();
    let apply = project
        .on_lab(&["apply", "--yes", "--probe-timeout", "5", "--lock-timeout", "1"])
        .expect(3);
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(60), "{took:?}: {}", apply.stdout);
    assert_eq!(lab().on("web1", "cat /etc/mute; rm /etc/mute"), "x\n");
    insta::assert_snapshot!("mute", super::stable(&apply.stdout));
    // What waits for it ends with it.
    drop(undo);
    let since = Instant::now();
    while lab().on("odd1", "pgrep -fc '[r]ead -r p; eval' || true").trim() != "0" {
        assert!(since.elapsed() < Duration::from_secs(60), "something still runs");
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// As Debian has it, and with a restart that ends all sessions.
const MODES: [(&str, &str); 2] = [
    ("sessions stay", "KillMode=process"),
    ("sessions end", "ExecStartPre=-/usr/bin/pkill -9 -f \"^sshd: root@notty\""),
];

#[test]
fn an_sshd_that_our_own_change_restarts_is_lived_through_or_told() {
    if left_out() {
        return;
    }
    let _host = own("odd1");
    let undo = "rm -rf /etc/ssh/sshd_config.d/own.conf /etc/systemd/system/ssh.service.d; rm -f /etc/own-after; \
                systemctl daemon-reload; systemctl restart ssh";
    let _undo = Undo("odd1", undo.to_owned());
    let mut told = String::new();
    for (round, (name, mode)) in MODES.iter().enumerate() {
        lab().on(
            "odd1",
            &format!(
                "mkdir -p /etc/systemd/system/ssh.service.d && rm -f /etc/own-after && \
                 printf '[Service]\\n{mode}\\n' >/etc/systemd/system/ssh.service.d/mode.conf && \
                 systemctl daemon-reload && systemctl restart ssh"
            ),
        );
        let pid = lab().on("odd1", "systemctl show -P MainPID ssh");
        let project = project(
            "[hosts.odd1]\n",
            &format!(
                "[file.\"/etc/ssh/sshd_config.d/own.conf\"]\ncontent = \"MaxAuthTries {}\\n\"\nconfirm = false\n\
                 [service.ssh]\nrestart_on = [\"file[/etc/ssh/**]\"]\nconfirm = false\n\
                 [file.\"/etc/own-after\"]\ncontent = \"x\\n\"\nrequires = [\"service[ssh]\"]\n",
                round + 4
            ),
        );
        let apply = project.on_lab(&["apply", "--yes"]);
        let end = apply.stdout.split_once("Plan: ").expect("a plan").1;
        let _ = write!(told, "-- {name}: exit {}\n{}", apply.status, super::stable(end));
        assert_ne!(lab().on("odd1", "systemctl show -P MainPID ssh"), pid, "{}", apply.stdout);
        if round == 0 {
            let apply = apply.expect(0);
            assert!(apply.stdout.contains("Applied to 1 host"), "{}", apply.stdout);
        }
        let again = project.on_lab(&["apply", "--yes"]).expect(0);
        let _ = write!(told, "-- again\n{}", super::stable(&again.stdout));
        assert!(project.on_lab(&["plan"]).expect(0).stdout.contains("no changes"));
        assert_eq!(lab().on("odd1", "cat /etc/own-after"), "x\n");
        let ledger = project.on_lab(&["ledger", "odd1", "--json"]).expect(0);
        let ledger: serde_json::Value = serde_json::from_str(&ledger.stdout).expect("JSON");
        assert!(ledger["damage"].is_null() && ledger["lock"].is_null(), "{ledger}");
    }
    insta::assert_snapshot!("own_restart", told);
}
