//! What stands in the book stays as it is, and where it does not, that is found.

use daybook_store::{
    StreamId,
    verify::{verify_all, verify_stream},
};
use sqlx::PgPool;

use crate::support::{Node, Stream};

/// A book of four streams with five events each, in turn.
async fn book() -> (Node, Vec<StreamId>) {
    let node = Node::start().await;
    let mut streams: Vec<Stream> = (0..4).map(|_| Stream::new()).collect();
    for number in 0..5 {
        for stream in &mut streams {
            stream.note(&node.writer, number).outcome().await.unwrap();
        }
    }
    (
        node,
        streams.iter().map(|stream| stream.id().clone()).collect(),
    )
}

/// As a superuser who means harm: the only way in.
async fn tamper(pool: &PgPool, sql: &str) {
    let disable = "alter table public.events disable trigger user; \
         grant update, delete on public.events to current_user";
    sqlx::raw_sql(disable).execute(pool).await.unwrap();
    let done = sqlx::query(sql).execute(pool).await.unwrap();
    assert!(done.rows_affected() > 0, "{sql}");
}

#[tokio::test]
async fn the_database_refuses_to_change_or_remove_what_was_recorded() {
    let (node, _) = book().await;
    let pool = node.database.pool().await;
    for sql in [
        "update public.events set payload = '{}' where position = 1",
        "delete from public.events where position = 20",
        "truncate public.events",
        "set session_replication_role = replica; delete from public.events",
        "update public.tenures set leader_address = 'me'",
        "delete from public.head",
        "truncate public.head",
    ] {
        let error = sqlx::raw_sql(sql).execute(&pool).await.expect_err(sql);
        let code = error
            .as_database_error()
            .and_then(|error| error.code())
            .unwrap_or_default();
        assert!(["23001", "42501"].contains(&&*code), "{sql}: {error}");
    }
    // Neither can anything enter beside the writer's order.
    let twice = "insert into public.events select * from public.events where position = 1";
    assert!(sqlx::query(twice).execute(&pool).await.is_err());
    assert_eq!(node.store.read_all(0, 100).await.unwrap().len(), 20);
}

#[tokio::test]
async fn a_whole_book_verifies_and_tells_its_progress() {
    let (node, streams) = book().await;
    let mut told = Vec::new();
    let report = verify_all(&node.store, |progress| told.push(progress))
        .await
        .unwrap();
    assert_eq!(
        (report.events, report.streams, report.broken),
        (20, 4, None)
    );
    assert_eq!(
        told.last().map(|progress| (progress.events, progress.of)),
        Some((20, 20))
    );
    let report = verify_stream(&node.store, &streams[2]).await.unwrap();
    assert_eq!((report.events, report.streams, report.broken), (5, 1, None));
}

#[tokio::test]
async fn any_change_behind_the_triggers_is_found_at_its_place() {
    for (change, position, sequence) in [
        ("payload = replace(payload::text, '2', '3')::json", 10, 3),
        ("metadata = '{}'", 10, 3),
        ("event_type = 'Voted'", 10, 3),
        ("event_version = '1.1'", 10, 3),
        (
            "recorded_at = recorded_at + interval '1 microsecond'",
            10,
            3,
        ),
        ("hash = sha256(hash)", 10, 3),
        ("aggregate_id = 'x' || aggregate_id", 10, 3),
        ("recorded_at = '2000-01-01'", 10, 3),
    ] {
        let (node, streams) = book().await;
        let sql = format!("update public.events set {change} where position = 10");
        tamper(&node.database.pool().await, &sql).await;
        let broken = verify_all(&node.store, |_| {})
            .await
            .unwrap()
            .broken
            .expect(change);
        assert_eq!(
            (broken.position, broken.sequence),
            (position, Some(sequence)),
            "{change}"
        );
        let broken = verify_stream(&node.store, &streams[1])
            .await
            .unwrap()
            .broken;
        assert!(broken.is_some(), "{change}");
        let other = verify_stream(&node.store, &streams[0]).await.unwrap();
        assert_eq!(other.broken, None, "{change}: other streams are whole");
    }
}

#[tokio::test]
async fn a_removed_event_is_found_even_at_the_end() {
    for position in [10, 20] {
        let (node, _) = book().await;
        let sql = format!("delete from public.events where position = {position}");
        tamper(&node.database.pool().await, &sql).await;
        let broken = verify_all(&node.store, |_| {})
            .await
            .unwrap()
            .broken
            .expect("found");
        assert_eq!((broken.position, broken.stream), (position, None));
    }
}

#[tokio::test]
async fn two_events_of_different_streams_that_changed_places_are_found() {
    let (node, _) = book().await;
    let pool = node.database.pool().await;
    for (from, to) in [(9, 1_000), (10, 9), (1_000, 10)] {
        let sql = format!("update public.events set position = {to} where position = {from}");
        tamper(&pool, &sql).await;
    }
    // Each chain is whole, but time runs backwards… unless both share one moment.
    let moved = node.store.read_all(8, 2).await.unwrap();
    let found = verify_all(&node.store, |_| {})
        .await
        .unwrap()
        .broken
        .is_some();
    assert_eq!(found, moved[0].recorded_at > moved[1].recorded_at);
}
