//! Commission of a deal: per lot, per million or per mille of notional, with a minimum.

use rust_decimal::Decimal;

use crate::{
    AccountRejection, Currency, Instrument, Market, Rules,
    instrument::CommissionBasis,
    margin::{self, Notional},
    profit::conversion_side,
    quote::Side,
};

const MILLION: Decimal = Decimal::from_parts(1_000_000, 0, 0, false, 0);

/// The commission of one side of a deal, in the account's currency, rounded; never negative.
///
/// A share of notional is converted with the notional; a rate or a minimum that has a currency of
/// its own is an amount that the client pays, and converted as such.
///
/// # Errors
/// `NoRate` when no quotes link the currencies, `Overflow` beyond 28 digits.
pub fn commission(
    instrument: &Instrument,
    volume: Decimal,
    notional: &Notional,
    side: Side,
    currency: Currency,
    (market, rules): (&Market, &Rules),
) -> Result<Decimal, AccountRejection> {
    let terms = &instrument.commission;
    let converted = |amount: Decimal| {
        let rate = match terms.currency {
            None => notional.rate,
            Some(own) => {
                let side = conversion_side(-amount, side, rules);
                margin::rate(market, own, currency, side)?
            }
        };
        rate.convert(amount).ok_or(AccountRejection::Overflow)
    };
    let share = |divisor: Decimal| {
        let product = volume
            .checked_mul(notional.per_lot)
            .and_then(|worth| worth.checked_mul(terms.rate));
        product
            .and_then(|product| product.checked_div(divisor))
            .ok_or(AccountRejection::Overflow)
    };
    let due = match terms.basis {
        CommissionBasis::None => return Ok(Decimal::ZERO),
        CommissionBasis::PerLot => {
            let amount = volume.checked_mul(terms.rate);
            converted(amount.ok_or(AccountRejection::Overflow)?)?
        }
        CommissionBasis::PerMillion => share(MILLION)?,
        CommissionBasis::PerMille => share(Decimal::ONE_THOUSAND)?,
    };
    let least = if terms.minimum.is_zero() {
        Decimal::ZERO
    } else {
        converted(terms.minimum)?
    };
    Ok(currency.round(due.max(least).max(Decimal::ZERO)))
}
