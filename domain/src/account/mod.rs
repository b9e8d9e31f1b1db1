//! One trading account: funds, funding requests, orders and positions under one invariant, margin.
//!
//! `decide` is the only place that makes account events; `evolve` is the only place that applies
//! them. Both are pure.

pub mod command;
mod controls;
mod cqrs;
mod decide;
pub mod event;
mod evolve;
mod evolve_funding;
mod evolve_risk;
pub mod funding;
mod funds;
pub mod order;
pub mod position;
mod rejection;
pub mod risk;
#[cfg(test)]
mod spec;
mod unsettled;

pub use command::{AccountCommand, Change, CloseFilter, OrderChanges};
pub use controls::{Controls, Limits};
pub use cqrs::{AccountServices, EVENT_VERSION};
pub use decide::Preview;
pub use event::AccountEvent;
pub use funding::{FundingKind, FundingRequest, FundingStatus, FundingVerdict};
pub use funds::AMOUNT_MAX;
pub use order::{Order, OrderLevels, OrderType, Ticket, TimeInForce};
pub use position::Position;
pub use rejection::AccountRejection;
pub use risk::Risk;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
pub use unsettled::Unsettled;

use crate::{ClientId, Currency, DealId, FundingId, Market, OrderId, PositionId, Rules, Timestamp};

/// Shape of [`Account`] as snapshots and the outbox keep it. Raise it with any change of the
/// state's fields or of what `evolve` makes of an event: older snapshots are then passed over, and
/// the outbox is built again.
pub const STATE_VERSION: i32 = 3;

/// The largest leverage of an account, whatever its limits.
pub const LEVERAGE_MAX: u32 = 500;

/// Whose money it trades.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountKind {
    /// Real and bonus money.
    Live,
    /// Demo money.
    #[default]
    Demo,
}

/// How opposite positions live together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PositionMode {
    /// Side by side.
    #[default]
    Hedging,
    /// One position per symbol.
    Netting,
}

/// A pot of money within an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bucket {
    /// The client's own money.
    Real,
    /// Play money.
    Demo,
    /// Credit that trades but cannot be withdrawn.
    Bonus,
}

/// The three buckets, and what is held back from them. In the account's currency.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Funds {
    /// Real money; negative only after a loss that nothing else covered.
    pub real: Decimal,
    /// Demo money.
    pub demo: Decimal,
    /// Bonus money.
    pub bonus: Decimal,
    /// The part of real money that is held for requested withdrawals; it is real money until they
    /// complete.
    pub held: Decimal,
}

/// What was fixed when the account opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountTerms {
    /// Owner.
    pub client_id: ClientId,
    /// The number people use.
    pub number: u64,
    /// Live or demo.
    pub kind: AccountKind,
    /// Hedging or netting.
    pub mode: PositionMode,
    /// Currency of every amount.
    pub currency: Currency,
    /// 1:`leverage`.
    pub leverage: u32,
    /// When it opened.
    pub opened_at: Timestamp,
}

/// One account's state: a fold of its events and nothing else.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// None until opened.
    pub terms: Option<AccountTerms>,
    /// Money.
    pub funds: Funds,
    /// Working orders, oldest first.
    pub orders: Vec<Order>,
    /// Open positions, oldest first.
    pub positions: Vec<Position>,
    /// Deposits and withdrawals that are requested or approved, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub funding: Vec<FundingRequest>,
    /// Flags, limits and group; none: nothing was ever set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub controls: Option<Box<Controls>>,
    /// Margin call, trading day, order rate.
    #[serde(default)]
    pub risk: Risk,
    /// Deals that were busted: none is undone twice.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub busted: Vec<DealId>,
}

/// What a decision needs from outside.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// Now.
    pub at: Timestamp,
    /// Instrument terms and newest quotes.
    pub market: &'a Market,
    /// House rules.
    pub rules: &'a Rules,
}

/// What was decided. Events and a refusal together mean: refused, and the book says so.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// Facts to append; empty for "already so" and for refusals that leave no trace.
    pub events: Vec<AccountEvent>,
    /// Why it was refused.
    pub refusal: Option<AccountRejection>,
    /// What became of each position of a command about several, in the order it was tried.
    pub outcomes: Vec<PositionOutcome>,
}

/// What became of one position of a command about several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PositionOutcome {
    /// The position.
    pub position_id: PositionId,
    /// Its price profit, in the account's currency, or why it stays open.
    pub result: Result<Decimal, AccountRejection>,
}

impl Account {
    /// A working order.
    #[must_use]
    pub fn order(&self, id: OrderId) -> Option<&Order> {
        self.orders.iter().find(|order| order.order_id == id)
    }

    /// An open position.
    #[must_use]
    pub fn position(&self, id: PositionId) -> Option<&Position> {
        let mut positions = self.positions.iter();
        positions.find(|position| position.position_id == id)
    }

    /// A deposit or withdrawal that is requested or approved.
    #[must_use]
    pub fn funding_request(&self, id: FundingId) -> Option<&FundingRequest> {
        self.funding.iter().find(|request| request.request_id == id)
    }

    /// Flags, limits and group in force.
    #[must_use]
    pub fn controls(&self) -> &Controls {
        self.controls.as_deref().unwrap_or(&Controls::NONE)
    }

    /// The group whose terms it deals under.
    #[must_use]
    pub fn group(&self) -> Option<&str> {
        self.controls.as_ref()?.group.as_deref()
    }

    /// The leverage in force, 1:`leverage`: the account's, or less where its limits say so. None
    /// before it is opened.
    #[must_use]
    pub fn leverage(&self) -> Option<u32> {
        let own = self.terms.as_ref()?.leverage;
        let most = self.controls().limits.max_leverage;
        Some(most.map_or(own, |most| most.min(own)))
    }

    /// Loss of a trading day that blocks new risk, in the account's currency: its own limit, or
    /// the house's.
    #[must_use]
    pub fn daily_loss_limit(&self, rules: &Rules) -> Option<Decimal> {
        self.controls().limits.daily_loss.or(rules.daily_loss_limit)
    }

    /// The account's figures on the newest quotes; none before it is opened.
    #[must_use]
    pub fn figures(&self, market: &Market, rules: &Rules) -> Option<crate::margin::Figures> {
        let terms = self.terms.as_ref()?;
        let input = crate::margin::FiguresInput {
            kind: terms.kind,
            currency: terms.currency,
            leverage: self.leverage()?,
            group: self.group(),
            funds: &self.funds,
            positions: &self.positions,
        };
        Some(crate::margin::figures(input, market, rules))
    }
}
