//! Many positions closed by one command, each with its own outcome.

use super::Book;
use crate::{
    DealId, Symbol,
    account::{CloseFilter, Decision},
};

impl Book<'_> {
    pub(super) fn close_all(
        &self,
        _seed: DealId,
        _symbol: Option<Symbol>,
        _only: Option<CloseFilter>,
    ) -> Decision {
        Decision::default()
    }
}
