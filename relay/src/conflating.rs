//! What waits for one listener: the newest message of each symbol, and never more than that.

use std::collections::HashMap;

use crate::quote_message::QuoteMessage;

/// A map bounded by the symbols that are listened to. A newer message takes the place of one that
/// has not been taken yet.
#[derive(Debug, Default)]
pub(crate) struct Conflating {
    newest: HashMap<u32, QuoteMessage>,
    conflated: u64,
}

impl Conflating {
    /// Keeps the message as the newest of its symbol.
    pub(crate) fn put(&mut self, symbol: u32, message: QuoteMessage) {
        if self.newest.insert(symbol, message).is_some() {
            self.conflated += 1;
        }
    }

    /// Forgets what waits of a symbol.
    pub(crate) fn remove(&mut self, symbol: u32) {
        self.newest.remove(&symbol);
    }

    /// Everything that waits, oldest first, and how many messages newer ones have replaced.
    pub(crate) fn take(&mut self) -> (Vec<QuoteMessage>, u64) {
        let mut messages: Vec<_> = self.newest.drain().map(|(_, message)| message).collect();
        messages.sort_unstable_by_key(QuoteMessage::sequence);
        (messages, std::mem::take(&mut self.conflated))
    }
}

#[cfg(test)]
mod tests {
    use chrono::Utc;
    use daybook_domain::{Decimal, Quote, Symbol, quote::QuoteSource};

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

    fn sequences(messages: &[QuoteMessage]) -> Vec<u64> {
        messages.iter().map(QuoteMessage::sequence).collect()
    }

    #[test]
    fn it_holds_the_newest_of_each_symbol_and_counts_what_was_replaced() {
        let mut waiting = Conflating::default();
        for sequence in 1..=1_000 {
            waiting.put(u32::try_from(sequence % 3).unwrap(), message(sequence));
        }
        let (messages, conflated) = waiting.take();
        assert_eq!(sequences(&messages), [998, 999, 1_000]);
        assert_eq!(conflated, 997);
    }

    #[test]
    fn what_was_taken_does_not_come_again() {
        let mut waiting = Conflating::default();
        waiting.put(1, message(1));
        assert_eq!(waiting.take().0.len(), 1);
        assert_eq!(waiting.take(), (vec![], 0));
    }

    #[test]
    fn what_was_removed_is_not_told() {
        let mut waiting = Conflating::default();
        waiting.put(1, message(1));
        waiting.put(2, message(2));
        waiting.remove(1);
        assert_eq!(sequences(&waiting.take().0), [2]);
    }
}
