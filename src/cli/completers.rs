//! What a shell completes a word with: names from the project that the command line is about. Silent
//! on a project with mistakes: what can be read is offered.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::sync::OnceLock;

use clap_complete::CompletionCandidate;

use crate::config::{self, Inventory};
use crate::model::Facts;
use crate::resolve::Resolver;
use crate::resources::REGISTRY;

/// The project and inventory that the line names.
static PLACE: OnceLock<(PathBuf, Option<PathBuf>)> = OnceLock::new();

/// Remembers what the words of an unfinished line say of the project.
pub(super) fn stand(words: &[OsString]) {
    let directory = option(words, "-C", "--directory").unwrap_or_else(|| ".".into());
    let inventory = option(words, "-i", "--inventory");
    let _ = PLACE.set((directory.into(), inventory.map(PathBuf::from)));
}

/// The value of an option in a line, in any of its spellings; the last one counts.
fn option(words: &[OsString], short: &str, long: &str) -> Option<OsString> {
    let mut found = None;
    for (index, word) in words.iter().enumerate() {
        let Some(text) = word.to_str() else { continue };
        let joined = text.strip_prefix(long).and_then(|rest| rest.strip_prefix('='));
        let joined = joined.or_else(|| text.strip_prefix(short).filter(|rest| !rest.is_empty()));
        if text == short || text == long {
            found = words.get(index + 1).cloned();
        } else if let Some(value) = joined {
            found = Some(value.into());
        }
    }
    found
}

fn place() -> &'static (PathBuf, Option<PathBuf>) {
    PLACE.get_or_init(|| (".".into(), None))
}

fn inventory() -> Option<Inventory> {
    let (directory, given) = place();
    config::inventory(directory, given.as_deref())
}

fn candidates(names: impl IntoIterator<Item = String>, tag: &str) -> Vec<CompletionCandidate> {
    let candidate = |name: String| CompletionCandidate::new(name).tag(Some(tag.to_owned().into()));
    names.into_iter().filter(|name| plain(name)).map(candidate).collect()
}

/// Whether a shell can be given a name as it is: shells put it into the line unquoted.
fn plain(name: &str) -> bool {
    let right = |char: char| char.is_alphanumeric() || "-_./[]@:+,=%".contains(char);
    !name.starts_with('-') && name.chars().all(right)
}

/// Every host of the inventory.
pub(super) fn hosts() -> Vec<CompletionCandidate> {
    candidates(inventory().into_iter().flat_map(|inventory| inventory.hosts.into_keys()), "hosts")
}

/// Every group of the inventory.
pub(super) fn groups() -> Vec<CompletionCandidate> {
    candidates(inventory().into_iter().flat_map(|inventory| inventory.groups.into_keys()), "groups")
}

/// The last word of a pattern of hosts: a host, a group or `all`.
pub(super) fn pattern(current: &OsStr) -> Vec<CompletionCandidate> {
    let Some(text) = current.to_str() else { return Vec::new() };
    let start = text.rfind([' ', ',', '(']).map_or(0, |index| index + 1);
    let (before, word) = text.split_at(start);
    let names = groups().into_iter().chain(hosts());
    let names = names.chain(candidates(["all".to_owned()], "groups"));
    let fits = |name: &CompletionCandidate| name.get_value().to_string_lossy().starts_with(word);
    names.filter(fits).map(|name| name.add_prefix(before)).collect()
}

/// The address of every resource of every host, as far as it is known without facts.
pub(super) fn addresses() -> Vec<CompletionCandidate> {
    let (directory, given) = place();
    let tree = config::Tree::Folder(directory.clone(), None);
    let loaded = config::load(&tree, given.as_deref(), config::Modules::Used);
    if !loaded.whole {
        return Vec::new();
    }
    let resolver = Resolver::new(&loaded.project.into(), BTreeMap::new(), &mut Vec::new());
    let mut found = BTreeSet::new();
    for (index, target) in resolver.targets.iter().enumerate() {
        if let Ok(desired) = resolver.desired(index, &Facts::stand_in(&target.host.name)) {
            found.extend(desired.resources.iter().map(|resource| resource.address.to_string()));
        }
    }
    candidates(found, "addresses")
}

/// Every page of the manual.
pub(super) fn pages() -> Vec<CompletionCandidate> {
    let modules = config::shelf(&place().0).into_iter().map(|module| module.name);
    let kinds: BTreeSet<String> = REGISTRY.iter().map(|kind| kind.name().to_owned()).collect();
    candidates(kinds, "types").into_iter().chain(candidates(modules, "modules")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_is_found_in_every_spelling() {
        let value = |line: &str| {
            let words: Vec<OsString> = line.split(' ').map(Into::into).collect();
            option(&words, "-C", "--directory").and_then(|value| value.into_string().ok())
        };
        for line in
            ["t -C a plan", "t plan -Ca", "t --directory a", "t --directory=a", "t -C b -C a"]
        {
            assert_eq!(value(line).as_deref(), Some("a"), "{line}");
        }
        assert_eq!(value("t plan"), None);
        assert_eq!(value("t plan -C"), None);
    }
}
