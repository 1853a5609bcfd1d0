//! A host's memory while it is worked on: the lock and the ledger are read with the first look, and what
//! a run is about to do is written down before it does it.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashSet};

use super::Settings;
use super::apply::Emit;
use super::host::{Ended, HostRun, failed};
use super::program::{Expected, Program, Questions};
use super::session::Session;
use super::session_error::SessionError;
use super::standing::{Keeps, Said, Standing};
use super::wave::Wave;
use crate::ledger::{Damage, LastRun, Ledger, Memory, Notes, Owed, Undo, is_about, read};
use crate::model::change::TriggerKind;
use crate::model::{Action, Address, Event, Outcome, RunMark, Span};
use crate::plan::{Plan, Status};
use crate::resolve::Desired;
use crate::shell::{Answer, AnswerKind, Script};

/// How the host's shell calls who holds a lock and left no word of it (ledger.sh): nothing can be said to end him.
const NOBODY: &str = "somebody who did not say who";

/// Where a host remembers for root, where nothing else was asked for (`lair` in prelude.sh).
const STATE: &str = "/var/lib/trueup";

/// What is kept of a host's memory from run to run. Of a sensitive content a host remembers a digest, which it alone should
/// have: where there is any nothing is kept.
pub(super) fn standing(
    keeps: Keeps<'_>,
    whose: (&str, &str),
    settings: &Settings,
    desired: &Desired,
) -> Option<Standing> {
    let [place, base] = state(whose, settings);
    let folder = if base.is_empty() { STATE } else { &base };
    let standing = Standing::memory(keeps, &format!("{folder}/{place}"));
    if desired.resources.iter().any(|instance| instance.kept_back()) {
        standing.forget();
        return None;
    }
    Some(standing)
}

/// A question about what a host remembers.
pub(super) struct Recall {
    /// The number of the lock's answer, where the lock was asked for.
    lock: Option<u64>,
    seq: u64,
    /// That of the saved plan's, where one is applied.
    spent: Option<u64>,
    /// What is kept of it from run to run, where anything may be.
    pub(super) standing: Option<Standing>,
}

impl Recall {
    /// Adds the question to `questions`. Where something may be changed the lock comes first, before everything else in
    /// the program, so that nothing that is seen is another apply's work that goes on; then sets that a run left in the
    /// middle are put back.
    pub(super) fn ask(
        (whose, standing): ((&str, &str), Option<Standing>),
        settings: &Settings,
        session: &mut Session,
        (program, questions): (&mut Program, &mut Questions),
    ) -> Self {
        let [place, base] = &state(whose, settings);
        let lock = settings.run.as_ref().map(|run| {
            let seq = session.seq();
            let seconds = settings.lock_timeout.to_string();
            let script = &mut program.script;
            script.text("hold").args([place, base, &seconds, &told(run), &seq.to_string()]);
            script.text(" && mend\nask ").number(seq).text(" $? \"$M\"\n");
            program.expected.push((seq, Expected::Lock));
            program.seconds = program.seconds.saturating_add(settings.lock_timeout);
            seq
        });
        let seq = session.seq();
        let mut inner = Script::new();
        inner.text("recall").args([place, base]);
        inner.args(standing.iter().flat_map(Standing::told));
        questions.ask(seq, inner);
        let spent = settings.spend.as_ref().map(|plan| {
            let (seq, mut inner) = (session.seq(), Script::new());
            inner.text("spent").args([place, base, plan]);
            questions.ask(seq, inner);
            seq
        });
        Self { lock, seq, spent, standing }
    }

    /// What hears the answers: says at once why the host has to be waited for. Once, however often it is said.
    pub(super) fn waiting<'e>(
        host: usize,
        (settings, emit): (&Settings, Emit<'e>),
    ) -> impl FnMut(&Answer) + Send + 'e {
        let (seconds, mut told) = (settings.lock_timeout, false);
        move |answer| {
            if answer.kind == AnswerKind::Live && !told {
                told = true;
                let said = String::from_utf8_lossy(&answer.payload);
                let why = said.lines().next().unwrap_or_default().to_owned();
                emit(Event::Waiting { host, seconds, why });
            }
        }
    }

    /// What the host said.
    ///
    /// # Errors
    /// Where it may not be worked on: another apply is at work there, or what it remembers is not ours.
    pub(super) fn read(
        &self,
        (project, host): (&str, &str),
        target: usize,
        answers: &[Answer],
    ) -> Result<Memory, Ended> {
        let answer = |seq| answers.iter().find(|answer| answer.seq == seq);
        if let Some(answer) = self.lock.and_then(answer)
            && answer.status != 0
        {
            let message = String::from_utf8_lossy(&answer.payload).into_owned();
            let help = if message.ends_with(NOBODY) {
                Some("wait for it (--lock-timeout), or look there for the process that has its lock open".to_owned())
            } else {
                let end = format!("wait for it (--lock-timeout), or end it: trueup unlock {host}");
                Some(end).filter(|_| message.starts_with("another apply"))
            };
            return Err(Ended { outcome: Outcome::Refused, help, ..failed(target, message) });
        }
        let none = || failed(target, "the host did not say what it remembers".to_owned());
        let said = |seq| answer(seq).map(|answer| answer.payload.as_slice()).ok_or_else(none);
        let spent = self.spent.map(said).transpose()?;
        let told = answer(self.seq).ok_or_else(none)?;
        if told.status != 0 {
            // An apply would take it for nothing, and write it anew.
            let message = "what it remembers cannot be read there".to_owned();
            let help = format!(
                "look at its files: trueup reads them by cat (status {}); or let it be forgotten: \
                 trueup ledger {host} --forget",
                told.status
            );
            return Err(Ended { help: Some(help), ..failed(target, message) });
        }
        let remembered = match &self.standing {
            Some(kept) => Cow::Owned(kept.whole(&told.payload).ok_or_else(none)?),
            None => Cow::Borrowed(told.payload.as_slice()),
        };
        let mut memory = read(&remembered, (project, host));
        // Who holds it now is this run.
        memory.lock = memory.lock.filter(|_| self.lock.is_none());
        let mended = self.lock.and_then(answer).map(|answer| answer.payload.as_slice());
        memory.mended(mended.unwrap_or_default());
        memory.used_up(spent.unwrap_or_default());
        match &memory.damage {
            Some(damage @ Damage::Foreign(_)) if self.lock.is_some() => {
                let help = format!(
                    "look at it by hand, or let it be forgotten: trueup ledger {host} --forget"
                );
                let help = Some(help);
                Err(Ended { outcome: Outcome::Refused, help, ..failed(target, damage.to_string()) })
            }
            _ => Ok(memory),
        }
    }

    /// Keeps what the host said for the next run, where all of it is about what is declared, and so nothing of it sensitive.
    pub(super) fn keep(
        &self,
        (answers, said): (&[Answer], Option<&Said<'_>>),
        memory: &Memory,
        desired: &Desired,
    ) {
        let answer = answers.iter().find(|answer| answer.seq == self.seq);
        let Some((standing, answer)) = self.standing.as_ref().zip(answer) else { return };
        standing.keep(&answer.payload, said, |answer| {
            let all = desired.resources.iter().map(|instance| instance.address.to_string());
            let declared: HashSet<String> = all.collect();
            memory.damage.is_none() && is_about(answer, |address| declared.contains(address))
        });
    }
}

/// The folder in which a host remembers a project, as its shell is told: its name, and the one around it, empty for the
/// usual one.
pub(super) fn state((project, host): (&str, &str), settings: &Settings) -> [String; 2] {
    [format!("{project}/{host}"), settings.state.clone().unwrap_or_default()]
}

/// Who holds a lock, for who comes second.
fn told(run: &RunMark) -> String {
    format!("{}, run {}, since {}", run.who(), run.id, run.id.since())
}

/// A ledger that is written anew.
pub(super) struct Base {
    pub(super) text: String,
    /// Whether what is there cannot be read, and is kept beside it.
    pub(super) aside: bool,
}

/// What a wave writes down before it changes anything.
pub(super) struct Writing<'w> {
    pub(super) run: &'w HostRun,
    pub(super) plan: &'w Plan,
    pub(super) mark: &'w RunMark,
    /// Whether the run wrote on this host before.
    pub(super) begun: bool,
    /// Whether what nobody declares any more goes.
    pub(super) prune: bool,
}

impl Writing<'_> {
    const fn ledger(&self) -> &Ledger {
        &self.run.memory.ledger
    }

    /// The ledger anew, where a journal is to be taken in or something is to be forgotten.
    pub(super) fn base(&self, project: &str) -> Option<Base> {
        let ledger = self.ledger();
        let forgotten = ledger.forgotten(&self.run.desired, self.prune);
        let stale = ledger.open || self.run.memory.damage.is_some() || !forgotten.is_empty();
        (!self.begun && stale).then(|| {
            let mut new = Ledger { serial: ledger.serial + 1, ..ledger.clone() };
            new.entries.retain(|address, _| !forgotten.contains(address));
            new.owed.retain(|owed| !forgotten.contains(&owed.address));
            let aside = self.run.memory.damage.is_some();
            Base { text: new.text((project, &self.run.name)), aside }
        })
    }

    /// The lines for the journal: of the run, once; and of each step that is about to be done.
    pub(super) fn notes(&self, rewritten: bool, steps: &[(u64, Vec<usize>)]) -> Notes {
        let (ledger, desired) = (self.ledger(), &*self.run.desired);
        let id = self.mark.id.as_str();
        let mut notes = Notes::default();
        if !self.begun {
            let serial = ledger.serial + u64::from(rewritten);
            notes.run(serial, LastRun { run: id.to_owned(), who: self.mark.who() });
            let known = desired.resources.iter().zip(&self.run.plan.items);
            for (instance, item) in known.filter(|_| self.run.back.is_none()) {
                if instance.orphan && matches!(item.status, Status::Same(_)) {
                    notes.gone(instance.address.to_string());
                } else if matches!(item.status, Status::Same(_)) && !ledger.knows(instance) {
                    let entry = ledger.entry(instance, id, false);
                    notes.holds(instance.address.to_string(), entry);
                }
            }
        }
        let wave: Vec<usize> = steps.iter().flat_map(|(_, items)| items.iter().copied()).collect();
        // Before what this wave calls for itself, which may be in the same run.
        for (back, (seq, items)) in
            self.run.back.iter().flat_map(|back| steps.iter().map(move |step| (back, step)))
        {
            for (address, _) in items.iter().flat_map(|&index| back.trail.marks(index)) {
                notes.back(*seq, back.trail.run().to_owned(), address.clone());
            }
        }
        for owed in owed(desired, self.plan, &wave, id) {
            notes.owed(owed);
        }
        let mut inside = None;
        for (seq, items) in steps {
            for &index in items {
                let instance = &desired.resources[index];
                let Status::Change(change) = &self.plan.items[index].status else { continue };
                if let Some(back) = &self.run.back {
                    for (address, entry) in back.trail.marks(index) {
                        notes.change(*seq, address.clone(), entry.clone());
                    }
                    continue;
                }
                let made = change.action == Action::Create;
                let entry = (!instance.orphan).then(|| ledger.entry(instance, id, made));
                notes.change(*seq, instance.address.to_string(), entry);
                if let Some(path) =
                    instance.kind.removes(&instance.desired).filter(|_| instance.orphan)
                {
                    let inside = inside.get_or_insert_with(|| ledger.inside(desired));
                    for address in inside.remove(path).unwrap_or_default() {
                        notes.change(*seq, address, None);
                    }
                }
            }
        }
        notes
    }
}

impl Writing<'_> {
    /// How each change of a wave is undone.
    pub(super) fn undo(
        &self,
        steps: &[(u64, Vec<usize>)],
        (place, login): (&dyn Fn(Span) -> String, Option<u32>),
    ) -> Vec<Undo> {
        let all = steps.iter().flat_map(|(seq, items)| items.iter().map(|index| (*seq, *index)));
        let undo = |(seq, index): (u64, usize)| {
            let instance = &self.run.desired.resources[index];
            let item = &self.plan.items[index];
            let Status::Change(change) = &item.status else { return None };
            let against = item.against.as_ref()?;
            let first = self.run.plan.items[index].against.as_ref();
            let place = if instance.orphan { String::new() } else { place(instance.place) };
            let undo = self.ledger().undo((instance, place), (first, against), change);
            let mut undo = Undo { seq, ..undo };
            if let Some(login) = login {
                undo.owned(login);
            }
            // What goes back again is remembered by what was undone.
            let undone = self.run.back.as_ref().and_then(|back| back.trail.marks(index).next());
            if let Some((address, _)) = undone {
                undo.entry = self.ledger().entries.get(address).cloned();
                undo.address.clone_from(address);
            }
            Some(undo)
        };
        all.filter_map(undo).collect()
    }
}

/// What the changes of a wave will call for, now or in a later wave, or in a later run where the selection
/// leaves it out.
fn owed(desired: &Desired, plan: &Plan, wave: &[usize], run: &str) -> Vec<Owed> {
    let address = |index: usize| &desired.resources[index].address;
    let wave: HashSet<&Address> = wave.iter().map(|&index| address(index)).collect();
    let owed = |address: &Address, kind: TriggerKind, because: BTreeSet<String>| Owed {
        address: address.to_string(),
        kind: kind.word().to_owned(),
        because,
        run: run.to_owned(),
    };
    let fired = plan.changes().filter_map(|(index, change)| {
        let fired = change.fired.as_ref()?;
        let because = fired.because.iter().filter(|cause| wave.contains(cause));
        let because: BTreeSet<String> = because.map(ToString::to_string).collect();
        (!because.is_empty()).then(|| owed(address(index), fired.kind, because))
    });
    let left = desired.left_out.iter().filter(|left| wave.contains(&left.cause));
    let left = left.map(|left| owed(&left.address, left.kind, [left.cause.to_string()].into()));
    fired.chain(left).collect()
}

/// Writes down on a host that a run took another one back; an empty `of` is itself. Where it cannot be, `last` names it
/// once more, and nothing is to be done then.
pub(super) async fn took_back(session: &mut Session, (run, of): (&str, &str), settings: &Settings) {
    let mut wave = Wave::default();
    wave.took_back(run, if of.is_empty() { run } else { of }, session.seq());
    wave.program.seconds = settings.probe_timeout;
    let _ = session.exchange(wave.program, |_| {}).await;
}

/// Writes down what a host that has nothing to change should remember, if it does not already.
pub(super) async fn settle(
    run: &mut HostRun,
    project: &str,
    settings: &Settings,
) -> Result<(), SessionError> {
    let (Some(mut session), Some(mark)) = (run.session.take(), settings.run.as_ref()) else {
        return Ok(());
    };
    let prune = settings.prune.is_asked();
    let writing = Writing { run, plan: &run.plan, mark, begun: false, prune };
    let base = writing.base(project);
    let notes = writing.notes(base.is_some(), &[]);
    let result = if base.is_none() && notes.lines() < 2 {
        Ok(Vec::new())
    } else {
        let mut wave = Wave::new(false);
        let seqs = [session.seq(), session.seq()];
        wave.remember(base, notes.text(), seqs);
        wave.program.seconds = settings.probe_timeout;
        session.exchange(wave.program, |_| {}).await
    };
    run.session = Some(session);
    result.map(|_| ())
}
