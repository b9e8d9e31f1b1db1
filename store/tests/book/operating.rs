//! Operators' requests: taken once, answered, withdrawn.

use std::time::Duration;

use daybook_store::{OperatorReply, OperatorRequests};

use crate::support::{Node, PATIENCE};

const COMMAND: &str = r#"{"op":"nothing"}"#;

fn waiting(node: &Node) -> tokio::task::JoinHandle<OperatorReply> {
    let store = node.store.clone();
    tokio::spawn(async move {
        let reply = OperatorRequests::submit(&store, "cli:grace", COMMAND, PATIENCE).await;
        reply.unwrap()
    })
}

#[tokio::test]
async fn a_request_is_taken_once_however_many_ask_for_it() {
    let node = Node::start().await;
    let asked = waiting(&node);
    let mut taken = Vec::new();
    while taken.is_empty() {
        let takes = (0..8).map(|_| OperatorRequests::take(&node.store));
        for take in futures::future::join_all(takes).await {
            taken.extend(take.unwrap());
        }
    }
    assert_eq!(taken.len(), 1);
    assert_eq!(taken[0].command, COMMAND);
    let id = taken[0].id;
    let unfinished = OperatorRequests::unfinished(&node.store).await.unwrap();
    assert_eq!(unfinished, taken);
    let outcome = r#"{"outcome":"done"}"#;
    OperatorRequests::finish(&node.store, id, outcome)
        .await
        .unwrap();
    // The first outcome stays.
    OperatorRequests::finish(&node.store, id, r#"{"outcome":"other"}"#)
        .await
        .unwrap();
    assert_eq!(
        asked.await.unwrap(),
        OperatorReply::Done(outcome.to_owned())
    );
    assert_eq!(OperatorRequests::take(&node.store).await.unwrap(), None);
}

#[tokio::test]
async fn what_is_given_back_is_taken_again() {
    let node = Node::start().await;
    let asked = waiting(&node);
    let first = loop {
        if let Some(request) = OperatorRequests::take(&node.store).await.unwrap() {
            break request;
        }
    };
    OperatorRequests::release(&node.store, first.id)
        .await
        .unwrap();
    let again = OperatorRequests::take(&node.store).await.unwrap();
    assert_eq!(again, Some(first.clone()));
    OperatorRequests::finish(&node.store, first.id, "{}")
        .await
        .unwrap();
    assert_eq!(asked.await.unwrap(), OperatorReply::Done("{}".to_owned()));
}

#[tokio::test]
async fn a_request_that_nobody_takes_is_withdrawn() {
    let node = Node::start().await;
    let patience = Duration::from_millis(50);
    let reply = OperatorRequests::submit(&node.store, "cli:grace", COMMAND, patience).await;
    assert_eq!(reply.unwrap(), OperatorReply::Withdrawn);
    assert_eq!(OperatorRequests::take(&node.store).await.unwrap(), None);
    assert_eq!(OperatorRequests::unfinished(&node.store).await.unwrap(), []);
}

#[tokio::test]
async fn what_is_secret_in_a_command_is_dropped_with_its_outcome() {
    let node = Node::start().await;
    let command = r#"{"op":"staff","secrets":{"totp":"enc:v1:abc"}}"#;
    let submit = |patience| OperatorRequests::submit(&node.store, "cli", command, patience);
    let kept = async || -> Vec<String> {
        let sql = "select command::text from public.operator_requests";
        let rows = sqlx::query_scalar(sql).fetch_all(node.store.pool());
        rows.await.unwrap()
    };
    let serving = async {
        let request = loop {
            if let Some(request) = OperatorRequests::take(&node.store).await.unwrap() {
                break request;
            }
        };
        assert_eq!(
            request.command, command,
            "whoever executes it gets it whole"
        );
        let finished = OperatorRequests::finish(&node.store, request.id, "{}");
        finished.await.unwrap();
    };
    let (reply, ()) = tokio::join!(submit(PATIENCE), serving);
    assert_eq!(reply.unwrap(), OperatorReply::Done("{}".to_owned()));
    let reply = submit(Duration::from_millis(50)).await;
    assert_eq!(reply.unwrap(), OperatorReply::Withdrawn);
    assert_eq!(kept().await, [r#"{"op": "staff"}"#; 2]);
}

#[tokio::test]
async fn what_is_secret_in_an_abandoned_command_is_dropped_after_an_hour() {
    let node = Node::start().await;
    let pool = node.store.pool();
    for (minutes, taken) in [("59", "null"), ("61", "null"), ("61", "clock_timestamp()")] {
        let sql = format!(
            "insert into public.operator_requests (id, actor, command, expires_at, taken_at) \
             values (gen_random_uuid(), 'cli', '{{\"op\":\"staff\",\"secrets\":{{\"a\":1}}}}', \
                 clock_timestamp() - interval '{minutes} minutes', {taken})"
        );
        sqlx::query(&sql).execute(pool).await.unwrap();
    }
    let forgotten = async || {
        OperatorRequests::forget_abandoned(&node.store)
            .await
            .unwrap()
    };
    assert_eq!(forgotten().await, 2);
    assert_eq!(forgotten().await, 0);
    let sql = "select command::jsonb ? 'secrets' from public.operator_requests order by expires_at";
    let secret: Vec<bool> = sqlx::query_scalar(sql).fetch_all(pool).await.unwrap();
    assert_eq!(secret, [false, false, true]);
    let unfinished = OperatorRequests::unfinished(&node.store).await.unwrap();
    assert_eq!(unfinished.len(), 1, "what was taken is settled as before");
}

#[tokio::test]
async fn the_last_day_rolled_over_is_remembered() {
    let node = Node::start().await;
    assert_eq!(node.store.rolled_through().await.unwrap(), None);
    for day in ["2026-07-15", "2026-07-14", "2026-07-15"] {
        let day = day.parse().unwrap();
        node.store.set_rolled_through(day).await.unwrap();
    }
    let last = node.store.rolled_through().await.unwrap();
    assert_eq!(last, Some("2026-07-15".parse().unwrap()));
}
