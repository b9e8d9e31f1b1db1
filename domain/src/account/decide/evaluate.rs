//! Margin call, daily loss limit, stop-out and negative balance.

use super::{Book, Found};
use crate::{AccountRejection, DealId};

impl Book<'_> {
    pub(super) fn evaluate(&self, _seed: DealId) -> Found {
        Err(AccountRejection::WrongMode("not yet".to_owned()))
    }
}
