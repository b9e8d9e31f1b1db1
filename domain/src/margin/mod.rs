//! Margin and the account's figures. Formulas: DOMAIN, "Money at work" and "Funds".

mod hedged;
mod thresholds;
mod watch;

pub use hedged::{Adding, Legs, checked_used_margin, increase, symbol_margin, used_margin};
use rust_decimal::{Decimal, RoundingStrategy};
use serde::{Deserialize, Serialize};
pub use thresholds::Thresholds;
pub use watch::{Watch, watch};

use crate::{
    AccountRejection, Currency, Instrument, Market,
    account::{AccountKind, Funds, Position, event::MarginBasis},
    instrument::AssetClass,
    market::Rate,
    profit,
    quote::Side,
    rules::Rules,
};

/// Everything an account shows at one moment, in its currency, rounded to the minor unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Figures {
    /// `real + demo + bonus`.
    pub balance: Decimal,
    /// What the account's kind trades on.
    pub tradable: Decimal,
    /// Sum of the rounded positions; none when a position has no quote.
    pub unrealised: Option<Decimal>,
    /// `tradable + unrealised`.
    pub equity: Option<Decimal>,
    /// Margin of the open positions.
    pub used_margin: Decimal,
    /// `equity − held − used_margin`.
    pub free_margin: Option<Decimal>,
    /// `(equity − held) / used_margin · 100`, two decimals; none without positions.
    pub margin_level: Option<Decimal>,
    /// `max(0, min(real − held, free_margin − bonus))`.
    pub withdrawable: Option<Decimal>,
}

/// What figures are computed from.
#[derive(Clone, Copy, Debug)]
pub struct FiguresInput<'a> {
    /// Live or demo.
    pub kind: AccountKind,
    /// The account's currency.
    pub currency: Currency,
    /// 1:`leverage`, the account's own limit taken into account ([`crate::Account::leverage`]).
    pub leverage: u32,
    /// The group whose terms it deals under.
    pub group: Option<&'a str>,
    /// Money.
    pub funds: &'a Funds,
    /// Open positions.
    pub positions: &'a [Position],
}

/// Computes the figures on the newest quotes.
#[must_use]
pub fn figures(input: FiguresInput<'_>, market: &Market, rules: &Rules) -> Figures {
    let FiguresInput {
        kind,
        currency,
        leverage,
        group,
        funds,
        positions,
    } = input;
    let tradable = funds.tradable(kind);
    let used_margin = used_margin(positions, leverage, currency);
    let unrealised = profit::unrealised_of_all(positions, currency, group, market, rules);
    let equity = unrealised.and_then(|profit| tradable.checked_add(profit));
    let usable = equity.and_then(|equity| equity.checked_sub(funds.held));
    let free_margin = usable.and_then(|usable| usable.checked_sub(used_margin));
    let withdrawable = free_margin.map(|free| {
        let most = (funds.real - funds.held).min(free - funds.bonus);
        most.max(Decimal::ZERO)
    });
    let money = |amount: Decimal| currency.round(amount);
    Figures {
        balance: money(funds.balance()),
        tradable: money(tradable),
        unrealised: unrealised.map(money),
        equity: equity.map(money),
        used_margin: money(used_margin),
        free_margin: free_margin.map(money),
        margin_level: usable.and_then(|usable| level(usable, used_margin)),
        withdrawable: withdrawable.map(money),
    }
}

/// `usable / used_margin · 100`, two decimals. None without margin in use.
#[must_use]
pub fn level(usable: Decimal, used_margin: Decimal) -> Option<Decimal> {
    if used_margin.is_zero() {
        return None;
    }
    let percent = usable
        .checked_mul(Decimal::ONE_HUNDRED)?
        .checked_div(used_margin)?;
    let mut rounded = percent.round_dp_with_strategy(2, RoundingStrategy::MidpointAwayFromZero);
    rounded.rescale(2);
    Some(rounded)
}

/// Required margin of one position by itself, rounded: `notional · R / min(L_account,
/// L_instrument)`. What opposite positions of its symbol set off is not in it.
///
/// A margin that does not fit 28 digits is the largest number: no position opens with one.
#[must_use]
pub fn position_margin(position: &Position, leverage: u32, currency: Currency) -> Decimal {
    required(&position.margin, position.volume, leverage, currency).unwrap_or(Decimal::MAX)
}

/// Margin of a volume on a basis, rounded to the minor unit. None when it does not fit 28 digits.
#[must_use]
pub fn required(
    basis: &MarginBasis,
    volume: Decimal,
    leverage: u32,
    currency: Currency,
) -> Option<Decimal> {
    let divisor = Decimal::from(leverage.min(basis.max_leverage));
    let margin = weighted(basis, volume)?.checked_div(divisor)?;
    Some(currency.round(margin))
}

/// `V · notional · R`, in the account's currency: a margin before it is divided by the leverage.
fn weighted(basis: &MarginBasis, volume: Decimal) -> Option<Decimal> {
    volume
        .checked_mul(basis.notional_per_lot)?
        .checked_mul(basis.margin_rate)
}

/// What one lot of a deal is worth in the account's currency, and the rate that says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Notional {
    /// `C · rate` (currency pairs) or `C · P · rate`, in the account's currency.
    pub per_lot: Decimal,
    /// From the base (currency pairs) or the quote currency into the account's.
    pub rate: Rate,
}

/// The notional of one lot dealt at `price`; conversion at ask for buys, bid for sells.
///
/// # Errors
/// `NoRate` when no quotes link the currencies, `Overflow` beyond 28 digits.
pub fn notional(
    instrument: &Instrument,
    price: Decimal,
    side: Side,
    currency: Currency,
    market: &Market,
) -> Result<Notional, AccountRejection> {
    let (from, units) = match instrument.class {
        AssetClass::Fx => (instrument.base, Some(instrument.contract_size)),
        AssetClass::Metal | AssetClass::Energy | AssetClass::Index | AssetClass::Crypto => (
            instrument.quote,
            instrument.contract_size.checked_mul(price),
        ),
    };
    let fixed_by_the_deal = from == instrument.base && currency == instrument.quote;
    let rate = if fixed_by_the_deal && from != currency {
        Rate::of_deal(instrument, price, side)
    } else {
        rate(market, from, currency, side)?
    };
    let per_lot = units.and_then(|units| rate.convert(units));
    let per_lot = per_lot.ok_or(AccountRejection::Overflow)?;
    Ok(Notional { per_lot, rate })
}

/// The rate between two currencies, or the refusal that names them.
pub(crate) fn rate(
    market: &Market,
    from: Currency,
    to: Currency,
    side: Side,
) -> Result<Rate, AccountRejection> {
    market
        .rate(from, to, side)
        .ok_or(AccountRejection::NoRate { from, to })
}
