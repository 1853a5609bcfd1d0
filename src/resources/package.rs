//! A package of the distribution: installed, or not (apt and dpkg). All that is ready together goes
//! into one transaction. It never answers a question of a package: configuration files that were
//! changed on the host are kept.

use std::collections::HashMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::input::Presence;
use super::{About, Input, Needs, Resource, Verdict, Work};
use crate::model::{Action, Attribute, Change, Diagnostic};
use crate::shell::{Script, Step};

/// Seconds that a transaction may take.
const SECONDS: u32 = 1800;

/// `[package.NAME]`
#[derive(Debug)]
pub(super) struct Package {
    name: String,
    state: Presence,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Table {
    /// Whether it is installed; its configuration files stay when it is removed.
    #[serde(default)]
    state: Presence,
}

/// What dpkg and apt say of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Observed {
    installed: Option<String>,
    /// The version that would be installed; asked only for packages that are not there.
    candidate: Option<String>,
}

/// Shell functions of its probe and steps. Names were checked against Debian policy 5.6.1: they hold
/// no character that the shell would split or expand, so `$n` may stand without quotes.
const FUNCTIONS: &str = r#"
# packages NAME…: a line `NAME<tab>STATUS<tab>VERSION` for each that dpkg knows, then apt-cache's
# word on those that are not installed.
packages() {
command -v dpkg-query >/dev/null 2>&1 && command -v apt-get >/dev/null 2>&1 || { echo '!'; return; }
l=$(dpkg-query -W -f '${Package}\t${db:Status-Status}\t${Version}\n' -- "$@" 2>/dev/null)
printf '%s\n' "$l"
n=
for p do
case "
$l" in *"
$p	installed	"*) ;; *) n="$n $p" ;; esac
done
[ -z "$n" ] || { echo @candidates; apt-cache policy $n 2>/dev/null; }
}
# apt SECONDS VERB NAME…: one transaction; lists that are old are fetched again, once.
apt() {
DEBIAN_FRONTEND=noninteractive; export DEBIAN_FRONTEND
a=$1 b=$2
shift 2
set -- "$a" apt-get -y -q -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold -o DPkg::Lock::Timeout=300 "$b" -- "$@"
run "$@" && return
a=$?
case $M in
*'Unable to locate package'* | *'has no installation candidate'* | *'Unable to fetch'* | *'Failed to fetch'*)
run "$1" apt-get -q update || return
run "$@" ;;
*) return "$a" ;;
esac
}
"#;

/// Shown by the manual.
const EXAMPLES: &[&str] = &[
    "[package.nginx]\n",
    r#"[package."{{ each.value }}"]
for_each = ["curl", "htop"]
"#,
];

impl Resource for Package {
    type Desired = Self;
    type Observed = Observed;
    const NAME: &'static str = "package";
    const ABOUT: About = About::of::<Table>("A package of the distribution (apt)", "the package")
        .notes("Packages that are ready together go into one transaction, which may take 1,800 s. Configuration files that were changed on the host are kept.")
        .examples(EXAMPLES);
    const OPAQUE: bool = true;
    const LIBRARY: &'static [&'static str] = &[FUNCTIONS];
    const NEEDS: Needs = Needs::Root;

    fn parse(input: &Input<'_>) -> Result<Self, Vec<Diagnostic>> {
        let table: Table = input.read("a package resource")?;
        let name = input.name.value.clone();
        if !package_name(&name) {
            return Err(vec![
                Diagnostic::at(
                    input.name.span,
                    format!("`{}` is not the name of a package", name.escape_debug()),
                )
                .label("lower case letters, digits, `+`, `-` and `.`, two at least"),
            ]);
        }
        Ok(Self { name, state: table.state })
    }

    fn subject(desired: &Self) -> &str {
        &desired.name
    }

    fn probe(items: &[&Self], script: &mut Script) {
        script.text("packages").args(items.iter().map(|package| &package.name)).text("\n");
    }

    fn observe(items: &[&Self], answer: &[u8]) -> Vec<Result<Observed, String>> {
        let text = String::from_utf8_lossy(answer);
        if text.starts_with('!') {
            let why =
                "this host has no dpkg and apt; packages of other systems are not managed yet";
            return items.iter().map(|_| Err(why.to_owned())).collect();
        }
        let (installed, candidates) = text.split_once("@candidates").unwrap_or((&text, ""));
        let installed: HashMap<&str, &str> = installed
            .lines()
            .filter_map(|line| {
                let mut words = line.split('\t');
                let (name, status, version) = (words.next()?, words.next()?, words.next()?);
                (status == "installed").then_some((name, version))
            })
            .collect();
        let candidates = candidates_of(candidates);
        items
            .iter()
            .map(|package| {
                let name = package.name.as_str();
                Ok(Observed {
                    installed: installed.get(name).map(ToString::to_string),
                    candidate: candidates.get(name).map(ToString::to_string),
                })
            })
            .collect()
    }

    fn diff(desired: &Self, observed: &Observed) -> Verdict {
        match (desired.state, &observed.installed) {
            (Presence::Present, Some(version)) => Verdict::Same(format!("{version} is installed")),
            (Presence::Absent, None) => Verdict::Same("not installed".into()),
            (Presence::Present, None) => {
                let version =
                    Attribute::value("version", None::<&str>, observed.candidate.as_ref());
                let attributes = observed.candidate.iter().map(|_| version.clone()).collect();
                let change = Change::new(Action::Create, attributes);
                Verdict::Change(if observed.candidate.is_some() {
                    change
                } else {
                    change.note("not in the host's package lists; they are fetched again first")
                })
            }
            (Presence::Absent, Some(version)) => {
                let version = Attribute::value("version", Some(version), None::<&str>);
                Verdict::Change(Change::new(Action::Delete, vec![version]))
            }
        }
    }

    fn predict(desired: &Self, observed: &Observed) -> Observed {
        let installed = match desired.state {
            Presence::Present => observed
                .installed
                .clone()
                .or_else(|| observed.candidate.clone())
                .or_else(|| Some("unknown".into())),
            Presence::Absent => None,
        };
        Observed { installed, candidate: observed.candidate.clone() }
    }

    fn steps(work: &[Work<'_, Self>]) -> Vec<(Vec<usize>, Step)> {
        let verbs = [("remove", Action::Delete), ("install", Action::Create)];
        verbs
            .into_iter()
            .filter_map(|(verb, action)| {
                let these: Vec<usize> =
                    (0..work.len()).filter(|&index| work[index].change.action == action).collect();
                let seconds = these.iter().filter_map(|&index| work[index].timeout).max();
                let mut script = Script::new();
                script
                    .text("apt")
                    .args([seconds.unwrap_or(SECONDS).to_string().as_str(), verb])
                    .args(these.iter().map(|&index| &work[index].desired.name));
                (!these.is_empty()).then_some((these, Step::new(script)))
            })
            .collect()
    }
}

/// Debian policy 5.6.1.
fn package_name(name: &str) -> bool {
    let right = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.')
    };
    name.len() >= 2
        && name.starts_with(|char: char| char.is_ascii_lowercase() || char.is_ascii_digit())
        && name.bytes().all(right)
}

/// Name and candidate of each package in `apt-cache policy`'s answer.
fn candidates_of(text: &str) -> HashMap<&str, &str> {
    let mut candidates = HashMap::new();
    let mut name = None;
    for line in text.lines() {
        if !line.starts_with(' ') {
            name = line.strip_suffix(':');
        } else if let Some(version) = line.trim_start().strip_prefix("Candidate: ")
            && version != "(none)"
            && let Some(name) = name
        {
            candidates.insert(name, version);
        }
    }
    candidates
}
