//! What each role of staff may, route by route, and what admins do with deals.

use std::collections::BTreeMap;

use daybook_tests::{Http, Trader, World, officer};
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

const ROLES: [&str; 3] = ["support", "compliance", "admin"];

/// Every operation of staff's, with the least role that may: as the document says.
async fn operations(http: &Http) -> BTreeMap<(Method, String), Option<String>> {
    let document = http.get("/openapi.json").await.expecting(200).json();
    let paths = document["paths"].as_object().expect("paths");
    let ours = |path: &str| path.starts_with("/staff/") || path.starts_with("/compliance/");
    let mut operations = BTreeMap::new();
    for (path, item) in paths.iter().filter(|(path, _)| ours(path)) {
        for (method, operation) in item.as_object().expect("methods") {
            let method: Method = method.to_uppercase().parse().expect("a method");
            let role = operation["security"][0]["staff"][0].as_str();
            operations.insert((method, path.clone()), role.map(str::to_owned));
        }
    }
    operations
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_of_staff_refuses_whoever_may_not() {
    let world = World::start().await;
    let trader = world.trader().await;
    let mut staff = Vec::new();
    for role in ROLES {
        staff.push(officer(&world.app, role).await.1);
    }
    let operations = operations(&world.app.http).await;
    let public: Vec<&str> = operations
        .iter()
        .filter(|(_, role)| role.is_none())
        .map(|((_, path), _)| path.as_str())
        .collect();
    assert_eq!(
        public,
        [
            "/staff/auth/login",
            "/staff/auth/logout",
            "/staff/auth/refresh"
        ]
    );
    assert!(operations.len() >= 13, "{operations:?}");
    for ((method, path), role) in &operations {
        let Some(role) = role else { continue };
        let least = ROLES
            .iter()
            .position(|known| known == role)
            .expect("a role");
        let path = filled(path);
        for prefix in ["", "/api/v1"] {
            let path = format!("{prefix}{path}");
            let ask = async |http: &Http| {
                let call = http.call(method.clone(), &path);
                let call = if method == Method::GET {
                    call
                } else {
                    call.json(&json!({}))
                };
                call.send().await
            };
            ask(&world.app.http).await.problem(401, "unauthenticated");
            ask(&trader.http).await.problem(401, "unauthenticated");
            for (rank, http) in staff.iter().enumerate() {
                let answer = ask(http).await;
                if rank < least {
                    answer.problem(403, "forbidden");
                } else {
                    assert!(
                        ![401, 403].contains(&answer.status) && answer.status < 500,
                        "{method} {path} as {}: {}",
                        ROLES[rank],
                        answer.text
                    );
                }
            }
        }
    }
}

/// The path with something that is not there in every place.
fn filled(path: &str) -> String {
    let id = Uuid::now_v7().to_string();
    let parts = path.split('/').map(|part| match part {
        "{stream}" => format!("account-{id}"),
        part if part.starts_with('{') => id.clone(),
        part => part.to_owned(),
    });
    parts.collect::<Vec<_>>().join("/")
}

/// Buys at 1.10010, closes at 1.10200: 19.00 for 0.10 lots. The opening and the closing deal.
async fn round_trip(world: &World, trader: &Trader) -> (String, String) {
    let opened = trader.market("EURUSD", "buy", "0.10").await;
    world.price("1.10200", "1.10210").await;
    let close = format!("/trading/close/{}", opened.text_at("/positionId"));
    let closed = trader.http.post(&close, &json!({})).await.expecting(200);
    (
        opened.text_at("/execution/dealId"),
        closed.text_at("/dealId"),
    )
}

async fn read(trader: &Trader, path: &str, position: i64) -> Value {
    let call = trader.http.call(Method::GET, path).min_position(position);
    call.send().await.expecting(200).json()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admin_busts_a_deal_and_the_client_sees_it() {
    let world = World::start().await;
    let trader = world.trader().await;
    let (ines, admin) = officer(&world.app, "admin").await;
    let (_, closing) = round_trip(&world, &trader).await;
    let path = format!("/staff/deals/{closing}/bust");
    let bust = async |key: &str, reason: &str| {
        let call = admin.call(Method::POST, &path).key(key);
        call.json(&json!({ "reason": reason })).send().await
    };
    for reason in ["", "  ", &"x".repeat(501)] {
        bust("k0", reason).await.problem(400, "invalid_value");
    }
    let answer = bust("k1", "off-market quote").await.expecting(200);
    assert_eq!(
        answer.json(),
        json!({
            "accountId": trader.demo.to_string(),
            "dealId": closing,
            "kind": "bust",
            "amount": "-19.00",
            "balance": "10000.00",
        })
    );
    let repeated = bust("k1", "off-market quote").await.expecting(200);
    assert_eq!(repeated.text, answer.text);
    assert_eq!(repeated.header("idempotency-replayed"), Some("true"));
    bust("k1", "another reason")
        .await
        .problem(422, "idempotency_key_reused");
    bust("k2", "twice").await.problem(422, "deal_busted");
    let history = read(&trader, "/trading/history", answer.position()).await;
    let item = &history["items"][0];
    assert_eq!(
        (&item["kind"], &item["realised"], &item["note"]),
        (&json!("bust"), &json!("-19.00"), &json!("off-market quote"))
    );
    let events = world.book.account(trader.demo).await;
    let busted = events
        .iter()
        .filter(|event| event.event_type == "DealBusted");
    let busted: Vec<_> = busted.collect();
    assert_eq!(busted.len(), 1);
    let actor = format!("staff:{}", ines.staff_id);
    assert_eq!(busted[0].fields["bust"]["by"], actor);
    assert_eq!(busted[0].metadata["actor"], actor);
    assert!(busted[0].metadata["ip"].starts_with("enc:v1:"));
    let absent = format!("/staff/deals/{}/bust", Uuid::now_v7());
    let absent = admin.post(&absent, &json!({ "reason": "x" })).await;
    absent.problem(404, "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admin_corrects_a_price() {
    let world = World::start().await;
    let trader = world.trader().await;
    let (_, admin) = officer(&world.app, "admin").await;
    let opened = trader.market("EURUSD", "buy", "0.10").await;
    let deal = opened.text_at("/execution/dealId");
    let path = format!("/staff/deals/{deal}/reprice");
    let zero = json!({ "price": "0", "reason": "late" });
    admin.post(&path, &zero).await.problem(400, "invalid_value");
    let body = json!({ "price": "1.09990", "reason": "late" });
    let answer = admin.post(&path, &body).await.expecting(200);
    assert_eq!(answer.text_at("/kind"), "reprice");
    let positions = read(&trader, "/trading/positions", answer.position()).await;
    assert_eq!(positions["items"][0]["openPrice"], "1.09990");
}
