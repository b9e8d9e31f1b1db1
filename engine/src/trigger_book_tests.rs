//! The trigger book against a naive scan of everything that waits.

use std::cmp::Ordering;

use daybook_domain::{
    Decimal, Quote, Symbol, Timestamp,
    quote::QuoteSource,
    triggers::{Direction, QuoteSide, Trigger},
};
use proptest::{collection::vec, prelude::*, sample::select};
use uuid::Uuid;

use crate::trigger_book::{Kind, TriggerBook, Waiter};

fn eurusd() -> Symbol {
    Symbol::parse("EURUSD").unwrap()
}

fn price(points: i64) -> Decimal {
    Decimal::new(points, 5)
}

fn at(us: i64) -> Timestamp {
    Timestamp::from_timestamp_micros(us).unwrap()
}

fn quote(bid: i64, spread: i64) -> Quote {
    Quote {
        symbol: eurusd(),
        bid: price(bid),
        ask: price(bid + spread),
        at: at(0),
        source: QuoteSource::Recorded,
    }
}

#[derive(Clone, Debug)]
enum Step {
    Insert(Trigger, i64),
    /// Of what rests, this one.
    Remove(usize),
    Tick {
        bid: i64,
        spread: i64,
    },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let sides = select(vec![QuoteSide::Bid, QuoteSide::Ask]);
    let directions = select(vec![Direction::AtOrBelow, Direction::AtOrAbove]);
    let trigger = (sides, directions, 90_i64..110).prop_map(|(side, direction, level)| Trigger {
        side_of_quote: side,
        direction,
        level: price(level),
    });
    let step = prop_oneof![
        8 => (trigger, 0_i64..6).prop_map(|(trigger, since)| Step::Insert(trigger, since)),
        2 => any::<prop::sample::Index>().prop_map(|index| Step::Remove(index.index(1_000))),
        3 => (88_i64..112, 0_i64..4).prop_map(|(bid, spread)| Step::Tick { bid, spread }),
    ];
    vec(step, 1..200)
}

/// All that waits, in no order.
#[derive(Default)]
struct Naive(Vec<(Trigger, Waiter)>);

impl Naive {
    fn pop_touched(&mut self, now: &Quote, before: Option<&Quote>) -> Option<Waiter> {
        let touched = self.0.iter().enumerate();
        let touched = touched.filter(|(_, (trigger, _))| trigger.touched_by(now));
        let (first, _) = touched.min_by(|(_, one), (_, two)| earlier(one, two, now, before))?;
        Some(self.0.remove(first).1)
    }
}

/// Share of the move that was left when the level was reached; the level as it is for those that
/// were touched before it began.
enum Reached {
    Before { overshoot: Decimal },
    During { left: Decimal },
}

fn reached(trigger: &Trigger, now: &Quote, before: Option<&Quote>) -> Reached {
    let to = trigger.side_of_quote.of(now);
    let overshoot = (to - trigger.level).abs();
    match before {
        Some(before) if !trigger.touched_by(before) => {
            let moved = (to - trigger.side_of_quote.of(before)).abs();
            Reached::During {
                left: overshoot / moved,
            }
        }
        Some(_) | None => Reached::Before { overshoot },
    }
}

fn earlier(
    one: &(Trigger, Waiter),
    two: &(Trigger, Waiter),
    now: &Quote,
    before: Option<&Quote>,
) -> Ordering {
    let by_move = match (reached(&one.0, now, before), reached(&two.0, now, before)) {
        (Reached::Before { .. }, Reached::During { .. }) => Ordering::Less,
        (Reached::During { .. }, Reached::Before { .. }) => Ordering::Greater,
        (Reached::Before { overshoot: a }, Reached::Before { overshoot: b }) => b.cmp(&a),
        (Reached::During { left: a }, Reached::During { left: b }) => b.cmp(&a),
    };
    let age = |waiter: &Waiter| (waiter.since, waiter.kind, waiter.id);
    by_move.then_with(|| age(&one.1).cmp(&age(&two.1)))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_book_nominates_what_a_naive_scan_would_in_the_same_order(steps in steps()) {
        let mut book = TriggerBook::new();
        let mut naive = Naive::default();
        let mut before: Option<Quote> = None;
        for (number, step) in steps.into_iter().enumerate() {
            match step {
                Step::Insert(trigger, since) => {
                    let waiter = Waiter {
                        account: u32::try_from(number).unwrap(),
                        kind: Kind::Order,
                        id: Uuid::from_u128(number as u128),
                        since: at(since),
                    };
                    book.insert(eurusd(), &trigger, waiter);
                    naive.0.push((trigger, waiter));
                }
                Step::Remove(index) if !naive.0.is_empty() => {
                    let (trigger, waiter) = naive.0.remove(index % naive.0.len());
                    prop_assert!(book.remove(eurusd(), &trigger, &waiter));
                    prop_assert!(!book.remove(eurusd(), &trigger, &waiter));
                }
                Step::Remove(_) => {}
                Step::Tick { bid, spread } => {
                    let now = quote(bid, spread);
                    loop {
                        let expected = naive.pop_touched(&now, before.as_ref());
                        prop_assert_eq!(book.pop_touched(&now, before.as_ref()), expected);
                        if expected.is_none() {
                            break;
                        }
                    }
                    before = Some(now);
                }
            }
            prop_assert_eq!(book.len(), naive.0.len());
        }
    }
}

#[test]
fn a_symbol_without_levels_nominates_nothing() {
    let mut book = TriggerBook::new();
    assert_eq!(book.pop_touched(&quote(100, 1), None), None);
    assert!(book.is_empty());
}
