//! Orders at the market.

use super::*;
use crate::{
    instrument::{Commission, CommissionBasis},
    postings::post,
};

const FILLED: [&str; 3] = ["OrderPlaced", "OrderFilled", "PositionOpened"];

#[test]
fn a_buy_fills_at_the_ask() {
    given(trader())
        .when(buy("EURUSD", "1").placed("o1"))
        .then(&FILLED)
        .then_dealt_at("1.10010")
        .and(|desk| {
            let position = desk.only_position();
            assert_eq!((position.side, position.volume), (Side::Buy, dec("1")));
            assert_eq!(desk.account.orders, []);
            // 100,000 EUR at the ask, 1:100; ten points of spread lost at once.
            let figures = desk.figures();
            assert_eq!(figures.used_margin, dec("1100.10"));
            assert_eq!(figures.unrealised, Some(dec("-10")));
            assert_eq!(figures.equity, Some(dec("9990")));
            assert_eq!(figures.free_margin, Some(dec("8889.90")));
            assert_eq!(figures.margin_level, Some(dec("908.10")));
        });
}

#[test]
fn a_sell_fills_at_the_bid() {
    given(trader())
        .when(sell("EURUSD", "0.5").placed("o1"))
        .then(&FILLED)
        .then_dealt_at("1.10000")
        .and(|desk| assert_eq!(desk.figures().used_margin, dec("550.00")));
}

#[test]
fn the_receipt_says_what_the_fill_rested_on() {
    given(trader())
        .when(Act::Terms("EURUSD", |terms| {
            terms.spread_markup = dec("3");
            terms.slippage = dec("2");
        }))
        .when(buy("EURUSD", "1").placed("o1"))
        .then_dealt_at("1.10014")
        .and(|desk| {
            let receipt = desk.receipt();
            assert_eq!(
                (receipt.quote_bid, receipt.quote_ask),
                (dec("1.1"), dec("1.1001"))
            );
            assert_eq!(receipt.quote_at, time(NOON));
            assert_eq!(
                receipt.spread_markup,
                dec("0.00002"),
                "the ask's part of three points"
            );
            assert_eq!(receipt.slippage, dec("0.00002"));
            assert_eq!(receipt.conversion.rate, dec("1.10014"));
            assert_eq!(receipt.conversion.path, [symbol("EURUSD")]);
            assert_eq!(receipt.rule_version, 1);
        })
        .when(sell("EURUSD", "1").placed("o2"))
        .then_dealt_at("1.09997");
}

#[test]
fn one_lot_of_eurusd_at_one_to_a_hundred_needs_1470_85() {
    given([
        opened(),
        funded("10000"),
        quote("EURUSD", "1.27890", "1.27900"),
    ])
    .when(Act::Terms("EURUSD", |terms| {
        terms.margin_rate = dec("1.15")
    }))
    .when(buy("EURUSD", "1").placed("o1"))
    .then(&FILLED)
    .and(|desk| assert_eq!(desk.figures().used_margin.to_string(), "1470.85"));
}

#[test]
fn the_smaller_of_two_leverages_counts() {
    given([opened_as(AccountKind::Demo, "USD", 500), funded("10000")])
        .when(quote("BTCUSD", "60000.00", "60010.00"))
        .when(buy("BTCUSD", "1").placed("o1"))
        .then(&FILLED)
        .and(|desk| assert_eq!(desk.figures().used_margin, dec("3000.50"), "1:20"));
}

#[test]
fn an_order_beyond_free_margin_is_rejected_and_the_book_says_so() {
    let usd = |amount| crate::Money::rounded(dec(amount), Currency::USD);
    given([
        opened(),
        funded("1000"),
        quote("EURUSD", "1.09980", "1.10000"),
    ])
    .when(buy("EURUSD", "2").placed("o1"))
    .then_facts(&["OrderRejected"])
    .then_rejected("insufficient_margin")
    .then_rejection(&AccountRejection::InsufficientMargin {
        required: usd("2200"),
        free: usd("1000"),
    })
    .and(|desk| assert_eq!(desk.account.positions, []));
}

#[test]
fn margin_and_commission_may_take_the_last_cent_but_no_more() {
    let terms = |terms: &mut Instrument| {
        terms.commission = Commission {
            basis: CommissionBasis::PerLot,
            rate: dec("7"),
            minimum: dec("0"),
            currency: Some(Currency::USD),
        };
    };
    let order = || buy("EURUSD", "1").placed("o1");
    let quoted = || quote("EURUSD", "1.10000", "1.10000");
    given([
        opened(),
        funded("1106.99"),
        Act::Terms("EURUSD", terms),
        quoted(),
    ])
    .when(order())
    .then_rejected("insufficient_margin");
    given([
        opened(),
        funded("1107"),
        Act::Terms("EURUSD", terms),
        quoted(),
    ])
    .when(order())
    .then(&FILLED)
    .then_balance("1100")
    .and(|desk| assert_eq!(desk.figures().free_margin, Some(dec("0"))));
}

#[test]
fn commission_moves_the_balance_at_its_own_deal() {
    let commission = |basis, rate: &str, minimum: &str, currency| Commission {
        basis,
        rate: dec(rate),
        minimum: dec(minimum),
        currency,
    };
    // One lot: 100,000 EUR, 110,010.00 USD at the ask.
    for (terms, expected) in [
        (commission(CommissionBasis::None, "9", "9", None), "0"),
        (
            commission(CommissionBasis::PerLot, "3.5", "0", Some(Currency::USD)),
            "3.50",
        ),
        (
            commission(CommissionBasis::PerLot, "3.5", "0", None),
            "3.85",
        ),
        (
            commission(CommissionBasis::PerMillion, "30", "0", None),
            "3.30",
        ),
        (
            commission(CommissionBasis::PerMille, "0.1", "0", None),
            "11.00",
        ),
        (
            commission(CommissionBasis::PerMille, "0.1", "20", Some(Currency::USD)),
            "20",
        ),
        (
            commission(CommissionBasis::PerLot, "1", "20", Some(Currency::EUR)),
            "22.00",
        ),
    ] {
        let mut desk = given(trader());
        let mut eurusd = Instrument::clone(desk.market.instrument(symbol("EURUSD")).unwrap());
        eurusd.commission = terms;
        desk.market.set_instrument(Arc::new(eurusd));
        desk.when(buy("EURUSD", "1").placed("o1"))
            .then(&FILLED)
            .then_balance(&(dec("10000") - dec(expected)).to_string())
            .and(|desk| {
                assert_eq!(desk.receipt().commission, dec(expected), "{terms:?}");
                let total: Decimal = desk
                    .decision
                    .events
                    .iter()
                    .flat_map(post)
                    .map(|posting| posting.amount)
                    .sum();
                assert_eq!(total, Decimal::ZERO);
            });
    }
}

#[test]
fn protection_of_a_market_order_is_beyond_the_quote_it_would_close_at() {
    let buys = |order: fn(super::super::Ticket) -> super::super::Ticket| {
        given(trader()).when(order(buy("EURUSD", "1")).placed("o1"))
    };
    buys(|order| order.stop_loss("1.10000")).then_rejected("invalid_stops");
    buys(|order| order.stop_loss("1.09999")).then(&FILLED);
    buys(|order| order.take_profit("1.10000")).then_rejected("invalid_stops");
    buys(|order| order.take_profit("1.10001")).then(&FILLED);
    let sells = |order: fn(super::super::Ticket) -> super::super::Ticket| {
        given(trader()).when(order(sell("EURUSD", "1")).placed("o1"))
    };
    sells(|order| order.stop_loss("1.10010")).then_rejected("invalid_stops");
    sells(|order| order.stop_loss("1.10011")).then(&FILLED);
    sells(|order| order.take_profit("1.10010")).then_rejected("invalid_stops");
    sells(|order| order.take_profit("1.10009").stop_loss("1.2"))
        .then(&FILLED)
        .and(|desk| {
            let position = desk.only_position();
            assert_eq!(position.take_profit, Some(dec("1.10009")));
            assert_eq!(position.stop_loss, Some(dec("1.2")));
        });
}

#[test]
fn opposite_positions_stand_side_by_side() {
    given(trader())
        .when(buy("EURUSD", "1").placed("o1"))
        .when(sell("EURUSD", "1").placed("o2"))
        .then(&FILLED)
        .and(|desk| {
            assert_eq!(desk.account.positions.len(), 2);
            assert_eq!(
                desk.figures().used_margin,
                dec("0"),
                "they cover each other"
            );
            assert_eq!(
                desk.figures().unrealised,
                Some(dec("-20")),
                "the spread, twice"
            );
        });
}
