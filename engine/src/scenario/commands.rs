//! From a file's commands to the domain's.

use daybook_domain::{
    AccountCommand, DealId, Decimal, OrderId, PositionId, Timestamp,
    account::{Bucket, Change, Controls, Limits, OrderChanges, OrderType, Ticket, TimeInForce},
};

use super::{
    ScenarioError,
    file::{CommandIn, ControlsIn, Op},
    number::{Field, Number},
    report::Recorder,
};
use crate::desk::Ledger;

/// Who adjusts and decides beside the client.
const BY: &str = "scenario";

/// The domain's command; the inner error is the slug for a name that stands for nothing.
pub(super) fn translate(
    command: &CommandIn,
    recorder: &mut Recorder,
) -> Result<Result<AccountCommand, &'static str>, ScenarioError> {
    let target = command.of.as_deref().or(command.id.as_deref());
    let target = target.unwrap_or_default();
    let order_id = recorder.order_of(target).ok_or("order_not_working");
    let position_id = recorder.position_of(target).ok_or("position_not_open");
    let asked = match command.op {
        Op::Market => Ok(place(command, OrderType::Market, recorder)?),
        Op::Limit => Ok(place(command, OrderType::Limit, recorder)?),
        Op::Stop => Ok(place(command, OrderType::Stop, recorder)?),
        Op::StopLimit => Ok(place(command, OrderType::StopLimit, recorder)?),
        Op::Modify => order_id.map(|order_id| AccountCommand::ModifyOrder {
            order_id,
            changes: Box::new(changes_of(command)),
        }),
        Op::Cancel => order_id.map(|order_id| AccountCommand::CancelOrder { order_id }),
        Op::Protect => position_id.map(|position_id| AccountCommand::ProtectPosition {
            position_id,
            stop_loss: change(command.stop_loss),
            take_profit: change(command.take_profit),
            trailing_distance: change(command.trailing_distance),
        }),
        Op::Close => {
            let deal_id = DealId(recorder.next_id());
            position_id.map(|position_id| AccountCommand::ClosePosition {
                position_id,
                deal_id,
                volume: command.volume.map(|volume| volume.0),
            })
        }
        Op::Adjust => {
            let Number(amount) = needed(command, "amount", command.amount)?;
            let bucket = command.fund_type.unwrap_or(Bucket::Real);
            Ok(adjustment(bucket, amount, command.notes.clone()))
        }
        Op::CloseBy => close_by(command, position_id, recorder)?,
        Op::CloseAll => Ok(AccountCommand::CloseAll {
            seed: DealId(recorder.next_id()),
            symbol: command.symbol,
            only: command.only,
        }),
        Op::Leverage => Ok(AccountCommand::ChangeLeverage {
            leverage: needed(command, "leverage", command.leverage)?,
            by: BY.to_owned(),
        }),
        Op::Controls => {
            let controls = needed(command, "controls", command.controls.as_ref())?;
            Ok(set_controls(controls, command.notes.clone()))
        }
    };
    Ok(asked)
}

fn place(
    command: &CommandIn,
    order_type: OrderType,
    recorder: &mut Recorder,
) -> Result<AccountCommand, ScenarioError> {
    let order_id = OrderId(recorder.next_id());
    let name = needed(command, "id", command.id.clone())?;
    recorder.name_order(order_id, name);
    let expires_at = expiry(command);
    // A time of expiry says enough.
    let time_in_force = match (command.time_in_force, expires_at) {
        (TimeInForce::Gtc, Some(_)) => TimeInForce::Gtd,
        (given, _) => given,
    };
    let level = |field: Field<Number>| change(field).apply(None);
    Ok(AccountCommand::PlaceOrder {
        order_id,
        deal_id: DealId(recorder.next_id()),
        position_id: PositionId(recorder.next_id()),
        ticket: Box::new(Ticket {
            symbol: needed(command, "symbol", command.symbol)?,
            side: needed(command, "side", command.side)?,
            order_type,
            volume: needed(command, "volume", command.volume)?.0,
            limit_price: command.limit_price.map(|price| price.0),
            stop_price: command.stop_price.map(|price| price.0),
            stop_loss: level(command.stop_loss),
            take_profit: level(command.take_profit),
            trailing_distance: level(command.trailing_distance),
            time_in_force,
            expires_at,
            oco_group: command.oco_group.clone(),
            client_order_id: command.client_order_id.clone(),
        }),
    })
}

fn close_by(
    command: &CommandIn,
    position_id: Result<PositionId, &'static str>,
    recorder: &mut Recorder,
) -> Result<Result<AccountCommand, &'static str>, ScenarioError> {
    let with = needed(command, "with", command.with.as_deref())?;
    let opposite = recorder.position_of(with).ok_or("position_not_open");
    let (deal_id, opposite_deal_id) = (DealId(recorder.next_id()), DealId(recorder.next_id()));
    Ok(position_id.and_then(|position_id| {
        Ok(AccountCommand::CloseBy {
            position_id,
            opposite_id: opposite?,
            deal_id,
            opposite_deal_id,
        })
    }))
}

/// The account's flags, limits and group, all of them.
pub(super) fn set_controls(controls: &ControlsIn, reason: Option<String>) -> AccountCommand {
    let limits = controls.limits;
    let number = |number: Option<Number>| number.map(|number| number.0);
    AccountCommand::SetControls {
        controls: Box::new(Controls {
            state: controls.state,
            trading_disabled: controls.trading_disabled,
            close_only: controls.close_only,
            read_only: controls.read_only,
            swap_free: controls.swap_free,
            group: controls.group.clone(),
            limits: Limits {
                max_leverage: limits.max_leverage,
                max_volume: number(limits.max_volume),
                max_notional: number(limits.max_notional),
                max_open_orders: limits.max_open_orders,
                max_positions: limits.max_positions,
                daily_loss: number(limits.daily_loss),
                orders_per_minute: limits.orders_per_minute,
            },
        }),
        reason,
        by: BY.to_owned(),
    }
}

fn needed<T>(command: &CommandIn, field: &str, value: Option<T>) -> Result<T, ScenarioError> {
    value.ok_or_else(|| {
        let (at_ms, op) = (command.at_ms, command.op);
        ScenarioError::Invalid(format!("the {op:?} command at {at_ms} needs {field}"))
    })
}

/// Money comes or goes.
pub(super) fn adjustment(bucket: Bucket, amount: Decimal, notes: Option<String>) -> AccountCommand {
    AccountCommand::AdjustFunds {
        bucket,
        amount,
        notes,
        by: BY.to_owned(),
    }
}

fn changes_of(command: &CommandIn) -> OrderChanges {
    OrderChanges {
        limit_price: command.limit_price.map(|price| price.0),
        stop_price: command.stop_price.map(|price| price.0),
        volume: command.volume.map(|volume| volume.0),
        stop_loss: change(command.stop_loss),
        take_profit: change(command.take_profit),
        expires_at: match (command.expires_at, expiry(command)) {
            (_, Some(expires_at)) => Change::Set(expires_at),
            (Field::Null, None) => Change::Remove,
            (Field::Absent | Field::Value(_), None) => Change::Keep,
        },
    }
}

fn change(field: Field<Number>) -> Change<Decimal> {
    match field {
        Field::Absent => Change::Keep,
        Field::Null => Change::Remove,
        Field::Value(Number(level)) => Change::Set(level),
    }
}

fn expiry(command: &CommandIn) -> Option<Timestamp> {
    match command.expires_at {
        Field::Value(expires_at) => Some(expires_at),
        Field::Absent | Field::Null => Timestamp::from_timestamp_millis(command.expires_at_ms?),
    }
}
