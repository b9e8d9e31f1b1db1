//! The same key and body gives the first answer again.

use daybook_engine::EngineError;

use crate::support::{Rig, Trader, buy, config, key};

async fn rig() -> (Rig, Trader) {
    let rig = Rig::start(config()).await;
    rig.quote("EURUSD", "1.10000", "1.10010").await;
    let trader = rig.trader().await;
    (rig, trader)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_gets_the_first_answer_and_changes_nothing() {
    let (rig, trader) = rig().await;
    let first = rig.ask(trader, buy("0.10"), key(trader, "k", "a")).await;
    let first = first.unwrap().reply;
    let head = rig.head().await;
    // The account carries its answers: the book is not asked.
    rig.sql("delete from idempotency").await;
    let second = rig.ask(trader, buy("0.10"), key(trader, "k", "a")).await;
    let second = second.unwrap().reply;
    assert_eq!((&second.body, second.status), (&first.body, first.status));
    assert_eq!((second.position, second.replayed), (first.position, true));
    assert!(!first.replayed);
    assert_eq!(rig.head().await, head);
    assert_eq!(rig.live(trader).await.positions.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_repeats_wait_for_the_first() {
    let (rig, trader) = rig().await;
    let asks = (0..24).map(|_| rig.ask(trader, buy("0.10"), key(trader, "k", "a")));
    let answers = futures::future::join_all(asks).await;
    let replies: Vec<_> = answers
        .into_iter()
        .map(|told| told.unwrap().reply)
        .collect();
    assert!(replies.iter().all(|reply| reply.body == replies[0].body));
    let first = replies.iter().filter(|reply| !reply.replayed).count();
    assert_eq!(first, 1);
    assert_eq!(
        rig.writer.stats().bisected,
        0,
        "repeats got as far as the book"
    );
    assert_eq!(rig.live(trader).await.positions.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_after_a_restart_gets_the_first_answer_even_without_a_quote() {
    let (mut rig, trader) = rig().await;
    // One account rests nothing, the other does: the one is loaded, the other recovered.
    let other = rig.trader().await;
    let asks = [
        (trader, buy("0.10"), "filled"),
        (other, buy("90"), "refused"),
    ];
    let mut first = Vec::new();
    for (who, command, name) in asks.clone() {
        let told = rig.ask(who, command, key(who, name, name)).await;
        first.push(told.unwrap().reply);
    }
    assert!(
        first[1].body.starts_with("insufficient_margin"),
        "{first:?}"
    );
    let head = rig.head().await;
    rig.restart().await;
    for ((who, command, name), first) in asks.into_iter().zip(first) {
        let told = rig.ask(who, command, key(who, name, name)).await.unwrap();
        assert_eq!(told.reply.body, first.body);
        assert_eq!(told.reply.position, first.position);
        assert!(told.reply.replayed);
    }
    assert_eq!(rig.head().await, head);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_used_for_another_body_is_refused() {
    let (rig, trader) = rig().await;
    let first = rig.ask(trader, buy("0.10"), key(trader, "k", "a")).await;
    first.unwrap();
    let head = rig.head().await;
    let other = rig.ask(trader, buy("0.20"), key(trader, "k", "b")).await;
    assert!(matches!(other, Err(EngineError::IdempotencyKeyReused)));
    assert_eq!(rig.head().await, head);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_used_on_the_clients_other_account_is_refused_and_undone() {
    let rig = Rig::start(config()).await;
    rig.quote("EURUSD", "1.10000", "1.10010").await;
    let one = rig.trader().await;
    let two = Trader {
        account_id: daybook_domain::AccountId(uuid::Uuid::now_v7()),
        client_id: daybook_domain::ClientId(uuid::Uuid::now_v7()),
    };
    let third = daybook_domain::AccountId(uuid::Uuid::now_v7());
    let request = rig
        .registration(two.client_id, &[two.account_id, third])
        .await;
    rig.engine.register(request).await.unwrap();
    let both = Trader {
        account_id: third,
        ..two
    };
    rig.ask(two, buy("0.10"), key(two, "k", "a")).await.unwrap();
    let head = rig.head().await;
    let again = rig.ask(both, buy("0.10"), key(two, "k", "b")).await;
    assert!(matches!(again, Err(EngineError::IdempotencyKeyReused)));
    assert_eq!(rig.head().await, head);
    // What was speculated is gone, and the account goes on.
    assert!(rig.live(both).await.positions.is_empty());
    assert_eq!(rig.execute(both, buy("0.10")).await.code(), "ok");
    assert_eq!(rig.live(both).await, rig.replayed(both).await);
    assert_eq!(rig.execute(one, buy("0.10")).await.code(), "ok");
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_that_are_no_rules_are_not_kept() {
    let rig = Rig::start(config()).await;
    let trader = rig.trader().await;
    let early = rig.ask(trader, buy("0.10"), key(trader, "k", "a")).await;
    assert_eq!(early.unwrap().code(), "no_quote");
    rig.quote("EURUSD", "1.10000", "1.10010").await;
    let later = rig.ask(trader, buy("0.10"), key(trader, "k", "a")).await;
    let later = later.unwrap();
    assert_eq!(later.code(), "ok");
    assert!(!later.reply.replayed);
}

#[tokio::test(flavor = "multi_thread")]
async fn expired_answers_are_forgotten() {
    let mut config = config();
    config.idempotency_ttl = std::time::Duration::ZERO;
    config.sweep_every = std::time::Duration::from_millis(50);
    let rig = Rig::start(config).await;
    rig.quote("EURUSD", "1.10000", "1.10010").await;
    let trader = rig.trader().await;
    let first = rig.ask(trader, buy("0.10"), key(trader, "k", "a")).await;
    let first = first.unwrap().reply;
    rig.sql("delete from idempotency").await;
    let second = rig.ask(trader, buy("0.10"), key(trader, "k", "a")).await;
    let second = second.unwrap().reply;
    assert!(!second.replayed && second.body != first.body, "{second:?}");
}
