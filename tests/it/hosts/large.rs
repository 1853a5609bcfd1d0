//! A large content on a real host: it is there, the controller does not hold it, and the next plan is empty.

use std::fs;
use std::process::Stdio;
use std::time::Duration;

use super::project;
use crate::support::relay::{Line, Relay, Way};
use crate::support::{lab, lab::left_out, lab::own};

/// Bytes of the content.
const LARGE: usize = 64 << 20;

/// The most memory that a process had, in bytes; `None` once it has ended.
fn peak(process: u32) -> Option<usize> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<usize>().ok()? * 1024)
}

#[test]
fn a_large_file_goes_to_a_host_and_is_never_held() {
    if left_out() {
        return;
    }
    let _host = own("web");
    let project = project(
        "[hosts.web1]\n",
        "[file.\"/srv/large\"]\nsource = \"files/large\"\nmode = \"0640\"\n",
    );
    for turn in 0..2_u8 {
        let content: Vec<u8> = (turn..=250).cycle().take(LARGE).collect();
        project.file("modules/m/files/large", &content);
        let (mut command, _home) = project.lab_command_cleared(&["apply", "--yes"]);
        let mut run =
            command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the program");
        let mut most = 0;
        while run.try_wait().expect("a child").is_none() {
            most = most.max(peak(run.id()).unwrap_or(0));
            std::thread::sleep(Duration::from_millis(20));
        }
        assert!(run.wait().expect("a child").success(), "turn {turn}");
        assert!(most < LARGE * 2 / 3, "{most} bytes of memory for a content of {LARGE}");
        let there = lab().on("web1", "stat -c '%s %a' /srv/large; sha256sum </srv/large");
        let digest = trueup::model::change::sha256_hex(&content);
        assert_eq!(there, format!("{LARGE} 640\n{digest}  -\n"));
        project.on_lab(&["plan", "--detailed-exitcode"]).expect(0);
    }
    lab().on("web1", "rm /srv/large");
}

/// A text of which gzip makes a fifth at most.
fn text(lines: usize) -> String {
    let line =
        |line| format!("{line} upstream backend_{} {}\n", line % 97, line * 7919 % 1_000_003);
    (0..lines).map(line).collect::<Vec<_>>().concat()
}

#[test]
fn a_slow_line_carries_less_of_a_large_text_where_the_host_has_gzip() {
    if left_out() {
        return;
    }
    let _host = own("spare2");
    let content = text(500_000);
    let project = project(
        "[hosts.spare2]\n",
        "[file.\"/srv/slow\"]\nsource = \"files/large\"\nmode = \"0640\"\n",
    );
    let slow = Line { late: Duration::from_millis(5), bytes: 3 << 20 };
    let all = content.len() as u64;
    // The first 8 MiB go as they are, to see how fast it is.
    let some = (8 << 20) + (all - (8 << 20)) / 3;
    let away = "mv /usr/bin/gzip /usr/bin/gzip.away";
    let back = "mv /usr/bin/gzip.away /usr/bin/gzip";
    let ways = [
        (Some(slow), "", ":", 0..some),
        (Some(slow), "", away, all..2 * all),
        (None, "", back, all..2 * all),
        (None, "Compression yes", ":", 0..all / 2),
    ];
    for (turn, (line, word, before, sent)) in ways.into_iter().enumerate() {
        lab().on("spare2", before);
        let content = format!("{turn}\n{content}");
        project.file("modules/m/files/large", &content);
        let relay = Relay::before("spare2", line);
        let config = format!("{word}\nInclude \"{}\"\n", relay.ssh_config().display());
        project.file("ssh_config", config);
        let config = project.path().join("ssh_config");
        project.run(&["apply", "--yes", "--ssh-config", config.to_str().expect("UTF-8")]).expect(0);
        let bytes = relay.bytes(Way::ToHost);
        assert!(sent.contains(&bytes), "{line:?}, {word}, {before}: {bytes} of {all}");
        let there = lab().on("spare2", "sha256sum </srv/slow");
        let digest = trueup::model::change::sha256_hex(content.as_bytes());
        assert_eq!(there, format!("{digest}  -\n"));
        project.on_lab(&["plan", "--detailed-exitcode"]).expect(0);
    }
    lab().on("spare2", "rm /srv/slow");
}
