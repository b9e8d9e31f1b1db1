//! What keeps an account's owner from being forgotten.

use super::*;
use crate::account::{
    FundingVerdict::{Approve, Complete, Reject},
    Unsettled,
};

fn unsettled(acts: impl IntoIterator<Item = Act>) -> Option<String> {
    let found = given(acts).account.unsettled();
    found.map(|it: Unsettled| it.to_string())
}

fn live(real: &str) -> [Act; 2] {
    [
        opened_as(AccountKind::Live, "USD", 100),
        adjusted(Bucket::Real, real),
    ]
}

#[test]
fn an_account_is_settled_without_positions_orders_and_real_money() {
    assert_eq!(Account::default().unsettled(), None);
    assert_eq!(unsettled(trader()), None, "demo money is nobody's");
    let emptied = live("10.00")
        .into_iter()
        .chain([adjusted(Bucket::Real, "-10.00")]);
    assert_eq!(unsettled(emptied), None);
    let bonus = [
        opened_as(AccountKind::Live, "USD", 100),
        adjusted(Bucket::Bonus, "5.00"),
    ];
    assert_eq!(unsettled(bonus), None);
}

#[test]
fn the_first_thing_that_is_open_is_named() {
    let cent = unsettled(live("0.01"));
    assert_eq!(cent.as_deref(), Some("the real balance is 0.01 USD"));
    let ordered = trader()
        .into_iter()
        .chain([buy("EURUSD", "0.10").limit("1.05000").placed("o1")]);
    assert_eq!(unsettled(ordered).as_deref(), Some("1 orders are working"));
    let dealt = trader()
        .into_iter()
        .chain([buy("EURUSD", "0.10").placed("o1")]);
    assert_eq!(unsettled(dealt).as_deref(), Some("1 positions are open"));
}

#[test]
fn what_is_held_or_owed_is_not_settled_either() {
    let mut account = given(live("10.00")).account;
    account.funds.held = dec("10.00");
    assert!(matches!(account.unsettled(), Some(Unsettled::Held(_))));
    account.funds.held = Decimal::ZERO;
    account.funds.real = dec("-0.01");
    assert!(matches!(account.unsettled(), Some(Unsettled::RealMoney(_))));
}

#[test]
fn a_deposit_or_withdrawal_is_open_until_it_is_paid_or_refused() {
    let of = |desk: &Desk| desk.account.unsettled().map(|it| it.to_string());
    let asked = given([opened_as(AccountKind::Live, "USD", 100)]).when(deposit("d", "25"));
    let open = "1 deposits or withdrawals are open";
    assert_eq!(
        of(&asked).as_deref(),
        Some(open),
        "before any money is there"
    );
    let approved = asked.when(decided("d", Approve));
    assert_eq!(of(&approved).as_deref(), Some(open));
    assert!(matches!(
        approved.account.unsettled(),
        Some(Unsettled::Funding(1))
    ));
    let completed = approved.when(decided("d", Complete));
    let paid = "the real balance is 25.00 USD";
    assert_eq!(of(&completed).as_deref(), Some(paid));
    let refused = given([opened_as(AccountKind::Live, "USD", 100)])
        .when(deposit("d", "25"))
        .when(decided("d", Reject));
    assert_eq!(of(&refused), None);
    // Money that is held is named before the request that holds it.
    let held = given(live("10")).when(withdrawal("w", "10"));
    let waits = "10.00 USD is held for requested withdrawals";
    assert_eq!(of(&held).as_deref(), Some(waits));
}
