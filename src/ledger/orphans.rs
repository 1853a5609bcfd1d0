//! What the files declared once and declare no more: whose it is now, what it is still needed for, and what becomes
//! of it. A thing that another address declares is no orphan: its entry goes over to that address.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt::Write as _;

use super::{Entry, Ledger, Parted};
use crate::model::Address;
use crate::resolve::{Desired, Instance};
use crate::resources::{Claim, Subject};

/// What the files declared once and declare no more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Orphan {
    pub address: String,
    pub parting: Parted,
    /// Why it stays for now, whatever is asked for.
    pub held: Option<String>,
    /// What was called for and is not done: `restart`, `reload` or `run`.
    pub owed: Option<String>,
    /// The run that applied it last.
    pub run: String,
}

/// All that the files declare for a host, whether it is selected or not.
struct Declared<'d> {
    all: Vec<&'d Instance>,
}

impl<'d> Declared<'d> {
    /// Nothing where not all that the files declare is known.
    fn of(desired: &'d Desired) -> Option<Self> {
        let beside = desired.beside.as_ref()?;
        Some(Self { all: desired.resources.iter().chain(beside).map(|one| &**one).collect() })
    }

    /// The addresses of which `entries` knows something, each once.
    fn known<'l, V>(&self, entries: &'l BTreeMap<String, V>) -> HashSet<&'l str> {
        let mut text = String::new();
        let known = self.all.iter().filter_map(|instance| {
            text.clear();
            write!(text, "{}", instance.address).expect("a string takes all that is written");
            entries.get_key_value(&text).map(|(address, _)| address.as_str())
        });
        known.collect()
    }

    fn gone<'l>(&self, ledger: &'l Ledger) -> Vec<(&'l String, &'l Entry)> {
        let known = self.known(&ledger.entries);
        if known.len() == ledger.entries.len() {
            return Vec::new();
        }
        ledger.entries.iter().filter(|(address, _)| !known.contains(address.as_str())).collect()
    }

    /// By what they are on the host.
    fn things(&self) -> BTreeMap<String, &'d Instance> {
        let things = self.all.iter().filter(|instance| !instance.orphan).flat_map(|instance| {
            let identity = instance.kind.identity(&instance.desired);
            identity.into_iter().map(move |thing| (thing, *instance))
        });
        things.collect()
    }
}

/// What is declared, looked at from what is not.
struct Needs<'d> {
    things: BTreeMap<String, &'d Instance>,
    wanted: HashMap<Subject, &'d Address>,
}

impl<'d> Needs<'d> {
    fn of(declared: &Declared<'d>) -> Self {
        let stays = declared.all.iter().filter(|one| !one.orphan && !goes(one));
        let wanted = stays.flat_map(|one| {
            one.kind.wants(&one.desired).into_iter().map(|want| (want, &one.address))
        });
        Self { things: declared.things(), wanted: wanted.collect() }
    }

    /// Why something that nobody declares stays although it could go.
    fn holds(&self, address: &Address, entry: &Entry) -> Option<String> {
        let same = |thing: &String| {
            self.things.get(thing).filter(|other| other.address.kind == address.kind)
        };
        if let Some(other) = entry.identity.iter().find_map(same) {
            return Some(format!("{} declares some of it", other.address));
        }
        let name = address.name.clone();
        let subject = match address.kind {
            "user" => Subject::User(name),
            "group" => Subject::Group(name),
            "file" | "directory" | "symlink" => Subject::Path(name),
            _ => return None,
        };
        if let Some(by) = self.wanted.get(&subject) {
            return Some(format!("{by} needs it"));
        }
        let inside = format!("path {}/", address.name.trim_end_matches('/'));
        let mut behind = self.things.range(inside.clone()..);
        let inner = behind.find(|(thing, one)| !thing.starts_with(&inside) || !goes(one));
        inner
            .filter(|(thing, _)| address.kind == "directory" && thing.starts_with(&inside))
            .map(|(_, one)| format!("{} is in it", one.address))
    }

    /// The file that a text is in, where the files say all of that file.
    fn said_whole(&self, address: &Address, entry: &Entry) -> Option<&Address> {
        let path = entry.identity.first()?.strip_prefix(address.kind)?.trim_start();
        let file = path.split(' ').next().and_then(|path| self.things.get(&format!("path {path}")));
        let text = matches!(address.kind, "line" | "block");
        let whole = |one: &&&Instance| {
            one.kind.claims(&one.desired).iter().any(|claim| matches!(claim, Claim::Whole(_)))
        };
        file.filter(|_| text).filter(whole).map(|one| &one.address)
    }
}

/// Whether a resource is declared so that it goes.
fn goes(instance: &Instance) -> bool {
    instance.kind.removes(&instance.desired).is_some()
}

impl Ledger {
    /// Lets go of what it says of declared things, once all that hangs on it is known and nothing is to be applied: for
    /// many resources that is much memory. [`Self::orphans`] says the same behind it.
    pub fn release(&mut self, desired: &Desired) {
        let Some(declared) = Declared::of(desired) else { return };
        let known = declared.known(&self.entries);
        let gone = self.entries.iter().filter(|(address, _)| !known.contains(address.as_str()));
        self.entries = gone.map(|(address, entry)| (address.clone(), entry.clone())).collect();
    }

    /// What the files declared once and declare no more; nothing where not all that they declare is known.
    #[must_use]
    pub fn orphans(&self, desired: &Desired) -> Vec<Orphan> {
        let declared = Declared::of(desired).filter(|_| !self.entries.is_empty());
        let Some(declared) = declared else { return Vec::new() };
        let gone = declared.gone(self);
        if gone.is_empty() {
            return Vec::new();
        }
        let needs = Needs::of(&declared);
        let orphan = |(text, entry): (&String, &Entry)| {
            let address = Address::read(text);
            let said = address.as_ref().and_then(|address| needs.said_whole(address, entry));
            let parting = match (&entry.parting, said) {
                (Parted::Goes(_), Some(file)) => {
                    Parted::Stays(format!("{file} says all that is in its file"))
                }
                (Parted::Made(_), _) if !entry.made => {
                    Parted::Stays("it was there before this project".to_owned())
                }
                (other, _) => other.clone(),
            };
            let could = !matches!(parting, Parted::Stays(_) | Parted::Nothing);
            let held = address.filter(|_| could).and_then(|address| needs.holds(&address, entry));
            let owed = self.owed.iter().find(|owed| owed.address == *text);
            let owed = owed.map(|owed| owed.kind.clone());
            Orphan { address: text.clone(), parting, held, owed, run: entry.run.clone() }
        };
        gone.into_iter().map(orphan).collect()
    }

    /// What is not remembered any longer: nobody declares it, and it stays on the host whatever is asked for. What is
    /// owed to it is forgotten with it where it is asked for that things go.
    #[must_use]
    pub fn forgotten(&self, desired: &Desired, prune: bool) -> BTreeSet<String> {
        let stays = |orphan: &Orphan| {
            let remains = matches!(orphan.parting, Parted::Stays(_) | Parted::Nothing);
            remains && (prune || orphan.owed.is_none())
        };
        let gone = self.orphans(desired).into_iter().filter(stays);
        gone.map(|orphan| orphan.address).collect()
    }

    /// What nobody declares any more of the text of files, by their paths: it goes when its file does.
    #[must_use]
    pub fn inside(&self, desired: &Desired) -> HashMap<String, Vec<String>> {
        let path = |table: &str| {
            let table = table.parse::<toml::Value>().ok()?;
            Some(table.get("path")?.as_str()?.to_owned())
        };
        let mut inside: HashMap<String, Vec<String>> = HashMap::new();
        for orphan in self.orphans(desired) {
            if let Parted::Goes(table) = &orphan.parting
                && let Some(path) = path(table)
            {
                inside.entry(path).or_default().push(orphan.address);
            }
        }
        inside
    }

    /// Gives entries their new addresses: those that `moved` says, then those of things that another address
    /// declares now, such as a module with a new name.
    pub fn rename(&mut self, moved: &[(String, String)], desired: &Desired) {
        let Some(declared) = Declared::of(desired).filter(|_| !self.entries.is_empty()) else {
            return;
        };
        let addresses: HashSet<String> = match moved {
            [] => HashSet::new(),
            _ => declared.all.iter().map(|instance| instance.address.to_string()).collect(),
        };
        for (from, to) in moved {
            if addresses.contains(to)
                && !addresses.contains(from)
                && self.entries.contains_key(from)
                && !self.entries.contains_key(to)
            {
                self.goes_over(from, to);
            }
        }
        let heirs = self.heirs(&declared);
        for (from, to) in heirs {
            self.goes_over(&from, &to);
        }
    }

    /// Entries whose address nobody declares, and the address that declares the same thing now.
    fn heirs(&self, declared: &Declared<'_>) -> Vec<(String, String)> {
        let gone = declared.gone(self);
        if gone.is_empty() {
            return Vec::new();
        }
        let things = declared.things();
        let heir = |(address, entry): &(&String, &Entry)| {
            let heir = match entry.identity.first() {
                Some(first) => things.get(first).copied().filter(|one| {
                    // A file that is to be a link now is another thing: it goes first.
                    let kind = Address::read(address).map(|address| address.kind);
                    let mut theirs = one.kind.identity(&one.desired);
                    let mut ours = entry.identity.clone();
                    theirs.sort_unstable();
                    ours.sort_unstable();
                    kind == Some(one.address.kind) && theirs == ours
                }),
                None => self.namesake(address, entry, declared),
            };
            heir.map(|heir| ((*address).clone(), heir.address.to_string()))
        };
        gone.iter().filter_map(heir).collect()
    }

    /// The one that says the same under the same name in another module, of what has no other identity: a command.
    fn namesake<'d>(
        &self,
        address: &str,
        entry: &Entry,
        declared: &Declared<'d>,
    ) -> Option<&'d Instance> {
        let address = Address::read(address)?;
        let mut same = declared.all.iter().filter(|one| {
            one.address.kind == address.kind
                && one.address.name == address.name
                && one.mark() == entry.mark
                && !self.entries.contains_key(&one.address.to_string())
        });
        same.next().copied().filter(|_| same.next().is_none())
    }

    /// What was remembered under an address is remembered under another one, unless something is already.
    fn goes_over(&mut self, from: &str, to: &str) {
        if let Some(entry) = self.entries.remove(from) {
            self.entries.entry(to.to_owned()).or_insert(entry);
        }
        for owed in &mut self.owed {
            if owed.address == from {
                to.clone_into(&mut owed.address);
            }
            if owed.because.remove(from) {
                owed.because.insert(to.to_owned());
            }
        }
        self.open = true;
    }
}
