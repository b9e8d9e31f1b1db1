//! What is decided about several accounts of one client at once: all of it is appended, or nothing.
//!
//! Every account has to be at the desk when it is decided; what is missing is loaded first.

use std::panic::{AssertUnwindSafe, catch_unwind};

use daybook_domain::{
    Account, AccountCommand, AccountEvent, AccountId, AccountRejection, ClientId, Timestamp,
    account::Context,
};
use daybook_store::{AppendError, Committed, Submission};
use tokio::sync::oneshot;

use super::{Shard, arrivals::Arrival, clerk::quarantined, seat::Gate};
use crate::error::EngineError;

/// Loads that are begun for one of them, until it is given up.
const LOADS_MAX: u32 = 5;

/// What an account is asked, as it stands.
pub(crate) type CommandFor = Box<dyn Fn(&Account) -> AccountCommand + Send>;

/// A decision about accounts of one client.
pub(crate) struct Together {
    pub client_id: ClientId,
    pub accounts: Vec<AccountId>,
    pub command: CommandFor,
    /// What is appended beside it.
    pub submission: Submission,
    pub reply: oneshot::Sender<Result<Committed, Apart>>,
    /// How often loads were begun for it.
    pub loads: u32,
}

/// Why nothing was appended.
#[derive(Debug)]
pub(crate) enum Apart {
    /// One of the accounts refuses.
    Refused(AccountRejection),
    /// The book did not take it.
    Append(AppendError),
    /// It was not decided.
    Failed(EngineError),
}

/// An account and what it is asked.
type Asked = (AccountId, AccountCommand);

/// What was decided about an account.
pub(super) type Decided = (AccountId, Vec<AccountEvent>);

impl Together {
    fn end(self, why: Apart) {
        // Whoever asked may have gone.
        let _gone = self.reply.send(Err(why));
    }
}

impl Shard {
    /// Decides now, or waits for accounts that are on their way.
    pub(super) fn gather(&mut self, mut together: Together) {
        if self.fenced {
            return together.end(Apart::Failed(EngineError::NotLeader));
        }
        let mut waits = false;
        let mut missing = Vec::new();
        for account_id in &together.accounts {
            if self.arrivals.contains_key(account_id) {
                waits = true;
                continue;
            }
            match self.clerk.seats.get(account_id).map(|seat| seat.gate) {
                Some(Gate::Open) => {}
                Some(Gate::Quarantined) => {
                    return together.end(Apart::Failed(quarantined()));
                }
                Some(Gate::LoadingAnswers | Gate::Draining) => waits = true,
                None => missing.push(*account_id),
            }
        }
        if !missing.is_empty() {
            if together.loads >= LOADS_MAX {
                return together.end(Apart::Failed(EngineError::Unavailable));
            }
            together.loads += 1;
        }
        for account_id in &missing {
            self.load(*account_id, Arrival::of_nobody());
        }
        if waits || !missing.is_empty() {
            self.gathering.push(together);
        } else {
            self.decide_together(together);
        }
    }

    /// Something has come back that somebody may have waited for.
    pub(super) fn gather_again(&mut self) {
        for together in std::mem::take(&mut self.gathering) {
            self.gather(together);
        }
    }

    fn decide_together(&mut self, together: Together) {
        let at = self.now();
        self.desk.advance(at, &mut self.clerk);
        for account_id in &together.accounts {
            self.desk.prepare(*account_id, at, &mut self.clerk);
        }
        // Nothing is applied before all agree.
        let tried = catch_unwind(AssertUnwindSafe(|| self.try_together(&together, at)));
        let asked = match tried {
            Ok(Ok(asked)) => asked,
            Ok(Err(why)) => return together.end(why),
            Err(_panic) => {
                tracing::error!(client_id = %together.client_id, "deciding together panicked");
                let error = EngineError::Corrupt("deciding panicked".to_owned());
                return together.end(Apart::Failed(error));
            }
        };
        let mut decided: Vec<Decided> = Vec::new();
        for (account_id, command) in &asked {
            let decision = self.desk.execute(*account_id, command, at);
            let decision = decision.expect("invariant: it was at the desk when it was tried");
            if !decision.events.is_empty() {
                decided.push((*account_id, decision.events));
            }
        }
        self.clerk
            .submit_together(decided, together.submission, together.reply);
        self.desk.settle(at, &mut self.clerk);
        if !self.in_tick {
            self.desk.evaluate(at, &mut self.clerk);
        }
    }

    /// What each account is asked; none of them refuses.
    fn try_together(&self, together: &Together, at: Timestamp) -> Result<Vec<Asked>, Apart> {
        let context = Context {
            at,
            market: self.desk.market(),
            rules: self.desk.rules(),
        };
        let mut asked = Vec::with_capacity(together.accounts.len());
        for account_id in &together.accounts {
            let account = self.desk.account(*account_id);
            let account = account.ok_or_else(|| Apart::Failed(quarantined()))?;
            let terms = account.terms.as_ref();
            if terms.is_none_or(|terms| terms.client_id != together.client_id) {
                return Err(Apart::Failed(EngineError::NotFound));
            }
            let command = (together.command)(account);
            if let Some(refusal) = account.decide(&command, &context).refusal {
                return Err(Apart::Refused(refusal));
            }
            asked.push((*account_id, command));
        }
        Ok(asked)
    }
}
