//! Appends that fail: nothing of them stays, and nobody else is harmed.

use std::time::Duration;

use daybook_domain::{AccountEvent, account::Ticket, quote::Side};
use daybook_engine::{EngineError, Request};

use crate::support::{
    Rig, ask, buy, buy_limit, config, decimal, eventually, key, origin, place, ticket,
};

/// The database refuses orders that say so, and the first fills for as long as a sequence says.
const POISON: &str = "
    create sequence fills;
    create table fills_to_refuse (count bigint);
    insert into fills_to_refuse values (0);
    create function poison() returns trigger language plpgsql as $$
    begin
        if new.payload::text like '%poison%' then
            raise exception 'poisoned' using errcode = 'check_violation';
        end if;
        if new.event_type = 'OrderFilled'
           and nextval('fills') <= (select count from fills_to_refuse) then
            raise exception 'not yet' using errcode = 'check_violation';
        end if;
        return new;
    end $$;
    create trigger poison before insert on events for each row execute function poison();
";

fn poisoned() -> Ticket {
    Ticket {
        client_order_id: Some("poison".into()),
        ..buy_limit("1.05000")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_append_takes_nobody_else_with_it() {
    let rig = Rig::start(config()).await;
    rig.sql(POISON).await;
    rig.quote("EURUSD", "1.10000", "1.10010").await;
    let trader = rig.trader().await;
    let neighbour = rig.trader().await;
    for _ in 0..10 {
        let rig = &rig;
        let asks = (0..12).map(|number| {
            let who = if number % 4 == 3 { neighbour } else { trader };
            let is_poison = number == 4 || number == 8;
            let limit = buy_limit("1.05000");
            let order = if is_poison { poisoned() } else { limit };
            async move { (is_poison, rig.ask(who, place(order), None).await) }
        });
        // Behind the poisoned one others were decided on a state that never came to be.
        for (is_poison, answer) in futures::future::join_all(asks.map(Box::pin)).await {
            match answer {
                Ok(told) => assert!(!is_poison && told.code() == "ok", "{told:?}"),
                Err(EngineError::Corrupt(_)) => assert!(is_poison),
                // Two failures in a row: the caller may ask again.
                Err(EngineError::Unavailable) => {}
                Err(other) => panic!("{other:?}"),
            }
        }
    }
    for who in [trader, neighbour] {
        let live = rig.live(who).await;
        assert_eq!(live, rig.replayed(who).await);
        assert!(live.orders.len() >= 20, "{}", live.orders.len());
    }
    assert!(
        rig.writer.stats().bisected > 0,
        "no batch held more than one"
    );
    let events = rig.recorded(trader).await;
    assert!(events.iter().all(|event| !event.payload.contains("poison")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trigger_whose_append_fails_is_tried_again_on_the_newest_quote() {
    let rig = Rig::start(config()).await;
    rig.sql(POISON).await;
    rig.quote("EURUSD", "1.10000", "1.10010").await;
    let trader = rig.trader().await;
    let limit = place(buy_limit("1.09500"));
    assert_eq!(rig.execute(trader, limit).await.code(), "ok");
    rig.sql("update fills_to_refuse set count = 3").await;
    rig.quote("EURUSD", "1.09400", "1.09410").await;
    eventually("the fill stands in the book", || async {
        let mut events = rig.events(trader).await.into_iter();
        events.any(|event| matches!(event, AccountEvent::OrderFilled { .. }))
    })
    .await;
    let live = rig.live(trader).await;
    assert_eq!(live.positions.len(), 1);
    assert_eq!(live, rig.replayed(trader).await);
    let tries = sqlx::query_scalar::<_, i64>("select last_value from fills");
    assert!(tries.fetch_one(rig.store.pool()).await.unwrap() > 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poisoned_key_is_free_again() {
    let rig = Rig::start(config()).await;
    rig.sql(POISON).await;
    rig.quote("EURUSD", "1.10000", "1.10010").await;
    let trader = rig.trader().await;
    let refused = rig.ask(trader, place(poisoned()), key(trader, "k", "a"));
    assert!(matches!(refused.await, Err(EngineError::Corrupt(_))));
    let good = rig.ask(trader, buy("0.01"), key(trader, "k", "a")).await;
    let good = good.unwrap();
    assert_eq!((good.code(), good.reply.replayed), ("ok", false));
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_commands_are_refused_and_the_rest_is_answered() {
    let mut config = config();
    config.shards = 1;
    config.queue_max = 16;
    let rig = Rig::start(config).await;
    rig.quote("EURUSD", "1.10000", "1.10010").await;
    let trader = rig.trader().await;
    rig.live(trader).await;
    // The book stands still: nothing commits while somebody holds the head row.
    let mut holder = rig.store.pool().begin().await.unwrap();
    sqlx::query("select position from head for update")
        .execute(&mut *holder)
        .await
        .unwrap();
    let mut asked = Vec::new();
    for _ in 0..64 {
        let engine = rig.engine.clone();
        let limit = place(buy_limit("1.05000"));
        asked.push(tokio::spawn(async move {
            ask(&engine, trader, limit, None).await
        }));
    }
    let is_overloaded = || async { asked.iter().any(tokio::task::JoinHandle::is_finished) };
    eventually("somebody is refused", is_overloaded).await;
    holder.rollback().await.unwrap();
    let mut overloaded = 0;
    let mut accepted = 0;
    for answer in asked {
        match answer.await.unwrap() {
            Ok(told) => {
                assert_eq!(told.code(), "ok");
                accepted += 1;
            }
            Err(EngineError::Overloaded) => overloaded += 1,
            Err(other) => panic!("{other:?}"),
        }
    }
    assert!(overloaded > 0 && accepted >= 16, "{overloaded} {accepted}");
    assert_eq!(rig.live(trader).await.orders.len(), accepted);
    assert_eq!(rig.live(trader).await, rig.replayed(trader).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_connections_of_the_writer_lose_no_answer_and_double_none() {
    let rig = Rig::start(config()).await;
    rig.quote("EURUSD", "1.10000", "1.10010").await;
    let mut traders = Vec::new();
    for _ in 0..4 {
        traders.push(rig.trader().await);
    }
    let mut accepted = vec![0; traders.len()];
    for round in 0..20 {
        let (rig, traders) = (&rig, &traders);
        if round % 4 == 1 {
            rig.sql(
                "select pg_terminate_backend(pid) from pg_stat_activity \
                 where application_name = 'daybook writer' and datname = current_database()",
            )
            .await;
        }
        let asks = (0..16).map(|number| {
            let who = number % traders.len();
            let order = Ticket {
                client_order_id: Some(format!("{round}-{number}").into()),
                ..buy_limit("1.05000")
            };
            let key = key(traders[who], &format!("{round}-{number}"), "a");
            let asked = rig.ask(traders[who], place(order), key);
            async move { (who, asked.await) }
        });
        for (who, answer) in futures::future::join_all(asks.map(Box::pin)).await {
            match answer {
                Ok(told) => accepted[who] += usize::from(told.code() == "ok"),
                Err(EngineError::Unavailable) => {}
                Err(other) => panic!("{other:?}"),
            }
        }
    }
    assert!(
        rig.writer.stats().reconnects >= 3,
        "the writer was never cut off"
    );
    let total: usize = accepted.iter().sum();
    assert!(total * 10 >= 320 * 3, "{total} of 320 accepted");
    for (trader, accepted) in traders.into_iter().zip(accepted) {
        let live = rig.live(trader).await;
        assert_eq!(live, rig.replayed(trader).await);
        assert_eq!(live.orders.len(), accepted);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fenced_engine_answers_that_it_does_not_lead() {
    let rig = Rig::start(config()).await;
    rig.quote("EURUSD", "1.10000", "1.10010").await;
    let trader = rig.trader().await;
    assert_eq!(rig.execute(trader, buy("0.01")).await.code(), "ok");
    let events = rig.events(trader).await;
    rig.sql(
        "update head set epoch = epoch + 1, leader_id = gen_random_uuid(), \
         leader_address = 'another', lease_until = clock_timestamp() + interval '1 hour'",
    )
    .await;
    for _ in 0..5 {
        let answer = rig.ask(trader, buy("0.01"), None).await;
        assert!(matches!(answer, Err(EngineError::NotLeader)), "{answer:?}");
    }
    rig.quote("EURUSD", "1.00000", "1.00010").await;
    assert_eq!(rig.events(trader).await, events);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_was_stopped_answers_unavailable() {
    let rig = Rig::start(config()).await;
    rig.quote("EURUSD", "1.10000", "1.10010").await;
    let trader = rig.trader().await;
    let order = place(Ticket {
        stop_loss: Some(decimal("1.09000")),
        ..ticket("EURUSD", Side::Buy, "0.01")
    });
    assert_eq!(rig.execute(trader, order).await.code(), "ok");
    rig.engine.shutdown().await;
    let stopped = tokio::time::timeout(Duration::from_secs(30), rig.ask(trader, buy("0.01"), None));
    let answer = stopped.await.unwrap();
    assert!(
        matches!(answer, Err(EngineError::Unavailable)),
        "{answer:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_cannot_be_rendered_harms_nobody() {
    let rig = Rig::start(config()).await;
    rig.quote("EURUSD", "1.10000", "1.10010").await;
    let trader = rig.trader().await;
    assert_eq!(rig.execute(trader, buy("0.01")).await.code(), "ok");
    let head = rig.head().await;
    let asked = rig.engine.execute(Request {
        client_id: trader.client_id,
        account_id: trader.account_id,
        command: buy("0.02"),
        origin: origin("test"),
        idempotency: key(trader, "k", "a"),
        render: Box::new(|_| panic!("a bug in a renderer")),
    });
    assert!(matches!(asked.await, Err(EngineError::Corrupt(_))));
    assert_eq!(rig.head().await, head);
    let again = rig.ask(trader, buy("0.02"), key(trader, "k", "a")).await;
    assert_eq!(again.unwrap().code(), "ok");
    let live = rig.live(trader).await;
    assert_eq!(live.positions.len(), 2);
    assert_eq!(live, rig.replayed(trader).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_on_which_deciding_panics_is_quarantined_and_the_others_go_on() {
    let mut rig = Rig::start(config()).await;
    rig.quote("EURUSD", "1.10000", "1.10010").await;
    let guarded = || Ticket {
        stop_loss: Some(decimal("1.09500")),
        ..ticket("EURUSD", Side::Buy, "0.10")
    };
    let (bad, good) = (rig.trader().await, rig.trader().await);
    for trader in [bad, good] {
        assert_eq!(rig.execute(trader, place(guarded())).await.code(), "ok");
    }
    let store = rig.store.clone();
    eventually("the last rollover is noted", || async {
        store.rolled_through().await.unwrap().is_some()
    })
    .await;
    rig.engine.shutdown().await;
    // A state that no events lead to: the night's swap does not fit on it any more.
    let spoil = format!(
        "update snapshots set state = jsonb_set(state::jsonb, '{{positions,0,swap}}', \
         to_jsonb('-79228162514264337593543950335'::text))::text \
         where aggregate_id = '{}'",
        bad.account_id
    );
    rig.sql(&spoil).await;
    rig.sql("delete from rollovers").await;
    let opened = "jsonb_set(state::jsonb, '{positions,0,opened_at}', '\"2026-07-01T12:00:00Z\"')";
    rig.sql(&format!(
        "update snapshots set state = ({opened})::text where aggregate_id = '{}'",
        bad.account_id
    ))
    .await;
    rig.restart().await;
    let answer = rig.ask(bad, buy("0.01"), None).await;
    assert!(matches!(answer, Err(EngineError::Corrupt(_))), "{answer:?}");
    rig.quote("EURUSD", "1.09000", "1.09010").await;
    assert!(rig.live(good).await.positions.is_empty());
    let answer = rig.ask(bad, buy("0.01"), None).await;
    assert!(matches!(answer, Err(EngineError::Corrupt(_))), "{answer:?}");
    let failed = tokio::time::timeout(Duration::from_millis(50), rig.engine.failed());
    assert!(failed.await.is_err(), "the node goes on");
    // The book never was spoilt: without the snapshot the account is back.
    rig.engine.shutdown().await;
    rig.sql("delete from snapshots").await;
    rig.restart().await;
    rig.quote("EURUSD", "1.09000", "1.09010").await;
    assert!(rig.live(bad).await.positions.is_empty());
    assert_eq!(rig.live(bad).await, rig.replayed(bad).await);
}
