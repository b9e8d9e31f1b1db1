//! Seeded faults: what the checks say when the book or a read model was tampered with. A check
//! that cannot fail proves nothing.

use std::time::Duration;

use daybook_tests::{
    World, audit,
    load::{Diary, Load},
};
use sqlx::Executor;

/// "A verification found a difference."
const DIFFERENCE: Option<i32> = Some(3);

/// A server with some history, and what its clients were told.
async fn traded() -> (World, Vec<Diary>) {
    let world = World::start().await;
    let traders = vec![world.trader().await, world.trader().await];
    let bases = vec![world.app.http.base().to_owned()];
    let load = Load::start(traders, bases, Duration::from_millis(5));
    daybook_tests::eventually("some history", || async {
        (load.acknowledged() > 60).then_some(())
    })
    .await;
    let diaries = load.finish().await;
    (world, diaries)
}

/// Tampers as only somebody with every right over the database could.
async fn tamper(world: &World, statement: &str) {
    let script = format!(
        "begin; alter table events disable trigger all; {statement};
         alter table events enable trigger all; commit"
    );
    world
        .book
        .pool()
        .execute(sqlx::raw_sql(&script))
        .await
        .expect("tampering works");
}

async fn exit_code(world: &World, arguments: &[&str]) -> Option<i32> {
    world.app.run(arguments).await.status.code()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_untouched_book_passes_every_check() {
    let (world, diaries) = traded().await;
    audit::assert_sound(&world.app, &world.book, &diaries).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_event_is_found() {
    let (mut world, diaries) = traded().await;
    assert!(world.app.terminate().await.success());
    tamper(
        &world,
        "delete from events where position = (select max(position) from events where event_type = 'OrderPlaced')",
    )
    .await;
    assert!(!audit::findings(&world.book, &diaries).await.is_empty());
    assert_eq!(
        exit_code(&world, &["audit", "verify", "--all"]).await,
        DIFFERENCE
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_applied_twice_is_found() {
    let (mut world, diaries) = traded().await;
    assert!(world.app.terminate().await.success());
    tamper(
        &world,
        "insert into events
         select (select max(position) + 1 from events),
                (select max(sequence) + 1 from events l where l.aggregate_id = e.aggregate_id),
                recorded_at, aggregate_type, aggregate_id, event_type, event_version, payload,
                metadata, hash
         from events e where event_type = 'OrderPlaced' order by position desc limit 1",
    )
    .await;
    assert!(!audit::findings(&world.book, &diaries).await.is_empty());
    assert_eq!(
        exit_code(&world, &["audit", "verify", "--all"]).await,
        DIFFERENCE
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_falsified_event_is_found() {
    let (mut world, _) = traded().await;
    assert!(world.app.terminate().await.success());
    tamper(
        &world,
        "update events set payload = replace(payload::text, '\"0.02\"', '\"0.03\"')::json
         where position = (select max(position) from events where event_type = 'OrderFilled')",
    )
    .await;
    assert_eq!(
        exit_code(&world, &["audit", "verify", "--all"]).await,
        DIFFERENCE
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_database_itself_refuses_to_change_the_book() {
    let (world, _) = traded().await;
    for statement in [
        "update events set event_type = 'Nothing'",
        "delete from events",
        "truncate events",
        "set session_replication_role = replica; delete from events",
    ] {
        let refused = world.book.pool().execute(sqlx::raw_sql(statement)).await;
        assert!(refused.is_err(), "{statement} went through");
    }
    assert!(world.book.head().await > 0);
}

/// Schema of a read model's live generation.
async fn schema_of(world: &World, model: &str) -> String {
    let generation: i64 = sqlx::query_scalar("select generation from projections where name = $1")
        .bind(model)
        .fetch_one(world.book.pool())
        .await
        .expect("the read model is registered");
    format!("p_{model}_{generation}")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_a_read_model_skipped_is_found() {
    let (mut world, _) = traded().await;
    assert!(world.app.terminate().await.success());
    for model in [
        "accounts",
        "orders",
        "positions",
        "deals",
        "clients",
        "journal",
        "audit",
    ] {
        let verify = ["projections", "verify", model];
        assert_eq!(exit_code(&world, &verify).await, Some(0), "{model}");
        let table = format!("{}.{model}", schema_of(&world, model).await);
        let skip = format!("delete from {table} where ctid = (select max(ctid) from {table})");
        tamper(&world, &skip).await;
        assert_eq!(exit_code(&world, &verify).await, DIFFERENCE, "{model}");
    }
    let all = ["projections", "verify", "--all"];
    assert_eq!(exit_code(&world, &all).await, DIFFERENCE);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_checkpoint_does_not_pass_unnoticed() {
    let (mut world, _) = traded().await;
    assert!(world.app.terminate().await.success());
    // As if the writes had been committed and the checkpoint had not: the events come again.
    let script = "update projections set position = (
                      select max(position) - 1 from events where event_type = 'PositionReduced')
                  where name in ('accounts', 'journal')";
    tamper(&world, script).await;
    world.app.launch_again();
    world.app.in_role("leader").await;
    for model in ["accounts", "journal"] {
        daybook_tests::eventually(&format!("{model} stops, or is found to differ"), || async {
            let status: String =
                sqlx::query_scalar("select status from projections where name = $1")
                    .bind(model)
                    .fetch_one(world.book.pool())
                    .await
                    .expect("the read model is registered");
            let verify = ["projections", "verify", model];
            (status == "stopped" || exit_code(&world, &verify).await == DIFFERENCE).then_some(())
        })
        .await;
    }
}
