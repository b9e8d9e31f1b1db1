//! Erasure: what is sealed for a subject cannot be opened any more, on any node.

use std::time::Duration;

use daybook_store::{Erasure, NewEvent, SecretRow, Store, StoreError, UniqueRow, seal};
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use crate::support::{Node, Stream, submission};

fn told(name: &'static str) -> NewEvent {
    NewEvent {
        event_type: name,
        event_version: "1.0",
        payload: format!("{{\"{name}\":{{\"number\":1}}}}"),
    }
}

/// A subject with a key, a secret and a unique value.
async fn subject(node: &Node) -> Uuid {
    let id = Uuid::now_v7();
    let (_, new_key) = node.store.keys().create(id);
    let (mut submission, pending) = submission();
    submission.keys = vec![new_key];
    submission.secrets = vec![SecretRow {
        subject: id,
        name: "password",
        value: "argon2".to_owned(),
    }];
    submission.uniques = vec![UniqueRow {
        kind: "email",
        value: id.to_string(),
        owner: id,
    }];
    node.writer.submit(submission);
    pending.outcome().await.unwrap();
    id
}

async fn is_erased(store: &Store, id: Uuid) -> bool {
    matches!(store.keys().get(id).await, Err(StoreError::Erased(of)) if of == id)
}

#[tokio::test]
async fn erasing_takes_the_key_and_what_stands_beside_the_book_from_one_subject_alone() {
    let node = Node::start().await;
    let (gone, kept) = (subject(&node).await, subject(&node).await);
    let sealed = node
        .store
        .keys()
        .get(gone)
        .await
        .unwrap()
        .seal("name", "Ada");
    node.store.erase_subject(gone).await.unwrap();
    node.store.erase_subject(gone).await.unwrap();
    assert!(is_erased(&node.store, gone).await, "{sealed}");
    assert_eq!(node.store.secret(gone, "password").await.unwrap(), None);
    let owner = node.store.unique_owner("email", &gone.to_string()).await;
    assert_eq!(owner.unwrap(), None);
    assert!(node.store.keys().get(kept).await.is_ok());
    let secret = node.store.secret(kept, "password").await.unwrap();
    assert_eq!(secret.as_deref(), Some("argon2"));
    let owner = node.store.unique_owner("email", &kept.to_string()).await;
    assert_eq!(owner.unwrap(), Some(kept));
}

#[tokio::test]
async fn a_node_that_has_the_key_in_memory_forgets_it_within_a_moment() {
    let node = Node::start().await;
    let id = subject(&node).await;
    let other = node.database.connect_store().await;
    assert!(other.keys().get(id).await.is_ok());
    node.store.erase_subject(id).await.unwrap();
    let told = Instant::now();
    while !is_erased(&other, id).await {
        assert!(told.elapsed() < Duration::from_secs(10), "still there");
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn an_erasure_is_unfinished_until_it_is_noted_and_again_when_its_key_comes_back() {
    let node = Node::start().await;
    let id = subject(&node).await;
    let (mut erased, mut other) = (Stream::named(id), Stream::named(Uuid::now_v7()));
    let (mut submission, pending) = submission();
    submission.appends = vec![
        other.append(vec![told("ClientRegistered")]),
        erased.append(vec![told("ClientRegistered"), told("ClientErased")]),
    ];
    node.writer.submit(submission);
    let position = pending.outcome().await.unwrap().position;
    let erasure = Erasure {
        client: id,
        position,
    };
    let unfinished = async || node.store.unfinished_erasures().await.unwrap();
    assert_eq!(unfinished().await, [erasure]);
    let keep = "create table kept as select * from subject_keys";
    sqlx::query(keep).execute(node.store.pool()).await.unwrap();
    node.store.erase_subject(id).await.unwrap();
    assert_eq!(unfinished().await, [erasure]);
    node.store.finish_erasure(erasure).await.unwrap();
    node.store.finish_erasure(erasure).await.unwrap();
    assert_eq!(unfinished().await, []);
    let restore = "update subject_keys s set wrapped = k.wrapped, destroyed_at = null \
         from kept k where k.subject = s.subject";
    sqlx::query(restore)
        .execute(node.store.pool())
        .await
        .unwrap();
    assert_eq!(unfinished().await, [erasure]);
    node.store.erase_subject(id).await.unwrap();
    assert_eq!(unfinished().await, []);
}

#[tokio::test]
async fn a_document_opens_for_its_client_and_its_name_alone() {
    let node = Node::start().await;
    let keys = node.store.keys();
    let ((ada, _), (eve, _)) = (keys.create(Uuid::now_v7()), keys.create(Uuid::now_v7()));
    let (document, other) = (Uuid::now_v7(), Uuid::now_v7());
    let sealed = ada.seal_bytes(document, b"\x00\xFFbytes");
    assert_ne!(sealed, ada.seal_bytes(document, b"\x00\xFFbytes"));
    let opened = ada.open_bytes(document, &sealed).unwrap();
    assert_eq!(opened.as_slice(), b"\x00\xFFbytes");
    for refused in [
        ada.open_bytes(other, &sealed),
        eve.open_bytes(document, &sealed),
        ada.open_bytes(document, &sealed[1..]),
        ada.open_bytes(document, b""),
    ] {
        assert!(matches!(refused, Err(StoreError::Key(_))));
    }
}

#[test]
fn an_event_of_somebody_who_was_erased_has_nulls_for_what_was_sealed() {
    let payload = r#"{"A":{"at":"2026","email":"enc:v1:xyz","n":1.50,"phone":null}}"#;
    assert_eq!(
        seal::redacted(payload).unwrap(),
        r#"{"A":{"at":"2026","email":null,"n":1.50,"phone":null}}"#
    );
    assert!(seal::redacted("[]").is_err());
}
