//! Requests, as a trader would say them.

use super::{
    super::{
        AccountCommand, AccountKind, Bucket, Change, CloseFilter, FundingVerdict, OrderChanges,
        OrderType, PositionMode, Ticket, TimeInForce,
    },
    Act, dec, id, symbol, time,
};
use crate::{ClientId, Currency, quote::Side};

pub(super) fn ask(command: AccountCommand) -> Act {
    Act::Ask(Box::new(command))
}

pub(super) const fn quote(symbol: &'static str, bid: &'static str, ask: &'static str) -> Act {
    Act::Quote(symbol, bid, ask)
}

pub(super) fn opened_as(kind: AccountKind, currency: &str, leverage: u32) -> Act {
    ask(AccountCommand::Open {
        client_id: ClientId::default(),
        number: 100_001,
        kind,
        mode: PositionMode::Hedging,
        currency: Currency::parse(currency).unwrap(),
        leverage,
    })
}

/// A demo account in dollars, 1:100, that nets.
pub(super) fn netting() -> Act {
    ask(AccountCommand::Open {
        client_id: ClientId::default(),
        number: 100_001,
        kind: AccountKind::Demo,
        mode: PositionMode::Netting,
        currency: Currency::USD,
        leverage: 100,
    })
}

/// The same as [`trader`], netting.
pub(super) fn netter() -> [Act; 3] {
    let [_, funded, quoted] = trader();
    [netting(), funded, quoted]
}

/// A demo account in dollars, 1:100.
pub(super) fn opened() -> Act {
    opened_as(AccountKind::Demo, "USD", 100)
}

pub(super) fn adjusted(bucket: Bucket, amount: &str) -> Act {
    ask(AccountCommand::AdjustFunds {
        bucket,
        amount: dec(amount),
        notes: None,
        by: "test".to_owned(),
    })
}

pub(super) fn funded(amount: &str) -> Act {
    adjusted(Bucket::Demo, amount)
}

/// Ten thousand dollars, and EURUSD at 1.10000 / 1.10010.
pub(super) fn trader() -> [Act; 3] {
    [
        opened(),
        funded("10000"),
        quote("EURUSD", "1.10000", "1.10010"),
    ]
}

pub(super) fn ticket(side: Side, order_type: OrderType, name: &str, volume: &str) -> Ticket {
    Ticket {
        symbol: symbol(name),
        side,
        order_type,
        volume: dec(volume),
        limit_price: None,
        stop_price: None,
        stop_loss: None,
        take_profit: None,
        trailing_distance: None,
        time_in_force: TimeInForce::Gtc,
        expires_at: None,
        oco_group: None,
        client_order_id: None,
    }
}

pub(super) fn buy(name: &str, volume: &str) -> Ticket {
    ticket(Side::Buy, OrderType::Market, name, volume)
}

pub(super) fn sell(name: &str, volume: &str) -> Ticket {
    ticket(Side::Sell, OrderType::Market, name, volume)
}

impl Ticket {
    pub(super) fn limit(mut self, price: &str) -> Self {
        self.order_type = match self.order_type {
            OrderType::Stop | OrderType::StopLimit => OrderType::StopLimit,
            OrderType::Market | OrderType::Limit => OrderType::Limit,
        };
        self.limit_price = Some(dec(price));
        self
    }

    pub(super) fn stop(mut self, price: &str) -> Self {
        self.order_type = OrderType::Stop;
        self.stop_price = Some(dec(price));
        self
    }

    pub(super) fn stop_loss(mut self, price: &str) -> Self {
        self.stop_loss = Some(dec(price));
        self
    }

    pub(super) fn take_profit(mut self, price: &str) -> Self {
        self.take_profit = Some(dec(price));
        self
    }

    pub(super) fn trailing(mut self, distance: &str) -> Self {
        self.trailing_distance = Some(dec(distance));
        self
    }

    pub(super) fn for_time(mut self, time_in_force: TimeInForce) -> Self {
        self.time_in_force = time_in_force;
        self
    }

    pub(super) fn until(mut self, expires_at: &str) -> Self {
        self.time_in_force = TimeInForce::Gtd;
        self.expires_at = Some(time(expires_at));
        self
    }

    pub(super) fn in_group(mut self, group: &str) -> Self {
        self.oco_group = Some(group.into());
        self
    }

    /// Placed under a name that also names its deal and its position.
    pub(super) fn placed(self, name: &str) -> Act {
        ask(AccountCommand::PlaceOrder {
            order_id: id(name),
            deal_id: id(name),
            position_id: id(name),
            ticket: Box::new(self),
        })
    }
}

pub(super) fn trigger_of(order_id: crate::OrderId) -> AccountCommand {
    AccountCommand::TriggerOrder {
        order_id,
        deal_id: order_id.0.into(),
        position_id: order_id.0.into(),
    }
}

pub(super) fn protection_of(position_id: crate::PositionId) -> AccountCommand {
    AccountCommand::TriggerProtection {
        position_id,
        deal_id: id("protection"),
    }
}

pub(super) fn cancel(name: &str) -> Act {
    ask(AccountCommand::CancelOrder { order_id: id(name) })
}

pub(super) fn expire(name: &str) -> Act {
    ask(AccountCommand::ExpireOrder { order_id: id(name) })
}

pub(super) fn modify(name: &str, change: impl FnOnce(&mut OrderChanges)) -> Act {
    let mut changes = OrderChanges::default();
    change(&mut changes);
    ask(AccountCommand::ModifyOrder {
        order_id: id(name),
        changes: Box::new(changes),
    })
}

pub(super) fn protect(name: &str, stop_loss: Change<&str>, take_profit: Change<&str>) -> Act {
    let level = |change: Change<&str>| match change {
        Change::Keep => Change::Keep,
        Change::Set(price) => Change::Set(dec(price)),
        Change::Remove => Change::Remove,
    };
    ask(AccountCommand::ProtectPosition {
        position_id: id(name),
        stop_loss: level(stop_loss),
        take_profit: level(take_profit),
        trailing_distance: Change::Keep,
    })
}

/// Changes the trailing distance alone.
pub(super) fn trail(name: &str, distance: Change<&str>) -> Act {
    ask(AccountCommand::ProtectPosition {
        position_id: id(name),
        stop_loss: Change::Keep,
        take_profit: Change::Keep,
        trailing_distance: match distance {
            Change::Keep => Change::Keep,
            Change::Set(distance) => Change::Set(dec(distance)),
            Change::Remove => Change::Remove,
        },
    })
}

pub(super) fn trail_of(position_id: crate::PositionId) -> AccountCommand {
    AccountCommand::TrailStop { position_id }
}

pub(super) fn close_by(name: &str, other: &str) -> Act {
    ask(AccountCommand::CloseBy {
        position_id: id(name),
        opposite_id: id(other),
        deal_id: id("one"),
        opposite_deal_id: id("other"),
    })
}

pub(super) fn close_all(name: Option<&str>, only: Option<CloseFilter>) -> Act {
    ask(AccountCommand::CloseAll {
        seed: id("seed"),
        symbol: name.map(symbol),
        only,
    })
}

pub(super) fn close(name: &str, volume: Option<&str>) -> Act {
    ask(AccountCommand::ClosePosition {
        position_id: id(name),
        deal_id: id("closing"),
        volume: volume.map(dec),
    })
}

/// A deposit of dollars, by card.
pub(super) fn deposit(name: &str, amount: &str) -> Act {
    ask(AccountCommand::RequestDeposit {
        request_id: id(name),
        amount: dec(amount),
        currency: Currency::USD,
        method: "card".to_owned(),
    })
}

/// A withdrawal of dollars, to the bank.
pub(super) fn withdrawal(name: &str, amount: &str) -> Act {
    ask(AccountCommand::RequestWithdrawal {
        request_id: id(name),
        amount: dec(amount),
        currency: Currency::USD,
        destination: "bank".to_owned(),
    })
}

pub(super) fn taken_back(name: &str) -> Act {
    ask(AccountCommand::CancelFunding {
        request_id: id(name),
    })
}

/// What staff decide, with nothing to say about it.
pub(super) fn decided(name: &str, verdict: FundingVerdict) -> Act {
    ask(AccountCommand::DecideFunding {
        request_id: id(name),
        verdict,
        reason: None,
        reference: None,
        by: "staff".to_owned(),
    })
}
