//! Busting and re-pricing deals by compensation.

use rust_decimal::Decimal;

use super::{Book, Found};
use crate::{AccountRejection, account::event::DealRecord};

impl Book<'_> {
    pub(super) fn bust(&self, _deal: &DealRecord, _reason: &str, _by: &str) -> Found {
        Err(AccountRejection::WrongMode("not yet".to_owned()))
    }

    pub(super) fn reprice(
        &self,
        _deal: &DealRecord,
        _price: Decimal,
        _reason: &str,
        _by: &str,
    ) -> Found {
        Err(AccountRejection::WrongMode("not yet".to_owned()))
    }
}
