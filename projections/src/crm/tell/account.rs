//! Events of accounts. The account itself is folded beside, by the domain's own `evolve`: balances
//! after an event, and the order or position that it ends, come from there.

use daybook_domain::{
    Account, AccountEvent, AccountId, Decimal, OrderId, PositionId, Timestamp,
    account::{
        AccountTerms, Controls, FundingRequest, Order, Position, Ticket, event::ClosingDeal,
    },
    rules::TradingState,
};
use serde::{Deserialize, Serialize};

use super::{
    Message, funding,
    liquidation::{self, Liquidation},
};
use crate::{
    crm::{
        kind::Kind,
        number::{self, Instruments},
        payload::{
            AccountData, BalanceData, ClosedData, ControlsData, Fate, MarginCallData, Owner,
            order_data, position_data,
        },
    },
    slug,
};

/// An account, and the stop-out that is under way.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct AccountState {
    pub(crate) account: Account,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    liquidation: Option<Liquidation>,
}

/// What an event ends or changes, as it was before.
struct Before {
    order: Option<Order>,
    position: Option<Position>,
    funding: Option<FundingRequest>,
    controls: Controls,
}

/// One event with the account before and after it.
pub(super) struct Scene<'a> {
    before: Before,
    account: &'a Account,
    terms: AccountTerms,
    instruments: &'a Instruments,
    client_id: String,
    account_id: String,
}

impl AccountState {
    /// Applies an event and says what is told of it.
    ///
    /// # Panics
    /// When the event cannot follow the state: the projection stops there.
    pub(crate) fn tell(
        &mut self,
        id: AccountId,
        event: &AccountEvent,
        instruments: &Instruments,
    ) -> Vec<Message> {
        let before = Before {
            order: ended_order(&self.account, event),
            position: closed_position(&self.account, event),
            funding: known_request(&self.account, event),
            controls: self.account.controls().clone(),
        };
        self.account.evolve(event);
        let terms = self.account.terms;
        let terms = terms.expect("invariant: an account has terms after its first event");
        let scene = Scene {
            before,
            account: &self.account,
            terms,
            client_id: terms.client_id.to_string(),
            account_id: id.to_string(),
            instruments,
        };
        let mut told = scene.tell(event);
        told.extend(liquidation::follow(&mut self.liquidation, &scene, event));
        told.extend(scene.balances(event));
        told
    }
}

/// The order that an event is about, as it was.
fn ended_order(account: &Account, event: &AccountEvent) -> Option<Order> {
    if let AccountEvent::OrderCancelled { order_id, .. }
    | AccountEvent::OrderExpired { order_id, .. }
    | AccountEvent::OrderRejected { order_id, .. } = event
    {
        return account.order(*order_id).cloned();
    }
    None
}

/// The position that an event closes or reduces, as it was.
fn closed_position(account: &Account, event: &AccountEvent) -> Option<Position> {
    if let AccountEvent::PositionReduced { deal, .. } | AccountEvent::PositionClosed { deal, .. } =
        event
    {
        return account.position(deal.position_id).cloned();
    }
    None
}

/// The deposit or withdrawal that an event is about, as it was.
fn known_request(account: &Account, event: &AccountEvent) -> Option<FundingRequest> {
    let (request_id, _) = event.funding()?;
    account.funding_request(request_id).cloned()
}

impl Scene<'_> {
    /// What is told of an event besides money and stop-outs. A new event breaks the build here.
    #[expect(
        clippy::too_many_lines,
        reason = "a table: one arm for each event and nothing besides"
    )]
    fn tell(&self, event: &AccountEvent) -> Vec<Message> {
        match event {
            AccountEvent::AccountOpened { .. } | AccountEvent::LeverageChanged { .. } => {
                vec![self.account_updated()]
            }
            AccountEvent::ControlsChanged { .. } => self.controls_changed(),
            AccountEvent::OrderPlaced {
                order_id,
                ticket,
                at,
            } => {
                let fate = placed("working", *at, *at);
                vec![self.order(Kind::OrderPlaced, *order_id, ticket, fate)]
            }
            AccountEvent::OrderModified { order_id, at, .. } => self.modified(*order_id, *at),
            AccountEvent::OrderCancelled {
                order_id,
                reason,
                at,
            } => self.ended(*order_id, "cancelled", Some(slug::of(reason)), *at),
            AccountEvent::OrderExpired { order_id, at } => {
                self.ended(*order_id, "expired", None, *at)
            }
            AccountEvent::OrderRejected {
                order_id,
                ticket,
                reason,
                at,
                ..
            } => vec![self.rejected(*order_id, ticket, reason, *at)],
            AccountEvent::PositionOpened { position_id, .. } => {
                self.position(Kind::PositionOpened, *position_id)
            }
            AccountEvent::PositionIncreased { increase, .. } => {
                self.position(Kind::PositionUpdated, increase.position_id)
            }
            AccountEvent::PositionReduced { deal, .. }
            | AccountEvent::PositionClosed { deal, .. } => vec![self.closed(deal)],
            AccountEvent::DealBusted { bust, .. } if !bust.volume_removed.is_zero() => {
                self.position(Kind::PositionUpdated, bust.position_id)
            }
            AccountEvent::DealRepriced { reprice, .. } if reprice.moves_position => {
                self.position(Kind::PositionUpdated, reprice.position_id)
            }
            AccountEvent::MarginCallRaised {
                level,
                equity,
                used_margin,
                ..
            } => vec![self.margin_call(*level, *equity, *used_margin)],
            AccountEvent::DepositRequested { .. }
            | AccountEvent::DepositApproved { .. }
            | AccountEvent::DepositCompleted { .. }
            | AccountEvent::DepositRejected { .. }
            | AccountEvent::DepositCancelled { .. }
            | AccountEvent::WithdrawalRequested { .. }
            | AccountEvent::WithdrawalApproved { .. }
            | AccountEvent::WithdrawalCompleted { .. }
            | AccountEvent::WithdrawalRejected { .. }
            | AccountEvent::WithdrawalCancelled { .. } => self.funding(event),
            // Told as a change of a bucket, or nothing a receiver has use for.
            AccountEvent::FundsAdjusted { .. }
            | AccountEvent::OrderTriggered { .. }
            | AccountEvent::OrderFilled { .. }
            | AccountEvent::OrderNetted { .. }
            | AccountEvent::ProtectionChanged { .. }
            | AccountEvent::SwapCharged { .. }
            | AccountEvent::MarginCallCleared { .. }
            | AccountEvent::StopOutStarted { .. }
            | AccountEvent::StopOutStep { .. }
            | AccountEvent::StopOutFinished { .. }
            | AccountEvent::NegativeBalanceCompensated { .. }
            | AccountEvent::TradingDayStarted { .. }
            | AccountEvent::DailyLossLimitReached { .. }
            | AccountEvent::DealBusted { .. }
            | AccountEvent::DealRepriced { .. } => Vec::new(),
        }
    }

    /// Why a bucket changed, and what somebody said about it. A new event breaks the build here.
    fn cause(event: &AccountEvent) -> (&'static str, Option<&str>) {
        match event {
            AccountEvent::FundsAdjusted { notes, .. } => ("adjustment", notes.as_deref()),
            AccountEvent::DepositCompleted { decision, .. } => {
                ("deposit", decision.reason.as_deref())
            }
            AccountEvent::WithdrawalCompleted { decision, .. } => {
                ("withdrawal", decision.reason.as_deref())
            }
            AccountEvent::OrderFilled { .. } => ("commission", None),
            AccountEvent::PositionReduced { .. } | AccountEvent::PositionClosed { .. } => {
                ("deal", None)
            }
            AccountEvent::NegativeBalanceCompensated { .. } => ("negative_balance", None),
            AccountEvent::DealBusted { bust, .. } => ("correction", Some(&bust.reason)),
            AccountEvent::DealRepriced { reprice, .. } => ("correction", Some(&reprice.reason)),
            AccountEvent::AccountOpened { .. }
            | AccountEvent::DepositRequested { .. }
            | AccountEvent::DepositApproved { .. }
            | AccountEvent::DepositRejected { .. }
            | AccountEvent::DepositCancelled { .. }
            | AccountEvent::WithdrawalRequested { .. }
            | AccountEvent::WithdrawalApproved { .. }
            | AccountEvent::WithdrawalRejected { .. }
            | AccountEvent::WithdrawalCancelled { .. }
            | AccountEvent::OrderPlaced { .. }
            | AccountEvent::OrderRejected { .. }
            | AccountEvent::OrderModified { .. }
            | AccountEvent::OrderCancelled { .. }
            | AccountEvent::OrderExpired { .. }
            | AccountEvent::OrderTriggered { .. }
            | AccountEvent::OrderNetted { .. }
            | AccountEvent::PositionOpened { .. }
            | AccountEvent::PositionIncreased { .. }
            | AccountEvent::ProtectionChanged { .. }
            | AccountEvent::LeverageChanged { .. }
            | AccountEvent::ControlsChanged { .. }
            | AccountEvent::SwapCharged { .. }
            | AccountEvent::MarginCallRaised { .. }
            | AccountEvent::MarginCallCleared { .. }
            | AccountEvent::StopOutStarted { .. }
            | AccountEvent::StopOutStep { .. }
            | AccountEvent::StopOutFinished { .. }
            | AccountEvent::TradingDayStarted { .. }
            | AccountEvent::DailyLossLimitReached { .. } => ("adjustment", None),
        }
    }

    /// One for each bucket that an event changed.
    fn balances(&self, event: &AccountEvent) -> Vec<Message> {
        let Some(change) = event.funds() else {
            return Vec::new();
        };
        let (reason, notes) = Self::cause(event);
        let funds = &self.account.funds;
        let money = |amount| number::money(amount, self.terms.currency);
        let buckets = [
            ("real", change.real),
            ("demo", change.demo),
            ("bonus", change.bonus),
        ];
        let changed = buckets.into_iter().filter(|(_, amount)| !amount.is_zero());
        let told = changed.map(|(fund_type, amount)| {
            let data = BalanceData {
                client_id: self.client_id.clone(),
                account_id: self.account_id.clone(),
                fund_type: fund_type.to_owned(),
                amount: money(amount),
                reason: reason.to_owned(),
                notes: notes.map(str::to_owned),
                currency: self.terms.currency.to_string(),
                real_balance: money(funds.real),
                demo_balance: money(funds.demo),
                bonus_balance: money(funds.bonus),
                balance: money(funds.balance()),
            };
            Message {
                part: fund_type,
                ..Message::new(Kind::BalanceUpdated, &data)
            }
        });
        told.collect()
    }

    fn funding(&self, event: &AccountEvent) -> Vec<Message> {
        let step = event.funding().into_iter();
        step.map(|step| funding::tell(self, step, self.before.funding.as_ref()))
            .collect()
    }

    fn account_updated(&self) -> Message {
        let data = AccountData {
            client_id: self.client_id.clone(),
            account_id: self.account_id.clone(),
            number: self.terms.number,
            kind: slug::of(&self.terms.kind),
            mode: slug::of(&self.terms.mode),
            currency: self.terms.currency.to_string(),
            leverage: self.terms.leverage,
            state: state_of(self.account.controls()),
        };
        Message::new(Kind::AccountUpdated, &data)
    }

    fn controls_changed(&self) -> Vec<Message> {
        let (before, after) = (&self.before.controls, self.account.controls());
        let data = ControlsData::of(
            self.client_id.clone(),
            self.account_id.clone(),
            self.terms.currency,
            (before, after),
        );
        let mut told = vec![Message::new(Kind::UserUpdated, &data)];
        if state_of(before) != state_of(after) {
            told.push(self.account_updated());
        }
        told
    }

    fn order(&self, kind: Kind, order_id: OrderId, ticket: &Ticket, fate: Fate<'_>) -> Message {
        let data = order_data(self.owner(), order_id, ticket, fate, self.instruments);
        Message::new(kind, &data)
    }

    fn modified(&self, order_id: OrderId, at: Timestamp) -> Vec<Message> {
        let order = self.account.order(order_id);
        let order = order.expect("invariant: a modified order works on");
        let fate = placed("working", order.placed_at, at);
        vec![self.order(Kind::OrderModified, order_id, &order.ticket, fate)]
    }

    /// Refused at its trigger it was placed before; refused at placement, now.
    fn rejected(&self, order_id: OrderId, ticket: &Ticket, reason: &str, at: Timestamp) -> Message {
        let order = self.before.order.as_ref();
        let fate = Fate {
            reason: Some(reason.to_owned()),
            ..placed("rejected", order.map_or(at, |order| order.placed_at), at)
        };
        self.order(Kind::OrderCancelled, order_id, ticket, fate)
    }

    fn ended(
        &self,
        order_id: OrderId,
        status: &str,
        reason: Option<String>,
        at: Timestamp,
    ) -> Vec<Message> {
        let order = self.before.order.as_ref();
        let order = order.expect("invariant: evolve has found the order that ends");
        let fate = Fate {
            reason,
            ..placed(status, order.placed_at, at)
        };
        vec![self.order(Kind::OrderCancelled, order_id, &order.ticket, fate)]
    }

    /// Nothing of a position that is gone: a busted opening deal leaves none.
    fn position(&self, kind: Kind, id: PositionId) -> Vec<Message> {
        let position = self.account.position(id);
        let told = position.map(|position| {
            let data = position_data(self.owner(), position, self.instruments);
            Message::new(kind, &data)
        });
        told.into_iter().collect()
    }

    fn closed(&self, deal: &ClosingDeal) -> Message {
        let position = self.before.position.as_ref();
        let position = position.expect("invariant: evolve has found the position that is closed");
        let data = ClosedData::of(self.owner(), position, deal, self.instruments);
        Message::new(Kind::PositionClosed, &data)
    }

    fn margin_call(&self, level: Decimal, equity: Decimal, used_margin: Decimal) -> Message {
        let data = MarginCallData {
            client_id: self.client_id.clone(),
            account_id: self.account_id.clone(),
            margin_level: number::percent(level),
            equity: number::money(equity, self.terms.currency),
            used_margin: number::money(used_margin, self.terms.currency),
            currency: self.terms.currency.to_string(),
        };
        Message::new(Kind::MarginCall, &data)
    }

    pub(super) const fn instruments(&self) -> &Instruments {
        self.instruments
    }

    pub(super) fn owner(&self) -> Owner<'_> {
        Owner {
            client_id: &self.client_id,
            account_id: &self.account_id,
            currency: self.terms.currency,
        }
    }
}

fn placed(status: &str, created_at: Timestamp, updated_at: Timestamp) -> Fate<'_> {
    Fate {
        status,
        created_at,
        updated_at,
        reason: None,
    }
}

/// The account's own state: that of the house is no part of the book.
fn state_of(controls: &Controls) -> String {
    slug::of(&controls.state_under(TradingState::Active))
}
