//! Deciding and applying: by command, and by the desk itself.

use std::panic::{AssertUnwindSafe, catch_unwind};

use daybook_domain::{
    Account, AccountCommand, AccountEvent, DealId, Market, OrderId, PositionId, Timestamp,
    account::{Context, Decision},
};

use super::{Act, Cause, Desk, Ledger, margin_watch, watches::Watches};
use crate::trigger_book::{Kind, Waiter};

/// What came of a decision that the desk wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Acted {
    /// Something happened.
    Yes,
    /// Nothing was to be said.
    No,
    /// It cannot be said yet.
    Refused,
    /// The account is not at the desk any longer.
    Gone,
}

impl Desk {
    /// Decides by itself, on the desk's own market. Says whether anything happened.
    pub(super) fn act(
        &mut self,
        number: u32,
        command: &AccountCommand,
        cause: Cause,
        at: Timestamp,
        ledger: &mut impl Ledger,
    ) -> bool {
        self.act_on(number, command, cause, None, at, ledger) == Acted::Yes
    }

    /// Decides by itself, on `market` if one is given. A panic costs the account its seat and
    /// nobody else anything.
    pub(super) fn act_on(
        &mut self,
        number: u32,
        command: &AccountCommand,
        cause: Cause,
        market: Option<&Market>,
        at: Timestamp,
        ledger: &mut impl Ledger,
    ) -> Acted {
        let decide = AssertUnwindSafe(|| self.decide(number, command, market, at));
        let Ok(decided) = catch_unwind(decide) else {
            if let Some(id) = self.seated(number).map(|seated| seated.id) {
                self.unseat(id);
                ledger.quarantined(id, command);
            }
            return Acted::Gone;
        };
        let (Some(decision), Some(seated)) = (decided, self.seated(number)) else {
            return Acted::Gone;
        };
        if decision.events.is_empty() {
            return match decision.refusal {
                Some(_) => Acted::Refused,
                None => Acted::No,
            };
        }
        ledger.record(Act {
            account_id: seated.id,
            account: &seated.account,
            command,
            cause,
            decision: &decision,
            at,
        });
        Acted::Yes
    }

    pub(super) fn decide(
        &mut self,
        number: u32,
        command: &AccountCommand,
        market: Option<&Market>,
        at: Timestamp,
    ) -> Option<Decision> {
        let seated = self.seats.get_mut(number as usize)?.as_mut()?;
        let context = Context {
            at,
            market: market.unwrap_or(&self.market),
            rules: &self.rules,
        };
        let account = &mut seated.account;
        let decision = account.decide(command, &context);
        apply(
            &mut self.watches,
            number,
            account,
            &decision.events,
            &self.market,
        );
        if decision.events.iter().any(margin_watch::concerns) {
            self.margin.mark(number);
        }
        Some(decision)
    }
}

fn apply(
    watches: &mut Watches,
    number: u32,
    account: &mut Account,
    events: &[AccountEvent],
    market: &Market,
) {
    // Another group deals under other mark-ups: every level of the account may shift.
    let shifts_all = |event: &AccountEvent| matches!(event, AccountEvent::ControlsChanged { .. });
    if events.iter().any(shifts_all) {
        watches.unwatch_account(number, account, market);
        events.iter().for_each(|event| account.evolve(event));
        watches.watch_account(number, account, market);
        return;
    }
    for event in events {
        watches.unwatch_event(number, account, event, market);
    }
    for event in events {
        account.evolve(event);
    }
    for event in events {
        watches.watch_event(number, account, event, market);
    }
}

/// What a waiter in the trigger book asks for when it is touched.
pub(super) fn nomination(waiter: &Waiter, ledger: &mut impl Ledger) -> AccountCommand {
    match waiter.kind {
        Kind::Order => AccountCommand::TriggerOrder {
            order_id: OrderId(waiter.id),
            deal_id: DealId(ledger.next_id()),
            position_id: PositionId(ledger.next_id()),
        },
        Kind::StopLoss | Kind::TakeProfit => AccountCommand::TriggerProtection {
            position_id: PositionId(waiter.id),
            deal_id: DealId(ledger.next_id()),
        },
        Kind::Trailing => AccountCommand::TrailStop {
            position_id: PositionId(waiter.id),
        },
        Kind::Margin => AccountCommand::Evaluate {
            seed: DealId(ledger.next_id()),
        },
    }
}
