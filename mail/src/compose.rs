//! Puts a mail together from the book, at the moment it is sent: the event that caused it, and the
//! client's stream opened with the client's key.

use std::sync::Arc;

use daybook_domain::{
    AccountEvent, Client, ClientEvent, ClientId, Timestamp, account::event::FundingStep,
};
use daybook_store::{Metadata, Recorded, Store, StoreError, StreamId, SubjectKey};
use uuid::Uuid;

use crate::{
    cause::{ACCOUNT, CLIENT, is_about_money},
    link::Links,
    markup::{self, MarkupError, Values},
    rows::Due,
    template::Template,
};

/// Longest program shown, in characters.
const PROGRAM_MAX: usize = 160;
const GREETED_MAX: usize = 40;

/// A mail, ready to be sent. Personal: it is nowhere kept but where it is delivered.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Letter {
    pub(crate) id: Uuid,
    pub(crate) client_id: ClientId,
    pub(crate) to: String,
    pub(crate) subject: String,
    pub(crate) text: String,
    pub(crate) html: String,
}

/// What there is to send.
pub(crate) enum Composed {
    Letter(Box<Letter>),
    /// There is no more reason for it; why.
    Nothing(&'static str),
}

/// A mail could not be put together now.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ComposeError {
    #[error("reading the book: {0}")]
    Store(#[from] StoreError),
    #[error("template {0:?}: {1}")]
    Template(&'static str, MarkupError),
    #[error("the book does not hold what this mail is about")]
    Baseless,
}

/// Where mails come from.
pub(crate) struct Composer {
    pub(crate) store: Store,
    pub(crate) links: Arc<Links>,
    /// Public address of the site, without a slash at its end.
    pub(crate) app_url: String,
}

/// What a mail may speak of.
struct Matter<'a> {
    template: Template,
    recorded: &'a Recorded,
    event: &'a ClientEvent,
    client_id: ClientId,
    client: &'a Client,
    key: &'a SubjectKey,
}

impl Composer {
    /// The mail of a row.
    pub(crate) async fn compose(&self, due: &Due) -> Result<Composed, ComposeError> {
        let stream = StreamId::new(CLIENT, due.client_id);
        let recorded = self.store.read_stream(&stream, 0, i64::MAX).await?;
        if recorded.iter().any(|it| &*it.event_type == "ClientErased") {
            return Ok(Composed::Nothing("the client was erased"));
        }
        let key = self.store.keys().get(due.client_id.0).await?;
        let mut client = Client::default();
        let mut cause = None;
        for recorded in &recorded {
            let event = opened(recorded, &key)?;
            client.evolve(&event);
            if recorded.position == due.position {
                cause = Some((recorded, event));
            }
        }
        if due.template.is_about_money() {
            let values = self.about_money(due, &client).await?;
            return letter(due, &client, &values);
        }
        let (recorded, event) = cause.ok_or(ComposeError::Baseless)?;
        if let Some(why) = moot(&event, &client) {
            return Ok(Composed::Nothing(why));
        }
        let matter = Matter {
            template: due.template,
            recorded,
            event: &event,
            client_id: due.client_id,
            client: &client,
            key: &key,
        };
        let values = self.values(&matter)?;
        letter(due, &client, &values)
    }

    /// What stands in every mail.
    fn greeting(&self, client: &Client, at: Timestamp) -> Values {
        let profile = client.profile.as_ref();
        let first_name = profile.map_or("", |profile| &profile.first_name);
        [
            ("home", Some(self.app_url.clone())),
            ("hello", Some(hello(first_name))),
            ("when", Some(when(at))),
        ]
        .into()
    }

    /// Of a deposit or withdrawal: its amount, and what staff said.
    async fn about_money(&self, due: &Due, client: &Client) -> Result<Values, ComposeError> {
        let recorded = self.store.read_at(&[due.position]).await?;
        let recorded = recorded.first().ok_or(ComposeError::Baseless)?;
        let event: AccountEvent = recorded.decode()?;
        let (request_id, step) = event.funding().ok_or(ComposeError::Baseless)?;
        let stream = StreamId::new(ACCOUNT, &recorded.aggregate_id);
        let story = self
            .store
            .read_stream(&stream, 0, recorded.sequence)
            .await?;
        let mut amount = None;
        for before in story.iter().filter(|before| is_about_money(before)) {
            let before: AccountEvent = before.decode()?;
            if let Some((
                id,
                FundingStep::Requested {
                    amount: asked,
                    currency,
                    ..
                },
            )) = before.funding()
                && id == request_id
            {
                amount = Some(format!("{} {currency}", currency.round(asked)));
            }
        }
        let decision = match step {
            FundingStep::Decided(_, decision) => Some(decision),
            FundingStep::Requested { .. } | FundingStep::Cancelled(_) => None,
        };
        let mut values = self.greeting(client, recorded.recorded_at);
        values.insert("amount", amount);
        values.insert("reason", decision.and_then(|it| it.reason.clone()));
        values.insert("reference", decision.and_then(|it| it.reference.clone()));
        Ok(values)
    }

    fn values(&self, matter: &Matter<'_>) -> Result<Values, ComposeError> {
        let mut values = self.greeting(matter.client, matter.recorded.recorded_at);
        match matter.template {
            Template::VerifyEmail | Template::ResetPassword | Template::Invitation => {
                let link = self.link(matter).ok_or(ComposeError::Baseless)?;
                values.insert("link", Some(link));
            }
            Template::NewSignIn => {
                let metadata = matter.recorded.metadata()?;
                let opened = |name: &str| -> Result<Option<String>, StoreError> {
                    let sealed = metadata.0.get(name);
                    sealed
                        .map(|sealed| matter.key.open(name, sealed))
                        .transpose()
                };
                let program = opened(Metadata::USER_AGENT)?;
                let program = program.map(|text| text.chars().take(PROGRAM_MAX).collect());
                values.insert("address", opened(Metadata::IP)?);
                values.insert("program", program);
                values.insert("news", news(matter.event).map(str::to_owned));
            }
            Template::KycApproved | Template::KycRejected | Template::KycExpired => {
                values.insert("notes", notes(matter.event));
            }
            Template::AlreadyRegistered
            | Template::PasswordChanged
            | Template::SecondFactorOn
            | Template::SecondFactorOff
            | Template::DepositCompleted
            | Template::DepositRejected
            | Template::WithdrawalRequested
            | Template::WithdrawalApproved
            | Template::WithdrawalCompleted
            | Template::WithdrawalRejected
            | Template::WithdrawalEnded => {}
        }
        Ok(values)
    }

    /// The link that the event promises.
    fn link(&self, matter: &Matter<'_>) -> Option<String> {
        let at = matter.recorded.recorded_at;
        let (page, token) = if let ClientEvent::PasswordResetRequested {
            number, invitation, ..
        } = matter.event
        {
            let (client_id, number) = (matter.client_id, *number);
            let token = if *invitation {
                self.links.issue_invitation(client_id, number, at)
            } else {
                self.links.issue_reset_password(client_id, number, at)
            };
            ("reset-password", token)
        } else {
            let email = &matter.client.profile.as_ref()?.email;
            let token = self.links.issue_verify_email(matter.client_id, email, at);
            ("verify-email", token)
        };
        Some(format!("{}/{page}?token={token}", self.app_url))
    }
}

/// The mail itself, to the client's address.
fn letter(due: &Due, client: &Client, values: &Values) -> Result<Composed, ComposeError> {
    let profile = client.profile.as_ref().ok_or(ComposeError::Baseless)?;
    let rendered = markup::render(due.template.source(), values)
        .map_err(|error| ComposeError::Template(due.template.as_str(), error))?;
    Ok(Composed::Letter(Box::new(Letter {
        id: due.id,
        client_id: due.client_id,
        to: profile.email.clone(),
        subject: rendered.subject,
        text: rendered.text,
        html: rendered.html,
    })))
}

fn opened(recorded: &Recorded, key: &SubjectKey) -> Result<ClientEvent, StoreError> {
    let payload = key.open_fields(&recorded.payload)?;
    serde_json::from_str(&payload).map_err(|error| StoreError::Corrupt {
        place: format!("position {}", recorded.position),
        detail: error.to_string(),
    })
}

/// Why what an event asked for is wanted no more.
fn moot(event: &ClientEvent, client: &Client) -> Option<&'static str> {
    if let ClientEvent::ClientRegistered { .. } | ClientEvent::VerificationRequested { .. } = event
    {
        if client.email_verified {
            return Some("the address is verified already");
        }
        let first = matches!(event, ClientEvent::ClientRegistered { .. });
        return (first && client.security.invited)
            .then_some("the invitation shows the address to be theirs");
    }
    if let ClientEvent::PasswordResetRequested { number, .. } = event {
        let newest = client.security.reset_open && client.security.resets == *number;
        return (!newest).then_some("the link is void already");
    }
    None
}

/// A greeting by name, if it can be no more than a name: whoever signs somebody else up must not
/// send them messages, or addresses to open, through us.
fn hello(first_name: &str) -> String {
    let name = first_name.trim();
    let plain = |c: char| c.is_alphabetic() || " '’-".contains(c);
    let fits = name.chars().count() <= GREETED_MAX && name.split(' ').count() <= 3;
    if name.is_empty() || !fits || !name.chars().all(plain) {
        return "Hello,".to_owned();
    }
    format!("Hello {name},")
}

fn when(at: Timestamp) -> String {
    at.format("%-d %B %Y, %H:%M UTC").to_string()
}

fn news(event: &ClientEvent) -> Option<&'static str> {
    let ClientEvent::UnusualSignIn {
        new_device,
        new_network,
        ..
    } = event
    else {
        return None;
    };
    match (new_device, new_network) {
        (true, true) => Some("device and network"),
        (true, false) => Some("device"),
        (false, true) => Some("network"),
        (false, false) => None,
    }
}

fn notes(event: &ClientEvent) -> Option<String> {
    if let ClientEvent::KycStatusChanged { notes, .. } = event {
        notes.clone()
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_greeted_and_a_message_is_not() {
        for name in ["Ada", "Jean-Luc", "Søren", "María José", "O’Neil", " Ada "] {
            assert_eq!(hello(name), format!("Hello {},", name.trim()));
        }
        for message in [
            "",
            "www.evil.example",
            "http://evil",
            "you have won 1000",
            "please do click this now",
            "<b>Ada</b>",
            "a\r\nBcc: eve@example.com",
            &"x".repeat(41),
        ] {
            assert_eq!(hello(message), "Hello,", "{message}");
        }
    }

    #[test]
    fn times_are_written_for_people() {
        let at = Timestamp::from_timestamp(1_790_000_000, 0).unwrap();
        assert_eq!(when(at), "21 September 2026, 14:13 UTC");
    }
}
