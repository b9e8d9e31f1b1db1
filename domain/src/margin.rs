//! Margin and the account's figures. Formulas: DOMAIN, "Money at work" and "Funds".

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::{
    Currency, Market,
    account::{AccountKind, Funds, Position},
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
    /// 1:`leverage`.
    pub leverage: u32,
    /// Money.
    pub funds: &'a Funds,
    /// Open positions.
    pub positions: &'a [Position],
}

/// Computes the figures on the newest quotes.
#[must_use]
pub fn figures(input: FiguresInput<'_>, market: &Market, rules: &Rules) -> Figures {
    let _ = (input, market, rules);
    todo!("domain")
}

/// Required margin of one position, rounded: `notional · R / min(L_account, L_instrument)`.
#[must_use]
pub fn position_margin(position: &Position, leverage: u32, currency: Currency) -> Decimal {
    let _ = (position, leverage, currency);
    todo!("domain")
}
