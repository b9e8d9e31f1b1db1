//! Keeps the trigger book and the expiry timer in step with the accounts' orders and positions.
//!
//! Invariant: each order and protection of an account at the desk is watched at its level, or
//! parked until the next quote because it could not act on this one, or has to be touched again.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap, HashSet},
};

use daybook_domain::{
    Account, AccountEvent, Market, OrderId, PositionId, Quote, Symbol, Timestamp,
    account::{Order, Position},
    triggers::{Trigger, order_trigger, protection_triggers},
};
use uuid::Uuid;

use crate::trigger_book::{Kind, TriggerBook, Waiter};

/// What waits: for a price in the trigger book, for an instant in the timer.
#[derive(Default)]
pub(super) struct Watches {
    book: TriggerBook,
    /// With the level at which each was touched.
    parked: HashMap<Symbol, Vec<(Waiter, Trigger)>>,
    /// Touched by the quote before this one as well, at the same level.
    confirmed: HashSet<(u32, Kind, Uuid)>,
    /// Entries are not removed when an order ends otherwise: whoever pops one asks the account.
    expiries: BinaryHeap<Reverse<(Timestamp, u32, OrderId)>>,
    /// Symbols with new levels since somebody last looked.
    changed: Vec<Symbol>,
}

impl Watches {
    /// Levels watched, in all.
    pub(super) fn len(&self) -> usize {
        self.book.len()
    }

    /// Watches everything of an account.
    pub(super) fn watch_account(&mut self, number: u32, account: &Account, market: &Market) {
        self.watch_some(number, account, market, |_| true);
    }

    /// Watches what an account has on one symbol.
    pub(super) fn watch_symbol(
        &mut self,
        number: u32,
        account: &Account,
        symbol: Symbol,
        market: &Market,
    ) {
        self.watch_some(number, account, market, |other| other == symbol);
    }

    /// Watches nothing of an account any longer.
    pub(super) fn unwatch_account(&mut self, number: u32, account: &Account, market: &Market) {
        self.unwatch_some(number, account, market, |_| true);
    }

    /// Watches nothing of an account on one symbol any longer.
    pub(super) fn unwatch_symbol(
        &mut self,
        number: u32,
        account: &Account,
        symbol: Symbol,
        market: &Market,
    ) {
        self.unwatch_some(number, account, market, |other| other == symbol);
    }

    /// Watches what an event touched, as it is in `account` now.
    pub(super) fn watch_event(
        &mut self,
        number: u32,
        account: &Account,
        event: &AccountEvent,
        market: &Market,
    ) {
        let terms = Terms::of(account, market);
        let (order_id, position_id) = touched_by(event);
        if let Some(order) = order_id.and_then(|id| account.order(id)) {
            self.watch_order(number, order, terms);
        }
        if let Some(position) = position_id.and_then(|id| account.position(id)) {
            self.watch_position(number, position, terms);
        }
    }

    /// Watches what an event touches no longer, as it is in `account` now.
    pub(super) fn unwatch_event(
        &mut self,
        number: u32,
        account: &Account,
        event: &AccountEvent,
        market: &Market,
    ) {
        let terms = Terms::of(account, market);
        let (order_id, position_id) = touched_by(event);
        if let Some(order) = order_id.and_then(|id| account.order(id)) {
            self.unwatch_order(number, order, terms);
        }
        if let Some(position) = position_id.and_then(|id| account.position(id)) {
            self.unwatch_position(number, position, terms);
        }
    }

    /// What the quote touches first, taken out of the book.
    pub(super) fn pop_touched(&mut self, quote: &Quote, before: Option<&Quote>) -> Option<Waiter> {
        self.book.pop_touched(quote, before)
    }

    /// Keeps what could not act on this quote, or has to be touched again, for the next one.
    pub(super) fn park(
        &mut self,
        symbol: Symbol,
        waiter: Waiter,
        account: &Account,
        market: &Market,
    ) {
        if let Some(trigger) = trigger_of(account, &waiter, market) {
            let parked = self.parked.entry(symbol).or_default();
            parked.push((waiter, trigger));
        }
    }

    /// Puts what was parked back into the book, on the next quote. `account_of` finds an account
    /// by its number.
    pub(super) fn unpark<'a>(
        &mut self,
        quote: &Quote,
        market: &Market,
        account_of: impl Fn(u32) -> Option<&'a Account>,
    ) {
        self.confirmed.clear();
        let Some(parked) = self.parked.get_mut(&quote.symbol) else {
            return;
        };
        for (waiter, touched_at) in std::mem::take(parked) {
            let account = account_of(waiter.account);
            let Some(trigger) = account.and_then(|account| trigger_of(account, &waiter, market))
            else {
                continue;
            };
            self.book.insert(quote.symbol, &trigger, waiter);
            if trigger == touched_at && trigger.touched_by(quote) {
                self.confirmed.insert(name_of(&waiter));
            }
        }
    }

    /// Whether two quotes in a row have touched it. Asked once: then it counts from anew.
    pub(super) fn take_confirmed(&mut self, waiter: &Waiter) -> bool {
        self.confirmed.remove(&name_of(waiter))
    }

    /// The next order whose time has come, taken out of the timer.
    pub(super) fn pop_expired(&mut self, at: Timestamp) -> Option<(u32, OrderId)> {
        let Reverse((expires_at, ..)) = self.expiries.peek()?;
        if *expires_at > at {
            return None;
        }
        let Reverse((_, number, order_id)) = self.expiries.pop()?;
        Some((number, order_id))
    }

    /// Symbols with new levels since the last call.
    pub(super) fn take_changed(&mut self) -> Vec<Symbol> {
        std::mem::take(&mut self.changed)
    }

    fn watch_some(
        &mut self,
        number: u32,
        account: &Account,
        market: &Market,
        is_meant: impl Fn(Symbol) -> bool,
    ) {
        let terms = Terms::of(account, market);
        let orders = account.orders.iter();
        for order in orders.filter(|order| is_meant(order.ticket.symbol)) {
            self.watch_order(number, order, terms);
        }
        let positions = account.positions.iter();
        for position in positions.filter(|position| is_meant(position.symbol)) {
            self.watch_position(number, position, terms);
        }
    }

    fn unwatch_some(
        &mut self,
        number: u32,
        account: &Account,
        market: &Market,
        is_meant: impl Fn(Symbol) -> bool,
    ) {
        let terms = Terms::of(account, market);
        let orders = account.orders.iter();
        for order in orders.filter(|order| is_meant(order.ticket.symbol)) {
            self.unwatch_order(number, order, terms);
        }
        let positions = account.positions.iter();
        for position in positions.filter(|position| is_meant(position.symbol)) {
            self.unwatch_position(number, position, terms);
        }
    }

    fn watch_order(&mut self, number: u32, order: &Order, terms: Terms<'_>) {
        if let Some(trigger) = terms.trigger_of_order(order) {
            let symbol = order.ticket.symbol;
            self.book
                .insert(symbol, &trigger, order_waiter(number, order));
            self.note_changed(symbol);
        }
        if let Some(expires_at) = order.ticket.expires_at {
            let entry = (expires_at, number, order.order_id);
            self.expiries.push(Reverse(entry));
        }
    }

    fn unwatch_order(&mut self, number: u32, order: &Order, terms: Terms<'_>) {
        if let Some(trigger) = terms.trigger_of_order(order) {
            let waiter = order_waiter(number, order);
            self.book.remove(order.ticket.symbol, &trigger, &waiter);
        }
    }

    fn watch_position(&mut self, number: u32, position: &Position, terms: Terms<'_>) {
        for (trigger, kind) in terms.triggers_of_position(position) {
            let waiter = position_waiter(number, position, kind);
            self.book.insert(position.symbol, &trigger, waiter);
            self.note_changed(position.symbol);
        }
    }

    fn unwatch_position(&mut self, number: u32, position: &Position, terms: Terms<'_>) {
        for (trigger, kind) in terms.triggers_of_position(position) {
            let waiter = position_waiter(number, position, kind);
            self.book.remove(position.symbol, &trigger, &waiter);
        }
    }

    fn note_changed(&mut self, symbol: Symbol) {
        if !self.changed.contains(&symbol) {
            self.changed.push(symbol);
        }
    }
}

/// The terms that one account deals under: mark-ups shift its levels.
#[derive(Clone, Copy)]
struct Terms<'a> {
    market: &'a Market,
    group: Option<&'a str>,
}

impl<'a> Terms<'a> {
    fn of(account: &'a Account, market: &'a Market) -> Self {
        Self {
            market,
            group: account.group(),
        }
    }

    fn trigger_of_order(self, order: &Order) -> Option<Trigger> {
        let instrument = self.market.terms(order.ticket.symbol, self.group)?;
        order_trigger(order, instrument)
    }

    fn triggers_of_position(
        self,
        position: &Position,
    ) -> impl Iterator<Item = (Trigger, Kind)> + use<> {
        let triggers = self
            .market
            .terms(position.symbol, self.group)
            .map(|instrument| protection_triggers(position, instrument))
            .unwrap_or_default();
        let levels = [
            (triggers.stop_loss, Kind::StopLoss),
            (triggers.take_profit, Kind::TakeProfit),
            (triggers.trailing, Kind::Trailing),
        ];
        let set = |(level, kind): (Option<Trigger>, Kind)| Some((level?, kind));
        levels.into_iter().filter_map(set)
    }
}

/// The level a waiter waits for now; none when it has ended meanwhile.
fn trigger_of(account: &Account, waiter: &Waiter, market: &Market) -> Option<Trigger> {
    let terms = Terms::of(account, market);
    match waiter.kind {
        Kind::Order => terms.trigger_of_order(account.order(OrderId(waiter.id))?),
        Kind::StopLoss | Kind::TakeProfit | Kind::Trailing => {
            let position = account.position(PositionId(waiter.id))?;
            let mut triggers = terms.triggers_of_position(position);
            let found = triggers.find(|(_, kind)| *kind == waiter.kind)?;
            Some(found.0)
        }
        // Margin has a book of its own.
        Kind::Margin => None,
    }
}

fn name_of(waiter: &Waiter) -> (u32, Kind, Uuid) {
    (waiter.account, waiter.kind, waiter.id)
}

fn order_waiter(number: u32, order: &Order) -> Waiter {
    Waiter {
        account: number,
        kind: Kind::Order,
        id: order.order_id.0,
        since: order.placed_at,
    }
}

fn position_waiter(number: u32, position: &Position, kind: Kind) -> Waiter {
    Waiter {
        account: number,
        kind,
        id: position.position_id.0,
        since: position.opened_at,
    }
}

/// The order and the position whose levels an event may change.
fn touched_by(event: &AccountEvent) -> (Option<OrderId>, Option<PositionId>) {
    use AccountEvent as Event;
    match event {
        Event::AccountOpened { .. }
        | Event::FundsAdjusted { .. }
        | Event::DepositRequested { .. }
        | Event::DepositApproved { .. }
        | Event::DepositCompleted { .. }
        | Event::DepositRejected { .. }
        | Event::DepositCancelled { .. }
        | Event::WithdrawalRequested { .. }
        | Event::WithdrawalApproved { .. }
        | Event::WithdrawalCompleted { .. }
        | Event::WithdrawalRejected { .. }
        | Event::WithdrawalCancelled { .. }
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
        | Event::DailyLossLimitReached { .. } => (None, None),
        Event::OrderPlaced { order_id, .. }
        | Event::OrderRejected { order_id, .. }
        | Event::OrderModified { order_id, .. }
        | Event::OrderCancelled { order_id, .. }
        | Event::OrderExpired { order_id, .. }
        | Event::OrderTriggered { order_id, .. } => (Some(*order_id), None),
        Event::OrderFilled {
            order_id,
            position_id,
            ..
        }
        | Event::PositionOpened {
            order_id,
            position_id,
            ..
        } => (Some(*order_id), Some(*position_id)),
        Event::PositionReduced { deal, .. } | Event::PositionClosed { deal, .. } => {
            (None, Some(deal.position_id))
        }
        Event::OrderNetted {
            order_id,
            position_id,
            ..
        } => (Some(*order_id), Some(*position_id)),
        Event::PositionIncreased { increase, .. } => {
            (Some(increase.order_id), Some(increase.position_id))
        }
        Event::ProtectionChanged { position_id, .. } => (None, Some(*position_id)),
        Event::DealBusted { bust, .. } => (None, Some(bust.position_id)),
        Event::DealRepriced { reprice, .. } => (None, Some(reprice.position_id)),
    }
}
