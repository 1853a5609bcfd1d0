//! What dpkg knows, and what a host remembers, is not asked for again while their files are as they were; whoever touches
//! them is seen.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::project;
use trueup::model::change::sha256_hex;

use crate::support::{Output, Project, lab, lab::left_out, lab::own};

const HOST: &str = "spare1";

/// Runs with this folder for what can be found again.
fn run(project: &Project, words: &[&str], cache: &Path) -> Output {
    let cache = cache.display().to_string();
    project.on_lab_with(words, &[("XDG_CACHE_HOME", &cache)])
}

fn plan(project: &Project, cache: &Path) -> Output {
    run(project, &["plan", "--detailed-exitcode"], cache)
}

/// The one answer that is kept.
fn kept(cache: &Path) -> PathBuf {
    let entries = std::fs::read_dir(cache.join("trueup/answers")).expect("a folder").flatten();
    let files: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    assert_eq!(files.len(), 1, "{files:?}");
    files[0].clone()
}

/// Makes the kept answer say something else: who believes it is seen.
fn falsify(cache: &Path, (from, to): (&str, &str)) {
    let file = kept(cache);
    let text = std::fs::read_to_string(&file).expect("an answer");
    let (_, text) = text.split_once('\n').expect("a sum");
    assert!(text.contains(from), "{text}");
    let text = text.replace(from, to);
    std::fs::write(file, format!("{}\n{text}", sha256_hex(text.as_bytes()))).expect("an answer");
}

/// What was touched just before is not kept.
fn rest() {
    std::thread::sleep(Duration::from_secs(4));
}

#[test]
fn dpkg_is_asked_again_once_its_files_were_touched() {
    if left_out() {
        return;
    }
    let _host = own(HOST);
    let project = project(&format!("[hosts.{HOST}]\n"), "[package.dpkg]\n[package.coreutils]\n");
    let cache = tempfile::tempdir().expect("a temporary folder");
    // What was touched less than 2 s ago is not kept.
    lab().on(HOST, "touch /var/lib/dpkg/updates");
    plan(&project, cache.path()).expect(0);
    assert!(!cache.path().join("trueup/answers").exists());
    rest();
    for touch in [
        "echo coreutils hold | dpkg --set-selections",
        "echo coreutils install | dpkg --set-selections",
        ": >/var/lib/dpkg/updates/0001 && rm /var/lib/dpkg/updates/0001",
        "cp -p /var/lib/dpkg/status /var/lib/dpkg/status-new && mv /var/lib/dpkg/status-new /var/lib/dpkg/status",
    ] {
        plan(&project, cache.path()).expect(0);
        falsify(cache.path(), ("\tinstalled\t", "\tnot-installed\t"));
        let believed = plan(&project, cache.path()).expect(2);
        assert!(
            believed.last_line().contains("2 to change")
                || believed.last_line().contains("1 to change"),
            "{}",
            believed.stdout
        );
        lab().on(HOST, touch);
        plan(&project, cache.path()).expect(0);
        rest();
    }
    // What is half written is not believed.
    plan(&project, cache.path()).expect(0);
    let file = kept(cache.path());
    let text = std::fs::read(&file).expect("an answer");
    std::fs::write(file, &text[..text.len() / 2]).expect("an answer");
    plan(&project, cache.path()).expect(0);
}

#[test]
fn what_a_host_remembers_comes_again_once_it_was_touched() {
    if left_out() {
        return;
    }
    let _host = own(HOST);
    let both =
        "[file.\"/srv/still-a\"]\ncontent = \"a\"\n[file.\"/srv/still-b\"]\ncontent = \"b\"\n";
    let project = project(&format!("[hosts.{HOST}]\n"), both);
    let (cache, other) =
        (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    run(&project, &["apply", "--yes"], cache.path()).expect(0);
    lab().on(HOST, "touch /srv/still-c");
    let pruned = |cache: &Path| run(&project, &["plan", "--prune"], cache).expect(0).stdout;
    let state = project.lab_state().display().to_string();
    for touch in [
        // Another run, with a cache of its own, brings a ledger anew.
        "",
        "touch STATE/*/*/journal",
        "for f in STATE/*/*/ledger; do cp -p $f $f.2 && mv $f.2 $f; done",
    ] {
        rest();
        let told = pruned(cache.path());
        assert!(told.contains("no changes"), "{told}");
        falsify(cache.path(), ("/srv/still-b", "/srv/still-c"));
        let believed = pruned(cache.path());
        // A ledger has a digest of its own.
        let lied = believed.contains("/srv/still-c") || believed.contains("it was changed after");
        assert!(lied, "{believed}");
        if touch.is_empty() {
            project.file("modules/m/module.toml", both.replace("\"a\"", "\"A\""));
            run(&project, &["apply", "--yes"], other.path()).expect(0);
        } else {
            lab().on(HOST, &touch.replace("STATE", &state));
        }
        let told = pruned(cache.path());
        assert!(told.contains("no changes") && !told.contains("ledger"), "{told}");
    }
    // Where one address is not declared, or there is something sensitive, nothing is kept.
    let files =
        || std::fs::read_dir(cache.path().join("trueup/answers")).expect("a folder").count();
    rest();
    pruned(cache.path());
    assert_eq!(files(), 1);
    let secret = "[file.\"/srv/still-a\"]\ncontent = \"A\"\nsensitive = true\n[file.\"/srv/still-b\"]\ncontent = \"b\"\n";
    project.file("modules/m/module.toml", secret);
    pruned(cache.path());
    assert_eq!(files(), 0);
    project.file("modules/m/module.toml", "[file.\"/srv/still-a\"]\ncontent = \"A\"\n");
    assert!(pruned(cache.path()).contains("/srv/still-b"));
    assert_eq!(files(), 0);
    // What cannot be read is not taken for nothing.
    lab().on(HOST, &format!("for f in {state}/*/*/ledger; do mv $f $f.2 && mkdir $f; done"));
    let unread = run(&project, &["apply", "--yes"], cache.path()).expect(3);
    assert!(unread.stdout.contains("what it remembers cannot be read there"), "{}", unread.stdout);
    let gone = lab().on(HOST, &format!("rm -r {state} /srv/still-*; ls {state} 2>&1 || true"));
    assert!(gone.contains("No such file"), "{gone}");
    assert!(!pruned(cache.path()).contains("still-b"));
}
