//! Trailing stops.

use super::{Book, Found};
use crate::{AccountRejection, PositionId};

impl Book<'_> {
    pub(super) fn trail(&self, _position_id: PositionId) -> Found {
        Err(AccountRejection::WrongMode("not yet".to_owned()))
    }
}
