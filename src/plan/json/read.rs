//! The form of a plan back to the plan.

use serde_json::{Map, Value};

use super::{ChangeJson, ContentJson, PlanJson, UndoesJson};
use crate::model::change::{Fired, TriggerKind};
use crate::model::{Action, Address, Attribute, Body, Change, Difference, Outcome, word};
use crate::plan::danger::{Danger, Dangers};
use crate::plan::document::{
    Document, HostPlan, HostState, InSet, Origin, Orphaned, Planned, Problem, Undoes, Why,
};

impl PlanJson {
    /// The plan of a form.
    ///
    /// # Errors
    /// When it is not what [`Self::of`] makes.
    pub fn document(&self) -> Result<Document, String> {
        let sets: Vec<Vec<Planned>> = self
            .sets
            .iter()
            .map(|set| set.changes.iter().map(|change| self.planned(change)).collect())
            .collect::<Result<_, String>>()?;
        let hosts = self.hosts.iter().map(|host| {
            let changes = match host.set {
                None => Vec::new(),
                Some(set) => sets.get(set).ok_or("a host's set is missing")?.clone(),
            };
            let outcome = Outcome::of(&host.outcome).ok_or("an unknown outcome")?;
            let problems = host.problems.iter().map(|problem| Problem {
                resource: problem.address.clone().zip(problem.place.clone()),
                message: problem.message.clone(),
            });
            let problems: Vec<Problem> = problems.collect();
            let state = match (&host.message, outcome) {
                (Some(message), _) => {
                    let (message, help) = (message.clone(), host.help.clone());
                    HostState::Ended { outcome, message, help }
                }
                _ => HostState::Compared { changes, problems },
            };
            let orphans = host.orphans.iter().map(|orphan| Orphaned {
                address: orphan.address.clone(),
                becomes: orphan.becomes.clone(),
                run: orphan.run.clone(),
            });
            let (orphans, notes) = (orphans.collect(), host.notes.clone());
            Ok(HostPlan { host: host.name.clone(), state, orphans, notes })
        });
        Ok(Document {
            project: self.project.clone(),
            inventory: self.inventory.clone(),
            stages: self.stages.clone(),
            hosts: hosts.collect::<Result<_, &str>>()?,
            undoes: self.undoes.clone().map(|UndoesJson { run, who, since, of, .. }| Undoes {
                run,
                since,
                who,
                of,
            }),
        })
    }

    fn planned(&self, json: &ChangeJson) -> Result<Planned, String> {
        let stage = self.stages.iter().position(|stage| *stage == json.stage);
        let mut attributes = Vec::new();
        let names = json
            .before
            .keys()
            .chain(json.after.keys().filter(|key| !json.before.contains_key(*key)));
        for name in names {
            let sensitive = [&json.before_sensitive, &json.after_sensitive]
                .into_iter()
                .any(|tree| tree.contains_key(name));
            let (before, after) = (sides(&json.before, name), sides(&json.after, name));
            if before.len() != after.len() {
                return Err(format!("the sides of `{name}` are not of one length"));
            }
            for (before, after) in before.into_iter().zip(after) {
                let difference = self.difference(before, after, sensitive)?;
                attributes.push(Attribute { name: word(name), difference });
            }
        }
        let (action, fired) = acted(&json.actions, !json.because.is_empty())?;
        let because = json
            .because
            .iter()
            .map(|text| Address::read(text).ok_or_else(|| format!("`{text}` is no address")));
        let because = because.collect::<Result<Vec<_>, _>>()?;
        let fired = fired.map(|kind| Fired { kind, because, owed: json.owed_since.clone() });
        let dangers = json
            .dangers
            .iter()
            .filter_map(|word| Danger::ALL.into_iter().find(|danger| danger.word() == word));
        let why = json.why.iter().map(|why| Why {
            name: why.name.clone(),
            value: why.value.clone(),
            place: why.place.clone(),
            by: why.by.clone(),
        });
        Ok(Planned {
            stage: stage.ok_or("an unknown stage")?,
            address: json.address.clone(),
            place: json.place.clone(),
            change: Change { action, attributes, note: json.reason.clone(), fired },
            set: json
                .set
                .as_ref()
                .map(|set| InSet { name: set.name.clone(), validate: set.validate.clone() }),
            origin: origin(&json.origin, json.since.as_deref()),
            dangers: Dangers(dangers.collect()),
            why: why.collect(),
        })
    }

    fn difference(
        &self,
        before: Option<Value>,
        after: Option<Value>,
        sensitive: bool,
    ) -> Result<Difference, String> {
        let text = |side: Option<Value>| match side {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err("a value is no string".to_owned()),
        };
        if sensitive {
            return Ok(Difference::Sensitive { before: text(before)?, after: text(after)? });
        }
        if before.as_ref().or(after.as_ref()).is_some_and(Value::is_object) {
            let (before, after) = (self.body(before)?, self.body(after)?);
            return Ok(Difference::Content { before, after });
        }
        Ok(Difference::Value { before: text(before)?, after: text(after)? })
    }

    fn body(&self, side: Option<Value>) -> Result<Option<Body>, String> {
        let Some(side) = side else { return Ok(None) };
        let digest = side["sha256"].as_str().ok_or("a content has no digest")?.to_owned();
        let length = side["size"].as_u64().ok_or("a content has no size")?;
        let Some(bytes) = self.contents.get(&digest).and_then(ContentJson::bytes) else {
            return Ok(Some(Body::away(length, digest)));
        };
        let body = Body::of(bytes);
        if body.digest() != digest || body.size() != length {
            return Err("a content is another than its digest says".to_owned());
        }
        Ok(Some(body))
    }
}

/// The other way of [`Origin::word`].
fn origin(word: &str, since: Option<&str>) -> Origin {
    let run = since.unwrap_or_default().to_owned();
    match word {
        "change" => Origin::Files,
        "drift" => Origin::Host(run),
        "both" => Origin::Both(run),
        _ => Origin::New,
    }
}

/// One side of an attribute; of those that there are several of each.
fn sides(tree: &Map<String, Value>, name: &str) -> Vec<Option<Value>> {
    let there = |value: &Value| Some(value.clone()).filter(|value| !value.is_null());
    match tree.get(name) {
        None => vec![None],
        Some(Value::Array(all)) => all.iter().map(there).collect(),
        Some(one) => vec![there(one)],
    }
}

/// The other way of [`actions`](super::actions): `triggered` where an address set a trigger off.
///
/// # Errors
/// When a word is none of them.
pub fn acted(words: &[String], triggered: bool) -> Result<(Action, Option<TriggerKind>), String> {
    let mut action = Action::Trigger;
    let mut fired = None;
    for (index, word) in words.iter().enumerate() {
        match word.as_str() {
            "create" => action = Action::Create,
            "update" => action = Action::Update,
            "delete" => action = Action::Delete,
            "known after" => action = Action::KnownAfter,
            "reload" => fired = Some(TriggerKind::Reload),
            "restart" => fired = Some(TriggerKind::Restart),
            // A command that only a trigger runs has nothing else to do.
            "run" if index == 0 && (words.len() > 1 || !triggered) => action = Action::Run,
            "run" => fired = Some(TriggerKind::Run),
            other => return Err(format!("an unknown action `{}`", other.escape_debug())),
        }
    }
    Ok((action, fired))
}
