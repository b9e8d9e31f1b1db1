//! The one table between our instruments and the provider: names, what the provider says about
//! them, and how each one moves.
//!
//! `EURUSD` is `EUR/USD` there: currencies, metals and crypto are always `base/quote`. Energies
//! and indices have names of their own, so those are listed by hand. The level, volatility and
//! pace feed the simulator; the spread is also what stands in for bid and ask where the provider
//! sends a price alone.

use daybook_domain::{Decimal, Instrument, instrument::AssetClass};

/// One instrument as the provider knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// The provider's name, `EUR/USD`.
    pub provider_symbol: String,
    /// The provider's exchange, `FOREX`.
    pub exchange: &'static str,
    /// The provider's kind, `Physical Currency`.
    pub kind: &'static str,
    /// What is priced, in the provider's words: `Gold Spot`.
    pub base_name: String,
    /// The price's currency, in the provider's words: `US Dollar`.
    pub quote_name: &'static str,
    /// A price of 2026, in points.
    pub level_points: i64,
    /// Typical distance of bid and ask, in points.
    pub spread_points: i64,
    /// Typical move of a day, in basis points of the price.
    pub daily_volatility_bps: i64,
    /// Milliseconds from one price to the next, on average.
    pub pace_ms: i64,
}

struct Row {
    symbol: &'static str,
    /// Empty: `base/quote`.
    provider_symbol: &'static str,
    /// Mantissa and decimals of a price of 2026.
    level: (i64, u32),
    spread_points: i64,
    daily_volatility_bps: i64,
    pace_ms: i64,
}

const fn row(
    symbol: &'static str,
    provider_symbol: &'static str,
    level: (i64, u32),
    spread_points: i64,
    daily_volatility_bps: i64,
    pace_ms: i64,
) -> Row {
    Row {
        symbol,
        provider_symbol,
        level,
        spread_points,
        daily_volatility_bps,
        pace_ms,
    }
}

#[rustfmt::skip]
const ROWS: &[Row] = &[
    //  ours      theirs     level           spread  bps/day  pace
    row("EURUSD", "",        (117_500, 5),        8,     45,   250),
    row("GBPUSD", "",        (134_800, 5),       11,     50,   300),
    row("AUDUSD", "",        ( 66_400, 5),       10,     60,   350),
    row("NZDUSD", "",        ( 58_000, 5),       14,     60,   450),
    row("USDCAD", "",        (137_600, 5),       13,     40,   400),
    row("USDCHF", "",        ( 79_400, 5),       12,     50,   400),
    row("EURGBP", "",        ( 87_100, 5),       12,     35,   450),
    row("USDJPY", "",        (156_000, 3),        9,     60,   250),
    row("EURJPY", "",        (183_300, 3),       16,     60,   400),
    row("GBPJPY", "",        (210_300, 3),       25,     65,   400),
    row("XAUUSD", "",        (432_000, 2),      28,    110,   250),
    row("XAGUSD", "",        (65_400, 3),        26,    210,   400),
    row("WTI",    "WTI/USD", (5_860, 2),          3,    220,   700),
    row("BRENT",  "XBR/USD", (6_230, 2),          4,    210,   700),
    row("US500",  "SPX",     (68_800, 1),        5,     95,   400),
    row("US100",  "NDX",     (253_000, 1),      14,    130,   400),
    row("DE40",   "GDAXI",   (244_000, 1),      12,    105,   500),
    row("BTCUSD", "",        (8_850_000, 2),  1_600,    250,   300),
    row("ETHUSD", "",        (298_000, 2),     110,    340,   300),
    row("SOLUSD", "",        (12_650, 2),         5,    430,   400),
    row("XRPUSD", "",        (189_000, 5),       80,    420,   500),
];

const UNLISTED: Row = row("", "", (100, 0), 20, 100, 1_000);

/// The instrument's place in the table; one that is not listed gets its class's usual manner.
#[must_use]
pub fn listing(instrument: &Instrument) -> Listing {
    let symbol = instrument.symbol;
    let row = ROWS.iter().find(|row| row.symbol == symbol.as_str());
    let row = row.unwrap_or(&UNLISTED);
    let provider_symbol = match (row.provider_symbol, instrument.class) {
        ("", AssetClass::Index) => symbol.to_string(),
        ("", AssetClass::Fx | AssetClass::Metal | AssetClass::Energy | AssetClass::Crypto) => {
            format!("{}/{}", instrument.base, instrument.quote)
        }
        (named, _) => named.to_owned(),
    };
    let (exchange, kind) = provider_kind(instrument.class);
    Listing {
        provider_symbol,
        exchange,
        kind,
        base_name: base_name(instrument),
        quote_name: currency_name(instrument.quote.as_str()).unwrap_or("Unknown"),
        level_points: points(row.level, instrument.digits),
        spread_points: row.spread_points,
        daily_volatility_bps: row.daily_volatility_bps,
        pace_ms: row.pace_ms,
    }
}

/// Half the typical distance of bid and ask, as a price.
#[must_use]
pub fn half_spread(instrument: &Instrument) -> Decimal {
    let spread = Decimal::from(listing(instrument).spread_points) * instrument.point();
    spread / Decimal::TWO
}

const fn provider_kind(class: AssetClass) -> (&'static str, &'static str) {
    match class {
        AssetClass::Fx | AssetClass::Metal => ("FOREX", "Physical Currency"),
        AssetClass::Energy => ("COMMODITY", "Energy"),
        AssetClass::Index => ("INDEX", "Index"),
        AssetClass::Crypto => ("Coinbase Pro", "Digital Currency"),
    }
}

/// A level in points of an instrument that may have other digits than the table.
fn points((mantissa, decimals): (i64, u32), digits: u32) -> i64 {
    if digits >= decimals {
        mantissa * 10_i64.pow(digits - decimals)
    } else {
        mantissa / 10_i64.pow(decimals - digits)
    }
}

fn base_name(instrument: &Instrument) -> String {
    let named = currency_name(instrument.base.as_str());
    named.map_or_else(|| instrument.name.clone(), str::to_owned)
}

fn currency_name(code: &str) -> Option<&'static str> {
    let name = match code {
        "USD" => "US Dollar",
        "EUR" => "Euro",
        "GBP" => "British Pound",
        "JPY" => "Japanese Yen",
        "CHF" => "Swiss Franc",
        "CAD" => "Canadian Dollar",
        "AUD" => "Australian Dollar",
        "NZD" => "New Zealand Dollar",
        "XAU" => "Gold Spot",
        "XAG" => "Silver Spot",
        "BTC" => "Bitcoin",
        "ETH" => "Ethereum",
        "SOL" => "Solana",
        "XRP" => "XRP",
        _ => return None,
    };
    Some(name)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::testing::instrument;

    #[test]
    fn pairs_are_written_with_a_slash_and_others_by_the_providers_name() {
        let name = |symbol| listing(&instrument(symbol)).provider_symbol;
        assert_eq!(name("EURUSD"), "EUR/USD");
        assert_eq!(name("XAUUSD"), "XAU/USD");
        assert_eq!(name("BTCUSD"), "BTC/USD");
        assert_eq!(name("WTI"), "WTI/USD");
        assert_eq!(name("BRENT"), "XBR/USD");
        assert_eq!(name("US500"), "SPX");
    }

    #[test]
    fn every_seeded_instrument_is_listed_under_a_name_of_its_own() {
        let seeded = daybook_domain::instrument::seed();
        let mut names = HashSet::new();
        for instrument in &seeded {
            let is_listed = ROWS
                .iter()
                .any(|row| row.symbol == instrument.symbol.as_str());
            assert!(is_listed, "{} has no row", instrument.symbol);
            assert!(names.insert(listing(instrument).provider_symbol));
        }
        assert_eq!(names.len(), ROWS.len());
    }

    #[test]
    fn levels_and_spreads_follow_the_instruments_digits() {
        let mut euro = instrument("EURUSD");
        assert_eq!(listing(&euro).level_points, 117_500);
        assert_eq!(half_spread(&euro), "0.00004".parse().unwrap());
        euro.digits = 3;
        assert_eq!(listing(&euro).level_points, 1_175);
    }

    #[test]
    fn an_instrument_outside_the_table_is_named_by_its_currencies() {
        let mut lira = instrument("EURUSD");
        lira.symbol = "USDTRY".parse().unwrap();
        lira.base = "USD".parse().unwrap();
        lira.quote = "TRY".parse().unwrap();
        assert_eq!(listing(&lira).provider_symbol, "USD/TRY");
        assert!(listing(&lira).level_points > 0);
    }
}
