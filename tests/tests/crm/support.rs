//! A world with a CRM beside it.

use std::collections::{BTreeMap, BTreeSet};

use daybook_tests::{Delivered, Http, Launch, Receiver, World, within};
use serde_json::Value;
use std::time::Duration;
use uuid::Uuid;

pub const SECRET: &str = "tests-webhook-secret-0123456789abcdef";
pub const TOKEN: &str = "tests-crm-token-0123456789abcdef";
const PATIENCE: Duration = Duration::from_secs(120);

/// A server, its world, and the CRM that it tells.
pub struct Told {
    pub world: World,
    pub crm: Receiver,
}

impl Told {
    /// Everything is told, under the site's names.
    pub async fn start() -> Self {
        Self::start_with(|launch| launch).await
    }

    pub async fn start_with(configure: impl FnOnce(Launch) -> Launch) -> Self {
        let crm = Receiver::start().await;
        let url = crm.url();
        let world = World::start_with(|launch| {
            let launch = launch
                .set("CRM_BASE_URL", &url)
                .set("CRM_WEBHOOK_PATH", "/webhooks/crm")
                .set("WEBHOOK_ALLOW_PRIVATE", "true");
            configure(launch)
        })
        .await;
        Self { world, crm }
    }

    /// Speaks with the CRM's token.
    pub fn http(&self) -> Http {
        self.world.app.http.bearer(TOKEN)
    }

    /// Runs `daybook webhooks …` beside the server and returns what it printed.
    pub async fn cli(&self, arguments: &[&str]) -> Value {
        let arguments = [&["--json", "webhooks"], arguments].concat();
        let output = self.world.app.run(&arguments).await;
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "{arguments:?}: {out}{err}");
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error} in {out}"))
    }

    /// Webhooks that the book calls for at an endpoint, in order: identifier and name.
    pub async fn called_for(&self, endpoint: &str) -> Vec<(Uuid, String)> {
        let head = self.world.book.head().await;
        let pool = self.world.book.pool();
        within(PATIENCE, "the outbox follows", || async {
            let at: i64 =
                sqlx::query_scalar("select position from projections where name = 'outbox'")
                    .fetch_one(pool)
                    .await
                    .ok()?;
            (at >= head).then_some(())
        })
        .await;
        let query = "select id, event from read.outbox where endpoint = $1 order by number";
        sqlx::query_as(query)
            .bind(endpoint)
            .fetch_all(pool)
            .await
            .expect("the outbox is readable")
    }

    /// Waits until nothing waits to be sent any more.
    pub async fn settled(&self) {
        let expected = self.called_for("crm").await.len();
        let expected = i64::try_from(expected).expect("few");
        within(PATIENCE, "everything is delivered", || async {
            let query = "select count(*) from webhook_deliveries \
                 where endpoint = 'crm' and status <> 'pending'";
            let done: i64 = sqlx::query_scalar(query)
                .fetch_one(self.world.book.pool())
                .await
                .ok()?;
            (done == expected).then_some(())
        })
        .await;
    }

    /// Waits until a delivery stands like this; returns it.
    pub async fn until_status(&self, id: Uuid, status: &str) -> Value {
        let path = format!("/crm/webhooks/deliveries/{id}");
        within(PATIENCE, &format!("{id} is {status}"), || async {
            let found = self.http().get(&path).await;
            let json = found.expecting(200).json();
            (json["status"] == status).then_some(json)
        })
        .await
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Asserts what holds of all that was ever received: a repeat is the same to the last byte, and each
/// client's webhooks began to arrive in order, without a gap.
pub fn assert_orderly(received: &[Delivered]) {
    let mut bodies: BTreeMap<Uuid, &str> = BTreeMap::new();
    let mut next: BTreeMap<String, i64> = BTreeMap::new();
    for one in received.iter().filter(|one| one.accepted) {
        one.assert_signed(SECRET, 0);
        assert_canonical(&one.body);
        if let Some(known) = bodies.insert(one.id(), &one.body) {
            assert_eq!(known, one.body, "another body under the same identifier");
            continue;
        }
        let next = next.entry(one.client()).or_insert(1);
        assert_eq!(one.client_number(), *next, "out of order: {}", one.body);
        *next += 1;
    }
}

/// `JSON.stringify(JSON.parse(body))` would be the same text: no whitespace, no fractions.
fn assert_canonical(body: &str) {
    let mut in_text = false;
    let mut escaped = false;
    for (at, c) in body.char_indices() {
        if escaped {
            escaped = false;
        } else if in_text {
            match c {
                '\\' => escaped = true,
                '"' => in_text = false,
                _ => {}
            }
        } else {
            assert!(
                !c.is_whitespace() && !matches!(c, '.' | 'e' | 'E') || word(body, at),
                "{body}"
            );
            in_text = c == '"';
        }
    }
}

/// Whether a letter belongs to `true`, `false` or `null`.
fn word(body: &str, at: usize) -> bool {
    let around = &body[at.saturating_sub(4)..(at + 1)];
    around.ends_with("true") || around.ends_with("alse")
}

/// Identifiers of what was accepted.
pub fn ids(received: &[Delivered]) -> BTreeSet<Uuid> {
    let accepted = received.iter().filter(|one| one.accepted);
    accepted.map(Delivered::id).collect()
}
