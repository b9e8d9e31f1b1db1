//! Profit and loss, realised and unrealised.

use rust_decimal::Decimal;

use crate::{Currency, Market, account::Position, rules::Rules};

/// Unrealised profit of a position on the newest quotes, converted exactly as a close at this
/// moment would be, plus its accrued swap; rounded to the minor unit. None without quotes.
#[must_use]
pub fn unrealised(
    position: &Position,
    currency: Currency,
    market: &Market,
    rules: &Rules,
) -> Option<Decimal> {
    let _ = (position, currency, market, rules);
    todo!("domain")
}
