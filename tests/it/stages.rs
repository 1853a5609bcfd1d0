//! Stages across hosts, on this machine under two names.

use crate::ledger::Bench;
use crate::support::Project;

fn project(first: &str, second: &str) -> Project {
    let project = Project::new();
    project
        .file(
            "trueup.toml",
            "[project]\nname = \"s\"\ninventory = \"i.toml\"\n[[stage]]\nname = \"first\"\nhosts = \"b\"\nmodules = [\"one\"]\n\
             [[stage]]\nname = \"second\"\nhosts = \"a or b\"\nmodules = [\"two\"]\n",
        )
        .file(
            "i.toml",
            format!(
                "[connection]\ntransport = \"local\"\n[vars]\nroot = {:?}\n[hosts.a]\n[hosts.b]\n",
                project.path().join("out").display().to_string()
            ),
        )
        .file("modules/one/module.toml", first)
        .file("modules/two/module.toml", second);
    std::fs::create_dir(project.path().join("out")).expect("a folder");
    project
}

const SECOND: &str = r#"
[command.then]
command = "test -e {{ vars.root }}/first && touch {{ vars.root }}/{{ host.name }}"
creates = "{{ vars.root }}/{{ host.name }}"
"#;

#[test]
fn a_stage_begins_when_the_one_before_is_through_on_every_host() {
    let first = "[command.slow]\ncommand = \"sleep 0.5; touch {{ vars.root }}/first\"\ncreates = \"{{ vars.root }}/first\"\n";
    let project = project(first, SECOND);
    let apply = project.run(&["apply", "--yes"]).expect(0);
    assert!(apply.stdout.contains("\nstage second\n"), "{}", apply.stdout);
    assert!(apply.last_line().contains(": 3 commands. Run "), "{}", apply.stdout);
    assert_eq!(
        project.run(&["plan", "--detailed-exitcode"]).expect(0).last_line(),
        "Plan: 2 hosts: 2 unchanged."
    );
}

#[test]
fn where_a_stage_fails_on_all_its_hosts_no_later_one_begins() {
    let first = "[command.fails]\ncommand = \"echo no luck; exit 4\"\nunless = \"false\"\n";
    let project = project(first, SECOND);
    let apply = project.run(&["apply", "--yes"]).expect(3);
    let (_, end) = apply.stdout.split_once("Plan: ").expect("a plan");
    let end = end.lines().skip(1).collect::<Vec<_>>().join("\n");
    let time = regex::Regex::new(r"in \d+\.\d s").expect("a regex");
    let run = regex::Regex::new(r"Run .*").expect("a regex");
    insta::assert_snapshot!(run.replace(&time.replace(&end, "in N s"), "Run RUN"));
    assert!(!project.path().join("out/a").exists());
}

/// A later wave changes nothing that the plan did not name: what a command spoiled is told, and left as it is.
#[test]
fn a_later_wave_does_nothing_that_was_not_announced() {
    let bench = Bench::new(
        "[command.make]\ncommand = \"echo base >ROOT/made; echo spoilt >ROOT/b\"\ncreates = \"ROOT/made\"\n\
         [line.l]\npath = \"ROOT/made\"\nline = \"x\"\nrequires = [\"command[make]\"]\n\
         [file.\"ROOT/b\"]\ncontent = \"b\\n\"\nrequires = [\"line[l]\"]\n",
    );
    bench.write("b", "b\n");
    let plan = bench.run(&["plan"]).expect(0).stdout;
    assert!(!plan.contains("/b]"), "{plan}");
    let applied = bench.run(&["apply", "--yes"]).expect(3).stdout;
    assert_eq!(bench.text("b"), "spoilt\n", "{applied}");
    assert!(applied.contains("/b]"), "it is told: {applied}");
}
