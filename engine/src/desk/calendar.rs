//! Rollovers: which trading days have ended, and who has not seen it.
//!
//! An account sees every day once, in order, before anything else is decided on it; the others
//! follow some at a time, so that a desk full of accounts still takes its quotes. What a day
//! charges is idempotent in the domain: being asked twice does no harm.

use chrono::{Days, NaiveDate, NaiveTime};
use daybook_domain::{Account, AccountCommand, Timestamp, session::next_rollover};

use super::{Cause, Desk, Ledger};

/// Accounts rolled over between two looks at quotes and commands.
const SLICE: usize = 64;
/// Seats looked at for them.
const LOOKS: usize = 8_192;

/// Where the desk stands between two rollovers.
#[derive(Debug, Default)]
pub(super) struct Calendar {
    /// The last trading day that has ended; none before the desk has seen the time.
    ended: Option<NaiveDate>,
    next: Option<Timestamp>,
    /// The seat to look at next; none when everybody has seen the day.
    cursor: Option<usize>,
    /// Days up to this one were rolled over before the desk was there.
    rolled: Option<NaiveDate>,
}

impl Calendar {
    pub(super) fn after(rolled: Option<NaiveDate>) -> Self {
        Self {
            rolled,
            ..Self::default()
        }
    }

    /// Turns the page when a rollover has passed.
    pub(super) fn turn(&mut self, at: Timestamp) {
        if self.next.is_some_and(|next| at < next) {
            return;
        }
        let next = next_rollover(at);
        self.ended = day_of(next).pred_opt();
        self.next = Some(next);
        self.cursor = Some(0);
    }

    /// The first day that an account has not seen, as far as its state tells.
    pub(super) fn first_due(&self, account: &Account) -> NaiveDate {
        let positions = account.positions.iter();
        let swaps = positions.map(|position| match position.swap_day {
            Some(day) => following(day),
            None => day_of(next_rollover(position.opened_at)),
        });
        let started = account.risk.day.iter().map(|day| day.day);
        let first = swaps.chain(started).min().unwrap_or(NaiveDate::MIN);
        self.rolled
            .map_or(first, |rolled| first.max(following(rolled)))
    }
}

impl Desk {
    /// The last trading day whose rollover every account at the desk has seen.
    #[must_use]
    pub fn rolled_through(&self) -> Option<NaiveDate> {
        self.calendar.ended.filter(|_| !self.is_rolling())
    }

    /// Whether accounts wait for their rollover.
    #[must_use]
    pub const fn is_rolling(&self) -> bool {
        self.calendar.cursor.is_some()
    }

    /// A slice of the rollover.
    pub(super) fn roll_over(&mut self, at: Timestamp, ledger: &mut impl Ledger) {
        let Some(mut cursor) = self.calendar.cursor else {
            return;
        };
        let last = cursor.saturating_add(LOOKS).min(self.seats.len());
        let mut done = 0;
        while cursor < last && done < SLICE {
            let number = u32::try_from(cursor);
            let number = number.expect("invariant: a desk seats fewer than 2^32 accounts");
            done += usize::from(self.catch_up(number, at, ledger));
            cursor += 1;
        }
        self.calendar.cursor = (cursor < self.seats.len()).then_some(cursor);
    }

    /// Rolls an account over the days that it has not seen. Says whether there were any.
    pub(super) fn catch_up(
        &mut self,
        number: u32,
        at: Timestamp,
        ledger: &mut impl Ledger,
    ) -> bool {
        let Some(ended) = self.calendar.ended else {
            return false;
        };
        let mut was_due = false;
        while let Some(day) = self.next_due(number, ended) {
            was_due = true;
            let command = AccountCommand::RollOver { day };
            let instant = rollover_of(day);
            let market = self.history.market_at(instant, &self.market);
            self.act_on(
                number,
                &command,
                Cause::Rollover,
                market.as_ref(),
                at,
                ledger,
            );
        }
        was_due
    }

    /// The next day that an account has to see, which it has seen from now on.
    fn next_due(&mut self, number: u32, ended: NaiveDate) -> Option<NaiveDate> {
        let seated = self.seats.get_mut(number as usize)?.as_mut()?;
        if seated.due_from > ended {
            return None;
        }
        let account = &seated.account;
        if !account.positions.is_empty() {
            let day = seated.due_from;
            seated.due_from = following(day);
            return Some(day);
        }
        seated.due_from = following(ended);
        // Nothing is charged on days without positions: the day that begins now is all that counts.
        account.risk.day.is_some().then_some(ended)
    }
}

/// The New York date of a rollover. It is at 21:00 or 22:00 UTC of that very date.
fn day_of(rollover: Timestamp) -> NaiveDate {
    rollover.date_naive()
}

/// The instant at which a trading day ends.
fn rollover_of(day: NaiveDate) -> Timestamp {
    const NOON: NaiveTime = NaiveTime::from_hms_opt(12, 0, 0).expect("noon is a time");
    next_rollover(day.and_time(NOON).and_utc())
}

fn following(day: NaiveDate) -> NaiveDate {
    day.checked_add_days(Days::new(1)).unwrap_or(NaiveDate::MAX)
}
