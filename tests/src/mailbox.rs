//! Mails that the program keeps, read as its operator reads them.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{app::App, client::Trader, wait::within};

/// From the answer of a request to the mail that it causes.
const SOON: Duration = Duration::from_secs(20);

/// The newest mail to an address with these words in its subject, once there are `count` of them.
///
/// # Panics
/// When they do not come.
pub async fn newest(app: &App, email: &str, subject: &str, count: usize) -> Value {
    let wanted = format!("{count} mails to {email}: {subject}");
    within(SOON, &wanted, || async {
        let output = app.run(&["mail", "list", "--json"]).await;
        let listed: Value = serde_json::from_slice(&output.stdout).ok()?;
        let fits = |mail: &&Value| {
            let words = mail["subject"].as_str().unwrap_or_default();
            mail["to"] == email && words.contains(subject)
        };
        let mails: Vec<&Value> = listed.as_array()?.iter().filter(fits).collect();
        (mails.len() >= count).then(|| mails[0].clone())
    })
    .await
}

/// The token in a mail's link.
///
/// # Panics
/// When it has no link.
#[must_use]
pub fn token(mail: &Value) -> String {
    let text = mail["text"].as_str().unwrap_or_default();
    let (_, from) = text.split_once("token=").expect("a link");
    let end = from.find(|c: char| !(c.is_alphanumeric() || "-_.".contains(c)));
    from[..end.unwrap_or(from.len())].to_owned()
}

/// Opens the link of a trader's first mail.
///
/// # Panics
/// When there is none, or it is refused.
pub async fn verify(app: &App, trader: &Trader) {
    let mail = newest(app, &trader.email, "Confirm", 1).await;
    let body = json!({ "token": token(&mail) });
    let answer = app.http.post("/auth/verify-email", &body).await;
    answer.expecting(204);
}
