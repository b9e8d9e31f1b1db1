//! Every clause of the filter, then what holds of any feed.

use chrono::TimeDelta;
use daybook_domain::quote::QuoteSource;
use proptest::prelude::*;

use super::*;
use crate::testing::instrument;

/// Friday, within every session.
const OPEN: &str = "2026-03-06T15:00:00Z";

fn filter() -> Filter {
    let instruments = ["EURUSD", "BTCUSD"].map(|name| Arc::new(instrument(name)));
    Filter::new(FilterConfig::default(), &instruments)
}

fn quote(seconds: i64, bid: &str, ask: &str) -> Quote {
    Quote {
        symbol: Symbol::parse("EURUSD").unwrap(),
        bid: bid.parse().unwrap(),
        ask: ask.parse().unwrap(),
        at: OPEN.parse::<Timestamp>().unwrap() + TimeDelta::seconds(seconds),
        source: QuoteSource::Recorded,
    }
}

fn verdicts(filter: &mut Filter, quotes: &[(i64, &str, &str)]) -> Vec<Verdict> {
    let judged = quotes
        .iter()
        .map(|(at, bid, ask)| filter.test(&quote(*at, bid, ask)));
    judged.collect()
}

use DropReason::{Crossed, NotPositive, OlderThanLast};
use Verdict::{Dropped, Held as HeldBack, Passed};

#[test]
fn zero_and_negative_prices_are_dropped() {
    let seen = verdicts(
        &mut filter(),
        &[
            (0, "0", "1.1"),
            (0, "1.1", "0"),
            (0, "-1.1", "1.1"),
            (0, "1.1", "1.1"),
        ],
    );
    let bad = Dropped(NotPositive);
    assert_eq!(seen, [bad, bad, bad, Passed]);
}

#[test]
fn crossed_prices_are_dropped_and_a_zero_spread_is_not_crossed() {
    let seen = verdicts(&mut filter(), &[(0, "1.1001", "1.1"), (0, "1.1", "1.1")]);
    assert_eq!(seen, [Dropped(Crossed), Passed]);
}

#[test]
fn older_than_last_is_dropped_and_equal_times_pass() {
    let quotes = [
        (5, "1.1", "1.2"),
        (4, "1.1", "1.2"),
        (5, "1.1", "1.2"),
        (6, "1.1", "1.2"),
    ];
    let seen = verdicts(&mut filter(), &quotes);
    assert_eq!(seen, [Passed, Dropped(OlderThanLast), Passed, Passed]);
}

#[test]
fn a_move_of_exactly_a_tenth_passes_and_one_beyond_is_held() {
    let seen = verdicts(&mut filter(), &[(0, "1.0", "1.0"), (1, "1.1", "1.1")]);
    assert_eq!(seen, [Passed, Passed]);
    let seen = verdicts(&mut filter(), &[(0, "1.0", "1.0"), (1, "1.1001", "1.1001")]);
    assert_eq!(seen, [Passed, HeldBack]);
}

#[test]
fn one_side_alone_can_jump() {
    let seen = verdicts(&mut filter(), &[(0, "1.0", "1.0"), (1, "0.85", "1.0")]);
    assert_eq!(seen, [Passed, HeldBack]);
}

#[test]
fn a_bad_print_is_forgotten_when_prices_come_back() {
    let quotes = [
        (0, "1.0", "1.0"),
        (1, "2.0", "2.0"),
        (2, "2.0", "2.0"),
        (3, "1.0", "1.0"),
        (4, "2.0", "2.0"),
        (5, "2.0", "2.0"),
    ];
    let seen = verdicts(&mut filter(), &quotes);
    assert_eq!(
        seen,
        [Passed, HeldBack, HeldBack, Passed, HeldBack, HeldBack]
    );
}

#[test]
fn the_third_quote_that_agrees_passes_a_real_crash() {
    let quotes = [
        (0, "1.0", "1.0"),
        (1, "0.700", "0.700"),
        (2, "0.705", "0.706"),
        (3, "0.702", "0.703"),
        (4, "0.690", "0.691"),
    ];
    let seen = verdicts(&mut filter(), &quotes);
    assert_eq!(seen, [Passed, HeldBack, HeldBack, Passed, Passed]);
}

#[test]
fn quotes_that_drift_apart_do_not_agree() {
    let quotes = [
        (0, "1.0", "1.0"),
        (1, "0.700", "0.700"),
        (2, "0.706", "0.706"),
        (3, "0.712", "0.712"), // Within 1 % of the second, not of the first.
        (4, "0.712", "0.712"),
        (5, "0.712", "0.712"),
    ];
    let seen = verdicts(&mut filter(), &quotes);
    assert_eq!(
        seen,
        [Passed, HeldBack, HeldBack, HeldBack, HeldBack, Passed]
    );
}

#[test]
fn the_first_quote_after_a_minute_of_silence_is_not_tested() {
    let seen = verdicts(&mut filter(), &[(0, "1.0", "1.0"), (59, "2.0", "2.0")]);
    assert_eq!(seen, [Passed, HeldBack]);
    let seen = verdicts(&mut filter(), &[(0, "1.0", "1.0"), (60, "2.0", "2.0")]);
    assert_eq!(seen, [Passed, Passed]);
}

#[test]
fn held_quotes_break_the_silence() {
    let quotes = [(0, "1.0", "1.0"), (40, "2.0", "2.0"), (80, "3.0", "3.0")];
    assert_eq!(
        verdicts(&mut filter(), &quotes),
        [Passed, HeldBack, HeldBack]
    );
}

#[test]
fn the_first_quote_after_a_session_break_is_not_tested() {
    let mut filter = filter();
    let at = |time: &str, price: &str| Quote {
        at: time.parse().unwrap(),
        ..quote(0, price, price)
    };
    // Trading ends Friday 17:00 New York (22:00 UTC in winter) and begins Sunday 22:00 UTC.
    // Quotes in the break keep the silence away, so that only the session can exempt.
    assert_eq!(filter.test(&at("2026-03-06T21:59:30Z", "1.0")), Passed);
    assert_eq!(filter.test(&at("2026-03-06T22:00:10Z", "2.0")), HeldBack);
    let mut seconds = at("2026-03-06T22:00:40Z", "1.0");
    let reopening: Timestamp = "2026-03-08T21:00:00Z".parse().unwrap(); // Daylight saving.
    while seconds.at < reopening {
        assert_eq!(filter.test(&seconds), Passed);
        seconds.at += TimeDelta::seconds(50);
    }
    assert_eq!(filter.test(&at("2026-03-08T21:00:20Z", "2.0")), Passed);
    assert_eq!(filter.test(&at("2026-03-08T21:00:21Z", "1.0")), HeldBack);
}

#[test]
fn symbols_are_judged_apart() {
    let mut filter = filter();
    assert_eq!(filter.test(&quote(0, "1.0", "1.0")), Passed);
    let bitcoin = Quote {
        symbol: Symbol::parse("BTCUSD").unwrap(),
        ..quote(0, "90000", "90010")
    };
    assert_eq!(filter.test(&bitcoin), Passed);
    assert_eq!(filter.test(&quote(1, "1.0", "1.0")), Passed);
}

/// Feeds with glitches of every kind: zeros, crossed sides, spikes, time going back, pauses.
fn feeds() -> impl Strategy<Value = Vec<Quote>> {
    let step = (
        -2_i64..5,
        0_i64..40,
        -1_i64..4,
        prop_oneof![8 => Just(1_i64), 1 => 0..4_i64],
    );
    proptest::collection::vec(step, 1..200).prop_map(|steps| {
        let (mut seconds, mut points) = (0, 11_000);
        let quote = |(wait, moved, spread, spike): (i64, i64, i64, i64)| {
            seconds += wait;
            points += moved - 20;
            let bid = Decimal::new(points * spike, 4);
            Quote {
                bid,
                ask: bid + Decimal::new(spread, 4),
                ..quote(seconds, "1", "1")
            }
        };
        steps.into_iter().map(quote).collect()
    })
}

proptest! {
    #[test]
    fn what_passes_is_a_price_in_order_without_unconfirmed_jumps(feed in feeds()) {
        let mut filter = filter();
        let mut passed: Vec<Quote> = Vec::new();
        let mut held = 0;
        for quote in &feed {
            match filter.test(quote) {
                Verdict::Dropped(_) => {}
                Verdict::Held => held += 1,
                Verdict::Passed => {
                    prop_assert!(quote.bid > Decimal::ZERO && quote.bid <= quote.ask);
                    if let Some(last) = passed.last() {
                        prop_assert!(quote.at >= last.at);
                        let moved = (quote.bid - last.bid).abs();
                        let is_jump = moved > last.bid * Decimal::new(10, 2);
                        let was_silent = quote.at - last.at >= TimeDelta::seconds(60);
                        prop_assert!(!is_jump || held >= 2 || was_silent);
                    }
                    passed.push(*quote);
                    held = 0;
                }
            }
        }
    }

    #[test]
    fn a_lasting_new_level_is_never_frozen_out(
        feed in feeds(),
        level in 1_i64..1_000_000,
    ) {
        let mut filter = filter();
        for quote in &feed {
            filter.test(quote);
        }
        let price = Decimal::new(level, 4);
        // A second later: neither silence nor a session lets it through untested.
        let newest = feed.iter().map(|quote| quote.at).max();
        let lasting = Quote {
            bid: price,
            ask: price,
            at: newest.unwrap_or_default() + TimeDelta::seconds(1),
            ..feed[0]
        };
        let verdicts: Vec<_> = (0..3).map(|_| filter.test(&lasting)).collect();
        prop_assert_eq!(verdicts[2], Verdict::Passed);
    }
}
