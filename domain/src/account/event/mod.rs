//! Facts about one account. Names are stable: they are stored.

mod parts;
mod reading;
mod risk;

use chrono::NaiveDate;
pub use parts::{
    CancelReason, CloseReason, ClosingDeal, FundingCancelReason, FundingDecision, FundsChange,
    MarginBasis, TriggerQuote,
};
pub use reading::FundingStep;
pub use risk::{BustedDeal, DealRecord, PositionIncrease, RepricedDeal, StopOutAction, SwapCharge};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::{
    AccountKind, Bucket, Controls, PositionMode,
    order::{OrderLevels, Ticket},
};
use crate::{
    ClientId, Currency, DealId, FundingId, OrderId, PositionId, Symbol, Timestamp,
    execution::Execution, quote::Side, rules::StopOutRule,
};

/// A fact in an account's stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AccountEvent {
    /// The account exists from now on.
    AccountOpened {
        /// Its owner.
        client_id: ClientId,
        /// The number people use (100001…).
        number: u64,
        /// Live or demo money.
        kind: AccountKind,
        /// Hedging or netting.
        mode: PositionMode,
        /// Currency of every amount.
        currency: Currency,
        /// 1:`leverage`.
        leverage: u32,
        /// When.
        at: Timestamp,
    },
    /// Money came or went without a trade.
    FundsAdjusted {
        /// Which bucket.
        bucket: Bucket,
        /// Signed amount.
        amount: Decimal,
        /// For people.
        notes: Option<String>,
        /// Who did it.
        by: String,
        /// The same, by bucket and with its currency.
        funds: FundsChange,
        /// When.
        at: Timestamp,
    },
    /// The client asked for money to come in.
    DepositRequested {
        /// The request.
        request_id: FundingId,
        /// How much.
        amount: Decimal,
        /// The account's currency.
        currency: Currency,
        /// How it comes, sealed.
        method: String,
        /// When.
        at: Timestamp,
    },
    /// Staff agreed to a deposit; no money has moved.
    DepositApproved {
        /// The request.
        request_id: FundingId,
        /// What staff said.
        decision: Box<FundingDecision>,
        /// When.
        at: Timestamp,
    },
    /// The money has come.
    DepositCompleted {
        /// The request.
        request_id: FundingId,
        /// How much.
        amount: Decimal,
        /// How it came, sealed.
        method: String,
        /// What staff said.
        decision: Box<FundingDecision>,
        /// The same, by bucket.
        funds: FundsChange,
        /// When.
        at: Timestamp,
    },
    /// Staff refused a deposit.
    DepositRejected {
        /// The request.
        request_id: FundingId,
        /// What staff said.
        decision: Box<FundingDecision>,
        /// When.
        at: Timestamp,
    },
    /// The client took a deposit back.
    DepositCancelled {
        /// The request.
        request_id: FundingId,
        /// When.
        at: Timestamp,
    },
    /// The client asked for money to go out. It is held from now on.
    WithdrawalRequested {
        /// The request.
        request_id: FundingId,
        /// How much.
        amount: Decimal,
        /// The account's currency.
        currency: Currency,
        /// Where it goes, sealed.
        destination: String,
        /// The hold.
        funds: FundsChange,
        /// When.
        at: Timestamp,
    },
    /// Staff agreed to a withdrawal; the money is still held.
    WithdrawalApproved {
        /// The request.
        request_id: FundingId,
        /// What staff said.
        decision: Box<FundingDecision>,
        /// When.
        at: Timestamp,
    },
    /// What was held is paid out.
    WithdrawalCompleted {
        /// The request.
        request_id: FundingId,
        /// How much.
        amount: Decimal,
        /// Where it went, sealed.
        destination: String,
        /// What staff said.
        decision: Box<FundingDecision>,
        /// The same, by bucket, and the end of the hold.
        funds: FundsChange,
        /// When.
        at: Timestamp,
    },
    /// Staff refused a withdrawal; nothing of it is held any more.
    WithdrawalRejected {
        /// The request.
        request_id: FundingId,
        /// What staff said.
        decision: Box<FundingDecision>,
        /// The end of the hold.
        funds: FundsChange,
        /// When.
        at: Timestamp,
    },
    /// A withdrawal ended without staff; nothing of it is held any more.
    WithdrawalCancelled {
        /// The request.
        request_id: FundingId,
        /// Why.
        reason: FundingCancelReason,
        /// The end of the hold.
        funds: FundsChange,
        /// When.
        at: Timestamp,
    },
    /// An order was accepted.
    OrderPlaced {
        /// The order.
        order_id: OrderId,
        /// What was asked.
        ticket: Box<Ticket>,
        /// When.
        at: Timestamp,
    },
    /// A well-formed order was refused by a rule, at placement or when it triggered.
    OrderRejected {
        /// The order.
        order_id: OrderId,
        /// What was asked.
        ticket: Box<Ticket>,
        /// Stable slug of the broken rule.
        reason: String,
        /// The numbers, for people.
        detail: String,
        /// When.
        at: Timestamp,
    },
    /// A working order's levels or volume changed.
    OrderModified {
        /// The order.
        order_id: OrderId,
        /// Before.
        from: Box<OrderLevels>,
        /// After.
        to: Box<OrderLevels>,
        /// Whether the new limit could be dealt on at once: it then deals at the quote, as a limit
        /// that is marketable on arrival does.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        marketable: bool,
        /// When.
        at: Timestamp,
    },
    /// An order ended without filling.
    OrderCancelled {
        /// The order.
        order_id: OrderId,
        /// Why.
        reason: CancelReason,
        /// When.
        at: Timestamp,
    },
    /// An order's time ran out.
    OrderExpired {
        /// The order.
        order_id: OrderId,
        /// When.
        at: Timestamp,
    },
    /// The market reached a pending order's trigger.
    OrderTriggered {
        /// The order.
        order_id: OrderId,
        /// On which quote.
        quote: TriggerQuote,
        /// When.
        at: Timestamp,
    },
    /// An order filled whole.
    OrderFilled {
        /// The order.
        order_id: OrderId,
        /// The opening deal.
        deal_id: DealId,
        /// The position it opened.
        position_id: PositionId,
        /// Its instrument.
        symbol: Symbol,
        /// Side of the deal.
        side: Side,
        /// Lots.
        volume: Decimal,
        /// The receipt.
        execution: Box<Execution>,
        /// The commission, by bucket.
        funds: FundsChange,
        /// When.
        at: Timestamp,
    },
    /// A position came into being.
    PositionOpened {
        /// The position.
        position_id: PositionId,
        /// The order that opened it.
        order_id: OrderId,
        /// The opening deal.
        deal_id: DealId,
        /// Its instrument.
        symbol: Symbol,
        /// Long (`buy`) or short (`sell`).
        side: Side,
        /// Lots.
        volume: Decimal,
        /// The opening price.
        open_price: Decimal,
        /// Units of the base in one lot, as dealt.
        contract_size: Decimal,
        /// What its margin rests on.
        margin: MarginBasis,
        /// Commission of the opening deal, in the account's currency.
        commission: Decimal,
        /// Protection.
        stop_loss: Option<Decimal>,
        /// Protection.
        take_profit: Option<Decimal>,
        /// How far behind the market its stop loss trails, in price units.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        trailing_distance: Option<Decimal>,
        /// When.
        at: Timestamp,
    },
    /// An order filled into the position of its side that a netting account had already. Comes
    /// with an `OrderFilled` before it, as `PositionOpened` does.
    PositionIncreased {
        /// The position as it is now, and the deal.
        increase: Box<PositionIncrease>,
        /// When.
        at: Timestamp,
    },
    /// An order ended by reducing or closing the opposite position of a netting account: the deal
    /// is that of the event before it.
    OrderNetted {
        /// The order.
        order_id: OrderId,
        /// The closing deal.
        deal_id: DealId,
        /// The position it reduced.
        position_id: PositionId,
        /// Lots.
        volume: Decimal,
        /// When.
        at: Timestamp,
    },
    /// Part of a position was closed.
    PositionReduced {
        /// The deal.
        deal: Box<ClosingDeal>,
        /// When.
        at: Timestamp,
    },
    /// A position ended.
    PositionClosed {
        /// The deal.
        deal: Box<ClosingDeal>,
        /// When.
        at: Timestamp,
    },
    /// Stop loss or take profit of a position changed; these are the levels from now on.
    ProtectionChanged {
        /// The position.
        position_id: PositionId,
        /// Stop loss, none: removed.
        stop_loss: Option<Decimal>,
        /// Take profit, none: removed.
        take_profit: Option<Decimal>,
        /// Distance of the trailing stop, none: it does not trail.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        trailing_distance: Option<Decimal>,
        /// When.
        at: Timestamp,
    },
    /// The account's leverage changed; what is open is re-margined.
    LeverageChanged {
        /// Before.
        from: u32,
        /// After.
        to: u32,
        /// Who.
        by: String,
        /// When.
        at: Timestamp,
    },
    /// Flags, limits or group changed; these are the controls from now on.
    ControlsChanged {
        /// All of them.
        controls: Box<Controls>,
        /// For people.
        reason: Option<String>,
        /// Who.
        by: String,
        /// When.
        at: Timestamp,
    },
    /// A rollover charged (or paid) swap. It accrues on the position until a deal posts it.
    SwapCharged {
        /// What, and what it rested on.
        charge: Box<SwapCharge>,
        /// When.
        at: Timestamp,
    },
    /// The margin level fell to the margin call.
    MarginCallRaised {
        /// Percent.
        level: Decimal,
        /// Equity.
        equity: Decimal,
        /// Margin in use.
        used_margin: Decimal,
        /// When.
        at: Timestamp,
    },
    /// The margin level recovered, or nothing is open any more.
    MarginCallCleared {
        /// Percent; none without margin in use.
        level: Option<Decimal>,
        /// When.
        at: Timestamp,
    },
    /// The stop-out begins. Its steps follow at once.
    StopOutStarted {
        /// In which order it closes.
        rule: StopOutRule,
        /// Percent; none: fully hedged, and nothing usable is left.
        level: Option<Decimal>,
        /// Equity less holds.
        usable: Decimal,
        /// Margin in use.
        used_margin: Decimal,
        /// When.
        at: Timestamp,
    },
    /// One step, after the event of its deal.
    StopOutStep {
        /// What was done.
        action: StopOutAction,
        /// Percent before it.
        level_before: Option<Decimal>,
        /// Percent after it.
        level_after: Option<Decimal>,
        /// When.
        at: Timestamp,
    },
    /// The level is above the threshold, or nothing is left that can be closed now.
    StopOutFinished {
        /// Percent.
        level: Option<Decimal>,
        /// When.
        at: Timestamp,
    },
    /// A negative balance was made zero at the house's expense.
    NegativeBalanceCompensated {
        /// By bucket.
        funds: FundsChange,
        /// When.
        at: Timestamp,
    },
    /// A trading day begins: what the daily loss is counted from.
    TradingDayStarted {
        /// The day, named by the date on which it ends in New York.
        day: NaiveDate,
        /// Equity at its start.
        equity: Decimal,
        /// When.
        at: Timestamp,
    },
    /// The day's loss reached the limit; new risk is refused until then.
    DailyLossLimitReached {
        /// The limit.
        limit: Decimal,
        /// The loss, net of deposits, withdrawals and adjustments.
        loss: Decimal,
        /// The next rollover.
        until: Timestamp,
        /// When.
        at: Timestamp,
    },
    /// A deal was undone by compensation.
    DealBusted {
        /// What was undone, and the money.
        bust: Box<BustedDeal>,
        /// When.
        at: Timestamp,
    },
    /// A deal's price was corrected by compensation.
    DealRepriced {
        /// What was corrected, and the money.
        reprice: Box<RepricedDeal>,
        /// When.
        at: Timestamp,
    },
}
