//! What a client is told besides orders, positions and figures: margin call, stop-out, daily loss,
//! trading day, corrections, and what staff changed.

use daybook_domain::{
    AccountEvent, Currency, Decimal,
    account::event::{BustedDeal, RepricedDeal},
};
use serde_json::{Map, Value, json};

use crate::{number, text};

/// The notification's item, with the account's currency to write amounts in. None for what the
/// other channels tell.
pub(super) fn item(event: &AccountEvent, currency: Currency) -> Option<Map<String, Value>> {
    let (kind, told) = told(event, currency)?;
    let Value::Object(mut members) = told else {
        unreachable!("invariant: every notification is written as an object")
    };
    members.insert("kind".to_owned(), kind.into());
    members.insert("time".to_owned(), text::time(event.at()).into());
    Some(members)
}

/// Its kind, and what is peculiar to it.
fn told(event: &AccountEvent, currency: Currency) -> Option<(&'static str, Value)> {
    let money = |amount| number::money(amount, currency);
    let level_told = |level: &Option<_>| json!({ "marginLevel": level.map(number::two_decimals) });
    Some(match event {
        AccountEvent::MarginCallRaised { .. } => ("margin_call", margin(event, money)),
        AccountEvent::MarginCallCleared { level, .. } => ("margin_call_cleared", level_told(level)),
        AccountEvent::StopOutStarted { .. } => ("stop_out_started", margin(event, money)),
        AccountEvent::StopOutFinished { level, .. } => ("stop_out_finished", level_told(level)),
        AccountEvent::NegativeBalanceCompensated { funds, .. } => {
            let told = json!({ "amount": money(funds.total()) });
            ("negative_balance_compensated", told)
        }
        AccountEvent::TradingDayStarted { day, equity, .. } => {
            let told = json!({ "day": day, "equity": money(*equity) });
            ("trading_day_started", told)
        }
        AccountEvent::DailyLossLimitReached {
            limit, loss, until, ..
        } => {
            let (limit, loss) = (money(*limit), money(*loss));
            let told = json!({ "limit": limit, "loss": loss, "until": text::time(*until) });
            ("daily_loss_limit", told)
        }
        AccountEvent::DealBusted { bust, .. } => ("deal_busted", busted(bust, money)),
        AccountEvent::DealRepriced { reprice, .. } => ("deal_repriced", repriced(reprice, money)),
        AccountEvent::LeverageChanged { from, to, .. } => {
            ("leverage_changed", json!({ "from": from, "to": to }))
        }
        AccountEvent::ControlsChanged { .. } => ("controls_changed", json!({})),
        AccountEvent::AccountOpened { .. }
        | AccountEvent::FundsAdjusted { .. }
        | AccountEvent::DepositRequested { .. }
        | AccountEvent::DepositApproved { .. }
        | AccountEvent::DepositCompleted { .. }
        | AccountEvent::DepositRejected { .. }
        | AccountEvent::DepositCancelled { .. }
        | AccountEvent::WithdrawalRequested { .. }
        | AccountEvent::WithdrawalApproved { .. }
        | AccountEvent::WithdrawalCompleted { .. }
        | AccountEvent::WithdrawalRejected { .. }
        | AccountEvent::WithdrawalCancelled { .. }
        | AccountEvent::OrderPlaced { .. }
        | AccountEvent::OrderRejected { .. }
        | AccountEvent::OrderModified { .. }
        | AccountEvent::OrderCancelled { .. }
        | AccountEvent::OrderExpired { .. }
        | AccountEvent::OrderTriggered { .. }
        | AccountEvent::OrderFilled { .. }
        | AccountEvent::OrderNetted { .. }
        | AccountEvent::PositionOpened { .. }
        | AccountEvent::PositionIncreased { .. }
        | AccountEvent::PositionReduced { .. }
        | AccountEvent::PositionClosed { .. }
        | AccountEvent::ProtectionChanged { .. }
        | AccountEvent::SwapCharged { .. }
        | AccountEvent::StopOutStep { .. } => return None,
    })
}

/// How margin stood when a margin call was raised or a stop-out started.
fn margin(event: &AccountEvent, money: impl Fn(Decimal) -> String) -> Value {
    if let AccountEvent::MarginCallRaised {
        level,
        equity,
        used_margin,
        ..
    } = event
    {
        return json!({
            "marginLevel": number::two_decimals(*level),
            "equity": money(*equity),
            "usedMargin": money(*used_margin),
        });
    }
    let AccountEvent::StopOutStarted {
        level,
        usable,
        used_margin,
        ..
    } = event
    else {
        unreachable!("invariant: only called with one of these two")
    };
    json!({
        "marginLevel": level.map(number::two_decimals),
        "usable": money(*usable),
        "usedMargin": money(*used_margin),
    })
}

fn busted(bust: &BustedDeal, money: impl Fn(Decimal) -> String) -> Value {
    json!({
        "dealId": bust.deal_id,
        "positionId": bust.position_id,
        "symbol": bust.symbol,
        "amount": money(bust.funds.total()),
        "reason": bust.reason,
    })
}

fn repriced(reprice: &RepricedDeal, money: impl Fn(Decimal) -> String) -> Value {
    json!({
        "dealId": reprice.deal_id,
        "positionId": reprice.position_id,
        "symbol": reprice.symbol,
        "from": number::plain(reprice.from),
        "to": number::plain(reprice.to),
        "amount": money(reprice.funds.total()),
        "reason": reprice.reason,
    })
}
