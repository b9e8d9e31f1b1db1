//! The statement as a fold of the account's own stream.

use std::{collections::HashMap, ops::ControlFlow};

use chrono::SubsecRound;
use daybook_domain::{
    AccountEvent, AccountId, Currency, DealId, Decimal, OrderId, PositionId, Symbol, Timestamp,
    account::{
        Funds,
        event::{BustedDeal, CloseReason, ClosingDeal, RepricedDeal},
    },
    postings::{self, Posting},
    quote::Side,
};
use daybook_projections::AccountRow;

use crate::{
    app::Shared,
    problem::{Answered, Code, Problem},
    routes::trading::account::story,
};

/// Lines of one statement: a longer time is asked for in parts.
const LINES_MAX: usize = 20_000;

/// What a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LineKind {
    Deposit,
    Withdrawal,
    Deal,
    Bust,
    Reprice,
    Compensation,
    /// Held for a withdrawal: the balance stays, the general ledger moves.
    Hold,
    /// A hold that ended without a payment.
    Release,
}

impl LineKind {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Deposit => "deposit",
            Self::Withdrawal => "withdrawal",
            Self::Deal => "deal",
            Self::Bust => "bust",
            Self::Reprice => "reprice",
            Self::Compensation => "compensation",
            Self::Hold => "hold",
            Self::Release => "release",
        }
    }

    /// Whether a client reads it on a statement: it moved the balance, or could have.
    pub(super) const fn is_shown(self) -> bool {
        match self {
            Self::Deposit
            | Self::Withdrawal
            | Self::Deal
            | Self::Bust
            | Self::Reprice
            | Self::Compensation => true,
            Self::Hold | Self::Release => false,
        }
    }
}

/// What was dealt.
#[derive(Clone, Copy)]
pub(super) struct Dealt {
    pub(super) order_id: Option<OrderId>,
    pub(super) side: Side,
    pub(super) volume: Decimal,
    pub(super) price: Decimal,
}

/// One event that moved money, or could have.
pub(super) struct Line {
    pub(super) at: Timestamp,
    pub(super) position: i64,
    pub(super) kind: LineKind,
    pub(super) deal_id: Option<DealId>,
    pub(super) position_id: Option<PositionId>,
    pub(super) symbol: Option<Symbol>,
    pub(super) dealt: Option<Dealt>,
    pub(super) realised: Decimal,
    pub(super) commission: Decimal,
    pub(super) swap: Decimal,
    pub(super) amount: Decimal,
    pub(super) balance: Decimal,
    pub(super) reason: Option<CloseReason>,
    pub(super) note: Option<String>,
    pub(super) postings: Vec<Posting>,
}

/// Sums over the lines.
#[derive(Default)]
pub(super) struct Sums {
    pub(super) deposits: Decimal,
    pub(super) withdrawals: Decimal,
    pub(super) realised: Decimal,
    pub(super) commission: Decimal,
    pub(super) swap: Decimal,
    pub(super) compensated: Decimal,
}

/// An account's money within a time.
pub(super) struct Statement {
    pub(super) account_id: AccountId,
    pub(super) number: u64,
    pub(super) currency: Currency,
    pub(super) from: Timestamp,
    pub(super) to: Timestamp,
    pub(super) opening: Funds,
    pub(super) closing: Funds,
    pub(super) sums: Sums,
    pub(super) lines: Vec<Line>,
    /// All deals so far: a correction shows that which it corrects.
    deals: HashMap<DealId, Dealt>,
    /// The balance in the order of the stream.
    balance: Decimal,
}

impl Statement {
    /// From `from` on, before `to`.
    pub(super) async fn of(
        app: &Shared,
        account: &AccountRow,
        (from, to): (Timestamp, Timestamp),
    ) -> Answered<Self> {
        let mut statement = Self {
            account_id: account.account_id,
            number: account.number,
            currency: account.currency,
            from,
            to,
            opening: Funds::default(),
            closing: Funds::default(),
            sums: Sums::default(),
            lines: Vec::new(),
            deals: HashMap::new(),
            balance: Decimal::ZERO,
        };
        story(app, account.account_id, |recorded, event| {
            statement.take(&event, recorded.position);
            if statement.lines.len() > LINES_MAX {
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        })
        .await?;
        if statement.lines.len() > LINES_MAX {
            let message = format!("more than {LINES_MAX} entries since then: ask for less time");
            return Err(Problem::field(Code::InvalidValue, "from", message));
        }
        Ok(statement)
    }

    fn take(&mut self, event: &AccountEvent, position: i64) {
        let Some(funds) = event.funds() else {
            return;
        };
        // Named to the millisecond, as answers name it.
        let at = event.at().trunc_subsecs(3);
        self.balance += funds.total();
        if at < self.from {
            self.opening.apply(funds);
        }
        if at < self.to {
            self.closing.apply(funds);
        }
        let Some(line) = self.line(event) else {
            return;
        };
        if let Some((deal_id, dealt)) = line.deal_id.zip(line.dealt) {
            self.deals.insert(deal_id, dealt);
        }
        if at < self.from || at >= self.to {
            return;
        }
        let line = Line {
            at,
            position,
            amount: funds.total(),
            balance: self.balance,
            postings: postings::post(event),
            ..line
        };
        self.sums.add(&line);
        self.lines.push(line);
    }

    fn line(&self, event: &AccountEvent) -> Option<Line> {
        match event {
            AccountEvent::FundsAdjusted { amount, notes, .. } => Some(Line {
                note: notes.clone(),
                ..Line::new(if amount.is_sign_negative() {
                    LineKind::Withdrawal
                } else {
                    LineKind::Deposit
                })
            }),
            AccountEvent::DepositCompleted { decision, .. } => Some(Line {
                note: decision.reference.clone(),
                ..Line::new(LineKind::Deposit)
            }),
            AccountEvent::WithdrawalCompleted { decision, .. } => Some(Line {
                note: decision.reference.clone(),
                ..Line::new(LineKind::Withdrawal)
            }),
            AccountEvent::WithdrawalRequested { .. } => Some(Line::new(LineKind::Hold)),
            AccountEvent::WithdrawalRejected { .. } | AccountEvent::WithdrawalCancelled { .. } => {
                Some(Line::new(LineKind::Release))
            }
            AccountEvent::OrderFilled { .. } => Some(opening(event)),
            AccountEvent::PositionReduced { deal, .. }
            | AccountEvent::PositionClosed { deal, .. } => Some(closing(deal)),
            AccountEvent::NegativeBalanceCompensated { .. } => {
                Some(Line::new(LineKind::Compensation))
            }
            AccountEvent::DealBusted { bust, .. } => Some(self.bust(bust)),
            AccountEvent::DealRepriced { reprice, .. } => Some(self.reprice(reprice)),
            AccountEvent::AccountOpened { .. }
            | AccountEvent::DepositRequested { .. }
            | AccountEvent::DepositApproved { .. }
            | AccountEvent::DepositRejected { .. }
            | AccountEvent::DepositCancelled { .. }
            | AccountEvent::WithdrawalApproved { .. }
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
            | AccountEvent::DailyLossLimitReached { .. } => None,
        }
    }

    fn bust(&self, bust: &BustedDeal) -> Line {
        Line {
            deal_id: Some(bust.deal_id),
            position_id: Some(bust.position_id),
            symbol: Some(bust.symbol),
            dealt: self.deals.get(&bust.deal_id).copied(),
            realised: bust.realised,
            commission: -bust.commission,
            swap: bust.swap,
            note: Some(bust.reason.clone()),
            ..Line::new(LineKind::Bust)
        }
    }

    fn reprice(&self, reprice: &RepricedDeal) -> Line {
        let dealt = self.deals.get(&reprice.deal_id);
        Line {
            deal_id: Some(reprice.deal_id),
            position_id: Some(reprice.position_id),
            symbol: Some(reprice.symbol),
            dealt: dealt.map(|dealt| Dealt {
                price: reprice.to,
                ..*dealt
            }),
            realised: reprice.realised,
            note: Some(reprice.reason.clone()),
            ..Line::new(LineKind::Reprice)
        }
    }
}

impl Line {
    fn new(kind: LineKind) -> Self {
        Self {
            at: Timestamp::UNIX_EPOCH,
            position: 0,
            kind,
            deal_id: None,
            position_id: None,
            symbol: None,
            dealt: None,
            realised: Decimal::ZERO,
            commission: Decimal::ZERO,
            swap: Decimal::ZERO,
            amount: Decimal::ZERO,
            balance: Decimal::ZERO,
            reason: None,
            note: None,
            postings: Vec::new(),
        }
    }
}

fn opening(event: &AccountEvent) -> Line {
    let AccountEvent::OrderFilled {
        order_id,
        deal_id,
        position_id,
        symbol,
        side,
        volume,
        execution,
        ..
    } = event
    else {
        unreachable!("invariant: an opening deal is an order that filled")
    };
    Line {
        deal_id: Some(*deal_id),
        position_id: Some(*position_id),
        symbol: Some(*symbol),
        dealt: Some(Dealt {
            order_id: Some(*order_id),
            side: *side,
            volume: *volume,
            price: execution.price,
        }),
        commission: execution.commission,
        ..Line::new(LineKind::Deal)
    }
}

fn closing(deal: &ClosingDeal) -> Line {
    Line {
        deal_id: Some(deal.deal_id),
        position_id: Some(deal.position_id),
        symbol: Some(deal.symbol),
        dealt: Some(Dealt {
            order_id: deal.order_id,
            side: deal.side,
            volume: deal.volume,
            price: deal.execution.price,
        }),
        realised: deal.realised,
        commission: deal.execution.commission,
        swap: deal.swap,
        reason: Some(deal.reason),
        ..Line::new(LineKind::Deal)
    }
}

impl Sums {
    fn add(&mut self, line: &Line) {
        match line.kind {
            LineKind::Deposit => self.deposits += line.amount,
            LineKind::Withdrawal => self.withdrawals -= line.amount,
            LineKind::Compensation => self.compensated += line.amount,
            LineKind::Hold | LineKind::Release => {}
            LineKind::Deal | LineKind::Bust | LineKind::Reprice => {
                self.realised += line.realised;
                self.commission += line.commission;
                self.swap += line.swap;
            }
        }
    }
}
