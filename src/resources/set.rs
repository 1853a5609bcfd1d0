//! Sets: files and symlinks that go in together or not at all. One step stages the members of a set beside each other,
//! has them validated as a whole and swaps them; set.sh says how. It never decides which they are.

use std::collections::{BTreeSet, HashMap};

use super::STEP_SECONDS;
use super::input::parent;
use crate::model::Body;
use crate::shell::{Content, Script, Step};

/// Shell functions of sets, for steps and for what runs before a host is looked at.
pub(super) const LIBRARY: &str = include_str!("set.sh");

/// What validators know the folder of the set by, as it stands in shell text.
pub const STAGED: &str = "\"$staged\"";

/// A member of a set that changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    path: String,
    /// Which kind of change it is, by the word that set.sh has for it.
    kind: &'static str,
    /// What it takes to do it, behind the path.
    words: Vec<String>,
    /// The content that it brings.
    body: Option<Body>,
    /// Whether a file is there that another one replaces.
    replaces: bool,
}

impl Member {
    /// A file that is made or replaced: what was there (`stat` and digest), mode, owner, its own validator and the
    /// seconds that it may take.
    pub(super) fn put(path: &str, words: &[String; 6], body: Option<&Body>) -> Self {
        let replaces = words[0] != "absent";
        let (path, words, body) = (path.to_owned(), words.to_vec(), body.cloned());
        Self { path, kind: "put", words, body, replaces }
    }

    /// A change without a content.
    pub(super) fn other(kind: &'static str, path: &str, words: Vec<String>) -> Self {
        Self { path: path.to_owned(), kind, words, body: None, replaces: false }
    }
}

/// A set as its step needs it.
#[derive(Debug, Clone, Copy)]
pub struct SetStep<'s> {
    /// The folder's name on the host: of this run and this set alone.
    pub folder: &'s str,
    /// `module/set[name]`.
    pub label: &'s str,
    pub validate: Option<&'s str>,
    /// Seconds that a validator may take, where the files say.
    pub seconds: Option<u32>,
    /// Paths of all its members on the host, also of those that do not change.
    pub paths: &'s [&'s str],
}

impl SetStep<'_> {
    /// The step that changes `members`, all or none of them.
    #[must_use]
    pub fn step(&self, members: &[Member]) -> Step {
        let mut script = Script::new();
        let mut contents = Contents::default();
        script.text("each() {\nnth=0");
        for member in members {
            script
                .text(" &&\nmember \"$@\"")
                .arg(member.kind)
                .arg(&member.path)
                .args(&member.words);
            if member.kind == "put" {
                script.args(contents.place(member.body.as_ref()));
            }
        }
        script.text("\n}\ngather").arg(self.folder).text(" && each stage");
        if let Some(validate) = self.validate {
            let seconds = self.seconds.unwrap_or(STEP_SECONDS).to_string();
            let changing: BTreeSet<&str> = members.iter().map(|member| &*member.path).collect();
            let others = self.paths.iter().filter(|path| !changing.contains(*path));
            script.text(" &&\nalongside").args(others);
            script.text(" &&\nlayered").args(outermost(&changing));
            script.text(" &&\nbound").args(over(members));
            script.text(" &&\njudged").args([validate, &seconds, &common(self.paths)]);
        }
        let folders: BTreeSet<&str> = members.iter().map(|member| parent(&member.path)).collect();
        script.text(" &&\nswapped").arg(self.label).args(&folders).text(" ||\nundone");
        Step { content: contents.joined(), ..Step::new(script) }
    }
}

/// Contents one behind the other, each once.
#[derive(Default)]
struct Contents {
    bodies: Vec<Body>,
    bytes: u64,
    places: HashMap<String, u64>,
    any: bool,
}

impl Contents {
    /// Where a content begins, how long it is, and its digest.
    fn place(&mut self, body: Option<&Body>) -> [String; 3] {
        let Some(body) = body.filter(|body| body.is_here()) else {
            return ["-", "-", "-"].map(ToOwned::to_owned);
        };
        self.any = true;
        let digest = body.digest().to_owned();
        let at = *self.places.entry(digest.clone()).or_insert_with(|| {
            self.bodies.push(body.clone());
            self.bytes += body.size();
            self.bytes - body.size()
        });
        [at.to_string(), body.size().to_string(), digest]
    }

    fn joined(self) -> Option<Content> {
        self.any.then_some(self.bodies)
    }
}

/// The folders of `paths` that are in no other of them; none where one is the root, over which nothing can be laid.
fn outermost<'p>(paths: &BTreeSet<&'p str>) -> Vec<&'p str> {
    let folders: BTreeSet<&str> = paths.iter().map(|path| parent(path)).collect();
    if folders.contains("/") {
        return Vec::new();
    }
    let inside = |folder: &str, other: &str| {
        folder.strip_prefix(other).is_some_and(|rest| rest.starts_with('/'))
    };
    let alone = |folder: &&&str| !folders.iter().any(|other| inside(folder, other));
    folders.iter().filter(alone).copied().collect()
}

/// The files over which new ones can be laid one by one; none where that is not possible for all.
fn over(members: &[Member]) -> Vec<&str> {
    if members.iter().all(|member| member.replaces) {
        return members.iter().map(|member| &*member.path).collect();
    }
    Vec::new()
}

/// The nearest folder in which all of `paths` are; empty for the root.
#[must_use]
pub fn common(paths: &[&str]) -> String {
    let parts = |path: &str| -> Vec<String> {
        parent(path).split('/').skip(1).map(ToOwned::to_owned).collect()
    };
    let mut all = paths.iter().map(|path| parts(path));
    let first = all.next().unwrap_or_default();
    let shared = all.fold(first, |shared, other| {
        let same = shared.iter().zip(&other).take_while(|(one, other)| one == other);
        same.map(|(part, _)| part.clone()).collect()
    });
    let parts = shared.iter().filter(|part| !part.is_empty());
    parts.flat_map(|part| ["/", part.as_str()]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(meta: &str) -> [String; 6] {
        [meta, "-", "0644", "", "", "300"].map(ToOwned::to_owned)
    }

    #[test]
    fn the_folder_of_a_set_is_the_nearest_one_around_all() {
        for (paths, folder) in [
            (&["/etc/nginx/nginx.conf", "/etc/nginx/conf.d/a.conf"][..], "/etc/nginx"),
            (&["/etc/nginx/a", "/etc/nginx2/a"], "/etc"),
            (&["/etc/a", "/srv/a"], ""),
            (&["/a", "/b/c"], ""),
            (&["/etc/a"], "/etc"),
        ] {
            assert_eq!(common(paths), folder, "{paths:?}");
        }
    }

    #[test]
    fn folders_inside_others_are_laid_over_with_them() {
        let paths = BTreeSet::from(["/etc/n/a", "/etc/n/d/b", "/etc/nx/c"]);
        assert_eq!(outermost(&paths), ["/etc/n", "/etc/nx"]);
        assert!(outermost(&BTreeSet::from(["/a", "/etc/b"])).is_empty());
    }

    #[test]
    fn equal_contents_are_sent_once() {
        let body = Body::of(*b"same");
        let members = ["/a", "/b"].map(|path| Member::put(path, &words("absent"), Some(&body)));
        let set = SetStep {
            folder: "R-m-s",
            label: "m/set[s]",
            validate: None,
            seconds: None,
            paths: &[],
        };
        let step = set.step(&members);
        assert_eq!(step.content, Some(vec![body]));
        let text = String::from_utf8(step.script.bytes().to_vec()).unwrap();
        assert_eq!(text.matches(" '0' '4' '").count(), 2, "{text}");
        assert!(!text.contains("judged"), "{text}");
    }

    #[test]
    fn a_file_that_is_new_cannot_be_laid_over_one_by_one() {
        let old = Member::put("/a", &words("81a4 0 0"), None);
        let new = Member::put("/b", &words("absent"), None);
        assert_eq!(over(std::slice::from_ref(&old)), ["/a"]);
        assert!(over(&[old, new]).is_empty());
    }
}
