//! Links in mails.

use daybook_domain::ClientId;

use crate::{
    app::App,
    problem::{Answered, Code, Problem},
};

/// What the link of a mail to verify an address says.
pub(crate) fn verify_email(_app: &App, _token: &str) -> Answered<(ClientId, String)> {
    Err(Problem::new(Code::InvalidToken))
}

/// What the link of a mail to choose a new password says.
pub(crate) fn reset_password(_app: &App, _token: &str) -> Answered<(ClientId, u32)> {
    Err(Problem::new(Code::InvalidToken))
}
