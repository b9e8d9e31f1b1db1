//! Rollovers: which trading days have ended, and who has not seen it.
//!
//! An account sees every day once, in order, before anything else is decided on it; the others
//! follow some at a time, so that a desk full of accounts still takes its quotes. What a day
//! charges is idempotent in the domain: being asked twice does no harm. What cannot be charged yet,
//! for want of a quote, is asked about again.

use chrono::{Days, Duration, NaiveDate};
use daybook_domain::{
    Account, AccountCommand, Timestamp,
    session::{next_rollover, rollover_of, trading_day},
};

use super::{Cause, Desk, Ledger, act::Acted};

/// Accounts rolled over between two looks at quotes and commands.
const SLICE: usize = 64;
/// Seats looked at for them.
const LOOKS: usize = 8_192;
/// Pause before those are asked again who could not be charged.
const RETRY_AFTER: Duration = Duration::seconds(1);

/// Where the desk stands between two rollovers.
#[derive(Debug, Default)]
pub(super) struct Calendar {
    /// The last trading day that has ended; none before the desk has seen the time.
    ended: Option<NaiveDate>,
    next: Option<Timestamp>,
    /// The seat to look at next; none when everybody has seen the day.
    cursor: Option<usize>,
    /// Somebody could not be charged: when to go through all seats again.
    retry_at: Option<Timestamp>,
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
            let is_over = self.cursor.is_none() && self.retry_at.is_some_and(|retry| at >= retry);
            if is_over {
                self.retry_at = None;
                self.cursor = Some(0);
            }
            return;
        }
        self.ended = trading_day(at).pred_opt();
        self.next = Some(next_rollover(at));
        self.cursor = Some(0);
    }

    /// The first day that an account has not seen, as far as its state tells.
    pub(super) fn first_due(&self, account: &Account) -> NaiveDate {
        let positions = account.positions.iter();
        let swaps = positions.map(|position| match position.swap_day {
            Some(day) => following(day),
            None => trading_day(position.opened_at),
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
        let is_done = !self.is_rolling() && self.calendar.retry_at.is_none();
        self.calendar.ended.filter(|_| is_done)
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
            let market = self.history.market_at(rollover_of(day), &self.market);
            let cause = Cause::Rollover;
            match self.act_on(number, &command, cause, market.as_ref(), at, ledger) {
                Acted::Yes | Acted::No => self.saw(number, day),
                Acted::Refused => {
                    self.calendar.retry_at.get_or_insert(at + RETRY_AFTER);
                    break;
                }
                Acted::Gone => break,
            }
        }
        was_due
    }

    /// The next day that an account has to see. One that holds nothing has seen them all.
    fn next_due(&mut self, number: u32, ended: NaiveDate) -> Option<NaiveDate> {
        let seated = self.seats.get_mut(number as usize)?.as_mut()?;
        if seated.due_from > ended {
            return None;
        }
        let account = &seated.account;
        if !account.positions.is_empty() {
            return Some(seated.due_from);
        }
        // Nothing is charged on days without positions: the day that begins now is all that counts.
        if account.risk.day.is_some() {
            return Some(ended);
        }
        seated.due_from = following(ended);
        None
    }

    fn saw(&mut self, number: u32, day: NaiveDate) {
        if let Some(Some(seated)) = self.seats.get_mut(number as usize) {
            seated.due_from = following(day);
        }
    }
}

fn following(day: NaiveDate) -> NaiveDate {
    day.checked_add_days(Days::new(1)).unwrap_or(NaiveDate::MAX)
}
