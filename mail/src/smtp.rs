//! Delivery to a mail server.

use std::{fmt, net::IpAddr, str::FromStr, time::Duration};

use lettre::{
    AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor,
    message::{
        Mailbox, MultiPart,
        header::{HeaderName, HeaderValue},
    },
    transport::smtp::{self, AsyncSmtpTransportBuilder, PoolConfig, client::Tls},
};
use secrecy::{ExposeSecret, SecretString};
use tokio::time::timeout;
use url::Url;

use crate::compose::Letter;

/// One command of the dialogue.
const COMMAND_MAX: Duration = Duration::from_secs(20);
/// The whole dialogue.
const DELIVERY_MAX: Duration = Duration::from_secs(60);
const IDLE_MAX: Duration = Duration::from_secs(30);
const REASON_MAX: usize = 200;
/// Answers that are about us and not about the mail: authentication is missing or was refused.
const ABOUT_US: [&str; 4] = ["530", "534", "535", "538"];

/// Why a mail was not delivered. Holds no personal data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Undelivered {
    /// For ever.
    Refused(String),
    /// For now.
    Failed(String),
}

/// Where the mail server is: `smtp://user:password@host:port` or `smtps://…`.
///
/// `smtps` speaks TLS from the first byte. `smtp` turns to TLS where the server offers it, insists
/// on it where a password goes over a network, and speaks plainly on this machine;
/// `?tls=required`, `opportunistic` or `none` says otherwise.
#[derive(Clone)]
pub struct SmtpUrl(SecretString);

impl SmtpUrl {
    /// Reads one.
    ///
    /// # Errors
    /// What is wrong, without the text, which may hold a password.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        builder(text)?;
        Ok(Self(text.into()))
    }
}

impl fmt::Debug for SmtpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SmtpUrl(…)")
    }
}

/// Who mails are from: `Daybook <no-reply@example.com>` or the address alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sender(Mailbox);

impl Default for Sender {
    fn default() -> Self {
        Self::parse("Daybook <no-reply@localhost>").expect("invariant: it is an address")
    }
}

impl Sender {
    /// Reads one.
    ///
    /// # Errors
    /// What is wrong.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        const PROBLEM: &str = "must be an address, or a name and an address like \
                               Daybook <no-reply@example.com>";
        if text.chars().any(char::is_control) {
            return Err(PROBLEM);
        }
        Mailbox::from_str(text).map(Self).map_err(|_| PROBLEM)
    }
}

/// A mail server and a few connections to it.
pub(crate) struct Smtp {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Sender,
}

impl Smtp {
    /// Opens nothing yet. `connections` at most.
    pub(crate) fn new(
        url: &SmtpUrl,
        from: Sender,
        connections: usize,
    ) -> Result<Self, &'static str> {
        let connections = u32::try_from(connections).unwrap_or(u32::MAX);
        let pool = PoolConfig::new()
            .max_size(connections)
            .idle_timeout(IDLE_MAX);
        let builder = builder(url.0.expose_secret())?
            .timeout(Some(COMMAND_MAX))
            .pool_config(pool);
        Ok(Self {
            transport: builder.build(),
            from,
        })
    }

    pub(crate) async fn deliver(&self, letter: &Letter) -> Result<(), Undelivered> {
        let message = message(letter, &self.from)?;
        match timeout(DELIVERY_MAX, self.transport.send(message)).await {
            Ok(Ok(_accepted)) => Ok(()),
            Ok(Err(error)) => Err(judged(&error, &letter.to)),
            Err(_elapsed) => Err(Undelivered::Failed(
                "the mail server is too slow".to_owned(),
            )),
        }
    }

    /// Says goodbye to the server.
    pub(crate) async fn close(&self) {
        self.transport.shutdown().await;
    }
}

fn builder(text: &str) -> Result<AsyncSmtpTransportBuilder, &'static str> {
    const PROBLEM: &str = "must be a URL like smtp://user:password@host:587 or smtps://…";
    let mut url = Url::parse(text).map_err(|_| PROBLEM)?;
    let host = url.host_str().filter(|host| !host.is_empty());
    let host = host.ok_or(PROBLEM)?.to_owned();
    let tls = url
        .query_pairs()
        .find_map(|(name, value)| (name == "tls").then(|| value.into_owned()));
    let tls = match (url.scheme(), tls.as_deref()) {
        ("smtps", None | Some("required")) => None,
        ("smtp", Some("none")) => None,
        ("smtp", Some(given @ ("required" | "opportunistic"))) => Some(given.to_owned()),
        ("smtp", None) if on_this_machine(&host) => None,
        ("smtp", None) if url.password().is_some() => Some("required".to_owned()),
        ("smtp", None) => Some("opportunistic".to_owned()),
        ("smtp" | "smtps", Some(_)) => return Err("tls must be required, opportunistic or none"),
        _ => return Err(PROBLEM),
    };
    // Where TLS is the server's choice, the port stays that of plain servers.
    if tls.as_deref() == Some("opportunistic") && url.port().is_none() {
        url.set_port(Some(smtp::SMTP_PORT)).map_err(|()| PROBLEM)?;
    }
    url.set_query(tls.map(|tls| format!("tls={tls}")).as_deref());
    let plain = url.scheme() == "smtp" && url.query().is_none();
    let builder = AsyncSmtpTransport::<Tokio1Executor>::from_url(url.as_str());
    let builder = builder.map_err(|_| PROBLEM)?;
    Ok(if plain {
        builder.tls(Tls::None)
    } else {
        builder
    })
}

fn on_this_machine(host: &str) -> bool {
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

/// The mail as it goes over the wire. Its identifier is the row's, so that a receiver that gets it
/// twice (we died before we wrote down that it was sent) can tell.
fn message(letter: &Letter, from: &Sender) -> Result<Message, Undelivered> {
    let unusable = |what: &str| Undelivered::Refused(format!("{what} is not usable"));
    let to = letter.to.parse().map_err(|_| unusable("the address"))?;
    let from = &from.0;
    let id = format!("<{}@{}>", letter.id, from.email.domain());
    // Nobody's absence is to be answered to us.
    let automatic = HeaderValue::new(
        HeaderName::new_from_ascii_str("Auto-Submitted"),
        "auto-generated".to_owned(),
    );
    Message::builder()
        .message_id(Some(id))
        .from(from.clone())
        .to(Mailbox::new(None, to))
        .subject(letter.subject.clone())
        .raw_header(automatic)
        .multipart(MultiPart::alternative_plain_html(
            letter.text.clone(),
            letter.html.clone(),
        ))
        .map_err(|_| unusable("the mail"))
}

fn judged(error: &smtp::Error, to: &str) -> Undelivered {
    let status = error.status().map(|code| code.to_string());
    let about_us = status.is_some_and(|code| ABOUT_US.contains(&code.as_str()));
    let why = scrubbed(&error.to_string(), to);
    if error.is_permanent() && !about_us {
        Undelivered::Refused(why)
    } else {
        Undelivered::Failed(why)
    }
}

/// What a server says, without the address, which many repeat.
fn scrubbed(text: &str, to: &str) -> String {
    let to = to.to_lowercase();
    let (local, _) = to.split_once('@').unwrap_or((&to, ""));
    let words = text.split_whitespace().map(|word| {
        let personal = word.contains('@') || word.to_lowercase().contains(local);
        if personal { "…" } else { word }
    });
    let words: Vec<&str> = words.collect();
    words.join(" ").chars().take(REASON_MAX).collect()
}

#[cfg(test)]
mod tests {
    use daybook_domain::ClientId;
    use uuid::Uuid;

    use super::*;

    fn letter(to: &str, subject: &str) -> Letter {
        Letter {
            id: Uuid::from_u128(7),
            client_id: ClientId::default(),
            to: to.to_owned(),
            subject: subject.to_owned(),
            text: "Grüße\n".to_owned(),
            html: "<p>Grüße</p>".to_owned(),
        }
    }

    fn wire(letter: &Letter) -> String {
        let sender = Sender::parse("Daybook <no-reply@example.com>").unwrap();
        let bytes = message(letter, &sender).unwrap().formatted();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_mail_has_both_parts_and_the_rows_identifier() {
        let wire = wire(&letter("ada@example.com", "News"));
        for line in [
            "Message-ID: <00000000-0000-0000-0000-000000000007@example.com>\r\n",
            "From: Daybook <no-reply@example.com>\r\n",
            "To: ada@example.com\r\n",
            "Subject: News\r\n",
            "Auto-Submitted: auto-generated\r\n",
            "Content-Type: multipart/alternative;",
            "Content-Type: text/plain; charset=utf-8",
            "Content-Type: text/html; charset=utf-8",
        ] {
            assert!(wire.contains(line), "{line}\n{wire}");
        }
    }

    #[test]
    fn no_value_becomes_a_header() {
        let evil = "News\r\nBcc: eve@example.com";
        let wire = wire(&letter("ada@example.com", evil));
        let (headers, _) = wire.split_once("\r\n\r\n").unwrap();
        assert!(!headers.contains("\nBcc"), "{headers}");
        for to in [
            "ada@example.com\r\nBcc: eve@example.com",
            "ada@example.com, eve@example.com",
            "ada@example.com>\r\nRCPT TO:<eve@example.com",
            "Ada <ada@example.com>",
            "ada@exam ple.com",
            "",
        ] {
            let refused = message(&letter(to, "News"), &Sender::default());
            assert!(matches!(refused, Err(Undelivered::Refused(_))), "{to:?}");
        }
    }

    #[test]
    fn senders_are_addresses_with_or_without_a_name() {
        for good in [
            "no-reply@example.com",
            "Daybook <no-reply@example.com>",
            "\"Day, book\" <no-reply@example.com>",
        ] {
            assert!(Sender::parse(good).is_ok(), "{good}");
        }
        for bad in ["Daybook", "<>", "a@b\r\nBcc: c@d", "Daybook <a@b", ""] {
            assert!(Sender::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn servers_are_named_by_url() {
        for good in [
            "smtp://localhost:1025",
            "smtp://127.0.0.1",
            "smtp://mail.example.com",
            "smtp://user:pass@mail.example.com:587",
            "smtp://user%40example.com:p%2Fss@mail.example.com",
            "smtp://mailpit:1025?tls=none",
            "smtps://user:pass@mail.example.com",
            "smtps://mail.example.com:465?tls=required",
        ] {
            assert!(SmtpUrl::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "mail.example.com",
            "http://mail.example.com",
            "smtp://",
            "smtp://host:port",
            "smtp://host?tls=perhaps",
            "smtps://host?tls=none",
        ] {
            assert!(SmtpUrl::parse(bad).is_err(), "{bad}");
        }
        let shown = format!("{:?}", SmtpUrl::parse("smtp://u:hunter2@h").unwrap());
        assert!(!shown.contains("hunter2"));
    }

    #[test]
    fn a_password_goes_over_no_network_in_plain_text() {
        let shown = |url: &str| format!("{:?}", builder(url).unwrap());
        assert!(shown("smtp://u:p@mail.example.com").contains("Required"));
        assert!(shown("smtp://mail.example.com").contains("Opportunistic"));
        assert!(shown("smtps://u:p@mail.example.com").contains("Wrapper"));
        assert!(shown("smtp://u:p@localhost:1025").contains("tls: None"));
        assert!(shown("smtp://u:p@[::1]:1025").contains("tls: None"));
        assert!(shown("smtp://u:p@mail.example.com?tls=none").contains("tls: None"));
    }

    #[test]
    fn what_a_server_says_is_kept_without_the_address() {
        let said = "permanent error (550): 5.1.1 <Ada@example.com>: user ada unknown";
        assert_eq!(
            scrubbed(said, "ada@example.com"),
            "permanent error (550): 5.1.1 … user … unknown"
        );
        assert_eq!(
            scrubbed(&"x ".repeat(300), "ada@example.com")
                .chars()
                .count(),
            REASON_MAX
        );
    }
}
