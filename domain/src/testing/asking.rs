//! Turns what a history asks into a command about what is there when its turn comes.

use std::sync::Arc;

use chrono::Duration;

use super::{
    history::Ask,
    world::{World, take_id, traded_bucket},
};
use crate::{
    AccountCommand, Decimal, Instrument,
    account::{Change, OrderChanges, OrderType, Ticket, TimeInForce},
    quote::Side,
};

impl World {
    /// The command that an ask amounts to now; none when it is about something that is not there.
    #[must_use]
    pub fn command(&mut self, ask: &Ask) -> Option<AccountCommand> {
        match ask {
            Ask::Place { .. } => self.placing(ask),
            Ask::Modify { nth, points } => {
                let order = self.account.orders.get(*nth)?;
                let point = self.market.instrument(order.ticket.symbol)?.point();
                let moved = |price: Option<Decimal>| Some(price? + Decimal::from(*points) * point);
                let shifted =
                    |price: Option<Decimal>| moved(price).map_or(Change::Keep, Change::Set);
                let stop_price = moved(order.ticket.stop_price).filter(|_| !order.triggered);
                Some(AccountCommand::ModifyOrder {
                    order_id: order.order_id,
                    changes: Box::new(OrderChanges {
                        limit_price: moved(order.ticket.limit_price),
                        stop_price,
                        stop_loss: shifted(order.ticket.stop_loss),
                        take_profit: shifted(order.ticket.take_profit),
                        ..OrderChanges::default()
                    }),
                })
            }
            Ask::Cancel { nth } => Some(AccountCommand::CancelOrder {
                order_id: self.account.orders.get(*nth)?.order_id,
            }),
            Ask::Protect {
                nth,
                stop_loss,
                take_profit,
            } => self.protecting(*nth, *stop_loss, *take_profit),
            Ask::Close { nth, steps } => {
                let position = self.account.positions.get(*nth)?;
                let terms = self.market.instrument(position.symbol)?;
                let volume = steps.map(|steps| Decimal::from(steps) * terms.volume_step);
                Some(AccountCommand::ClosePosition {
                    position_id: position.position_id,
                    volume: volume.map(|volume| volume.min(position.volume)),
                    deal_id: take_id(&mut self.next_id).into(),
                })
            }
            Ask::Adjust { units } => Some(AccountCommand::AdjustFunds {
                bucket: traded_bucket(self.account.terms?.kind),
                amount: Decimal::from(*units),
                notes: None,
                by: "history".to_owned(),
            }),
        }
    }

    fn placing(&mut self, ask: &Ask) -> Option<AccountCommand> {
        let Ask::Place {
            symbol,
            side,
            order_type,
            steps,
            distance,
            limit_distance,
            stop_loss,
            take_profit,
            time_in_force,
            oco_group,
        } = ask
        else {
            return None;
        };
        let symbol = Self::symbols()[*symbol];
        let terms = Arc::clone(self.market.instrument(symbol)?);
        let quote = *self.market.quote(symbol)?;
        let ray = Ray::new(&terms, *side);
        // Away from the market: a limit on the better side, a stop on the worse.
        let near = quote.price(*side);
        let limit = ray.worse(near, -distance);
        let stop = ray.worse(near, *distance);
        let (limit_price, stop_price, own) = match order_type {
            OrderType::Market => (None, None, quote.closing_price(*side)),
            OrderType::Limit => (Some(limit), None, limit),
            OrderType::Stop => (None, Some(stop), stop),
            OrderType::StopLimit => {
                let limit = ray.worse(stop, *limit_distance);
                (Some(limit), Some(stop), limit)
            }
        };
        let expires_at = (*time_in_force == TimeInForce::Gtd)
            .then(|| self.at + Duration::minutes(i64::from(*steps)));
        let ticket = Ticket {
            symbol,
            side: *side,
            order_type: *order_type,
            volume: Decimal::from(*steps) * terms.volume_step,
            limit_price,
            stop_price,
            stop_loss: stop_loss.map(|points| ray.worse(own, -points)),
            take_profit: take_profit.map(|points| ray.worse(own, points)),
            trailing_distance: None,
            time_in_force: *time_in_force,
            expires_at,
            oco_group: oco_group.map(|group| group.to_string().into_boxed_str()),
            client_order_id: None,
        };
        Some(AccountCommand::PlaceOrder {
            order_id: self.id().into(),
            deal_id: self.id().into(),
            position_id: self.id().into(),
            ticket: Box::new(ticket),
        })
    }

    fn protecting(
        &self,
        nth: usize,
        stop_loss: Option<i64>,
        take_profit: Option<i64>,
    ) -> Option<AccountCommand> {
        let position = self.account.positions.get(nth)?;
        let terms = self.market.instrument(position.symbol)?;
        let quote = self.market.quote(position.symbol)?;
        let ray = Ray::new(terms, position.side);
        let near = quote.closing_price(position.side);
        let level = |points: Option<i64>| {
            points.map_or(Change::Remove, |points| {
                Change::Set(ray.worse(near, points))
            })
        };
        Some(AccountCommand::ProtectPosition {
            position_id: position.position_id,
            stop_loss: level(stop_loss.map(|points| -points)),
            take_profit: level(take_profit),
            trailing_distance: Change::Keep,
        })
    }
}

/// Prices along the direction in which a side pays more.
struct Ray {
    point: Decimal,
    side: Side,
}

impl Ray {
    fn new(terms: &Instrument, side: Side) -> Self {
        Self {
            point: terms.point(),
            side,
        }
    }

    fn worse(&self, from: Decimal, points: i64) -> Decimal {
        let by = Decimal::from(points) * self.point;
        match self.side {
            Side::Buy => from + by,
            Side::Sell => from - by,
        }
    }
}
