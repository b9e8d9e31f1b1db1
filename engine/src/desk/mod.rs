//! The desk: accounts, market, trigger book and timers, and the order in which things happen
//! within one tick. Shards and scenarios run this very code; they differ in where decisions go.
//!
//! Within a tick: quote taken in, orders whose time has come expire, rollovers that are due,
//! triggers until none remains ([`Desk::quote`]); then the commands that were waiting, from the
//! caller; then margin call and stop-out ([`Desk::evaluate`]).

mod act;
mod calendar;
#[cfg(test)]
mod day_tests;
mod margin_watch;
#[cfg(test)]
mod table;
mod terms;
#[cfg(test)]
mod tests;
mod watches;

use std::{collections::HashMap, sync::Arc};

use chrono::NaiveDate;
use daybook_domain::{
    Account, AccountCommand, AccountId, Market, Quote, Rules, Symbol, Timestamp, account::Decision,
};
use uuid::Uuid;

pub use self::terms::TermsHistory;
use self::{calendar::Calendar, margin_watch::MarginWatch, watches::Watches};
use crate::trigger_book::Kind;

/// Why the desk decided something by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The market reached a level.
    Trigger(Kind),
    /// An order's time ran out.
    Expiry,
    /// A trading day ended.
    Rollover,
}

/// A decision that the desk made by itself.
#[derive(Debug)]
pub struct Act<'a> {
    /// Whose.
    pub account_id: AccountId,
    /// The account after it.
    pub account: &'a Account,
    /// What was decided on.
    pub command: &'a AccountCommand,
    /// Why.
    pub cause: Cause,
    /// The facts; never empty.
    pub decision: &'a Decision,
    /// When.
    pub at: Timestamp,
}

/// Where the desk's own decisions go, and where its identifiers come from.
pub trait Ledger {
    /// A new identifier.
    fn next_id(&mut self) -> Uuid;
    /// Takes down a decision that the desk has applied.
    fn record(&mut self, act: Act<'_>);
    /// Deciding panicked. The account is not at the desk any longer, and nothing of it is watched:
    /// the same quote would only make it panic again.
    fn quarantined(&mut self, account_id: AccountId, command: &AccountCommand);
}

struct Seated {
    id: AccountId,
    account: Account,
    /// The first trading day whose rollover it has not seen.
    due_from: NaiveDate,
}

/// Accounts under one market. Decisions are applied at once; whether they last is the caller's
/// concern, who takes an account away and brings it back reloaded when they do not.
pub struct Desk {
    market: Market,
    rules: Rules,
    /// By number, so that the trigger book names an account in four bytes.
    seats: Vec<Option<Box<Seated>>>,
    free: Vec<u32>,
    numbers: HashMap<AccountId, u32>,
    watches: Watches,
    margin: MarginWatch,
    calendar: Calendar,
    history: Arc<TermsHistory>,
}

impl Desk {
    /// A desk without accounts, whose instruments never had other terms.
    #[must_use]
    pub fn new(market: Market, rules: Rules) -> Self {
        let history = Arc::new(TermsHistory::of(market.instruments().cloned()));
        Self {
            market,
            rules,
            seats: Vec::new(),
            free: Vec::new(),
            numbers: HashMap::new(),
            watches: Watches::default(),
            margin: MarginWatch::default(),
            calendar: Calendar::default(),
            history,
        }
    }

    /// The same, with the terms of former days, for rollovers that were missed. Those up to
    /// `rolled` were not.
    #[must_use]
    pub fn with_history(self, history: Arc<TermsHistory>, rolled: Option<NaiveDate>) -> Self {
        Self {
            history,
            calendar: Calendar::after(rolled),
            ..self
        }
    }

    /// Terms and newest quotes.
    #[must_use]
    pub const fn market(&self) -> &Market {
        &self.market
    }

    /// The house rules.
    #[must_use]
    pub const fn rules(&self) -> &Rules {
        &self.rules
    }

    /// An account at the desk.
    #[must_use]
    pub fn account(&self, id: AccountId) -> Option<&Account> {
        let number = self.numbers.get(&id)?;
        Some(&self.seated(*number)?.account)
    }

    /// Levels of orders and protections watched, in all.
    #[must_use]
    pub fn levels(&self) -> usize {
        self.watches.len()
    }

    /// Levels of accounts' margin watched, in all.
    #[must_use]
    pub fn margin_levels(&self) -> usize {
        self.margin.len()
    }

    /// Seats an account and watches its levels. Call [`Desk::prepare`], [`Desk::settle`] and
    /// [`Desk::evaluate`] afterwards: market and time may have passed them meanwhile.
    pub fn seat(&mut self, id: AccountId, account: Account) {
        self.unseat(id);
        let due_from = self.calendar.first_due(&account);
        let seated = Box::new(Seated {
            id,
            account,
            due_from,
        });
        let number = match self.free.pop() {
            Some(number) => number,
            None => {
                self.seats.push(None);
                let count = u32::try_from(self.seats.len());
                count.expect("invariant: a desk seats fewer than 2^32 accounts") - 1
            }
        };
        self.watches
            .watch_account(number, &seated.account, &self.market);
        self.margin.mark(number);
        self.seats[number as usize] = Some(seated);
        self.numbers.insert(id, number);
    }

    /// Takes an account away; nothing of it is watched any longer.
    pub fn unseat(&mut self, id: AccountId) -> Option<Account> {
        let number = self.numbers.remove(&id)?;
        let seated = self.seats[number as usize].take()?;
        self.watches
            .unwatch_account(number, &seated.account, &self.market);
        self.margin.forget(number);
        self.free.push(number);
        Some(seated.account)
    }

    /// The part of a tick before the commands that were waiting. Call [`Desk::evaluate`] after
    /// these.
    pub fn quote(&mut self, quote: Quote, at: Timestamp, ledger: &mut impl Ledger) {
        let before = self.market.quote(quote.symbol).copied();
        let taken_in = self.market.take_in(quote, &self.rules);
        self.advance(at, ledger);
        if !taken_in {
            return;
        }
        let seats = &self.seats;
        self.watches.unpark(&quote, &self.market, |number| {
            let seated = seats.get(number as usize)?.as_ref()?;
            Some(&seated.account)
        });
        self.trigger(quote.symbol, before.as_ref(), at, ledger);
        self.settle(at, ledger);
        self.margin.take_in(&quote);
    }

    /// What time alone brings: orders expire, rollovers begin and go on, some accounts at a time.
    pub fn advance(&mut self, at: Timestamp, ledger: &mut impl Ledger) {
        while let Some((number, order_id)) = self.watches.pop_expired(at) {
            let command = AccountCommand::ExpireOrder { order_id };
            self.act(number, &command, Cause::Expiry, at, ledger);
        }
        self.calendar.turn(at);
        self.roll_over(at, ledger);
    }

    /// Brings one account up to date before something is decided on it: rollovers it has not seen.
    /// It may not be at the desk any longer afterwards.
    pub fn prepare(&mut self, id: AccountId, at: Timestamp, ledger: &mut impl Ledger) {
        if let Some(number) = self.numbers.get(&id) {
            self.catch_up(*number, at, ledger);
        }
    }

    /// Triggers what the newest quotes touch already among the levels that came since the last
    /// look: after commands, and after accounts were seated.
    pub fn settle(&mut self, at: Timestamp, ledger: &mut impl Ledger) {
        // A fill's new protection may be touched as well; each pass triggers at least one thing.
        loop {
            let changed = self.watches.take_changed();
            if changed.is_empty() {
                return;
            }
            for symbol in changed {
                self.trigger(symbol, None, at, ledger);
            }
        }
    }

    /// Decides a command and applies it. None: no such account at this desk. Call
    /// [`Desk::prepare`] before it; the caller records the decision, and then calls
    /// [`Desk::settle`] and [`Desk::evaluate`].
    pub fn execute(
        &mut self,
        id: AccountId,
        command: &AccountCommand,
        at: Timestamp,
    ) -> Option<Decision> {
        let number = *self.numbers.get(&id)?;
        self.decide(number, command, None, at)
    }

    fn trigger(
        &mut self,
        symbol: Symbol,
        before: Option<&Quote>,
        at: Timestamp,
        ledger: &mut impl Ledger,
    ) {
        let Some(quote) = self.market.quote(symbol).copied() else {
            return;
        };
        while let Some(waiter) = self.watches.pop_touched(&quote, before) {
            let may_act = !self.rules.confirm_triggers || self.watches.take_confirmed(&waiter);
            if may_act {
                let command = act::nomination(&waiter, ledger);
                let cause = Cause::Trigger(waiter.kind);
                self.catch_up(waiter.account, at, ledger);
                if self.act(waiter.account, &command, cause, at, ledger) {
                    continue;
                }
            }
            // It stays, and is tried on the next quote: never again on this one.
            if let Some(Some(seated)) = self.seats.get(waiter.account as usize) {
                self.watches
                    .park(symbol, waiter, &seated.account, &self.market);
            }
        }
    }

    fn seated(&self, number: u32) -> Option<&Seated> {
        self.seats.get(number as usize)?.as_deref()
    }
}
