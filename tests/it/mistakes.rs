//! A catalogue of mistakes: each folder of `tests/cases/mistakes` breaks the project `_good` in one
//! way, and its `expected.txt` is all that the program says about it.
//!
//! Beside the files that differ a case may have `args` (the words of the command line, one on each
//! line; `check` where it has none) and `removed` (paths to take away). With `UPDATE_CASES=1` in the
//! environment `expected.txt` is written anew.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{Project, copy, repository};

/// Files of a case that are about it and not in the project.
const ABOUT: [&str; 3] = ["expected.txt", "args", "removed"];

fn folder() -> PathBuf {
    repository().join("tests/cases/mistakes")
}

/// Every case but `_good`, sorted.
fn cases() -> Vec<String> {
    let entries = fs::read_dir(folder()).expect("the catalogue").flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut names: Vec<String> = names.filter(|name| !name.starts_with('_')).collect();
    names.sort();
    names
}

/// The lines of a file of a case; none where it is not there.
fn lines(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// What the program says of a case; `None` where it cannot be set up here.
fn said(name: &str) -> Option<String> {
    let case = folder().join(name);
    let project = Project::copy_of("tests/cases/mistakes/_good");
    copy(&case, project.path());
    for path in lines(&case.join("removed")) {
        let path = project.path().join(path);
        let gone = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
        gone.expect("what is removed was there");
    }
    for path in ABOUT {
        drop(fs::remove_file(project.path().join(path)));
    }
    if !set_up(name, project.path()) {
        return None;
    }
    let args = lines(&case.join("args"));
    let mut words: Vec<&str> = args.iter().map(String::as_str).collect();
    if words.first().is_none_or(|word| word.starts_with('-')) {
        words.insert(0, "check");
    }
    let output = project.run(&words);
    let mut said = format!("exit {}\n{}", output.status, output.stderr);
    // Paths of the command line are read from where the test stands.
    for (path, shown) in [(project.path(), "PROJECT"), (&repository(), "HERE")] {
        said = said.replace(path.to_str().expect("a path in UTF-8"), shown);
    }
    Some(said)
}

/// Makes what cannot be kept in the repository, by the name of the case; `false` where that is of no
/// use here.
fn set_up(name: &str, project: &Path) -> bool {
    match name {
        "folder_for_everybody" => mode(project, 0o757),
        "file_for_everybody" => mode(&project.join("modules/site/module.toml"), 0o646),
        "link_out_of_the_project" => outward(&project.join("inventories/staging.toml")),
        "link_out_of_a_module" => outward(&project.join("modules/site/files/logo.svg")),
        "template_is_a_link_out" => outward(&project.join("modules/site/templates/site.conf.tera")),
        "link_to_nowhere" => {
            let path = project.join("modules/site/files/logo.svg");
            fs::remove_file(&path).expect("a file");
            symlink("nowhere.svg", &path).expect("a link");
        }
        "module_is_a_pipe" => pipe(&project.join("modules/site/module.toml")),
        "module_is_a_folder" => {
            let path = project.join("modules/site/module.toml");
            fs::remove_file(&path).expect("a file");
            fs::create_dir(&path).expect("a folder");
        }
        "module_is_not_utf8" => {
            let path = project.join("modules/site/module.toml");
            let mut bytes = fs::read(&path).expect("a file");
            bytes[15] = 0xff;
            fs::write(&path, bytes).expect("a file");
        }
        "template_is_not_utf8" => {
            let path = project.join("modules/site/templates/upstreams.tera");
            fs::write(&path, b"caf\xe9\n").expect("a file");
        }
        "permission_denied" => {
            let path = project.join("modules/site/module.toml");
            mode(&path, 0);
            // Root may read everything.
            return fs::read(&path).is_err();
        }
        _ => {}
    }
    true
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("a mode");
}

/// Puts a link out of the project in the place of a file.
fn outward(path: &Path) {
    fs::remove_file(path).expect("a file");
    symlink("/etc/hosts", path).expect("a link");
}

fn pipe(path: &Path) {
    fs::remove_file(path).expect("a file");
    let status = Command::new("mkfifo").arg(path).status().expect("mkfifo(1)");
    assert!(status.success(), "a pipe");
}

#[test]
fn the_project_that_the_cases_break_is_right() {
    let project = Project::copy_of("tests/cases/mistakes/_good");
    for inventory in ["staging", "production"] {
        let path = project.path().join(format!("inventories/{inventory}.toml"));
        let path = path.to_str().expect("a path in UTF-8");
        let output = project.run(&["check", "--strict", "-i", path]).expect(0);
        assert_eq!(output.stderr, "", "{inventory}");
    }
}

#[test]
fn every_mistake_is_told_as_the_catalogue_says() {
    let update = std::env::var_os("UPDATE_CASES").is_some();
    let mut wrong = Vec::new();
    let cases = cases();
    assert!(cases.len() >= 70, "{} cases", cases.len());
    for name in &cases {
        let Some(said) = said(name) else { continue };
        let path = folder().join(name).join("expected.txt");
        if update {
            fs::write(&path, said).expect("expected.txt");
        } else {
            let expected = fs::read_to_string(&path).unwrap_or_default();
            if said != expected {
                wrong.push(format!("== {name}, expected:\n{expected}\n== and said:\n{said}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}\nUPDATE_CASES=1 takes it as it is", wrong.join("\n"));
}

#[test]
fn no_message_speaks_of_the_programs_insides() {
    let words =
        ["u32", "i64", "&str", "Option", "sequence", " map", "variant", "ident,", "panicked"];
    for name in cases() {
        let text = fs::read_to_string(folder().join(&name).join("expected.txt")).expect("a case");
        let told = text.lines().filter(|line| {
            let line = line.trim_start_matches(['│', '╰', ' ']);
            line.starts_with("error:") || line.starts_with("warning:") || line.starts_with("help:")
        });
        for line in told {
            for word in words {
                assert!(!line.contains(word), "{name}: `{word}` in: {line}");
            }
        }
    }
}
