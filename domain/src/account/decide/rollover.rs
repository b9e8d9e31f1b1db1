//! The end of a trading day: swap, and the start of the next.

use chrono::NaiveDate;

use super::{Book, Found};
use crate::AccountRejection;

impl Book<'_> {
    pub(super) fn roll_over(&self, _day: NaiveDate) -> Found {
        Err(AccountRejection::WrongMode("not yet".to_owned()))
    }
}
