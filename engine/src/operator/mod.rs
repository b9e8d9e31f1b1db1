//! Operators' commands: from the queue in the store, one by one, through the engine.
//!
//! Nothing is executed twice: a request's identifier is the idempotency key of what it does, so the
//! answer stands in the book with the facts, and a request that was taken by a node that ended is
//! looked up there before anything else. Nothing is executed late either: what its operator does
//! not wait for any more is closed unexecuted.

mod clients;
mod command;
mod execute;
mod staff;

use std::{sync::Weak, time::Duration};

use daybook_store::{OperatorRequest, OperatorRequests, Store};
use tokio::{sync::watch, time::Instant};

pub use self::{
    command::{ClientOperation, OperatorCommand, OperatorOutcome},
    staff::{Credentials, Newcomer, StaffChange},
};
use crate::{
    engine::{Engine, Inner},
    error::EngineError,
    shared::json,
};

/// A request is taken within this time.
const POLL: Duration = Duration::from_millis(250);
/// How often secrets of abandoned requests are looked for.
const FORGET_EVERY: Duration = Duration::from_secs(60);
/// Tries to tell an outcome, about a second apart.
const TRIES: usize = 30;

/// Closes what a node that ended has taken: with its answer, where the book has one; otherwise it
/// was not executed, and is offered again as long as its operator waits.
///
/// # Errors
/// [`EngineError`] when the store cannot be read or written.
pub(crate) async fn settle_unfinished(store: &Store) -> Result<(), EngineError> {
    for request in OperatorRequests::unfinished(store).await? {
        let key = execute::key_of(&request);
        match store.idempotency(&key.scope, &key.key).await? {
            Some(row) => {
                let outcome = execute::with_position(row.body, row.position);
                OperatorRequests::finish(store, request.id, &outcome).await?;
            }
            None if request.is_expired => {
                let outcome = failed("the node ended before it was executed");
                OperatorRequests::finish(store, request.id, &outcome).await?;
            }
            None => OperatorRequests::release(store, request.id).await?,
        }
    }
    Ok(())
}

/// Takes requests and executes them until told to stop, or until nobody holds the engine any more.
/// What is being executed is finished first.
pub(crate) async fn run(engine: Weak<Inner>, store: Store, mut stop: watch::Receiver<bool>) {
    let mut forget_at = Instant::now();
    while !*stop.borrow() {
        if Instant::now() >= forget_at {
            forget_at = Instant::now() + FORGET_EVERY;
            forget(&store).await;
        }
        match OperatorRequests::take(&store).await {
            Ok(Some(request)) => {
                let Some(inner) = engine.upgrade() else {
                    give_back(&store, &request).await;
                    return;
                };
                serve(&Engine::of(inner), &store, &request).await;
            }
            Ok(None) => {
                tokio::select! {
                    told = stop.changed() => if told.is_err() { return },
                    () = tokio::time::sleep(POLL) => {}
                }
            }
            Err(error) => {
                tracing::debug!(%error, "operators' requests cannot be read");
                tokio::time::sleep(POLL * 4).await;
            }
        }
    }
}

async fn serve(engine: &Engine, store: &Store, request: &OperatorRequest) {
    let command = shown(&request.command);
    tracing::info!(id = %request.id, actor = request.actor, command, "operator");
    let outcome = match execute::execute(engine, request).await {
        Ok(outcome) => outcome,
        // Another node may execute it, now or when the book is there again.
        Err(EngineError::NotLeader) => {
            give_back(store, request).await;
            return tokio::time::sleep(POLL).await;
        }
        Err(error) => failed(&detail(&error)),
    };
    for _ in 0..TRIES {
        match OperatorRequests::finish(store, request.id, &outcome).await {
            Ok(()) => return,
            // Not told in the end, the next start finds the answer in the book.
            Err(error) => tracing::warn!(%error, id = %request.id, "an outcome could not be told"),
        }
        tokio::time::sleep(POLL * 4).await;
    }
}

/// A command as the log may have it: without what is secret.
fn shown(command: &str) -> String {
    let parsed = serde_json::from_str::<serde_json::Map<_, _>>(command);
    parsed.map_or_else(
        |_none_of_ours| String::new(),
        |mut command| {
            command.remove("secrets");
            serde_json::Value::Object(command).to_string()
        },
    )
}

async fn forget(store: &Store) {
    match OperatorRequests::forget_abandoned(store).await {
        Ok(0) => {}
        Ok(requests) => tracing::info!(requests, "secrets of abandoned requests are dropped"),
        Err(error) => tracing::debug!(%error, "abandoned requests cannot be read"),
    }
}

async fn give_back(store: &Store, request: &OperatorRequest) {
    if let Err(error) = OperatorRequests::release(store, request.id).await {
        tracing::warn!(%error, id = %request.id, "an operator's request could not be given back");
    }
}

fn failed(detail: &str) -> String {
    json(&OperatorOutcome::Failed {
        detail: detail.to_owned(),
    })
}

/// An error and what caused it, for people.
fn detail(error: &EngineError) -> String {
    let source = std::error::Error::source(error);
    source.map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
}
