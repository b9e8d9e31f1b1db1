//! A negative balance without positions is made good, bucket by bucket.

use super::{house::evaluate, *};
use crate::{
    account::event::FundsChange,
    postings::{LedgerAccount, post},
};

fn ruined() -> Desk {
    given([
        opened_as(AccountKind::Live, "USD", 500),
        adjusted(Bucket::Real, "1000"),
        adjusted(Bucket::Bonus, "500"),
        quote("EURUSD", "1.10000", "1.10000"),
    ])
    .when(buy("EURUSD", "4").placed("a"))
    .when(quote("EURUSD", "1.09500", "1.09500"))
}

#[test]
fn a_negative_balance_is_made_good_at_the_houses_expense() {
    ruined()
        .when(evaluate())
        .then(&[
            "MarginCallRaised",
            "StopOutStarted",
            "PositionClosed",
            "StopOutStep",
            "StopOutFinished",
            "MarginCallCleared",
            "NegativeBalanceCompensated",
        ])
        .then_balance("0")
        .and(|desk| {
            let event = desk.decision.events.last().unwrap();
            let given = FundsChange::new(Currency::USD, dec("500"), dec("0"), dec("0"));
            assert_eq!(event.funds(), Some(&given));
            let lines: Vec<_> = post(event)
                .iter()
                .map(|line| (line.account, line.amount))
                .collect();
            let expected = [
                (LedgerAccount::ClientFundsReal, dec("-500")),
                (LedgerAccount::NegativeBalanceExpense, dec("500")),
            ];
            assert_eq!(lines, expected);
        })
        .when(evaluate())
        .then_nothing();
}

#[test]
fn a_bonus_that_is_left_pays_before_the_house_does() {
    ruined()
        .when(Act::Rules(|rules| {
            rules.negative_balance_protection = false
        }))
        .when(evaluate())
        .then_balance("-500")
        .when(adjusted(Bucket::Bonus, "120"))
        .when(Act::Rules(|rules| rules.negative_balance_protection = true))
        .when(evaluate())
        .then(&["NegativeBalanceCompensated"])
        .and(|desk| {
            let given = FundsChange::new(Currency::USD, dec("500"), dec("0"), dec("-120"));
            assert_eq!(desk.decision.events[0].funds(), Some(&given));
            let sum: Decimal = post(&desk.decision.events[0])
                .iter()
                .map(|line| line.amount)
                .sum();
            assert_eq!(sum, dec("0"));
        })
        .then_balance("0");
}

#[test]
fn a_balance_that_a_bonus_covers_is_not_negative() {
    ruined()
        .when(Act::Rules(|rules| {
            rules.negative_balance_protection = false
        }))
        .when(evaluate())
        .when(adjusted(Bucket::Bonus, "500"))
        .when(Act::Rules(|rules| rules.negative_balance_protection = true))
        .when(evaluate())
        .then_nothing();
}
