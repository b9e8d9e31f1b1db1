//! Keeps the trigger book and the expiry timer in step with the accounts' orders and positions.
//!
//! Invariant: each order and protection of an account at the desk is watched at its level, or
//! parked until the next quote because it could not act on this one. Never both.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
};

use daybook_domain::{
    Account, AccountEvent, Market, OrderId, PositionId, Quote, Symbol, Timestamp,
    account::{Order, Position},
    triggers::{Trigger, order_trigger, protection_triggers},
};

use crate::trigger_book::{Kind, TriggerBook, Waiter};

/// What waits: for a price in the trigger book, for an instant in the timer.
#[derive(Default)]
pub(crate) struct Watches {
    book: TriggerBook,
    parked: HashMap<Symbol, Vec<Waiter>>,
    /// Entries are not removed when an order ends otherwise: whoever pops one asks the account.
    expiries: BinaryHeap<Reverse<(Timestamp, u32, OrderId)>>,
    /// Symbols with new levels since somebody last looked.
    changed: Vec<Symbol>,
}

impl Watches {
    /// Levels watched, in all.
    pub(crate) fn len(&self) -> usize {
        self.book.len()
    }

    /// Watches everything of an account.
    pub(crate) fn watch_account(&mut self, number: u32, account: &Account, market: &Market) {
        for order in &account.orders {
            self.watch_order(number, order, market);
        }
        for position in &account.positions {
            self.watch_position(number, position, market);
        }
    }

    /// Watches nothing of an account any longer.
    pub(crate) fn unwatch_account(&mut self, number: u32, account: &Account, market: &Market) {
        for order in &account.orders {
            self.unwatch_order(number, order, market);
        }
        for position in &account.positions {
            self.unwatch_position(number, position, market);
        }
    }

    /// Watches what an event touched, as it is in `account` now.
    pub(crate) fn watch_event(
        &mut self,
        number: u32,
        account: &Account,
        event: &AccountEvent,
        market: &Market,
    ) {
        let (order_id, position_id) = touched_by(event);
        if let Some(order) = order_id.and_then(|id| find_order(account, id)) {
            self.watch_order(number, order, market);
        }
        if let Some(position) = position_id.and_then(|id| find_position(account, id)) {
            self.watch_position(number, position, market);
        }
    }

    /// Watches what an event touches no longer, as it is in `account` now.
    pub(crate) fn unwatch_event(
        &mut self,
        number: u32,
        account: &Account,
        event: &AccountEvent,
        market: &Market,
    ) {
        let (order_id, position_id) = touched_by(event);
        if let Some(order) = order_id.and_then(|id| find_order(account, id)) {
            self.unwatch_order(number, order, market);
        }
        if let Some(position) = position_id.and_then(|id| find_position(account, id)) {
            self.unwatch_position(number, position, market);
        }
    }

    /// What the quote touches first, taken out of the book.
    pub(crate) fn pop_touched(&mut self, quote: &Quote, before: Option<&Quote>) -> Option<Waiter> {
        self.book.pop_touched(quote, before)
    }

    /// Keeps what could not act on this quote for the next one.
    pub(crate) fn park(&mut self, symbol: Symbol, waiter: Waiter) {
        self.parked.entry(symbol).or_default().push(waiter);
    }

    /// Puts what was parked back into the book. `account_of` finds an account by its number.
    pub(crate) fn unpark<'a>(
        &mut self,
        symbol: Symbol,
        market: &Market,
        account_of: impl Fn(u32) -> Option<&'a Account>,
    ) {
        let Some(parked) = self.parked.get_mut(&symbol) else {
            return;
        };
        for waiter in std::mem::take(parked) {
            let trigger =
                account_of(waiter.account).and_then(|account| trigger_of(account, &waiter, market));
            if let Some(trigger) = trigger {
                self.book.insert(symbol, &trigger, waiter);
            }
        }
    }

    /// The next order whose time has come, taken out of the timer.
    pub(crate) fn pop_expired(&mut self, at: Timestamp) -> Option<(u32, OrderId)> {
        let Reverse((expires_at, ..)) = self.expiries.peek()?;
        if *expires_at > at {
            return None;
        }
        let Reverse((_, number, order_id)) = self.expiries.pop()?;
        Some((number, order_id))
    }

    /// Symbols with new levels since the last call.
    pub(crate) fn take_changed(&mut self) -> Vec<Symbol> {
        std::mem::take(&mut self.changed)
    }

    fn watch_order(&mut self, number: u32, order: &Order, market: &Market) {
        if let Some(trigger) = trigger_of_order(order, market) {
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

    fn unwatch_order(&mut self, number: u32, order: &Order, market: &Market) {
        if let Some(trigger) = trigger_of_order(order, market) {
            let waiter = order_waiter(number, order);
            self.book.remove(order.ticket.symbol, &trigger, &waiter);
        }
    }

    fn watch_position(&mut self, number: u32, position: &Position, market: &Market) {
        for (trigger, kind) in triggers_of_position(position, market) {
            let waiter = position_waiter(number, position, kind);
            self.book.insert(position.symbol, &trigger, waiter);
            self.note_changed(position.symbol);
        }
    }

    fn unwatch_position(&mut self, number: u32, position: &Position, market: &Market) {
        for (trigger, kind) in triggers_of_position(position, market) {
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

/// The level a waiter waits for now; none when it has ended meanwhile.
fn trigger_of(account: &Account, waiter: &Waiter, market: &Market) -> Option<Trigger> {
    match waiter.kind {
        Kind::Order => {
            let order = find_order(account, OrderId(waiter.id))?;
            trigger_of_order(order, market)
        }
        Kind::StopLoss | Kind::TakeProfit => {
            let position = find_position(account, PositionId(waiter.id))?;
            let mut triggers = triggers_of_position(position, market);
            let found = triggers.find(|(_, kind)| *kind == waiter.kind)?;
            Some(found.0)
        }
    }
}

fn trigger_of_order(order: &Order, market: &Market) -> Option<Trigger> {
    order_trigger(order, market.instrument(order.ticket.symbol)?)
}

fn triggers_of_position(
    position: &Position,
    market: &Market,
) -> impl Iterator<Item = (Trigger, Kind)> + use<> {
    let triggers = market
        .instrument(position.symbol)
        .map(|instrument| protection_triggers(position, instrument))
        .unwrap_or_default();
    let stop_loss = triggers.stop_loss.map(|level| (level, Kind::StopLoss));
    let take_profit = triggers.take_profit.map(|level| (level, Kind::TakeProfit));
    stop_loss.into_iter().chain(take_profit)
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

fn find_order(account: &Account, id: OrderId) -> Option<&Order> {
    account.orders.iter().find(|order| order.order_id == id)
}

fn find_position(account: &Account, id: PositionId) -> Option<&Position> {
    let mut positions = account.positions.iter();
    positions.find(|position| position.position_id == id)
}

/// The order and the position whose levels an event may change.
fn touched_by(event: &AccountEvent) -> (Option<OrderId>, Option<PositionId>) {
    use AccountEvent as Event;
    match event {
        Event::AccountOpened { .. }
        | Event::FundsAdjusted { .. }
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
