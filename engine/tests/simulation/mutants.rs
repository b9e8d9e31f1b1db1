//! Deciders that are wrong on purpose. A simulation that none of them can make fail proves nothing.

use daybook_domain::{
    Account, AccountCommand, AccountEvent, Decimal,
    account::{AccountKind, Context, Decision, OrderType, event::CloseReason},
};
use daybook_engine::desk::Decider;

use crate::sums::opposite;

/// A wrong decider, its name, and the law that has to notice.
pub const MUTANTS: [(&str, Decider, &str); 12] = [
    ("positions on the wrong side", wrong_side, "side"),
    ("swap charged twice", double_swap, "swap"),
    (
        "a stop filled at its level over a gap",
        stop_at_level,
        "price",
    ),
    (
        "a stop loss filled at its level over a gap",
        stop_loss_at_level,
        "price",
    ),
    (
        "margin not checked again at the trigger",
        unchecked_trigger,
        "covered",
    ),
    ("no stop-out", no_stop_out, "stop-out"),
    (
        "a stop-out that stops too early",
        early_stop_out,
        "stop-out",
    ),
    ("a loss taken from the bonus first", bonus_first, "buckets"),
    ("a commission that nobody posts", free_of_charge, "money"),
    (
        "a withdrawal of money that is at work",
        withdrawn_at_work,
        "withdrawable",
    ),
    ("a withdrawal that holds nothing", unheld, "funding"),
    (
        "holds that outlive a negative balance",
        held_on,
        "negative balance",
    ),
];

fn wrong_side(account: &Account, command: &AccountCommand, context: &Context<'_>) -> Decision {
    let mut decision = account.decide(command, context);
    for event in &mut decision.events {
        if let AccountEvent::PositionOpened { side, .. } = event {
            *side = opposite(*side);
        }
    }
    decision
}

fn double_swap(account: &Account, command: &AccountCommand, context: &Context<'_>) -> Decision {
    let mut decision = account.decide(command, context);
    for event in &mut decision.events {
        if let AccountEvent::SwapCharged { charge, .. } = event {
            charge.amount *= Decimal::TWO;
        }
    }
    decision
}

fn stop_at_level(account: &Account, command: &AccountCommand, context: &Context<'_>) -> Decision {
    let mut decision = account.decide(command, context);
    let AccountCommand::TriggerOrder { order_id, .. } = command else {
        return decision;
    };
    let stop = account
        .order(*order_id)
        .filter(|order| order.ticket.order_type == OrderType::Stop)
        .and_then(|order| order.ticket.stop_price);
    let Some(stop) = stop else {
        return decision;
    };
    for event in &mut decision.events {
        match event {
            AccountEvent::OrderFilled { execution, .. } => execution.price = stop,
            AccountEvent::PositionOpened { open_price, .. } => *open_price = stop,
            _ => {}
        }
    }
    decision
}

fn stop_loss_at_level(
    account: &Account,
    command: &AccountCommand,
    context: &Context<'_>,
) -> Decision {
    let mut decision = account.decide(command, context);
    for event in &mut decision.events {
        if let AccountEvent::PositionClosed { deal, .. } = event
            && deal.reason == CloseReason::StopLoss
            && let Some(level) = account
                .position(deal.position_id)
                .and_then(|it| it.stop_loss)
        {
            deal.execution.price = level;
        }
    }
    decision
}

fn unchecked_trigger(
    account: &Account,
    command: &AccountCommand,
    context: &Context<'_>,
) -> Decision {
    if !matches!(command, AccountCommand::TriggerOrder { .. }) {
        return account.decide(command, context);
    }
    let mut rich = account.clone();
    rich.funds.real += Decimal::from(1_000_000_000);
    rich.funds.demo += Decimal::from(1_000_000_000);
    rich.decide(command, context)
}

fn no_stop_out(account: &Account, command: &AccountCommand, context: &Context<'_>) -> Decision {
    let decision = account.decide(command, context);
    let starts = |event: &AccountEvent| matches!(event, AccountEvent::StopOutStarted { .. });
    if decision.events.iter().any(starts) {
        return Decision::default();
    }
    decision
}

fn early_stop_out(account: &Account, command: &AccountCommand, context: &Context<'_>) -> Decision {
    let mut decision = account.decide(command, context);
    let is_step = |event: &AccountEvent| matches!(event, AccountEvent::StopOutStep { .. });
    let steps: Vec<usize> = (0..decision.events.len())
        .filter(|index| is_step(&decision.events[*index]))
        .collect();
    if let [.., last] = steps[..]
        && steps.len() > 1
    {
        // The last deal and its step are left out; what follows them stays.
        decision.events.drain(last - 1..=last);
    }
    decision
}

fn bonus_first(account: &Account, command: &AccountCommand, context: &Context<'_>) -> Decision {
    let mut decision = account.decide(command, context);
    let is_live = account
        .terms
        .is_some_and(|terms| terms.kind == AccountKind::Live);
    for event in &mut decision.events {
        if let AccountEvent::PositionClosed { deal, .. } = event
            && is_live
            && deal.funds.real < Decimal::ZERO
        {
            deal.funds.bonus += deal.funds.real;
            deal.funds.real = Decimal::ZERO;
        }
    }
    decision
}

fn free_of_charge(account: &Account, command: &AccountCommand, context: &Context<'_>) -> Decision {
    let mut decision = account.decide(command, context);
    for event in &mut decision.events {
        if let AccountEvent::PositionClosed { deal, .. } = event
            && !deal.execution.commission.is_zero()
        {
            let charged = deal.execution.commission;
            match deal.kind {
                AccountKind::Live => deal.funds.real += charged,
                AccountKind::Demo => deal.funds.demo += charged,
            }
        }
    }
    decision
}

fn withdrawn_at_work(
    account: &Account,
    command: &AccountCommand,
    context: &Context<'_>,
) -> Decision {
    if !matches!(command, AccountCommand::RequestWithdrawal { .. }) {
        return account.decide(command, context);
    }
    let mut idle = account.clone();
    idle.positions.clear();
    idle.decide(command, context)
}

fn unheld(account: &Account, command: &AccountCommand, context: &Context<'_>) -> Decision {
    let mut decision = account.decide(command, context);
    for event in &mut decision.events {
        if let AccountEvent::WithdrawalRequested { funds, .. } = event {
            funds.held = Decimal::ZERO;
        }
    }
    decision
}

fn held_on(account: &Account, command: &AccountCommand, context: &Context<'_>) -> Decision {
    let mut decision = account.decide(command, context);
    if matches!(command, AccountCommand::Evaluate { .. }) {
        let lets_go =
            |event: &AccountEvent| matches!(event, AccountEvent::WithdrawalCancelled { .. });
        decision.events.retain(|event| !lets_go(event));
    }
    decision
}
