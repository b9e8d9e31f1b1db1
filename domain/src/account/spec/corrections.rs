//! Deals corrected by compensation: nothing that was dealt is taken out of the book.

use super::{
    super::event::{BustedDeal, DealRecord, FundsChange, RepricedDeal},
    house::{bust, evaluate, reprice, roll_over},
    *,
};
use crate::{
    instrument::{Commission, CommissionBasis},
    postings::{LedgerAccount, post},
};

/// Live, five thousand dollars, 3.50 a lot and side.
pub(super) fn dealer() -> Desk {
    given([
        opened_as(AccountKind::Live, "USD", 100),
        adjusted(Bucket::Real, "5000"),
        Act::Terms("EURUSD", |terms| {
            terms.commission = Commission {
                basis: CommissionBasis::PerLot,
                rate: dec("3.5"),
                minimum: dec("0"),
                currency: Some(Currency::USD),
            };
        }),
        quote("EURUSD", "1.10000", "1.10000"),
    ])
    .when(buy("EURUSD", "1").placed("o1"))
}

pub(super) fn last_record(desk: &Desk) -> DealRecord {
    desk.records().pop().expect("a deal")
}

pub(super) fn busted(desk: &Desk) -> &BustedDeal {
    let [AccountEvent::DealBusted { bust, .. }] = &desk.decision.events[..] else {
        panic!("no bust in {:?}", desk.decision.events);
    };
    bust
}

pub(super) fn repriced(desk: &Desk) -> &RepricedDeal {
    let [AccountEvent::DealRepriced { reprice, .. }] = &desk.decision.events[..] else {
        panic!("no correction in {:?}", desk.decision.events);
    };
    reprice
}

fn lines(desk: &Desk) -> Vec<(LedgerAccount, Decimal)> {
    let lines = post(&desk.decision.events[0]);
    let sum: Decimal = lines.iter().map(|line| line.amount).sum();
    assert_eq!(sum, dec("0"));
    lines
        .iter()
        .map(|line| (line.account, line.amount))
        .collect()
}

/// Closed with a profit of 100, which cost 7 of commission and 2 of swap.
fn round_trip() -> (Desk, DealRecord, DealRecord) {
    let mut desk = dealer();
    let opening = last_record(&desk);
    desk.account.positions[0].swap = dec("-2.00");
    let desk = desk
        .when(quote("EURUSD", "1.10100", "1.10100"))
        .when(close("o1", None))
        .then_balance("5091");
    let closing = last_record(&desk);
    (desk, opening, closing)
}

#[test]
fn a_busted_closing_deal_gives_its_money_back_and_leaves_the_position_as_it_is() {
    let (desk, _, closing) = round_trip();
    desk.when(bust(&closing))
        .then(&["DealBusted"])
        .and(|desk| {
            let bust = busted(desk);
            assert_eq!((bust.realised, bust.swap), (dec("-100"), dec("2.00")));
            assert_eq!(
                (bust.commission, bust.volume_removed),
                (dec("3.5"), dec("0"))
            );
            assert_eq!(
                (bust.reason.as_str(), bust.by.as_str()),
                ("bad print", "desk")
            );
            assert_eq!(
                lines(desk),
                [
                    (LedgerAccount::ClientFundsReal, dec("94.5")),
                    (LedgerAccount::TradingResult, dec("-100")),
                    (LedgerAccount::SwapIncome, dec("2")),
                    (LedgerAccount::CommissionIncome, dec("3.5")),
                ]
            );
            assert_eq!(desk.account.positions, []);
        })
        .then_balance("4996.50");
}

#[test]
fn a_deal_is_undone_once() {
    let (desk, opening, closing) = round_trip();
    desk.when(bust(&closing))
        .when(bust(&closing))
        .then_refused("deal_busted")
        .when(reprice(&closing, "1.10200"))
        .then_refused("deal_busted")
        .when(bust(&opening))
        .then(&["DealBusted"])
        .then_balance("5000");
}

#[test]
fn a_busted_opening_deal_takes_its_open_lots_away_with_their_swap() {
    let desk = dealer();
    let opening = last_record(&desk);
    let mut desk = desk.when(Act::At("2026-07-14T21:00:00Z"));
    desk = desk.when(roll_over("2026-07-14")).then(&["SwapCharged"]);
    desk.when(bust(&opening))
        .and(|desk| {
            assert_eq!(busted(desk).volume_removed, dec("1"));
            assert_eq!(busted(desk).swap, dec("0"));
            assert_eq!(desk.account.positions, []);
            assert_eq!(desk.used_margin(), dec("0"));
        })
        .then_balance("5000")
        .when(evaluate())
        .then_nothing();
}

#[test]
fn of_a_position_closed_in_part_the_rest_is_taken_away() {
    let desk = dealer();
    let opening = last_record(&desk);
    desk.when(close("o1", Some("0.4")))
        .when(bust(&opening))
        .and(|desk| {
            assert_eq!(busted(desk).volume_removed, dec("0.6"));
            assert_eq!(desk.account.positions, []);
        })
        .then_balance("4998.60");
}

#[test]
fn of_a_closed_position_the_commission_alone_is_given_back() {
    let (desk, opening, _) = round_trip();
    desk.when(bust(&opening))
        .and(|desk| {
            assert_eq!(busted(desk).commission, dec("3.5"));
            assert_eq!(busted(desk).volume_removed, dec("0"));
        })
        .then_balance("5094.50");
}

#[test]
fn a_loss_goes_back_to_the_buckets_that_it_came_from() {
    let desk = given([
        opened_as(AccountKind::Live, "USD", 500),
        adjusted(Bucket::Real, "1000"),
        adjusted(Bucket::Bonus, "500"),
        quote("EURUSD", "1.10000", "1.10000"),
    ])
    .when(buy("EURUSD", "1").placed("o1"))
    .when(quote("EURUSD", "1.08800", "1.08800"))
    .when(close("o1", None))
    .then_balance("300");
    let closing = last_record(&desk);
    desk.when(bust(&closing)).and(|desk| {
        let back = FundsChange::new(Currency::USD, dec("1000"), dec("0"), dec("200"));
        assert_eq!(busted(desk).funds, back);
        assert_eq!(
            (desk.account.funds.real, desk.account.funds.bonus),
            (dec("1000"), dec("500"))
        );
    });
}

#[test]
fn a_profit_that_is_taken_back_takes_real_money_before_bonus() {
    let desk = given([
        opened_as(AccountKind::Live, "USD", 500),
        adjusted(Bucket::Real, "1000"),
        adjusted(Bucket::Bonus, "500"),
        quote("EURUSD", "1.10000", "1.10000"),
    ])
    .when(buy("EURUSD", "1").placed("o1"))
    .when(quote("EURUSD", "1.11000", "1.11000"))
    .when(close("o1", None));
    let closing = last_record(&desk);
    desk.when(adjusted(Bucket::Real, "-1900"))
        .when(bust(&closing))
        .and(|desk| {
            let taken = FundsChange::new(Currency::USD, dec("-500"), dec("0"), dec("-500"));
            assert_eq!(busted(desk).funds, taken);
        });
}

#[test]
fn the_price_of_a_position_moves_with_that_of_its_deal() {
    let desk = dealer();
    let opening = last_record(&desk);
    desk.when(reprice(&opening, "1.09950"))
        .then(&["DealRepriced"])
        .and(|desk| {
            assert!(repriced(desk).moves_position);
            assert_eq!(repriced(desk).realised, dec("0"));
            assert_eq!(lines(desk), []);
            assert_eq!(desk.only_position().open_price, dec("1.09950"));
            assert_eq!(desk.figures().unrealised, Some(dec("50")));
        })
        .then_balance("4996.50")
        // The book knows another price now.
        .when(reprice(&opening, "1.09900"))
        .then_refused("not_correctable");
}

#[test]
fn a_corrected_closing_price_is_settled_in_money() {
    let (desk, _, closing) = round_trip();
    desk.when(reprice(&closing, "1.10150"))
        .and(|desk| {
            let reprice = repriced(desk);
            assert_eq!(
                (reprice.realised, reprice.moves_position),
                (dec("50"), false)
            );
            assert_eq!((reprice.from, reprice.to), (dec("1.10100"), dec("1.10150")));
            assert_eq!(
                lines(desk),
                [
                    (LedgerAccount::ClientFundsReal, dec("-50")),
                    (LedgerAccount::TradingResult, dec("50")),
                ]
            );
        })
        .then_balance("5141")
        .when(reprice(&closing, "1.10100"))
        .then_nothing();
}

#[test]
fn a_corrected_opening_price_of_a_closed_position_is_settled_in_money() {
    let (desk, opening, _) = round_trip();
    desk.when(reprice(&opening, "1.10030"))
        .and(|desk| {
            assert_eq!(repriced(desk).realised, dec("-30"));
            assert!(!repriced(desk).moves_position);
        })
        .then_balance("5061");
}

#[test]
fn a_short_gains_by_a_higher_opening_and_a_lower_closing_price() {
    let desk = dealer()
        .when(close("o1", None))
        .when(sell("EURUSD", "1").placed("o2"));
    let opening = last_record(&desk);
    let desk = desk.when(close("o2", None));
    let closing = last_record(&desk);
    desk.when(reprice(&opening, "1.10010"))
        .and(|desk| assert_eq!(repriced(desk).realised, dec("10")))
        .when(reprice(&closing, "1.09990"))
        .and(|desk| assert_eq!(repriced(desk).realised, dec("10")));
}

#[test]
fn the_difference_is_converted_at_the_receipts_own_rate() {
    let desk = given([opened(), funded("10000")])
        .when(quote("USDJPY", "150.000", "150.000"))
        .when(buy("USDJPY", "1").placed("o1"));
    let opening = last_record(&desk);
    let desk = desk
        .when(quote("USDJPY", "160.000", "160.000"))
        .when(close("o1", None));
    let closing = last_record(&desk);
    desk.when(quote("USDJPY", "100.000", "100.000"))
        .when(reprice(&closing, "160.080"))
        .and(|desk| {
            // 8,000 JPY at 160.
            assert_eq!(repriced(desk).realised, dec("50.00"));
        })
        // The opening receipt has the rate of its margin, from dollars.
        .when(reprice(&opening, "150.010"))
        .then_refused("not_correctable");
}

#[test]
fn part_of_a_deal_cannot_be_repriced() {
    let desk = dealer();
    let opening = last_record(&desk);
    desk.when(close("o1", Some("0.5")))
        .when(reprice(&opening, "1.09950"))
        .then_refused("not_correctable");
}

#[test]
fn a_price_has_the_instruments_digits_and_is_positive() {
    let desk = dealer();
    let opening = last_record(&desk);
    desk.when(reprice(&opening, "1.099505"))
        .then_refused("invalid_order")
        .when(reprice(&opening, "0"))
        .then_refused("invalid_order");
}

#[test]
fn a_deal_of_another_account_is_not_corrected_here() {
    let (_, opening, closing) = round_trip();
    given(trader())
        .when(bust(&closing))
        .then_refused("not_correctable")
        .when(reprice(&closing, "1.10200"))
        .then_refused("not_correctable");
    given([opened_as(AccountKind::Live, "EUR", 100)])
        .when(bust(&opening))
        .then_refused("not_correctable");
    // The name is the same, the side is not.
    given(trader())
        .when(sell("EURUSD", "1").placed("o1"))
        .when(bust(&opening))
        .then_refused("not_correctable");
}

#[test]
fn what_a_correction_moves_is_no_loss_of_the_day() {
    let (mut desk, _, closing) = round_trip();
    desk.account.risk.day = Some(crate::account::risk::TradingDay {
        day: "2026-07-14".parse().unwrap(),
        equity: dec("5091"),
        flows: dec("0"),
        blocked_until: None,
    });
    desk.rules.daily_loss_limit = Some(dec("50"));
    desk.when(bust(&closing)).when(evaluate()).then_nothing();
}
