//! Sets, from the files to the host that this machine is: what a plan says of them, and that all or none goes in.

use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

use crate::support::{Output, Project};

/// One host with a folder of its own.
struct Bench {
    project: Project,
    folder: TempDir,
}

/// Two files that must say the same; between them stands what belongs elsewhere.
const MODULE: &str = r#"
[set.pair]
members = ["file[ROOT/conf/**]", "symlink[ROOT/conf/link]"]
validate = "cmp {{ staged }}/one {{ staged }}/sub/two"

[directory."ROOT/conf"]

[file."ROOT/conf/one"]
content = "{{ vars.one }}\n"

[file."ROOT/other"]
content = "{{ vars.one }}\n"

[directory."ROOT/conf/sub"]

[file."ROOT/conf/sub/two"]
content = "{{ vars.two }}\n"

[symlink."ROOT/conf/link"]
target = "one"
"#;

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().display().to_string();
        let inventory =
            "[connection]\ntransport = \"local\"\n[vars]\none = \"a\"\ntwo = \"a\"\n[hosts.box]\n";
        Self { project: Project::of(inventory, &MODULE.replace("ROOT", &root)), folder }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    fn run(&self, words: &[&str]) -> Output {
        let state = self.path("state").display().to_string();
        self.project.run_with(words, &[("TRUEUP_HOST_STATE", &state)])
    }

    fn told(&self, text: &str) -> String {
        text.replace(&self.folder.path().display().to_string(), "ROOT")
    }

    /// What the two files say.
    fn both(&self) -> [String; 2] {
        ["conf/one", "conf/sub/two"]
            .map(|path| fs::read_to_string(self.path(path)).unwrap_or_default())
    }
}

#[test]
fn a_plan_shows_the_members_of_a_set_together() {
    let bench = Bench::new();
    let plan = bench.run(&["plan"]).expect(0);
    insta::assert_snapshot!("set_plan", bench.told(&plan.stdout));
    let json: serde_json::Value =
        serde_json::from_str(&bench.run(&["plan", "--json"]).expect(0).stdout).expect("JSON");
    let changes = json["sets"][0]["changes"].as_array().expect("changes");
    let members: Vec<&str> =
        changes.iter().filter_map(|change| change["set"]["name"].as_str()).collect();
    assert_eq!(members, ["m/set[pair]"; 3]);
    assert_eq!(changes[3]["set"]["validate"], "cmp {{ staged }}/one {{ staged }}/sub/two");
}

#[test]
fn members_go_in_together_and_are_refused_together() {
    let bench = Bench::new();
    bench.run(&["apply", "--yes"]).expect(0);
    assert_eq!(bench.both(), ["a\n", "a\n"]);
    bench.run(&["plan", "--detailed-exitcode"]).expect(0);
    // One of them changes: the other one is looked at with it.
    let refused = bench.run(&["apply", "--yes", "--var", "one=b"]).expect(3);
    assert!(
        refused.stdout.contains("the old files stay, because validate said (exit status 1):"),
        "{}",
        refused.stdout
    );
    assert!(refused.stdout.contains("differ"), "{}", refused.stdout);
    // The set is to blame, at its own place, and none of its members is done.
    let (_, end) = refused.stdout.split_once("\nPlan: ").expect("a plan");
    let end = bench.told(end);
    assert!(
        end.contains("  x m/set[pair]  ") && end.contains("modules/m/module.toml:2\n"),
        "{end}"
    );
    assert!(end.contains("Not done: m/file[ROOT/conf/one]"), "{end}");
    assert_eq!(bench.both(), ["a\n", "a\n"]);
    bench.run(&["apply", "--yes", "--var", "one=b", "--var", "two=b"]).expect(0);
    assert_eq!(bench.both(), ["b\n", "b\n"]);
    assert!(bench.path("conf/link").is_symlink());
    let names: Vec<_> = fs::read_dir(bench.path("conf")).expect("a folder").flatten().collect();
    assert_eq!(names.len(), 3, "{names:?}");
}

#[test]
fn a_validator_sees_members_that_are_not_selected() {
    let bench = Bench::new();
    bench.run(&["apply", "--yes"]).expect(0);
    let one = format!("m/file[{}]", bench.path("conf/one").display());
    let words = ["apply", "--yes", "--var", "one=b", "--target", &one];
    let refused = bench.run(&words).expect(3);
    assert!(refused.stdout.contains("differ"), "{}", refused.stdout);
    assert_eq!(bench.both(), ["a\n", "a\n"]);
}

#[test]
fn a_saved_plan_keeps_its_sets() {
    let bench = Bench::new();
    let plan = bench.path("plan").display().to_string();
    bench.run(&["plan", "-o", &plan, "--var", "two=c"]).expect(0);
    let shown = bench.run(&["show", &plan]).expect(0);
    assert!(
        shown.stdout.contains("m/set[pair]: these 3 go in together or not at all"),
        "{}",
        shown.stdout
    );
    fs::remove_dir_all(bench.project.path().join("modules")).expect("the modules");
    let refused = bench.run(&["apply", &plan]).expect(3);
    assert!(refused.stdout.contains("differ"), "{}", refused.stdout);
    assert_eq!(bench.both(), ["", ""]);
}

#[test]
fn what_was_left_in_the_middle_is_told_and_put_back() {
    let bench = Bench::new();
    bench.run(&["apply", "--yes"]).expect(0);
    // As a run leaves it that dies before its first rename.
    let set = bench.path("state/o/box/sets/RUN-m-pair");
    fs::create_dir_all(&set).expect("a folder");
    let one = bench.path("conf/one");
    let journal = format!("word dead-9 m/set[pair]\npath 1 old {}\n", one.display());
    fs::write(set.join("journal"), journal).expect("a journal");
    let left = ["conf/.trueup-dead-9-1", "conf/.trueup-dead-9-1.old"].map(|path| bench.path(path));
    for path in &left {
        fs::write(path, "left\n").expect("a file");
    }
    let plan = bench.run(&["plan"]).expect(0);
    let note = "m/set[pair] was left in the middle by a run that died: the next apply puts its old files back first";
    assert!(plan.stdout.contains(note), "{}", plan.stdout);
    let apply = bench.run(&["apply", "--yes"]).expect(0);
    assert!(
        apply.stdout.contains(
            "m/set[pair] was left in the middle by a run that died: its old files are back"
        ),
        "{}",
        apply.stdout
    );
    assert!(!set.exists());
    assert!(left.iter().all(|path| !path.exists()));
    assert_eq!(bench.both(), ["a\n", "a\n"]);
    assert!(!bench.run(&["plan"]).expect(0).stdout.contains("in the middle"));
}
