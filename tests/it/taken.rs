//! Which run a rollback takes back, and how it says so: `last`, hosts that cannot be asked, and the look before.

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::rollback::{out, plain, project, runs};
use crate::support::Project;

/// A file whose content is a var.
const FILE: &str = "[file.\"{{ vars.root }}/{{ host.name }}\"]\ncontent = \"{{ vars.text }}\\n\"\n";

/// Two hosts that are this machine, `here` and `there`.
fn pair() -> Project {
    let project = project(FILE);
    let inventory = fs::read_to_string(project.path().join("i.toml")).expect("a file");
    project.file(
        "i.toml",
        inventory.replace("[vars]\n", "[vars]\ntext = \"0\"\n") + "[hosts.there]\n",
    );
    project
}

/// Applies a text and gives the run.
fn applied(project: &Project, text: &str, more: &[&str]) -> String {
    let var = format!("text=\"{text}\"");
    project.run(&[&["apply", "--yes", "--var", &var], more].concat()).expect(0);
    runs(project).pop().expect("a run")
}

fn says(project: &Project, host: &str) -> String {
    fs::read_to_string(out(project).join(host)).unwrap_or_default()
}

/// `there` does not answer any more.
fn cut(project: &Project) {
    let inventory = fs::read_to_string(project.path().join("i.toml")).expect("a file");
    let dead = "[hosts.there]\nconnection = { transport = \"command\", command = [\"/bin/sh\", \"-c\", \"exit 7\"] }\n";
    project.file("i.toml", inventory.replace("[hosts.there]\n", dead));
}

#[test]
fn last_is_refused_where_a_host_cannot_be_asked() {
    let project = pair();
    let first = applied(&project, "1", &[]);
    applied(&project, "2", &["--limit", "there"]);
    cut(&project);
    let refused = project.run(&["rollback", "last", "--yes"]).expect(3);
    assert!(refused.stdout.is_empty(), "{}", refused.stdout);
    insta::assert_snapshot!(refused.stderr);
    assert_eq!(says(&project, "here"), "1\n");
    // By its id, and where the other one is left out, it is done.
    let back = project.run(&["rollback", &first, "--yes"]).expect(3);
    assert!(back.stdout.contains("1 of 2 hosts"), "{}", back.stdout);
    assert_eq!(says(&project, "here"), "");
}

#[test]
fn a_host_that_is_held_is_named_with_who_holds_it() {
    let project = pair();
    applied(&project, "1", &[]);
    let lock = project.path().join(".host-state/r/there/lock");
    let mut holder = Command::new("flock")
        .arg(&lock)
        .args(["sh", "-c", "echo; exec sleep 60"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("flock");
    let begun = Instant::now();
    let refused = loop {
        let refused = project.run(&["rollback", "last", "--yes", "--lock-timeout", "0"]);
        if refused.status != 0 || begun.elapsed() > Duration::from_secs(20) {
            break refused;
        }
    };
    holder.kill().and_then(|()| holder.wait()).expect("it ends");
    let refused = refused.expect(3);
    assert!(
        refused.stderr.contains("there  refused: another apply is at work there: "),
        "{}",
        refused.stderr
    );
    assert!(!refused.stderr.contains("trueup unlock"), "{}", refused.stderr);
}

#[test]
fn last_is_not_the_run_that_was_at_work_when_it_was_typed() {
    let project = pair();
    applied(&project, "1", &[]);
    let module = fs::read_to_string(project.path().join("modules/m/module.toml")).expect("it");
    let slow = "[command.slow]\ncommand = \"touch {{ vars.root }}/begun; sleep 3; touch {{ vars.root }}/done\"\n\
                creates = \"{{ vars.root }}/done\"\n";
    project.file("modules/m/module.toml", module + slow);
    let (mut command, _home) =
        project.command_cleared(&["apply", "--yes", "--limit", "here", "--var", "text=\"2\""]);
    let mut run = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it");
    let since = Instant::now();
    while !out(&project).join("begun").exists() {
        assert!(since.elapsed() < Duration::from_secs(60), "the command never began");
        std::thread::sleep(Duration::from_millis(20));
    }
    let look = project.run(&["rollback", "last", "--plan"]).expect(3);
    assert!(look.stderr.contains("was at work when this was typed"), "{}", look.stderr);
    let refused = project.run(&["rollback", "last", "--yes"]).expect(3);
    assert!(refused.stderr.contains("was at work when this was typed"), "{}", refused.stderr);
    assert!(run.wait().is_ok_and(|status| status.success()));
    assert_eq!(says(&project, "here"), "2\n");
    project.run(&["rollback", "last", "--yes"]).expect(0);
    assert_eq!(says(&project, "here"), "1\n");
}

#[test]
fn a_shard_without_hosts_has_nothing_to_take_back() {
    let project = pair();
    applied(&project, "1", &[]);
    let none = |index: u32| {
        let shard = format!("{index}/9");
        let run = project.run(&["rollback", "last", "--yes", "--shard", &shard]);
        run.stderr.contains(&format!("no host is in shard {shard}: there is nothing to take back"))
    };
    assert!((1..=9).filter(|index| none(*index)).count() >= 7, "two hosts are in two shards");
}

#[test]
fn last_goes_further_back_and_never_forward() {
    let project = pair();
    let runs: Vec<String> = ["1", "2", "3"].map(|text| applied(&project, text, &[])).into();
    // A run that changed nothing is none to be taken back.
    applied(&project, "3", &[]);
    for (text, run) in [("2\n", &runs[2]), ("1\n", &runs[1]), ("", &runs[0])] {
        let back = project.run(&["rollback", "last", "--yes"]).expect(0);
        assert!(
            back.stdout.starts_with(&format!("Takes back run {run}: apply, ")),
            "{}",
            back.stdout
        );
        assert_eq!((says(&project, "here"), says(&project, "there")), (text.into(), text.into()));
    }
    let none = project.run(&["rollback", "last", "--yes"]).expect(1);
    assert!(
        none.stderr
            .contains("no host keeps an apply that changed something and was not taken back"),
        "{}",
        none.stderr
    );
    // A rollback is taken back by its id, and says that it is one; then its apply counts again.
    let last = crate::rollback::runs(&project).pop().expect("a run");
    let again = project.run(&["rollback", &last, "--yes"]).expect(0);
    assert!(again.stdout.contains(&format!("rollback of run {}", runs[0])), "{}", again.stdout);
    assert_eq!(says(&project, "here"), "1\n");
    let back = project.run(&["rollback", "last", "--plan"]).expect(0);
    assert!(back.stdout.contains(&format!("Takes back run {}", runs[0])), "{}", back.stdout);
}

#[test]
fn a_run_that_failed_before_it_changed_anything_is_not_the_last() {
    let project = pair();
    let first = applied(&project, "1", &[]);
    project.file(
        "modules/m/module.toml",
        FILE.to_owned() + "validate = \"false\"\n[command.later]\ncommand = \"true\"\nrun_on = [\"file[{{ vars.root }}/**]\"]\n",
    );
    project.run(&["apply", "--yes", "--var", "text=\"2\""]).expect(3);
    let back = project.run(&["rollback", "last", "--yes"]).expect(0);
    assert!(back.stdout.contains(&format!("Takes back run {first}")), "{}", back.stdout);
    assert!(!back.stdout.contains("cannot be undone"), "{}", back.stdout);
}

#[test]
fn a_run_that_went_back_by_itself_is_not_the_last() {
    let project = pair();
    let settings = fs::read_to_string(project.path().join("trueup.toml")).expect("a file");
    project.file("trueup.toml", settings + "rollback_on_failure = true\n");
    let first = applied(&project, "1", &[]);
    project
        .file("modules/m/module.toml", FILE.to_owned() + "[command.fails]\ncommand = \"false\"\n");
    project.run(&["apply", "--yes", "--var", "text=\"2\""]).expect(4);
    let back = project.run(&["rollback", "last", "--plan"]).expect(0);
    assert!(back.stdout.contains(&format!("Takes back run {first}")), "{}", back.stdout);
}

#[test]
fn a_newer_run_of_the_records_of_which_nothing_is_kept_is_named() {
    let project = pair();
    applied(&project, "1", &[]);
    let second = applied(&project, "2", &["--limit", "there"]);
    project.run(&["ledger", "there", "--forget", "--yes"]).expect(0);
    let refused = project.run(&["rollback", "last", "--yes"]).expect(1);
    assert!(
        refused.stderr.contains(&format!("the last run that changed there is {second}")),
        "{}",
        refused.stderr
    );
    project.run(&["rollback", "last", "--yes", "--limit", "here"]).expect(0);
    assert_eq!(says(&project, "here"), "");
    let gone = project.run(&["rollback", &second, "--yes"]).expect(1);
    assert!(gone.stderr.contains("keeps anything of run"), "{}", gone.stderr);
}

#[test]
fn a_look_before_changes_nothing_and_asks_nothing() {
    let project = pair();
    let id = applied(&project, "1", &[]);
    let look = project.run(&["rollback", "last", "--plan", "--limit", "here"]).expect(0);
    insta::assert_snapshot!(plain(&look).replace(&project.path().display().to_string(), "PROJECT"));
    project.run(&["rollback", "last", "--plan", "--detailed-exitcode"]).expect(2);
    let json = project.run(&["rollback", &id, "--plan", "--json"]).expect(0);
    let json: Value = serde_json::from_str(&json.stdout).expect("one document");
    assert_eq!((&json["undoes"]["run"], &json["undoes"]["verb"]), (&id.into(), &"apply".into()));
    assert_eq!(json["counts"]["delete"], 2);
    assert_eq!(says(&project, "here"), "1\n");
    assert_eq!(runs(&project).len(), 1);
    project.run(&["rollback", "last", "--plan", "--yes"]).expect(1);
    let no = project.run(&["rollback", "last"]).expect(1);
    assert!(no.stderr.contains("--plan to look only"), "{}", no.stderr);
}

#[test]
fn runs_say_what_can_be_taken_back_and_what_a_rollback_was_of() {
    let project = pair();
    let settings = fs::read_to_string(project.path().join("trueup.toml")).expect("a file");
    project.file("trueup.toml", settings + "[rollback]\nkeep_runs = 3\n");
    let ids: Vec<String> = ["1", "2", "3"].map(|text| applied(&project, text, &[])).into();
    project.run(&["rollback", "last", "--yes"]).expect(0);
    let list = project.run(&["runs", "--json"]).expect(0);
    let list: Value = serde_json::from_str(&list.stdout).expect("JSON");
    let ways: Vec<&str> = list["runs"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|run| run["way_back"].as_str())
        .collect();
    assert_eq!(ways, ["kept", "taken back", "kept", "no longer kept"]);
    assert_eq!(list["runs"][0]["undoes"], ids[2]);
    let gone = project.run(&["rollback", &ids[0], "--yes"]).expect(1);
    assert!(gone.stderr.contains("[rollback] keep_runs"), "{}", gone.stderr);
    let text = project.run(&["runs"]).expect(0);
    assert!(text.stdout.contains("rollback of "), "{}", text.stdout);
    // A rollback is nothing to go on with, and is not as the files say.
    let back = runs(&project).pop().expect("a run");
    let resume = project.run(&["apply", "--yes", "--resume", &back]).expect(1);
    assert!(
        resume.stderr.contains("--resume is for applies; it left no host"),
        "{}",
        resume.stderr
    );
}

#[test]
fn an_inventory_without_hosts_is_what_is_told() {
    let project = pair();
    project.file("i.toml", "[vars]\nroot = \"/x\"\n");
    let none = project.run(&["rollback", "last", "--yes"]).expect(1);
    assert!(none.stderr.contains("i.toml has no hosts"), "{}", none.stderr);
}

#[test]
fn what_was_pruned_has_no_place_on_its_way_back() {
    let project = pair();
    applied(&project, "1", &["--limit", "here"]);
    project.file("modules/m/module.toml", "[file.\"{{ vars.root }}/x\"]\n");
    project.run(&["apply", "--yes", "--prune", "--limit", "here"]).expect(0);
    let back = project.run(&["rollback", "last", "--plan", "--limit", "here"]).expect(0);
    let line = back.stdout.lines().find(|line| line.contains("out/here]")).expect("a line");
    assert!(line.ends_with("no longer declared"), "{}", back.stdout);
}
