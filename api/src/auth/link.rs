//! Links in mails, as routes read them.

use chrono::Utc;
use daybook_mail::{EmailVerification, LinkError, PasswordReset};

use crate::{
    app::App,
    problem::{Answered, Code, Problem},
};

/// What the link of a mail to verify an address says.
pub(crate) fn verify_email(app: &App, token: &str) -> Answered<EmailVerification> {
    app.links
        .verify_verify_email(token, Utc::now())
        .map_err(refused)
}

/// What the link of a mail to choose a new password says.
pub(crate) fn reset_password(app: &App, token: &str) -> Answered<PasswordReset> {
    let read = app.links.verify_reset_password(token, Utc::now());
    read.map_err(refused)
}

/// Which of the two it is helps nobody who did not get the mail.
fn refused(error: LinkError) -> Problem {
    match error {
        LinkError::Invalid | LinkError::Expired => Problem::new(Code::InvalidToken),
    }
}

/// Whoever was erased has no links any more; everything else that fails, the database for example,
/// says nothing about the link.
pub(crate) fn of_nobody(problem: Problem) -> Problem {
    if matches!(problem.code(), Code::Unauthenticated | Code::NotFound) {
        Problem::new(Code::InvalidToken)
    } else {
        problem
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_that_is_away_makes_no_link_invalid() {
        let of = |code| of_nobody(Problem::new(code)).code();
        assert_eq!(of(Code::Unauthenticated), Code::InvalidToken);
        assert_eq!(of(Code::Unavailable), Code::Unavailable);
    }
}
