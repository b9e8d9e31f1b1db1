//! The account's fold.

use super::{
    Account, AccountEvent, AccountTerms, Order, OrderLevels, Position, Ticket, event::ClosingDeal,
};
use crate::{OrderId, PositionId, Timestamp};

impl Account {
    /// Applies one fact. A stored event that cannot follow this state is corruption: it panics.
    ///
    /// # Panics
    /// When the event contradicts the state.
    pub fn evolve(&mut self, event: &AccountEvent) {
        self.assert_open_unless_opening(event);
        if let Some(change) = event.funds() {
            self.funds.apply(change);
        }
        match event {
            AccountEvent::AccountOpened { .. } => self.begin(event),
            AccountEvent::FundsAdjusted { funds, .. } => self.count_flow(funds),
            AccountEvent::DepositRequested { .. }
            | AccountEvent::DepositApproved { .. }
            | AccountEvent::DepositCompleted { .. }
            | AccountEvent::DepositRejected { .. }
            | AccountEvent::DepositCancelled { .. }
            | AccountEvent::WithdrawalRequested { .. }
            | AccountEvent::WithdrawalApproved { .. }
            | AccountEvent::WithdrawalCompleted { .. }
            | AccountEvent::WithdrawalRejected { .. }
            | AccountEvent::WithdrawalCancelled { .. } => self.step_funding(event),
            AccountEvent::OrderPlaced {
                order_id,
                ticket,
                at,
            } => self.place(*order_id, ticket, *at),
            AccountEvent::OrderRejected { order_id, at, .. } => self.reject(*order_id, *at),
            AccountEvent::OrderModified {
                order_id,
                from,
                to,
                marketable,
                ..
            } => self.working(*order_id).modify(from, to, *marketable),
            AccountEvent::OrderCancelled { order_id, .. }
            | AccountEvent::OrderExpired { order_id, .. }
            | AccountEvent::OrderNetted { order_id, .. }
            | AccountEvent::OrderFilled { order_id, .. } => self.remove_order(*order_id),
            AccountEvent::OrderTriggered { order_id, .. } => {
                let order = self.working(*order_id);
                assert!(
                    !order.triggered,
                    "corrupt stream: {order_id} triggered twice"
                );
                order.triggered = true;
            }
            AccountEvent::PositionOpened { .. } => self.open(event),
            AccountEvent::PositionIncreased { increase, .. } => {
                self.open_position(increase.position_id).increase(increase);
            }
            AccountEvent::PositionReduced { deal, .. } => {
                self.open_position(deal.position_id).reduce(deal);
            }
            AccountEvent::PositionClosed { deal, .. } => self.close(deal),
            AccountEvent::ProtectionChanged { position_id, .. } => {
                self.open_position(*position_id).protect(event);
            }
            AccountEvent::LeverageChanged { .. }
            | AccountEvent::ControlsChanged { .. }
            | AccountEvent::SwapCharged { .. }
            | AccountEvent::MarginCallRaised { .. }
            | AccountEvent::MarginCallCleared { .. }
            | AccountEvent::StopOutStarted { .. }
            | AccountEvent::StopOutStep { .. }
            | AccountEvent::StopOutFinished { .. }
            | AccountEvent::NegativeBalanceCompensated { .. }
            | AccountEvent::TradingDayStarted { .. }
            | AccountEvent::DailyLossLimitReached { .. }
            | AccountEvent::DealBusted { .. }
            | AccountEvent::DealRepriced { .. } => self.evolve_risk(event),
        }
    }

    fn assert_open_unless_opening(&self, event: &AccountEvent) {
        let opens = matches!(event, AccountEvent::AccountOpened { .. });
        assert_ne!(
            opens,
            self.terms.is_some(),
            "corrupt stream: {} on an account that is {} open",
            event.event_type(),
            if opens { "already" } else { "not" },
        );
    }

    fn begin(&mut self, event: &AccountEvent) {
        let AccountEvent::AccountOpened {
            client_id,
            number,
            kind,
            mode,
            currency,
            leverage,
            at,
        } = event
        else {
            unreachable!("invariant: only called with the event that it takes apart")
        };
        self.terms = Some(AccountTerms {
            client_id: *client_id,
            number: *number,
            kind: *kind,
            mode: *mode,
            currency: *currency,
            leverage: *leverage,
            opened_at: *at,
        });
    }

    fn place(&mut self, order_id: OrderId, ticket: &Ticket, at: Timestamp) {
        assert!(
            self.order(order_id).is_none(),
            "corrupt stream: {order_id} placed twice"
        );
        let order = Order {
            order_id,
            ticket: ticket.clone(),
            triggered: false,
            marketable: false,
            placed_at: at,
        };
        push_compact(&mut self.orders, order);
        self.risk.count_order(at);
    }

    fn reject(&mut self, order_id: OrderId, at: Timestamp) {
        // Refused at placement it never worked; refused at its trigger it did.
        if self.order(order_id).is_none() {
            self.risk.count_order(at);
        }
        self.orders.retain(|order| order.order_id != order_id);
        release_if_empty(&mut self.orders);
    }

    fn open(&mut self, event: &AccountEvent) {
        let position = Position::opened(event);
        let position =
            position.expect("invariant: only called with the event that opens a position");
        let id = position.position_id;
        let known = self.position(id).is_some();
        assert!(!known, "corrupt stream: {id} opened twice");
        push_compact(&mut self.positions, position);
    }

    fn working(&mut self, id: OrderId) -> &mut Order {
        let order = self.orders.iter_mut().find(|order| order.order_id == id);
        order.unwrap_or_else(|| panic!("corrupt stream: order {id} is not working"))
    }

    pub(super) fn open_position(&mut self, id: PositionId) -> &mut Position {
        let mut positions = self.positions.iter_mut();
        let position = positions.find(|position| position.position_id == id);
        position.unwrap_or_else(|| panic!("corrupt stream: position {id} is not open"))
    }

    fn remove_order(&mut self, id: OrderId) {
        let index = self.orders.iter().position(|order| order.order_id == id);
        let index = index.unwrap_or_else(|| panic!("corrupt stream: order {id} is not working"));
        self.orders.remove(index);
        release_if_empty(&mut self.orders);
    }

    fn close(&mut self, deal: &ClosingDeal) {
        let id = deal.position_id;
        let position = self.open_position(id);
        assert_eq!(
            position.volume, deal.volume,
            "corrupt stream: {id} is not closed whole"
        );
        self.remove_position(id);
    }

    pub(super) fn remove_position(&mut self, id: PositionId) {
        self.positions.retain(|position| position.position_id != id);
        release_if_empty(&mut self.positions);
    }
}

impl Order {
    fn modify(&mut self, from: &OrderLevels, to: &OrderLevels, marketable: bool) {
        let before = self.ticket.levels();
        assert_eq!(
            before, *from,
            "corrupt stream: {} had other levels",
            self.order_id
        );
        self.ticket.modify(from, to);
        self.marketable = marketable;
    }
}

/// Grows by a quarter rather than by half: most accounts hold a few, and there are many accounts.
fn push_compact<T>(items: &mut Vec<T>, item: T) {
    if items.len() == items.capacity() {
        items.reserve_exact(items.len() / 4 + 1);
    }
    items.push(item);
}

/// A flat account keeps no room for what it had.
fn release_if_empty<T>(items: &mut Vec<T>) {
    if items.is_empty() {
        *items = Vec::new();
    }
}
