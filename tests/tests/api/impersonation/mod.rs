//! Somebody of the broker's in a client's place: how they come, what they may not do there, what the
//! book says of it, and how they are shown out.

mod attacks;
mod coming;
mod place;

use std::time::{SystemTime, UNIX_EPOCH};

use daybook_tests::{Answer, Http, Trader, World, python};
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

const SITE: &str = "http://127.0.0.1:5173";
const CRM_TOKEN: &str = "tests-crm-token-0123456789abcdef";
const SSO_SECRET: &str = "tests-sso-secret-0123456789abcdef";
const CRM_SSO_SECRET: &str = "tests-crm-sso-secret-0123456789abcdef";
const REASON: &str = "cannot find the statement";
const ADMIN: &str = "ines@broker.example";

async fn world() -> World {
    World::start_with(|launch| launch.set("APP_URL", SITE)).await
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs().cast_signed())
}

/// Asks for a token as the CRM.
async fn ask(world: &World, client_id: Uuid) -> Answer {
    let body = json!({ "clientId": client_id, "reason": REASON, "adminId": ADMIN });
    let crm = world.app.http.bearer(CRM_TOKEN);
    crm.post("/sso/impersonate", &body).await
}

/// A token for this client.
async fn token(world: &World, client_id: Uuid) -> String {
    let asked = ask(world, client_id).await.expecting(200);
    asked.text_at("/ssoToken")
}

/// Shows a token of ours.
async fn consume(world: &World, token: &str) -> Answer {
    let path = format!("/sso/consume?token={token}");
    world.app.http.get(&path).await
}

/// Shows one of the CRM's.
async fn consume_crm(world: &World, token: &str) -> Answer {
    let path = format!("/sso/impersonate?token={token}");
    world.app.http.get(&path).await
}

/// What the CRM says of a client, good for a minute.
fn claims(email: &str) -> Value {
    json!({
        "clientEmail": email, "impersonatedBy": ADMIN, "iat": now(), "exp": now() + 60,
    })
}

/// A token as PyJWT makes it.
fn minted(claims: &Value, secret: &str, algorithm: &str) -> String {
    let program = "import json, jwt, sys\n\
         print(jwt.encode(json.loads(sys.argv[1]), sys.argv[2] or None, sys.argv[3]))";
    let printed = python::run(program, &[&claims.to_string(), secret, algorithm]);
    printed.trim().to_owned()
}

/// Asserts the one answer to every token that lets nobody in.
#[track_caller]
fn refused(answer: &Answer) {
    let problem = answer.problem(401, "invalid_sso_token");
    assert_eq!(problem["detail"], "Invalid or expired SSO token");
    assert_eq!(problem["title"], "Invalid or expired SSO token");
    assert!(answer.cookies().is_empty(), "{:?}", answer.cookies());
}

/// A browser in a client's place.
struct Visit {
    cookie: String,
    csrf: String,
    http: Http,
    /// What the first refresh answered.
    session: Value,
}

impl Visit {
    /// By a token of ours.
    async fn to(world: &World, trader: &Trader) -> Self {
        let token = token(world, trader.client_id).await;
        let let_in = consume(world, &token).await.expecting(302);
        Self::of(world, &let_in).await
    }

    /// Goes on as the site does: the cookies give the first access token.
    async fn of(world: &World, let_in: &Answer) -> Self {
        let cookies = let_in.cookies();
        let pairs = cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"));
        let cookie = pairs.collect::<Vec<_>>().join("; ");
        let csrf = cookies.iter().find(|(name, _)| name == "daybook_csrf");
        let mut visit = Self {
            cookie,
            csrf: csrf.expect("a value to repeat").1.clone(),
            http: world.app.http.clone(),
            session: Value::Null,
        };
        visit.session = visit.refresh(world).await.expecting(200).json();
        let access = visit.session["accessToken"].as_str().expect("a token");
        visit.http = world.app.http.bearer(access);
        visit
    }

    async fn refresh(&self, world: &World) -> Answer {
        let call = world.app.http.call(Method::POST, "/auth/refresh");
        let call = call
            .header("cookie", &self.cookie)
            .header("x-csrf-token", &self.csrf)
            .header("origin", SITE);
        call.json(&json!({})).send().await
    }

    /// The session, as the client sees it.
    async fn listed(&self, trader: &Trader) -> Value {
        let sessions = trader.http.get("/user/sessions").await.expecting(200);
        let sessions = sessions.json();
        let found = sessions.as_array().into_iter().flatten();
        let mut found = found.filter(|item| item["impersonatedBy"] == ADMIN);
        found.next().cloned().expect("a session of theirs")
    }
}

/// The client's events of this type, as they rest.
async fn facts(world: &World, client_id: Uuid, event_type: &str) -> Vec<(Value, Value)> {
    let rows: Vec<(String, String)> = sqlx::query_as(
        "select payload::text, metadata::text from events where aggregate_type = 'client' \
         and aggregate_id = $1 and event_type = $2 order by sequence",
    )
    .bind(client_id.to_string())
    .bind(event_type)
    .fetch_all(world.book.pool())
    .await
    .expect("the book is readable");
    let json = |text: &str| serde_json::from_str::<Value>(text).expect("JSON");
    rows.iter()
        .map(|(payload, metadata)| (json(payload)[event_type].clone(), json(metadata)))
        .collect()
}

/// Why genuine tokens of this client were refused, in order.
async fn refusals(world: &World, client_id: Uuid) -> Vec<String> {
    let facts = facts(world, client_id, "ImpersonationRefused").await;
    let reasons = facts.iter().map(|(fact, _)| fact["refusal"].as_str());
    reasons.flatten().map(str::to_owned).collect()
}
