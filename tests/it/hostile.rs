//! Hosts that mean harm: nothing of theirs reaches a terminal raw, no memory is exhausted, no time limit
//! is passed, other hosts go on, and what happened is said. The same behind a real sshd:
//! hosts/hostile.rs.

use std::fmt::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::{Output, Project, repository};

/// Every way to do harm that hostile.sh knows, and part of what is said of it.
pub const MODES: [(&str, &str); 31] = [
    ("bad-greeting", "the greeting is missing"),
    ("between", "something stands between two frames"),
    ("bytes", "a number is wrong"),
    ("deaf", "gives no shell within 21 s"),
    ("drip", "gives no shell within 21 s"),
    ("drip-answer", "not through within 3 s (--probe-timeout)"),
    ("drip-errors", "gives no shell within 21 s"),
    ("early-end", "answers are missing at its end"),
    ("enormous", "a number is wrong"),
    ("escapes-as-answers", "the host did not"),
    ("escapes-then-end", "no shell could be started: x\\x1b[2J"),
    ("flood", "more than 1048576 bytes before its first answer"),
    ("flood-answer", "a length is wrong"),
    ("flood-errors", "more than 16777216 bytes on its standard error"),
    ("flood-many", "an answer came out of its turn"),
    ("flood-zeros", "more than 1048576 bytes before its first answer"),
    ("foreign", "an answer came out of its turn"),
    ("half", "the connection was lost"),
    ("huge", "larger than the limit of 67108864 bytes"),
    ("long-line", "a first line is too long"),
    ("negative", "a number is wrong"),
    ("no-greeting", "the greeting is missing"),
    ("not-apart", "the host did not say what it remembers"),
    ("nul", "a NUL byte stands in an answer"),
    ("other-nonce", "no shell could be started"),
    ("out-of-order", "an answer came out of its turn"),
    ("step-for-question", "an answer came out of its turn"),
    ("twice", "an answer came out of its turn"),
    ("two-greetings", "an answer came out of its turn"),
    ("wrong-count", "answers are missing at its end"),
    ("good", ""),
];

/// A project with a host for each mode, and a good one beside them.
pub fn project(host: impl Fn(&str) -> String) -> Project {
    let mut inventory = String::new();
    for (mode, _) in MODES {
        let connection =
            if mode == "good" { "transport = \"local\"".to_owned() } else { host(mode) };
        let _ = writeln!(inventory, "[hosts.{mode}]\nconnection = {{ {connection} }}");
    }
    let project = Project::new();
    project
        .file(
            "trueup.toml",
            "[project]\nname = \"h\"\ninventory = \"i.toml\"\n\
             [[stage]]\nname = \"s\"\nhosts = \"all\"\nmodules = [\"m\"]\n",
        )
        .file("i.toml", inventory)
        .file(
            "modules/m/module.toml",
            // More than a pipe holds: who does not read makes who writes wait.
            format!(
                "[file.\"/nowhere/{{{{ each.value }}}}-{}\"]\nfor_each = \"{{{{ range(start=0, end=400) }}}}\"\n\
                 state = \"absent\"\n[command.c]\ncommand = \"true\"\ncreates = \"/\"\n",
                "x".repeat(200)
            ),
        );
    project
}

/// Runs a command and samples how much memory it holds, in KiB.
pub fn sampled(mut command: Command) -> (Output, u64) {
    let mut run = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program under test");
    let pid = run.id().to_string();
    let status = format!("/proc/{pid}/status");
    let begun = Instant::now();
    let sampler = std::thread::spawn(move || {
        let mut most = 0;
        while let Ok(text) = std::fs::read_to_string(&status) {
            let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
            let Some(line) = line else { break };
            let size = line.trim().trim_end_matches(" kB").parse().unwrap_or(0);
            most = most.max(size);
            if begun.elapsed() > Duration::from_secs(180) {
                // It waits for ever: the test fails by the status.
                let _ = Command::new("kill").args(["-KILL", &pid]).status();
                break;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        most
    });
    let text = |stream: Option<&mut dyn std::io::Read>| {
        let mut text = Vec::new();
        stream.expect("a pipe").read_to_end(&mut text).expect("what was printed");
        String::from_utf8(text).expect("UTF-8")
    };
    let mut errors = run.stderr.take().expect("a pipe");
    let errors = std::thread::spawn(move || {
        let mut text = String::new();
        std::io::Read::read_to_string(&mut errors, &mut text).expect("UTF-8 on stderr");
        text
    });
    let stdout = text(run.stdout.as_mut().map(|stream| stream as &mut dyn std::io::Read));
    let status = run.wait().expect("the run").code().unwrap_or(-1);
    let stderr = errors.join().expect("what was printed");
    (Output { status, stdout, stderr }, sampler.join().expect("samples"))
}

/// How often all modes are run: `cargo xtask campaign hostile` runs them at length.
fn rounds() -> usize {
    if std::env::var("TRUEUP_FULL").is_ok_and(|value| value == "1") { 10 } else { 1 }
}

/// Says what a run over all modes cost.
#[expect(clippy::print_stderr, reason = "figures for docs/testing.md")]
pub fn figures(what: &str, memory: u64, took: Duration) {
    let (count, seconds) = (MODES.len() - 1, took.as_secs_f64());
    eprintln!("{count} hostile {what}: {memory} KiB at most, {seconds:.1} s");
}

/// Nothing but text, line ends and what is visible.
#[track_caller]
pub fn only_visible(text: &str) {
    let bad = |char: &char| {
        (char.is_control() && *char != '\n' && *char != '\t')
            || matches!(char, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200b}'..='\u{200f}')
    };
    let found: Vec<char> = text.chars().filter(bad).collect();
    assert!(found.is_empty(), "{found:?} in {text}");
}

/// What must hold of a run over all modes.
#[track_caller]
pub fn judge(output: &Output, memory: u64) {
    let Output { status, stdout, stderr } = output;
    assert_eq!(*status, 3, "{stdout}\n{stderr}");
    only_visible(stdout);
    only_visible(stderr);
    for (mode, said) in MODES {
        if mode == "good" {
            assert!(stdout.contains("good  no changes"), "the good host is not affected\n{stdout}");
            continue;
        }
        let start = format!("\n{mode}  ");
        let text = format!("\n{stdout}");
        let block = text.split(&start).nth(1).unwrap_or_else(|| panic!("{mode} in {stdout}"));
        let block = block.split("\n\n").next().unwrap_or_default();
        assert!(block.contains(said), "{mode}: {block}\nnot: {said}");
        assert!(!block.contains("no changes"), "{mode}: {block}");
    }
    // One answer may have 64 MiB; the rest is what the program itself needs.
    assert!(memory < 200 << 10, "{memory} KiB");
    assert!(!std::path::Path::new("/tmp/trueup-was-here").exists(), "something was evaluated");
}

#[test]
fn no_harm_is_done_by_what_a_host_answers() {
    let script = repository().join("tests/it/support/hostile.sh");
    let script = script.display();
    let project = project(|mode| {
        format!("transport = \"command\", command = [\"bash\", \"{script}\", \"{mode}\"]")
    });
    for _ in 0..rounds() {
        let (command, _home) =
            project.command_cleared(&["plan", "--connect-timeout", "1", "--probe-timeout", "3"]);
        let begun = Instant::now();
        let (output, memory) = sampled(command);
        let took = begun.elapsed();
        figures("hosts", memory, took);
        judge(&output, memory);
        assert!(took < Duration::from_secs(60), "{took:?}");
    }
}

#[test]
fn facts_of_one_host_are_data_and_do_not_reach_another() {
    let script = repository().join("tests/it/support/hostile.sh");
    let seen = tempfile::tempdir().expect("a temporary folder");
    let record = |name: &str| seen.path().join(name);
    let run = |evil: &str, name: &str| {
        let project = Project::new();
        let tee = format!("tee {} | exec /bin/sh \\\"$@\\\"", record(name).display());
        project
            .file(
                "trueup.toml",
                "[project]\nname = \"h\"\ninventory = \"i.toml\"\n\
                 [[stage]]\nname = \"s\"\nhosts = \"all\"\nmodules = [\"m\"]\n",
            )
            .file(
                "i.toml",
                format!(
                    "[vars]\nsecret = \"of the project\"\n[hosts.a]\nconnection = {{ {evil} }}\n[hosts.b]\n\
                     connection = {{ transport = \"command\", command = [\"bash\", \"-c\", \"{tee}\", \"sh\"] }}\n"
                ),
            )
            .file(
                "modules/m/module.toml",
                "[file.\"/nowhere/{{ host.name }}\"]\nstate = \"absent\"\nwhen = \"facts.cpus > 0\"\n",
            );
        let words = ["plan", "--probe-timeout", "5"];
        let output = project.run(&words);
        only_visible(&output.stdout);
        let text = std::fs::read(record(name)).expect("what b was sent");
        // Two words are random in each session.
        let text = String::from_utf8_lossy(&text);
        let text = text.replace(project.path().to_str().expect("UTF-8"), "P");
        regex::Regex::new("[0-9a-f]{32}|R=[0-9a-f]{16}")
            .expect("a regex")
            .replace_all(&text, "W")
            .into_owned()
    };
    let evil = format!(
        "transport = \"command\", command = [\"bash\", \"{}\", \"facts\"]",
        script.display()
    );
    let tame = run("transport = \"local\"", "tame");
    let with = run(&evil, "with");
    assert!(tame.contains("/nowhere/b"), "b was asked");
    assert_eq!(tame, with, "what b is sent does not depend on what a says");
    assert!(!std::path::Path::new("/tmp/trueup-was-here").exists(), "something was evaluated");
}
