//! One wave of changes as a program of guarded steps.

use std::collections::BTreeSet;

use super::confirm::Armed;
use super::host::HostRun;
use super::program::{Expected, Program};
use super::remember::Base;
use super::session::Session;
use super::{Keep, Settings, sets};
use crate::ledger::{Undo, lines};
use crate::model::{Body, RunMark};
use crate::plan::{Plan, Status};
use crate::resources::Part;
use crate::shell::{Joint, Script, Step};

/// The longest that any type lets a step take unless the files say more.
pub(super) const STEP_LONGEST: u32 = 1800;

/// The longest pause before a step is tried again: prelude.sh, `again`.
const PAUSE_LONGEST: u32 = 60;

/// Steps that one call does at most, and bytes of what they say.
const TOGETHER: usize = 200;
const TOGETHER_SIZE: usize = 256 << 10;

/// The largest file of which a copy is kept, in bytes.
const LARGEST: &str = "67108864";

/// For each step: its number and the resources that it does.
pub(super) type Steps = Vec<(u64, Vec<usize>)>;

/// A step with its number and the resources that it does.
type Numbered = (u64, Vec<usize>, Step);

/// The steps of one wave.
#[derive(Default)]
pub(super) struct Wave {
    pub(super) program: Program,
    pub(super) steps: Steps,
    /// The run's id, for names on the host.
    pub(super) run: String,
}

impl Wave {
    /// A wave without steps; `live` where what their programs print is to come while they run.
    pub(super) fn new(live: bool) -> Self {
        let mut new = Self::default();
        new.program.script.text(if live { "H=1\n" } else { "" });
        new
    }

    /// Uses a saved plan up, which fails where it was used before. Stands before all changes.
    pub(super) fn spend(&mut self, plan: &str, session: &mut Session) {
        let mut script = Script::new();
        script.text("spend").args([plan, &self.run]);
        let seq = session.seq();
        self.add(seq, &Step::new(script), 0);
        self.steps.push((seq, Vec::new()));
    }

    /// Writes down what is about to be done: the ledger anew, where that is due, and lines for its journal.
    /// Stands before all changes.
    pub(super) fn remember(&mut self, base: Option<Base>, lines: String, seqs: [u64; 2]) {
        // Who watched over the wave before watches no more.
        self.program.script.text("guard=\n");
        let base = base.map(|base| (if base.aside { "settle aside" } else { "settle" }, base.text));
        let texts = base.into_iter().chain([("note", lines)]);
        for (seq, (word, text)) in seqs.into_iter().zip(texts) {
            let mut script = Script::new();
            script.text(word);
            let step = Step::new(script).reading(Some(Body::of(text.into_bytes())));
            self.add(seq, &step, 0);
            self.program.contents.extend(step.content);
            self.steps.push((seq, Vec::new()));
        }
    }

    /// From here on what changes is kept first; and somebody watches who puts back what is not confirmed, where it must
    /// be. Where he cannot, nothing is done.
    pub(super) fn watched(
        &mut self,
        (run, plan, wave): (&HostRun, &Plan, &[usize]),
        (settings, mark): (&Settings, &RunMark),
        seq: u64,
    ) -> Option<Armed> {
        let armed = Armed::over(run, (plan, wave), (settings, mark))?;
        let mut script = Script::new();
        script.text("arm").args(armed.words());
        let step = Step::new(script).reading(Some(Body::of(armed.guard())));
        self.add(seq, &step, 0);
        self.program.contents.extend(step.content);
        self.steps.push((seq, Vec::new()));
        Some(armed)
    }

    /// From here on what changes is kept first, for the way back.
    pub(super) fn keep(&mut self, run: &RunMark, keep: Keep) {
        let size = keep.bytes.div_ceil(1024).to_string();
        self.program.script.text("keeping").args([run.id.as_str(), LARGEST]);
        self.program.script.args([keep.runs.to_string(), size]).text("\n");
    }

    /// Writes down how what follows is undone, who does it, and which run he takes back with it. Stands before all
    /// changes.
    pub(super) fn undoable(
        &mut self,
        all: &[Undo],
        (mark, of): (&RunMark, Option<&str>),
        seq: u64,
    ) {
        if all.is_empty() {
            return;
        }
        let mut script = Script::new();
        script.text("changing").arg(mark.who()).args(of);
        let step = Step::new(script).reading(Some(Body::of(lines(all).into_bytes())));
        self.add(seq, &step, 0);
        self.program.contents.extend(step.content);
        self.steps.push((seq, Vec::new()));
    }

    /// Writes down that a run took another one back, or that a host took it back by itself.
    pub(super) fn took_back(&mut self, run: &str, of: &str, seq: u64) {
        // A step that failed keeps others from being begun; this is none.
        self.program.script.text("[ \"$F\" = stop ] || F=\n");
        let mut script = Script::new();
        script.text("took_back").args([run, of]);
        self.add(seq, &Step::new(script), 0);
        self.steps.push((seq, Vec::new()));
    }

    /// Adds what another wave does behind this one.
    pub(super) fn append(&mut self, other: Self) {
        self.program.script.script(&other.program.script);
        self.program.contents.extend(other.program.contents);
        self.program.expected.extend(other.program.expected);
        self.program.seconds = self.program.seconds.max(other.program.seconds);
        self.steps.extend(other.steps);
    }

    /// Turns changes into a program: the members of a set in one step, and other neighbours of one type together,
    /// so that a type can do many at once.
    pub(super) fn changes(
        &mut self,
        run: &HostRun,
        plan: &Plan,
        (wave, session): (&[usize], &mut Session),
    ) {
        let kind = |index: usize| run.desired.resources[index].kind;
        let mut folders = BTreeSet::new();
        let set = |index: usize| run.desired.set_of(index);
        let together = |one: &usize, other: &usize| match (set(*one), set(*other)) {
            (None, None) => kind(*one).name() == kind(*other).name(),
            (one, other) => one == other,
        };
        for group in wave.chunk_by(together) {
            let parts: Vec<Part<'_>> = group.iter().map(|&index| part(run, plan, index)).collect();
            let seconds = group.iter().map(|&index| patience(run, index)).max();
            self.program.seconds = self.program.seconds.max(seconds.unwrap_or(0));
            let steps = match set(group[0]) {
                None => kind(group[0]).steps(&parts),
                Some(set) => {
                    let step = sets::step(run, set, (group, &parts), &self.run);
                    vec![((0..group.len()).collect(), step)]
                }
            };
            let steps: Vec<(Vec<usize>, Step)> = steps
                .into_iter()
                .map(|(covers, step)| (covers.into_iter().map(|at| group[at]).collect(), step))
                .collect();
            self.numbered(run, steps, (session, &mut folders));
        }
        if !folders.is_empty() {
            self.landed(&folders, session.seq());
        }
    }

    /// Adds steps with numbers of their own; those that can be done together are.
    fn numbered(
        &mut self,
        run: &HostRun,
        steps: Vec<(Vec<usize>, Step)>,
        (session, folders): (&mut Session, &mut BTreeSet<String>),
    ) {
        let retries = |covers: &[usize]| {
            covers.iter().map(|&index| run.desired.resources[index].retries).max().unwrap_or(0)
        };
        let steps: Vec<Numbered> = steps
            .into_iter()
            .map(|(covers, step)| {
                let joint = step.joint.filter(|_| retries(&covers) == 0);
                (session.seq(), covers, Step { joint, ..step })
            })
            .collect();
        for group in steps.chunk_by(|one, other| joins(&one.2, &other.2)).flat_map(parcels) {
            if let [(seq, covers, step)] = group {
                self.add(*seq, step, retries(covers));
                self.program.contents.extend(step.content.clone());
            } else {
                self.join(group);
            }
        }
        for (seq, covers, step) in steps {
            folders.extend(step.folder);
            self.steps.push((seq, covers));
        }
    }

    /// Steps that one call does.
    fn join(&mut self, all: &[Numbered]) {
        let joints = || all.iter().filter_map(|(seq, _, step)| Some((seq, step.joint.as_ref()?)));
        let Some((_, first)) = joints().next() else { return };
        let script = &mut self.program.script;
        script.text(first.call).args(&first.shared);
        for (seq, joint) in joints() {
            script.text(" ").number(*seq).args(&joint.words);
        }
        script.text("\n");
        self.program.expected.extend(joints().map(|(seq, _)| (*seq, Expected::Step)));
    }

    /// Puts folders in which something was changed on disk, whatever failed before: nothing is told to be done that may
    /// be gone after a power cut.
    fn landed(&mut self, folders: &BTreeSet<String>, seq: u64) {
        let script = &mut self.program.script;
        script
            .text("S=")
            .number(seq)
            .text(" B=-1 M= I= Q=0\nondisk")
            .args(folders)
            .text("\nend $?\n");
        self.program.expected.push((seq, Expected::Step));
        self.steps.push((seq, Vec::new()));
    }

    /// One guarded step, closed in itself, which may be done again after a failure.
    fn add(&mut self, seq: u64, step: &Step, retries: u32) {
        let script = &mut self.program.script;
        script.text("go ").number(seq).text(" ").number(step.bytes()).text(" && {\n");
        if retries == 0 {
            script.script(&step.script).text("\nend $?\n}\n");
        } else {
            script.text("step() {\n").script(&step.script).text("\n}\n");
            script.text("again ").number(retries).text("\nend $?\n}\n");
        }
        self.program.expected.push((seq, Expected::Step));
    }
}

/// Whether one call can do both steps.
fn joins(one: &Step, other: &Step) -> bool {
    one.joint.as_ref().zip(other.joint.as_ref()).is_some_and(|(one, other)| one.fits(other))
}

/// Steps that one call can do, in parts that are not too large for one.
fn parcels(mut steps: &[Numbered]) -> Vec<&[Numbered]> {
    let mut parcels = Vec::new();
    while !steps.is_empty() {
        let mut size = 0;
        let mut fits = |(_, _, step): &Numbered| {
            size += step.joint.as_ref().map_or(0, Joint::size);
            size < TOGETHER_SIZE
        };
        let count = steps.iter().take(TOGETHER).take_while(|step| fits(step)).count();
        let (parcel, rest) = steps.split_at(count.max(1));
        parcels.push(parcel);
        steps = rest;
    }
    parcels
}

/// Seconds in which the step of a resource must have ended, all its tries together.
fn patience(run: &HostRun, index: usize) -> u32 {
    let instance = &run.desired.resources[index];
    let once = instance.timeout.unwrap_or(if instance.retries > 0 { STEP_LONGEST } else { 0 });
    once.saturating_mul(instance.retries + 1).saturating_add(PAUSE_LONGEST * instance.retries)
}

/// A change with the states that its steps are made from.
pub(super) fn part<'r>(run: &'r HostRun, plan: &'r Plan, index: usize) -> Part<'r> {
    let Status::Change(change) = &plan.items[index].status else {
        unreachable!("a wave holds changes only");
    };
    Part {
        desired: &run.desired.resources[index].desired,
        observed: plan.items[index].against.as_ref().expect("a change was compared with something"),
        change,
        timeout: run.desired.resources[index].timeout,
    }
}
