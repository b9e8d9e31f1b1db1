//! Swap: what holding a position over a rollover costs or pays.
//!
//! Exact until the end: one amount in the instrument's own currency for all nights charged,
//! converted once, rounded once.

use chrono::NaiveDate;
use rust_decimal::Decimal;

use crate::{
    AccountRejection, Currency, Instrument, Market, Rules, account::Position, instrument::SwapMode,
    margin, market::Rate, profit::conversion_side,
};

/// Days of a year of swap in percent.
const YEAR: Decimal = Decimal::from_parts(360, 0, 0, false, 0);

/// Swap of one position at one rollover.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Swap {
    /// The terms' figure for the position's side.
    pub rate: Decimal,
    /// The price that percents were taken of; none for points and money.
    pub price: Option<Decimal>,
    /// Conversion into the account's currency.
    pub conversion: Rate,
    /// Signed, in the account's currency, rounded; negative is a charge.
    pub amount: Decimal,
}

/// Nights that the rollover at the end of `day` charges. A holiday charges none and passes its
/// weight to the last trading day before it, over days without hours.
#[must_use]
pub fn nights(instrument: &Instrument, day: NaiveDate) -> u32 {
    if instrument.is_holiday(day) {
        return 0;
    }
    let weights = instrument.swap_weights();
    let own = weights.of(day);
    if !instrument.session.trades_on(day) {
        return own;
    }
    let later = day.iter_days().skip(1);
    let until_it_trades = later
        .take_while(|later| instrument.is_holiday(*later) || !instrument.session.trades_on(*later));
    let passed = until_it_trades
        .filter(|later| instrument.is_holiday(*later))
        .map(|holiday| weights.of(holiday));
    // As many days as there are holidays bound this; none of their weights is out of proportion.
    passed.fold(own, u32::saturating_add)
}

/// Swap of a position for a number of nights, on the newest quotes:
/// - points: `rate · point · V · C`, in quote currency;
/// - money: `rate · V`, in the swap's currency or, where it has none, in quote currency;
/// - percent: `P · V · C · rate / 100 / 360`, in quote currency, at the closing side of the quote.
///
/// # Errors
/// `NoQuote` for percents without a quote, `NoRate` when no quotes link the currencies, `Overflow`
/// beyond 28 digits.
pub fn swap(
    position: &Position,
    instrument: &Instrument,
    nights: u32,
    currency: Currency,
    (market, rules): (&Market, &Rules),
) -> Result<Swap, AccountRejection> {
    let rate = instrument.swap_of(position.side);
    let price = match instrument.swap_mode {
        SwapMode::Points | SwapMode::Money => None,
        SwapMode::Percent => {
            let quote = market.quote(position.symbol);
            let quote = quote.ok_or(AccountRejection::NoQuote(position.symbol))?;
            Some(quote.closing_price(position.side))
        }
    };
    let own = match instrument.swap_mode {
        SwapMode::Points | SwapMode::Percent => instrument.quote,
        SwapMode::Money => instrument.swap_currency.unwrap_or(instrument.quote),
    };
    let amount = in_own_currency(position, instrument, rate, price, nights);
    let amount = amount.ok_or(AccountRejection::Overflow)?;
    let side = conversion_side(amount, position.side.opposite(), rules);
    let conversion = margin::rate(market, own, currency, side)?;
    let amount = conversion.convert(amount);
    Ok(Swap {
        rate,
        price,
        conversion,
        amount: currency.round(amount.ok_or(AccountRejection::Overflow)?),
    })
}

fn in_own_currency(
    position: &Position,
    instrument: &Instrument,
    rate: Decimal,
    price: Option<Decimal>,
    nights: u32,
) -> Option<Decimal> {
    let nights = Decimal::from(nights);
    let lots = rate.checked_mul(position.volume)?.checked_mul(nights)?;
    match instrument.swap_mode {
        SwapMode::Money => Some(lots),
        SwapMode::Points => lots
            .checked_mul(position.contract_size)?
            .checked_mul(instrument.point()),
        SwapMode::Percent => lots
            .checked_mul(position.contract_size)?
            .checked_mul(price?)?
            .checked_div(Decimal::ONE_HUNDRED.checked_mul(YEAR)?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{instrument, session::SessionPlan};

    fn terms(session: SessionPlan, holidays: &[&str]) -> Instrument {
        let mut terms = instrument::seed().swap_remove(0);
        terms.session = session;
        terms.holidays = holidays.iter().map(|day| date(day)).collect();
        terms
    }

    fn date(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn week(terms: &Instrument, monday: &str) -> Vec<u32> {
        let days = date(monday).iter_days().take(7);
        days.map(|day| nights(terms, day)).collect()
    }

    #[test]
    fn wednesday_carries_the_weekend() {
        let fx = terms(SessionPlan::Fx, &[]);
        assert_eq!(week(&fx, "2026-07-13"), [1, 1, 3, 1, 1, 0, 0]);
    }

    #[test]
    fn crypto_is_charged_every_day() {
        let seed = instrument::seed();
        let mut instruments = seed.iter();
        let bitcoin = instruments.find(|terms| terms.symbol.as_str() == "BTCUSD");
        assert_eq!(week(bitcoin.unwrap(), "2026-07-13"), [1; 7]);
    }

    #[test]
    fn a_holiday_charges_nothing_and_passes_its_weight_back() {
        let wednesday = terms(SessionPlan::Fx, &["2026-07-15"]);
        assert_eq!(week(&wednesday, "2026-07-13"), [1, 4, 0, 1, 1, 0, 0]);
        let two_days = terms(SessionPlan::Fx, &["2026-07-15", "2026-07-16"]);
        assert_eq!(week(&two_days, "2026-07-13"), [1, 5, 0, 0, 1, 0, 0]);
    }

    #[test]
    fn the_holiday_of_a_monday_is_charged_on_the_friday_before() {
        let fx = terms(SessionPlan::Fx, &["2026-07-20"]);
        assert_eq!(week(&fx, "2026-07-13"), [1, 1, 3, 1, 2, 0, 0]);
        assert_eq!(week(&fx, "2026-07-20"), [0, 1, 3, 1, 1, 0, 0]);
    }

    #[test]
    fn no_night_is_lost_or_charged_twice() {
        let holidays = ["2026-12-25", "2026-12-24", "2026-12-28", "2027-01-01"];
        let plain = terms(SessionPlan::IndexEu, &[]);
        let festive = terms(SessionPlan::IndexEu, &holidays);
        let days = || date("2026-12-01").iter_days().take(60);
        let sum = |terms: &Instrument| days().map(|day| nights(terms, day)).sum::<u32>();
        assert_eq!(sum(&festive), sum(&plain));
    }
}
