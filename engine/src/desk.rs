//! The desk: accounts, market, trigger book and timer, and the order in which things happen within
//! one tick. Shards and scenarios run this very code; they differ in where decisions go.
//!
//! Within a tick: quote taken in, orders whose time has come expire, triggers until none remains;
//! commands that were waiting come after it, from the caller.

use std::collections::HashMap;

use daybook_domain::{
    Account, AccountCommand, AccountEvent, AccountId, DealId, Market, OrderId, PositionId, Quote,
    Rules, Symbol, Timestamp,
    account::{Context, Decision},
};
use uuid::Uuid;

use crate::{
    trigger_book::{Kind, Waiter},
    watches::Watches,
};

/// Why the desk decided something by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The market reached a level.
    Trigger(Kind),
    /// An order's time ran out.
    Expiry,
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
}

/// Decides a command. [`Account::decide`], but where a test has to see that a wrong one is caught.
pub type Decider = fn(&Account, &AccountCommand, &Context<'_>) -> Decision;

struct Seated {
    id: AccountId,
    account: Account,
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
    decider: Decider,
}

impl Desk {
    /// A desk without accounts.
    #[must_use]
    pub fn new(market: Market, rules: Rules) -> Self {
        Self {
            market,
            rules,
            seats: Vec::new(),
            free: Vec::new(),
            numbers: HashMap::new(),
            watches: Watches::default(),
            decider: Account::decide,
        }
    }

    /// The same desk with another decider.
    #[must_use]
    pub fn with_decider(mut self, decider: Decider) -> Self {
        self.decider = decider;
        self
    }

    /// Puts new terms in force.
    pub fn set_instrument(
        &mut self,
        terms: std::sync::Arc<daybook_domain::Instrument>,
        _at: Timestamp,
    ) {
        self.market.set_instrument(terms);
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

    /// Levels watched, in all.
    #[must_use]
    pub fn levels(&self) -> usize {
        self.watches.len()
    }

    /// Seats an account and watches its levels. Call [`Desk::settle`] afterwards: the market may
    /// have passed them meanwhile.
    pub fn seat(&mut self, id: AccountId, account: Account) {
        self.unseat(id);
        let seated = Box::new(Seated { id, account });
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
        self.seats[number as usize] = Some(seated);
        self.numbers.insert(id, number);
    }

    /// Takes an account away; nothing of it is watched any longer.
    pub fn unseat(&mut self, id: AccountId) -> Option<Account> {
        let number = self.numbers.remove(&id)?;
        let seated = self.seats[number as usize].take()?;
        self.watches
            .unwatch_account(number, &seated.account, &self.market);
        self.free.push(number);
        Some(seated.account)
    }

    /// One tick: takes the quote in, expires what is due, and triggers until none remains.
    pub fn quote(&mut self, quote: Quote, at: Timestamp, ledger: &mut impl Ledger) {
        let before = self.market.quote(quote.symbol).copied();
        let taken_in = self.market.take_in(quote, &self.rules);
        self.expire(at, ledger);
        if !taken_in {
            return;
        }
        let seats = &self.seats;
        self.watches.unpark(quote.symbol, &self.market, |number| {
            let seated = seats.get(number as usize)?.as_ref()?;
            Some(&seated.account)
        });
        self.trigger(quote.symbol, before.as_ref(), at, ledger);
        self.settle(at, ledger);
    }

    /// Expires orders whose time has come.
    pub fn expire(&mut self, at: Timestamp, ledger: &mut impl Ledger) {
        while let Some((number, order_id)) = self.watches.pop_expired(at) {
            let command = AccountCommand::ExpireOrder { order_id };
            self.act(number, &command, Cause::Expiry, at, ledger);
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

    /// Decides a command and applies it. None: no such account at this desk. The caller records
    /// the decision, and then calls [`Desk::settle`].
    pub fn execute(
        &mut self,
        id: AccountId,
        command: &AccountCommand,
        at: Timestamp,
    ) -> Option<Decision> {
        let number = *self.numbers.get(&id)?;
        self.decide(number, command, at)
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
            let command = nomination(&waiter, ledger);
            let cause = Cause::Trigger(waiter.kind);
            if !self.act(waiter.account, &command, cause, at, ledger) {
                // It stays, and is tried on the next quote: never again on this one.
                self.watches.park(symbol, waiter);
            }
        }
    }

    /// Decides by itself. Says whether anything happened.
    fn act(
        &mut self,
        number: u32,
        command: &AccountCommand,
        cause: Cause,
        at: Timestamp,
        ledger: &mut impl Ledger,
    ) -> bool {
        let Some(decision) = self.decide(number, command, at) else {
            return false;
        };
        let Some(seated) = self.seated(number) else {
            return false;
        };
        if decision.events.is_empty() {
            return false;
        }
        ledger.record(Act {
            account_id: seated.id,
            account: &seated.account,
            command,
            cause,
            decision: &decision,
            at,
        });
        true
    }

    fn decide(&mut self, number: u32, command: &AccountCommand, at: Timestamp) -> Option<Decision> {
        let seated = self.seats.get_mut(number as usize)?.as_mut()?;
        let context = Context {
            at,
            market: &self.market,
            rules: &self.rules,
        };
        let account = &mut seated.account;
        let decision = (self.decider)(account, command, &context);
        apply(
            &mut self.watches,
            number,
            account,
            &decision.events,
            &self.market,
        );
        Some(decision)
    }

    fn seated(&self, number: u32) -> Option<&Seated> {
        self.seats.get(number as usize)?.as_deref()
    }
}

fn apply(
    watches: &mut Watches,
    number: u32,
    account: &mut Account,
    events: &[AccountEvent],
    market: &Market,
) {
    for event in events {
        watches.unwatch_event(number, account, event, market);
    }
    for event in events {
        account.evolve(event);
    }
    for event in events {
        watches.watch_event(number, account, event, market);
    }
}

fn nomination(waiter: &Waiter, ledger: &mut impl Ledger) -> AccountCommand {
    let deal_id = DealId(ledger.next_id());
    match waiter.kind {
        Kind::Order => AccountCommand::TriggerOrder {
            order_id: OrderId(waiter.id),
            deal_id,
            position_id: PositionId(ledger.next_id()),
        },
        Kind::StopLoss | Kind::TakeProfit => AccountCommand::TriggerProtection {
            position_id: PositionId(waiter.id),
            deal_id,
        },
    }
}
