//! Closing positions, whole and in part.

use super::*;
use crate::{
    account::event::{CloseReason, FundsChange},
    instrument::{Availability, Commission, CommissionBasis},
    postings::{LedgerAccount, post},
};

fn long() -> Desk {
    given(trader()).when(buy("EURUSD", "1").stop_loss("1.05").placed("o1"))
}

#[test]
fn a_long_position_closes_on_the_bid_and_a_short_one_on_the_ask() {
    long()
        .when(quote("EURUSD", "1.10510", "1.10520"))
        .when(close("o1", None))
        .then(&["PositionClosed"])
        .then_dealt_at("1.10510")
        .and(|desk| {
            let deal = desk.deal();
            assert_eq!((deal.side, deal.realised), (Side::Sell, dec("500.00")));
            assert_eq!((deal.volume, deal.remaining), (dec("1"), dec("0")));
            assert_eq!(deal.reason, CloseReason::Client);
        })
        .then_balance("10500");
    given(trader())
        .when(sell("EURUSD", "1").placed("o1"))
        .when(quote("EURUSD", "1.10510", "1.10520"))
        .when(close("o1", None))
        .then_dealt_at("1.10520")
        .then_balance("9480");
}

#[test]
fn a_partial_close_leaves_the_levels_alone() {
    long()
        .when(quote("EURUSD", "1.10510", "1.10520"))
        .when(close("o1", Some("0.4")))
        .then(&["PositionReduced"])
        .then_balance("10200")
        .and(|desk| {
            let position = desk.only_position();
            assert_eq!(
                (position.volume, position.stop_loss),
                (dec("0.6"), Some(dec("1.05")))
            );
            assert_eq!(desk.deal().remaining, dec("0.6"));
            assert_eq!(desk.figures().used_margin, dec("660.06"));
        })
        .when(close("o1", Some("0.60")))
        .then(&["PositionClosed"])
        .then_balance("10500");
}

#[test]
fn a_close_names_an_open_position_and_a_volume_of_it() {
    long()
        .when(close("o2", None))
        .then_refused("position_not_open")
        .when(close("o1", Some("0")))
        .then_refused("invalid_order")
        .when(close("o1", Some("1.01")))
        .then_refused("volume_out_of_range")
        .when(close("o1", Some("0.001")))
        .then_refused("volume_out_of_range")
        .when(close("o1", Some("0.505")))
        .then_refused("volume_step")
        .when(close("o1", Some("79228162514264337593543950335")))
        .then_refused("volume_out_of_range");
}

#[test]
fn closing_is_refused_only_for_a_closed_market_or_a_stale_quote() {
    long()
        .when(Act::Terms("EURUSD", |terms| {
            terms.availability = Availability::Disabled
        }))
        .when(Act::At("2026-07-14T12:00:10.001Z"))
        .when(close("o1", None))
        .then_refused("stale_quote")
        .when(Act::At("2026-07-18T12:00:00Z"))
        .when(close("o1", None))
        .then_refused("market_closed")
        .when(Act::At("2026-07-14T12:00:10Z"))
        .when(close("o1", None))
        .then(&["PositionClosed"]);
}

#[test]
fn commission_is_charged_on_each_side_and_realised_is_price_profit_alone() {
    given([
        opened_as(AccountKind::Live, "USD", 100),
        adjusted(Bucket::Real, "5000"),
    ])
    .when(Act::Terms("EURUSD", |terms| {
        terms.commission = Commission {
            basis: CommissionBasis::PerLot,
            rate: dec("3.5"),
            minimum: dec("0"),
            currency: Some(Currency::USD),
        };
    }))
    .when(quote("EURUSD", "1.10000", "1.10000"))
    .when(buy("EURUSD", "1").placed("o1"))
    .then_balance("4996.50")
    .when(quote("EURUSD", "1.10100", "1.10110"))
    .when(close("o1", None))
    .then_balance("5093.00")
    .and(|desk| {
        let deal = desk.deal();
        assert_eq!(
            (deal.realised, deal.execution.commission),
            (dec("100"), dec("3.5"))
        );
        let lines = post(&desk.decision.events[0]);
        let amount = |account| {
            let line = lines.iter().find(|line| line.account == account);
            line.map(|line| line.amount)
        };
        assert_eq!(amount(LedgerAccount::ClientFundsReal), Some(dec("-96.5")));
        assert_eq!(amount(LedgerAccount::TradingResult), Some(dec("100")));
        assert_eq!(amount(LedgerAccount::CommissionIncome), Some(dec("-3.5")));
        assert_eq!(amount(LedgerAccount::SwapIncome), None);
    });
}

#[test]
fn a_loss_takes_real_then_bonus_then_makes_real_negative() {
    given([
        opened_as(AccountKind::Live, "USD", 500),
        adjusted(Bucket::Real, "1000"),
        adjusted(Bucket::Bonus, "500"),
        quote("EURUSD", "1.10000", "1.10000"),
    ])
    .when(buy("EURUSD", "1").placed("o1"))
    .when(quote("EURUSD", "1.08000", "1.08010"))
    .when(close("o1", None))
    .then(&["PositionClosed"])
    .and(|desk| {
        let expected = FundsChange::new(Currency::USD, dec("-1500"), Decimal::ZERO, dec("-500"));
        assert_eq!(desk.deal().funds, expected);
        assert_eq!(desk.account.funds.real, dec("-500"));
        assert_eq!(desk.account.funds.bonus, dec("0"));
    });
}

#[test]
fn play_money_is_nobodys_income() {
    long()
        .when(quote("EURUSD", "1.10510", "1.10520"))
        .when(close("o1", None))
        .and(|desk| {
            let accounts: Vec<_> = post(&desk.decision.events[0])
                .iter()
                .map(|line| (line.account, line.amount))
                .collect();
            assert_eq!(
                accounts,
                [
                    (LedgerAccount::ClientFundsDemo, dec("-500.00")),
                    (LedgerAccount::DemoResult, dec("500.00")),
                ]
            );
        });
}

#[test]
fn accrued_swap_is_posted_by_the_closing_deal_pro_rata() {
    let mut desk = long();
    desk.account.positions[0].swap = dec("-1.01");
    desk.when(quote("EURUSD", "1.10010", "1.10020"))
        .when(close("o1", Some("0.5")))
        .then_balance("9999.49")
        .and(|desk| {
            assert_eq!(desk.deal().swap, dec("-0.51"), "half away from zero");
            assert_eq!(desk.only_position().swap, dec("-0.50"));
        })
        .when(close("o1", None))
        .then_balance("9998.99");
}

#[test]
fn unrealised_is_what_a_close_at_this_moment_would_realise() {
    long()
        .when(Act::Terms("EURUSD", |terms| {
            terms.spread_markup = dec("4");
            terms.slippage = dec("3");
        }))
        .when(quote("EURUSD", "1.10100", "1.10110"))
        .and(|desk| assert_eq!(desk.figures().unrealised, Some(dec("85.00"))))
        .when(close("o1", None))
        .then_dealt_at("1.10095")
        .and(|desk| assert_eq!(desk.deal().realised, dec("85.00")));
}
