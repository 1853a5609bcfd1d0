//! Cost follows hosts, not resources: connections, exchanges and processes are counted on a host.

use std::io::Read as _;
use std::process::{Command, Stdio};

use crate::support::{Project, lab, lab::left_out, lab::own, work};

/// What something may cost: a table of tests/limits.toml.
fn limits(name: &str) -> toml::Table {
    let all: toml::Table = include_str!("../../limits.toml").parse().expect("TOML");
    all[name].as_table().expect("a table").clone()
}

/// The process of a host's sshd, as this machine numbers it.
fn sshd(host: &str) -> String {
    let pid = lab().on(host, "cat /run/sshd.pid").trim().to_owned();
    let listed = Command::new("grep")
        .args(["-lsE", &format!("^NSpid:.*[[:space:]]{pid}$")])
        .args(glob("/proc", "status"))
        .output()
        .expect("grep");
    let address = lab().address(host);
    String::from_utf8(listed.stdout)
        .expect("UTF-8")
        .lines()
        .filter_map(|path| path.split('/').nth(2).map(ToOwned::to_owned))
        .find(|pid| {
            let net = std::fs::read_to_string(format!("/proc/{pid}/net/fib_trie"));
            net.is_ok_and(|net| net.contains(&address)) && comm(pid) == "sshd"
        })
        .expect("the host's sshd")
}

fn comm(pid: &str) -> String {
    std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default().trim().to_owned()
}

fn glob(folder: &str, file: &str) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("a folder").flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    names
        .filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()))
        .map(|name| format!("{folder}/{name}/{file}"))
        .collect()
}

/// Logins that the host has seen.
fn logins(host: &str) -> usize {
    let text = "journalctl -b -u ssh -o cat --no-pager | grep -c '^Accepted' || true";
    lab().on(host, text).trim().parse().expect("a number")
}

/// Runs trueup, and what that cost: what it says itself, and the programs that started on `host`.
fn counted(project: &Project, host: &str, words: &[&str]) -> (Vec<(&'static str, u64)>, String) {
    let trace = tempfile::NamedTempFile::new().expect("a temporary file");
    let mut strace = Command::new("strace")
        .args(["-f", "-qq", "-e", "trace=execve", "-e", "status=successful", "-o"])
        .arg(trace.path())
        .args(["-p", &sshd(host)])
        .stderr(Stdio::piped())
        .spawn()
        .expect("strace");
    std::thread::sleep(std::time::Duration::from_millis(500));
    let cache = project.path().join("cache").display().to_string();
    let output = project.on_lab_with(words, &[("XDG_CACHE_HOME", &cache)]).expect(0);
    Command::new("kill").arg(strace.id().to_string()).status().expect("kill");
    strace.wait().expect("strace");
    let mut programs = String::new();
    std::fs::File::open(trace.path())
        .expect("the trace")
        .read_to_string(&mut programs)
        .expect("UTF-8");
    let programs: Vec<&str> = programs.lines().filter(|line| line.contains("execve(")).collect();
    assert!(programs.len() > 5, "the trace saw the session:\n{}", programs.join("\n"));
    // Before it stands what programs printed.
    let told = output.stderr.lines().last().unwrap_or_default();
    let numbers: Vec<u64> = told.split(' ').filter_map(|word| word.parse().ok()).collect();
    let [connections, exchanges, sent, received] = numbers[..] else { panic!("{told}") };
    let cost = vec![
        ("connections", connections),
        ("exchanges", exchanges),
        ("bytes_sent", sent),
        ("bytes_received", received),
        ("programs", programs.len() as u64),
    ];
    (cost, programs.join("\n"))
}

/// Holds a cost to its limits: not above them, and not so far below that they say nothing.
fn within(name: &str, (cost, programs): &(Vec<(&'static str, u64)>, String)) {
    let limits = limits(name);
    for (what, count) in cost {
        let most = limits[*what].as_integer().and_then(|most| u64::try_from(most).ok());
        let most = most.expect("a number");
        assert!(
            *count <= most && *count * 10 >= most * 7,
            "{name}: {count} {what}, and tests/limits.toml says {most}\n{cost:?}\n{programs}"
        );
    }
}

#[test]
fn one_connection_and_a_fixed_number_of_exchanges_bytes_and_programs() {
    if left_out() {
        return;
    }
    let _host = own("spare1");
    let project = Project::new();
    for (path, text) in work::files(&["spare1"], &work::Size::small()) {
        project.file(path, text);
    }
    assert_eq!(work::Size::small().resources(), 113);
    // Another test may have left all or some of it there; the packages are not what is counted.
    project.on_lab(&["apply", "--yes"]).expect(0);
    lab().on("spare1", work::UNDO);
    let before = logins("spare1");
    let apply = counted(&project, "spare1", &["apply", "--yes", "--verbose"]);
    assert_eq!(logins("spare1") - before, 1, "an apply logs in once");
    // What was touched just before is not kept from one plan to the next.
    std::thread::sleep(std::time::Duration::from_secs(4));
    let words = ["plan", "--verbose", "--detailed-exitcode"];
    let [plan, again] = [(); 2].map(|()| counted(&project, "spare1", &words));
    within("plan", &plan);
    within("again", &again);
    within("apply", &apply);
}
