//! Swap, margin call, stop-out and negative balances.

use chrono::{Datelike, Days, NaiveDate};
use daybook_domain::{
    Account, AccountEvent, Decimal, PositionId,
    account::event::{FundsChange, StopOutAction, SwapCharge},
    instrument::SwapMode,
    quote::Side,
    rules::StopOutRule,
};

use super::{Scene, is_convertible, is_dealable, is_stopped_out, law, level, terms_of};
use crate::sums::{self, converted, money, opposite, sells};

/// The right amount, once for each position and day.
pub fn swap(scene: &Scene<'_>, before: &Account, charge: &SwapCharge) {
    let position = before
        .position(charge.position_id)
        .expect("swap without its position");
    let terms = terms_of(scene, before, position.symbol);
    let currency = before.terms.as_ref().unwrap().currency;
    law(
        "swap",
        position.swap_day.is_none_or(|day| day < charge.day),
        || format!("{charge:?}"),
    );
    let days = nights(terms.swap_weights().0, &terms.holidays, charge.day);
    law("swap", days > 0 && charge.days == days, || {
        format!("{days} nights, {charge:?}")
    });
    let rate = match position.side {
        Side::Buy => terms.swap_long,
        Side::Sell => terms.swap_short,
    };
    let lots = position.volume * position.contract_size;
    let quote = scene.market.quote(position.symbol);
    // Multiplied first, divided once.
    let (amount, from, divisor) = match terms.swap_mode {
        SwapMode::Points => (
            rate * Decimal::new(1, terms.digits) * lots,
            terms.quote,
            Decimal::ONE,
        ),
        SwapMode::Money => (
            rate * position.volume,
            terms.swap_currency.unwrap_or(terms.quote),
            Decimal::ONE,
        ),
        SwapMode::Percent => {
            let quote = quote.expect("percents of a price");
            let price = quote.price(opposite(position.side));
            (lots * price * rate, terms.quote, Decimal::from(36_000))
        }
    };
    let amount = amount * Decimal::from(days);
    let sells = sells(amount, opposite(position.side), scene.rules);
    let worth = converted(scene.market, amount, from, currency, sells);
    let expected = worth.map(|worth| money(currency, worth / divisor));
    law("swap", expected == Some(charge.amount), || {
        format!("{expected:?} is not {} of {charge:?}", charge.amount)
    });
}

/// A day's weight and that of the holidays right after it; nothing on a holiday.
fn nights(weights: [u32; 7], holidays: &[NaiveDate], day: NaiveDate) -> u32 {
    let weight = |day: NaiveDate| weights[day.weekday().num_days_from_monday() as usize];
    if holidays.contains(&day) {
        return 0;
    }
    let mut nights = weight(day);
    let mut next = day + Days::new(1);
    loop {
        let is_weekend = weight(next) == 0 && next.weekday().num_days_from_monday() >= 5;
        if holidays.contains(&next) {
            nights += weight(next);
        } else if !is_weekend {
            return nights;
        }
        next = next + Days::new(1);
    }
}

/// Raised at or below its level, cleared at or above another.
pub fn margin_call(scene: &Scene<'_>, before: &Account, raised: bool) {
    law("margin call", before.risk.margin_called != raised, || {
        format!("{raised} twice")
    });
    let level = level(before, scene.market, scene.rules).expect("an account of known worth");
    let holds = match (raised, level) {
        (true, Some(level)) => scene
            .rules
            .margin_call_level
            .is_some_and(|call| level <= call),
        (true, None) => false,
        (false, Some(level)) => level >= scene.rules.margin_call_clear_level,
        (false, None) => true,
    };
    law("margin call", holds, || {
        format!("raised {raised} at {level:?}")
    });
}

/// Starts only where it is due, closes in its order, and ends above the threshold or with nothing
/// left that could be closed.
pub fn stop_out(scene: &Scene<'_>, start: usize) {
    let (market, rules) = (scene.market, scene.rules);
    let started = &scene.states[start];
    law("stop-out", is_stopped_out(started, market, rules), || {
        "nothing was due".to_owned()
    });
    let mut ended = None;
    for (index, event) in scene.decision.events.iter().enumerate().skip(start) {
        match event {
            AccountEvent::StopOutStep {
                action,
                level_before,
                level_after,
                ..
            } => {
                let (before, after) = (&scene.states[index - 1], &scene.states[index]);
                let told = |account| level(account, market, rules).map(|it| it.map(percent));
                law("stop-out", told(before) == Some(*level_before), || {
                    format!("{level_before:?} before, not {:?}", told(before))
                });
                law("stop-out", told(after) == Some(*level_after), || {
                    format!("{level_after:?} after, not {:?}", told(after))
                });
                law("stop-out", is_stopped_out(before, market, rules), || {
                    format!("a step at {level_before:?}")
                });
                chosen(scene, before, after, *action);
            }
            AccountEvent::StopOutFinished { .. } => ended = Some(&scene.states[index]),
            _ => {}
        }
    }
    let ended = ended.expect("law broken: stop-out: started and never finished");
    let is_over = !is_stopped_out(ended, market, rules) || closable(scene, ended).is_empty();
    law("stop-out", is_over, || {
        format!(
            "ends at {:?} with something left to close",
            level(ended, market, rules)
        )
    });
}

fn percent(level: Decimal) -> Decimal {
    let strategy = rust_decimal::RoundingStrategy::MidpointAwayFromZero;
    level.round_dp_with_strategy(2, strategy)
}

/// Positions that could be closed now.
pub fn closable(scene: &Scene<'_>, account: &Account) -> Vec<PositionId> {
    let positions = account.positions.iter().filter(|position| {
        let terms = terms_of(scene, account, position.symbol);
        is_dealable(scene.market, scene.rules, terms, scene.at)
            && is_convertible(account, terms, scene.market)
    });
    positions.map(|position| position.position_id).collect()
}

/// Whether a step closed what its rule says.
fn chosen(scene: &Scene<'_>, before: &Account, after: &Account, action: StopOutAction) {
    let closable = closable(scene, before);
    let closed = match action {
        StopOutAction::Close { position_id } | StopOutAction::Reduce { position_id, .. } => {
            position_id
        }
    };
    law("stop-out", closable.contains(&closed), || {
        format!("{closed} could not be closed")
    });
    let of = |id: PositionId, what: fn(&Scene<'_>, &Account, PositionId) -> Decimal| {
        what(scene, before, id)
    };
    match scene.rules.stop_out {
        StopOutRule::Mt5 => {
            let least = closable.iter().map(|id| of(*id, profit)).min().unwrap();
            law("stop-out", of(closed, profit) == least, || {
                format!("{closed} is no worst loss")
            });
        }
        StopOutRule::Fair => {
            let most = closable.iter().map(|id| of(*id, margin)).max().unwrap();
            law("stop-out", of(closed, margin) == most, || {
                format!("{closed} has less margin")
            });
        }
        StopOutRule::Smart => {
            let is_part = after.position(closed).is_some();
            let cured = !is_stopped_out(after, scene.market, scene.rules);
            law("stop-out", cured || !is_part, || {
                "a part that was not enough".to_owned()
            });
        }
        StopOutRule::Off => panic!("law broken: stop-out: it is off"),
    }
}

fn profit(scene: &Scene<'_>, account: &Account, id: PositionId) -> Decimal {
    let mut alone = account.clone();
    alone
        .positions
        .retain(|position| position.position_id == id);
    alone.funds = Default::default();
    sums::equity(&alone, scene.market, scene.rules).unwrap()
}

fn margin(_: &Scene<'_>, account: &Account, id: PositionId) -> Decimal {
    let mut alone = account.clone();
    alone
        .positions
        .retain(|position| position.position_id == id);
    sums::used_margin(&alone)
}

/// Nothing is open, the balance was below zero, and is zero now.
pub fn compensated(before: &Account, funds: &FundsChange) {
    let kind = before.terms.as_ref().unwrap().kind;
    let was = before.funds.tradable(kind);
    let holds =
        before.positions.is_empty() && was < Decimal::ZERO && was + funds.total() == Decimal::ZERO;
    law("negative balance", holds, || format!("{was} by {funds:?}"));
    law("negative balance", before.funds.held.is_zero(), || {
        format!("{} was still held", before.funds.held)
    });
}
