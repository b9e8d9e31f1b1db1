//! The instruments a new house starts with.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use super::{AssetClass, Availability, Commission, Instrument, SwapMode};
use crate::{Currency, Symbol, session::SessionPlan};

/// What differs between instruments of one kind.
type Row = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    Decimal,
    Decimal,
);

/// What the instruments of one kind share.
struct Kind {
    class: AssetClass,
    session: SessionPlan,
    digits: u32,
    contract_size: Decimal,
    volumes: [Decimal; 3],
    max_leverage: u32,
}

const fn dec(mantissa: u32, scale: u32) -> Decimal {
    Decimal::from_parts(mantissa, 0, 0, false, scale)
}

const fn less(mantissa: u32, scale: u32) -> Decimal {
    Decimal::from_parts(mantissa, 0, 0, true, scale)
}

const CENT_LOTS: [Decimal; 3] = [dec(1, 2), dec(1, 2), dec(100, 0)];

const FX: Kind = Kind {
    class: AssetClass::Fx,
    session: SessionPlan::Fx,
    digits: 5,
    contract_size: dec(100_000, 0),
    volumes: CENT_LOTS,
    max_leverage: 500,
};
const FX_JPY: Kind = Kind { digits: 3, ..FX };
const GOLD: Kind = Kind {
    class: AssetClass::Metal,
    session: SessionPlan::DailyBreak,
    digits: 2,
    contract_size: dec(100, 0),
    volumes: [dec(1, 2), dec(1, 2), dec(50, 0)],
    max_leverage: 200,
};
const SILVER: Kind = Kind {
    digits: 3,
    contract_size: dec(5_000, 0),
    max_leverage: 100,
    ..GOLD
};
const ENERGY: Kind = Kind {
    class: AssetClass::Energy,
    session: SessionPlan::DailyBreak,
    digits: 2,
    contract_size: dec(1_000, 0),
    volumes: CENT_LOTS,
    max_leverage: 100,
};
const INDEX_US: Kind = Kind {
    class: AssetClass::Index,
    session: SessionPlan::IndexUs,
    digits: 1,
    contract_size: Decimal::ONE,
    volumes: [dec(1, 1), dec(1, 1), dec(500, 0)],
    max_leverage: 200,
};
const INDEX_EU: Kind = Kind {
    session: SessionPlan::IndexEu,
    ..INDEX_US
};
const CRYPTO: Kind = Kind {
    class: AssetClass::Crypto,
    session: SessionPlan::Always,
    digits: 2,
    contract_size: Decimal::ONE,
    volumes: [dec(1, 3), dec(1, 3), dec(100, 0)],
    max_leverage: 20,
};
const RIPPLE: Kind = Kind {
    digits: 5,
    volumes: [Decimal::ONE, Decimal::ONE, dec(1_000_000, 0)],
    ..CRYPTO
};

/// Symbol, name, base, quote, swap of a long and of a short position in points a night.
#[rustfmt::skip]
const ROWS: [(&Kind, Row); 21] = [
    (&FX, ("EURUSD", "Euro / US Dollar", "EUR", "USD", less(72, 1), dec(31, 1))),
    (&FX, ("GBPUSD", "Pound Sterling / US Dollar", "GBP", "USD", less(36, 1), less(21, 1))),
    (&FX, ("AUDUSD", "Australian Dollar / US Dollar", "AUD", "USD", less(34, 1), less(12, 1))),
    (&FX, ("NZDUSD", "New Zealand Dollar / US Dollar", "NZD", "USD", less(31, 1), less(9, 1))),
    (&FX, ("USDCAD", "US Dollar / Canadian Dollar", "USD", "CAD", dec(24, 1), less(73, 1))),
    (&FX, ("USDCHF", "US Dollar / Swiss Franc", "USD", "CHF", dec(58, 1), less(112, 1))),
    (&FX, ("EURGBP", "Euro / Pound Sterling", "EUR", "GBP", less(64, 1), dec(19, 1))),
    (&FX_JPY, ("USDJPY", "US Dollar / Japanese Yen", "USD", "JPY", dec(118, 1), less(214, 1))),
    (&FX_JPY, ("EURJPY", "Euro / Japanese Yen", "EUR", "JPY", dec(76, 1), less(163, 1))),
    (&FX_JPY, ("GBPJPY", "Pound Sterling / Japanese Yen", "GBP", "JPY", dec(151, 1), less(278, 1))),
    (&GOLD, ("XAUUSD", "Gold / US Dollar", "XAU", "USD", less(384, 1), dec(195, 1))),
    (&SILVER, ("XAGUSD", "Silver / US Dollar", "XAG", "USD", less(46, 1), dec(21, 1))),
    (&ENERGY, ("WTI", "WTI Crude Oil", "WTI", "USD", less(18, 1), less(9, 1))),
    (&ENERGY, ("BRENT", "Brent Crude Oil", "BRENT", "USD", less(16, 1), less(11, 1))),
    (&INDEX_US, ("US500", "US 500 Index", "US500", "USD", less(112, 1), dec(34, 1))),
    (&INDEX_US, ("US100", "US Tech 100 Index", "US100", "USD", less(387, 1), dec(119, 1))),
    (&INDEX_EU, ("DE40", "Germany 40 Index", "DE40", "EUR", less(254, 1), dec(16, 1))),
    (&CRYPTO, ("BTCUSD", "Bitcoin / US Dollar", "BTC", "USD", less(3287, 0), less(822, 0))),
    (&CRYPTO, ("ETHUSD", "Ether / US Dollar", "ETH", "USD", less(127, 0), less(32, 0))),
    (&CRYPTO, ("SOLUSD", "Solana / US Dollar", "SOL", "USD", less(71, 1), less(18, 1))),
    (&RIPPLE, ("XRPUSD", "XRP / US Dollar", "XRP", "USD", less(88, 1), less(22, 1))),
];

/// All seeded instruments: FX, metals, energies, indices, crypto.
#[must_use]
pub fn seed() -> Vec<Instrument> {
    ROWS.iter()
        .map(|(kind, row)| instrument(kind, row))
        .collect()
}

fn instrument(kind: &Kind, row: &Row) -> Instrument {
    let (symbol, name, base, quote, swap_long, swap_short) = *row;
    let currency = |code| Currency::parse(code).expect("invariant: a seeded code is well-formed");
    let [min_volume, volume_step, max_volume] = kind.volumes;
    Instrument {
        symbol: Symbol::parse(symbol).expect("invariant: a seeded symbol is well-formed"),
        name: name.to_owned(),
        class: kind.class,
        base: currency(base),
        quote: currency(quote),
        digits: kind.digits,
        contract_size: kind.contract_size,
        min_volume,
        max_volume,
        volume_step,
        max_leverage: kind.max_leverage,
        leverage_tiers: Vec::new(),
        margin_rate: Decimal::ONE,
        margin_rate_sell: None,
        hedged_contract_size: Decimal::ZERO,
        max_exposure: None,
        spread_markup: Decimal::ZERO,
        slippage: Decimal::ZERO,
        slippage_per_lot: Decimal::ZERO,
        commission: Commission::default(),
        swap_long,
        swap_short,
        swap_mode: SwapMode::Points,
        swap_currency: None,
        swap_weights: None,
        trailing_step: None,
        session: kind.session,
        holidays: Vec::new(),
        groups: BTreeMap::new(),
        availability: Availability::Enabled,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(symbol: &str) -> Instrument {
        let found = seed()
            .into_iter()
            .find(|terms| terms.symbol.as_str() == symbol);
        found.unwrap()
    }

    #[test]
    fn every_seeded_symbol_is_there_once() {
        let mut symbols: Vec<_> = seed().iter().map(|terms| terms.symbol).collect();
        symbols.sort_unstable();
        symbols.dedup();
        assert_eq!(symbols.len(), ROWS.len());
    }

    #[test]
    fn the_terms_are_those_of_the_table() {
        let row = |symbol: &str| {
            let terms = find(symbol);
            let volumes = [terms.min_volume, terms.volume_step, terms.max_volume];
            let texts = volumes.map(|volume| volume.to_string()).join(" / ");
            (
                terms.digits,
                terms.contract_size.to_string(),
                texts,
                terms.max_leverage,
            )
        };
        let lots = "0.01 / 0.01 / 100".to_owned();
        assert_eq!(row("EURUSD"), (5, "100000".to_owned(), lots.clone(), 500));
        assert_eq!(row("GBPJPY"), (3, "100000".to_owned(), lots.clone(), 500));
        assert_eq!(
            row("XAUUSD"),
            (2, "100".to_owned(), "0.01 / 0.01 / 50".to_owned(), 200)
        );
        assert_eq!(
            row("XAGUSD"),
            (3, "5000".to_owned(), "0.01 / 0.01 / 50".to_owned(), 100)
        );
        assert_eq!(row("BRENT"), (2, "1000".to_owned(), lots, 100));
        assert_eq!(
            row("DE40"),
            (1, "1".to_owned(), "0.1 / 0.1 / 500".to_owned(), 200)
        );
        assert_eq!(
            row("BTCUSD"),
            (2, "1".to_owned(), "0.001 / 0.001 / 100".to_owned(), 20)
        );
        assert_eq!(
            row("XRPUSD"),
            (5, "1".to_owned(), "1 / 1 / 1000000".to_owned(), 20)
        );
        assert_eq!(find("DE40").quote, Currency::EUR);
    }
}
