//! Margin call, stop-out, trailing stops and rollovers on a running engine, and after it stopped.

use std::sync::{Arc, Mutex};

use chrono::{DateTime, Utc};
use daybook_domain::{
    AccountCommand, AccountEvent, Symbol,
    account::{Change, Ticket},
    instrument::InstrumentChange,
    quote::Side,
};
use daybook_engine::clock::Clock;

use crate::support::{Rig, Trader, buy, config, decimal, eventually, kinds, origin, place, ticket};

struct TestClock(Mutex<DateTime<Utc>>);

impl TestClock {
    fn at(text: &str) -> Arc<Self> {
        Arc::new(Self(Mutex::new(text.parse().unwrap())))
    }

    fn set(&self, text: &str) {
        *self.0.lock().unwrap() = text.parse().unwrap();
    }
}

impl Clock for TestClock {
    fn now(&self) -> DateTime<Utc> {
        *self.0.lock().unwrap()
    }
}

async fn told(rig: &Rig, trader: Trader) -> Vec<&'static str> {
    kinds(&rig.events(trader).await)
}

fn swaps(events: &[AccountEvent]) -> Vec<(String, String)> {
    let charges = events.iter().filter_map(|event| {
        let AccountEvent::SwapCharged { charge, .. } = event else {
            return None;
        };
        Some((charge.day.to_string(), charge.amount.to_string()))
    });
    charges.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn margin_call_and_stop_out_come_with_the_quote_that_brings_them() {
    let rig = Rig::start(config()).await;
    rig.quote("EURUSD", "1.10000", "1.10010").await;
    let (risky, careful) = (rig.trader().await, rig.trader().await);
    assert_eq!(rig.execute(risky, buy("5.00")).await.code(), "ok");
    assert_eq!(rig.execute(careful, buy("0.10")).await.code(), "ok");
    rig.quote("EURUSD", "1.09080", "1.09090").await;
    eventually("the margin call is raised", || async {
        told(&rig, risky).await.contains(&"MarginCallRaised")
    })
    .await;
    rig.quote("EURUSD", "1.08400", "1.08410").await;
    eventually("the stop-out ends", || async {
        told(&rig, risky).await.contains(&"StopOutFinished")
    })
    .await;
    let live = rig.live(risky).await;
    assert!(live.positions.is_empty());
    assert_eq!(live, rig.replayed(risky).await);
    assert_eq!(rig.live(careful).await.positions.len(), 1);
    assert!(!told(&rig, careful).await.contains(&"MarginCallRaised"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gap_while_the_engine_was_away_is_stopped_out_on_the_first_quote() {
    let mut rig = Rig::start(config()).await;
    rig.quote("EURUSD", "1.10000", "1.10010").await;
    let trader = rig.trader().await;
    assert_eq!(rig.execute(trader, buy("5.00")).await.code(), "ok");
    rig.restart().await;
    rig.quote("EURUSD", "1.08400", "1.08410").await;
    eventually("the stop-out ends", || async {
        told(&rig, trader).await.contains(&"StopOutFinished")
    })
    .await;
    assert_eq!(rig.live(trader).await, rig.replayed(trader).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trailing_stop_follows_the_market_also_after_a_restart() {
    let mut rig = Rig::start(config()).await;
    rig.quote("EURUSD", "1.10000", "1.10010").await;
    let trader = rig.trader().await;
    let trailing = Ticket {
        trailing_distance: Some(decimal("0.00500")),
        ..ticket("EURUSD", Side::Buy, "0.10")
    };
    assert_eq!(rig.execute(trader, place(trailing)).await.code(), "ok");
    let stop_loss = |account: &daybook_domain::Account| account.positions[0].stop_loss;
    assert_eq!(stop_loss(&rig.live(trader).await), Some(decimal("1.09500")));
    rig.quote("EURUSD", "1.10200", "1.10210").await;
    let moved = rig.live(trader).await;
    assert_eq!(stop_loss(&moved), Some(decimal("1.09700")));
    rig.quote("EURUSD", "1.10000", "1.10010").await;
    assert_eq!(rig.live(trader).await, moved, "never back");
    rig.restart().await;
    rig.quote("EURUSD", "1.10400", "1.10410").await;
    assert_eq!(stop_loss(&rig.live(trader).await), Some(decimal("1.09900")));
    rig.quote("EURUSD", "1.09890", "1.09900").await;
    assert!(rig.live(trader).await.positions.is_empty());
    assert_eq!(rig.live(trader).await, rig.replayed(trader).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn rollovers_missed_in_an_outage_are_made_up_for_once_at_their_own_terms() {
    // Wednesday noon in New York.
    let clock = TestClock::at("2026-07-15T16:00:00Z");
    let mut rig = Rig::start_with_clock(config(), clock.clone()).await;
    rig.quote("EURUSD", "1.10000", "1.10010").await;
    let trader = rig.trader().await;
    assert_eq!(rig.execute(trader, buy("1.00")).await.code(), "ok");
    clock.set("2026-07-15T21:00:01Z");
    eventually("time alone rolls over", || async {
        !swaps(&rig.events(trader).await).is_empty()
    })
    .await;
    clock.set("2026-07-16T16:00:00Z");
    let symbol = Symbol::parse("EURUSD").unwrap();
    let dearer = InstrumentChange {
        swap_long: Some(decimal("-10")),
        ..InstrumentChange::default()
    };
    let changed = rig
        .engine
        .change_instrument(symbol, dearer, None, origin("test"));
    changed.await.unwrap();
    // The engine is away from Thursday to Monday; on Sunday it gets cheap again.
    rig.engine.shutdown().await;
    clock.set("2026-07-19T16:00:00Z");
    rig.restart().await;
    let cheaper = InstrumentChange {
        swap_long: Some(decimal("-1")),
        ..InstrumentChange::default()
    };
    let changed = rig
        .engine
        .change_instrument(symbol, cheaper, None, origin("test"));
    changed.await.unwrap();
    let expected = |days: &[(&str, &str)]| -> Vec<(String, String)> {
        let owned = |(day, amount): &(&str, &str)| ((*day).to_owned(), (*amount).to_owned());
        days.iter().map(owned).collect()
    };
    let week = [
        ("2026-07-15", "-21.60"),
        ("2026-07-16", "-10.00"),
        ("2026-07-17", "-10.00"),
    ];
    eventually("the days are made up for", || async {
        swaps(&rig.events(trader).await).len() >= week.len()
    })
    .await;
    assert_eq!(swaps(&rig.events(trader).await), expected(&week));
    eventually("the day is noted as seen by all", || async {
        rig.store.rolled_through().await.unwrap() == Some("2026-07-18".parse().unwrap())
    })
    .await;
    // Asked again, by another start and from nothing but the book, it charges nothing twice.
    rig.engine.shutdown().await;
    rig.sql("delete from snapshots; delete from rollovers")
        .await;
    clock.set("2026-07-20T21:00:05Z");
    rig.restart().await;
    eventually("Monday is rolled over", || async {
        swaps(&rig.events(trader).await).len() > week.len()
    })
    .await;
    let mut all = week.to_vec();
    all.push(("2026-07-20", "-1.00"));
    assert_eq!(swaps(&rig.events(trader).await), expected(&all));
    assert_eq!(rig.live(trader).await, rig.replayed(trader).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_free_of_swap_when_its_day_ended_stays_free() {
    let clock = TestClock::at("2026-07-15T16:00:00Z");
    let mut rig = Rig::start_with_clock(config(), clock.clone()).await;
    rig.quote("EURUSD", "1.10000", "1.10010").await;
    let trader = rig.trader().await;
    let free = |swap_free: bool| AccountCommand::SetControls {
        controls: Box::new(daybook_domain::account::Controls {
            swap_free,
            ..Default::default()
        }),
        reason: None,
        by: "test".to_owned(),
    };
    rig.execute(trader, free(true)).await;
    assert_eq!(rig.execute(trader, buy("1.00")).await.code(), "ok");
    clock.set("2026-07-16T16:00:00Z");
    eventually("the day is noted as seen by all", || async {
        rig.store.rolled_through().await.unwrap() == Some("2026-07-15".parse().unwrap())
    })
    .await;
    rig.execute(trader, free(false)).await;
    rig.restart().await;
    clock.set("2026-07-16T21:00:05Z");
    eventually("Thursday is rolled over", || async {
        !swaps(&rig.events(trader).await).is_empty()
    })
    .await;
    let charged = swaps(&rig.events(trader).await);
    assert_eq!(charged, [("2026-07-16".to_owned(), "-7.20".to_owned())]);
}

#[tokio::test(flavor = "multi_thread")]
async fn protection_may_begin_to_trail_later() {
    let rig = Rig::start(config()).await;
    rig.quote("EURUSD", "1.10000", "1.10010").await;
    let trader = rig.trader().await;
    assert_eq!(rig.execute(trader, buy("0.10")).await.code(), "ok");
    let position_id = rig.live(trader).await.positions[0].position_id;
    let trail = AccountCommand::ProtectPosition {
        position_id,
        stop_loss: Change::Keep,
        take_profit: Change::Keep,
        trailing_distance: Change::Set(decimal("0.00100")),
    };
    assert_eq!(rig.execute(trader, trail).await.code(), "ok");
    rig.quote("EURUSD", "1.10300", "1.10310").await;
    let live = rig.live(trader).await;
    assert_eq!(live.positions[0].stop_loss, Some(decimal("1.10200")));
}
