//! An attacker with an account of their own tries every door. What is tried comes from the OpenAPI
//! document, so that a new route is tried too.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use daybook_tests::{Http, Trader, World, client::PASSWORD};
use reqwest::Method;
use serde_json::{Value, json};

/// Everything of the victim's that has an identifier.
async fn identifiers(victim: &Trader) -> Vec<String> {
    let opened = victim.market("EURUSD", "buy", "0.01").await.json();
    let limit = json!({
        "symbol": "EURUSD", "side": "buy", "type": "limit", "volume": "0.01",
        "limitPrice": "1.05000",
    });
    let resting = victim
        .http
        .post("/trading/order", &limit)
        .await
        .expecting(201)
        .json();
    let sessions = victim
        .http
        .get("/user/sessions")
        .await
        .expecting(200)
        .json();
    let texts = [
        &opened["orderId"],
        &opened["positionId"],
        &opened["execution"]["dealId"],
        &resting["orderId"],
        &sessions[0]["sessionId"],
    ];
    let found = texts.iter().filter_map(|text| text.as_str());
    let mut ids: Vec<String> = found.map(str::to_owned).collect();
    assert_eq!(ids.len(), texts.len(), "{opened} {resting} {sessions}");
    ids.extend([victim.demo, victim.live, victim.client_id].map(|id| id.to_string()));
    ids
}

/// One operation of the document.
#[derive(Debug)]
struct Operation {
    method: Method,
    path: String,
    /// What may sign the request; none: it is public.
    schemes: Vec<String>,
    /// Filled in with the document's examples.
    body: Option<Value>,
}

impl Operation {
    fn takes_identifiers(&self) -> bool {
        self.path.contains('{')
    }

    fn with(&self, id: &str) -> String {
        let mut path = self.path.clone();
        while let (Some(from), Some(to)) = (path.find('{'), path.find('}')) {
            path.replace_range(from..=to, id);
        }
        path
    }

    async fn send(&self, http: &Http, path: &str, body: Option<&Value>) -> u16 {
        let call = http
            .call(self.method.clone(), path)
            .timeout(Duration::from_secs(10));
        let call = match body {
            Some(body) => call.json(body),
            None => call,
        };
        call.send().await.status
    }
}

async fn operations(http: &Http) -> Vec<Operation> {
    let document = http.get("/openapi.json").await.expecting(200).json();
    let paths = document["paths"].as_object().expect("paths");
    let mut found = Vec::new();
    for (path, methods) in paths {
        for (method, operation) in methods.as_object().expect("methods") {
            let security = operation["security"].as_array();
            let optional =
                |schemes: &Value| schemes.as_object().is_none_or(serde_json::Map::is_empty);
            let schemes = security.into_iter().flatten();
            let public = security.is_none() || schemes.clone().any(optional);
            let names = schemes.filter_map(|scheme| scheme.as_object()?.keys().next().cloned());
            let content = &operation["requestBody"]["content"]["application/json"]["schema"];
            found.push(Operation {
                method: method.to_uppercase().parse().expect("a method"),
                path: path.clone(),
                schemes: if public { Vec::new() } else { names.collect() },
                body: (!content.is_null()).then(|| example(&document, content)),
            });
        }
    }
    assert!(found.len() > 30, "{found:?}");
    found
}

/// A value of the schema.
fn example(document: &Value, schema: &Value) -> Value {
    if let Some(name) = schema["$ref"].as_str() {
        let pointer = name.trim_start_matches('#');
        return example(document, document.pointer(pointer).expect("a schema"));
    }
    if let Some(example_value) = schema.get("example") {
        return example_value.clone();
    }
    if let Some(values) = schema["enum"].as_array() {
        return values[0].clone();
    }
    let choices = ["oneOf", "anyOf", "allOf"].map(|name| schema[name].as_array());
    if let Some(choices) = choices.into_iter().flatten().next() {
        let real = choices.iter().find(|choice| choice["type"] != "null");
        return real.map_or(Value::Null, |choice| example(document, choice));
    }
    if let Some(properties) = schema["properties"].as_object() {
        let fields = properties.iter();
        let fields = fields.map(|(name, of)| (name.clone(), example(document, of)));
        return Value::Object(fields.collect());
    }
    match schema["format"].as_str() {
        Some("uuid") => json!("01997d0a-5a3e-7d31-9a53-0a4f2f1c7a00"),
        Some(_) | None => json!("1"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_somebody_elses_opens_whatever_is_asked() {
    let world = World::start().await;
    let (victim, attacker) = (world.trader().await, world.trader().await);
    let ids = identifiers(&victim).await;
    let accounts = [victim.demo, victim.live];
    let before = [
        world.book.event_types(victim.demo).await,
        world.book.event_types(victim.live).await,
        world.book.client_event_types(victim.client_id).await,
    ];
    let mut tried: BTreeMap<String, usize> = BTreeMap::new();
    for operation in operations(&world.app.http).await {
        if !operation.schemes.iter().any(|scheme| scheme == "bearer") {
            continue;
        }
        let name = format!("{} {}", operation.method, operation.path);
        for id in &ids {
            let mut targets = Vec::new();
            if operation.takes_identifiers() {
                targets.push((operation.with(id), operation.body.clone()));
            }
            if let Some(Value::Object(fields)) = &operation.body {
                for field in fields.keys().filter(|name| name.ends_with("Id")) {
                    let mut body = operation.body.clone().unwrap_or_default();
                    body[field] = json!(id);
                    targets.push((operation.with(id), Some(body)));
                }
            }
            for (path, body) in targets {
                let status = operation.send(&attacker.http, &path, body.as_ref()).await;
                assert!(
                    (400..500).contains(&status) && status != 401,
                    "{name} answered {status} for {id}: {body:?}"
                );
                *tried.entry(name.clone()).or_default() += 1;
            }
        }
        for account in accounts.iter().filter(|_| operation.method == Method::GET) {
            let path = operation.with(&ids[0]);
            let path = format!("{path}?accountId={account}");
            let status = operation.send(&attacker.http, &path, None).await;
            let names_one = path.contains("/trading/") || path.contains("/funding/");
            assert!(
                !names_one || (400..500).contains(&status),
                "{path}: {status}"
            );
        }
    }
    assert!(tried.len() > 8, "{tried:?}");
    let after = [
        world.book.event_types(victim.demo).await,
        world.book.event_types(victim.live).await,
        world.book.client_event_types(victim.client_id).await,
    ];
    assert_eq!(before, after, "the victim's streams have not changed");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_public_asks_who_is_there() {
    let world = World::start().await;
    let trader = world.trader().await;
    let ids = identifiers(&trader).await;
    let mut asked = 0;
    for operation in operations(&world.app.http).await {
        if operation.schemes.is_empty() {
            continue;
        }
        let path = operation.with(&ids[0]);
        let body = operation.body.as_ref();
        for http in [world.app.http.clone(), world.app.http.bearer("nonsense")] {
            let status = operation.send(&http, &path, body).await;
            assert_eq!(status, 401, "{} {}", operation.method, operation.path);
        }
        asked += 1;
    }
    assert!(asked > 20, "{asked}");
}

/// What breaks programs that put texts into other texts.
const POISON: [&str; 9] = [
    "'; drop table events; --",
    "\" or 1=1 --",
    "a\r\nSet-Cookie: daybook_refresh=x",
    "{{7*7}}${7*7}<%= 7*7 %>",
    "<script>alert(1)</script>",
    "../../../../etc/passwd",
    "\u{0}\u{7}\u{202e}",
    "%00%0d%0a",
    "𝕏\u{301}\u{feff}",
];

#[tokio::test(flavor = "multi_thread")]
async fn no_text_breaks_out_of_its_place() {
    let world = World::start().await;
    let trader = world.trader().await;
    for operation in operations(&world.app.http).await {
        let Some(Value::Object(fields)) = &operation.body else {
            continue;
        };
        // It would end the session that asks.
        if operation.path.ends_with("/logout") {
            continue;
        }
        for field in fields.keys() {
            for poison in POISON {
                let mut body = operation.body.clone().unwrap_or_default();
                body[field] = json!(poison);
                let path = operation.with(&trader.demo.to_string());
                let call = trader.http.call(operation.method.clone(), &path);
                let answer = call.json(&body).send().await;
                let name = format!("{} {path} {field} = {poison:?}", operation.method);
                assert!(answer.status < 500, "{name}: {}", answer.text);
                assert!(
                    !answer.text.contains("syntax error"),
                    "{name}: {}",
                    answer.text
                );
                let cookies = answer.headers.get_all("set-cookie").iter();
                assert!(
                    cookies
                        .into_iter()
                        .all(|cookie| !cookie.as_bytes().ends_with(b"=x")),
                    "{name}"
                );
            }
        }
    }
    world.book.assert_contiguous().await;
}

/// The median of some measurements.
fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

#[tokio::test(flavor = "multi_thread")]
async fn time_tells_no_more_than_words_whether_an_address_is_registered() {
    let world = World::start_with(|launch| launch.set("LOGIN_DELAY_MS", "0")).await;
    let trader = world.trader().await;
    for path in ["/auth/login", "/auth/forgot", "/auth/resend-verification"] {
        let ask = async |email: &str| {
            let mut body = json!({ "email": email });
            if path == "/auth/login" {
                body["password"] = json!(format!("{PASSWORD}, but wrong"));
            }
            let began = Instant::now();
            let answer = world.app.http.post(path, &body).await;
            (began.elapsed(), answer.status)
        };
        let (mut known, mut unknown) = (Vec::new(), Vec::new());
        for _ in 0..25 {
            let (took, status) = ask(&trader.email).await;
            known.push(took);
            let (other, other_status) = ask("nobody@example.test").await;
            unknown.push(other);
            assert_eq!(status, other_status, "{path}");
        }
        let (known, unknown) = (median(known), median(unknown));
        let apart = known.abs_diff(unknown);
        // Generous: machines are shared, and what would tell is a hash of tens of milliseconds.
        let allowed = (known.max(unknown) / 2).max(Duration::from_millis(15));
        assert!(apart <= allowed, "{path}: {known:?} against {unknown:?}");
    }
}
