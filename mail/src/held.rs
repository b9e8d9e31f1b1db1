//! What is held of a client's mails: the outbox's rows, and the text where a mail was kept in the
//! data directory.
//!
//! A link's token proves that somebody reads the mailbox. It is left out: whoever has a session and
//! nothing else must not get at it here.

use std::{collections::HashMap, io, path::Path};

use chrono::{DateTime, Utc};
use daybook_domain::ClientId;
use daybook_store::{Store, StoreError};
use sqlx::PgPool;
use uuid::Uuid;

use crate::{kept::KeptMails, rows, template::Template};

/// Before a link's token.
const TOKEN: &str = "token=";
const REMOVED: &str = "(removed)";

/// What is held of mails. Cheap to clone.
#[derive(Clone, Debug)]
pub struct HeldMails {
    pool: PgPool,
    kept: Option<KeptMails>,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldMail {
    /// Names it.
    pub id: Uuid,
    /// The template's name.
    pub template: String,
    /// Subject; none: a newer version of the program has put it in.
    pub subject: Option<&'static str>,
    /// What became of it.
    pub state: MailState,
    /// When the event that caused it was recorded.
    pub created_at: DateTime<Utc>,
    /// When it was sent, given up or skipped.
    pub ended_at: Option<DateTime<Utc>>,
    /// How often it was tried.
    pub attempts: i32,
    /// Why it failed or was not sent.
    pub reason: Option<String>,
    /// Its plain text without the tokens of links, where it is kept on this node.
    pub text: Option<String>,
}

/// What became of a mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailState {
    /// To be sent.
    Due,
    /// Delivered, or kept.
    Sent,
    /// Could not be sent.
    GivenUp,
    /// Rightly not sent.
    Skipped,
}

impl MailState {
    /// As it is told.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Due => "due",
            Self::Sent => "sent",
            Self::GivenUp => "given_up",
            Self::Skipped => "skipped",
        }
    }
}

/// What is held could not be read.
#[derive(Debug, thiserror::Error)]
pub enum HeldError {
    /// The outbox.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The data directory.
    #[error("kept mails")]
    Kept(#[from] io::Error),
}

impl HeldMails {
    /// Of the book's database, and of a data directory if there is one.
    #[must_use]
    pub fn new(store: &Store, data_dir: Option<&Path>) -> Self {
        Self {
            pool: store.pool().clone(),
            kept: data_dir.map(KeptMails::of),
        }
    }

    /// Those to a client, oldest first.
    ///
    /// # Errors
    /// [`HeldError`].
    pub async fn of(&self, client_id: ClientId) -> Result<Vec<HeldMail>, HeldError> {
        let found = rows::of_client(&self.pool, client_id).await;
        let rows = found.map_err(StoreError::from)?;
        let mut texts = self.texts(client_id).await?;
        let held = rows.into_iter().map(|row| {
            let (state, ended_at) = row.state();
            HeldMail {
                id: row.id,
                subject: Template::parse(&row.template).map(Template::subject),
                template: row.template,
                state,
                created_at: row.created_at,
                ended_at,
                attempts: row.attempts,
                reason: row.last_error,
                text: texts.remove(&row.id).map(|text| without_tokens(&text)),
            }
        });
        Ok(held.collect())
    }

    async fn texts(&self, client_id: ClientId) -> io::Result<HashMap<Uuid, String>> {
        let Some(kept) = self.kept.clone() else {
            return Ok(HashMap::new());
        };
        let reading = tokio::task::spawn_blocking(move || kept.of_client(client_id));
        let mails = reading.await.map_err(io::Error::other)??;
        Ok(mails.into_iter().map(|mail| (mail.id, mail.text)).collect())
    }
}

/// The text with every token replaced.
fn without_tokens(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(TOKEN) {
        shown.push_str(before);
        shown.push_str(TOKEN);
        shown.push_str(REMOVED);
        let end = after.find(|c: char| !(c.is_ascii_alphanumeric() || "-_.~%".contains(c)));
        rest = &after[end.unwrap_or(after.len())..];
    }
    shown.push_str(rest);
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_token_is_shown_wherever_it_stands() {
        let text = "See https://a.example/x?token=eyJ.a-b_c.d\n\nor token=abc, or token=";
        let shown = "See https://a.example/x?token=(removed)\n\nor token=(removed), \
             or token=(removed)";
        assert_eq!(without_tokens(text), shown);
        assert_eq!(without_tokens("nothing in it"), "nothing in it");
    }
}
