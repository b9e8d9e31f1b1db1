//! Registration and the clients' own streams.

use daybook_domain::{AccountId, ClientCommand, ClientId};
use daybook_engine::{Answer, ClientRequest, EngineError, IdempotencyRequest};
use daybook_store::StreamId;
use uuid::Uuid;

use crate::support::{Rig, config, origin};

#[tokio::test(flavor = "multi_thread")]
async fn an_address_in_use_is_refused_and_nothing_is_appended() {
    let rig = Rig::start(config()).await;
    let first = ClientId(Uuid::now_v7());
    let request = rig.registration(first, &[AccountId(Uuid::now_v7())]).await;
    let email_hash = request.email_hash.clone();
    rig.engine.register(request).await.unwrap();
    let head = rig.head().await;
    let second = ClientId(Uuid::now_v7());
    let mut request = rig.registration(second, &[AccountId(Uuid::now_v7())]).await;
    request.email_hash = email_hash.clone();
    match rig.engine.register(request).await {
        Err(EngineError::UniqueTaken { kind }) => assert_eq!(kind, "email"),
        other => panic!("{other:?}"),
    }
    assert_eq!(rig.head().await, head);
    let owner = rig.store.unique_owner("email", &email_hash).await.unwrap();
    assert_eq!(owner, Some(first.0));
    assert_eq!(rig.store.secret(second.0, "password").await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_number_in_use_is_refused() {
    let rig = Rig::start(config()).await;
    let client = ClientId(Uuid::now_v7());
    let mut request = rig.registration(client, &[AccountId(Uuid::now_v7())]).await;
    let number = request.accounts[0].number;
    rig.engine.register(request).await.unwrap();
    let client = ClientId(Uuid::now_v7());
    request = rig.registration(client, &[AccountId(Uuid::now_v7())]).await;
    request.accounts[0].number = number;
    match rig.engine.register(request).await {
        Err(EngineError::UniqueTaken { kind }) => assert_eq!(kind, "account_number"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registration_that_breaks_a_rule_is_refused() {
    let rig = Rig::start(config()).await;
    let head = rig.head().await;
    let client = ClientId(Uuid::now_v7());
    let mut request = rig.registration(client, &[AccountId(Uuid::now_v7())]).await;
    request.registration.email = "no address".to_owned();
    let answer = rig.engine.register(request).await;
    assert!(matches!(answer, Err(EngineError::ClientRefused(_))));
    assert_eq!(rig.head().await, head);
}

#[tokio::test(flavor = "multi_thread")]
async fn personal_data_is_sealed_wherever_it_rests() {
    let rig = Rig::start(config()).await;
    let client = ClientId(Uuid::now_v7());
    let request = rig.registration(client, &[AccountId(Uuid::now_v7())]).await;
    rig.engine.register(request).await.unwrap();
    let rename = rename(&rig, client, "Ada", None).await;
    rig.engine.client(rename).await.unwrap();
    let events = rig.store.read_all(0, 1_000).await.unwrap();
    let of_client = events
        .iter()
        .filter(|event| &*event.aggregate_type == "client");
    assert_eq!(of_client.count(), 2);
    for event in &events {
        for secret in ["Grace", "Hopper", "Ada", "@example.com"] {
            assert!(!event.payload.contains(secret), "{event:?}");
            assert!(!event.metadata.contains(secret), "{event:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_of_one_client_take_turns() {
    let rig = Rig::start(config()).await;
    let client = ClientId(Uuid::now_v7());
    let request = rig.registration(client, &[]).await;
    rig.engine.register(request).await.unwrap();
    let mut renames = Vec::new();
    for number in 0..12 {
        renames.push(rename(&rig, client, &format!("Ada {number}"), None).await);
    }
    let renamed = renames.into_iter().map(|rename| rig.engine.client(rename));
    for reply in futures::future::join_all(renamed).await {
        assert_eq!(reply.unwrap().status, 200);
    }
    let stream = StreamId::new("client", client);
    let events = rig.store.read_stream(&stream, 0, 100).await.unwrap();
    assert_eq!(events.len(), 13);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_client_command_gets_the_first_answer() {
    let mut rig = Rig::start(config()).await;
    let client = ClientId(Uuid::now_v7());
    let request = rig.registration(client, &[]).await;
    rig.engine.register(request).await.unwrap();
    let key = |hash: u8| IdempotencyRequest {
        scope: format!("{client} PATCH /user/me"),
        key: "k".to_owned(),
        request_hash: [hash; 32],
    };
    let first = rename(&rig, client, "Ada", Some(key(1))).await;
    let first = rig.engine.client(first).await.unwrap();
    let head = rig.head().await;
    rig.restart().await;
    let second = rename(&rig, client, "Ada", Some(key(1))).await;
    let second = rig.engine.client(second).await.unwrap();
    assert_eq!(
        (&second.body, second.position),
        (&first.body, first.position)
    );
    assert!(second.replayed);
    let other = rename(&rig, client, "Eve", Some(key(2))).await;
    let other = rig.engine.client(other).await;
    assert!(matches!(other, Err(EngineError::IdempotencyKeyReused)));
    assert_eq!(rig.head().await, head);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_is_not_there_is_not_found() {
    let rig = Rig::start(config()).await;
    let somebody = ClientId(Uuid::now_v7());
    let request = rig.registration(somebody, &[]).await;
    let nobody = ClientId(Uuid::now_v7());
    let request = ClientRequest {
        client_id: nobody,
        command: ClientCommand::ChangeDefaultAccount {
            account_id: AccountId(Uuid::now_v7()),
        },
        key: request.key,
        origin: origin("test"),
        idempotency: None,
        render: Box::new(|_| unreachable!("nobody is decided on")),
    };
    let answer = rig.engine.client(request).await;
    assert!(matches!(answer, Err(EngineError::NotFound)));
}

async fn rename(
    rig: &Rig,
    client_id: ClientId,
    first_name: &str,
    idempotency: Option<IdempotencyRequest>,
) -> ClientRequest {
    ClientRequest {
        client_id,
        command: ClientCommand::UpdateProfile {
            first_name: Some(first_name.to_owned()),
            last_name: None,
            phone: None,
            country: None,
        },
        key: rig.store.keys().get(client_id.0).await.unwrap(),
        origin: origin("update_profile"),
        idempotency,
        render: Box::new(|decided| Answer {
            status: if decided.is_ok() { 200 } else { 422 },
            body: format!("{:?} {}", decided.is_ok(), Uuid::now_v7()),
            keep: true,
        }),
    }
}
