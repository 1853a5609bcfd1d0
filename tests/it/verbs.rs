//! Verbs that need no project: init, completions, man.

use std::path::Path;
use std::process::Command;

use trueup::manual::{self, Document};

use crate::support::Project;

/// What the program offers for the last word of a line, as bash asks.
fn offered(folder: &Path, line: &[&str]) -> Vec<String> {
    let output = Command::new(env!("CARGO_BIN_EXE_trueup"))
        .current_dir(folder)
        .env_clear()
        .envs([("TRUEUP_COMPLETE", "bash"), ("_CLAP_IFS", "\n")])
        .env("_CLAP_COMPLETE_INDEX", line.len().to_string())
        .args(["--", "trueup"])
        .args(line)
        .output()
        .expect("the program under test");
    assert!(output.status.success() && output.stderr.is_empty(), "{line:?}: {output:?}");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    text.lines().map(ToOwned::to_owned).collect()
}

#[test]
fn hosts_and_groups_complete() {
    let project = Project::copy_of("examples/fleet");
    let here = project.path();
    assert_eq!(
        offered(here, &["plan", "--limit", ""]),
        ["balancer", "web", "all", "lb1", "web1", "web2"]
    );
    assert_eq!(offered(here, &["plan", "--limit", "l"]), ["lb1"]);
    assert_eq!(
        offered(here, &["plan", "--limit", "web and not web"]),
        ["web and not web", "web and not web1", "web and not web2"]
    );
    let elsewhere = Project::new();
    elsewhere.file("i.toml", "[hosts.far]\n");
    let folder = here.to_str().expect("UTF-8");
    assert_eq!(offered(elsewhere.path(), &["-C", folder, "plan", "--limit", "lb"]), ["lb1"]);
    assert_eq!(offered(elsewhere.path(), &["plan", "-i", "i.toml", "--limit", "f"]), ["far"]);
}

#[test]
fn verbs_types_and_modules_complete() {
    let project = Project::copy_of("examples/fleet");
    assert_eq!(offered(project.path(), &["pl"]), ["plan"]);
    assert_eq!(offered(project.path(), &["doc", "s"]), ["service", "symlink", "shop"]);
    assert_eq!(offered(project.path(), &["schema", "in"]), ["inventory"]);
}

#[test]
fn completion_is_silent_on_a_broken_project() {
    let project = Project::copy_of("examples/fleet");
    project.file("modules/shop/module.toml", "not TOML [");
    assert_eq!(offered(project.path(), &["plan", "--limit", "lb"]), ["lb1"]);
    project.file(
        "inventories/production.toml",
        "[groups.web]\nhosts = [\"web[3:1]\", 3, \"ok\"]\n[hosts.\"a;id\"]\n= 1\n",
    );
    assert_eq!(offered(project.path(), &["plan", "--limit", "o"]), ["ok"]);
    assert!(!offered(project.path(), &["plan", "--limit", ""]).contains(&"a;id".to_owned()));
    project.file("trueup.toml", "[[");
    assert_eq!(offered(project.path(), &["plan", "--limit", ""]), ["all"]);
}

#[test]
fn every_shell_is_hooked_up() {
    let nowhere = Project::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = nowhere.run(&["completions", shell]).expect(0).stdout;
        assert!(
            script.contains("TRUEUP_COMPLETE") && script.contains("trueup"),
            "{shell}: {script}"
        );
    }
    assert_eq!(nowhere.run(&["completions", "csh"]).expect(1).stdout, "");
}

#[test]
fn manual_pages_are_roff() {
    let nowhere = Project::new();
    let whole = nowhere.run(&["man"]).expect(0).stdout;
    assert!(whole.contains(".TH trueup 1") && whole.contains("Exit status"), "{whole}");
    let plan = nowhere.run(&["man", "plan"]).expect(0).stdout;
    assert!(plan.contains(".TH trueup-plan 1") && plan.contains("detailed\\-exitcode"), "{plan}");
    let wrong = nowhere.run(&["man", "paln"]).expect(1);
    assert_eq!(wrong.stderr, "error: trueup has no verb `paln`\n  did you mean `plan`?\n");
}

/// Runs `trueup init DIR`.
fn init(folder: &Path) -> crate::support::Output {
    Project::new().run(&["init", folder.to_str().expect("UTF-8")])
}

/// What a run that goes well prints, started inside a folder.
#[track_caller]
fn run_in(folder: &Path, words: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_trueup"));
    let state = folder.join(".host-state");
    command.env("TRUEUP_HOST_STATE", state).current_dir(folder).args(words);
    let output = command.output().expect("the program under test");
    assert!(output.status.success(), "{words:?}: {output:?}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[test]
fn a_new_project_checks_plans_and_applies_at_once() {
    let outer = Project::new();
    let folder = outer.path().join("my \"first\" ROOT");
    let said = init(&folder).expect(0).stdout;
    assert!(said.contains("Next:\n  cd -- '") && said.contains("trueup plan\n"), "{said}");
    let run = |words: &[&str]| run_in(&folder, words);
    assert!(run(&["check"]).contains("1 host, 1 module, 3 resources"));
    assert!(run(&["plan"]).ends_with("\nPlan: 1 host: 1 to change. 3 creates.\n"));
    run(&["apply", "--yes"]);
    assert!(run(&["plan"]).ends_with("\nPlan: 1 host: 1 unchanged.\n"));
    let text = std::fs::read_to_string(folder.join("made/hello.txt")).expect("the file it made");
    assert_eq!(text, "Hello from myfirstROOT on localhost.\n");
    for (document, path) in [
        (Document::Project, "trueup.toml"),
        (Document::Inventory, "inventories/local.toml"),
        (Document::Module, "modules/hello/module.toml"),
    ] {
        let text = std::fs::read_to_string(folder.join(path)).expect("a file of the project");
        let table: toml::Table = text.parse().expect("TOML");
        let value = serde_json::to_value(table).expect("JSON");
        let validator = jsonschema::validator_for(&manual::schema(document)).expect("a schema");
        assert!(validator.is_valid(&value), "{path}");
    }
}

#[test]
fn a_new_project_overwrites_nothing() {
    let project = Project::new();
    project.file("mine.txt", "mine");
    let wrong = init(project.path()).expect(1);
    assert_eq!(wrong.stdout, "");
    let help = ": it is not empty\n  name a folder that is empty or not there yet\n";
    assert!(wrong.stderr.ends_with(help), "{}", wrong.stderr);
    assert!(!project.path().join("trueup.toml").exists());
    let wrong = init(&project.path().join("mine.txt")).expect(1).stderr;
    assert!(wrong.starts_with("error: cannot make a project in "), "{wrong}");
}

#[test]
fn where_the_time_went_is_told_of_a_host_that_cannot_be_reached_too() {
    let project = Project::of(
        "[groups.g]\nhosts = [\"here\", \"gone\"]\n[hosts.here]\nconnection = { transport = \"local\" }\n\
         [hosts.gone]\naddress = \"127.0.0.1\"\nconnection = { port = 1 }\n",
        "",
    );
    for verb in
        [&["plan", "--timings"][..], &["apply", "--yes", "--timings"], &["drift", "--timings"]]
    {
        let run = project.run(verb).expect(3);
        let row = run.stderr.lines().find(|line| line.starts_with("gone ")).expect("a row");
        let times: Vec<&str> = row.split_whitespace().skip(1).collect();
        assert!(times[0].parse::<f64>().is_ok_and(|seconds| seconds > 0.0), "{row}");
        assert_eq!(
            (times[1], times[2], times[3], times[4], times[5]),
            ("-", "-", "-", "-", times[0])
        );
        assert!(run.stderr.lines().any(|line| line.starts_with("here ")), "{}", run.stderr);
    }
}

#[test]
fn a_verb_s_help_does_not_speak_of_what_the_verb_refuses() {
    let project = Project::new();
    let flags = ["--limit", "--shard", "--inventory", "--var", "--render-timeout"];
    let verbs: [(&[&str], &[&str]); 6] = [
        (&["disconnect"], &[]),
        (&["runs"], &[]),
        (&["runs", "merge"], &["x"]),
        (&["schema"], &["module"]),
        (&["plan"], &[]),
        (&["ledger"], &["x"]),
    ];
    for (verb, operands) in verbs {
        let help = project.run(&[verb, &["--help"]].concat()).expect(0).stdout;
        for flag in flags {
            let value = if flag == "--shard" { "1/2" } else { "1" };
            let words = [verb, &[flag, value], operands].concat();
            let refused =
                project.run(&words).stderr.contains(&format!("this verb takes no {flag}"));
            assert_eq!(help.contains(&format!("{flag} <")), !refused, "{words:?}: {help}");
        }
    }
}

#[test]
fn disconnect_says_where_it_does_not_believe_what_it_finds() {
    let run = tempfile::tempdir().expect("a folder");
    let variables = [("XDG_RUNTIME_DIR", run.path().to_str().expect("a name"))];
    let project = Project::new();
    let disconnect = || project.run_with(&["disconnect"], &variables);
    assert_eq!(disconnect().expect(0).stdout, "No connection was kept.\n");
    let folder = run.path().join("trueup/kept");
    std::fs::remove_dir(&folder).expect("a folder");
    std::fs::write(&folder, "").expect("a file");
    let wrong = disconnect().expect(1).stderr;
    assert!(wrong.contains("trueup/kept is not a folder of this user's alone"), "{wrong}");
}

#[test]
fn a_dash_is_no_file_to_write() {
    let project = Project::new();
    for words in [["plan", "--out", "-"], ["apply", "--junit", "-"], ["plan", "--log", "-"]] {
        let wrong = project.run(&words).expect(1).stderr;
        assert!(wrong.contains("`-` does not stand for standard output"), "{wrong}");
    }
    let wrong = project.run(&["runs", "merge", "-o", "-", "x"]).expect(1).stderr;
    assert!(wrong.contains("`-` does not stand for standard output"), "{wrong}");
}
