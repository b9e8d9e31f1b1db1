//! Erasing a client, and what else operators decide about one.

use std::time::Duration;

use daybook_domain::{
    AccountCommand, AccountId, ClientId, Decimal,
    account::{Bucket, Unsettled},
    client::KycStatus,
};
use daybook_engine::{
    ClientOperation, EngineError, EraseRequest, Erased, NewAccount, OpenAccountRequest,
    OperatorCommand, OperatorOutcome,
};
use daybook_store::{OperatorReply, OperatorRequests, StoreError, StreamId};
use uuid::Uuid;

use crate::support::{Rig, Trader, buy, config, origin};

const PATIENCE: Duration = Duration::from_secs(30);

fn request(trader: Trader, as_of: i64) -> EraseRequest {
    EraseRequest {
        client_id: trader.client_id,
        reason: "asked to".to_owned(),
        accounts: vec![trader.account_id],
        as_of,
        origin: origin("erase"),
    }
}

async fn erase(rig: &Rig, trader: Trader) -> Result<Erased, EngineError> {
    rig.engine.erase(request(trader, rig.head().await)).await
}

async fn empty(rig: &Rig, trader: Trader) {
    let command = AccountCommand::AdjustFunds {
        bucket: Bucket::Real,
        amount: -rig.live(trader).await.funds.real,
        notes: None,
        by: "test".to_owned(),
    };
    rig.execute(trader, command).await;
}

async fn client_events(rig: &Rig, client: ClientId) -> Vec<String> {
    let stream = StreamId::new("client", client);
    let events = rig.store.read_stream(&stream, 0, 100).await.unwrap();
    let names = events.into_iter().map(|event| event.event_type.into());
    names.collect()
}

fn unsettled(answer: Result<Erased, EngineError>) -> Unsettled {
    match answer {
        Err(EngineError::NotSettled { unsettled, .. }) => unsettled,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_erased_while_money_or_positions_are_open() {
    let rig = Rig::start(config()).await;
    let trader = rig.trader().await;
    rig.quote("EURUSD", "1.10000", "1.10010").await;
    rig.execute(trader, buy("0.10")).await;
    let open = unsettled(erase(&rig, trader).await);
    assert_eq!(open, Unsettled::Positions(1));
    let close = AccountCommand::CloseAll {
        seed: Uuid::now_v7().into(),
        symbol: None,
        only: None,
    };
    rig.execute(trader, close).await;
    let owed = unsettled(erase(&rig, trader).await);
    assert!(matches!(owed, Unsettled::RealMoney(_)), "{owed:?}");
    assert_eq!(client_events(&rig, trader.client_id).await.len(), 1);
    assert!(!rig.live(trader).await.controls().trading_disabled);
    assert!(rig.store.keys().get(trader.client_id.0).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erased_client_leaves_no_key_no_secret_and_no_unique_value() {
    let mut rig = Rig::start(config()).await;
    let trader = rig.trader().await;
    let client = trader.client_id;
    let hash = format!("hash of {client}");
    empty(&rig, trader).await;
    let erased = erase(&rig, trader).await.unwrap();
    assert_eq!(erased.events, ["SessionsRevoked", "ClientErased"]);
    let key = rig.store.keys().get(client.0).await;
    assert!(matches!(key, Err(StoreError::Erased(id)) if id == client.0));
    assert_eq!(rig.store.secret(client.0, "password").await.unwrap(), None);
    assert_eq!(rig.store.unique_owner("email", &hash).await.unwrap(), None);
    assert!(rig.live(trader).await.controls().trading_disabled);

    let again = erase(&rig, trader).await.unwrap();
    assert!(again.events.is_empty(), "already so");
    rig.restart().await;
    assert!(erase(&rig, trader).await.unwrap().events.is_empty());
    let mut register = rig
        .registration(ClientId(Uuid::now_v7()), &[AccountId(Uuid::now_v7())])
        .await;
    register.email_hash = hash;
    rig.engine.register(register).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deed_that_a_crash_left_undone_is_done_when_asked_again() {
    let mut rig = Rig::start(config()).await;
    let trader = rig.trader().await;
    empty(&rig, trader).await;
    let id = trader.client_id;
    rig.sql(&format!(
        "create table kept as select * from subject_keys where subject = '{id}'"
    ))
    .await;
    erase(&rig, trader).await.unwrap();
    // As if the node had ended right after the fact.
    rig.sql(
        "update subject_keys s set wrapped = k.wrapped, destroyed_at = null \
         from kept k where s.subject = k.subject",
    )
    .await;
    rig.restart().await;
    assert!(rig.store.keys().get(id.0).await.is_ok());
    let undone = rig.store.unfinished_erasures().await.unwrap();
    assert_eq!(undone.len(), 1);
    assert_eq!(undone[0].client, id.0);
    assert!(erase(&rig, trader).await.unwrap().events.is_empty());
    assert!(matches!(
        rig.store.keys().get(id.0).await,
        Err(StoreError::Erased(_))
    ));
    rig.store.finish_erasure(undone[0]).await.unwrap();
    assert_eq!(rig.store.unfinished_erasures().await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_opened_since_the_caller_looked_is_looked_at_too() {
    let rig = Rig::start(config()).await;
    let trader = rig.trader().await;
    empty(&rig, trader).await;
    let known = rig.head().await;
    let account_id = AccountId(Uuid::now_v7());
    let [number] = rig.store.next_account_numbers(1).await.unwrap()[..] else {
        panic!("one number");
    };
    let opened = OpenAccountRequest {
        client_id: trader.client_id,
        account: NewAccount {
            account_id,
            number,
            kind: daybook_domain::account::AccountKind::Live,
            mode: daybook_domain::account::PositionMode::Netting,
            currency: daybook_domain::Currency::EUR,
            leverage: 30,
            funds: Some((Bucket::Real, Decimal::ONE)),
        },
        origin: origin("open"),
        idempotency: None,
        render: Box::new(|_| daybook_engine::Answer {
            status: 201,
            body: String::new(),
            keep: false,
        }),
    };
    rig.engine.open_account(opened).await.unwrap();
    match rig.engine.erase(request(trader, known)).await {
        Err(EngineError::NotSettled { account_id: id, .. }) => assert_eq!(id, account_id),
        other => panic!("{other:?}"),
    }
    assert!(!rig.live(trader).await.controls().trading_disabled);
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_elses_account_is_no_part_of_it() {
    let rig = Rig::start(config()).await;
    let (trader, other) = (rig.trader().await, rig.trader().await);
    empty(&rig, trader).await;
    let mut erase = request(trader, rig.head().await);
    erase.accounts.push(other.account_id);
    let answer = rig.engine.erase(erase).await;
    assert!(matches!(answer, Err(EngineError::NotFound)), "{answer:?}");
    assert!(!rig.live(other).await.controls().trading_disabled);
}

async fn submit(rig: &Rig, client_id: ClientId, operation: ClientOperation) -> OperatorOutcome {
    let command = OperatorCommand::Client {
        client_id,
        operation,
    };
    let json = serde_json::to_string(&command).unwrap();
    let reply = OperatorRequests::submit(&rig.store, "cli", &json, PATIENCE).await;
    match reply.unwrap() {
        OperatorReply::Done(outcome) => serde_json::from_str(&outcome).unwrap(),
        other @ (OperatorReply::Withdrawn | OperatorReply::Unknown(_)) => panic!("{other:?}"),
    }
}

fn events(outcome: OperatorOutcome) -> Vec<String> {
    let OperatorOutcome::Done { events, .. } = outcome else {
        panic!("{outcome:?}");
    };
    events
}

fn code(outcome: OperatorOutcome) -> String {
    let OperatorOutcome::Refused { code, .. } = outcome else {
        panic!("{outcome:?}");
    };
    code
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_decide_on_checks_suspend_reinstate_and_erase() {
    let rig = Rig::start(config()).await;
    let trader = rig.trader().await;
    let client = trader.client_id;
    let key = rig.store.keys().get(client.0).await.unwrap();
    let kyc = |status, notes: Option<&str>| ClientOperation::ChangeKyc {
        status,
        notes: notes.map(|text| key.seal("notes", text)),
    };
    let told = submit(&rig, client, kyc(KycStatus::Rejected, Some("blurred"))).await;
    assert_eq!(events(told), ["KycStatusChanged"]);
    let state = rig.engine.client_state(client, &key).await.unwrap();
    assert_eq!(state.kyc.notes.as_deref(), Some("blurred"));
    let told = submit(&rig, client, kyc(KycStatus::Expired, None)).await;
    assert_eq!(code(told), "conflict");

    let suspend = || ClientOperation::Suspend {
        reason: "doubt".to_owned(),
    };
    let told = submit(&rig, client, suspend()).await;
    assert_eq!(events(told), ["ClientSuspended", "SessionsRevoked"]);
    assert!(events(submit(&rig, client, suspend()).await).is_empty());
    let told = submit(&rig, client, ClientOperation::Reinstate).await;
    assert_eq!(events(told), ["ClientReinstated"]);

    let erase = |as_of| ClientOperation::Erase {
        reason: "asked to".to_owned(),
        accounts: vec![trader.account_id],
        as_of,
    };
    let told = submit(&rig, client, erase(rig.head().await)).await;
    assert_eq!(code(told), "client_not_settled");
    empty(&rig, trader).await;
    let told = submit(&rig, client, erase(rig.head().await)).await;
    assert_eq!(events(told), ["SessionsRevoked", "ClientErased"]);
    let told = submit(&rig, client, erase(rig.head().await)).await;
    assert!(events(told).is_empty());
    let kept: i64 =
        sqlx::query_scalar("select count(*) from idempotency where scope = 'operator request'")
            .fetch_one(rig.store.pool())
            .await
            .unwrap();
    assert_eq!(
        kept, 4,
        "what was done is kept with its answer, and that alone"
    );
}
