//! What can be made to go wrong, switched at a control address: so that what a client does when its
//! provider misbehaves can be watched, not hoped for.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{
    Json, Router,
    extract::{State, rejection::JsonRejection},
    http::StatusCode,
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::watch;

/// The switches. Everything off is a provider that works.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Faults {
    /// Of every so many prices one is never sent; 1: none arrives. 0: off.
    pub drop_every: u64,
    /// Prices arrive so much later than they are stamped.
    pub delay_ms: u64,
    /// Every price is sent twice.
    pub duplicate: bool,
    /// Prices of one write are sent last first.
    pub reorder: bool,
    /// Of every so many prices one is broken JSON; 1: all are. 0: off.
    pub bad_json_every: u64,
    /// REST answers 429.
    pub rate_limit: bool,
    /// The key is refused: REST answers 401, and so does the WebSocket in place of the upgrade.
    pub unauthorized: bool,
    /// Connections stay open, and nothing is heard on them: no price, no answer, no pong.
    pub half_open: bool,
    /// The WebSocket is away: connections are cut, new ones get 503.
    pub sockets_down: bool,
    /// REST is away: 503.
    pub rest_down: bool,
}

/// The switches as they stand, and what has been asked of the simulator.
#[derive(Clone)]
pub(super) struct Desk {
    inner: Arc<Inner>,
}

struct Inner {
    faults: watch::Sender<Faults>,
    hung_up: watch::Sender<u64>,
    prices: AtomicU64,
    connections: AtomicU64,
    counts: Mutex<Counts>,
}

#[derive(Default)]
struct Counts {
    requests: BTreeMap<String, u64>,
    /// Connections subscribed to each symbol now, by the provider's name.
    subscriptions: BTreeMap<String, u64>,
}

impl Default for Desk {
    fn default() -> Self {
        let inner = Inner {
            faults: watch::channel(Faults::default()).0,
            hung_up: watch::channel(0).0,
            prices: AtomicU64::new(0),
            connections: AtomicU64::new(0),
            counts: Mutex::default(),
        };
        Self {
            inner: Arc::new(inner),
        }
    }
}

impl Desk {
    /// The switches as they stand.
    pub(super) fn faults(&self) -> Faults {
        *self.inner.faults.borrow()
    }

    /// Waits until the faults are such; whoever holds the switches being gone is no fault.
    pub(super) async fn until(&self, such: impl FnMut(&Faults) -> bool) {
        let mut faults = self.inner.faults.subscribe();
        if faults.wait_for(such).await.is_err() {
            std::future::pending().await
        }
    }

    /// Waits until every connection is to be cut: now and then, or because sockets are down.
    pub(super) async fn cut(&self) {
        let mut hung_up = self.inner.hung_up.subscribe();
        tokio::select! {
            _ = hung_up.changed() => {}
            () = self.until(|faults| faults.sockets_down) => {}
        }
    }

    /// What becomes of prices that are due, under the switches.
    pub(super) fn spoil(&self, messages: Vec<String>) -> Vec<String> {
        let faults = self.faults();
        let mut spoilt = Vec::with_capacity(messages.len());
        for message in messages {
            let number = self.inner.prices.fetch_add(1, Ordering::Relaxed);
            let hit = |every: u64| every > 0 && number.is_multiple_of(every);
            if hit(faults.drop_every) {
                continue;
            }
            let message = if hit(faults.bad_json_every) {
                let half = message.len() / 2; // What the simulator writes is ASCII.
                message.get(..half).unwrap_or_default().to_owned()
            } else {
                message
            };
            if faults.duplicate {
                spoilt.push(message.clone());
            }
            spoilt.push(message);
        }
        if faults.reorder {
            spoilt.reverse();
        }
        spoilt
    }

    /// How late prices are.
    pub(super) fn delay(&self) -> Duration {
        Duration::from_millis(self.faults().delay_ms)
    }

    pub(super) fn connected(&self) {
        self.inner.connections.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn requested(&self, path: &str) {
        *self.counts().requests.entry(path.to_owned()).or_default() += 1;
    }

    pub(super) fn subscribed(&self, name: &str) {
        *self
            .counts()
            .subscriptions
            .entry(name.to_owned())
            .or_default() += 1;
    }

    pub(super) fn unsubscribed(&self, name: &str) {
        let mut counts = self.counts();
        if let Some(count) = counts.subscriptions.get_mut(name) {
            *count = count.saturating_sub(1);
        }
        counts.subscriptions.retain(|_, count| *count > 0);
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.inner
            .counts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn stats(&self) -> Value {
        let counts = self.counts();
        json!({
            "connections": self.inner.connections.load(Ordering::Relaxed),
            "requests": counts.requests,
            "subscriptions": counts.subscriptions,
        })
    }
}

/// `GET|PUT|DELETE /control/faults`, `GET /control/stats`, `POST /control/hang-up`.
pub(super) fn control(desk: Desk) -> Router {
    Router::new()
        .route("/control/faults", get(shown).put(set).delete(clear))
        .route("/control/stats", get(stats))
        .route("/control/hang-up", post(hang_up))
        .with_state(desk)
}

async fn shown(State(desk): State<Desk>) -> Json<Faults> {
    Json(desk.faults())
}

/// Sets all switches at once: what is not named is off.
async fn set(State(desk): State<Desk>, faults: Result<Json<Faults>, JsonRejection>) -> Response {
    match faults {
        Ok(Json(faults)) => {
            desk.inner.faults.send_replace(faults);
            Json(faults).into_response()
        }
        Err(rejection) => (StatusCode::BAD_REQUEST, rejection.body_text()).into_response(),
    }
}

async fn clear(State(desk): State<Desk>) -> Json<Faults> {
    desk.inner.faults.send_replace(Faults::default());
    Json(Faults::default())
}

async fn stats(State(desk): State<Desk>) -> Json<Value> {
    Json(desk.stats())
}

async fn hang_up(State(desk): State<Desk>) -> StatusCode {
    desk.inner.hung_up.send_modify(|times| *times += 1);
    StatusCode::NO_CONTENT
}

#[cfg(test)]
mod tests {
    use super::*;

    fn desk(faults: Faults) -> Desk {
        let desk = Desk::default();
        desk.inner.faults.send_replace(faults);
        desk
    }

    fn sent(faults: Faults) -> Vec<String> {
        let prices = (0..6).map(|number| format!("{{\"n\":{number}}}"));
        desk(faults).spoil(prices.collect())
    }

    #[test]
    fn without_faults_everything_is_sent_as_it_is() {
        assert_eq!(
            sent(Faults::default()).concat(),
            r#"{"n":0}{"n":1}{"n":2}{"n":3}{"n":4}{"n":5}"#
        );
    }

    #[test]
    fn every_switch_does_what_it_says() {
        let dropped = sent(Faults {
            drop_every: 2,
            ..Faults::default()
        });
        assert_eq!(dropped.concat(), r#"{"n":1}{"n":3}{"n":5}"#);
        assert!(
            sent(Faults {
                drop_every: 1,
                ..Faults::default()
            })
            .is_empty()
        );
        let twice = sent(Faults {
            duplicate: true,
            ..Faults::default()
        });
        assert_eq!(twice.len(), 12);
        assert_eq!(twice[0], twice[1]);
        let reordered = sent(Faults {
            reorder: true,
            ..Faults::default()
        });
        assert_eq!(reordered[0], r#"{"n":5}"#);
        let broken = sent(Faults {
            bad_json_every: 3,
            ..Faults::default()
        });
        let readable = |text: &&String| serde_json::from_str::<Value>(text).is_ok();
        assert_eq!(broken.iter().filter(readable).count(), 4);
    }

    #[test]
    fn subscriptions_are_counted_until_they_end() {
        let desk = Desk::default();
        desk.subscribed("EUR/USD");
        desk.subscribed("EUR/USD");
        desk.unsubscribed("EUR/USD");
        desk.unsubscribed("GBP/USD");
        assert_eq!(desk.stats()["subscriptions"], json!({"EUR/USD": 1}));
        desk.unsubscribed("EUR/USD");
        assert_eq!(desk.stats()["subscriptions"], json!({}));
    }
}
