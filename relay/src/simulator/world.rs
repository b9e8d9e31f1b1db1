//! What the simulator sells: its instruments, by the provider's names, and the price of each at
//! any moment, generated or recorded.

use std::{
    collections::{BTreeMap, HashMap},
    fmt::Write as _,
    sync::Arc,
};

use chrono::Utc;
use daybook_domain::{Decimal, Instrument, Symbol, instrument::AssetClass};

use super::{
    prices::{self, Path},
    replay::Replay,
};
use crate::catalogue::{self, Listing};

/// Everything that a connection needs to know; shared and never changed.
pub(super) struct World {
    /// By the provider's name.
    listed: BTreeMap<String, Listed>,
    names: HashMap<Symbol, String>,
    pub(super) replay: Replay,
}

/// One instrument on sale.
pub(super) struct Listed {
    pub(super) symbol: Symbol,
    pub(super) instrument: Arc<Instrument>,
    pub(super) listing: Listing,
    pub(super) path: Path,
    /// A price event up to the timestamp.
    prefix: String,
}

/// A two-sided price, with the digits it is sent with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sides {
    pub(super) bid: Decimal,
    pub(super) ask: Decimal,
}

impl Sides {
    /// What the provider calls the price: between the two, with no more digits than they have.
    pub(super) fn middle(&self) -> Decimal {
        let digits = self.bid.scale().max(self.ask.scale());
        ((self.bid + self.ask) / Decimal::TWO).round_dp(digits)
    }
}

impl World {
    pub(super) fn new(seed: u64, instruments: &[Arc<Instrument>], replay: Replay) -> Self {
        let listed = instruments.iter().map(|instrument| {
            let listing = catalogue::listing(instrument);
            let listed = Listed {
                symbol: instrument.symbol,
                instrument: Arc::clone(instrument),
                path: Path::new(seed, &listing),
                prefix: prefix(instrument, &listing),
                listing,
            };
            (listed.listing.provider_symbol.clone(), listed)
        });
        let listed: BTreeMap<_, _> = listed.collect();
        let name = |(name, listed): (&String, &Listed)| (listed.symbol, name.clone());
        Self {
            names: listed.iter().map(name).collect(),
            listed,
            replay,
        }
    }

    /// An instrument by the provider's name, in any case and with or without `:EXCHANGE`.
    pub(super) fn find(&self, name: &str) -> Option<&Listed> {
        let name = name.split(':').next().unwrap_or_default().trim();
        self.listed.get(&name.to_ascii_uppercase())
    }

    /// An instrument by our name. Recorded ticks and subscriptions only ever name listed ones.
    pub(super) fn of(&self, symbol: Symbol) -> Option<&Listed> {
        self.names
            .get(&symbol)
            .and_then(|name| self.listed.get(name))
    }

    /// All instruments, by the provider's name.
    pub(super) fn all(&self) -> impl Iterator<Item = &Listed> {
        self.listed.values()
    }

    /// The newest price of an instrument, and its time in milliseconds.
    pub(super) fn newest(&self, listed: &Listed, now_ms: i64) -> (Sides, i64) {
        let released = self.replay.released(now_ms * 1_000);
        if let Some(tick) = self.replay.newest(listed.symbol, released) {
            let (bid, ask) = (tick.bid, tick.ask);
            return (Sides { bid, ask }, now_ms);
        }
        let tick = listed.path.newest(now_ms);
        (listed.sides(tick), tick.at_ms)
    }

    /// The bid at any moment of the past. Before a replay begins, a recorded symbol has the history
    /// of the generated path, moved so that it ends where the recording begins.
    pub(super) fn bid(&self, listed: &Listed, at_ms: i64, now_ms: i64) -> Decimal {
        let digits = listed.instrument.digits;
        let Some(first) = self.replay.newest(listed.symbol, 0) else {
            return prices::price(listed.path.bid(at_ms), digits);
        };
        let started = self
            .replay
            .started_us()
            .map(|started_us| started_us / 1_000);
        if started.is_some_and(|started| at_ms >= started) {
            let released = self.replay.released(at_ms * 1_000);
            let newest = self.replay.newest(listed.symbol, released);
            return newest.unwrap_or(first).bid;
        }
        let anchor = started.unwrap_or(now_ms);
        let path = &listed.path;
        let moved = path.displacement(at_ms) - path.displacement(anchor);
        let mut points = first.bid;
        points.rescale(digits);
        let points = i64::try_from(points.mantissa()).unwrap_or(i64::MAX);
        prices::price(prices::scaled(points, moved), digits)
    }
}

impl Listed {
    /// A generated tick as prices.
    pub(super) fn sides(&self, tick: prices::Tick) -> Sides {
        let digits = self.instrument.digits;
        Sides {
            bid: prices::price(tick.bid, digits),
            ask: prices::price(tick.ask, digits),
        }
    }

    /// A price event as the provider writes it: numbers as JSON numbers, time in seconds.
    pub(super) fn event(&self, sides: Sides, timestamp: i64) -> String {
        let mut text = String::with_capacity(self.prefix.len() + 80);
        let (bid, ask, price) = (sides.bid, sides.ask, sides.middle());
        let written = write!(
            text,
            r#"{}{timestamp},"price":{price},"bid":{bid},"ask":{ask}}}"#,
            self.prefix
        );
        written.expect("invariant: writing to a String cannot fail");
        text
    }
}

fn prefix(instrument: &Instrument, listing: &Listing) -> String {
    let mut fields = vec![
        ("event", "price".to_owned()),
        ("symbol", listing.provider_symbol.clone()),
        ("currency", instrument.quote.to_string()),
    ];
    match instrument.class {
        AssetClass::Index => fields.push(("exchange", listing.exchange.to_owned())),
        AssetClass::Fx | AssetClass::Metal | AssetClass::Energy => {}
        AssetClass::Crypto => fields.push(("exchange", listing.exchange.to_owned())),
    }
    if instrument.class != AssetClass::Index {
        fields.push(("currency_base", listing.base_name.clone()));
        fields.push(("currency_quote", listing.quote_name.to_owned()));
    }
    fields.push(("type", listing.kind.to_owned()));
    let quoted = fields.into_iter().map(|(name, value)| {
        let value = serde_json::Value::String(value);
        format!(r#""{name}":{value}"#)
    });
    let quoted: Vec<_> = quoted.collect();
    format!(r#"{{{},"timestamp":"#, quoted.join(","))
}

/// Our clock, in microseconds.
pub(super) fn now_us() -> i64 {
    Utc::now().timestamp_micros()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{simulator::recorded::RecordedTick, testing::instrument, wire};

    const NOW_MS: i64 = 1_767_268_800_000;

    fn world(recorded: Vec<RecordedTick>) -> World {
        let instruments = ["EURUSD", "XAUUSD", "US500"].map(|name| Arc::new(instrument(name)));
        let replay = Replay::new(recorded, Decimal::ONE, 5_000, false).unwrap();
        World::new(1, &instruments, replay)
    }

    fn recorded(bids: &[&str]) -> Vec<RecordedTick> {
        let tick = |(index, bid): (usize, &&str)| RecordedTick {
            at_ms: i64::try_from(index).unwrap() * 1_000,
            symbol: Symbol::parse("EURUSD").unwrap(),
            bid: bid.parse().unwrap(),
            ask: "2".parse().unwrap(),
        };
        bids.iter().enumerate().map(tick).collect()
    }

    #[test]
    fn names_are_found_in_any_case_and_with_an_exchange() {
        let world = world(Vec::new());
        for name in ["EUR/USD", "eur/usd", " EUR/USD:FOREX"] {
            assert!(world.find(name).is_some(), "{name}");
        }
        assert!(world.find("EURUSD").is_none());
    }

    #[test]
    fn an_event_is_written_as_the_provider_does() {
        let world = world(Vec::new());
        let sides = Sides {
            bid: "1925.05".parse().unwrap(),
            ask: "1925.32".parse().unwrap(),
        };
        let gold = world.find("XAU/USD").unwrap();
        assert_eq!(
            gold.event(sides, 1_647_950_462),
            concat!(
                r#"{"event":"price","symbol":"XAU/USD","currency":"USD","#,
                r#""currency_base":"Gold Spot","currency_quote":"US Dollar","#,
                r#""type":"Physical Currency","timestamp":1647950462,"#,
                r#""price":1925.18,"bid":1925.05,"ask":1925.32}"#
            )
        );
        let index = world.find("SPX").unwrap().event(sides, 1);
        assert!(
            index.contains(r#""exchange":"INDEX","type":"Index""#),
            "{index}"
        );
    }

    #[test]
    fn history_before_a_recording_ends_where_the_recording_begins() {
        let world = world(recorded(&["1.38588", "1.38258"]));
        let euro = world.find("EUR/USD").unwrap();
        let bid = |at_ms| world.bid(euro, at_ms, NOW_MS).to_string();
        assert_eq!(bid(NOW_MS), "1.38588");
        assert_ne!(bid(NOW_MS - 86_400_000), "1.38588");
        world.replay.join(NOW_MS * 1_000);
        let start_ms = NOW_MS + 250;
        let before: Decimal = bid(start_ms - 1).parse().unwrap();
        let first: Decimal = "1.38588".parse().unwrap();
        assert!(
            (before - first).abs() <= "0.00001".parse().unwrap(),
            "{before}"
        );
        assert_eq!(bid(start_ms), "1.38588");
        assert_eq!(bid(start_ms + 1_000), "1.38258");
    }

    #[test]
    fn generated_history_joins_the_live_price() {
        let world = world(Vec::new());
        let euro = world.find("EUR/USD").unwrap();
        let (live, at_ms) = world.newest(euro, NOW_MS);
        let history = world.bid(euro, at_ms, NOW_MS);
        // Only the varying spread lies between them: 80 to 140 % of 8 points, halved.
        assert!((live.bid - history).abs() <= "0.00002".parse().unwrap());
    }

    proptest::proptest! {
        #[test]
        fn what_the_simulator_writes_the_client_reads_to_the_last_digit(
            bid in 1_i64..=i64::MAX / 2,
            spread in 0_i64..1_000,
            digits in 0_u32..=8,
            timestamp in 0_i64..=4_000_000_000,
        ) {
            let sides = Sides {
                bid: Decimal::new(bid, digits),
                ask: Decimal::new(bid + spread, digits),
            };
            let world = world(Vec::new());
            let text = world.find("EUR/USD").unwrap().event(sides, timestamp);
            let Ok(wire::Event::Price(read)) = wire::parse(&text) else {
                panic!("{text} is no price");
            };
            let number = |raw| Option::and_then(raw, wire::decimal).map(|it| it.to_string());
            proptest::prop_assert_eq!(read.timestamp, timestamp);
            proptest::prop_assert_eq!(number(read.bid), Some(sides.bid.to_string()));
            proptest::prop_assert_eq!(number(read.ask), Some(sides.ask.to_string()));
        }
    }
}
