//! How swap is quoted, and how many nights each weekday's rollover charges.

use chrono::{Datelike, NaiveDate};
use serde::{Deserialize, Serialize};

/// What an instrument's two swap figures are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SwapMode {
    /// Points of the price, a lot and night.
    #[default]
    Points,
    /// Money, a lot and night.
    Money,
    /// Percent of the notional a year of 360 days.
    Percent,
}

/// Nights charged by the rollover that ends each weekday, Monday first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SwapWeights(pub [u32; 7]);

impl SwapWeights {
    /// Currencies and what settles like them: Wednesday carries the weekend.
    pub const WEDNESDAY_THREE: Self = Self([1, 1, 3, 1, 1, 0, 0]);
    /// What never closes.
    pub const EVERY_DAY: Self = Self([1; 7]);

    /// The weight of a day.
    #[must_use]
    pub fn of(&self, day: NaiveDate) -> u32 {
        self.0[day.weekday().num_days_from_monday() as usize]
    }
}
