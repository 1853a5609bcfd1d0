//! Changes that may cut us off: the host itself puts them back unless it hears in time, over a new connection,
//! that we still get in. What became of them is what the host's own record says.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::Settings;
use super::apply::Applying;
use super::failpoint::failpoint;
use super::host::HostRun;
use super::program::Program;
use super::purpose::{Purpose, libraries};
use super::remember::state;
use super::session::{Session, random_word};
use super::stop::{Stop, Stopper};
use super::wave::{STEP_LONGEST, part};
use crate::model::change::TriggerKind;
use crate::model::{Change, Outcome, RunMark};
use crate::plan::{Plan, Status, guarded, window};
use crate::shell::{Script, detached};

/// Seconds beyond the time to confirm in which a host is tried: it may have to start anew.
const MARGIN: u32 = 90;

/// Seconds that a step may take before who watches counts it as hung; what takes packages may take longer.
const HUNG: u32 = 300;

/// Seconds that a host may take to put everything back, once it has begun.
const BACK: u32 = 240;

/// Addresses of what the host cannot put back that are named.
const NAMED: usize = 4;

/// Whether a change is a command that something else set off.
fn set_off(change: &Change) -> bool {
    change.fired.as_ref().is_some_and(|fired| fired.kind == TriggerKind::Run)
}

/// Lines of what could not be put back that are told.
const LINES_MAX: usize = 20;

/// An arming: who watches over a wave.
pub(super) struct Armed {
    run: String,
    id: String,
    token: String,
    /// Seconds in which it must be confirmed, behind its last step.
    seconds: u32,
    patience: u32,
    /// What commands ran because something changed, to be run again behind the way back.
    again: Script,
}

/// What became of a wave that was to be confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It stays.
    Confirmed,
    /// The host has put it back.
    RolledBack,
    /// Nobody watched, or nobody knows.
    Open,
}

impl Armed {
    /// For a wave with changes that must be confirmed.
    pub(super) fn over(
        run: &HostRun,
        (plan, wave): (&Plan, &[usize]),
        (settings, mark): (&Settings, &RunMark),
    ) -> Option<Self> {
        let must = |index: usize| match &plan.items[index].status {
            Status::Change(change) => {
                let asked = (&run.way_in, settings.confirm);
                guarded(&run.desired.resources[index], change, asked).is_some()
            }
            _ => false,
        };
        if !wave.iter().any(|&index| must(index)) {
            return None;
        }
        let seconds = window(&run.desired, &run.plan, settings.confirm);
        let resources = || wave.iter().map(|&index| &run.desired.resources[index]);
        let slow = resources().any(|one| one.kind.opaque());
        let own = resources().filter_map(|one| one.timeout).max().unwrap_or(0);
        let patience = own.max(if slow { STEP_LONGEST } else { HUNG });
        let word = random_word();
        let again = rerun(run, plan, wave);
        let (run, id) = (mark.id.as_str().to_owned(), word[..16].to_owned());
        Some(Self { run, id, token: random_word(), seconds, patience, again })
    }

    /// The words of `arm`.
    pub(super) fn words(&self) -> [String; 5] {
        let (seconds, patience) = (self.seconds.to_string(), self.patience.to_string());
        [self.run.clone(), self.id.clone(), seconds, patience, self.token.clone()]
    }

    /// The program of who watches.
    pub(super) fn guard(&self) -> Vec<u8> {
        let mut guard = Script::new();
        guard.text("rerun() {\n:\n").script(&self.again).text("}\n");
        detached((&self.id, &libraries()), &guard, "guarding")
    }
}

/// The commands that changes of the run so far set off: what they loaded from files is loaded once more from what was
/// put back.
fn rerun(run: &HostRun, plan: &Plan, wave: &[usize]) -> Script {
    let mut script = Script::new();
    for (index, change) in run.plan.changes() {
        let fired = set_off(change);
        let open = matches!(plan.items[index].status, Status::Change(_)) && !wave.contains(&index);
        if !fired || open {
            continue;
        }
        let instance = &run.desired.resources[index];
        for (_, step) in instance.kind.steps(&[part(run, &run.plan, index)]) {
            script.text("(\ncd /\n").script(&step.script).text("\nrerun_one");
            script.arg(instance.address.to_string()).text(" $?\nleave\n)\n");
        }
    }
    script
}

impl Applying {
    /// Confirms a wave over a new connection, again and again until its time is over, and gives what became of it.
    /// Where the connection was lost, the shell of before is told to end first.
    pub(super) async fn decided(
        &mut self,
        (before, lost): (&Session, bool),
        armed: Option<Armed>,
        (settings, stop): (&Settings, &Stopper),
    ) -> Fate {
        let Some(armed) = armed else { return Fate::Open };
        // From it nobody can tell any more that logins work.
        before.spoil();
        failpoint!("unconfirmed");
        let asking = self.confirm((before, lost), &armed, settings);
        let said = tokio::select! {
            said = asking => said,
            () = stop.wait(Stop::Now) => Err("stopped before".to_owned()),
        };
        let said = match said {
            Ok((said, counts)) => {
                self.applied.counts = self.applied.counts.plus(counts);
                said
            }
            Err(why) => {
                let seconds = armed.seconds;
                let told = format!(
                    "not confirmed: {why}\nthe host puts it back by itself within {seconds} s of its last step"
                );
                self.incident(None, (told, ""));
                self.applied.outcome = Outcome::Unknown;
                self.over = true;
                return Fate::Open;
            }
        };
        let mut lines = said.lines();
        match lines.next() {
            Some("confirmed") => Fate::Confirmed,
            Some("rolled back") => {
                let failures: Vec<&str> = lines.take(LINES_MAX).collect();
                self.rolled_back(armed.seconds, &failures);
                self.applied.counts = self.applied.counts.plus(before.counts);
                Fate::RolledBack
            }
            _ => Fate::Open,
        }
    }

    /// What the host's record says, as soon as the host can be reached by a new connection; else why it cannot be.
    async fn confirm(
        &self,
        (before, lost): (&Session, bool),
        armed: &Armed,
        settings: &Settings,
    ) -> Result<(String, super::Counts), String> {
        let end = Instant::now() + Duration::from_secs((armed.seconds + MARGIN).into());
        loop {
            let why = match before.again(Purpose::Work, settings).await {
                Ok(mut session) => {
                    let mut program = Program { seconds: BACK + MARGIN, ..Program::default() };
                    let seq = session.seq();
                    program.ask(seq, &self.question((before, lost), armed, settings));
                    match session.exchange(program, |_| {}).await {
                        Ok(answers) => {
                            failpoint!("confirmed");
                            let said = answers.first().map(|answer| answer.payload.clone());
                            let said =
                                String::from_utf8_lossy(&said.unwrap_or_default()).into_owned();
                            return Ok((said, session.close().await));
                        }
                        Err(error) => error,
                    }
                }
                Err(error) => error,
            };
            if Instant::now() >= end {
                return Err(format!("it could not be reached again: {why}"));
            }
            sleep(Duration::from_secs(1)).await;
        }
    }

    fn question(
        &self,
        (before, lost): (&Session, bool),
        armed: &Armed,
        settings: &Settings,
    ) -> Script {
        let mut script = Script::new();
        if let Some(remote) = before.remote.filter(|_| lost) {
            script.text("outlived ").number(remote.process).text(" ").number(remote.started);
            script.text("\n");
        }
        let whose = (self.resolver.project().name.as_str(), self.run.name.as_str());
        script.text("confirmation").args(state(whose, settings));
        script.args([&armed.run, &armed.id, &armed.token]);
        script
    }

    /// What the host could put back is not done any more.
    fn rolled_back(&mut self, seconds: u32, failures: &[&str]) {
        let resources = &self.run.desired.resources;
        let plan = &self.run.plan;
        // What something that changed set off is run again with what was put back.
        let again = |index: usize| match &plan.items[index].status {
            Status::Change(change) => set_off(change),
            _ => false,
        };
        let stays = |index: &usize| !resources[*index].kind.returns() && !again(*index);
        self.applied.done.retain(|(index, _)| stays(index));
        self.put_back =
            self.history.changed.iter().copied().filter(|index| !stays(index)).collect();
        self.history.changed.retain(stays);
        self.observed.clear();
        let mut message = format!(
            "not confirmed within {seconds} s: the host has put back what this run changed"
        );
        if !self.applied.done.is_empty() {
            let short = |(index, _): &(usize, _)| resources[*index].address.short();
            let names: Vec<String> = self.applied.done.iter().take(NAMED).map(short).collect();
            let more = self.applied.done.len() - names.len();
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let names = names.join(", ");
            message = format!("{message}; it cannot put back {names}{more}");
        }
        if !failures.is_empty() {
            message.push_str("\nit could not put back:");
            for line in failures {
                message.push_str("\n  ");
                message.push_str(line);
            }
        }
        self.incident(None, (message, ""));
        self.applied.outcome = Outcome::RolledBack;
        self.over = true;
    }
}
