//! What the desk does by itself over a trading day: margin call and stop-out, rollovers, levels
//! that have to be touched twice, and accounts on which deciding panics.

use std::sync::Arc;

use daybook_domain::{
    AccountCommand, AccountEvent, Decimal, Market, Quote, Rules, account::Bucket, instrument::seed,
    quote::QuoteSource,
};

use super::{
    Cause, Desk, TermsHistory,
    table::{Table, decimal, symbol},
};
use crate::trigger_book::Kind;

#[test]
fn margin_is_looked_at_where_a_threshold_can_be_crossed_and_nowhere_else() {
    let mut table = Table::new(Rules::default());
    let id = table.open(1);
    // 5 lots use 5,500.50; 10,000 less 50 of spread is 180 %.
    table.buy(id, "5.00", None);
    assert!(table.desk.margin_levels() > 0);
    table.quote("1.09500", "1.09510");
    assert!(table.told().is_empty(), "136 %");
    // 9,950 − 5,000 − … : 99 % at 1.0910 or so.
    table.quote("1.09080", "1.09090");
    assert_eq!(table.told(), ["MarginCallRaised"]);
    assert!(table.account(id).risk.margin_called);
    // Still called: nothing is said again.
    table.quote("1.09070", "1.09080");
    assert!(table.told().is_empty());
    table.quote("1.09900", "1.09910");
    assert_eq!(table.told(), ["MarginCallCleared"]);
    table.quote("1.08400", "1.08410");
    let told = table.told();
    let expected = [
        "MarginCallRaised",
        "StopOutStarted",
        "PositionClosed",
        "StopOutStep",
        "StopOutFinished",
        "MarginCallCleared",
    ];
    assert_eq!(told, expected);
    assert!(table.account(id).positions.is_empty());
    assert_eq!(table.desk.margin_levels(), 0, "nothing is watched in vain");
    assert_eq!(table.desk.levels(), 0);
}

#[test]
fn a_stop_loss_on_the_same_tick_comes_before_the_stop_out() {
    let mut table = Table::new(Rules::default());
    let id = table.open(1);
    table.buy(id, "5.00", Some("1.08500"));
    table.quote("1.08400", "1.08410");
    assert_eq!(table.told(), ["PositionClosed"]);
}

#[test]
fn a_stop_out_that_cannot_close_waits_for_the_next_quote_of_its_symbol() {
    let rules = Rules::default();
    let mut table = Table::new(rules);
    let id = table.open(1);
    table.buy(id, "5.00", None);
    let stale = Rules {
        max_quote_age_ms: Some(0),
        ..table.desk.rules().clone()
    };
    let account = table.desk.unseat(id).unwrap();
    let market = table.desk.market().clone();
    table.desk = Desk::new(market, stale);
    table.desk.seat(id, account);
    // The quote is a second old when the shard gets to it.
    let quote = Quote {
        symbol: symbol(),
        bid: decimal("1.08400"),
        ask: decimal("1.08410"),
        at: table.at,
        source: QuoteSource::Recorded,
    };
    table.at += chrono::Duration::seconds(1);
    table.desk.quote(quote, table.at, &mut table.book);
    table.desk.evaluate(table.at, &mut table.book);
    assert_eq!(table.told(), ["MarginCallRaised"]);
    assert!(
        !table.desk.has_marked(),
        "nobody is looked at before the next quote"
    );
    table.quote_of("GBPUSD", "1.27000", "1.27010");
    assert!(
        table.told().is_empty(),
        "another symbol's quote is none of its business"
    );
    table.quote("1.08390", "1.08400");
    assert!(table.told().contains(&"StopOutFinished"));
    assert!(table.account(id).positions.is_empty());
}

#[test]
fn an_account_that_comes_back_is_evaluated_on_the_first_quote() {
    let mut table = Table::new(Rules::default());
    let id = table.open(1);
    table.buy(id, "5.00", None);
    let account = table.desk.unseat(id).unwrap();
    assert_eq!(table.desk.margin_levels(), 0);
    // Another process, which has seen no quote yet.
    let rules = table.desk.rules().clone();
    table.desk = Desk::new(Market::new(seed().into_iter().map(Arc::new)), rules);
    table.desk.seat(id, account);
    table.desk.advance(table.at, &mut table.book);
    table.desk.evaluate(table.at, &mut table.book);
    assert!(table.told().is_empty());
    table.quote("1.08400", "1.08410");
    assert!(table.told().contains(&"StopOutFinished"));
}

#[test]
fn a_rollover_charges_once_and_before_the_triggers_of_its_tick() {
    let mut table = Table::new(Rules::default());
    let id = table.open(1);
    table.buy(id, "1.00", Some("1.09500"));
    table.at = "2026-07-15T21:00:00Z".parse().unwrap();
    table.quote("1.09400", "1.09410");
    // −7.2 points a night, three nights, 1 USD a point.
    assert_eq!(table.told(), ["SwapCharged", "PositionClosed"]);
    let swaps = table.book.events.iter().filter_map(|event| {
        let AccountEvent::PositionClosed { deal, .. } = event else {
            return None;
        };
        Some(deal.swap)
    });
    assert_eq!(swaps.sum::<Decimal>(), decimal("-21.60"));
    assert_eq!(
        table.desk.rolled_through(),
        Some("2026-07-15".parse().unwrap())
    );
}

#[test]
fn time_alone_rolls_over_and_days_that_were_missed_are_charged_at_their_own_terms() {
    let mut table = Table::new(Rules::default());
    let id = table.open(1);
    table.buy(id, "1.00", None);
    let account = table.desk.unseat(id).unwrap();
    // Thursday noon another swap came into force; the engine was away from then until Saturday.
    let thursday = "2026-07-16T16:00:00Z".parse().unwrap();
    let dearer = table.eurusd(|terms| terms.swap_long = decimal("-10"));
    let mut history = TermsHistory::of(table.desk.market().instruments().cloned());
    history.push(thursday, dearer.clone());
    let mut market = table.desk.market().clone();
    market.set_instrument(dearer);
    let rules = table.desk.rules().clone();
    let desk = Desk::new(market, rules).with_history(Arc::new(history), None);
    table.desk = desk;
    table.desk.seat(id, account);
    table.at = "2026-07-18T12:00:00Z".parse().unwrap();
    table.desk.advance(table.at, &mut table.book);
    let charged: Vec<(String, String)> = table
        .book
        .events
        .iter()
        .filter_map(|event| {
            let AccountEvent::SwapCharged { charge, .. } = event else {
                return None;
            };
            Some((charge.day.to_string(), charge.amount.to_string()))
        })
        .collect();
    let expected = [
        ("2026-07-15", "-21.60"),
        ("2026-07-16", "-10.00"),
        ("2026-07-17", "-10.00"),
    ];
    let expected = expected.map(|(day, amount)| (day.to_owned(), amount.to_owned()));
    assert_eq!(charged, expected);
    table.desk.advance(table.at, &mut table.book);
    assert_eq!(table.account(id).positions[0].swap, decimal("-41.60"));
}

#[test]
fn a_level_has_to_be_touched_twice_in_a_row_where_the_rules_say_so() {
    let rules = Rules {
        confirm_triggers: true,
        ..Rules::default()
    };
    let mut table = Table::new(rules);
    let id = table.open(1);
    table.buy(id, "1.00", Some("1.09500"));
    table.quote("1.09000", "1.09010");
    assert!(table.told().is_empty(), "one quote may be a spike");
    table.quote("1.10000", "1.10010");
    table.quote("1.09000", "1.09010");
    assert!(table.told().is_empty(), "two touches, but not in a row");
    assert_eq!(table.account(id).positions.len(), 1);
    table.quote("1.09100", "1.09110");
    assert_eq!(table.told(), ["PositionClosed"]);
}

#[test]
fn other_terms_shift_levels_and_the_past_stays() {
    let mut table = Table::new(Rules::default());
    let id = table.open(1);
    table.buy(id, "1.00", Some("1.09500"));
    // Twenty points of mark-up: the client's bid is ten below the market's.
    let dearer = table.eurusd(|terms| terms.spread_markup = Decimal::from(20));
    let mut history = TermsHistory::of(table.desk.market().instruments().cloned());
    history.push(table.at, dearer.clone());
    table.desk.set_instrument(&dearer, Arc::new(history));
    table.desk.settle(table.at, &mut table.book);
    table.desk.evaluate(table.at, &mut table.book);
    assert_eq!(table.desk.levels(), 1);
    table.quote("1.09511", "1.09521");
    assert!(table.told().is_empty());
    table.quote("1.09510", "1.09520");
    assert_eq!(table.told(), ["PositionClosed"]);
    assert_eq!(table.desk.levels(), 0);
}

#[test]
fn a_panic_costs_one_account_its_seat_and_the_others_nothing() {
    let mut table = Table::new(Rules::default());
    let (bad, good) = (table.open(1), table.open(2));
    table.buy(bad, "1.00", Some("1.09500"));
    table.buy(good, "1.00", Some("1.09500"));
    // A state that no events lead to: one more night's swap does not fit.
    let mut account = table.desk.unseat(bad).unwrap();
    account.positions[0].swap = Decimal::MIN;
    table.desk.seat(bad, account);
    table.at = "2026-07-15T21:00:00Z".parse().unwrap();
    table.quote("1.09000", "1.09010");
    assert_eq!(table.book.quarantined, [bad]);
    assert!(table.desk.account(bad).is_none());
    assert!(
        table.account(good).positions.is_empty(),
        "the other was stopped"
    );
    // The same quote meets nobody who panics any more.
    table.quote("1.09000", "1.09010");
    assert_eq!(table.book.quarantined, [bad]);
    assert_eq!((table.desk.levels(), table.desk.margin_levels()), (0, 0));
}

#[test]
fn commands_that_waited_for_a_tick_come_before_its_margin_call() {
    let mut table = Table::new(Rules::default());
    let id = table.open(1);
    table.buy(id, "5.00", None);
    table.at += chrono::Duration::seconds(1);
    let quote = Quote {
        symbol: symbol(),
        bid: decimal("1.08400"),
        ask: decimal("1.08410"),
        at: table.at,
        source: QuoteSource::Recorded,
    };
    table.desk.quote(quote, table.at, &mut table.book);
    assert!(table.desk.has_marked());
    let deposit = AccountCommand::AdjustFunds {
        bucket: Bucket::Real,
        amount: Decimal::from(50_000),
        notes: None,
        by: "test".to_owned(),
    };
    table.execute(id, &deposit);
    assert!(table.told().is_empty());
    let causes = table.book.acts.iter().map(|(_, cause, _)| *cause);
    assert!(
        causes
            .clone()
            .all(|cause| cause != Cause::Trigger(Kind::Margin))
    );
}
