//! What a scenario came to, and who writes it down while it runs.

use std::collections::HashMap;

use daybook_domain::{
    AccountCommand, AccountEvent, AccountId, Decimal, OrderId, PositionId, Symbol, Timestamp,
    account::event::{CloseReason, ClosingDeal},
    quote::Side,
};
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use crate::desk::{Act, Ledger};

/// What a scenario came to. Decimals are strings, as everywhere.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ScenarioReport {
    /// Deals, in order.
    pub fills: Vec<FillOut>,
    /// Refusals, in order.
    pub rejections: Vec<RejectionOut>,
    /// The account's stream.
    pub events: Vec<EventOut>,
    /// What is open at the end.
    pub positions: Vec<PositionOut>,
    /// Balance at the end.
    pub balance: Decimal,
    /// Equity on the last quotes; none when a position has no quote.
    pub equity: Option<Decimal>,
    /// Margin of the open positions.
    pub margin: Decimal,
    /// Swap of all rollovers, posted or still accrued; negative was charged.
    pub swap: Decimal,
}

/// A deal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FillOut {
    /// When, in milliseconds since 1970.
    pub ms: i64,
    /// The order; of a closing deal the closing command, or `<order>-SL`, `<order>-TP`,
    /// `<order>-SO` (stop-out), `<order>-DL` (daily loss limit).
    pub order: String,
    /// The order that opened the position.
    pub position: String,
    /// Instrument.
    pub symbol: Symbol,
    /// Side of the deal.
    pub side: Side,
    /// Lots.
    pub volume: Decimal,
    /// Price dealt at.
    pub price: Decimal,
    /// Commission of this deal.
    pub commission: Decimal,
    /// Price profit; zero for an opening deal.
    pub realised: Decimal,
    /// Accrued swap posted by this deal.
    pub swap: Decimal,
}

/// A refusal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RejectionOut {
    /// When, in milliseconds since 1970.
    pub ms: i64,
    /// The command's or the order's name.
    pub order: String,
    /// Slug of the broken rule.
    pub reason: String,
}

/// A fact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EventOut {
    /// Place in the account's stream, from 1.
    pub sequence: usize,
    /// When, in milliseconds since 1970.
    pub ms: i64,
    /// Stable name.
    #[serde(rename = "type")]
    pub event_type: &'static str,
    /// Its fields, as in the book.
    pub data: Value,
}

/// A position at the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PositionOut {
    /// The order that opened it.
    pub position: String,
    /// Its identifier in the events.
    pub position_id: PositionId,
    /// Instrument.
    pub symbol: Symbol,
    /// Long (`buy`) or short (`sell`).
    pub side: Side,
    /// Lots.
    pub volume: Decimal,
    /// Opening price.
    pub open_price: Decimal,
    /// When it opened.
    pub open_time: Timestamp,
    /// Stop loss.
    pub stop_loss: Option<Decimal>,
    /// Take profit.
    pub take_profit: Option<Decimal>,
    /// Unrealised profit on the last quotes.
    pub unrealised: Option<Decimal>,
    /// Swap accrued.
    pub swap: Decimal,
    /// Commission of the opening deal.
    pub commission: Decimal,
    /// Its margin.
    pub used_margin: Decimal,
}

/// Takes everything down, under the names of the file.
#[derive(Default)]
pub(super) struct Recorder {
    pub report: ScenarioReport,
    ids: u128,
    orders: HashMap<OrderId, String>,
    openers: HashMap<PositionId, String>,
    /// Deciding panicked on this.
    pub panicked: Option<&'static str>,
}

impl Recorder {
    /// Names an order before it is placed.
    pub fn name_order(&mut self, order_id: OrderId, name: String) {
        self.orders.insert(order_id, name);
    }

    /// The name of the order that opened a position.
    pub fn opener(&self, position_id: PositionId) -> String {
        self.openers.get(&position_id).cloned().unwrap_or_default()
    }

    /// The newest position that an order of this name opened.
    pub fn position_of(&self, name: &str) -> Option<PositionId> {
        let opened = self.openers.iter().filter(|(_, opener)| *opener == name);
        opened.map(|(id, _)| *id).max()
    }

    /// The newest order of this name.
    pub fn order_of(&self, name: &str) -> Option<OrderId> {
        let named = self.orders.iter().filter(|(_, order)| *order == name);
        named.map(|(id, _)| *id).max()
    }

    /// Takes events down; `closer` names the command behind them, if one is.
    pub fn events(&mut self, events: &[AccountEvent], closer: Option<&str>) {
        for event in events {
            self.event(event, closer);
        }
    }

    /// Takes a refusal down.
    pub fn rejection(&mut self, ms: i64, order: impl Into<String>, reason: &str) {
        self.report.rejections.push(RejectionOut {
            ms,
            order: order.into(),
            reason: reason.to_owned(),
        });
    }

    fn event(&mut self, event: &AccountEvent, closer: Option<&str>) {
        let ms = event.at().timestamp_millis();
        let fields = serde_json::to_value(event).ok();
        let data = fields.and_then(|fields| fields.get(event.event_type()).cloned());
        self.report.events.push(EventOut {
            sequence: self.report.events.len() + 1,
            ms,
            event_type: event.event_type(),
            data: data.unwrap_or_default(),
        });
        match event {
            AccountEvent::OrderFilled { .. } => self.opening(ms, event),
            AccountEvent::PositionReduced { deal, .. }
            | AccountEvent::PositionClosed { deal, .. } => {
                self.closing(ms, deal, closer);
            }
            AccountEvent::SwapCharged { charge, .. } => self.report.swap += charge.amount,
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
            | AccountEvent::PositionOpened { .. }
            | AccountEvent::ProtectionChanged { .. }
            | AccountEvent::PositionIncreased { .. }
            | AccountEvent::OrderNetted { .. }
            | AccountEvent::LeverageChanged { .. }
            | AccountEvent::ControlsChanged { .. }
            | AccountEvent::MarginCallRaised { .. }
            | AccountEvent::MarginCallCleared { .. }
            | AccountEvent::StopOutStarted { .. }
            | AccountEvent::StopOutStep { .. }
            | AccountEvent::StopOutFinished { .. }
            | AccountEvent::NegativeBalanceCompensated { .. }
            | AccountEvent::TradingDayStarted { .. }
            | AccountEvent::DailyLossLimitReached { .. }
            | AccountEvent::DealBusted { .. }
            | AccountEvent::DealRepriced { .. } => {}
        }
    }

    fn opening(&mut self, ms: i64, event: &AccountEvent) {
        let AccountEvent::OrderFilled {
            order_id,
            position_id,
            symbol,
            side,
            volume,
            execution,
            funds,
            ..
        } = event
        else {
            unreachable!("invariant: an opening deal is an order that filled")
        };
        let order = self.name_of(*order_id);
        // A netting position keeps the name of the order that opened it.
        let opener = self.openers.entry(*position_id);
        let position = opener.or_insert_with(|| order.clone()).clone();
        self.report.fills.push(FillOut {
            ms,
            position,
            order,
            symbol: *symbol,
            side: *side,
            volume: *volume,
            price: execution.price,
            commission: execution.commission,
            realised: funds.currency.round(Decimal::ZERO),
            swap: funds.currency.round(Decimal::ZERO),
        });
    }

    fn closing(&mut self, ms: i64, deal: &ClosingDeal, closer: Option<&str>) {
        let position = self.opener(deal.position_id);
        let by_order = deal.order_id.map(|order_id| self.name_of(order_id));
        let closer = by_order.as_deref().or(closer);
        let order = match deal.reason {
            CloseReason::StopOut => format!("{position}-SO"),
            CloseReason::Client | CloseReason::CloseBy | CloseReason::CloseAll => {
                closer.unwrap_or(&position).to_owned()
            }
            CloseReason::Admin => closer.map_or(format!("{position}-DL"), str::to_owned),
            CloseReason::StopLoss => format!("{position}-SL"),
            CloseReason::TakeProfit => format!("{position}-TP"),
        };
        self.report.fills.push(FillOut {
            ms,
            order,
            position,
            symbol: deal.symbol,
            side: deal.side,
            volume: deal.volume,
            price: deal.execution.price,
            commission: deal.execution.commission,
            realised: deal.realised,
            swap: deal.swap,
        });
    }

    fn name_of(&self, order_id: OrderId) -> String {
        self.orders.get(&order_id).cloned().unwrap_or_default()
    }
}

impl Ledger for Recorder {
    /// Counted, so that the same file always gives the same report; in the shape of a UUIDv7.
    fn next_id(&mut self) -> Uuid {
        const SHAPE: u128 = 0x0000_0000_0000_7000_8000_0000_0000_0000;
        self.ids += 1;
        Uuid::from_u128(SHAPE | self.ids)
    }

    fn record(&mut self, act: Act<'_>) {
        let ms = act.at.timestamp_millis();
        self.events(&act.decision.events, None);
        for event in &act.decision.events {
            if let AccountEvent::OrderRejected {
                order_id, reason, ..
            } = event
            {
                self.rejection(ms, self.name_of(*order_id), reason);
            }
        }
    }

    fn quarantined(&mut self, _account_id: AccountId, command: &AccountCommand) {
        self.panicked = Some(command.name());
    }
}
