//! From a file's commands to the domain's.

use daybook_domain::{
    AccountCommand, DealId, Decimal, OrderId, PositionId, Timestamp,
    account::{Bucket, Change, OrderChanges, OrderType, Ticket, TimeInForce},
};

use super::{
    ScenarioError,
    file::{CommandIn, Op},
    number::{Field, Number},
    report::Recorder,
};
use crate::desk::Ledger;

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
            trailing_distance: Change::Keep,
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
        Op::CloseBy | Op::CloseAll => {
            refuse_unsupported(command)?;
            Err("unsupported")
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
            trailing_distance: None,
            time_in_force,
            expires_at,
            oco_group: command.oco_group.clone(),
            client_order_id: command.client_order_id.clone(),
        }),
    })
}

/// Operations and fields that this version does not have, by name.
pub(super) fn refuse_unsupported(command: &CommandIn) -> Result<(), ScenarioError> {
    let what = match command.op {
        Op::CloseBy => Some("op close_by"),
        Op::CloseAll => Some("op close_all"),
        Op::Market | Op::Limit | Op::Stop | Op::StopLimit | Op::Modify => None,
        Op::Cancel | Op::Protect | Op::Close | Op::Adjust => None,
    };
    let what = what
        .or(command.trailing_distance.map(|_| "trailingDistance"))
        .or(command.with.as_ref().map(|_| "with"))
        .or(command.only.as_ref().map(|_| "only"));
    what.map_or(Ok(()), |what| Err(unsupported(what)))
}

fn unsupported(what: &str) -> ScenarioError {
    ScenarioError::Unsupported(what.to_owned())
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
        by: "scenario".to_owned(),
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
