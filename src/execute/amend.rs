//! What is written down on a host at the end of a run: what does not hold, and that a run was taken back.

use super::Settings;
use super::apply::Applying;
use super::remember::took_back;
use super::session::Session;
use super::wave::Wave;
use crate::ledger::Notes;
use crate::model::Outcome;
use crate::plan::next_wave;

impl Applying {
    /// Writes down what does not hold although it was done.
    pub(super) async fn amend(&self, session: &mut Session, settings: &Settings) {
        let open = self.applied.incidents.iter().filter_map(|incident| incident.resource);
        let mut notes = Notes::default();
        for index in open.filter(|index| self.history.changed.contains(index)) {
            notes.open(self.run.desired.resources[index].address.to_string());
        }
        if self.begun && notes.lines() > 0 {
            let mut wave = Wave::default();
            // A step that failed keeps others from being begun; this is none.
            wave.program.script.text("F=\n");
            let seqs = [session.seq(), session.seq()];
            wave.remember(None, notes.text(), seqs);
            wave.program.seconds = settings.probe_timeout;
            // Where it cannot be, the next plan takes it for a change of the host's.
            let _ = session.exchange(wave.program, |_| {}).await;
        }
    }

    /// Writes down that a run was taken back, where it was: whole, or by the host itself.
    pub(super) async fn took_back(&self, session: &mut Session, settings: &Settings) {
        let whole = !self.over && self.applied.incidents.is_empty();
        let of = match &self.run.back {
            Some(back) if whole => back.trail.run(),
            None if self.applied.outcome == Outcome::RolledBack => "",
            _ => return,
        };
        if let Some(mark) = &settings.run {
            took_back(session, (mark.id.as_str(), of), settings).await;
        }
    }

    /// Whether the run ended before all was done here.
    pub(super) fn is_left(&self) -> bool {
        !self.over && !next_wave(&self.run.desired, &self.plan).is_empty()
    }
}
