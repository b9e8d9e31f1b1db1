//! Instruments for the tests of this crate.

use daybook_domain::Instrument;

/// A seeded instrument.
pub(crate) fn instrument(symbol: &str) -> Instrument {
    let seeded = daybook_domain::instrument::seed();
    let found = seeded
        .into_iter()
        .find(|instrument| instrument.symbol.as_str() == symbol);
    found.unwrap_or_else(|| panic!("{symbol} is not seeded"))
}
