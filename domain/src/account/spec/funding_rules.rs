//! What deposits and withdrawals are refused for, and what becomes of holds when money is lost.

use super::{
    super::{
        FundingVerdict::{Approve, Complete, Reject},
        event::FundingCancelReason,
    },
    funding::funded_live,
    house::evaluate,
    *,
};

#[test]
fn only_live_money_of_the_accounts_currency_comes_and_goes() {
    given(trader())
        .when(deposit("d", "10"))
        .then_refused("demo_account")
        .when(withdrawal("w", "10"))
        .then_refused("demo_account");
    given([opened_as(AccountKind::Live, "EUR", 100)])
        .when(deposit("d", "10"))
        .then_refused("currency_mismatch")
        .then_rejection(&AccountRejection::CurrencyMismatch {
            asked: Currency::USD,
            currency: Currency::EUR,
        });
    for amount in ["0", "-1", "0.001", "1000000000000000000000"] {
        let code = if amount.len() > 10 {
            "overflow"
        } else {
            "invalid_amount"
        };
        funded_live("10")
            .when(deposit("d", amount))
            .then_refused(code)
            .when(withdrawal("w", amount))
            .then_refused(code);
    }
}

#[test]
fn a_request_is_made_once() {
    funded_live("100")
        .when(withdrawal("w", "60"))
        .when(withdrawal("w", "60"))
        .then_nothing()
        .then_funds("100", "60")
        .when(withdrawal("w", "20"))
        .then_refused("funding_not_open")
        .when(deposit("w", "60"))
        .then_refused("funding_not_open")
        .when(deposit("d", "5"))
        .when(deposit("d", "5.00"))
        .then_nothing();
}

#[test]
fn an_account_has_so_many_open_requests() {
    funded_live("100")
        .when(Act::Rules(|rules| rules.funding_max = 2))
        .when(deposit("a", "1"))
        .when(withdrawal("b", "1"))
        .when(deposit("c", "1"))
        .then_refused("too_many_funding_requests")
        .when(withdrawal("c", "1"))
        .then_refused("too_many_funding_requests")
        .when(decided("a", Reject))
        .when(deposit("c", "1"))
        .then(&["DepositRequested"]);
}

#[test]
fn a_client_who_may_only_read_asks_for_nothing_while_staff_decide() {
    funded_live("100")
        .when(withdrawal("w", "10"))
        .when(Act::Controls(|controls| controls.read_only = true))
        .when(withdrawal("v", "10"))
        .then_refused("trading_disabled")
        .when(deposit("d", "10"))
        .then_refused("trading_disabled")
        .when(taken_back("w"))
        .then_refused("trading_disabled")
        .when(decided("w", Complete))
        .then(&["WithdrawalCompleted"]);
}

#[test]
fn a_halt_of_trading_stops_no_money() {
    funded_live("100")
        .when(Act::Rules(|rules| {
            rules.trading_state = crate::rules::TradingState::Halted;
        }))
        .when(withdrawal("w", "10"))
        .then(&["WithdrawalRequested"]);
}

#[test]
fn holds_are_let_go_before_a_negative_balance_is_made_good() {
    given([
        opened_as(AccountKind::Live, "USD", 500),
        adjusted(Bucket::Real, "1000"),
        quote("EURUSD", "1.10000", "1.10000"),
    ])
    .when(buy("EURUSD", "3").placed("a"))
    .when(withdrawal("v", "100"))
    .when(decided("v", Approve))
    .when(withdrawal("w", "50"))
    .when(deposit("d", "10"))
    .when(quote("EURUSD", "1.09500", "1.09500"))
    .when(evaluate())
    .then(&[
        "MarginCallRaised",
        "StopOutStarted",
        "PositionClosed",
        "StopOutStep",
        "StopOutFinished",
        "MarginCallCleared",
        "WithdrawalCancelled",
        "WithdrawalCancelled",
        "NegativeBalanceCompensated",
    ])
    .then_funds("0", "0")
    .and(|desk| {
        let open: Vec<_> = desk.account.funding.iter().collect();
        assert_eq!(open.len(), 1, "what may still come stays open: {open:?}");
        let cancelled = &desk.decision.events[6];
        let told = matches!(
            cancelled,
            AccountEvent::WithdrawalCancelled {
                reason: FundingCancelReason::NegativeBalance,
                ..
            }
        );
        assert!(told, "{cancelled:?}");
    })
    .when(decided("w", Complete))
    .then_refused("funding_not_open")
    .when(evaluate())
    .then_nothing();
}

#[test]
fn what_is_held_counts_for_margin_call_and_stop_out() {
    funded_live("2200")
        .when(buy("EURUSD", "1").placed("a"))
        .when(withdrawal("w", "1100"))
        .then(&["WithdrawalRequested"])
        .and(|desk| assert_eq!(desk.figures().margin_level, Some(dec("100.00"))))
        .when(evaluate())
        .then(&["MarginCallRaised"])
        .when(quote("EURUSD", "1.09449", "1.09449"))
        .when(evaluate())
        .then(&[
            "StopOutStarted",
            "PositionClosed",
            "StopOutStep",
            "StopOutFinished",
            "MarginCallCleared",
        ])
        .then_funds("1649", "1100")
        .when(decided("w", Complete))
        .then(&["WithdrawalCompleted"])
        .then_funds("549", "0");
}

#[test]
fn deposits_and_withdrawals_are_no_profit_and_no_loss_of_the_day() {
    let evaluated = |desk: Desk| desk.when(evaluate()).then_nothing();
    let desk = funded_live("1000")
        .when(Act::Rules(|rules| {
            rules.daily_loss_limit = Some(dec("100"))
        }))
        .when(ask(AccountCommand::RollOver {
            day: time("2026-07-13T12:00:00Z").date_naive(),
        }))
        .then(&["TradingDayStarted"])
        .when(withdrawal("w", "900"))
        .when(decided("w", Complete))
        .then_funds("100", "0");
    let desk = evaluated(desk)
        .when(deposit("d", "500"))
        .when(decided("d", Complete))
        .and(|desk| assert_eq!(desk.account.risk.day.unwrap().flows, dec("-400")));
    evaluated(desk);
}

#[test]
fn an_event_that_cannot_follow_is_corruption() {
    let desk = funded_live("100").when(withdrawal("w", "10"));
    let requested = desk.decision.events[0].clone();
    let desk = desk.when(decided("w", Complete));
    let completed = desk.decision.events[0].clone();
    let fresh = funded_live("100").account;
    let once = {
        let mut account = fresh.clone();
        account.evolve(&requested);
        account
    };
    for (state, event) in [(&fresh, &completed), (&once, &requested)] {
        let mut state = state.clone();
        let outcome = std::panic::catch_unwind(move || state.evolve(event));
        let message = *outcome.unwrap_err().downcast::<String>().unwrap();
        assert!(message.contains("corrupt stream"), "{message}");
    }
}
