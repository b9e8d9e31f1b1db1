//! One listener to quotes. Conflating: what it has not taken is replaced by what is newer.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use daybook_domain::Symbol;
use tokio::sync::Notify;

use crate::{
    conflating::Conflating,
    hub::{Hub, Slot},
    quote_message::QuoteMessage,
};

/// Where the hub puts what a listener has not taken yet.
#[derive(Default)]
pub(crate) struct Ear {
    waiting: Mutex<Conflating>,
    wake: Notify,
}

impl Ear {
    pub(crate) fn put(&self, symbol: u32, message: QuoteMessage) {
        self.lock().put(symbol, message);
        self.wake.notify_one();
    }

    /// A panic elsewhere cannot leave a message half-written: each change is one assignment.
    fn lock(&self) -> MutexGuard<'_, Conflating> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One listener. It holds no queue, only the newest message of each symbol that it has not taken.
pub struct HubSubscription {
    hub: Hub,
    id: u64,
    ear: Arc<Ear>,
    slots: Vec<(Symbol, Arc<Slot>)>,
}

impl HubSubscription {
    pub(crate) fn new(hub: Hub, id: u64) -> Self {
        Self {
            hub,
            id,
            ear: Arc::default(),
            slots: Vec::new(),
        }
    }

    /// Listens to these too; one that is listened to already stays as it is.
    pub fn add(&mut self, symbols: &[Symbol]) {
        self.add_after(symbols, 0);
    }

    pub(crate) fn add_after(&mut self, symbols: &[Symbol], after: u64) {
        for &symbol in symbols {
            if self.slots.iter().any(|(listened, _)| *listened == symbol) {
                continue;
            }
            let slot = self.hub.slot(symbol);
            slot.listen(self.id, &self.ear, after);
            self.slots.push((symbol, slot));
        }
    }

    /// Stops listening to these.
    pub fn remove(&mut self, symbols: &[Symbol]) {
        let (id, ear) = (self.id, &self.ear);
        self.slots.retain(|(symbol, slot)| {
            let kept = !symbols.contains(symbol);
            if !kept {
                slot.forget(id);
                ear.lock().remove(slot.number);
            }
            kept
        });
    }

    /// The newest unseen message of each symbol, oldest first; waits while there is none.
    /// Cancel-safe: nothing is taken before it is returned.
    pub async fn next(&mut self) -> Vec<QuoteMessage> {
        loop {
            let (messages, conflated) = self.ear.lock().take();
            if conflated > 0 {
                metrics::counter!("daybook_quotes_conflated_total").increment(conflated);
            }
            if !messages.is_empty() {
                let count = u64::try_from(messages.len()).unwrap_or(u64::MAX);
                metrics::counter!("daybook_quotes_delivered_total").increment(count);
                return messages;
            }
            self.ear.wake.notified().await;
        }
    }
}

impl Drop for HubSubscription {
    fn drop(&mut self) {
        for (_, slot) in &self.slots {
            slot.forget(self.id);
        }
    }
}
