//! New files, folders and links of one folder are made together, and each of them as if it were alone: whatever is in
//! the way, whatever they are called, and whoever owns the folder.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

use crate::ledger::Bench;

/// Thirty files, the tenth after one whose validator runs `meanwhile`.
fn thirty(meanwhile: &str) -> String {
    format!(
        "[file.\"ROOT/first\"]\ncontent = \"1\\n\"\nvalidate = '''{meanwhile}'''\n\
         [file.\"ROOT/d/f{{{{ each.value }}}}\"]\nfor_each = \"{{{{ range(start=1, end=31) }}}}\"\n\
         content = \"file {{{{ each.value }}}}\"\nmode = \"0640\"\n"
    )
}

fn names(folder: &std::path::Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder").flatten();
    let mut names: Vec<String> =
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort_unstable();
    names
}

#[test]
fn odd_names_and_contents_arrive() {
    let odd = [
        "plain",
        "a b",
        "it's",
        "say \\\"x\\\"",
        "star*",
        "-n",
        "back\\\\slash",
        ".dotted",
        "~",
        "$HOME",
        "ünï",
        "[x]",
    ];
    let contents = [
        "",
        "\\n",
        "no newline",
        "$(touch /nowhere) `x`",
        "'\\\"\\\\",
        "a\\r\\nb\\n",
        "\\t tab",
        "ü\\n",
    ];
    let mut declared = String::from("[directory.\"ROOT/d\"]\nmode = \"2755\"\n");
    for (at, name) in odd.iter().enumerate() {
        let content = contents[at % contents.len()];
        let _ = write!(
            declared,
            "[file.\"ROOT/d/{name}\"]\ncontent = \"{content}\"\nmode = \"0600\"\n"
        );
    }
    for name in odd {
        let _ = write!(declared, "[directory.\"ROOT/d/{name}.d\"]\nmode = \"0750\"\n");
    }
    for name in odd {
        let _ = write!(declared, "[symlink.\"ROOT/d/{name}.l\"]\ntarget = \"{name}\"\n");
    }
    let bench = Bench::new(&declared);
    bench.apply();
    let folder = bench.path("d");
    assert_eq!(names(&folder).len(), 3 * odd.len(), "{:?}", names(&folder));
    assert_eq!(fs::read_to_string(folder.join("star*")).expect("a file"), "'\"\\");
    assert_eq!(fs::read_to_string(folder.join("it's")).expect("a file"), "no newline");
    assert_eq!(fs::metadata(folder.join("[x]")).expect("a file").mode() & 0o7777, 0o600);
    assert_eq!(fs::metadata(folder.join("~.d")).expect("a folder").mode() & 0o777, 0o750);
    assert_eq!(fs::read_link(folder.join("$HOME.l")).expect("a link").to_str(), Some("$HOME"));
    let plan = bench.run(&["plan", "--detailed-exitcode"]).expect(0);
    assert!(plan.stdout.contains("no changes"), "{}", plan.stdout);
}

#[test]
fn what_comes_in_the_way_stays_and_is_named() {
    for way in ["echo mine >ROOT/d/f17", "mkdir ROOT/d/f17", "ln -s /nowhere ROOT/d/f17"] {
        let bench = Bench::new(&thirty(way));
        fs::create_dir(bench.path("d")).expect("a folder");
        let root = bench.path("").display().to_string();
        let root = root.trim_end_matches('/');
        bench.declare(&thirty(&way.replace("ROOT", root)));
        let apply = bench.run(&["apply", "--yes"]).expect(3);
        let told = format!("{}{}", apply.stdout, apply.stderr);
        assert!(
            told.contains("it was not there when this was planned, and is there now"),
            "{told}"
        );
        assert_eq!(bench.text("d/f16"), "file 16");
        assert_eq!(fs::metadata(bench.path("d/f16")).expect("a file").mode() & 0o777, 0o640);
        assert!(!bench.path("d/f18").exists(), "nothing behind it is done");
        assert_ne!(bench.text("d/f17"), "file 17", "what came stays");
        let listed = names(&bench.path("d"));
        assert!(
            listed.iter().all(|name| !name.contains("trueup")),
            "nothing lies beside: {listed:?}"
        );
        assert_eq!(listed.len(), 17);
    }
}

#[test]
fn in_a_folder_of_somebody_else_they_are_made_together_too() {
    let bench = Bench::new(&thirty("true"));
    fs::create_dir(bench.path("d")).expect("a folder");
    std::os::unix::fs::chown(bench.path("d"), Some(65534), Some(65534)).expect("as root");
    bench.apply();
    let all = names(&bench.path("d"));
    assert_eq!(all.len(), 30, "{all:?}");
    let of = fs::metadata(bench.path("d/f30")).expect("a file");
    assert_eq!((of.uid(), of.mode() & 0o777), (0, 0o640));
}

#[test]
fn a_nest_that_somebody_planted_is_not_used() {
    let bench = Bench::new(&thirty("for n in 1 2 3 4 5 6 7 8 9 10 11 12; do :; done"));
    let elsewhere = bench.path("elsewhere");
    fs::create_dir(&elsewhere).expect("a folder");
    fs::create_dir(bench.path("d")).expect("a folder");
    fs::set_permissions(bench.path("d"), fs::Permissions::from_mode(0o1777)).expect("a mode");
    symlink(&elsewhere, bench.path("d/f5")).expect("a link");
    let plan = bench.run(&["plan"]);
    assert!(plan.stdout.contains("f5"), "{}", plan.stdout);
    bench.run(&["apply", "--yes"]);
    assert!(names(&elsewhere).is_empty(), "nothing is written through a link");
}

#[test]
fn a_rollback_takes_all_of_them_away() {
    let bench = Bench::new(&thirty("true"));
    fs::create_dir(bench.path("d")).expect("a folder");
    bench.apply();
    assert_eq!(names(&bench.path("d")).len(), 30);
    bench.run(&["rollback", "last", "--yes"]).expect(0);
    assert_eq!(names(&bench.path("d")), Vec::<String>::new());
    bench.apply();
    assert_eq!(names(&bench.path("d")).len(), 30);
}
