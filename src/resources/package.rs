//! A package of the distribution: installed, of a version, the latest, or not there (apt and dpkg). All
//! that is ready together goes into one transaction, and no package goes that the files do not name. It
//! never answers a question of a package: what becomes of changed configuration files is said in the files.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::able::{self, Lacks};
use super::record::absent;
use super::{About, Input, Inverse, Parting, Record, Resource, Verdict, Work, access};
use crate::model::{Action, Attribute, Change, Diagnostic, WayIn};
use crate::shell::{Script, Step};

mod back;
mod state;
mod version;
mod work;

use state::{Answer, Observed};

/// `[package.NAME]`
#[derive(Debug)]
pub(super) struct Package {
    name: String,
    state: State,
    version: Option<String>,
    purge: bool,
    conffiles: Conffiles,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum State {
    #[default]
    Present,
    Absent,
    Latest,
}

/// What becomes of configuration files that were changed on the host and that a package changes too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Conffiles {
    #[default]
    Keep,
    Replace,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Table {
    /// Whether it is installed; "latest" is the version that the host's package lists offer.
    #[serde(default)]
    state: State,
    /// Exactly this version, higher or lower than what is there; any if absent.
    #[schemars(with = "Option<String>")]
    version: Option<Spanned<String>>,
    /// With `state = "absent"`: whether its configuration files go too.
    #[schemars(with = "Option<bool>", extend("default" = false))]
    purge: Option<Spanned<bool>>,
    /// What becomes of configuration files that were changed on the host and that the package changes too: "keep" them, or "replace" them by the package's.
    #[serde(default)]
    conffiles: Conffiles,
}

/// Shell functions of its probe and steps.
const FUNCTIONS: &str = include_str!("package.sh");

/// What the manual says besides.
const NOTES: &str = "Packages that are ready together go into one run of apt-get, which may take 1,800 s; it waits half its time for another one that holds dpkg's lock, and never takes a lock away. The plan names what apt would install or upgrade with them, and apply does that or refuses. A package is only ever removed where the files say `absent`: where apt would have to remove another one too, the plan says which, and nothing is done until the files name it. A package on hold is not changed.

`latest` and versions are those of the lists that the host has: a plan changes nothing and fetches none. They are fetched in an apply only where they lack a name or a version; let a `command` with `apt-get update` come before where they must be new, and know that `latest` finds something to do whenever they are.

A half-installed package that the files name is completed; others are left, though apt may configure what waits for it. Configuration files that dpkg keeps or replaces are told when apply ends. A package may start its service by itself (on Debian most do): a `service` says how it is to be in the end. needrestart restarts nothing. `name:arch` is a package of another architecture.

A rollback removes what was installed, with what apt brought along, and installs the version of before where apt offers it. What was purged does not come back.";

/// Shown by the manual.
const EXAMPLES: &[&str] = &[
    "[package.nginx]\n",
    r#"[package."{{ each.value }}"]
for_each = ["curl", "htop"]
"#,
    r#"[package.postgresql-15]
version = "15.8-0+deb12u1"

[package.apache2]
state = "absent"
purge = true
"#,
];

impl Resource for Package {
    type Desired = Self;
    type Observed = Observed;
    const NAME: &'static str = "package";
    const ABOUT: About = About::of::<Table>("A package of the distribution (apt)", "the package")
        .notes(NOTES)
        .examples(EXAMPLES);
    const OPAQUE: bool = true;
    /// dpkg writes a new `status` and moves it over the old one; in `updates` it writes while it is at work.
    const GROUNDS: &'static [&'static str] = &["/var/lib/dpkg/status", "/var/lib/dpkg/updates"];
    const REPEATABLE: bool = true;
    const LIBRARY: &'static [&'static str] = &[FUNCTIONS];

    fn parse(input: &Input<'_>) -> Result<Self, Vec<Diagnostic>> {
        let table: Table = input.read("a package resource")?;
        let name = input.name.value.clone();
        let mut found = Vec::new();
        if !package_name(&name) {
            let mistake = Diagnostic::at(
                input.name.span,
                format!("`{}` is not the name of a package", name.escape_debug()),
            )
            .label("lower case letters, digits, `+`, `-` and `.`, two at least");
            found.push(if name.contains('=') {
                mistake.help("a version is a key: version = \"…\"")
            } else {
                mistake
            });
        }
        if let Some(version) = &table.version {
            let (span, text) = (input.span(version), version.get_ref());
            if table.state != State::Present {
                let message = "`version` says which one is installed: leave `state` out";
                found.push(Diagnostic::at(span, message));
            } else if !version::is_version(text) {
                let text = text.escape_debug();
                found.push(
                    Diagnostic::at(span, format!("`{text}` is not the version of a package"))
                        .help("it is written whole, as `apt-cache policy` prints it: 1.22.1-9"),
                );
            }
        }
        if let Some(purge) = &table.purge
            && table.state != State::Absent
        {
            let message = "`purge` is for a package that is absent";
            found.push(Diagnostic::at(input.span(purge), message));
        }
        if !found.is_empty() {
            return Err(found);
        }
        Ok(Self {
            name,
            state: table.state,
            version: table.version.map(Spanned::into_inner),
            purge: table.purge.is_some_and(Spanned::into_inner),
            conffiles: table.conffiles,
        })
    }

    fn subject(desired: &Self) -> &str {
        &desired.name
    }

    fn probe(items: &[&Self], script: &mut Script) {
        let wanted = |package: &&Self| match (package.state, &package.version) {
            (State::Present, Some(version)) => format!("{}/={version}", package.name),
            (State::Present, None) => format!("{}/present", package.name),
            (State::Latest, _) => format!("{}/latest", package.name),
            (State::Absent, _) if package.purge => format!("{}/purge", package.name),
            (State::Absent, _) => format!("{}/absent", package.name),
        };
        script.text("packages").args(items.iter().map(wanted)).text("\n").text(able::ROOT);
    }

    fn observe(items: &[&Self], answer: &[u8]) -> Vec<Result<Observed, String>> {
        let text = String::from_utf8_lossy(answer);
        if text.starts_with('!') {
            let why =
                "this host has no dpkg and apt; packages of other systems are not managed yet";
            return items.iter().map(|_| Err(why.to_owned())).collect();
        }
        let answer = Answer::read(&text);
        let lacks = Lacks::read(&text);
        items.iter().map(|package| Ok(answer.of(&package.name, lacks.clone()))).collect()
    }

    fn diff(desired: &Self, observed: &Observed) -> Verdict {
        let verdict = match desired.state {
            State::Absent => desired.removal(observed),
            State::Present | State::Latest => desired.installation(observed),
        };
        observed.lacks.stop(observed.together(&desired.name, verdict))
    }

    fn record(desired: &Self) -> Record {
        desired.version.clone().map(|version| ("version", version)).into_iter().collect()
    }

    fn cuts(desired: &Self, change: &Change, way_in: &WayIn) -> Option<&'static str> {
        let held = change.action != Action::Create;
        held.then(|| access::package(&desired.name, way_in))?
    }

    fn parting(desired: &Self) -> Parting {
        match desired.state {
            State::Absent => Parting::Nothing,
            State::Present | State::Latest => Parting::GoesIfMade(absent([])),
        }
    }

    fn inverse(desired: &Self, observed: &Observed, change: &Change) -> Inverse {
        back::inverse(desired, observed, change)
    }

    fn predict(desired: &Self, observed: &Observed) -> Observed {
        let mut after = observed.clone();
        after.simulation = None;
        if desired.state == State::Absent {
            after.status = if desired.purge { String::new() } else { "config-files".into() };
            return after;
        }
        let version = desired.target(observed).or_else(|| observed.version().map(str::to_owned));
        after.status = "installed".into();
        after.version = version.unwrap_or_else(|| "unknown".into());
        after
    }

    fn steps(work: &[Work<'_, Self>]) -> Vec<(Vec<usize>, Step)> {
        work::steps(work)
    }
}

impl Package {
    /// The version that is to be there, where one is known.
    fn target(&self, observed: &Observed) -> Option<String> {
        let candidate = || observed.candidate.clone();
        match (&self.version, observed.version()) {
            (Some(version), _) => Some(version.clone()),
            (None, None) => candidate(),
            (None, Some(now)) if self.state == State::Latest => {
                candidate().filter(|new| version::compare(now, new).is_lt())
            }
            (None, Some(_)) => None,
        }
    }

    fn removal(&self, observed: &Observed) -> Verdict {
        let configured = observed.status == "config-files";
        if observed.version().is_none() {
            if !configured || !self.purge {
                return Verdict::Same("not installed".into());
            }
            let files = Attribute::value("configuration", Some("there"), None::<&str>);
            return Verdict::Change(Change::new(Action::Delete, vec![files]));
        }
        if observed.held {
            return Verdict::Refused(held(&self.name));
        }
        let version = Attribute::value("version", observed.version(), None::<&str>);
        let change = Change::new(Action::Delete, vec![version]);
        Verdict::Change(if self.purge {
            change.note("with its configuration files")
        } else {
            change
        })
    }

    fn installation(&self, observed: &Observed) -> Verdict {
        let target = self.target(observed);
        let Some(now) = observed.version() else { return self.creation(observed, target) };
        let mut attributes = Vec::new();
        if !observed.is_whole() {
            let status = Some(&observed.status);
            attributes.push(Attribute::value("state", status, Some("installed")));
        }
        let target = target.filter(|target| target != now);
        attributes.extend(
            target.as_ref().map(|target| Attribute::value("version", Some(now), Some(target))),
        );
        if attributes.is_empty() {
            return Verdict::Same(format!("{now} is installed"));
        }
        if observed.held {
            return Verdict::Refused(held(&self.name));
        }
        let change = Change::new(Action::Update, attributes);
        Verdict::Change(match target {
            Some(target) if !observed.offers(&target) => change.note(not_offered(&target)),
            Some(target) if version::compare(now, &target).is_gt() => change.note("a downgrade"),
            _ => change,
        })
    }

    fn creation(&self, observed: &Observed, target: Option<String>) -> Verdict {
        let attribute = |target| Attribute::value("version", None::<&str>, Some(target));
        let change = Change::new(Action::Create, target.iter().map(attribute).collect());
        if !observed.providers.is_empty() {
            let message = format!(
                "{} is no package, only a name that others provide; declare one of them: {}",
                self.name,
                observed.providers.join(", ")
            );
            return Verdict::Blocked { need: None, message, then: change };
        }
        Verdict::Change(match target {
            None => change.note("not in the host's package lists; they are fetched again first"),
            Some(target) if !observed.offers(&target) => change.note(not_offered(&target)),
            Some(_) => change,
        })
    }
}

fn not_offered(version: &str) -> String {
    format!("{version} is not in the host's package lists; they are fetched again first")
}

fn held(name: &str) -> String {
    format!("it differs, and is on hold on this host: `apt-mark unhold {name}` lets it change")
}

/// Debian policy 5.6.1; an architecture may stand behind it.
fn package_name(name: &str) -> bool {
    let (name, arch) = name.split_once(':').unwrap_or((name, "all"));
    let right = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.')
    };
    name.len() >= 2
        && name.starts_with(|char: char| char.is_ascii_lowercase() || char.is_ascii_digit())
        && name.bytes().all(right)
        && !arch.is_empty()
        && arch
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}
