//! Trading hours, in the exchange's time zone and aware of daylight saving.

use chrono::{DateTime, Datelike, Days, NaiveDate, NaiveTime, TimeZone, Timelike, Weekday};
use chrono_tz::{America::New_York, Europe::Berlin, Tz};
use serde::{Deserialize, Serialize};

use crate::{Instrument, Timestamp};

/// Which hours an instrument keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionPlan {
    /// Sunday 17:00 to Friday 17:00 New York.
    #[default]
    Fx,
    /// As FX, with the daily break 17:00–18:00 New York (metals, energies).
    DailyBreak,
    /// US index futures: Sunday 18:00 to Friday 17:00 New York, break 17:00–18:00.
    IndexUs,
    /// Xetra hours for DE40: Monday to Friday 08:00–22:00 Berlin.
    IndexEu,
    /// Around the clock (crypto).
    Always,
}

/// Whether a session is open, and until when that answer holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionState {
    /// Open for trading.
    pub open: bool,
    /// The next instant at which `open` changes; cache until then.
    pub until: Timestamp,
}

impl SessionPlan {
    /// Whether the session is open at an instant. One look-up of the zone's offset, so that a
    /// decision can afford it.
    #[must_use]
    pub fn is_open(self, at: Timestamp) -> bool {
        match self {
            Self::Always => true,
            Self::Fx => {
                let (day, hour) = local(at, New_York);
                match day {
                    Weekday::Sat => false,
                    Weekday::Sun => hour >= 17,
                    Weekday::Fri => hour < 17,
                    Weekday::Mon | Weekday::Tue | Weekday::Wed | Weekday::Thu => true,
                }
            }
            Self::DailyBreak | Self::IndexUs => {
                let (day, hour) = local(at, New_York);
                match day {
                    Weekday::Sat => false,
                    Weekday::Sun => hour >= 18,
                    Weekday::Fri => hour < 17,
                    Weekday::Mon | Weekday::Tue | Weekday::Wed | Weekday::Thu => hour != 17,
                }
            }
            Self::IndexEu => {
                let (day, hour) = local(at, Berlin);
                !matches!(day, Weekday::Sat | Weekday::Sun) && (8..22).contains(&hour)
            }
        }
    }

    /// The session at an instant, no day being a holiday.
    #[must_use]
    pub fn state(self, at: Timestamp) -> SessionState {
        self.state_with(at, &[])
    }

    /// The session at an instant, with these trading days as holidays.
    #[must_use]
    pub fn state_with(self, at: Timestamp, holidays: &[NaiveDate]) -> SessionState {
        let open = self.is_open_with(at, holidays);
        let (zone, hours): (Tz, &[u32]) = match self {
            Self::Always => (New_York, &[ROLLOVER_HOUR]),
            Self::Fx | Self::DailyBreak | Self::IndexUs => (New_York, &[17, 18]),
            Self::IndexEu => (Berlin, &[8, 22]),
        };
        let first = at.with_timezone(&zone).date_naive();
        let changes =
            |instant: &Timestamp| *instant > at && self.is_open_with(*instant, holidays) != open;
        // A week has every change there is; each holiday may put it off by a day, or a weekend.
        let days = 8 + 3 * holidays.len() as u64;
        let until = (0..days)
            .filter_map(|days| first.checked_add_days(Days::new(days)))
            .flat_map(|day| hours.iter().map(move |hour| instant(zone, day, *hour)))
            .find(changes);
        SessionState {
            open,
            until: until.unwrap_or(DateTime::<chrono::Utc>::MAX_UTC),
        }
    }

    /// Whether the session is open at an instant, with these trading days as holidays.
    #[must_use]
    pub fn is_open_with(self, at: Timestamp, holidays: &[NaiveDate]) -> bool {
        self.is_open(at) && (holidays.is_empty() || !holidays.contains(&self.day_of(at)))
    }

    /// The session's trading day at an instant: for New York's plans the day from rollover to
    /// rollover, named by the date on which it ends; for Xetra the date in Berlin.
    #[must_use]
    pub fn day_of(self, at: Timestamp) -> NaiveDate {
        match self {
            Self::Fx | Self::DailyBreak | Self::IndexUs | Self::Always => trading_day(at),
            Self::IndexEu => at.with_timezone(&Berlin).date_naive(),
        }
    }

    /// Whether a trading day has hours at all, no day being a holiday.
    #[must_use]
    pub fn trades_on(self, day: NaiveDate) -> bool {
        match self {
            Self::Always => true,
            Self::Fx | Self::DailyBreak | Self::IndexUs | Self::IndexEu => {
                !matches!(day.weekday(), Weekday::Sat | Weekday::Sun)
            }
        }
    }
}

impl Instrument {
    /// Whether its market is open, its holidays taken into account.
    #[must_use]
    pub fn is_open(&self, at: Timestamp) -> bool {
        self.session.is_open_with(at, &self.holidays)
    }

    /// Its session at an instant, its holidays taken into account.
    #[must_use]
    pub fn session_state(&self, at: Timestamp) -> SessionState {
        self.session.state_with(at, &self.holidays)
    }

    /// Whether a trading day is a holiday of its market.
    #[must_use]
    pub fn is_holiday(&self, day: NaiveDate) -> bool {
        self.holidays.contains(&day)
    }
}

/// The hour of the rollover in New York.
const ROLLOVER_HOUR: u32 = 17;

/// The rollover that ends a trading day: 17:00 New York on its date.
#[must_use]
pub fn rollover_of(day: NaiveDate) -> Timestamp {
    instant(New_York, day, ROLLOVER_HOUR)
}

/// The trading day at an instant, named by the date in New York on which it ends. The instant of
/// a rollover belongs to the day that begins with it.
#[must_use]
pub fn trading_day(at: Timestamp) -> NaiveDate {
    let local = at.with_timezone(&New_York);
    if local.hour() < ROLLOVER_HOUR {
        local.date_naive()
    } else {
        local.date_naive() + Days::new(1)
    }
}

/// The trading days that ended after one instant and at or before another, oldest first: those
/// whose rollover is still to be decided by whoever last looked at `after`.
pub fn days_ended(after: Timestamp, until: Timestamp) -> impl Iterator<Item = NaiveDate> {
    let first = trading_day(after);
    first
        .iter_days()
        .take_while(move |day| rollover_of(*day) <= until)
}

/// The next rollover (17:00 New York) strictly after `at`.
#[must_use]
pub fn next_rollover(at: Timestamp) -> Timestamp {
    rollover_of(trading_day(at))
}

fn local(at: Timestamp, zone: Tz) -> (Weekday, u32) {
    let local = at.with_timezone(&zone);
    (local.weekday(), local.hour())
}

/// A whole hour of a local day. Sessions change in the morning and the evening, clocks at night.
fn instant(zone: Tz, day: NaiveDate, hour: u32) -> Timestamp {
    let time = NaiveTime::from_hms_opt(hour, 0, 0).expect("invariant: an hour of the day");
    zone.from_local_datetime(&day.and_time(time))
        .single()
        .expect("invariant: no clock changes at a session's hour")
        .to_utc()
}

#[cfg(test)]
mod tests;
