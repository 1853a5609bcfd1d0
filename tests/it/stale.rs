//! T38: a saved plan that no longer fits is refused before anything is written, and says which resource moved.

use std::fs;
use std::path::Path;

use crate::ledger::Bench;

const MODULE: &str = r#"
[file."ROOT/a"]
content = "new\n"
[file."ROOT/b"]
content = "b\n"
"#;

/// A saved plan that changes `a` from `old` and makes `b`.
fn saved(bench: &Bench) -> String {
    bench.write("a", "old\n");
    let plan = bench.project.path().join("plan.json").display().to_string();
    bench.run(&["plan", "-o", &plan]).expect(0);
    plan
}

/// All files of the folder with what is in them.
fn tree(bench: &Bench) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(bench.path("")).expect("the folder");
    let mut all: Vec<(String, Vec<u8>)> = entries
        .map(|entry| entry.expect("an entry").path())
        .map(|path| (path.display().to_string(), fs::read(&path).unwrap_or_default()))
        .collect();
    all.sort();
    all
}

/// The plan is refused for this resource, and nothing was written.
#[track_caller]
fn refused(bench: &Bench, plan: &str, named: &str, why: &str) {
    let before = tree(bench);
    let applied = bench.run(&["apply", plan]).expect(3);
    let told = bench.told(&applied);
    assert!(
        told.contains("here  refused: ") && told.contains(named) && told.contains(why),
        "{told}"
    );
    assert_eq!(tree(bench), before, "{told}");
}

const MOVED: &str = "changed on the host after this plan was made";

#[test]
fn after_another_apply() {
    let bench = Bench::new(MODULE);
    let plan = saved(&bench);
    bench.declare(&MODULE.replace("new", "newer"));
    bench.apply();
    refused(&bench, &plan, "m/file[ROOT/a]", MOVED);
}

#[test]
fn after_a_change_by_hand_also_of_the_mode_alone() {
    let bench = Bench::new(MODULE);
    let plan = saved(&bench);
    bench.write("b", "by hand\n");
    refused(&bench, &plan, "m/file[ROOT/b]", MOVED);
    fs::remove_file(bench.path("b")).expect("a file");
    let strict = MODULE.replace("content = \"new\\n\"", "content = \"new\\n\"\nmode = \"0600\"");
    let bench = Bench::new(&strict);
    let plan = saved(&bench);
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o444);
    fs::set_permissions(bench.path("a"), mode).expect("a mode");
    refused(&bench, &plan, "m/file[ROOT/a]", MOVED);
}

/// Another machine answers under the name: nothing of before is there, and it remembers nothing.
#[test]
fn after_the_host_was_built_anew() {
    let bench = Bench::new(MODULE);
    bench.run(&["apply", "--yes", "--target", "m/file[**/b]"]).expect(0);
    let plan = saved(&bench);
    for path in [bench.path(""), bench.project.path().join(".host-state")] {
        fs::remove_dir_all(&path).expect("a folder");
    }
    fs::create_dir(bench.path("")).expect("the folder");
    refused(&bench, &plan, "m/file[ROOT/", MOVED);
    assert!(!Path::new(&bench.path("a")).exists());
}

/// What is not in the file comes from the project: where that says something else now, the plan is not what was read.
/// What is in it is done as it was read, whatever the project says since.
#[test]
fn after_the_inventory_changed() {
    let secret = "[file.\"ROOT/a\"]\ncontent = \"{{ vars.word }}\\n\"\nsensitive = true\n";
    let inventory = |word: &str| {
        format!(
            "[connection]\ntransport = \"local\"\n[hosts.here]\nvars = {{ word = \"{word}\" }}\n"
        )
    };
    let bench = Bench::new(secret);
    bench.project.file("inventory.toml", inventory("one"));
    let plan = saved(&bench);
    bench.project.file("inventory.toml", inventory("two"));
    refused(&bench, &plan, "m/file[ROOT/a]", "changed in the project after this plan was made");
    bench.project.file("inventory.toml", inventory("one").replace("here", "there"));
    let gone = bench.run(&["apply", &plan]).expect(1).stderr;
    assert!(gone.contains("changes here, which the inventory no longer has"), "{gone}");
    assert_eq!(bench.text("a"), "old\n");
    let open = Bench::new(&secret.replace("sensitive = true\n", ""));
    open.project.file("inventory.toml", inventory("one"));
    let plan = saved(&open);
    open.project.file("inventory.toml", inventory("two"));
    open.run(&["apply", &plan]).expect(0);
    assert_eq!(open.text("a"), "one\n", "exactly what was read");
}
