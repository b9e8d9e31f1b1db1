//! Whose an account is.

use daybook_domain::{AccountId, ClientId};
use daybook_engine::EngineError;
use uuid::Uuid;

use crate::support::{Rig, Trader, buy, config};

#[tokio::test(flavor = "multi_thread")]
async fn two_accounts_of_one_client_are_independent() {
    let rig = Rig::start(config()).await;
    rig.quote("EURUSD", "1.10000", "1.10010").await;
    let client_id = ClientId(Uuid::now_v7());
    let accounts = [AccountId(Uuid::now_v7()), AccountId(Uuid::now_v7())];
    let request = rig.registration(client_id, &accounts).await;
    let reply = rig.engine.register(request).await.unwrap();
    // One registration, two openings, two fundings: one append.
    assert_eq!(reply.position, rig.head().await);
    let [one, two] = accounts.map(|account_id| Trader {
        client_id,
        account_id,
    });
    assert_eq!(rig.execute(one, buy("0.10")).await.code(), "ok");
    assert_eq!(rig.live(one).await.positions.len(), 1);
    assert_eq!(rig.live(two).await.positions.len(), 0);
    assert_eq!(rig.live(two).await.terms.unwrap().client_id, client_id);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_clients_account_is_not_found_hot_or_cold() {
    let rig = Rig::start(config()).await;
    rig.quote("EURUSD", "1.10000", "1.10010").await;
    let owner = rig.trader().await;
    // Enough strangers to come through every shard.
    for round in 0..8 {
        if round == 4 {
            assert_eq!(rig.execute(owner, buy("0.01")).await.code(), "ok");
        }
        let stranger = Trader {
            client_id: ClientId(Uuid::now_v7()),
            ..owner
        };
        let head = rig.head().await;
        let answer = rig.ask(stranger, buy("0.01"), None).await;
        assert!(matches!(answer, Err(EngineError::NotFound)));
        assert_eq!(rig.head().await, head);
    }
    let nobody = Trader {
        account_id: AccountId(Uuid::now_v7()),
        ..owner
    };
    let answer = rig.ask(nobody, buy("0.01"), None).await;
    assert!(matches!(answer, Err(EngineError::NotFound)));
    assert_eq!(rig.live(owner).await.positions.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_that_left_the_memory_come_back_as_they_were() {
    let mut config = config();
    config.shards = 1;
    config.hot_accounts_max = 4;
    let rig = Rig::start(config).await;
    rig.quote("EURUSD", "1.10000", "1.10010").await;
    let mut traders = Vec::new();
    for number in 0..24 {
        let trader = rig.trader().await;
        if number % 3 == 0 {
            assert_eq!(rig.execute(trader, buy("0.01")).await.code(), "ok");
        }
        rig.live(trader).await;
        traders.push(trader);
    }
    for (number, trader) in traders.into_iter().enumerate() {
        let live = rig.live(trader).await;
        assert_eq!(live, rig.replayed(trader).await);
        assert_eq!(live.positions.len(), usize::from(number % 3 == 0));
    }
}
