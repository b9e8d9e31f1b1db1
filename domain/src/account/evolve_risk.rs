//! The fold of what is neither order nor deal: leverage, controls, swap, margin call, trading day,
//! corrections.

use chrono::Duration;
use rust_decimal::Decimal;

use super::{
    Account, AccountEvent, AccountKind, Controls,
    event::{BustedDeal, FundsChange, RepricedDeal},
    risk::{OrderWindow, Risk, TradingDay},
};
use crate::Timestamp;

impl Account {
    /// Applies a fact that [`Account::evolve`] hands on; the buckets have moved already.
    pub(super) fn evolve_risk(&mut self, event: &AccountEvent) {
        match event {
            AccountEvent::LeverageChanged { from, to, .. } => {
                let terms = self.terms.as_mut();
                let terms = terms.expect("invariant: only an open account is evolved further");
                assert_eq!(terms.leverage, *from, "corrupt stream: another leverage");
                terms.leverage = *to;
            }
            AccountEvent::ControlsChanged { controls, .. } => {
                let is_set = **controls != Controls::NONE;
                self.controls = is_set.then(|| controls.clone());
            }
            AccountEvent::SwapCharged { charge, .. } => {
                self.open_position(charge.position_id).accrue(charge);
            }
            AccountEvent::MarginCallRaised { .. } => self.risk.margin_called = true,
            AccountEvent::MarginCallCleared { .. } => self.risk.margin_called = false,
            AccountEvent::TradingDayStarted { day, equity, .. } => {
                self.risk.day = Some(TradingDay {
                    day: *day,
                    equity: *equity,
                    flows: Decimal::ZERO,
                    blocked_until: None,
                });
            }
            AccountEvent::DailyLossLimitReached { until, .. } => {
                let day = self.risk.day.as_mut();
                let day = day.expect("corrupt stream: a loss limit outside a trading day");
                day.blocked_until = Some(*until);
            }
            AccountEvent::NegativeBalanceCompensated { funds, .. } => self.count_flow(funds),
            AccountEvent::DealBusted { bust, .. } => self.bust(bust),
            AccountEvent::DealRepriced { reprice, .. } => self.reprice(reprice),
            AccountEvent::StopOutStarted { .. }
            | AccountEvent::StopOutStep { .. }
            | AccountEvent::StopOutFinished { .. } => {}
            AccountEvent::AccountOpened { .. }
            | AccountEvent::FundsAdjusted { .. }
            | AccountEvent::DepositRequested { .. }
            | AccountEvent::DepositApproved { .. }
            | AccountEvent::DepositCompleted { .. }
            | AccountEvent::DepositRejected { .. }
            | AccountEvent::DepositCancelled { .. }
            | AccountEvent::WithdrawalRequested { .. }
            | AccountEvent::WithdrawalApproved { .. }
            | AccountEvent::WithdrawalCompleted { .. }
            | AccountEvent::WithdrawalRejected { .. }
            | AccountEvent::WithdrawalCancelled { .. }
            | AccountEvent::OrderPlaced { .. }
            | AccountEvent::OrderRejected { .. }
            | AccountEvent::OrderModified { .. }
            | AccountEvent::OrderCancelled { .. }
            | AccountEvent::OrderExpired { .. }
            | AccountEvent::OrderTriggered { .. }
            | AccountEvent::OrderFilled { .. }
            | AccountEvent::OrderNetted { .. }
            | AccountEvent::PositionOpened { .. }
            | AccountEvent::PositionIncreased { .. }
            | AccountEvent::PositionReduced { .. }
            | AccountEvent::PositionClosed { .. }
            | AccountEvent::ProtectionChanged { .. } => {
                unreachable!("invariant: `evolve` has applied it")
            }
        }
    }

    /// Money that came or went within a trading day without being its profit or loss.
    pub(super) fn count_flow(&mut self, funds: &FundsChange) {
        let kind = self
            .terms
            .as_ref()
            .map_or_else(AccountKind::default, |terms| terms.kind);
        if let Some(day) = &mut self.risk.day {
            day.flows += match kind {
                AccountKind::Live => funds.real + funds.bonus,
                AccountKind::Demo => funds.demo,
            };
        }
    }

    fn bust(&mut self, bust: &BustedDeal) {
        let is_new = !self.busted.contains(&bust.deal_id);
        assert!(is_new, "corrupt stream: {} busted twice", bust.deal_id);
        self.busted.push(bust.deal_id);
        self.count_flow(&bust.funds);
        if bust.volume_removed.is_zero() {
            return;
        }
        let position = self.open_position(bust.position_id);
        position.bust(bust);
        if position.volume.is_zero() {
            self.remove_position(bust.position_id);
        }
    }

    fn reprice(&mut self, reprice: &RepricedDeal) {
        self.count_flow(&reprice.funds);
        if reprice.moves_position {
            self.open_position(reprice.position_id).reprice(reprice);
        }
    }
}

impl Risk {
    /// Counts an order that was placed or rejected.
    pub(super) fn count_order(&mut self, at: Timestamp) {
        let running = self.orders.filter(|window| window.is_running(at));
        self.orders = Some(match running {
            Some(window) => OrderWindow {
                count: window.count.saturating_add(1),
                ..window
            },
            None => OrderWindow {
                since: at,
                count: 1,
            },
        });
    }
}

impl OrderWindow {
    /// Whether the minute that began with its first order goes on.
    #[must_use]
    pub fn is_running(&self, at: Timestamp) -> bool {
        at < self.ends_at()
    }

    /// When it ends.
    #[must_use]
    pub fn ends_at(&self) -> Timestamp {
        self.since + Duration::minutes(1)
    }
}
