//! Fans quotes out to any number of listeners. Holds one message per symbol, encoded once and
//! shared as bytes; a listener that lags finds the newest message of each symbol and never a queue.
//!
//! Subscribing to a symbol that nobody ever quotes costs a slot for good: callers check names.

use std::{
    collections::HashMap,
    fmt::Write as _,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use chrono::SecondsFormat;
use daybook_domain::{Quote, Symbol};
use tokio::sync::{Notify, watch};

/// Where the quotes come from at this moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FeedStatus {
    /// The provider's WebSocket delivers.
    Live,
    /// The simulator delivers.
    Simulated,
    /// The WebSocket is down; prices are asked for over REST.
    Polling,
    /// Nothing arrives.
    Stale,
}

impl FeedStatus {
    /// `live`, `simulated`, `polling` or `stale`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Simulated => "simulated",
            Self::Polling => "polling",
            Self::Stale => "stale",
        }
    }
}

/// The newest quotes and who waits for them. Cloning gives another handle to the same hub.
#[derive(Clone)]
pub struct Hub {
    inner: Arc<Inner>,
}

struct Inner {
    slots: RwLock<HashMap<Symbol, Arc<Slot>>>,
    sequence: AtomicU64,
    listeners: AtomicU64,
    status: watch::Sender<FeedStatus>,
}

/// One symbol: its newest message, and the listeners to wake.
#[derive(Default)]
struct Slot {
    state: Mutex<SlotState>,
}

#[derive(Default)]
struct SlotState {
    latest: Option<Published>,
    listeners: HashMap<u64, Arc<Notify>>,
}

#[derive(Clone)]
struct Published {
    sequence: u64,
    quote: Quote,
    message: Bytes,
}

impl Slot {
    /// A panic elsewhere cannot leave a slot half-written: each change is one assignment.
    fn lock(&self) -> MutexGuard<'_, SlotState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Hub {
    fn default() -> Self {
        Self::new()
    }
}

impl Hub {
    /// A hub without quotes, its feed `stale`.
    #[must_use]
    pub fn new() -> Self {
        let (status, _) = watch::channel(FeedStatus::Stale);
        let inner = Inner {
            slots: RwLock::default(),
            sequence: AtomicU64::new(0),
            listeners: AtomicU64::new(0),
            status,
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// Makes `quote` the newest of its symbol, encodes it once, and wakes who listens to it.
    pub fn publish(&self, quote: &Quote) {
        let slot = self.slot(quote.symbol);
        let mut state = slot.lock();
        // Taken under the slot's lock, so that a symbol's numbers rise in the order of its quotes.
        let sequence = self.inner.sequence.fetch_add(1, Ordering::Relaxed) + 1;
        state.latest = Some(Published {
            sequence,
            quote: *quote,
            message: encode(quote, sequence),
        });
        for listener in state.listeners.values() {
            listener.notify_one();
        }
    }

    /// The newest quote of a symbol, however old.
    #[must_use]
    pub fn last(&self, symbol: Symbol) -> Option<Quote> {
        let slots = self
            .inner
            .slots
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        let slot = slots.get(&symbol)?;
        slot.lock().latest.as_ref().map(|latest| latest.quote)
    }

    /// Listens to `symbols`: the last quote of each at once, then the newest that was not seen.
    #[must_use]
    pub fn subscribe(&self, symbols: &[Symbol]) -> HubSubscription {
        let mut subscription = HubSubscription {
            hub: self.clone(),
            id: self.inner.listeners.fetch_add(1, Ordering::Relaxed),
            wake: Arc::new(Notify::new()),
            slots: Vec::with_capacity(symbols.len()),
        };
        subscription.add(symbols);
        subscription
    }

    /// The state of the feed, and its changes.
    #[must_use]
    pub fn status(&self) -> watch::Receiver<FeedStatus> {
        self.inner.status.subscribe()
    }

    /// Reports the state of the feed; only a change wakes anybody.
    pub fn set_status(&self, status: FeedStatus) {
        let changed = self.inner.status.send_if_modified(|current| {
            let differs = *current != status;
            *current = status;
            differs
        });
        if changed {
            tracing::info!(feed = status.as_str(), "feed status changed");
        }
    }

    fn slot(&self, symbol: Symbol) -> Arc<Slot> {
        let slots = &self.inner.slots;
        if let Some(slot) = slots
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&symbol)
        {
            return Arc::clone(slot);
        }
        let mut slots = slots.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(slots.entry(symbol).or_default())
    }
}

/// One listener. Conflating: it holds no queue, only the number of what it has seen of each symbol.
pub struct HubSubscription {
    hub: Hub,
    id: u64,
    wake: Arc<Notify>,
    slots: Vec<Listened>,
}

struct Listened {
    symbol: Symbol,
    slot: Arc<Slot>,
    seen: u64,
}

impl HubSubscription {
    /// Listens to these too; one that is listened to already stays as it is.
    pub fn add(&mut self, symbols: &[Symbol]) {
        for &symbol in symbols {
            if self.slots.iter().any(|listened| listened.symbol == symbol) {
                continue;
            }
            let slot = self.hub.slot(symbol);
            slot.lock()
                .listeners
                .insert(self.id, Arc::clone(&self.wake));
            self.slots.push(Listened {
                symbol,
                slot,
                seen: 0,
            });
        }
        self.wake.notify_one();
    }

    /// Stops listening to these.
    pub fn remove(&mut self, symbols: &[Symbol]) {
        let id = self.id;
        self.slots.retain(|listened| {
            let kept = !symbols.contains(&listened.symbol);
            if !kept {
                listened.slot.lock().listeners.remove(&id);
            }
            kept
        });
    }

    /// The newest unseen message of each symbol, oldest first; waits while there is none.
    ///
    /// A message is the JSON text `{"type":"quote","symbol","bid","ask","time","seq"}`.
    /// Cancel-safe: nothing counts as seen before it is returned.
    pub async fn next(&mut self) -> Vec<Bytes> {
        loop {
            let messages = self.unseen();
            if !messages.is_empty() {
                return messages;
            }
            self.wake.notified().await;
        }
    }

    fn unseen(&mut self) -> Vec<Bytes> {
        let mut unseen = Vec::new();
        for listened in &mut self.slots {
            let state = listened.slot.lock();
            if let Some(latest) = &state.latest
                && latest.sequence > listened.seen
            {
                listened.seen = latest.sequence;
                unseen.push((latest.sequence, latest.message.clone()));
            }
        }
        unseen.sort_unstable_by_key(|(sequence, _)| *sequence);
        unseen.into_iter().map(|(_, message)| message).collect()
    }
}

impl Drop for HubSubscription {
    fn drop(&mut self) {
        for listened in &self.slots {
            listened.slot.lock().listeners.remove(&self.id);
        }
    }
}

/// Symbols and decimals need no JSON escaping, so the text is written directly.
fn encode(quote: &Quote, sequence: u64) -> Bytes {
    let mut text = String::with_capacity(144);
    let written = write!(
        text,
        concat!(
            r#"{{"type":"quote","symbol":"{symbol}","bid":"{bid}","ask":"{ask}","#,
            r#""time":"{time}","seq":{sequence}}}"#
        ),
        symbol = quote.symbol,
        bid = quote.bid,
        ask = quote.ask,
        time = quote.at.to_rfc3339_opts(SecondsFormat::Millis, true),
        sequence = sequence,
    );
    written.expect("invariant: writing to a String cannot fail");
    Bytes::from(text)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use chrono::{TimeZone as _, Utc};
    use daybook_domain::quote::QuoteSource;
    use futures::FutureExt as _;

    use super::*;

    fn symbol(name: &str) -> Symbol {
        Symbol::parse(name).unwrap()
    }

    fn quote(name: &str, bid: &str, ask: &str) -> Quote {
        Quote {
            symbol: symbol(name),
            bid: bid.parse().unwrap(),
            ask: ask.parse().unwrap(),
            at: Utc.timestamp_millis_opt(1_399_033_801_535).unwrap(),
            source: QuoteSource::Recorded,
        }
    }

    fn texts(messages: &[Bytes]) -> Vec<String> {
        let text = |message: &Bytes| String::from_utf8(message.to_vec()).unwrap();
        messages.iter().map(text).collect()
    }

    #[test]
    fn a_message_carries_money_as_text_and_time_in_milliseconds() {
        let hub = Hub::new();
        let mut subscription = hub.subscribe(&[symbol("EURUSD")]);
        hub.publish(&quote("EURUSD", "1.38250", "1.38400"));
        let messages = subscription.next().now_or_never().unwrap();
        let expected = concat!(
            r#"{"type":"quote","symbol":"EURUSD","bid":"1.38250","ask":"1.38400","#,
            r#""time":"2014-05-02T12:30:01.535Z","seq":1}"#
        );
        assert_eq!(texts(&messages), [expected]);
    }

    #[test]
    fn a_new_listener_gets_the_last_quote_at_once_and_only_once() {
        let hub = Hub::new();
        hub.publish(&quote("EURUSD", "1.1", "1.2"));
        let mut subscription = hub.subscribe(&[symbol("EURUSD"), symbol("GBPUSD")]);
        assert_eq!(subscription.next().now_or_never().unwrap().len(), 1);
        assert!(subscription.next().now_or_never().is_none());
    }

    #[test]
    fn a_slow_listener_finds_the_newest_of_each_symbol_in_order() {
        let hub = Hub::new();
        let mut subscription = hub.subscribe(&[symbol("EURUSD"), symbol("GBPUSD")]);
        for cent in 0..100 {
            hub.publish(&quote("GBPUSD", &format!("1.{cent:02}"), "2.5"));
            hub.publish(&quote("EURUSD", &format!("1.{cent:02}"), "2.5"));
        }
        let messages = texts(&subscription.next().now_or_never().unwrap());
        assert_eq!(messages.len(), 2);
        assert!(messages[0].contains("GBPUSD") && messages[0].contains(r#""seq":199"#));
        assert!(messages[1].contains("EURUSD") && messages[1].contains(r#""bid":"1.99""#));
    }

    #[test]
    fn removed_and_foreign_symbols_are_not_heard() {
        let hub = Hub::new();
        let mut subscription = hub.subscribe(&[symbol("EURUSD")]);
        hub.publish(&quote("GBPUSD", "1.3", "1.4"));
        assert!(subscription.next().now_or_never().is_none());
        subscription.remove(&[symbol("EURUSD")]);
        hub.publish(&quote("EURUSD", "1.1", "1.2"));
        assert!(subscription.next().now_or_never().is_none());
        subscription.add(&[symbol("GBPUSD")]);
        assert_eq!(subscription.next().now_or_never().unwrap().len(), 1);
    }

    #[test]
    fn a_dropped_listener_leaves_nothing_behind() {
        let hub = Hub::new();
        drop(hub.subscribe(&[symbol("EURUSD")]));
        assert!(hub.slot(symbol("EURUSD")).lock().listeners.is_empty());
    }

    #[tokio::test]
    async fn a_waiting_listener_is_woken_and_a_cancelled_wait_loses_nothing() {
        let hub = Hub::new();
        let mut subscription = hub.subscribe(&[symbol("EURUSD")]);
        let timed_out = tokio::time::timeout(Duration::from_millis(5), subscription.next()).await;
        assert!(timed_out.is_err());
        let publisher = hub.clone();
        tokio::spawn(async move { publisher.publish(&quote("EURUSD", "1.1", "1.2")) });
        let woken = tokio::time::timeout(Duration::from_secs(20), subscription.next()).await;
        assert_eq!(woken.unwrap().len(), 1);
    }

    #[test]
    fn only_a_change_of_status_is_announced() {
        let hub = Hub::new();
        let status = hub.status();
        assert_eq!(*status.borrow(), FeedStatus::Stale);
        hub.set_status(FeedStatus::Stale);
        assert!(!status.has_changed().unwrap());
        hub.set_status(FeedStatus::Live);
        assert!(status.has_changed().unwrap());
        assert_eq!(status.borrow().as_str(), "live");
    }
}
