//! What must not be left standing once everything on a quote has been done.

use daybook_domain::{
    Account, Decimal, Market, Rules, Symbol, Timestamp,
    rules::{StopOutRule, TradingState},
    triggers::{order_trigger, protection_triggers},
};

use super::{is_convertible, is_dealable, is_stopped_out, law, level};
use crate::sums;

/// Looks at one account after a quote of `symbol` and all that it led to.
pub fn standing(account: &Account, symbol: Symbol, market: &Market, rules: &Rules, at: Timestamp) {
    if account.terms.is_none() || sums::equity(account, market, rules).is_none() {
        return;
    }
    risk(account, market, rules, at);
    let state = account.controls().state_under(rules.trading_state);
    let Some(terms) = market.terms(symbol, account.group()) else {
        return;
    };
    if rules.confirm_triggers || !is_dealable(market, rules, terms, at) {
        return;
    }
    if !is_convertible(account, terms, market) {
        return;
    }
    let quote = market.quote(symbol).unwrap();
    let orders = account
        .orders
        .iter()
        .filter(|order| order.ticket.symbol == symbol);
    for order in orders {
        let touched = order_trigger(order, terms).is_some_and(|it| it.touched_by(quote));
        law("trigger", !touched, || {
            format!("{order:?} rests on {quote:?}")
        });
    }
    if state == TradingState::Halted {
        return;
    }
    let positions = account
        .positions
        .iter()
        .filter(|position| position.symbol == symbol);
    for position in positions {
        let triggers = protection_triggers(position, terms);
        let both = [triggers.stop_loss, triggers.take_profit];
        let touched = both.iter().flatten().any(|it| it.touched_by(quote));
        law("trigger", !touched, || {
            format!("{position:?} rests on {quote:?}")
        });
    }
}

fn risk(account: &Account, market: &Market, rules: &Rules, at: Timestamp) {
    let kind = account.terms.as_ref().unwrap().kind;
    let is_negative = account.positions.is_empty() && account.funds.tradable(kind) < Decimal::ZERO;
    law(
        "negative balance",
        !(is_negative && rules.negative_balance_protection),
        || format!("{:?} stands", account.funds),
    );
    let closable = account.positions.iter().any(|position| {
        let terms = market.terms(position.symbol, account.group()).unwrap();
        is_dealable(market, rules, terms, at) && is_convertible(account, terms, market)
    });
    let due = rules.stop_out != StopOutRule::Off && is_stopped_out(account, market, rules);
    law("stop-out", !(due && closable), || {
        format!("{:?} stands", level(account, market, rules))
    });
    let Some(call) = rules.margin_call_level else {
        return;
    };
    let level = level(account, market, rules).unwrap();
    let is_called = account.risk.margin_called;
    let holds = match level {
        Some(level) if level <= call => is_called,
        Some(level) if level >= rules.margin_call_clear_level => !is_called,
        Some(_) => true,
        None => !is_called || !account.positions.is_empty(),
    };
    law("margin call", holds, || {
        format!("called {is_called} at {level:?}")
    });
}
