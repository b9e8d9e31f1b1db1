//! What staff do beside a running engine: other terms, corrections, more accounts, and commands
//! through the operators' queue.

use std::time::Duration;

use daybook_domain::{
    AccountEvent, AccountId, Currency, DealId, Symbol,
    account::{AccountKind, Bucket, Controls, PositionMode, Ticket},
    instrument::InstrumentChange,
    quote::Side,
};
use daybook_engine::{
    Answer, Correction, CorrectionRequest, EngineError, IdempotencyRequest, NewAccount,
    OpenAccountRequest, OperatorCommand, OperatorOutcome,
};
use daybook_store::{OperatorReply, OperatorRequests};
use uuid::Uuid;

use crate::support::{Rig, Trader, buy, config, decimal, eventually, kinds, origin, place, ticket};

const PATIENCE: Duration = Duration::from_secs(30);

fn eurusd() -> Symbol {
    Symbol::parse("EURUSD").unwrap()
}

fn markup(points: i64) -> InstrumentChange {
    InstrumentChange {
        spread_markup: Some(points.into()),
        ..InstrumentChange::default()
    }
}

async fn submit(rig: &Rig, command: &OperatorCommand) -> OperatorOutcome {
    let json = serde_json::to_string(command).unwrap();
    let reply = OperatorRequests::submit(&rig.store, "cli:grace", &json, PATIENCE).await;
    match reply.unwrap() {
        OperatorReply::Done(outcome) => serde_json::from_str(&outcome).unwrap(),
        other @ (OperatorReply::Withdrawn | OperatorReply::Unknown(_)) => panic!("{other:?}"),
    }
}

/// The outcome of the one request there is, as soon as it is told.
async fn only_outcome(rig: &Rig) -> OperatorOutcome {
    let outcome = || async {
        let sql = "select outcome::text from operator_requests";
        let told: Option<String> = sqlx::query_scalar(sql)
            .fetch_one(rig.store.pool())
            .await
            .unwrap();
        told
    };
    eventually("it is answered", || async { outcome().await.is_some() }).await;
    serde_json::from_str(&outcome().await.unwrap()).unwrap()
}

async fn opening_deal(rig: &Rig, trader: Trader) -> DealId {
    let events = rig.events(trader).await;
    let mut deals = events.iter().filter_map(|event| {
        let AccountEvent::OrderFilled { deal_id, .. } = event else {
            return None;
        };
        Some(*deal_id)
    });
    deals.next().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn other_terms_are_in_force_at_once_and_after_a_restart() {
    let mut rig = Rig::start(config()).await;
    rig.quote("EURUSD", "1.10000", "1.10010").await;
    let trader = rig.trader().await;
    let guarded = Ticket {
        stop_loss: Some(decimal("1.09500")),
        ..ticket("EURUSD", Side::Buy, "0.10")
    };
    assert_eq!(rig.execute(trader, place(guarded)).await.code(), "ok");
    let mut changes = rig.engine.instrument_changes();
    let changed = rig
        .engine
        .change_instrument(eurusd(), markup(20), None, origin("test"))
        .await
        .unwrap();
    assert_eq!(changed.changed, ["spread_markup"]);
    assert_eq!(changed.position, rig.head().await);
    changes.changed().await.unwrap();
    let listed = changes.borrow_and_update().clone();
    assert!(listed.contains(&changed.terms));
    assert_eq!(rig.engine.instruments(), listed);
    // The client's bid is ten points below the market's now.
    rig.quote("EURUSD", "1.09510", "1.09520").await;
    assert!(rig.live(trader).await.positions.is_empty());
    let again = rig
        .engine
        .change_instrument(eurusd(), markup(20), None, origin("test"));
    assert_eq!(again.await.unwrap().changed, Vec::<String>::new());
    rig.restart().await;
    assert_eq!(rig.engine.instruments(), listed);
    let none = InstrumentChange {
        contract_size: Some(0.into()),
        ..InstrumentChange::default()
    };
    let head = rig.head().await;
    let refused = rig
        .engine
        .change_instrument(eurusd(), none, None, origin("test"));
    let refused = refused.await;
    assert!(matches!(refused, Err(EngineError::InstrumentRefused(_))));
    assert_eq!(rig.head().await, head);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deal_is_found_in_the_book_and_busted_once() {
    let rig = Rig::start(config()).await;
    rig.quote("EURUSD", "1.10000", "1.10010").await;
    let trader = rig.trader().await;
    assert_eq!(rig.execute(trader, buy("0.10")).await.code(), "ok");
    let deal_id = opening_deal(&rig, trader).await;
    let correct = |deal_id, correction| CorrectionRequest {
        account_id: trader.account_id,
        deal_id,
        correction,
        reason: "wrong quote".to_owned(),
        origin: origin("test"),
        idempotency: None,
        render: Box::new(|outcome| Answer {
            status: 200,
            body: outcome
                .decision
                .refusal
                .as_ref()
                .map_or("ok", |refusal| refusal.code())
                .to_owned(),
            keep: true,
        }),
    };
    let reprice = correct(deal_id, Correction::Reprice(decimal("1.10000")));
    assert_eq!(rig.engine.correct(reprice).await.unwrap().body, "ok");
    let open = &rig.live(trader).await.positions[0];
    assert_eq!(open.open_price, decimal("1.10000"));
    let bust = rig.engine.correct(correct(deal_id, Correction::Bust));
    assert_eq!(bust.await.unwrap().body, "ok");
    assert!(rig.live(trader).await.positions.is_empty());
    let again = rig.engine.correct(correct(deal_id, Correction::Bust));
    assert_eq!(again.await.unwrap().body, "deal_busted");
    let nothing = correct(DealId(Uuid::now_v7()), Correction::Bust);
    let nothing = rig.engine.correct(nothing).await;
    assert!(matches!(nothing, Err(EngineError::NotFound)));
    assert_eq!(rig.live(trader).await, rig.replayed(trader).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_opens_one_more_account_once_per_key() {
    let rig = Rig::start(config()).await;
    let trader = rig.trader().await;
    let number = rig.store.next_account_numbers(1).await.unwrap()[0];
    let open = |account_id: AccountId| OpenAccountRequest {
        client_id: trader.client_id,
        account: NewAccount {
            account_id,
            number,
            kind: AccountKind::Demo,
            mode: PositionMode::Netting,
            currency: Currency::EUR,
            leverage: 200,
            funds: Some((Bucket::Demo, decimal("5000"))),
        },
        origin: origin("open_account"),
        idempotency: Some(IdempotencyRequest {
            scope: format!("{} POST /user/accounts", trader.client_id),
            key: "k".to_owned(),
            request_hash: [1; 32],
        }),
        render: Box::new(move |outcome| Answer {
            status: 201,
            body: format!("{account_id} {}", outcome.decision.events.len()),
            keep: true,
        }),
    };
    let account_id = AccountId(Uuid::now_v7());
    let first = rig.engine.open_account(open(account_id)).await.unwrap();
    assert_eq!(first.body, format!("{account_id} 2"));
    let head = rig.head().await;
    let again = open(AccountId(Uuid::now_v7()));
    let again = rig.engine.open_account(again).await.unwrap();
    assert_eq!((again.body, again.replayed), (first.body, true));
    assert_eq!(rig.head().await, head);
    let opened = rig
        .live(Trader {
            account_id,
            ..trader
        })
        .await;
    assert_eq!(opened.funds.demo, decimal("5000"));
    let taken = OpenAccountRequest {
        idempotency: None,
        ..open(AccountId(Uuid::now_v7()))
    };
    match rig.engine.open_account(taken).await {
        Err(EngineError::UniqueTaken { kind }) => assert_eq!(kind, "account_number"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_commands_are_executed_beside_the_engine() {
    let rig = Rig::start(config()).await;
    rig.quote("EURUSD", "1.10000", "1.10010").await;
    let trader = rig.trader().await;
    let account_id = trader.account_id;
    let terms = OperatorCommand::SetInstrument {
        symbol: eurusd(),
        change: Box::new(markup(2)),
        reason: None,
    };
    let done = OperatorOutcome::Done {
        events: vec!["InstrumentTermsChanged".to_owned()],
        position: rig.head().await + 1,
    };
    assert_eq!(submit(&rig, &terms).await, done);
    let controls = OperatorCommand::SetControls {
        account_id,
        controls: Box::new(Controls {
            close_only: true,
            ..Controls::NONE
        }),
        reason: Some("asked to".to_owned()),
    };
    assert!(matches!(
        submit(&rig, &controls).await,
        OperatorOutcome::Done { .. }
    ));
    assert_eq!(rig.execute(trader, buy("0.10")).await.code(), "close_only");
    let leverage = OperatorCommand::ChangeLeverage {
        account_id,
        leverage: 50,
    };
    assert!(matches!(
        submit(&rig, &leverage).await,
        OperatorOutcome::Done { .. }
    ));
    let debit = OperatorCommand::AdjustFunds {
        account_id,
        bucket: Bucket::Real,
        amount: decimal("-20000"),
        notes: None,
    };
    let refused = submit(&rig, &debit).await;
    let is_refused = |code: &str| code == "insufficient_funds";
    assert!(
        matches!(&refused, OperatorOutcome::Refused { code, .. } if is_refused(code)),
        "{refused:?}"
    );
    let nobody = OperatorCommand::ChangeLeverage {
        account_id: AccountId(Uuid::now_v7()),
        leverage: 50,
    };
    assert!(matches!(
        submit(&rig, &nobody).await,
        OperatorOutcome::Failed { .. }
    ));
    let recorded = rig.recorded(trader).await;
    let by = recorded
        .iter()
        .filter(|event| event.metadata.contains("cli:grace"));
    assert_eq!(by.count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_no_writer_takes_is_withdrawn_and_never_executed() {
    let mut rig = Rig::start(config()).await;
    let trader = rig.trader().await;
    rig.engine.shutdown().await;
    let credit = OperatorCommand::AdjustFunds {
        account_id: trader.account_id,
        bucket: Bucket::Real,
        amount: decimal("100"),
        notes: None,
    };
    let json = serde_json::to_string(&credit).unwrap();
    let patience = Duration::from_millis(300);
    let reply = OperatorRequests::submit(&rig.store, "cli:grace", &json, patience).await;
    assert_eq!(reply.unwrap(), OperatorReply::Withdrawn);
    // One whose command line was killed expires by itself.
    let sql = format!(
        "insert into operator_requests (id, actor, command, expires_at) \
         values ('{}', 'cli:grace', '{json}', clock_timestamp() - interval '1 second')",
        Uuid::now_v7()
    );
    rig.sql(&sql).await;
    rig.restart().await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(
        kinds(&rig.events(trader).await),
        ["AccountOpened", "FundsAdjusted"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_begins_to_write_drops_what_is_secret_in_abandoned_requests() {
    let mut rig = Rig::start(config()).await;
    let sql = format!(
        "insert into operator_requests (id, actor, command, expires_at) \
         values ('{}', 'cli:grace', '{{\"op\":\"staff\",\"secrets\":{{\"totp\":\"sealed\"}}}}', \
             clock_timestamp() - interval '2 hours')",
        Uuid::now_v7()
    );
    rig.sql(&sql).await;
    rig.restart().await;
    eventually("nothing is secret in it", || async {
        let sql = "select command::text from operator_requests";
        let kept: String = sqlx::query_scalar(sql)
            .fetch_one(rig.store.pool())
            .await
            .unwrap();
        kept == r#"{"op": "staff"}"#
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_ends_between_execution_and_outcome_executes_nothing_twice() {
    let mut rig = Rig::start(config()).await;
    let trader = rig.trader().await;
    let credit = OperatorCommand::AdjustFunds {
        account_id: trader.account_id,
        bucket: Bucket::Real,
        amount: decimal("100"),
        notes: None,
    };
    let terms = OperatorCommand::SetInstrument {
        symbol: eurusd(),
        change: Box::new(markup(2)),
        reason: None,
    };
    let changed = submit(&rig, &terms).await;
    rig.sql("update operator_requests set taken_at = null, done_at = null, outcome = null")
        .await;
    assert_eq!(only_outcome(&rig).await, changed);
    rig.sql("delete from operator_requests").await;
    let first = submit(&rig, &credit).await;
    // As if the outcome had never been written.
    rig.sql("update operator_requests set done_at = null, outcome = null")
        .await;
    let head = rig.head().await;
    rig.restart().await;
    assert_eq!(only_outcome(&rig).await, first);
    assert_eq!(rig.head().await, head);
    // As if it had been given back although it was executed: the key stands in the way.
    rig.sql("update operator_requests set taken_at = null, done_at = null, outcome = null")
        .await;
    assert_eq!(only_outcome(&rig).await, first);
    assert_eq!(rig.head().await, head);
    let balance = rig.live(trader).await.funds.real;
    assert_eq!(balance, decimal("10100"));
    // Taken by a node that ended before it executed, and nobody waits any more: closed, not done.
    let sql = format!(
        "insert into operator_requests (id, actor, command, expires_at, taken_at) \
         values ('{}', 'cli:grace', '{}', now() - interval '1 second', now())",
        Uuid::now_v7(),
        serde_json::to_string(&credit).unwrap()
    );
    rig.sql(&sql).await;
    rig.restart().await;
    assert_eq!(rig.live(trader).await.funds.real, decimal("10100"));
    let failed = "select count(*) from operator_requests where outcome->>'outcome' = 'failed'";
    let failed: i64 = sqlx::query_scalar(failed)
        .fetch_one(rig.store.pool())
        .await
        .unwrap();
    assert_eq!(failed, 1);
}
