//! The client itself: profile, accounts, default account.

use daybook_tests::World;
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn a_new_client_has_a_funded_demo_account_and_an_empty_live_one() {
    let world = World::start().await;
    let trader = world.trader().await;
    let me = trader.http.get("/user/me").await.expecting(200).json();
    assert_eq!(me["clientId"], trader.client_id.to_string());
    assert_eq!(me["email"], trader.email);
    assert_eq!(me["firstName"], "Ada");
    assert_eq!(me["lastName"], "Lovelace");
    assert_eq!(me["emailVerified"], false);
    assert_eq!(me["kycStatus"], "none");
    assert_eq!(me["twoFactorEnabled"], false);
    assert_eq!(me["defaultAccountId"], trader.demo.to_string());

    let accounts = trader
        .http
        .get("/user/accounts")
        .await
        .expecting(200)
        .json();
    let [demo, live] = accounts.as_array().expect("an array").as_slice() else {
        panic!("two accounts expected: {accounts}");
    };
    assert_eq!(
        (&demo["kind"], &demo["balance"]),
        (&json!("demo"), &json!("10000.00"))
    );
    assert_eq!(
        (&live["kind"], &live["balance"]),
        (&json!("live"), &json!("0.00"))
    );
    for account in [demo, live] {
        assert_eq!(account["currency"], "USD");
        assert_eq!(account["mode"], "hedging");
        assert_eq!(account["leverage"], 100);
        assert!(account["number"].as_u64() > Some(100_000), "{account}");
    }
    assert_ne!(demo["number"], live["number"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_profile_and_the_default_account_can_be_changed() {
    let world = World::start().await;
    let trader = world.trader().await;
    let changed = json!({ "firstName": "Augusta", "phone": "+44 20 7946 0000", "country": "GB" });
    let answer = trader.http.patch("/user/me", &changed).await;
    assert!(answer.status < 300, "{answer:?}");
    assert!(answer.position() > 0);
    let me = trader.http.get("/user/me").await.expecting(200).json();
    assert_eq!(me["firstName"], "Augusta");
    assert_eq!(me["lastName"], "Lovelace", "what is left out stays");
    assert_eq!(me["country"], "GB");

    let default = json!({ "defaultAccountId": trader.live });
    let answer = trader.http.patch("/user/me", &default).await;
    assert!(answer.status < 300, "{answer:?}");
    let account = trader.http.get("/trading/account").await.expecting(200);
    assert_eq!(account.text_at("/accountId"), trader.live.to_string());
    assert_eq!(account.text_at("/kind"), "live");
    assert_eq!(account.json()["marginLevel"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn personal_data_rest_as_ciphertext_alone() {
    let world = World::start().await;
    let trader = world.trader().await;
    let changed = json!({ "phone": "+44 20 7946 0123" });
    trader.http.patch("/user/me", &changed).await;
    let tables: Vec<(String, String)> = sqlx::query_as(
        "select table_schema::text, table_name::text from information_schema.tables
         where table_schema not in ('pg_catalog', 'information_schema')",
    )
    .fetch_all(world.book.pool())
    .await
    .expect("the catalogue is readable");
    assert!(tables.iter().any(|(_, table)| table == "events"));
    for (schema, table) in tables {
        let statement = format!(
            "select count(*) from \"{schema}\".\"{table}\" as whole
             where whole::text ilike any (array['%{}%', '%lovelace%', '%7946 0123%'])",
            trader.email
        );
        let count: i64 = sqlx::query_scalar(&statement)
            .fetch_one(world.book.pool())
            .await
            .expect("every table is readable");
        assert_eq!(
            count, 0,
            "{schema}.{table} holds personal data in plain text"
        );
    }
}
