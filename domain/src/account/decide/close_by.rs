//! Two opposite positions close one another.

use super::{Book, Found};
use crate::{AccountRejection, DealId, PositionId};

impl Book<'_> {
    pub(super) fn close_by(&self, _positions: [PositionId; 2], _deals: [DealId; 2]) -> Found {
        Err(AccountRejection::WrongMode("not yet".to_owned()))
    }
}
