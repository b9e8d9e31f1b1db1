//! Everything that valuing an account can lead to: margin call and its clearing, the daily loss
//! limit, the stop-out, and a negative balance made good.
//!
//! Invariant: what was decided is not decided again. Right after its events an evaluation on the
//! same quotes has nothing to say, but for what could not be closed.

use std::borrow::Cow;

use rust_decimal::Decimal;
use uuid::Uuid;

use super::{Book, Found, position::Closing};
use crate::{
    Account, AccountEvent, DealId, PositionId,
    account::{
        AccountKind, AccountTerms, Context, FundingKind, Order, PositionMode,
        event::{CancelReason, CloseReason, FundingCancelReason, FundsChange},
    },
    margin::{self, Thresholds},
    price, profit,
    session::rollover_of,
};

impl Book<'_> {
    /// Says whatever the account's value leads to now; nothing where it cannot be valued yet.
    /// None of the three account states stops it.
    #[allow(
        clippy::unnecessary_wraps,
        reason = "a decision like the others: they may refuse"
    )]
    pub(super) fn evaluate(&self, seed: DealId) -> Found {
        let Some(mut course) = Course::begin(self, seed) else {
            return Ok(Vec::new());
        };
        course.margin_call();
        course.daily_loss();
        course.stop_out();
        course.margin_call_over();
        course.negative_balance();
        Ok(course.events)
    }
}

/// Facts in a row, each decided on what the ones before it left.
pub(super) struct Course<'a> {
    pub(super) account: Cow<'a, Account>,
    pub(super) terms: &'a AccountTerms,
    pub(super) context: Context<'a>,
    pub(super) seed: DealId,
    pub(super) events: Vec<AccountEvent>,
    /// One for each open position, in the account's order.
    pub(super) open: Vec<Open>,
}

/// What is known of an open position.
#[derive(Clone, Copy)]
pub(super) struct Open {
    /// Unrealised profit and accrued swap, rounded.
    pub(super) value: Decimal,
    /// Its margin by itself.
    pub(super) margin: Decimal,
    /// Whether its market can be dealt on now.
    pub(super) closable: bool,
}

/// An account at one moment of the course.
#[derive(Clone, Copy)]
pub(super) struct Standing {
    pub(super) equity: Decimal,
    pub(super) usable: Decimal,
    pub(super) thresholds: Thresholds,
}

impl Standing {
    /// Margin level in percent, for people; none without margin in use.
    pub(super) fn level(&self) -> Option<Decimal> {
        margin::level(self.usable, self.thresholds.used_margin)
    }
}

impl<'a> Course<'a> {
    /// None where a position cannot be valued.
    fn begin(book: &Book<'a>, seed: DealId) -> Option<Self> {
        let Context { market, rules, .. } = book.context;
        let (currency, group) = (book.terms.currency, book.account.group());
        let leverage = book.leverage();
        let values = book.account.positions.iter().map(|position| {
            let instrument = book.instrument(position.symbol).ok()?;
            Some(Open {
                value: profit::unrealised(position, currency, group, market, rules)?,
                margin: margin::position_margin(position, leverage, currency),
                closable: book.dealable(instrument).is_ok(),
            })
        });
        Some(Self {
            open: values.collect::<Option<_>>()?,
            account: Cow::Borrowed(book.account),
            terms: book.terms,
            context: book.context,
            seed,
            events: Vec::new(),
        })
    }

    pub(super) fn book(&self) -> Book<'_> {
        Book {
            account: &self.account,
            terms: self.terms,
            context: self.context,
        }
    }

    /// None where something does not fit 28 digits: then nothing is decided.
    pub(super) fn standing(&self) -> Option<Standing> {
        let mut values = self.open.iter();
        let tradable = self.account.funds.tradable(self.terms.kind);
        let equity = values.try_fold(tradable, |sum, open| sum.checked_add(open.value))?;
        Some(Standing {
            equity,
            usable: equity.checked_sub(self.account.funds.held)?,
            thresholds: Thresholds::of(&self.account, self.context.rules)?,
        })
    }

    pub(super) fn tell(&mut self, event: AccountEvent) {
        self.account.to_mut().evolve(&event);
        self.events.push(event);
    }

    fn margin_call(&mut self) {
        let Some(standing) = self.standing() else {
            return;
        };
        let (at, called) = (self.context.at, self.account.risk.margin_called);
        let level = standing.level();
        if called && standing.thresholds.clears(standing.equity) {
            self.tell(AccountEvent::MarginCallCleared { level, at });
        }
        if let Some(level) = level
            && !called
            && standing.thresholds.calls(standing.equity)
        {
            let currency = self.terms.currency;
            self.tell(AccountEvent::MarginCallRaised {
                level,
                equity: currency.round(standing.equity),
                used_margin: standing.thresholds.used_margin,
                at,
            });
        }
    }

    /// A standing margin call ends with what the stop-out or the loss limit closed.
    fn margin_call_over(&mut self) {
        if !self.account.risk.margin_called || self.events.is_empty() {
            return;
        }
        let Some(standing) = self.standing() else {
            return;
        };
        if standing.thresholds.clears(standing.equity) {
            self.tell(AccountEvent::MarginCallCleared {
                level: standing.level(),
                at: self.context.at,
            });
        }
    }

    /// The day's loss has reached its limit: new risk is refused until the day ends and, where the
    /// house says so, what is open is closed. What cannot be closed now is tried again.
    fn daily_loss(&mut self) {
        let at = self.context.at;
        let Some(day) = self.account.risk.day else {
            return;
        };
        let until = rollover_of(day.day);
        if at >= until {
            // That day is over; its end has not been decided yet.
            return;
        }
        if day.blocked_until.is_none() {
            let limit = self.account.daily_loss_limit(self.context.rules);
            let reached = self.standing().filter(|standing| {
                let threshold = standing.thresholds.daily_loss;
                threshold.is_some_and(|threshold| standing.equity <= threshold)
            });
            let Some((limit, standing)) = limit.zip(reached) else {
                return;
            };
            self.tell(AccountEvent::DailyLossLimitReached {
                limit,
                loss: (day.equity + day.flows).saturating_sub(standing.equity),
                until,
                at,
            });
        }
        if self.context.rules.daily_loss_closes_all {
            self.close_everything();
        }
    }

    /// Closes what can be closed, oldest first, and cancels the orders that would add risk.
    fn close_everything(&mut self) {
        let mut index = 0;
        while index < self.open.len() {
            let position_id = self.account.positions[index].position_id;
            let deal_id = deal_of(self.seed, position_id, None);
            match self.closing(index, None, deal_id, CloseReason::Admin) {
                Some(closed) => self.deal(index, closed),
                None => index += 1,
            }
        }
        let orders = self.account.orders.iter();
        let adding = orders.filter(|order| self.adds_risk(order));
        let cancelled: Vec<_> = adding.map(|order| order.order_id).collect();
        for order_id in cancelled {
            self.tell(AccountEvent::OrderCancelled {
                order_id,
                reason: CancelReason::DailyLoss,
                at: self.context.at,
            });
        }
    }

    /// In a netting account an opposite order that is no larger than the position only reduces it.
    fn adds_risk(&self, order: &Order) -> bool {
        let ticket = &order.ticket;
        let reduces = self.account.positions.iter().any(|position| {
            position.symbol == ticket.symbol
                && position.side != ticket.side
                && position.volume >= ticket.volume
        });
        match self.terms.mode {
            PositionMode::Hedging => true,
            PositionMode::Netting => !reduces,
        }
    }

    /// The closing deal of a position, whole or in part; none where it cannot be dealt now.
    pub(super) fn closing(
        &self,
        index: usize,
        volume: Option<Decimal>,
        deal_id: DealId,
        reason: CloseReason,
    ) -> Option<AccountEvent> {
        if !self.open[index].closable {
            return None;
        }
        let book = self.book();
        let position = &book.account.positions[index];
        let instrument = book.instrument(position.symbol).ok()?;
        let quote = book.dealable(instrument).ok()?;
        let volume = volume.unwrap_or(position.volume);
        let closing = Closing {
            position,
            deal_id,
            volume,
            price: price::at_market(quote, instrument, position.side.opposite(), volume),
            reason,
        };
        let events = book.deal_away(&closing, instrument, quote).ok()?;
        events.into_iter().next()
    }

    /// Tells the closing deal of a position, and values what is left of it.
    pub(super) fn deal(&mut self, index: usize, closed: AccountEvent) {
        let before = self.account.positions.len();
        self.tell(closed);
        if self.account.positions.len() < before {
            self.open.remove(index);
            return;
        }
        let book = self.book();
        let (left, leverage) = (book.value_of(index), book.leverage());
        let position = &self.account.positions[index];
        let margin = margin::position_margin(position, leverage, self.terms.currency);
        self.open[index].margin = margin;
        match left {
            Some(value) => self.open[index].value = value,
            // What was valued whole fits in part; should it not, it is left alone.
            None => self.open[index].closable = false,
        }
    }

    /// Without positions a tradable balance below zero is made zero, bucket by bucket: what is left
    /// of a bonus goes first, the house pays the rest. Nothing is left then that could be held.
    fn negative_balance(&mut self) {
        let account = &self.account;
        let protects = self.context.rules.negative_balance_protection;
        let tradable = account.funds.tradable(self.terms.kind);
        if !protects || !account.positions.is_empty() || tradable >= Decimal::ZERO {
            return;
        }
        let book = self.book();
        let held = book.account.funding.iter();
        let held = held.filter(|request| request.kind == FundingKind::Withdrawal);
        let released: Vec<_> = held
            .map(|request| book.cancelled(request, FundingCancelReason::NegativeBalance))
            .collect();
        for event in released {
            self.tell(event);
        }
        let funds = &self.account.funds;
        let currency = self.terms.currency;
        let funds = match self.terms.kind {
            AccountKind::Live => {
                FundsChange::new(currency, -funds.real, Decimal::ZERO, -funds.bonus)
            }
            AccountKind::Demo => {
                FundsChange::new(currency, Decimal::ZERO, -funds.demo, Decimal::ZERO)
            }
        };
        self.tell(AccountEvent::NegativeBalanceCompensated {
            funds,
            at: self.context.at,
        });
    }
}

impl Book<'_> {
    fn value_of(&self, index: usize) -> Option<Decimal> {
        let Context { market, rules, .. } = self.context;
        let position = &self.account.positions[index];
        let group = self.account.group();
        profit::unrealised(position, self.terms.currency, group, market, rules)
    }
}

/// Names a deal after the decision that it belongs to: the same decision always makes the same
/// names. A position that one decision deals twice has a step in them.
pub(super) fn deal_of(seed: DealId, position_id: PositionId, step: Option<u32>) -> DealId {
    let mut name = position_id.0.as_bytes().to_vec();
    name.extend(step.into_iter().flat_map(u32::to_be_bytes));
    DealId(Uuid::new_v5(&seed.0, &name))
}
