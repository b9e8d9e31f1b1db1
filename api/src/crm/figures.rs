//! An account's figures in the shape that the CRM knows.

use daybook_domain::{
    AccountId, Decimal,
    account::{AccountTerms, Funds},
    margin::Figures,
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::number;

/// An account's money and margin.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FiguresBody {
    #[schema(example = "01997d0a-5a3e-7d31-9a53-0a4f2f1c7a13")]
    id: String,
    #[schema(example = "950.00")]
    real_balance: String,
    #[schema(example = "0.00")]
    demo_balance: String,
    #[schema(example = "0.00")]
    bonus_balance: String,
    /// The sum of the three.
    #[schema(example = "950.00")]
    balance: String,
    #[schema(example = 100)]
    leverage: u32,
    #[schema(example = "USD")]
    currency: String,
    /// Null where a position has no quote.
    #[schema(example = "950.00")]
    equity: Option<String>,
    /// Used by open positions.
    #[schema(example = "0.00")]
    margin: String,
    /// In percent; `0.00` without positions, null where one has no quote.
    #[schema(example = "0.00")]
    margin_level: Option<String>,
    #[schema(example = "01997d0a-5a3e-7d31-9a53-0a4f2f1c7a00")]
    client_id: String,
}

impl FiguresBody {
    pub(super) fn of(
        id: AccountId,
        terms: &AccountTerms,
        funds: &Funds,
        figures: &Figures,
        is_flat: bool,
    ) -> Self {
        let money = |value| number::money(value, terms.currency);
        let level = figures.margin_level.or_else(|| {
            // Positions that use no margin have no level either.
            (is_flat || figures.equity.is_some()).then_some(Decimal::ZERO)
        });
        Self {
            id: id.to_string(),
            real_balance: money(funds.real),
            demo_balance: money(funds.demo),
            bonus_balance: money(funds.bonus),
            balance: money(figures.balance),
            leverage: terms.leverage,
            currency: terms.currency.to_string(),
            equity: figures.equity.map(money),
            margin: money(figures.used_margin),
            margin_level: level.map(number::two_decimals),
            client_id: terms.client_id.to_string(),
        }
    }
}
