//! Reading an account where it lives: nothing is decided and nothing appended.

use std::panic::{AssertUnwindSafe, catch_unwind};

use daybook_domain::{Account, AccountId, ClientId, account::Context};

use super::Shard;
use crate::error::EngineError;

/// What is done with the account; it says by itself what it saw.
type Look = Box<dyn FnOnce(Result<(&Account, &Context<'_>), EngineError>) + Send>;

/// A question about an account.
pub(crate) struct Inspection {
    pub client_id: ClientId,
    pub account_id: AccountId,
    /// The account as the book has it, should it not be in memory.
    pub loaded: Option<Account>,
    pub look: Look,
}

impl Shard {
    /// Shows the account and the market of this moment.
    pub(super) fn inspect(&mut self, inspection: Inspection) {
        let Inspection {
            client_id,
            account_id,
            loaded,
            look,
        } = inspection;
        if self.fenced {
            return look(Err(EngineError::NotLeader));
        }
        let at = self.now();
        let account = self.desk.account(account_id).or(loaded.as_ref());
        let own = account.filter(|account| {
            let terms = account.terms.as_ref();
            terms.is_some_and(|terms| terms.client_id == client_id)
        });
        let context = Context {
            at,
            market: self.desk.market(),
            rules: self.desk.rules(),
        };
        let seen = own
            .map(|account| (account, &context))
            .ok_or(EngineError::NotFound);
        // A bug met while looking must not take the shard's accounts with it.
        if catch_unwind(AssertUnwindSafe(|| look(seen))).is_err() {
            tracing::error!(%account_id, "inspecting panicked");
        }
    }
}
