//! Why Postgres did not append a batch, and what that says about its fate.

use sqlx::postgres::{PgDatabaseError, PgSeverity};

use crate::{error::AppendError, submission::Submission};

/// An append that did not come back with a position.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The rows themselves were refused; nothing was appended and the connection is fine.
    Data(Refusal),
    /// Refused for another reason; nothing was appended.
    NotAppended(sqlx::Error),
    /// The answer was lost: it may stand in the book or not.
    Unknown(sqlx::Error),
}

/// What Postgres says of the row that it refused.
#[derive(Debug)]
pub(crate) struct Refusal {
    constraint: Option<String>,
    detail: Option<String>,
    message: String,
}

impl Failure {
    pub(crate) fn of(error: sqlx::Error) -> Self {
        if let sqlx::Error::Encode(cause) = &error {
            return Self::Data(Refusal::of_message(cause.to_string()));
        }
        let Some(refused) = postgres(&error) else {
            return Self::Unknown(error);
        };
        // FATAL closes the connection and may come when the commit has been made already.
        if matches!(refused.severity(), PgSeverity::Fatal | PgSeverity::Panic) {
            return Self::Unknown(error);
        }
        if is_about_data(refused.code()) {
            return Self::Data(Refusal::of(refused));
        }
        Self::NotAppended(error)
    }
}

fn postgres(error: &sqlx::Error) -> Option<&PgDatabaseError> {
    error
        .as_database_error()?
        .try_downcast_ref::<PgDatabaseError>()
}

/// SQLSTATE classes that a row can be the cause of: cardinality violation, data exception,
/// integrity constraint violation, program limit exceeded (an index row too large), exceptions
/// raised by a trigger.
fn is_about_data(code: &str) -> bool {
    ["21", "22", "23", "54", "P0"]
        .iter()
        .any(|class| code.starts_with(class))
}

impl Refusal {
    fn of(error: &PgDatabaseError) -> Self {
        Self {
            constraint: error.constraint().map(str::to_owned),
            detail: error.detail().map(str::to_owned),
            message: error.message().to_owned(),
        }
    }

    fn of_message(message: String) -> Self {
        Self {
            constraint: None,
            detail: None,
            message,
        }
    }

    /// The answer to the one submission that is the cause.
    pub(crate) fn into_error(self, submission: &Submission) -> AppendError {
        match self.constraint.as_deref() {
            Some("events_pkey") => {
                // Somebody else appended to the stream since it was loaded.
                let stream = submission
                    .appends
                    .first()
                    .map(|append| &append.handle.stream);
                match stream {
                    Some(stream) => AppendError::StaleGeneration(stream.clone()),
                    None => AppendError::Refused(self.message),
                }
            }
            Some("idempotency_pkey") => AppendError::IdempotencyKeyUsed,
            Some("unique_values_pkey") => AppendError::UniqueTaken {
                kind: self.kind(submission),
            },
            Some(_) | None => AppendError::Refused(self.message),
        }
    }

    /// Which unique row it was. Postgres says `Key (kind, value)=(email, …) already exists.`, in
    /// whatever language, but with these very values.
    fn kind(&self, submission: &Submission) -> String {
        let detail = self.detail.as_deref().unwrap_or_default();
        let named = detail
            .split_once(")=(")
            .and_then(|(_, values)| values.split_once(", "));
        let mut kinds = submission.uniques.iter().map(|row| row.kind);
        let first = kinds.next().unwrap_or_default();
        named.map_or(first, |(kind, _)| kind).to_owned()
    }
}
