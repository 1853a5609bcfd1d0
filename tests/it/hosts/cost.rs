//! Cost follows hosts, not resources: connections, exchanges and processes are counted on a host.

use std::io::Read as _;
use std::process::{Command, Stdio};

use crate::support::{Project, lab, lab::left_out, lab::own, work};

/// Programs that a plan of [`work`] starts on a host, the login's own included, with nothing to change.
/// A change that needs more must raise this number, and say why. The last two say who logs in, and in which groups he is:
/// a change of these is put back by the host where it cut us off.
const PROGRAMS_MAX: usize = 26;

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

#[test]
fn one_connection_and_a_fixed_number_of_exchanges_and_programs() {
    if left_out() {
        return;
    }
    let _host = own("spare1");
    let project = Project::new();
    for (path, text) in work::files(&["spare1"], &work::Size::small()) {
        project.file(path, text);
    }
    let before = logins("spare1");
    let applied = project.on_lab(&["apply", "--yes", "--verbose"]).expect(0);
    // One to probe, one for the packages, one for all that comes after them: 113 resources.
    // Before it stands what programs printed.
    let cost = applied.stderr.lines().last().unwrap_or_default();
    let exchanges = cost.split(' ').nth(2).and_then(|count| count.parse::<u32>().ok());
    assert!(cost.starts_with("1 connection, "), "{}", applied.stderr);
    assert!(exchanges.is_some_and(|count| (1..=3).contains(&count)), "{}", applied.stderr);
    assert_eq!(logins("spare1") - before, 1, "an apply logs in once");

    let trace = tempfile::NamedTempFile::new().expect("a temporary file");
    let mut strace = Command::new("strace")
        .args(["-f", "-qq", "-e", "trace=execve", "-e", "status=successful", "-o"])
        .arg(trace.path())
        .args(["-p", &sshd("spare1")])
        .stderr(Stdio::piped())
        .spawn()
        .expect("strace");
    std::thread::sleep(std::time::Duration::from_millis(500));
    let plan = project.on_lab(&["plan", "--verbose", "--detailed-exitcode"]).expect(0);
    Command::new("kill").arg(strace.id().to_string()).status().expect("kill");
    strace.wait().expect("strace");
    let mut programs = String::new();
    std::fs::File::open(trace.path())
        .expect("the trace")
        .read_to_string(&mut programs)
        .expect("UTF-8");
    let programs: Vec<&str> = programs.lines().filter(|line| line.contains("execve(")).collect();

    assert!(plan.stderr.contains("1 connection, 1 exchange,"), "{}", plan.stderr);
    assert!(programs.len() > 5, "the trace saw the session:\n{}", programs.join("\n"));
    assert!(
        programs.len() <= PROGRAMS_MAX,
        "{} programs for {} resources:\n{}",
        programs.len(),
        work::Size::small().resources(),
        programs.join("\n")
    );
}
