//! Personal data: sealed under its subject's key, readable with it alone, gone with it.

use daybook_store::{MasterKey, Store, StoreConfig, StoreError, testing::TestDatabase};
use proptest::prelude::*;
use uuid::Uuid;

use crate::support::{Node, submission};

fn key_of(store: &Store) -> daybook_store::SubjectKey {
    store.keys().create(Uuid::now_v7()).0
}

#[tokio::test]
async fn what_is_sealed_opens_for_the_same_subject_and_field_alone() {
    let store = TestDatabase::start().await.connect_store().await;
    let (key, other) = (key_of(&store), key_of(&store));
    let sealed = key.seal("email", "ada@example.com");
    assert!(sealed.starts_with("enc:v1:") && !sealed.contains("ada"));
    assert_ne!(
        sealed,
        key.seal("email", "ada@example.com"),
        "nonces are fresh"
    );
    assert_eq!(key.open("email", &sealed).unwrap(), "ada@example.com");
    assert_eq!(key.open("email", "plain").unwrap(), "plain");
    assert!(matches!(
        key.open("phone", &sealed),
        Err(StoreError::Key(_))
    ));
    assert!(matches!(
        other.open("email", &sealed),
        Err(StoreError::Key(_))
    ));
    assert!(matches!(
        key.open("email", "enc:v1:"),
        Err(StoreError::Key(_))
    ));
    assert!(matches!(
        key.open("email", "enc:v1:%%%"),
        Err(StoreError::Key(_))
    ));
}

#[tokio::test]
async fn a_single_changed_character_does_not_open() {
    let store = TestDatabase::start().await.connect_store().await;
    let key = key_of(&store);
    let sealed = key.seal("email", "ada@example.com");
    for index in "enc:v1:".len()..sealed.len() {
        let mut changed = sealed.clone().into_bytes();
        changed[index] = if changed[index] == b'A' { b'Q' } else { b'A' };
        let changed = String::from_utf8(changed).unwrap();
        assert!(key.open("email", &changed).is_err(), "character {index}");
    }
}

#[tokio::test]
async fn named_fields_of_an_event_are_sealed_and_everything_else_keeps_its_text() {
    let store = TestDatabase::start().await.connect_store().await;
    let key = key_of(&store);
    let plain = r#"{"ClientRegistered":{"at":"2026-01-01T00:00:00Z","email":"a\"b\u00e9","n":1.50,"phone":null}}"#;
    let sealed = key.seal_fields(plain, &["email", "phone"]).unwrap();
    assert!(sealed.contains(r#""n":1.50"#) && sealed.contains(r#""phone":null"#));
    assert!(!sealed.contains("a\\\"b"), "{sealed}");
    let opened = key.open_fields(&sealed).unwrap();
    let (plain, opened): (serde_json::Value, serde_json::Value) = (
        serde_json::from_str(plain).unwrap(),
        serde_json::from_str(&opened).unwrap(),
    );
    assert_eq!(opened, plain);
    for refused in [
        "[]",
        "{}",
        "not json",
        r#"{"A":{},"B":{}}"#,
        r#"{"A":{"email":1}}"#,
    ] {
        let error = key.seal_fields(refused, &["email"]);
        assert!(
            matches!(error, Err(StoreError::Corrupt { .. })),
            "{refused}"
        );
    }
}

#[tokio::test]
async fn a_key_is_found_by_every_node_with_the_master_key_until_it_is_destroyed() {
    let node = Node::start().await;
    let subject = Uuid::now_v7();
    let (key, new_key) = node.store.keys().create(subject);
    assert!(matches!(
        node.store.keys().get(subject).await,
        Err(StoreError::Key(_))
    ));
    let (mut one, pending) = submission();
    one.keys.push(new_key);
    node.writer.submit(one);
    pending.outcome().await.unwrap();
    let sealed = key.seal("email", "ada@example.com");

    let other = node.database.connect_store().await;
    let found = other.keys().get(subject).await.unwrap();
    assert_eq!(found.open("email", &sealed).unwrap(), "ada@example.com");
    let stranger = Store::connect(StoreConfig {
        options: node.database.options(),
        connections_max: 1,
        master_key: MasterKey::parse("quite another master key").unwrap(),
    });
    let stranger = stranger.await.unwrap();
    assert!(matches!(
        stranger.keys().get(subject).await,
        Err(StoreError::Key(_))
    ));

    let erase = "update public.subject_keys set wrapped = null, destroyed_at = now()";
    sqlx::query(erase).execute(node.store.pool()).await.unwrap();
    other.keys().forget(subject);
    assert!(matches!(
        other.keys().get(subject).await,
        Err(StoreError::Erased(of)) if of == subject
    ));
}

#[tokio::test]
async fn look_up_hashes_depend_on_kind_value_and_master_key() {
    let database = TestDatabase::start().await;
    let store = database.connect_store().await;
    let hash = store.keys().lookup_hash("email", "a");
    assert_eq!(hash.len(), 64);
    assert_eq!(
        hash,
        database
            .connect_store()
            .await
            .keys()
            .lookup_hash("email", "a")
    );
    assert_ne!(hash, store.keys().lookup_hash("phone", "a"));
    assert_ne!(hash, store.keys().lookup_hash("email", "b"));
    assert!(MasterKey::parse("too short").is_err());
}

#[test]
fn any_text_opens_to_itself() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let store = runtime.block_on(async { TestDatabase::start().await.connect_store().await });
    let key = key_of(&store);
    proptest!(|(field in "[a-z_]{1,12}", text in any::<String>())| {
        prop_assert_eq!(key.open(&field, &key.seal(&field, &text)).unwrap(), text);
    });
    drop(runtime);
}
