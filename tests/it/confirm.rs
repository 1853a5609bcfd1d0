//! Changes that must be confirmed, on this machine: what is confirmed stays, what is not goes back, and one
//! of the two it is always.

mod race;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::support::Project;

/// A project on this machine whose files must be confirmed within 5 s.
pub fn project(module: &str) -> Project {
    let project = Project::new();
    let root = project.path().join("out").display().to_string();
    project
        .file(
            "trueup.toml",
            "[project]\nname = \"c\"\ninventory = \"i.toml\"\n[[stage]]\nname = \"all\"\nhosts = \"all\"\nmodules = [\"m\"]\n",
        )
        .file("i.toml", "[connection]\ntransport = \"local\"\n[hosts.here]\n")
        .file("modules/m/module.toml", module.replace("ROOT", &root));
    fs::create_dir(project.path().join("out")).expect("a folder");
    project
}

/// A file that is there, one that is not, and a step that takes its time behind them.
pub const MODULE: &str = r#"
[file."ROOT/old"]
content = "new\n"
mode = "0600"
confirm = "5s"
[file."ROOT/made"]
content = "made\n"
[command.slow]
command = "sleep 3"
creates = "ROOT/none"
requires = ["file[ROOT/*]"]
"#;

/// What the host remembers.
pub fn state(project: &Project) -> PathBuf {
    project.path().join(".host-state/c/here")
}

/// What became of the last run that kept something.
pub fn fate(project: &Project) -> Option<String> {
    let kept = fs::read_dir(state(project).join("kept")).ok()?;
    let mut runs: Vec<PathBuf> = kept.map(|entry| entry.expect("an entry").path()).collect();
    runs.sort();
    fs::read_to_string(runs.last()?.join("fate")).ok()
}

#[track_caller]
pub fn wait(what: &str, done: impl Fn() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < Duration::from_secs(30), "{what} does not come");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Starts an apply and kills it when the file is there.
fn killed(project: &Project, when: &Path) {
    let (mut command, _home) = project.command_cleared(&["apply", "--yes"]);
    let mut child =
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the program");
    wait("the change", || when.exists());
    child.kill().expect("a program to kill");
    child.wait().expect("its end");
}

/// Whether a process of who watches over this project is there.
pub fn watched(project: &Project) -> bool {
    let state = state(project).display().to_string();
    let all = fs::read_dir("/proc").expect("/proc").filter_map(Result::ok);
    let lines = all.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
    lines
        .map(|line| String::from_utf8_lossy(&line).into_owned())
        .any(|line| line.contains("guard") && line.contains(&state))
}

#[test]
fn what_is_confirmed_stays_and_nothing_of_the_watch_does() {
    let project = project(&MODULE.replace("sleep 3", "true"));
    fs::write(project.path().join("out/old"), "old\n").expect("a file");
    let plan = project.run(&["plan"]).expect(0);
    assert!(
        plan.stdout.contains("confirm within 5 s, else the host puts it back"),
        "{}",
        plan.stdout
    );
    let json = project.run(&["plan", "--json"]).expect(0);
    assert!(
        json.stdout.contains("confirm within 5 s, else the host puts it back"),
        "{}",
        json.stdout
    );
    project.run(&["apply", "--yes"]).expect(3);
    assert_eq!(fate(&project).as_deref(), Some("confirmed\n"));
    assert!(!state(&project).join("confirm").exists(), "nothing of the watch is left");
    wait("the end of who watches", || !watched(&project));
    std::thread::sleep(Duration::from_secs(6));
    assert_eq!(fs::read_to_string(project.path().join("out/old")).expect("a file"), "new\n");
}

/// T46, T51: killed before it could confirm.
#[test]
fn what_a_killed_run_changed_goes_back_and_the_ledger_knows() {
    let project = project(MODULE);
    let out = project.path().join("out");
    fs::write(out.join("old"), "old\n").expect("a file");
    fs::set_permissions(out.join("old"), fs::Permissions::from_mode(0o640)).expect("a mode");
    killed(&project, &out.join("made"));
    let begun = Instant::now();
    wait("the way back", || fate(&project).is_some());
    assert!(begun.elapsed() > Duration::from_secs(4), "not before its time");
    assert_eq!(fate(&project).as_deref(), Some("rolled back\n"));
    assert_eq!(fs::read_to_string(out.join("old")).expect("a file"), "old\n");
    let mode = fs::metadata(out.join("old")).expect("a file").permissions().mode();
    assert_eq!(mode & 0o7777, 0o640);
    assert!(!out.join("made").exists(), "what was not there is not there");
    wait("the end of who watches", || {
        !watched(&project) && !state(&project).join("confirm").exists()
    });
    let plan = project.run(&["plan"]).expect(0);
    assert!(plan.stdout.contains("1 create, 1 update, 1 command"), "{}", plan.stdout);
    let files = plan.stdout.split("m/command[slow]").next().expect("the files come first");
    assert!(!files.contains("drift"), "the host did not move by itself:\n{}", plan.stdout);
}

/// T49 in part: who watches is killed too. The next apply puts back before it looks.
#[test]
fn an_apply_waits_for_what_is_not_confirmed_and_puts_it_back_where_nobody_watches() {
    let project = project(MODULE);
    let out = project.path().join("out");
    fs::write(out.join("old"), "old\n").expect("a file");
    killed(&project, &out.join("made"));
    let second = project.run(&["apply", "--yes", "--lock-timeout", "1"]).expect(3);
    assert!(second.stdout.contains("is not confirmed there yet"), "{}", second.stdout);
    let armed = fs::read_dir(state(&project).join("confirm")).expect("a folder").next();
    let armed = armed.expect("an arming").expect("an arming").path();
    let alive = fs::read_to_string(armed.join("alive")).expect("who watches");
    let process = alive.split(' ').next().expect("a process");
    let kill = std::process::Command::new("kill").args(["-9", process]).status();
    assert!(kill.is_ok_and(|status| status.success()));
    let plan = project.run(&["apply", "--yes"]).expect(3);
    assert!(
        plan.stdout.contains("-old\n"),
        "it is put back before anything is compared:\n{}",
        plan.stdout
    );
}

/// T48: what cannot be put back is told, and the rest is put back all the same.
#[test]
fn a_copy_that_is_gone_is_told_and_the_rest_goes_back() {
    let project = project(MODULE);
    let out = project.path().join("out");
    fs::write(out.join("old"), "old\n").expect("a file");
    killed(&project, &out.join("made"));
    let run = fs::read_dir(state(&project).join("kept")).expect("a folder").next();
    fs::remove_file(run.expect("a run").expect("a run").path().join("1")).expect("the copy");
    wait("the way back", || fate(&project).is_some());
    let fate = fate(&project).expect("a record");
    assert!(fate.starts_with("rolled back\n") && fate.contains("/out/old: "), "{fate}");
    assert!(!out.join("made").exists(), "the rest goes back");
    assert_eq!(fs::read_to_string(out.join("old")).expect("a file"), "new\n", "it is whole");
}

#[test]
fn where_nobody_can_watch_nothing_is_changed() {
    let project = project(MODULE);
    let out = project.path().join("out");
    fs::write(out.join("old"), "old\n").expect("a file");
    fs::create_dir_all(state(&project)).expect("a folder");
    fs::write(state(&project).join("confirm"), "in the way").expect("a file");
    let apply = project.run(&["apply", "--yes"]).expect(3);
    assert!(apply.stdout.contains("refused"), "{}", apply.stdout);
    assert_eq!(fs::read_to_string(out.join("old")).expect("a file"), "old\n");
    assert!(!out.join("made").exists());
    project.run(&["apply", "--yes", "--confirm", "false"]).expect(3);
    assert_eq!(
        fs::read_to_string(out.join("old")).expect("a file"),
        "old\n",
        "the file's own word counts"
    );
}

#[test]
fn times_that_are_none_are_mistakes() {
    for wrong in ["\"2s\"", "true", "0", "\"soon\"", "4000"] {
        let project = project(&MODULE.replace("\"5s\"", wrong));
        let check = project.run(&["check"]).expect(1);
        assert!(
            check.stderr.contains("no time to confirm a change in"),
            "{wrong}: {}{}",
            check.stdout,
            check.stderr
        );
    }
    let project = project(MODULE);
    project.run(&["apply", "--yes", "--confirm", "never"]).expect(1);
}

/// The files, the stage and the command line may say it; the nearest counts.
#[test]
fn the_nearest_word_on_confirming_counts() {
    let told = |project: &Project, words: &[&str]| {
        let plan = project.run(words);
        plan.stdout.matches("confirm within").count()
    };
    let plain = MODULE.replace("confirm = \"5s\"\n", "");
    assert_eq!(told(&project(&plain), &["plan"]), 0);
    let apply = ["apply", "--yes", "--confirm", "7s"];
    let said = project(&plain.replace("sleep 3", "true"));
    assert_eq!(told(&said, &apply), 3, "the command too, which stays");
    assert_eq!(fate(&said).as_deref(), Some("confirmed\n"));
    let staged = |module: &str| {
        let project = project(module);
        let text = fs::read_to_string(project.path().join("trueup.toml")).expect("a file");
        project.file("trueup.toml", format!("{text}confirm = \"9s\"\n"));
        project
    };
    assert_eq!(told(&staged(&plain), &["plan"]), 3);
    assert_eq!(told(&staged(&MODULE.replace("\"5s\"", "false")), &["plan"]), 2);
}

#[test]
fn a_command_that_is_run_again_is_said_to_be() {
    let project = project(
        "[file.\"ROOT/rules\"]\ncontent = \"x\"\nconfirm = \"60s\"\n[command.load]\ncommand = \"true\"\n\
         confirm = \"60s\"\nrun_on = [\"file[**/rules]\"]\n[command.once]\ncommand = \"true\"\nconfirm = \"60s\"\n",
    );
    let plan = project.run(&["plan"]).expect(0).stdout;
    let again = "else the host puts files and services back, and runs this command once more\n";
    let stays = "else the host puts files and services back; this command stays\n";
    assert_eq!((plan.matches(again).count(), plan.matches(stays).count()), (1, 1), "{plan}");
}
