//! Opening accounts and moving money.

use super::*;
use crate::postings::{LedgerAccount, post};

#[test]
fn an_account_opens_once_and_asking_again_changes_nothing() {
    given([opened()])
        .and(|desk| assert_eq!(desk.account.terms.unwrap().leverage, 100))
        .when(opened())
        .then_nothing()
        .when(opened_as(AccountKind::Demo, "USD", 200))
        .then_refused("account_already_open");
}

#[test]
fn an_account_without_leverage_is_not_offered() {
    given([])
        .when(opened_as(AccountKind::Live, "USD", 0))
        .then_refused("invalid_terms");
}

#[test]
fn an_account_keeps_the_mode_it_was_opened_in() {
    given([netting()])
        .and(|desk| {
            assert_eq!(desk.account.terms.unwrap().mode, PositionMode::Netting);
        })
        .when(netting())
        .then_nothing()
        .when(opened())
        .then_refused("account_already_open");
}

#[test]
fn nothing_can_be_asked_of_an_account_that_is_not_open() {
    given([]).when(funded("1")).then_refused("account_not_open");
    given([])
        .when(cancel("o1"))
        .then_refused("account_not_open");
    given([])
        .when(buy("EURUSD", "1").placed("o1"))
        .then_refused("account_not_open");
}

#[test]
fn an_adjustment_moves_its_bucket_and_the_books_balance() {
    for (bucket, other) in [
        (Bucket::Real, LedgerAccount::BankClearing),
        (Bucket::Demo, LedgerAccount::DemoFunding),
        (Bucket::Bonus, LedgerAccount::BonusExpense),
    ] {
        given([opened_as(AccountKind::Live, "USD", 100)])
            .when(adjusted(bucket, "250.5"))
            .then(&["FundsAdjusted"])
            .then_balance("250.50")
            .and(|desk| {
                assert_eq!(desk.account.funds.bucket(bucket).to_string(), "250.50");
                let [client, house] = &post(&desk.decision.events[0])[..] else {
                    panic!("two postings");
                };
                assert_eq!(client.account, LedgerAccount::of_bucket(bucket));
                assert_eq!(
                    (client.amount, house.amount),
                    (dec("-250.50"), dec("250.50"))
                );
                assert_eq!(house.account, other);
            });
    }
}

#[test]
fn no_adjustment_makes_a_bucket_negative() {
    let usd = |amount| crate::Money::rounded(dec(amount), Currency::USD);
    given([opened(), funded("100")])
        .when(funded("-100.01"))
        .then_refused("insufficient_funds")
        .then_rejection(&AccountRejection::InsufficientFunds {
            required: usd("100.01"),
            available: usd("100"),
        })
        .when(adjusted(Bucket::Real, "-0.01"))
        .then_refused("insufficient_funds")
        .when(funded("-100"))
        .then(&["FundsAdjusted"])
        .then_balance("0");
}

#[test]
fn an_adjustment_is_an_amount_of_the_currency() {
    given([opened()])
        .when(funded("0"))
        .then_refused("invalid_amount")
        .when(funded("1.001"))
        .then_refused("invalid_amount")
        .when(funded("1.100"))
        .then(&["FundsAdjusted"]);
    given([opened_as(AccountKind::Demo, "JPY", 100)])
        .when(funded("100.5"))
        .then_refused("invalid_amount");
}

#[test]
fn an_absurd_amount_is_refused_without_a_panic() {
    for amount in ["79228162514264337593543950335", "1000000000000000001"] {
        given([opened()])
            .when(funded(amount))
            .then_refused("overflow");
    }
    given([opened(), funded("1000000000000000000")])
        .when(funded("0.01"))
        .then_refused("overflow");
}

#[test]
fn a_bucket_that_the_account_does_not_trade_on_never_counts() {
    given([
        opened_as(AccountKind::Live, "USD", 100),
        adjusted(Bucket::Demo, "10000"),
    ])
    .when(quote("EURUSD", "1.10000", "1.10010"))
    .when(buy("EURUSD", "0.01").placed("o1"))
    .then_rejected("insufficient_margin")
    .and(|desk| {
        let figures = desk.figures();
        assert_eq!(figures.balance, dec("10000"));
        assert_eq!(figures.equity, Some(dec("0")));
    });
}

#[test]
fn bonus_money_trades_but_cannot_be_withdrawn() {
    given([
        opened_as(AccountKind::Live, "USD", 100),
        adjusted(Bucket::Real, "100"),
        adjusted(Bucket::Bonus, "2000"),
        quote("EURUSD", "1.10000", "1.10000"),
    ])
    .and(|desk| assert_eq!(desk.figures().withdrawable, Some(dec("100"))))
    .when(buy("EURUSD", "1").placed("o1"))
    .then(&["OrderPlaced", "OrderFilled", "PositionOpened"])
    .and(|desk| {
        let figures = desk.figures();
        assert_eq!(figures.used_margin, dec("1100"));
        assert_eq!(figures.free_margin, Some(dec("1000")));
        assert_eq!(figures.margin_level, Some(dec("190.91")));
        assert_eq!(
            figures.withdrawable,
            Some(dec("0")),
            "what is free is bonus"
        );
    });
}
