//! The instruments a new house starts with.

use super::Instrument;

/// All seeded instruments: FX, metals, energies, indices, crypto.
#[must_use]
pub fn seed() -> Vec<Instrument> {
    todo!("domain")
}
