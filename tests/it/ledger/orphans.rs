//! What nobody declares any more: whose it is now, what it is still needed for, and what was owed to it.

use std::fs;

use super::Bench;

/// One of each type that stands on paths, and a command that hears of them.
const THINGS: &str = r#"
[directory."ROOT/made"]
[file."ROOT/made/whole"]
content = "whole\n"
[file."ROOT/frame"]
[symlink."ROOT/link"]
target = "made"
[line.l]
path = "ROOT/frame"
line = "a line"
[block.b]
path = "ROOT/frame"
content = "a block\n"
[command.c]
command = "echo ran >> ROOT/ran"
creates = "ROOT/ran"
[command.told]
command = "echo told >> ROOT/told"
run_on = ["file[ROOT/made/**]"]
"#;

impl Bench {
    /// Gives the module another name.
    fn call_module(&self, name: &str) {
        let from = self.project.path().join("modules/m");
        fs::rename(from, self.project.path().join("modules").join(name)).expect("a module");
        let path = self.project.path().join("trueup.toml");
        let text = fs::read_to_string(&path).expect("a project");
        fs::write(path, text.replace("modules = [\"m\"]", &format!("modules = [\"{name}\"]")))
            .expect("a project");
    }

    #[track_caller]
    fn quiet(&self, words: &[&str]) {
        let output = self.run(words).expect(0);
        assert_eq!(output.stdout, "here  no changes\n\nPlan: 1 host: 1 unchanged.\n");
    }
}

#[test]
fn a_module_with_a_new_name_moves_nothing() {
    let bench = Bench::new(THINGS);
    bench.apply();
    bench.call_module("n");
    bench.quiet(&["plan"]);
    bench.quiet(&["plan", "--prune", "--prune-accounts"]);
    bench.run(&["apply", "--yes", "--prune-accounts"]).expect(0);
    assert_eq!(
        bench.text("frame"),
        "a line\n# BEGIN trueup block b\na block\n# END trueup block b\n"
    );
    let ledger = bench.run(&["ledger", "here"]).expect(0).stdout;
    assert!(!ledger.contains(" m/") && ledger.contains(" n/command[c]"), "{ledger}");
    // What is changed by hand is still drift, and what goes from the files still goes.
    bench.write("made/whole", "by hand\n");
    assert_eq!(bench.run(&["drift"]).expect(2).stdout.matches("drift: changed").count(), 1);
}

#[test]
fn what_is_owed_goes_over_to_the_new_address() {
    let bench = Bench::new(THINGS);
    bench.apply();
    bench.declare(&THINGS.replace("whole\\n", "new\\n"));
    let file = format!("m/file[{}]", bench.path("made/whole").display());
    bench.run(&["apply", "--yes", "--target", &file]).expect(0);
    bench.call_module("n");
    let plan = bench.run(&["plan"]).expect(0).stdout;
    assert!(plan.contains("n/command[told]") && plan.contains("owed since run"), "{plan}");
    assert!(plan.contains("in which file["), "{plan}");
    bench.apply();
    assert_eq!(bench.text("told").lines().count(), 2);
    bench.quiet(&["plan"]);
}

#[test]
fn what_is_owed_to_what_is_gone_is_kept_until_somebody_says_so() {
    let bench = Bench::new(THINGS);
    bench.apply();
    let new = THINGS.replace("whole\\n", "new\\n");
    bench.declare(&new);
    let file = format!("m/file[{}]", bench.path("made/whole").display());
    bench.run(&["apply", "--yes", "--target", &file]).expect(0);
    let told = new.find("[command.told]").expect("a command");
    let other = "[file.\"ROOT/other\"]\ncontent = \"x\\n\"\n";
    let without = format!("{}{other}", &new[..told]);
    bench.declare(&without);
    bench.apply();
    let plan = bench.run(&["plan"]).expect(0).stdout;
    assert!(plan.contains("m/command[told]  on here: it stays: what a command did cannot be undone; a run is owed to it, which --prune forgets"), "{plan}");
    // It is declared again: it still comes.
    bench.declare(&format!("{new}{other}"));
    bench.apply();
    assert_eq!(bench.text("told").lines().count(), 2);
    // And where it is asked for, it is forgotten with it.
    bench.declare(&new.replace("new\\n", "third\\n"));
    bench.run(&["apply", "--yes", "--target", &file]).expect(0);
    bench.declare(&without.replace("new\\n", "third\\n"));
    bench.run(&["apply", "--yes", "--prune"]).expect(0);
    bench.quiet(&["plan"]);
}

#[test]
fn what_is_still_needed_stays() {
    let bench = Bench::new(THINGS);
    bench.apply();
    bench.write("made/stranger", "x\n");
    // The folder and the frame are not declared any more, and something in them is.
    let left = "[file.\"ROOT/made/whole\"]\ncontent = \"whole\\n\"\n\
                [line.other]\npath = \"ROOT/frame\"\nline = \"a line\"\n";
    bench.declare(left);
    let plan = bench.run(&["plan"]).expect(0);
    insta::assert_snapshot!("orphans_needed", bench.told(&plan));
    bench.declare("[file.\"ROOT/frame\"]\ncontent = \"all of it\\n\"\n");
    let plan = bench.run(&["plan", "--prune"]).expect(0);
    insta::assert_snapshot!("orphans_in_the_way", bench.told(&plan));
    bench.run(&["apply", "--yes", "--prune"]).expect(0);
    assert!(bench.path("made/stranger").exists() && !bench.path("made/whole").exists());
    assert_eq!(bench.text("frame"), "all of it\n");
    // It goes when the stranger has gone.
    fs::remove_file(bench.path("made/stranger")).expect("a file");
    bench.run(&["apply", "--yes", "--prune"]).expect(0);
    assert!(!bench.path("made").exists());
}

#[test]
fn no_drift_is_told_where_nothing_is_remembered() {
    let bench = Bench::new(THINGS);
    let never = bench.run(&["drift"]).expect(3).stdout;
    assert!(never.contains("it remembers no apply of this project"), "{never}");
    bench.apply();
    let none = bench.run(&["drift"]).expect(0).stdout;
    assert!(none.contains("as the last apply left it"), "{none}");
    fs::write(bench.state("ledger"), "garbage\n").expect("a ledger");
    let damaged = bench.run(&["drift"]).expect(3);
    assert!(damaged.stdout.contains("what moved is not known: its ledger"), "{}", damaged.stdout);
    let json = bench.run(&["drift", "--json"]).expect(3).stdout;
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!((&json["complete"], &json["errored"]), (&false.into(), &true.into()));
    bench.run(&["ledger", "here", "--forget", "--yes"]).expect(0);
    bench.run(&["drift"]).expect(3);
}

#[test]
fn a_command_that_always_runs_is_no_drift() {
    let bench = Bench::new("[command.c]\ncommand = \"true\"\n");
    bench.apply();
    bench.apply();
    bench.run(&["drift"]).expect(0);
    let plan = bench.run(&["plan"]).expect(0).stdout;
    assert!(!plan.contains("drift"), "{plan}");
    // What is no longer declared is not looked at, and that is said.
    bench.declare("[file.\"ROOT/a\"]\ncontent = \"a\\n\"\n");
    bench.apply();
    bench.declare("[command.c]\ncommand = \"true\"\n");
    let drift = bench.run(&["drift"]).expect(0).stdout;
    assert!(drift.contains("not looked at, as no longer declared: 1"), "{drift}");
}
