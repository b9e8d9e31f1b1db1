//! The account's fold.

use super::{Account, AccountEvent};

impl Account {
    /// Applies one fact. A stored event that cannot follow this state is corruption: it panics.
    pub fn evolve(&mut self, event: &AccountEvent) {
        let _ = event;
        todo!("domain")
    }
}
