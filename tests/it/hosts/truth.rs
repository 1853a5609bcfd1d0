//! The plan tells the truth: for random projects on a real host, what an apply changes is exactly what its
//! plan named, with the values that it named, and a second apply finds nothing to do and changes nothing.
//!
//! The host is looked at by other means than ours, before and after; whole, for files. It keeps what a
//! round left, so that the next project meets it in whatever state that is. `TRUEUP_TRUTH=200` does so
//! many rounds, and `TRUEUP_SEED=N` begins at the seed that a failure printed.

mod claims;
mod draft;
mod machine;
mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;

use serde_json::Value;

use self::claims::{
    changed, changes, compare, covers, end, has, lines, starts, text, things, trace,
};
use self::draft::{Draft, Shape};
use self::world::World;
use crate::support::lab::Shell;
use crate::support::{Output, Project, Random, lab, lab::left_out, lab::own};

/// Rounds of a plain run.
const ROUNDS: u64 = 8;

/// One host while rounds go on.
struct Rounds {
    host: &'static str,
    shape: Shape,
    shell: Shell,
    /// Changes by their type.
    changes: BTreeMap<String, usize>,
}

impl Rounds {
    fn new(host: &'static str, shape: Shape) -> Self {
        let mut shell = lab().shell(host);
        world::clean(&mut shell, shape);
        world::make(&mut shell, shape);
        Self { host, shape, shell, changes: BTreeMap::new() }
    }

    /// The plan, which changes nothing, and its apply, at once or as it was saved.
    fn apply(&mut self, random: &mut Random, project: &Project) -> Result<(Value, Output), String> {
        let saved = random.chance(30);
        let file = project.path().join("p.json");
        let file = file.to_str().expect("a path that is a text");
        let words: &[&str] =
            if saved { &["plan", "--json", "-o", file] } else { &["plan", "--json"] };
        let plan = project.on_lab(words);
        let document: Value = serde_json::from_str(&plan.stdout)
            .map_err(|_| format!("the plan failed\n{}{}", plan.stdout, plan.stderr))?;
        if document["errored"] == true {
            return Err(format!("the host cannot be planned\n{:#}", document["hosts"]));
        }
        let words = match Some(file).filter(|_| saved && !changes(&document).is_empty()) {
            Some(file) => vec!["apply", file, "--json"],
            None => vec!["apply", "--yes", "--json"],
        };
        world::stamp(&mut self.shell);
        let applied = project.on_lab(&words);
        if applied.status != 0 {
            return Err(format!(
                "the apply failed\n{}{}{}",
                lines(changes(&document)),
                end(&applied.stdout),
                applied.stderr
            ));
        }
        Ok((document, applied))
    }

    /// One project, planned and applied twice.
    fn round(&mut self, seed: u64) -> Result<(), String> {
        let mut random = Random(seed);
        world::drift(&mut random, &mut self.shell, self.shape);
        let draft = Draft::of(&mut random, self.shape);
        let word = random.one(&["one", "two"]);
        let project = draft.project(self.host, word);
        self.told(&mut random, &draft, &project)
            .map_err(|why| format!("{why}\n\nword = {word}\n{}", draft.module))
    }

    fn told(
        &mut self,
        random: &mut Random,
        draft: &Draft,
        project: &Project,
    ) -> Result<(), String> {
        let before = world::look(&mut self.shell);
        let (plan, applied) = self.apply(random, project)?;
        let after = world::look(&mut self.shell);
        let newer = world::newer(&mut self.shell);
        let all = changes(&plan);
        let details = |why: String| format!("{why}\n{}{}", lines(all), end(&applied.stdout));
        Self::named((all, draft), (&before, &after), &newer).map_err(details)?;
        compare((all, "before"), draft, &before).map_err(details)?;
        compare((all, "after"), draft, &after).map_err(details)?;
        for change in all {
            *self.changes.entry(text(&change["type"]).to_owned()).or_default() += 1;
        }
        world::stamp(&mut self.shell);
        let again = project.on_lab(&["apply", "--yes", "--json"]);
        let first: Value = serde_json::from_str(again.stdout.lines().next().unwrap_or_default())
            .map_err(|_| format!("the second apply failed\n{}{}", again.stdout, again.stderr))?;
        if again.status != 0 || !changes(&first["plan"]).is_empty() {
            return Err(format!(
                "the next plan is not empty\n{:#}\n{}",
                first["plan"], again.stdout
            ));
        }
        let still = changed(&after, &world::look(&mut self.shell));
        let newer = world::newer(&mut self.shell);
        if !still.is_empty() || !newer.is_empty() {
            return Err(format!("a second apply changed {still:?} {newer:?}"));
        }
        Ok(())
    }

    /// Each named change changed something, and nothing else changed.
    fn named(
        (changes, draft): (&[Value], &Draft),
        (before, after): (&World, &World),
        newer: &[String],
    ) -> Result<(), String> {
        let really = changed(before, after);
        let mut named: BTreeSet<String> = BTreeSet::new();
        let mut kinds: BTreeSet<&str> = BTreeSet::new();
        let mut along = String::new();
        for change in changes {
            let address = text(&change["address"]);
            let about = draft
                .about
                .get(address)
                .ok_or_else(|| format!("an address of nobody: {address}"))?;
            let things: BTreeSet<String> = things(change, about).into_iter().collect();
            let known = !has(change, "known after");
            // A number that nobody had may be that of its new owner.
            let renamed = things.iter().any(|thing| {
                let owners = thing.replacen("file", "names", 1);
                owners != *thing && before.get(&owners) != after.get(&owners)
            });
            if known && !renamed && !really.iter().any(|thing| covers(&things, thing)) {
                return Err(format!("named and not changed: {address}"));
            }
            if text(&change["type"]) == "service" && known {
                starts(change, before, after)?;
            }
            kinds.insert(text(&change["type"]));
            along.push_str(text(&change["reason"]));
            named.extend(things);
        }
        let foreign = |thing: &&String| {
            let came = thing.strip_prefix("package ").is_some_and(|name| along.contains(name));
            !came && !covers(&named, thing)
        };
        if let Some(more) = really.iter().find(foreign) {
            return Err(format!(
                "changed and not named: {more}: {:?} -> {:?}",
                before.get(more),
                after.get(more)
            ));
        }
        let foreign = |path: &&String| {
            // Of a file with two names the other one has a new number of names.
            !path.ends_with("/f2-twin")
                && !covers(&named, &format!("file {path}"))
                && !kinds.iter().any(|kind| trace(path, kind))
                && !path.starts_with("/var/lib/trueup/")
        };
        newer
            .iter()
            .find(foreign)
            .map_or(Ok(()), |path| Err(format!("written and not named: {path}")))
    }
}

/// Rounds on a host, as many as the environment says.
fn rounds(host: &'static str, shape: Shape) {
    if left_out() {
        return;
    }
    let _host = own(host);
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let first = number("TRUEUP_SEED").unwrap_or(1);
    let rounds = number("TRUEUP_TRUTH").unwrap_or(ROUNDS);
    let mut all = Rounds::new(host, shape);
    for seed in first..first + rounds {
        if let Err(why) = all.round(seed) {
            panic!("TRUEUP_SEED={seed} on {host}: {why}");
        }
    }
    let changes: usize = all.changes.values().sum();
    assert!(changes > 0, "no project changed anything");
    let _ = writeln!(
        std::io::stderr(),
        "{host}: {rounds} projects from seed {first}, {changes} changes: {:?}",
        all.changes
    );
    world::clean(&mut all.shell, shape);
}

#[test]
fn an_apply_changes_what_its_plan_named_and_nothing_else() {
    rounds("spare1", Shape::Whole);
}

#[test]
fn so_it_does_with_other_tools() {
    rounds("busybox1", Shape::Paths);
}
