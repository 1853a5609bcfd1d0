//! A host that failed where a stage says `rollback_on_failure` goes back by itself, in the session in which
//! it failed: what the run changed there is undone, as `trueup rollback` would.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::Settings;
use super::apply::{Applying, Emit};
use super::back::{Back, kept_of, refuse, told, unoffered};
use super::cost::Counts;
use super::host::HostRun;
use super::probe::Probe;
use super::program::Program;
use super::remember::state;
use super::session::Session;
use super::stop::Stopper;
use crate::ledger::{WayBack, way_back};
use crate::model::{FileId, Outcome, RunId, Span};
use crate::plan::{History, Plan, Status, compare, next_wave};
use crate::resolve::Desired;
use crate::resources::Erased;

/// What a host goes back to, compared with what it has.
struct Way {
    desired: Arc<Desired>,
    plan: Plan,
    back: Arc<Back>,
    /// Addresses of what cannot be undone.
    stays: BTreeSet<String>,
}

impl Applying {
    /// Goes back to where it stood before this run.
    pub(super) async fn retreat(
        mut self,
        settings: &Settings,
        stop: &Stopper,
        emit: Emit<'_>,
    ) -> Self {
        let Some(mark) = settings.run.as_ref().filter(|_| self.begun && !stop.asked()) else {
            return self;
        };
        let Some(mut session) = self.session.take() else { return self };
        let way = match self.way(&mut session, &mark.id, settings).await {
            Ok(way) => way,
            Err(why) => {
                self.incident(None, (format!("it could not go back by itself: {why}"), ""));
                return self;
            }
        };
        let stays = way.stays;
        let lost = way.back.lost.clone();
        let run = HostRun {
            target: self.run.target,
            name: self.run.name.clone(),
            facts: None,
            desired: way.desired,
            plan: way.plan,
            memory: self.run.memory.clone(),
            back: Some(way.back),
            way_in: self.run.way_in.clone(),
            session: Some(session),
            spent: Counts::default(),
        };
        let mut inner = Self::new(run, &self.resolver);
        inner.begun = true;
        // Nothing is confirmed on the way back: it is the way to what could be reached.
        let settings = Settings { confirm: Some(0), ..settings.clone() };
        let mut inner = Box::pin(inner.stage(0, &settings, stop, emit)).await;
        inner.verify();
        self.session = inner.session.take();
        self.came_back(&inner, (&lost, &stays));
        self
    }

    /// Asks what the run changed here, and compares it.
    async fn way(
        &self,
        session: &mut Session,
        run: &RunId,
        settings: &Settings,
    ) -> Result<Way, String> {
        let seconds = settings.probe_timeout;
        let place = state((self.resolver.project().name.as_str(), &self.run.name), settings);
        let kept =
            kept_of(session, (run, &place), seconds).await.map_err(|error| error.to_string())??;
        let places: HashMap<String, Span> = self
            .run
            .desired
            .resources
            .iter()
            .map(|instance| (self.resolver.place(instance.place), instance.place))
            .collect();
        let nowhere = Span::new(FileId(0), 0..0);
        let span = |place: &str| places.get(place).copied().unwrap_or(nowhere);
        let WayBack { desired, trail, lost } = way_back(&kept, run.as_str(), span);
        let mut program = Program::default();
        let probe = Probe::alone(&desired, session, &mut program);
        program.seconds = seconds.saturating_add(probe.seconds);
        program.whole = Some(program.seconds);
        let answers = session.exchange(program, |_| {}).await.map_err(|error| error.to_string())?;
        let observed: Vec<Result<Erased, String>> = probe.read(&desired, &answers);
        let mut plan = compare(&desired, &observed, &History::default());
        let stays = lost.iter().map(|(address, _)| address.clone()).collect();
        let mut notes = lost.iter().map(|(address, why)| told(address, why)).collect();
        unoffered(&mut plan, &desired, &mut notes);
        refuse(&mut plan, &desired, &trail, &self.run.memory);
        let back = Arc::new(Back { trail, lost: notes });
        Ok(Way { desired: Arc::new(desired), plan, back, stays })
    }

    /// Takes in how the way back ended.
    fn came_back(&mut self, inner: &Self, (lost, stays): (&[String], &BTreeSet<String>)) {
        let desired = &inner.run.desired;
        let named =
            |index: usize, why: &str| told(&desired.resources[index].address.to_string(), why);
        let problems = inner.run.plan.items.iter().enumerate();
        let mut wrong: Vec<String> = problems
            .filter_map(|(index, item)| match &item.status {
                Status::Problem(why) => Some(named(index, why)),
                _ => None,
            })
            .collect();
        wrong.extend(inner.applied.incidents.iter().map(|incident| match incident.resource {
            Some(index) => named(index, &incident.message),
            None => incident.message.clone(),
        }));
        let open = !inner.over && !next_wave(desired, &inner.plan).is_empty();
        wrong.extend(open.then(|| "it was stopped before it was through".to_owned()));
        // What was seen before no longer stands.
        self.observed.clear();
        let changed = std::mem::take(&mut self.history.changed);
        if wrong.is_empty() {
            self.applied.outcome = Outcome::RolledBack;
            let resources = &self.run.desired.resources;
            let stays = |index: usize| stays.contains(&resources[index].address.to_string());
            self.applied.done.retain(|(index, _)| stays(*index));
            self.put_back = changed.into_iter().collect();
        }
        self.over = true;
        self.incident(None, (summary(&wrong, lost), ""));
    }
}

/// How the way back ended, in words.
fn summary(wrong: &[String], lost: &[String]) -> String {
    let mut text = if wrong.is_empty() {
        "it went back to where it stood before this run".to_owned()
    } else {
        "it could not go back whole:".to_owned()
    };
    let lists = [("", wrong), ("\nwhat cannot be undone:", lost)];
    for (heading, lines) in lists.into_iter().filter(|(_, lines)| !lines.is_empty()) {
        text.push_str(heading);
        for line in lines {
            text.push_str("\n  ");
            text.push_str(line);
        }
    }
    text
}
