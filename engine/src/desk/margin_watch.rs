//! The margin watch: accounts are evaluated where it can matter, and nowhere else.
//!
//! For each account the domain says within which prices no threshold can be crossed; these prices
//! wait in a trigger book of their own. A quote beyond one and a decision that moved money or
//! positions bring the account up for evaluation, once; evaluated, it has new levels. Where a quote
//! is missing, or a stop-out could not close, the domain's level is one that any quote touches: the
//! account then waits for the next quote of that symbol, and does nothing until then.

use daybook_domain::{
    Account, AccountEvent, Market, Quote, Rules, Timestamp,
    margin::{self, Watch},
};
use uuid::Uuid;

use super::{Cause, Desk, Ledger, act};
use crate::trigger_book::{Kind, TriggerBook, Waiter};

/// What is watched of one account.
#[derive(Default)]
struct Watched {
    levels: Box<[Watch]>,
    is_marked: bool,
}

#[derive(Default)]
pub(super) struct MarginWatch {
    book: TriggerBook,
    /// By number of the seat.
    watched: Vec<Watched>,
    /// To be evaluated; an entry counts where the account is marked.
    marked: Vec<u32>,
}

impl MarginWatch {
    /// Levels watched, in all.
    pub(super) fn len(&self) -> usize {
        self.book.len()
    }

    /// Brings an account up for evaluation.
    pub(super) fn mark(&mut self, number: u32) {
        let watched = self.watched_mut(number);
        if !watched.is_marked {
            watched.is_marked = true;
            self.marked.push(number);
        }
    }

    /// Forgets an account.
    pub(super) fn forget(&mut self, number: u32) {
        self.unwatch(number);
        self.watched_mut(number).is_marked = false;
    }

    /// Brings up for evaluation whom a quote may concern.
    pub(super) fn take_in(&mut self, quote: &Quote) {
        while let Some(waiter) = self.book.pop_touched(quote, None) {
            self.mark(waiter.account);
        }
    }

    /// The next account to be evaluated, which counts as evaluated from now on.
    fn next_marked(&mut self) -> Option<u32> {
        while let Some(number) = self.marked.pop() {
            let watched = self.watched_mut(number);
            if watched.is_marked {
                return Some(number);
            }
        }
        None
    }

    fn unwatch(&mut self, number: u32) {
        let levels = std::mem::take(&mut self.watched_mut(number).levels);
        for level in levels {
            self.book
                .remove(level.symbol, &level.trigger, &waiter(number));
        }
    }

    /// Watches an account anew, as it is now.
    fn watch(&mut self, number: u32, account: &Account, market: &Market, rules: &Rules) {
        self.unwatch(number);
        self.watched_mut(number).is_marked = false;
        let levels = margin::watch(account, market, rules);
        for level in &levels {
            self.book
                .insert(level.symbol, &level.trigger, waiter(number));
        }
        self.watched_mut(number).levels = levels.into();
    }

    fn watched_mut(&mut self, number: u32) -> &mut Watched {
        let index = number as usize;
        if index >= self.watched.len() {
            self.watched.resize_with(index + 1, Watched::default);
        }
        &mut self.watched[index]
    }
}

impl Desk {
    /// Margin call, stop-out and what else valuing an account can lead to, for those whom it may
    /// concern since the last call: the end of a tick, and of a command.
    pub fn evaluate(&mut self, at: Timestamp, ledger: &mut impl Ledger) {
        while let Some(number) = self.margin.next_marked() {
            self.catch_up(number, at, ledger);
            if self
                .seated(number)
                .is_some_and(|seated| may_matter(&seated.account))
            {
                let command = act::nomination(&waiter(number), ledger);
                let cause = Cause::Trigger(Kind::Margin);
                self.act(number, &command, cause, at, ledger);
            }
            match self.seats.get(number as usize) {
                Some(Some(seated)) => {
                    let account = &seated.account;
                    self.margin
                        .watch(number, account, &self.market, &self.rules);
                }
                Some(None) | None => self.margin.forget(number),
            }
        }
    }

    /// Whether somebody is up for evaluation.
    #[must_use]
    pub fn has_marked(&self) -> bool {
        !self.margin.marked.is_empty()
    }
}

/// Whether evaluating an account can lead to anything at all.
fn may_matter(account: &Account) -> bool {
    let kind = account.terms.as_ref().map(|terms| terms.kind);
    let is_negative = |kind| account.funds.tradable(kind).is_sign_negative();
    !account.positions.is_empty()
        || account.risk.margin_called
        || account.risk.day.is_some()
        || kind.is_some_and(is_negative)
}

fn waiter(number: u32) -> Waiter {
    Waiter {
        account: number,
        kind: Kind::Margin,
        id: Uuid::nil(),
        since: Timestamp::UNIX_EPOCH,
    }
}

/// Whether an event moves funds, positions, margin or thresholds.
pub(super) const fn concerns(event: &AccountEvent) -> bool {
    use AccountEvent as Event;
    match event {
        Event::AccountOpened { .. }
        | Event::DepositRequested { .. }
        | Event::DepositApproved { .. }
        | Event::DepositRejected { .. }
        | Event::DepositCancelled { .. }
        | Event::WithdrawalApproved { .. }
        | Event::OrderPlaced { .. }
        | Event::OrderRejected { .. }
        | Event::OrderModified { .. }
        | Event::OrderCancelled { .. }
        | Event::OrderExpired { .. }
        | Event::OrderTriggered { .. }
        | Event::OrderNetted { .. }
        | Event::ProtectionChanged { .. } => false,
        Event::FundsAdjusted { .. }
        | Event::DepositCompleted { .. }
        | Event::WithdrawalRequested { .. }
        | Event::WithdrawalCompleted { .. }
        | Event::WithdrawalRejected { .. }
        | Event::WithdrawalCancelled { .. }
        | Event::OrderFilled { .. }
        | Event::PositionOpened { .. }
        | Event::PositionIncreased { .. }
        | Event::PositionReduced { .. }
        | Event::PositionClosed { .. }
        | Event::LeverageChanged { .. }
        | Event::ControlsChanged { .. }
        | Event::SwapCharged { .. }
        | Event::MarginCallRaised { .. }
        | Event::MarginCallCleared { .. }
        | Event::StopOutStarted { .. }
        | Event::StopOutStep { .. }
        | Event::StopOutFinished { .. }
        | Event::NegativeBalanceCompensated { .. }
        | Event::TradingDayStarted { .. }
        | Event::DailyLossLimitReached { .. }
        | Event::DealBusted { .. }
        | Event::DealRepriced { .. } => true,
    }
}
