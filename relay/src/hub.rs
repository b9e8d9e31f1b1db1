//! Fans quotes out to any number of listeners. Holds one message per symbol, encoded once and
//! shared as bytes; a listener that lags finds the newest message of each symbol and never a queue.
//!
//! Quotes come from one publisher, whose order is the order of their numbers. Subscribing to a
//! symbol that nobody ever quotes costs a slot for good: callers check names.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak,
        atomic::{AtomicU64, Ordering},
    },
};

use chrono::Utc;
use daybook_domain::{Quote, Symbol};
use tokio::sync::watch;

use crate::{
    quote_message::QuoteMessage,
    subscription::{Ear, HubSubscription},
    tap::{Tap, Waiting},
};

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
    /// Tells the numbers of this process' quotes from those of an earlier one.
    run: String,
    slots: RwLock<HashMap<Symbol, Arc<Slot>>>,
    taps: RwLock<Vec<Weak<Waiting>>>,
    sequence: AtomicU64,
    listeners: AtomicU64,
    status: watch::Sender<FeedStatus>,
}

/// One symbol: its newest message, and the listeners to wake.
pub(crate) struct Slot {
    /// The symbol's number: small, and the same for the hub's whole life.
    pub(crate) number: u32,
    state: Mutex<SlotState>,
}

#[derive(Default)]
struct SlotState {
    latest: Option<Published>,
    listeners: HashMap<u64, Arc<Ear>>,
}

#[derive(Clone)]
struct Published {
    quote: Quote,
    message: QuoteMessage,
}

impl Slot {
    /// From now on the ear hears of the symbol: at once the last quote numbered above `after`.
    pub(crate) fn listen(&self, id: u64, ear: &Arc<Ear>, after: u64) {
        let mut state = self.lock();
        state.listeners.insert(id, Arc::clone(ear));
        if let Some(latest) = &state.latest
            && latest.message.sequence() > after
        {
            ear.put(self.number, latest.message.clone());
        }
    }

    pub(crate) fn forget(&self, id: u64) {
        self.lock().listeners.remove(&id);
    }

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
            run: format!("{:x}", Utc::now().timestamp_micros()),
            slots: RwLock::default(),
            taps: RwLock::default(),
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
        let message = QuoteMessage::encode(quote, sequence);
        for ear in state.listeners.values() {
            ear.put(slot.number, message.clone());
        }
        let taps = self.inner.taps.read();
        for tap in taps.unwrap_or_else(PoisonError::into_inner).iter() {
            if let Some(waiting) = tap.upgrade() {
                waiting.put(slot.number, message.clone());
            }
        }
        state.latest = Some(Published {
            quote: *quote,
            message,
        });
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
        self.subscribe_after(symbols, 0)
    }

    /// The same for a listener that has seen every quote up to number `after`.
    #[must_use]
    pub fn subscribe_after(&self, symbols: &[Symbol], after: u64) -> HubSubscription {
        let id = self.inner.listeners.fetch_add(1, Ordering::Relaxed);
        let mut subscription = HubSubscription::new(self.clone(), id);
        subscription.add_after(symbols, after);
        subscription
    }

    /// Every quote from now on, after the last one of each symbol.
    #[must_use]
    pub fn tap(&self) -> Tap {
        let waiting = Arc::new(Waiting::default());
        let mut taps = self
            .inner
            .taps
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        taps.retain(|tap| tap.strong_count() > 0);
        taps.push(Arc::downgrade(&waiting));
        drop(taps);
        // A quote that is published meanwhile comes twice, and in its order.
        let slots = self.inner.slots.read();
        for slot in slots.unwrap_or_else(PoisonError::into_inner).values() {
            if let Some(latest) = &slot.lock().latest {
                waiting.put(slot.number, latest.message.clone());
            }
        }
        Tap(waiting)
    }

    /// The number by which taps know a symbol.
    #[must_use]
    pub fn number_of(&self, symbol: Symbol) -> u32 {
        self.slot(symbol).number
    }

    /// What a listener can name later as the last quote it has seen, in this process or another.
    #[must_use]
    pub fn event_id(&self, sequence: u64) -> String {
        format!("{}-{sequence}", self.inner.run)
    }

    /// The number in an event's id; none when it is not one of this process'.
    #[must_use]
    pub fn sequence_of(&self, event_id: &str) -> Option<u64> {
        let (run, sequence) = event_id.rsplit_once('-')?;
        if run != self.inner.run {
            return None;
        }
        sequence.parse().ok()
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

    pub(crate) fn slot(&self, symbol: Symbol) -> Arc<Slot> {
        let slots = &self.inner.slots;
        if let Some(slot) = slots
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&symbol)
        {
            return Arc::clone(slot);
        }
        let mut slots = slots.write().unwrap_or_else(PoisonError::into_inner);
        let number = u32::try_from(slots.len()).expect("invariant: slots are instruments, and few");
        let slot = slots.entry(symbol).or_insert_with(|| {
            let state = Mutex::default();
            Arc::new(Slot { number, state })
        });
        Arc::clone(slot)
    }
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

    fn texts(messages: &[QuoteMessage]) -> Vec<String> {
        let text = |message: &QuoteMessage| String::from_utf8(message.text().to_vec()).unwrap();
        messages.iter().map(text).collect()
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

    #[test]
    fn a_listener_that_comes_back_gets_only_what_it_has_not_seen() {
        let hub = Hub::new();
        let symbols = [symbol("EURUSD"), symbol("GBPUSD")];
        hub.publish(&quote("EURUSD", "1.1", "1.2"));
        hub.publish(&quote("GBPUSD", "1.3", "1.4"));
        let seen = hub.sequence_of(&hub.event_id(1)).unwrap();
        let mut subscription = hub.subscribe_after(&symbols, seen);
        let messages = texts(&subscription.next().now_or_never().unwrap());
        assert_eq!(messages.len(), 1);
        assert!(messages[0].contains("GBPUSD"));
        for foreign in ["", "1", "0-1", "x-y-z", "5c0-18446744073709551616"] {
            assert_eq!(hub.sequence_of(foreign), None, "{foreign}");
        }
    }

    #[test]
    fn a_tap_begins_with_the_last_of_each_symbol_and_then_has_everything() {
        let hub = Hub::new();
        hub.publish(&quote("EURUSD", "1.1", "1.2"));
        hub.publish(&quote("EURUSD", "1.2", "1.3"));
        let mut tap = hub.tap();
        hub.publish(&quote("GBPUSD", "1.3", "1.4"));
        hub.publish(&quote("GBPUSD", "1.4", "1.5"));
        let mut tapped = Vec::new();
        tap.drain(&mut tapped);
        let sequences: Vec<_> = tapped.iter().map(|(_, one)| one.sequence()).collect();
        assert_eq!(sequences, [2, 3, 4]);
        assert_eq!(tapped[0].0, hub.number_of(symbol("EURUSD")));
        assert_eq!(tapped[2].0, hub.number_of(symbol("GBPUSD")));
        assert_ne!(tapped[0].0, tapped[2].0);
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
