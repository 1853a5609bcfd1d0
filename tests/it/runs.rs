//! Records of runs: what an apply leaves on the controller, how it is shown, and how a run is gone on with.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{Output, Project};

/// Three hosts that are all this machine, each with a folder below `out`; where `bad` lies in it the
/// host's command fails.
const MODULE: &str = r#"
[params]
word = { type = "string" }
token = { type = "string", default = "none", sensitive = true }
[directory."{{ vars.root }}/{{ host.name }}"]
[file."{{ vars.root }}/{{ host.name }}/word"]
content = "{{ params.word }}\n"
tags = ["words"]
[file."{{ vars.root }}/{{ host.name }}/token"]
content = "{{ params.token }}\n"
[command.judge]
command = "test ! -e {{ vars.root }}/bad/{{ host.name }} || { echo 'this host is bad'; exit 7; }; touch {{ vars.root }}/{{ host.name }}/judged"
creates = "{{ vars.root }}/{{ host.name }}/judged"
[command.told]
command = "echo told"
run_on = ["file[**/word]"]
"#;

fn project() -> Project {
    let project = Project::new();
    let root = project.path().join("out").display().to_string();
    project
        .file(
            "trueup.toml",
            "[project]\nname = \"shop\"\ninventory = \"i.toml\"\n[[stage]]\nname = \"all\"\nhosts = \"all\"\n\
             modules = [{ use = \"m\", with = { word = \"{{ vars.word }}\", token = \"{{ vars.token }}\" } }, \"plain\"]\n",
        )
        .file(
            "i.toml",
            format!(
                "[connection]\ntransport = \"local\"\n[vars]\nroot = \"{root}\"\nword = \"hello\"\nsize = 1\n\
                 token = \"Tr0ub4dor\"\n[groups.web]\nhosts = [\"web[1:3]\"]\n"
            ),
        )
        .file("modules/m/module.toml", MODULE)
        .file(
            "modules/plain/module.toml",
            "[file.\"{{ vars.root }}/{{ host.name }}/size\"]\ncontent = \"{{ vars.size }}\\n\"\n",
        );
    fs::create_dir_all(project.path().join("out/bad")).expect("a folder");
    project
}

/// Makes the command of a host fail, or not.
fn bad(project: &Project, host: &str, bad: bool) {
    let path = project.path().join("out/bad").join(host);
    if bad {
        fs::write(path, "").expect("a file");
    } else {
        fs::remove_file(path).expect("the file");
    }
}

fn runs(project: &Project) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(project.path().join(".trueup/runs")) else { return Vec::new() };
    let mut all: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    all.sort();
    all
}

fn id(run: &Path) -> String {
    run.file_name().expect("a name").to_str().expect("UTF-8").to_owned()
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("one JSON document and nothing else")
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("it is there").permissions().mode() & 0o777
}

/// Without what every run and every machine has another of.
fn stable(project: &Project, text: &str) -> String {
    let text = text.replace(&project.path().display().to_string(), "PROJECT");
    let mut text = text;
    for (pattern, word) in [
        (r"\b01[0-9A-HJKMNP-TV-Z]{24}\b", "RUN-ID"),
        (r"\b01[0-9A-HJKMNP-TV-Z]{6,23}\b", "RUN"),
        (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "DATE TIME"),
        (r"by \S+@\S+", "by USER@HOST"),
        (r"in \d+\.\d s", "in N s"),
        (r"\b\d+\.\d s\b", "N s"),
        (r"trueup \d+\.\d+\.\d+", "trueup VERSION"),
        // Ids of runs in one second are shown longer, and columns are as wide as what is in them.
        (r"(RUN|DATE TIME|N s|run|took|began \(UTC\)|-) {2,}", "$1  "),
    ] {
        text = regex::Regex::new(pattern).expect("a regex").replace_all(&text, word).into_owned();
    }
    text
}

#[test]
fn an_apply_leaves_a_record_for_its_owner_alone() {
    let project = project();
    bad(&project, "web2", true);
    project.run(&["plan"]).expect(0);
    assert!(runs(&project).is_empty(), "a plan leaves none");
    let applied = project.run(&["apply", "--yes", "--json"]).expect(3);
    assert_eq!(applied.stderr, "");
    let all = runs(&project);
    assert_eq!(all.len(), 1);
    let run = &all[0];
    assert_eq!(mode(&project.path().join(".trueup")), 0o700);
    assert_eq!(mode(run), 0o700);
    let mut names: Vec<String> = fs::read_dir(run)
        .expect("the record")
        .flatten()
        .map(|entry| {
            assert_eq!(mode(&entry.path()), 0o600, "{:?}", entry.path());
            entry.file_name().into_string().expect("UTF-8")
        })
        .collect();
    names.sort();
    assert_eq!(names, ["events.jsonl", "plan.json", "run.json", "summary.json"]);
    let ignored = fs::read_to_string(project.path().join(".trueup/.gitignore"));
    assert_eq!(ignored.expect("it"), "*\n");
    // The events are the lines that were printed; the first is the plan, which has its own file.
    let (plan, rest) = applied.stdout.split_once('\n').expect("several lines");
    let kept = fs::read_to_string(run.join("events.jsonl")).expect("the events");
    assert_eq!(kept.lines().count(), rest.lines().count());
    for (kept, printed) in kept.lines().zip(rest.lines()) {
        // Each end has the time of its own writing.
        assert!(kept == printed || kept.starts_with("{\"event\":\"end\""), "{kept}\n{printed}");
    }
    let kept = json(&fs::read_to_string(run.join("plan.json")).expect("the plan"));
    assert_eq!(kept, json(plan)["plan"]);
    let end = json(applied.stdout.lines().last().expect("the end"));
    assert_eq!(end["run"], id(run));
    let summary = json(&fs::read_to_string(run.join("summary.json")).expect("the summary"));
    assert_eq!(summary["status"], "ended");
    for key in ["hosts", "counts", "exit_status"] {
        assert_eq!(summary[key], end[key], "{key}");
    }
    let shown = json(&project.run(&["runs", "show", &id(run), "--json"]).expect(0).stdout);
    assert_eq!(shown, summary);
    let schema = json(&project.run(&["schema", "run"]).expect(0).stdout);
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    assert!(validator.is_valid(&shown), "{shown}");
}

#[test]
fn runs_are_listed_and_shown_as_their_apply_ended() {
    let project = project();
    let none = project.run(&["runs"]).expect(0);
    assert_eq!(
        stable(&project, &none.stdout),
        "No run is recorded in PROJECT/.trueup/runs: trueup apply records each one.\n"
    );
    bad(&project, "web2", true);
    let first = project.run(&["apply", "--yes", "--tags", "words", "--limit", "web1"]);
    assert_eq!(first.status, 3, "{}", first.stdout);
    let applied = project.run(&["apply", "--yes"]).expect(3);
    let last = applied.last_line();
    let short = last.rsplit(' ').next().expect("a word").to_owned();
    assert!(last.contains(&format!(". Run {short}…: trueup runs show {short}")), "{last}");
    let all = project.run(&["runs"]).expect(0);
    insta::assert_snapshot!("runs_list", stable(&project, &all.stdout));
    let show = project.run(&["runs", "show", &short.to_lowercase()]).expect(0);
    insta::assert_snapshot!("runs_show", stable(&project, &show.stdout));
    // What stands after the lists is what apply printed.
    let end = applied.stdout.split_once("Plan: ").expect("a plan").1;
    let end = end.split_once('\n').expect("more").1;
    let end = end.split_once(". Run ").expect("the run is named").0;
    assert!(show.stdout.contains(end), "{}\n---\n{end}", show.stdout);
    let plan = project.run(&["runs", "show", &short, "--plan"]).expect(0);
    let then = applied.stdout.split_once("\nPlan: ").expect("a plan").0;
    assert!(plan.stdout.contains(then), "{}\n---\n{then}", plan.stdout);
    let all = json(&project.run(&["runs", "--json"]).expect(0).stdout);
    assert_eq!(all["runs"].as_array().expect("a list").len(), 2);
    assert!(all["runs"][0]["id"].as_str() > all["runs"][1]["id"].as_str(), "the newest first");
    assert_eq!(all["runs"][0]["hosts"]["failed"], 1);
}

#[test]
fn a_run_that_is_not_there_or_not_the_only_one_is_a_mistake_that_says_what_to_do() {
    let project = project();
    for _ in 0..2 {
        project.run(&["apply", "--yes"]).expect(0);
    }
    let said = |words: &[&str]| {
        let output = project.run(words).expect(1);
        stable(&project, &output.stderr)
    };
    let all = [
        said(&["runs", "show", "01"]),
        said(&["runs", "show", "ZZ\u{1b}[2J"]),
        said(&["runs", "show", ""]),
        said(&["apply", "--yes", "--resume", "0Z"]),
        said(&["apply", "--yes", "--resume", "01", "--limit", "web1"]),
        said(&["apply", "plan.json", "--resume", "01"]),
        said(&["apply", "--yes", "--resume", "01", "--tags", "words"]),
    ];
    insta::assert_snapshot!("runs_mistakes", all.concat());
    let ids: Vec<String> = runs(&project).iter().map(|run| id(run)).collect();
    let short = project.run(&["runs"]).expect(0);
    for (line, id) in short.stdout.lines().skip(1).zip(ids.iter().rev()) {
        let short = line.split(' ').next().expect("a word");
        assert!(id.starts_with(short) && short.len() >= 8, "{short} {id}");
        project.run(&["runs", "show", short]).expect(0);
    }
}

#[test]
fn no_secret_gets_into_a_record() {
    let project = project();
    bad(&project, "web1", true);
    let words = ["apply", "--yes", "--verbose", "--var", "token=C4naryBird", "--var", "size=2"];
    project.run(&words).expect(3);
    let run = runs(&project).remove(0);
    for entry in fs::read_dir(&run).expect("the record").flatten() {
        let text = fs::read_to_string(entry.path()).expect("a file");
        assert!(!text.contains("C4nary") && !text.contains("Tr0ub4dor"), "{:?}", entry.path());
    }
    let run = json(&fs::read_to_string(run.join("run.json")).expect("what was asked for"));
    assert_eq!(run["selection"]["vars"], serde_json::json!({ "size": "2" }));
    assert_eq!(run["selection"]["sensitive_vars"], serde_json::json!(["token"]));
}

/// The record of an apply that was killed while the command of its hosts ran, web3 being as wanted before.
fn killed(project: &Project) -> PathBuf {
    project.run(&["apply", "--yes", "--limit", "web3"]).expect(0);
    fs::remove_dir_all(project.path().join(".trueup")).expect("its record");
    let module = MODULE
        .replace("command = \"test", "command = \"touch {{ vars.root }}/begun; sleep 3; test");
    project.file("modules/m/module.toml", &module);
    let (mut command, _home) = project.command_cleared(&["apply", "--yes", "--parallel", "1"]);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut run = command.spawn().expect("the program");
    let since = Instant::now();
    while !project.path().join("out/begun").exists() {
        assert!(since.elapsed() < Duration::from_secs(60), "the command never began");
        std::thread::sleep(Duration::from_millis(20));
    }
    let live = project.run(&["runs"]).expect(0);
    assert!(live.stdout.contains("running: 1 at work, 1 not attempted, 1 ok"), "{}", live.stdout);
    let id = id(&runs(project)[0]);
    let live = project.run(&["runs", "show", "last"]).expect(0);
    insta::assert_snapshot!("runs_show_running", stable(project, &live.stdout));
    let live = json(&project.run(&["runs", "show", &id, "--json"]).expect(0).stdout);
    assert_eq!(live["hosts"][0]["outcome"], "at work");
    let wait = project.run(&["apply", "--yes", "--resume", &id]).expect(1);
    assert!(wait.stderr.contains("still goes on"), "{}", wait.stderr);
    run.kill().expect("it runs");
    run.wait().expect("it ended");
    project.file("modules/m/module.toml", MODULE);
    runs(project).remove(0)
}

#[test]
fn a_controller_that_was_killed_leaves_what_happened_and_the_run_can_be_gone_on_with() {
    let project = project();
    let run = killed(&project);
    assert!(!run.join("summary.json").exists());
    insta::assert_snapshot!(
        "runs_interrupted",
        stable(&project, &project.run(&["runs"]).expect(0).stdout)
    );
    // Half a line at the end, as a program leaves that is killed while it writes.
    let events = run.join("events.jsonl");
    let text = fs::read_to_string(&events).expect("the events") + "{\"event\":\"step_do";
    fs::write(&events, text).expect("the events");
    let shown = project.run(&["runs", "show", &id(&run)]).expect(0);
    insta::assert_snapshot!("runs_show_interrupted", stable(&project, &shown.stdout));
    let shown = json(&project.run(&["runs", "show", &id(&run), "--json"]).expect(0).stdout);
    assert_eq!(shown["status"], "interrupted");
    assert_eq!(shown.get("exit_status"), None);
    // What ran then is neither done nor not done.
    let host = &shown["hosts"][0];
    assert_eq!(host["problems"][1]["address"], "m/command[judge]");
    for list in ["done", "not_done"] {
        let list = host[list].as_array().expect("a list");
        assert!(!list.contains(&"m/command[judge]".into()), "{list:?}");
    }
    // web3 was as wanted: it is not met again.
    let resumed = project.run(&["apply", "--yes", "--resume", &id(&run)]).expect(0);
    assert!(resumed.stderr.contains("left 2 of 3 hosts"), "{}", resumed.stderr);
    assert!(resumed.stdout.contains("Applied to 2 hosts"), "{}", resumed.stdout);
    assert!(!resumed.stdout.contains("web3"), "{}", resumed.stdout);
    project.run(&["plan", "--detailed-exitcode"]).expect(0);
}

#[test]
fn what_is_gone_from_a_record_is_not_taken_for_what_was_not_done() {
    let project = project();
    let run = killed(&project);
    let show = || project.run(&["runs", "show", &id(&run)]).expect(0);
    let events = run.join("events.jsonl");
    let text = fs::read_to_string(&events).expect("the events");
    assert_eq!(show().stderr, "");
    let lines: Vec<&str> = text.lines().collect();
    fs::write(&events, [&lines[..1], &["{\"event\":\"ste", "\0"], &lines[1..]].concat().join("\n"))
        .expect("the events");
    let shown = show();
    assert!(shown.stderr.contains("events.jsonl is damaged: 2 lines cannot be read"), "{shown:?}");
    assert!(shown.stdout.contains("was at work on it"), "what stands behind counts: {shown:?}");
    // web1's first line is gone, and then all that was said of it.
    let without = |what: &dyn Fn(&str) -> bool| {
        let kept = lines.iter().map(|line| if what(line) { "\0\0" } else { *line });
        fs::write(&events, kept.collect::<Vec<_>>().join("\n") + "\n").expect("the events");
        show().stdout
    };
    let web1 = |line: &str| line.contains("\"host\":\"web1\"");
    let started = without(&|line| web1(line) && line.contains("host_started"));
    assert!(started.contains("web1  unknown: the run was at work on it"), "{started}");
    let silent = without(&web1);
    assert!(silent.contains("web1  unknown: nothing is written"), "{silent}");
    // A power cut leaves zeros at the end.
    fs::write(&events, text.clone() + &"\0".repeat(100)).expect("the events");
    assert!(show().stderr.contains("1 line cannot be read"), "{:?}", show());
    fs::write(&events, "").expect("the events");
    let listed = project.run(&["runs"]).expect(0);
    assert!(listed.last_line().trim_end().ends_with("  unknown  unknown"), "{}", listed.stdout);
    insta::assert_snapshot!("runs_show_deaf", stable(&project, &show().stdout));
    assert!(show().stderr.contains("events.jsonl says nothing: more may have been done"));
    fs::remove_file(&events).expect("the events");
    assert!(show().stderr.contains("warning: cannot read "), "{:?}", show());
    assert!(show().stdout.contains("nothing is written of what the run did on it"));
}

#[test]
fn resume_goes_on_with_what_was_left_and_as_it_was_asked_for() {
    let project = project();
    project.run(&["apply", "--yes", "--limit", "web1"]).expect(0);
    bad(&project, "web2", true);
    bad(&project, "web3", true);
    project.file("other.toml", fs::read_to_string(project.path().join("i.toml")).expect("it"));
    let other = project.path().join("other.toml");
    let words =
        ["apply", "--yes", "-i", other.to_str().expect("UTF-8"), "--var", "word=again", "--var"];
    let failed = project.run(&[&words[..], &["token=An0ther"]].concat()).expect(3);
    assert!(failed.stdout.contains("this host is bad"), "{}", failed.stdout);
    let id = id(runs(&project).last().expect("a run"));
    bad(&project, "web2", false);
    let resume =
        |more: &[&str]| project.run(&[&["apply", "--yes", "--resume", &id], more].concat());
    let missing = resume(&[]).expect(1);
    insta::assert_snapshot!("resume_sensitive", stable(&project, &missing.stderr));
    let twice = resume(&["--var", "token=x", "--var", "size=7"]).expect(1);
    insta::assert_snapshot!("resume_var", stable(&project, &twice.stderr));
    let resumed = resume(&["--var", "token=An0ther"]).expect(3);
    assert!(resumed.stdout.contains("Applied to 1 of 2 hosts"), "{}", resumed.stdout);
    assert!(!resumed.stdout.contains("web1"), "{}", resumed.stdout);
    let word = fs::read_to_string(project.path().join("out/web2/word")).expect("the file");
    assert_eq!(word, "again\n", "with the vars of the run");
    // The run that goes on with another has left what that one has not done.
    let last = self::id(runs(&project).last().expect("a run"));
    let record = json(&project.run(&["runs", "show", &last, "--json"]).expect(0).stdout);
    assert_eq!(record["run"]["selection"]["resumes"], id);
    assert_eq!(record["run"]["inventory"], "other.toml");
    bad(&project, "web3", false);
    let words = ["apply", "--yes", "--resume", &last, "--var", "token=An0ther"];
    let done = project.run(&words).expect(0);
    assert!(done.stdout.contains("Applied to 1 host"), "{}", done.stdout);
    let last = self::id(runs(&project).last().expect("a run"));
    let nothing = project.run(&["apply", "--yes", "--resume", &last]).expect(0);
    insta::assert_snapshot!("resume_nothing", stable(&project, &nothing.stdout));
    assert_eq!(self::id(runs(&project).last().expect("a run")), last, "and leaves no record");
}

#[test]
fn a_host_that_the_inventory_has_no_more_is_named_and_left_out() {
    let project = project();
    bad(&project, "web2", true);
    bad(&project, "web3", true);
    project.run(&["apply", "--yes"]).expect(3);
    let inventory = fs::read_to_string(project.path().join("i.toml")).expect("it");
    project.file("i.toml", inventory.replace("web[1:3]", "web[1:2]"));
    bad(&project, "web2", false);
    let run = id(&runs(&project)[0]);
    let resumed = project.run(&["apply", "--yes", "--resume", &run]).expect(0);
    assert!(
        resumed.stderr.contains("warning: no longer in the inventory, and left out: web3"),
        "{}",
        resumed.stderr
    );
}

#[test]
fn a_record_whose_end_is_damaged_is_shown_from_what_happened() {
    let project = project();
    bad(&project, "web2", true);
    project.run(&["apply", "--yes"]).expect(3);
    let run = runs(&project).remove(0);
    let (listed, shown) = (project.run(&["runs"]), project.run(&["runs", "show", "last"]));
    fs::write(run.join("summary.json"), "{\n").expect("the summary");
    for (words, whole) in [(&["runs"][..], &listed), (&["runs", "show", "last"], &shown)] {
        let told = project.run(words).expect(0);
        assert_eq!(told.stdout, whole.stdout);
        let end = "summary.json is damaged: what is shown of this run is what events.jsonl beside it says\n";
        assert!(
            told.stderr.starts_with("warning: ") && told.stderr.ends_with(end),
            "{}",
            told.stderr
        );
    }
    // Without the last line it is a run that was interrupted.
    let events = fs::read_to_string(run.join("events.jsonl")).expect("the events");
    let cut = events.lines().count() - 1;
    let events = events.lines().take(cut).collect::<Vec<_>>().join("\n") + "\n";
    fs::write(run.join("events.jsonl"), events).expect("the events");
    let told = project.run(&["runs"]).expect(0);
    assert!(told.stdout.contains("interrupted: "), "{}", told.stdout);
    fs::write(run.join("run.json"), "").expect("what was asked for");
    let told = project.run(&["runs"]).expect(0);
    assert!(told.stderr.contains("not listed, because its record is damaged"), "{}", told.stderr);
}

#[test]
fn a_run_with_nothing_to_do_is_shown_as_one() {
    let project = project();
    project.run(&["apply", "--yes", "--limit", "web1"]).expect(0);
    project.run(&["apply", "--yes", "--limit", "web1"]).expect(0);
    let shown = project.run(&["runs", "show", "last"]).expect(0);
    assert_eq!(shown.last_line(), "Applied to 1 host in 0.0 s: nothing to do.");
    let resumed = project.run(&["apply", "--yes", "--resume", "last"]).expect(0);
    assert!(resumed.stdout.starts_with("Nothing to resume: "), "{}", resumed.stdout);
    for flag in ["--limit=web1", "--inventory=i.toml", "--var=a=1", "--render-timeout=5"] {
        let told = project.run(&["runs", flag]).expect(1);
        let name = flag.split('=').next().expect("a flag");
        assert!(
            told.stderr.starts_with(&format!("error: this verb takes no {name}: ")),
            "{}",
            told.stderr
        );
    }
}

#[test]
fn old_records_go_and_never_the_newest() {
    let project = project();
    let settings = fs::read_to_string(project.path().join("trueup.toml")).expect("it");
    project.file("trueup.toml", format!("{settings}[runs]\nkeep = 3\nkeep_days = 30\n"));
    for _ in 0..4 {
        project.run(&["apply", "--yes"]).expect(0);
    }
    assert_eq!(runs(&project).len(), 3);
    // Of 2016, and what is none of ours: a file, a link to a folder, another name.
    let place = project.path().join(".trueup/runs");
    fs::create_dir(place.join("01ARZ3NDEKTSV4RRFFQ69G5FAV")).expect("a folder");
    fs::create_dir(place.join("notes")).expect("a folder");
    fs::create_dir(project.path().join("precious")).expect("a folder");
    fs::write(project.path().join("precious/file"), "").expect("a file");
    let link = place.join("01ARZ3NDEKTSV4RRFFQ69G5FAW");
    symlink(project.path().join("precious"), &link).expect("a link");
    project.file("trueup.toml", format!("{settings}[runs]\nkeep_days = 30\n"));
    project.run(&["apply", "--yes"]).expect(0);
    assert!(!place.join("01ARZ3NDEKTSV4RRFFQ69G5FAV").exists(), "it was too old");
    assert!(place.join("notes").exists() && link.exists());
    assert!(project.path().join("precious/file").exists());
    project.file("trueup.toml", format!("{settings}[runs]\nkeep = 1\n"));
    let last = project.run(&["apply", "--yes", "--json"]).expect(0);
    let last = json(last.stdout.lines().last().expect("the end"));
    assert!(place.join(last["run"].as_str().expect("its id")).exists());
    let left = runs(&project).iter().filter(|run| run.join("summary.json").exists()).count();
    assert_eq!(left, 1);
}

#[test]
fn a_record_that_cannot_be_written_is_one_warning_and_fails_nothing() {
    let project = project();
    // In the way of the folder, also for root.
    project.file(".trueup", "a file");
    let applied = project.run(&["apply", "--yes"]).expect(0);
    assert_eq!(applied.stderr.matches("warning: this run is not recorded").count(), 1);
    assert_eq!(applied.stderr.lines().count(), 1, "{}", applied.stderr);
    assert!(applied.last_line().starts_with("Applied to 3 hosts"), "{}", applied.stdout);
    assert!(!applied.stdout.contains("trueup runs show"), "{}", applied.stdout);
}

/// A saved plan and the folder that it is in.
fn saved(project: &Project, words: &[&str]) -> String {
    let plan = project.path().join("plan").display().to_string();
    project.run(&[&["plan", "-o", &plan], words].concat()).expect(0);
    plan
}

/// As `project.run`, in an empty folder instead of the project.
fn beside(folder: &Path, state: &Path, words: &[&str]) -> Output {
    let project = Project::new();
    let state = ("XDG_STATE_HOME", state.to_str().expect("UTF-8"));
    project.run_with(&[words, &["-C", folder.to_str().expect("UTF-8")]].concat(), &[state])
}

#[test]
fn a_saved_plan_is_recorded_in_its_project_or_where_there_is_none_in_the_state_folder() {
    let project = project();
    project.file(
        "modules/m/module.toml",
        MODULE.replace("{{ params.token }}", "none").replace(", sensitive = true", ""),
    );
    bad(&project, "web2", true);
    let plan = saved(&project, &["--limit", "web1"]);
    project.run(&["apply", &plan]).expect(0);
    assert_eq!(runs(&project).len(), 1);
    let plan = saved(&project, &["--limit", "web2 or web3"]);
    let (folder, state) =
        (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("one"));
    let (folder, state) = (folder.path(), state.path());
    let applied = beside(folder, state, &["apply", &plan]).expect(3);
    let short = applied.last_line().rsplit(' ').next().expect("a word").to_owned();
    assert_eq!(runs(&project).len(), 1);
    assert!(fs::read_dir(folder).expect("it").next().is_none(), "nothing is left in the folder");
    let kept: Vec<_> = fs::read_dir(state.join("trueup/runs/shop")).expect("it").collect();
    assert_eq!(kept.len(), 1);
    let shown = beside(folder, state, &["runs", "show", &short]).expect(0);
    assert!(shown.stdout.contains("saved plan 01"), "{}", shown.stdout);
    // A plan is used up: there is nothing to go on with.
    let plan = saved(&project, &["--limit", "web2"]);
    project.run(&["apply", &plan]).expect(3);
    let last = id(runs(&project).last().expect("a run"));
    let refused = project.run(&["apply", "--yes", "--resume", &last]).expect(1);
    insta::assert_snapshot!("resume_saved", stable(&project, &refused.stderr));
}
