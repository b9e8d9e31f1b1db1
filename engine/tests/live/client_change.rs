//! What is decided about a client holds for all their accounts, in one append.

use daybook_domain::{
    AccountEvent, AccountId, AccountRejection, ClientCommand, ClientId, Currency, DealId,
    account::{AccountKind, Change, Controls, PositionMode},
    client::{FlagsChange, LimitsChange},
};
use daybook_engine::{
    Answer, ChangeClientRequest, EngineError, IdempotencyRequest, NewAccount, OpenAccountRequest,
    Reply,
};
use daybook_store::{Recorded, StreamId};
use uuid::Uuid;

use crate::support::{Rig, Trader, accepted, buy, config, origin};

/// A client with two accounts, in front of a market.
struct Client {
    rig: Rig,
    accounts: Vec<Trader>,
}

impl Client {
    async fn new() -> Self {
        let rig = Rig::start(config()).await;
        let client_id = ClientId(Uuid::now_v7());
        let ids = [AccountId(Uuid::now_v7()), AccountId(Uuid::now_v7())];
        let request = rig.registration(client_id, &ids).await;
        rig.engine.register(request).await.unwrap();
        rig.quote("EURUSD", "1.0999", "1.1000").await;
        let accounts = ids.map(|account_id| Trader {
            client_id,
            account_id,
        });
        let accounts = accounts.to_vec();
        Self { rig, accounts }
    }

    fn id(&self) -> ClientId {
        self.accounts[0].client_id
    }

    async fn change(&self, commands: Vec<ClientCommand>) -> Result<Reply, EngineError> {
        self.change_under(commands, None).await
    }

    async fn change_under(
        &self,
        commands: Vec<ClientCommand>,
        idempotency: Option<IdempotencyRequest>,
    ) -> Result<Reply, EngineError> {
        let request = ChangeClientRequest {
            client_id: self.id(),
            commands,
            key: self.rig.store.keys().get(self.id().0).await.unwrap(),
            accounts: self.accounts[..1].iter().map(|it| it.account_id).collect(),
            // The second account is found in the book.
            as_of: 0,
            origin: origin("change_user"),
            idempotency,
            answer: accepted(),
        };
        self.rig.engine.change_client(request).await
    }

    async fn since(&self, position: i64) -> Vec<Recorded> {
        self.rig.store.read_all(position, 1_000).await.unwrap()
    }
}

fn disable() -> ClientCommand {
    ClientCommand::DisableTrading {
        reason: Some("under review".to_owned()),
        by: "test".to_owned(),
    }
}

fn enable() -> ClientCommand {
    ClientCommand::EnableTrading {
        by: "test".to_owned(),
    }
}

fn limits(change: LimitsChange) -> ClientCommand {
    ClientCommand::ChangeLimits {
        flags: FlagsChange::default(),
        limits: Box::new(change),
        by: "test".to_owned(),
    }
}

fn names(events: &[Recorded]) -> Vec<&str> {
    events.iter().map(|event| &*event.event_type).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn disabling_trading_is_one_append_and_holds_for_every_account() {
    let client = Client::new().await;
    let rig = &client.rig;
    let [first, second] = [client.accounts[0], client.accounts[1]];
    let bought = rig.execute(first, buy("0.10")).await;
    assert_eq!(bought.code(), "ok");
    let head = rig.head().await;
    let reply = client.change(vec![disable()]).await.unwrap();
    let events = client.since(head).await;
    assert_eq!(
        names(&events),
        ["TradingDisabled", "ControlsChanged", "ControlsChanged"]
    );
    assert_eq!(events[2].position, reply.position);
    assert!(
        events
            .iter()
            .all(|it| it.recorded_at == events[0].recorded_at)
    );
    for trader in [first, second] {
        let refused = rig.execute(trader, buy("0.10")).await;
        assert_eq!(refused.code(), "trading_disabled");
        let controls = refused.account.controls().clone();
        let expected = Controls {
            trading_disabled: true,
            ..Controls::NONE
        };
        assert_eq!(controls, expected);
    }
    let position_id = bought.account.positions[0].position_id;
    let close = daybook_domain::AccountCommand::ClosePosition {
        position_id,
        deal_id: DealId(Uuid::now_v7()),
        volume: None,
    };
    assert_eq!(rig.execute(first, close).await.code(), "ok");
    client.change(vec![enable()]).await.unwrap();
    assert_eq!(rig.execute(second, buy("0.10")).await.code(), "ok");
    for trader in [first, second] {
        assert_eq!(rig.live(trader).await, rig.replayed(trader).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_opened_later_begins_with_what_holds() {
    let client = Client::new().await;
    let rig = &client.rig;
    let most = limits(LimitsChange {
        max_leverage: Change::Set(20),
        ..LimitsChange::default()
    });
    client.change(vec![disable(), most]).await.unwrap();
    let account_id = AccountId(Uuid::now_v7());
    let numbers = rig.store.next_account_numbers(1).await.unwrap();
    let opened = rig.engine.open_account(OpenAccountRequest {
        client_id: client.id(),
        account: NewAccount {
            account_id,
            number: numbers[0],
            kind: AccountKind::Live,
            mode: PositionMode::Hedging,
            currency: Currency::USD,
            leverage: 100,
            funds: None,
        },
        origin: origin("open_account"),
        idempotency: None,
        render: Box::new(|_| Answer {
            status: 201,
            body: String::new(),
            keep: true,
        }),
    });
    opened.await.unwrap();
    let third = Trader {
        client_id: client.id(),
        account_id,
    };
    let account = rig.live(third).await;
    assert!(account.controls().trading_disabled);
    assert_eq!(account.leverage(), Some(20));
    // It is among those that the next change is about, though no read model knows it.
    client.change(vec![enable()]).await.unwrap();
    assert!(!rig.live(third).await.controls().trading_disabled);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_account_refuses_happens_to_none() {
    let client = Client::new().await;
    let rig = &client.rig;
    let bought = rig.execute(client.accounts[1], buy("5")).await;
    assert_eq!(bought.code(), "ok");
    let head = rig.head().await;
    let most = limits(LimitsChange {
        max_leverage: Change::Set(2),
        ..LimitsChange::default()
    });
    let tier = ClientCommand::ChangeTier {
        to: "gold".to_owned(),
        by: "test".to_owned(),
    };
    match client.change(vec![tier, most]).await {
        Err(EngineError::AccountRefused(AccountRejection::InsufficientMargin { .. })) => {}
        other => panic!("{other:?}"),
    }
    assert_eq!(rig.head().await, head);
    for trader in &client.accounts {
        assert_eq!(rig.live(*trader).await, rig.replayed(*trader).await);
    }
    client.change(vec![disable()]).await.unwrap();
    let events = client.since(head).await;
    assert_eq!(events.len(), 3, "the client goes on: {:?}", names(&events));
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_that_rest_are_fetched() {
    let mut client = Client::new().await;
    client.rig.restart().await;
    let head = client.rig.head().await;
    client.change(vec![disable()]).await.unwrap();
    assert_eq!(client.since(head).await.len(), 3);
    let again = client.change(vec![disable()]).await.unwrap();
    assert_eq!(client.rig.head().await, again.position, "it was so already");
    assert_eq!(client.since(head).await.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_and_changes_side_by_side_leave_one_truth() {
    let client = Client::new().await;
    let rig = &client.rig;
    let orders = async {
        for number in 0..60 {
            let trader = client.accounts[number % 2];
            let told = rig.execute(trader, buy("0.01")).await;
            assert!(matches!(told.code(), "ok" | "trading_disabled"), "{told:?}");
        }
    };
    let changes = async {
        for _ in 0..15 {
            client.change(vec![disable()]).await.unwrap();
            client.change(vec![enable()]).await.unwrap();
        }
    };
    tokio::join!(orders, changes);
    for trader in &client.accounts {
        let live = rig.live(*trader).await;
        assert_eq!(live, rig.replayed(*trader).await);
        let changed = rig.events(*trader).await;
        let changed = changed
            .iter()
            .filter(|event| matches!(event, AccountEvent::ControlsChanged { .. }));
        assert_eq!(changed.count(), 30);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_external_name_is_somebodys_alone_and_a_key_answers_again() {
    let client = Client::new().await;
    let other = {
        let id = ClientId(Uuid::now_v7());
        let mut request = client.rig.registration(id, &[]).await;
        request.further = vec![link("C-7")];
        client.rig.engine.register(request).await.unwrap();
        id
    };
    let owner = client.rig.store.unique_owner("external_id", "C-7").await;
    assert_eq!(owner.unwrap(), Some(other.0));
    let head = client.rig.head().await;
    match client.change(vec![link("C-7")]).await {
        Err(EngineError::UniqueTaken { kind }) => assert_eq!(kind, "external_id"),
        told => panic!("{told:?}"),
    }
    assert_eq!(client.rig.head().await, head);
    let key = || {
        Some(IdempotencyRequest {
            scope: "crm POST /crm/users/{id}/notes".to_owned(),
            key: "k".to_owned(),
            request_hash: [7; 32],
        })
    };
    let note = || ClientCommand::AddNote {
        comment: "called".to_owned(),
        by: "crm:ines".to_owned(),
    };
    let first = client.change_under(vec![note()], key()).await.unwrap();
    let second = client.change_under(vec![note()], key()).await.unwrap();
    assert_eq!(
        (first.position, false, true),
        (second.position, first.replayed, second.replayed)
    );
    let stream = StreamId::new("client", client.id());
    let events = client.rig.store.read_stream(&stream, 0, 100).await.unwrap();
    assert_eq!(names(&events), ["ClientRegistered", "NoteAdded"]);
    assert!(!events[1].payload.contains("called"), "notes are sealed");
}

fn link(external_id: &str) -> ClientCommand {
    ClientCommand::LinkExternalId {
        external_id: external_id.to_owned(),
        by: "crm:ines".to_owned(),
    }
}
