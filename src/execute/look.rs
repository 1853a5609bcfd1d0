//! Looking at a host: what is asked about all that it should be, and the plan that the answers give.

use super::accounts::Accounts;
use super::probe::Probe;
use super::program::{Program, Questions};
use super::root::Login;
use super::session::{Remote, Session};
use super::standing::{Keeps, Standing};
use super::way_in::WayInQuestion;
use crate::ledger::Ledger;
use crate::model::WayIn;
use crate::plan::{History, Plan, compare};
use crate::resolve::Desired;
use crate::resources::Erased;
use crate::shell::Answer;

/// The questions: about the resources, the accounts that they need, and what the login may do.
pub(super) struct Look {
    pub(super) probe: Probe,
    accounts: Option<Accounts>,
    login: Login,
    way_in: WayInQuestion,
}

impl Look {
    /// Adds the questions to a program, behind those that are to be asked before, and the time that they may
    /// take. Answers of this host may be kept where `keeping` says, and another one beside them.
    pub(super) fn ask(
        desired: &Desired,
        session: &mut Session,
        (program, mut questions): (&mut Program, Questions),
        (seconds, keeping): (u32, (Option<Keeps<'_>>, Option<&Standing>)),
    ) -> Self {
        let probe = Probe::ask(desired, session, (program, &mut questions), keeping);
        let accounts = Accounts::ask(desired, session, &mut questions);
        let login = Login::ask(desired, session, &mut questions);
        let way_in = WayInQuestion::ask(session, &mut questions);
        program.ask_all(&questions);
        program.seconds = seconds.saturating_add(probe.seconds).saturating_add(program.seconds);
        program.whole = Some(program.seconds);
        Self { probe, accounts, login, way_in }
    }

    /// What differs from what was observed, with what is owed; what needs an account that nobody makes is refused.
    pub(super) fn plan(
        &self,
        desired: &Desired,
        (observed, answers): (&[Result<Erased, String>], &[Answer]),
        ledger: &Ledger,
    ) -> Plan {
        let history = History { owed: ledger.due(desired), ..History::default() };
        let mut plan = compare(desired, observed, &history);
        if let Some(accounts) = &self.accounts {
            accounts.refuse(&mut plan, desired, answers);
        }
        plan
    }

    /// How we get in, as the host says.
    pub(super) fn way_in(&self, answers: &[Answer]) -> WayIn {
        self.way_in.read(answers)
    }

    /// Refuses what the login cannot do.
    pub(super) fn refuse(
        &self,
        plan: &mut Plan,
        desired: &Desired,
        (remote, answers): (Option<Remote>, &[Answer]),
    ) {
        if let Some(remote) = remote {
            self.login.refuse(plan, desired, (remote, answers));
        }
    }
}
