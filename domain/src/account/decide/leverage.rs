//! Leverage and controls.

use super::{Book, Found};
use crate::{AccountRejection, account::Controls};

impl Book<'_> {
    /// The leverage in force, the account's limit taken into account.
    pub(super) fn leverage(&self) -> u32 {
        self.account.leverage().unwrap_or(self.terms.leverage)
    }

    pub(super) fn change_leverage(&self, _leverage: u32, _by: &str) -> Found {
        Err(AccountRejection::WrongMode("not yet".to_owned()))
    }

    pub(super) fn set_controls(
        &self,
        _controls: &Controls,
        _reason: Option<&str>,
        _by: &str,
    ) -> Found {
        Err(AccountRejection::WrongMode("not yet".to_owned()))
    }
}
