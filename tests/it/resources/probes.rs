//! A probe changes nothing and says the same in every shell: the probes of all cases, run for real.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::{Path, PathBuf};

use trueup::resources::{Erased, REGISTRY, ResourceType};
use trueup::shell::{Answer, Script};

use super::case::{cases, parse};
use super::check::parts_of;
use super::session::{Shell, folder, question, shells};

/// What stands at the paths of the cases.
#[derive(Debug, Clone, Copy)]
enum Stands {
    Nothing,
    Folders,
    Files,
    Directories,
    Links,
    HardLinks,
}

const ALL: [Stands; 6] = [
    Stands::Nothing,
    Stands::Folders,
    Stands::Files,
    Stands::Directories,
    Stands::Links,
    Stands::HardLinks,
];

impl Stands {
    /// Makes it at `path`. What cannot be made there is left out.
    fn make(self, path: &Path) {
        if matches!(self, Self::Nothing) {
            return;
        }
        let _ = fs::create_dir_all(path.parent().expect("a folder"));
        let _ = match self {
            Self::Nothing | Self::Folders => Ok(()),
            Self::Files => fs::write(path, "port = 80\n"),
            Self::Directories => fs::create_dir(path),
            Self::Links => symlink("/srv/app", path),
            Self::HardLinks => {
                let other = path.with_extension("other");
                fs::write(&other, "port = 8080").and_then(|()| fs::hard_link(other, path))
            }
        };
    }
}

/// The resources of all cases of a type, their paths moved below `root`.
fn moved(kind: &dyn ResourceType, root: &Path) -> Vec<Erased> {
    let below = |path: &str| match path.strip_prefix('/') {
        Some(path) => root.join(path).display().to_string(),
        None => path.to_owned(),
    };
    let mut found = Vec::new();
    for mut case in cases(kind.name()) {
        for key in ["path", "creates", "cwd"] {
            if let Some(toml::Value::String(path)) = case.desired.get_mut(key) {
                *path = below(path);
            }
        }
        let name = below(&case.name);
        found.extend(parse(kind, &name, &case.desired, &case.bodies).ok());
    }
    found
}

/// Everything below a folder, with all that a change of it would show in.
fn snapshot(folder: &Path) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder").flatten() {
            let path = entry.path();
            let meta = fs::symlink_metadata(&path).expect("an entry");
            let content = meta.is_file().then(|| fs::read(&path).expect("a file"));
            let of = [meta.mode().into(), meta.ino(), meta.nlink(), meta.size()];
            let times = [meta.mtime(), meta.mtime_nsec(), meta.ctime(), meta.ctime_nsec()];
            let owner = (meta.uid(), meta.gid());
            if meta.is_dir() {
                folders.push(path.clone());
            }
            let target = fs::read_link(&path).ok();
            found.insert(path, format!("{of:?} {owner:?} {times:?} {target:?} {content:?}"));
        }
    }
    found
}

type Asked = Vec<(&'static dyn ResourceType, Vec<Erased>)>;

/// Asks about everything in one session.
fn ask(shell: &Shell, state: &Path, asked: &Asked) -> Vec<Answer> {
    let mut script = Script::new();
    for (seq, (kind, desired)) in (1_u32..).zip(asked) {
        question(&mut script, seq, *kind, &desired.iter().collect::<Vec<_>>());
    }
    shell.run(state, &script, &[])
}

/// What the answer of one type means for each of its resources.
fn meaning(kind: &dyn ResourceType, desired: &[Erased], answer: &Answer) -> Vec<String> {
    let items: Vec<&Erased> = desired.iter().collect();
    let observed = kind.observe(&items, &answer.payload);
    let said = |(desired, observed): (&Erased, Result<Erased, String>)| match observed {
        Err(why) => why,
        Ok(observed) => {
            let verdict = kind.diff(desired, &observed);
            let (word, says, change) = parts_of(&verdict);
            format!("{}: {word} {says} {change:?}", kind.subject(desired))
        }
    };
    desired.iter().zip(observed).map(said).collect()
}

fn about_paths(kind: &dyn ResourceType) -> bool {
    !matches!(kind.name(), "group" | "user" | "package" | "service" | "authorized_key")
}

/// Types that ask programs, or for programs, which busybox has not.
fn needs_more_than_busybox(kind: &dyn ResourceType) -> bool {
    matches!(kind.name(), "group" | "user" | "package" | "service")
}

fn check(stands: Stands) {
    let place = folder();
    let (root, state) = (place.path().join("root"), place.path().join("state"));
    fs::create_dir(&root).expect("a folder");
    // Only paths stand otherwise each time: packages, units and accounts are asked about once.
    let asks = |kind: &dyn ResourceType| matches!(stands, Stands::Nothing) || about_paths(kind);
    let kinds = REGISTRY.iter().copied().filter(|kind| asks(*kind));
    let asked: Asked = kinds.map(|kind| (kind, moved(kind, &root))).collect();
    for desired in asked.iter().flat_map(|(kind, all)| all.iter().map(|one| kind.subject(one))) {
        if Path::new(desired).starts_with(&root) {
            stands.make(Path::new(desired));
        }
    }
    let before = snapshot(place.path());
    let shells = shells();
    let mut first: Option<Vec<Answer>> = None;
    for shell in &shells {
        let answers = ask(shell, &state, &asked);
        assert_eq!(snapshot(place.path()), before, "{}: {stands:?}", shell.name);
        assert_eq!(answers.len(), asked.len(), "{}: an answer for each type", shell.name);
        let first = first.get_or_insert_with(|| answers.clone());
        for ((kind, desired), (one, other)) in asked.iter().zip(first.iter().zip(&answers)) {
            if shell.has_gnu_tools() {
                let text = |answer: &Answer| String::from_utf8_lossy(&answer.payload).into_owned();
                assert_eq!(text(one), text(other), "{}: {} {stands:?}", shell.name, kind.name());
            } else if !needs_more_than_busybox(*kind) {
                let (one, other) = (meaning(*kind, desired, one), meaning(*kind, desired, other));
                assert_eq!(one, other, "{}: {} {stands:?}", shell.name, kind.name());
            }
        }
    }
}

#[test]
fn probes_change_nothing_and_say_the_same_in_every_shell() {
    ALL.into_iter().for_each(check);
}
