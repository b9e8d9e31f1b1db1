//! What has to hold after every decision, whoever asked and whatever the market did.

mod closing;
mod funding;
mod opening;
mod risk;
mod standing;

use daybook_domain::{
    Account, AccountCommand, AccountEvent, Decimal, Instrument, Market, Quote, Rules, Symbol,
    Timestamp,
    account::{
        AccountKind, Decision,
        event::{CloseReason, FundsChange},
    },
    execution::Execution,
    instrument::AssetClass,
    market::in_session,
};

pub use self::standing::standing;
use crate::sums;

/// One decision and everything that it was made on.
pub struct Scene<'a> {
    /// The account before the decision and after each of its events.
    pub states: &'a [Account],
    pub command: &'a AccountCommand,
    pub decision: &'a Decision,
    pub market: &'a Market,
    pub rules: &'a Rules,
    pub at: Timestamp,
}

/// A law that has to hold; the name says which was broken.
pub fn law(name: &str, holds: bool, told: impl FnOnce() -> String) {
    if !holds {
        panic!("law broken: {name}: {}", told());
    }
}

/// Judges a decision by every law.
pub fn judge(scene: &Scene<'_>) {
    refusals(scene);
    for (index, event) in scene.decision.events.iter().enumerate() {
        let before = &scene.states[index];
        match event {
            AccountEvent::OrderFilled { .. } => opening::judge(scene, index),
            AccountEvent::PositionOpened { deal_id, .. } => {
                opening::has_its_fill(scene, index, *deal_id);
            }
            AccountEvent::PositionIncreased { increase, .. } => {
                opening::has_its_fill(scene, index, increase.deal_id);
            }
            AccountEvent::PositionReduced { deal, .. }
            | AccountEvent::PositionClosed { deal, .. } => {
                closing::judge(scene, index, before, deal);
            }
            AccountEvent::SwapCharged { charge, .. } => risk::swap(scene, before, charge),
            AccountEvent::StopOutStarted { .. } => risk::stop_out(scene, index),
            AccountEvent::MarginCallRaised { .. } => risk::margin_call(scene, before, true),
            AccountEvent::MarginCallCleared { .. } => risk::margin_call(scene, before, false),
            AccountEvent::NegativeBalanceCompensated { funds, .. } => {
                risk::compensated(before, funds);
            }
            AccountEvent::DailyLossLimitReached { loss, limit, .. } => {
                law("daily loss", loss >= limit, || format!("{loss} of {limit}"));
            }
            AccountEvent::DepositRequested { .. }
            | AccountEvent::DepositApproved { .. }
            | AccountEvent::DepositCompleted { .. }
            | AccountEvent::DepositRejected { .. }
            | AccountEvent::DepositCancelled { .. }
            | AccountEvent::WithdrawalRequested { .. }
            | AccountEvent::WithdrawalApproved { .. }
            | AccountEvent::WithdrawalCompleted { .. }
            | AccountEvent::WithdrawalRejected { .. }
            | AccountEvent::WithdrawalCancelled { .. } => funding::judge(scene, index),
            AccountEvent::AccountOpened { .. }
            | AccountEvent::FundsAdjusted { .. }
            | AccountEvent::OrderPlaced { .. }
            | AccountEvent::OrderRejected { .. }
            | AccountEvent::OrderModified { .. }
            | AccountEvent::OrderCancelled { .. }
            | AccountEvent::OrderExpired { .. }
            | AccountEvent::OrderTriggered { .. }
            | AccountEvent::OrderNetted { .. }
            | AccountEvent::ProtectionChanged { .. }
            | AccountEvent::LeverageChanged { .. }
            | AccountEvent::ControlsChanged { .. }
            | AccountEvent::StopOutStep { .. }
            | AccountEvent::StopOutFinished { .. }
            | AccountEvent::TradingDayStarted { .. }
            | AccountEvent::DealBusted { .. }
            | AccountEvent::DealRepriced { .. } => {}
        }
    }
    figures(scene);
}

/// A refusal leaves at most its own trace, and no money moves without a fact.
fn refusals(scene: &Scene<'_>) {
    let events = &scene.decision.events;
    if scene.decision.refusal.is_none() || events.is_empty() {
        return;
    }
    let traces = |event: &AccountEvent| {
        matches!(
            event,
            AccountEvent::OrderRejected { .. }
                | AccountEvent::OrderTriggered { .. }
                | AccountEvent::TradingDayStarted { .. }
        )
    };
    law("refusal", events.iter().all(traces), || {
        format!("{events:?}")
    });
}

/// The account's equations.
fn figures(scene: &Scene<'_>) {
    let account = scene.states.last().unwrap();
    let Some(terms) = &account.terms else {
        return;
    };
    let figures = account.figures(scene.market, scene.rules).unwrap();
    let used = sums::used_margin(account);
    law("margin", figures.used_margin == used, || {
        format!(
            "{} is not {used} of {:?}",
            figures.used_margin, account.positions
        )
    });
    let funds = &account.funds;
    let balance = funds.real + funds.demo + funds.bonus;
    law("balance", figures.balance == balance, || {
        format!("{balance}")
    });
    let Some(equity) = sums::equity(account, scene.market, scene.rules) else {
        return;
    };
    law("equity", figures.equity == Some(equity), || {
        format!("{:?} is not {equity}", figures.equity)
    });
    let free = equity - funds.held - used;
    law("free margin", figures.free_margin == Some(free), || {
        format!("{free}")
    });
    let most = (funds.real - funds.held).min(free - funds.bonus);
    let withdrawable = most.max(Decimal::ZERO);
    law(
        "withdrawable",
        figures.withdrawable == Some(withdrawable),
        || format!("{:?} is not {withdrawable}", figures.withdrawable),
    );
    let digits = if terms.currency.as_str() == "JPY" {
        0
    } else {
        2
    };
    funding::held(account);
    law("cents", balance.normalize().scale() <= digits, || {
        format!("{balance}")
    });
}

/// A live account trades real and bonus money, a demo account demo money; a loss takes real first.
fn settled(before: &Account, funds: &FundsChange, net: Decimal) {
    law("money", funds.total() == net, || {
        format!("{} moved for a result of {net}", funds.total())
    });
    let kind = before.terms.as_ref().unwrap().kind;
    let allowed = match kind {
        AccountKind::Demo => funds.real.is_zero() && funds.bonus.is_zero(),
        AccountKind::Live if net >= Decimal::ZERO => funds.demo.is_zero() && funds.bonus.is_zero(),
        AccountKind::Live => {
            let real_left = (before.funds.real + funds.real).max(Decimal::ZERO);
            funds.demo.is_zero() && (funds.bonus.is_zero() || real_left.is_zero())
        }
    };
    law("buckets", allowed, || {
        format!("{kind:?} {:?} {funds:?}", before.funds)
    });
}

/// The quote of a receipt is the newest, fresh, and within the session.
fn on_the_quote(scene: &Scene<'_>, terms: &Instrument, execution: &Execution) -> Quote {
    let quote = *scene
        .market
        .quote(terms.symbol)
        .expect("a deal without a quote");
    let told = (execution.quote_bid, execution.quote_ask, execution.quote_at);
    law("receipt", told == (quote.bid, quote.ask, quote.at), || {
        format!("{execution:?}")
    });
    law(
        "fresh",
        is_dealable(scene.market, scene.rules, terms, scene.at),
        || format!("{} dealt on {quote:?} at {}", terms.symbol, scene.at),
    );
    quote
}

/// Whether a deal may be made on the newest quote.
fn is_dealable(market: &Market, rules: &Rules, terms: &Instrument, at: Timestamp) -> bool {
    let Some(quote) = market.quote(terms.symbol) else {
        return false;
    };
    let age_ms = (at - quote.at).num_milliseconds();
    let is_fresh = rules
        .max_quote_age_ms
        .is_none_or(|most| age_ms <= i64::try_from(most).unwrap());
    is_fresh && in_session(terms, at, rules) && in_session(terms, quote.at, rules)
}

/// Whether rates link what a deal is worth with the account's money. After a start quotes come one
/// by one, and what cannot be converted yet cannot be dealt.
fn is_convertible(account: &Account, terms: &Instrument, market: &Market) -> bool {
    let currency = account.terms.as_ref().unwrap().currency;
    let converts = |from| sums::converted(market, Decimal::ONE, from, currency, true).is_some();
    converts(terms.quote) && (terms.class != AssetClass::Fx || converts(terms.base))
}

fn terms_of<'a>(scene: &Scene<'a>, account: &Account, symbol: Symbol) -> &'a Instrument {
    scene.market.terms(symbol, account.group()).unwrap()
}

/// Percent, two decimals; none without margin in use.
fn level(account: &Account, market: &Market, rules: &Rules) -> Option<Option<Decimal>> {
    let used = sums::used_margin(account);
    let usable = sums::equity(account, market, rules)? - account.funds.held;
    Some((!used.is_zero()).then(|| usable * Decimal::ONE_HUNDRED / used))
}

/// Whether a stop-out is due.
fn is_stopped_out(account: &Account, market: &Market, rules: &Rules) -> bool {
    if account.positions.is_empty() {
        return false;
    }
    match level(account, market, rules) {
        Some(Some(level)) => level <= rules.stop_out_level,
        Some(None) => {
            let equity = sums::equity(account, market, rules);
            equity.is_some_and(|equity| equity - account.funds.held <= rules.hedged_stop_out_at)
        }
        None => false,
    }
}

const fn by_protection(reason: CloseReason) -> bool {
    matches!(reason, CloseReason::StopLoss | CloseReason::TakeProfit)
}
