//! What dpkg knows is not asked for again while its files are as they were; whoever touches them is seen.

use std::path::{Path, PathBuf};

use super::project;
use trueup::model::change::sha256_hex;

use crate::support::{Output, Project, lab, lab::left_out, lab::own};

const HOST: &str = "spare1";

/// Plans with this folder for what can be found again.
fn plan(project: &Project, cache: &Path) -> Output {
    let cache = cache.display().to_string();
    project.on_lab_with(&["plan", "--detailed-exitcode"], &[("XDG_CACHE_HOME", &cache)])
}

/// The one answer that is kept.
fn kept(cache: &Path) -> PathBuf {
    let entries = std::fs::read_dir(cache.join("trueup/answers")).expect("a folder").flatten();
    let files: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    assert_eq!(files.len(), 1, "{files:?}");
    files[0].clone()
}

/// Makes the kept answer say that a package is not there: who believes it wants to install it.
fn falsify(cache: &Path) {
    let file = kept(cache);
    let text = std::fs::read_to_string(&file).expect("an answer");
    let (_, text) = text.split_once('\n').expect("a sum");
    let text = text.replace("\tinstalled\t", "\tnot-installed\t");
    std::fs::write(file, format!("{}\n{text}", sha256_hex(text.as_bytes()))).expect("an answer");
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
    std::thread::sleep(std::time::Duration::from_secs(4));
    for touch in [
        "echo coreutils hold | dpkg --set-selections",
        "echo coreutils install | dpkg --set-selections",
        ": >/var/lib/dpkg/updates/0001 && rm /var/lib/dpkg/updates/0001",
        "cp -p /var/lib/dpkg/status /var/lib/dpkg/status-new && mv /var/lib/dpkg/status-new /var/lib/dpkg/status",
    ] {
        plan(&project, cache.path()).expect(0);
        falsify(cache.path());
        let believed = plan(&project, cache.path()).expect(2);
        assert!(
            believed.last_line().contains("2 to change")
                || believed.last_line().contains("1 to change"),
            "{}",
            believed.stdout
        );
        lab().on(HOST, touch);
        plan(&project, cache.path()).expect(0);
        std::thread::sleep(std::time::Duration::from_secs(4));
    }
    // What is half written is not believed.
    plan(&project, cache.path()).expect(0);
    let file = kept(cache.path());
    let text = std::fs::read(&file).expect("an answer");
    std::fs::write(file, &text[..text.len() / 2]).expect("an answer");
    plan(&project, cache.path()).expect(0);
}
