//! Every quote, in order, for a writer that serves many listeners by itself.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::quote_message::QuoteMessage;

/// Beyond this a tap that is not drained keeps the newest of each symbol alone.
const WAITING_MAX: usize = 65_536;

/// A message and the number of its symbol, which is the same in every tap of a hub.
pub type Tapped = (u32, QuoteMessage);

/// The hub's end.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    messages: Mutex<Vec<Tapped>>,
    arrived: Notify,
}

/// The reader's end. One reader; dropped, it is forgotten by the hub.
#[derive(Debug)]
pub struct Tap(pub(crate) Arc<Waiting>);

impl Waiting {
    pub(crate) fn put(&self, symbol: u32, message: QuoteMessage) {
        let mut messages = self.lock();
        if messages.len() >= WAITING_MAX {
            conflate(&mut messages);
        }
        messages.push((symbol, message));
        // Only the first has to wake anybody: the reader takes all that waits.
        if messages.len() == 1 {
            drop(messages);
            self.arrived.notify_one();
        }
    }

    /// A panic elsewhere cannot leave half a message here: each change is one assignment.
    fn lock(&self) -> MutexGuard<'_, Vec<Tapped>> {
        self.messages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tap {
    /// Moves everything that waits to the end of `into`.
    pub fn drain(&mut self, into: &mut Vec<Tapped>) {
        into.append(&mut self.0.lock());
    }

    /// Waits until something waits. Cancel-safe.
    pub async fn arrived(&mut self) {
        loop {
            let arrived = self.0.arrived.notified();
            if !self.0.lock().is_empty() {
                return;
            }
            arrived.await;
        }
    }
}

/// Keeps the newest of each symbol, in order.
fn conflate(messages: &mut Vec<Tapped>) {
    let symbols = messages.iter().map(|(symbol, _)| *symbol).max();
    let mut seen = vec![false; symbols.map_or(0, |symbol| symbol as usize + 1)];
    let mut kept: Vec<_> = messages.drain(..).rev().collect();
    kept.retain(|(symbol, _)| !std::mem::replace(&mut seen[*symbol as usize], true));
    kept.reverse();
    *messages = kept;
}

#[cfg(test)]
mod tests {
    use chrono::Utc;
    use daybook_domain::{Decimal, Quote, Symbol, quote::QuoteSource};
    use futures::FutureExt as _;

    use super::*;

    fn message(sequence: u64) -> QuoteMessage {
        let quote = Quote {
            symbol: Symbol::parse("EURUSD").unwrap(),
            bid: Decimal::ONE,
            ask: Decimal::TWO,
            at: Utc::now(),
            source: QuoteSource::Recorded,
        };
        QuoteMessage::encode(&quote, sequence)
    }

    fn drained(tap: &mut Tap) -> Vec<(u32, u64)> {
        let mut into = Vec::new();
        tap.drain(&mut into);
        let plain = |(symbol, message): (u32, QuoteMessage)| (symbol, message.sequence());
        into.into_iter().map(plain).collect()
    }

    #[test]
    fn everything_comes_in_order_and_once() {
        let mut tap = Tap(Arc::default());
        assert!(tap.arrived().now_or_never().is_none());
        tap.0.put(7, message(1));
        tap.0.put(7, message(2));
        assert!(tap.arrived().now_or_never().is_some());
        assert_eq!(drained(&mut tap), [(7, 1), (7, 2)]);
        assert!(drained(&mut tap).is_empty());
        assert!(tap.arrived().now_or_never().is_none());
    }

    #[test]
    fn a_tap_that_nobody_drains_stays_bounded_and_keeps_the_newest() {
        let mut tap = Tap(Arc::default());
        let last = u64::try_from(WAITING_MAX).unwrap() + 2;
        for sequence in 1..=last {
            tap.0.put(u32::from(sequence == 3), message(sequence));
        }
        let kept = drained(&mut tap);
        assert_eq!(kept, [(1, 3), (0, last - 2), (0, last - 1), (0, last)]);
    }
}
