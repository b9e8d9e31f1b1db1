//! Sending again: exactly what was asked for, and nothing for a rebuild.

use std::{collections::BTreeSet, time::Duration};

use serde_json::json;
use uuid::Uuid;

use crate::support::{Told, assert_orderly, ids};

async fn quiet(told: &Told) -> usize {
    told.settled().await;
    tokio::time::sleep(Duration::from_millis(700)).await;
    told.crm.count()
}

#[tokio::test(flavor = "multi_thread")]
async fn building_the_outbox_again_sends_nothing() {
    let told = Told::start().await;
    let trader = told.world.trader().await;
    trader.market("EURUSD", "buy", "0.10").await;
    let before = quiet(&told).await;
    for _ in 0..2 {
        let rebuilt = told
            .world
            .app
            .run(&["projections", "rebuild", "outbox", "--verify"])
            .await;
        assert!(rebuilt.status.success(), "{rebuilt:?}");
    }
    assert_eq!(quiet(&told).await, before, "a rebuild sends nothing");
    trader.market("EURUSD", "buy", "0.10").await;
    told.settled().await;
    let received = told.crm.all();
    assert_eq!(
        received.len(),
        told.called_for("crm").await.len(),
        "each once"
    );
    assert_orderly(&received);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_sends_what_was_asked_for_once_more() {
    let told = Told::start().await;
    let (ada, grace) = (told.world.trader().await, told.world.trader().await);
    let from = told.world.book.head().await + 1;
    ada.market("EURUSD", "buy", "0.10").await;
    grace.market("EURUSD", "buy", "0.20").await;
    let first = quiet(&told).await;
    let of_positions: Vec<Uuid> =
        sqlx::query_scalar("select id from read.outbox where position >= $1 order by number")
            .bind(from)
            .fetch_all(told.world.book.pool())
            .await
            .expect("the outbox is readable");
    let asked = json!({ "fromPosition": from });
    let answer = told
        .http()
        .post("/crm/webhooks/replay", &asked)
        .await
        .expecting(200);
    assert_eq!(answer.json()["deliveries"], of_positions.len());
    assert!(answer.position() > from);
    told.crm
        .until("the replay", |all| {
            (all.len() >= first + of_positions.len()).then_some(())
        })
        .await;
    assert_eq!(quiet(&told).await, first + of_positions.len());
    let again = &told.crm.all()[first..];
    let expected: BTreeSet<_> = of_positions.into_iter().collect();
    assert_eq!(ids(again), expected);
    assert_eq!(again.len(), expected.len(), "each once");
    assert_orderly(&told.crm.all());
    let mut last = 0;
    for one in again
        .iter()
        .filter(|one| one.client() == ada.client_id.to_string())
    {
        assert!(one.client_number() > last, "in order, once more");
        last = one.client_number();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_may_begin_at_an_instant() {
    let told = Told::start().await;
    told.world.trader().await;
    let first = quiet(&told).await;
    let since: String = sqlx::query_scalar(
        "select to_char(max(recorded_at) at time zone 'UTC' + interval '1 millisecond', \
         'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') from events",
    )
    .fetch_one(told.world.book.pool())
    .await
    .expect("the book is readable");
    tokio::time::sleep(Duration::from_millis(20)).await;
    told.world.trader().await;
    let second = quiet(&told).await;
    told.cli(&["replay", "--since", &since]).await;
    let again = second - first;
    told.crm
        .until("the replay", |all| {
            (all.len() >= second + again).then_some(())
        })
        .await;
    assert_eq!(quiet(&told).await, second + again);
    let received = told.crm.all();
    assert_eq!(ids(&received[first..second]), ids(&received[second..]));
    // From an instant that has not come nothing is sent.
    told.cli(&["replay", "--since", "2100-01-01T00:00:00Z"])
        .await;
    assert_eq!(quiet(&told).await, second + again);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_delivery_is_sent_once_more_under_the_same_identifier() {
    let told = Told::start().await;
    told.world.trader().await;
    let before = quiet(&told).await;
    let (id, _) = told.called_for("crm").await[1].clone();
    let done = told.cli(&["resend", &id.to_string()]).await;
    assert_eq!(done["events"][0], "DeliveryResent");
    told.crm
        .until("it comes again", |all| (all.len() > before).then_some(()))
        .await;
    assert_eq!(quiet(&told).await, before + 1);
    let received = told.crm.all();
    assert_eq!(received[before].id(), id);
    let found = told.until_status(id, "delivered").await;
    assert_eq!(found["attempts"].as_array().expect("tries").len(), 2);
    let audited: String =
        sqlx::query_scalar("select actor from read.audit where event_type = 'DeliveryResent'")
            .fetch_one(told.world.book.pool())
            .await
            .expect("the audit knows");
    assert_eq!(audited, "cli");
}
