//! The account's decider.

use super::{Account, AccountCommand, Context, Decision};

impl Account {
    /// Decides a command. Pure.
    #[must_use]
    pub fn decide(&self, command: &AccountCommand, context: &Context<'_>) -> Decision {
        let _ = (command, context);
        todo!("domain")
    }
}
