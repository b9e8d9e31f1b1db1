//! `PATCH /crm/users/{id}` and what follows from it for the client.

use daybook_tests::{mailbox, officer};
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::desk::{Desk, INES, buy};

#[tokio::test(flavor = "multi_thread")]
async fn trading_is_disabled_on_every_account_in_one_append() {
    let desk = Desk::start().await;
    let trader = desk.world.verified_trader().await;
    desk.adjust(trader.live, "1000.00", "real")
        .await
        .expecting(200);
    buy(&trader, trader.demo, "0.10").await.expecting(201);
    let head = desk.head().await;
    let disable = json!({ "tradingDisabled": true, "reason": "under review" });
    desk.change(trader.client_id, &disable).await;
    let appended: Vec<(String, String)> = sqlx::query_as(
        "select event_type, metadata::jsonb ->> 'actor' from events where position > $1 \
         order by position",
    )
    .bind(head)
    .fetch_all(desk.world.book.pool())
    .await
    .expect("the book is readable");
    let expected = ["TradingDisabled", "ControlsChanged", "ControlsChanged"];
    assert_eq!(
        appended,
        expected.map(|name| (name.to_owned(), INES.to_owned()))
    );
    for account in [trader.demo, trader.live] {
        let refused = buy(&trader, account, "0.01").await;
        refused.problem(422, "trading_disabled");
        let types = desk.world.book.event_types(account).await;
        assert_eq!(types.last().map(String::as_str), Some("OrderRejected"));
    }
    let me = trader.http.get("/user/me").await.json();
    assert_eq!(me["tradingEnabled"], false);
    let third = json!({ "kind": "demo", "mode": "netting", "currency": "USD" });
    let third = trader.http.post("/user/accounts", &third).await;
    let third = third.expecting(201).uuid("/accountId");
    let refused = buy(&trader, third, "0.01").await;
    refused.problem(422, "trading_disabled");
    let position = trader.positions().await.remove(0);
    let id = position["positionId"].as_str().expect("an id").to_owned();
    let close = format!("/trading/close/{id}");
    trader.http.post(&close, &json!({})).await.expecting(200);
    desk.change(trader.client_id, &json!({ "tradingDisabled": false }))
        .await;
    for account in [trader.demo, trader.live, third] {
        buy(&trader, account, "0.01").await.expecting(201);
    }
    let me = trader.http.get("/user/me").await.json();
    assert_eq!(me["tradingEnabled"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn flags_limits_tier_and_profile_change_together() {
    let desk = Desk::start().await;
    let trader = desk.world.trader().await;
    let id = trader.client_id;
    let change = json!({
        "tier": "gold", "flags": { "closeOnly": true }, "limits": { "maxVolume": "0.50" },
        "profile": { "lastName": "King", "country": "GB" },
    });
    desk.change(id, &change).await;
    let refused = buy(&trader, trader.demo, "0.10").await;
    refused.problem(422, "close_only");
    desk.change(id, &json!({ "flags": { "closeOnly": false } }))
        .await;
    let refused = buy(&trader, trader.demo, "0.51").await;
    refused.problem(422, "volume_out_of_range");
    buy(&trader, trader.demo, "0.50").await.expecting(201);
    desk.change(id, &json!({ "limits": { "maxVolume": null } }))
        .await;
    buy(&trader, trader.demo, "0.51").await.expecting(201);
    desk.change(id, &json!({ "flags": { "readOnly": true } }))
        .await;
    let position = trader.positions().await.remove(0);
    let close = format!(
        "/trading/close/{}",
        position["positionId"].as_str().expect("an id")
    );
    let refused = trader.http.post(&close, &json!({})).await;
    refused.problem(422, "trading_disabled");
    let me = trader.http.get("/user/me").await.json();
    assert_eq!(
        (&me["tier"], &me["lastName"], &me["country"]),
        (&json!("gold"), &json!("King"), &json!("GB"))
    );
    let shown = desk.user(id).await;
    assert_eq!(shown["tier"], "gold");
    assert_eq!(
        shown["flags"],
        json!({ "closeOnly": false, "readOnly": true, "swapFree": false })
    );
    assert_eq!(shown["limits"]["maxVolume"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_that_what_is_open_does_not_fit_changes_nothing() {
    let desk = Desk::start().await;
    let trader = desk.world.trader().await;
    buy(&trader, trader.demo, "5").await.expecting(201);
    let head = desk.head().await;
    let path = format!("/crm/users/{}", trader.client_id);
    let body = json!({ "tier": "gold", "limits": { "maxLeverage": 2 } });
    let refused = desk.patch(&path, &body).await;
    refused.problem(422, "insufficient_margin");
    for (body, status, code) in [
        (json!({}), 400, "malformed"),
        (json!({ "tier": "Gold!" }), 400, "invalid_value"),
        (
            json!({ "tier": "gold", "limits": { "maxLeverage": 0 } }),
            400,
            "invalid_value",
        ),
        (json!({ "kycStatus": "fine" }), 400, "invalid_value"),
        (
            json!({ "tier": "gold", "kycStatus": "expired" }),
            409,
            "conflict",
        ),
        (json!({ "reason": "none" }), 400, "invalid_value"),
        (
            json!({ "tradingDisabled": false, "reason": "x" }),
            400,
            "invalid_value",
        ),
        (json!({ "tradingDisabled": "yes" }), 400, "invalid_value"),
        (
            json!({ "profile": { "email": "x@example.test" } }),
            400,
            "unknown_field",
        ),
        (
            json!({ "profile": { "country": "Britain" } }),
            400,
            "invalid_value",
        ),
        (json!({ "balance": "1" }), 400, "unknown_field"),
    ] {
        desk.patch(&path, &body).await.problem(status, code);
    }
    Desk::assert_same(head, desk.head().await, "a refusal");
    assert_eq!(desk.user(trader.client_id).await["tier"], "standard");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_checks_of_the_crm_open_live_accounts() {
    let desk = Desk::start_with(|launch| launch.set("LIVE_REQUIRES_KYC", "true")).await;
    let trader = desk.world.verified_trader().await;
    desk.adjust(trader.live, "1000.00", "real")
        .await
        .expecting(200);
    let refused = buy(&trader, trader.live, "0.01").await;
    refused.problem(403, "kyc_required");
    let approve = json!({ "kycStatus": "approved", "kycNotes": "All clear" });
    desk.change(trader.client_id, &approve).await;
    buy(&trader, trader.live, "0.01").await.expecting(201);
    let told = trader.http.get("/user/kyc").await.expecting(200).json();
    assert_eq!(
        (&told["status"], &told["notes"]),
        (&json!("approved"), &json!("All clear"))
    );
    // Other notes about the same status; then another status, whose notes are its own.
    desk.change(trader.client_id, &json!({ "kycNotes": "Passport seen" }))
        .await;
    assert_eq!(
        desk.user(trader.client_id).await["kycNotes"],
        "Passport seen"
    );
    desk.change(trader.client_id, &json!({ "kycStatus": "expired" }))
        .await;
    let refused = buy(&trader, trader.live, "0.01").await;
    refused.problem(403, "kyc_required");
    assert_eq!(desk.user(trader.client_id).await["kycNotes"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_end_and_a_password_is_chosen_anew() {
    let desk = Desk::start().await;
    let trader = desk.world.trader().await;
    let who = json!({ "clientId": trader.client_id });
    desk.post("/crm/force-logout", &who).await.expecting(204);
    let ended = trader.http.get("/user/me").await;
    ended.problem(401, "unauthenticated");
    let http = &desk.world.app.http;
    let trader = http.sign_in(trader.client_id, &trader.email).await;
    let by_address = json!({ "clientId": format!("email:{}", trader.email) });
    desk.post("/crm/password-reset", &by_address)
        .await
        .expecting(204);
    let ended = trader.http.get("/user/me").await;
    ended.problem(401, "unauthenticated");
    let mail = mailbox::newest(&desk.world.app, &trader.email, "new password", 1).await;
    let chosen =
        json!({ "token": mailbox::token(&mail), "password": "tuesday-kettle-nine-marbles" });
    http.post("/auth/reset", &chosen).await.expecting(204);
    let ended = desk.actors(trader.client_id).await;
    let ended = ended
        .iter()
        .filter(|(name, actor)| name == "SessionsRevoked" && actor == INES);
    assert_eq!(ended.count(), 2);
}

/// A client's activity, page by page.
async fn told(desk: &Desk, path: &str) -> Vec<Value> {
    let mut told = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = desk.get(&format!("{path}/activity?limit=4{cursor}")).await;
        let page = page.expecting(200).json();
        told.extend(page["items"].as_array().expect("items").clone());
        match page["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return told,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_client_did_is_told_newest_first() {
    let desk = Desk::start().await;
    let trader = desk.world.verified_trader().await;
    buy(&trader, trader.demo, "0.10").await.expecting(201);
    desk.adjust(trader.live, "20.00", "real")
        .await
        .expecting(200);
    let funding = json!({
        "accountId": trader.live, "amount": "10.00", "currency": "USD", "method": "card",
    });
    trader
        .http
        .post("/funding/deposit", &funding)
        .await
        .expecting(201);
    let path = format!("/crm/users/{}", trader.client_id);
    let note = json!({ "comment": "Called about a withdrawal.\nWants gold." });
    let first = desk.call(Method::POST, &format!("{path}/notes"));
    let first = first.json(&note).key("note").send().await.expecting(204);
    let again = desk.call(Method::POST, &format!("{path}/notes"));
    let again = again.json(&note).key("note").send().await.expecting(204);
    assert_eq!(first.position(), again.position(), "written down once");
    let told = told(&desk, &path).await;
    let positions: Vec<i64> = told
        .iter()
        .filter_map(|it| it["position"].as_i64())
        .collect();
    assert!(
        positions.is_sorted_by(|one, next| one > next),
        "{positions:?}"
    );
    assert_eq!(told[0]["kind"], "note");
    assert_eq!(told[0]["actor"], INES);
    assert_eq!(told[0]["event"]["NoteAdded"]["comment"], note["comment"]);
    assert_eq!(told[1]["event"]["DepositRequested"]["method"], "card");
    let actions: Vec<&str> = told.iter().filter_map(|it| it["action"].as_str()).collect();
    for action in [
        "ClientRegistered",
        "SignedIn",
        "EmailVerified",
        "OrderPlaced",
        "OrderFilled",
        "PositionOpened",
        "FundsAdjusted",
    ] {
        assert!(
            actions.contains(&action),
            "{action} is missing: {actions:?}"
        );
    }
    let orders = desk
        .get(&format!("{path}/activity?kind=order"))
        .await
        .json();
    let orders = orders["items"].as_array().expect("items");
    assert!(!orders.is_empty() && orders.iter().all(|it| it["kind"] == "order"));
    for query in ["kind=gossip", "limit=0", "cursor=x", "page=2"] {
        let refused = desk.get(&format!("{path}/activity?{query}")).await;
        refused.any_problem(400);
    }
    for odd in [
        json!({}),
        json!({ "comment": "" }),
        json!({ "comment": "a\u{0}" }),
    ] {
        let refused = desk.post(&format!("{path}/notes"), &odd).await;
        refused.problem(400, "invalid_value");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_names_the_operator() {
    let desk = Desk::start().await;
    let trader = desk.world.trader().await;
    let path = format!("/crm/users/{}", trader.client_id);
    desk.change(trader.client_id, &json!({ "tier": "gold" }))
        .await;
    desk.post(&format!("{path}/notes"), &json!({ "comment": "x" }))
        .await
        .expecting(204);
    desk.adjust(trader.demo, "1.00", "demo")
        .await
        .expecting(200);
    let leverage = format!("/crm/accounts/{}/leverage", trader.demo);
    desk.patch(&leverage, &json!({ "leverage": 50 }))
        .await
        .expecting(200);
    let who = json!({ "clientId": trader.client_id });
    desk.post("/crm/force-logout", &who).await.expecting(204);
    let (_, compliance) = officer(&desk.world.app, "compliance").await;
    let audit = format!(
        "/compliance/audit?actor={}&client={}",
        INES.replace(':', "%3A"),
        trader.client_id
    );
    let audit = compliance.get(&audit).await.expecting(200).json();
    let told: Vec<(&str, &str)> = audit["items"]
        .as_array()
        .expect("items")
        .iter()
        .filter_map(|it| Some((it["action"].as_str()?, it["reason"].as_str()?)))
        .collect();
    assert_eq!(
        told,
        [
            ("SessionsRevoked", "force_logout"),
            ("LeverageChanged", "change_leverage"),
            ("FundsAdjusted", "adjust_balance"),
            ("NoteAdded", "add_note"),
            ("TierChanged", "change_user"),
        ]
    );
    // Whoever does not say who they are is the CRM.
    let unnamed = desk.http().patch(&path, &json!({ "tier": "silver" })).await;
    unnamed.expecting(204);
    let actors = desk.actors(trader.client_id).await;
    assert_eq!(
        actors.last(),
        Some(&("TierChanged".to_owned(), "crm".to_owned()))
    );
    let somebody = Uuid::now_v7();
    let nobody = desk.get(&format!("/crm/users/{somebody}")).await;
    nobody.problem(404, "not_found");
}
