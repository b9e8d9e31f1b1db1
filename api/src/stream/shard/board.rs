//! The newest message of each symbol, and in which order they came: all a line needs to remember is
//! how far it has been served.
//!
//! This is every line's conflating map at once: what a line has not been sent is the newest of each
//! of its symbols that came after its mark, however long ago that was.

use std::collections::VecDeque;

use daybook_relay::QuoteMessage;

use super::audience::Audience;

/// Further back than this a line is served from the newest of each symbol alone; only what was
/// conflated is not counted then. At 2,000 quotes a second it is half a minute.
const LOG_MAX: usize = 65_536;

/// One thread's view of the market.
#[derive(Default)]
pub(super) struct Board {
    /// By symbol.
    newest: Vec<Option<Newest>>,
    /// Symbols in the order in which they were quoted.
    log: VecDeque<u32>,
    /// Mark of the log's first entry.
    first: u64,
}

struct Newest {
    mark: u64,
    message: QuoteMessage,
}

/// What became of the quotes that a line had not seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) delivered: u64,
    /// Replaced by a newer one of the same symbol.
    pub(super) conflated: u64,
}

impl Board {
    /// The mark of the quote that comes next.
    pub(super) fn end(&self) -> u64 {
        self.first + self.log.len() as u64
    }

    pub(super) fn take_in(&mut self, symbol: u32, message: QuoteMessage) {
        let mark = self.end();
        let place = symbol as usize;
        if self.newest.len() <= place {
            self.newest.resize_with(place + 1, || None);
        }
        self.newest[place] = Some(Newest { mark, message });
        if self.log.len() == LOG_MAX {
            self.log.pop_front();
            self.first += 1;
        }
        self.log.push_back(symbol);
    }

    /// Appends the frames that `audience` has not been sent since `mark`, oldest first.
    pub(super) fn compose(&self, audience: &Audience, mark: u64, into: &mut Vec<u8>) -> Tally {
        let mut tally = Tally::default();
        if audience.is_empty() {
            return tally;
        }
        let Some(behind) = mark.checked_sub(self.first) else {
            return self.compose_all(audience, mark, into);
        };
        let behind = usize::try_from(behind).unwrap_or(usize::MAX);
        for (mark, &symbol) in (mark..).zip(self.log.range(behind.min(self.log.len())..)) {
            if !audience.has(symbol) {
                continue;
            }
            match &self.newest[symbol as usize] {
                Some(newest) if newest.mark == mark => {
                    into.extend_from_slice(newest.message.frame());
                    tally.delivered += 1;
                }
                Some(_) | None => tally.conflated += 1,
            }
        }
        tally
    }

    /// Appends the last frame of each of the audience's symbols, however old.
    pub(super) fn compose_last(&self, audience: &Audience, into: &mut Vec<u8>) -> Tally {
        self.compose_all(audience, 0, into)
    }

    fn compose_all(&self, audience: &Audience, mark: u64, into: &mut Vec<u8>) -> Tally {
        let mut missed: Vec<_> = (0_u32..)
            .zip(&self.newest)
            .filter(|(symbol, _)| audience.has(*symbol))
            .filter_map(|(_, newest)| newest.as_ref())
            .filter(|newest| newest.mark >= mark)
            .collect();
        missed.sort_unstable_by_key(|newest| newest.mark);
        for newest in &missed {
            into.extend_from_slice(newest.message.frame());
        }
        Tally {
            delivered: missed.len() as u64,
            conflated: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::Utc;
    use daybook_domain::{Decimal, Quote, Symbol, quote::QuoteSource};
    use daybook_relay::Hub;

    use super::*;

    /// Symbols number 0, 1 and 2.
    const NAMES: [&str; 3] = ["EURUSD", "GBPUSD", "BTCUSD"];

    /// The hub is asked for real messages.
    struct Desk {
        hub: Hub,
        tap: daybook_relay::Tap,
        board: Board,
    }

    impl Desk {
        fn new() -> Self {
            let hub = Hub::new();
            for (number, name) in (0..).zip(NAMES) {
                assert_eq!(hub.number_of(Symbol::parse(name).unwrap()), number);
            }
            let (tap, board) = (hub.tap(), Board::default());
            Self { hub, tap, board }
        }

        fn quote(&mut self, symbol: usize, bid: i64) {
            self.hub.publish(&Quote {
                symbol: Symbol::parse(NAMES[symbol]).unwrap(),
                bid: Decimal::from(bid),
                ask: Decimal::from(bid + 1),
                at: Utc::now(),
                source: QuoteSource::Recorded,
            });
            let mut tapped = Vec::new();
            self.tap.drain(&mut tapped);
            for (symbol, message) in tapped {
                self.board.take_in(symbol, message);
            }
        }

        /// Bids that the audience is sent from the mark on.
        fn bids(&self, audience: &Audience, mark: u64) -> (Vec<String>, Tally) {
            let mut bytes = Vec::new();
            let tally = self.board.compose(audience, mark, &mut bytes);
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let bid = |part: &str| part.split('"').next().unwrap().to_owned();
            let bids = text.split(r#""bid":""#).skip(1).map(bid).collect();
            (bids, tally)
        }
    }

    fn tally(delivered: u64, conflated: u64) -> Tally {
        Tally {
            delivered,
            conflated,
        }
    }

    #[test]
    fn a_line_that_keeps_up_is_sent_everything_in_order() {
        let mut desk = Desk::new();
        let all = Audience::of(&[0, 1, 2]);
        desk.quote(2, 10);
        desk.quote(0, 11);
        assert_eq!(
            desk.bids(&all, 0),
            (vec!["10".to_owned(), "11".to_owned()], tally(2, 0))
        );
        let mark = desk.board.end();
        assert_eq!(desk.bids(&all, mark), (vec![], tally(0, 0)));
        desk.quote(1, 12);
        assert_eq!(desk.bids(&all, mark), (vec!["12".to_owned()], tally(1, 0)));
    }

    #[test]
    fn a_line_that_lags_is_sent_the_newest_of_each_symbol_alone() {
        let mut desk = Desk::new();
        for bid in 0..300 {
            desk.quote(usize::try_from(bid).unwrap() % 3, bid);
        }
        let (bids, counted) = desk.bids(&Audience::of(&[0, 2]), 0);
        assert_eq!(bids, ["297", "299"]);
        assert_eq!(counted, tally(2, 198));
    }

    #[test]
    fn a_line_that_lags_beyond_the_log_still_is() {
        let mut desk = Desk::new();
        desk.quote(2, 1);
        desk.quote(0, 2);
        for bid in 0..i64::try_from(LOG_MAX).unwrap() + 10 {
            desk.quote(1, bid);
        }
        let (bids, _) = desk.bids(&Audience::of(&[0, 1, 2]), 0);
        assert_eq!(bids, ["1", "2", &(LOG_MAX + 9).to_string()]);
        let (bids, _) = desk.bids(&Audience::of(&[0, 2]), 1);
        assert_eq!(bids, ["2"], "what it had seen does not come again");
        assert!(desk.board.log.len() <= LOG_MAX);
    }

    #[test]
    fn a_new_line_is_sent_the_last_of_each_symbol() {
        let mut desk = Desk::new();
        for bid in 0..30 {
            desk.quote(usize::try_from(bid).unwrap() % 3, bid);
        }
        let mut bytes = Vec::new();
        let counted = desk.board.compose_last(&Audience::of(&[0, 1]), &mut bytes);
        assert_eq!(counted, tally(2, 0));
        assert_eq!(desk.bids(&Audience::of(&[0, 1]), 0).0, ["27", "28"]);
    }

    #[test]
    fn nobody_is_sent_what_they_do_not_listen_to() {
        let mut desk = Desk::new();
        desk.quote(1, 5);
        assert_eq!(desk.bids(&Audience::default(), 0), (vec![], tally(0, 0)));
        assert_eq!(desk.bids(&Audience::of(&[0, 2]), 0), (vec![], tally(0, 0)));
    }
}
