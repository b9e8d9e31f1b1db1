//! Turns what a history asks into a command about what is there when its turn comes.

use std::sync::Arc;

use chrono::Duration;

use super::{
    history::Ask,
    world::{GROUP, World, take_id, traded_bucket},
};
use crate::{
    AccountCommand, Decimal, Instrument,
    account::{
        AccountKind, Change, Controls, Limits, OrderChanges, OrderType, Ticket, TimeInForce,
    },
    quote::Side,
};

impl World {
    /// The command that an ask amounts to now; none when it is about something that is not there.
    #[must_use]
    pub fn command(&mut self, ask: &Ask) -> Option<AccountCommand> {
        match ask {
            Ask::Place { .. } => self.placing(ask),
            Ask::Modify { nth, points } => self.modifying(*nth, *points),
            Ask::Cancel { nth } => Some(AccountCommand::CancelOrder {
                order_id: self.account.orders.get(*nth)?.order_id,
            }),
            Ask::Protect {
                nth,
                stop_loss,
                take_profit,
                trailing,
            } => self.protecting(*nth, *stop_loss, *take_profit, *trailing),
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
            Ask::CloseBy { nth, other } => self.closing_by(*nth, *other),
            Ask::CloseAll { symbol, only } => Some(AccountCommand::CloseAll {
                seed: take_id(&mut self.next_id).into(),
                symbol: symbol.map(|symbol| Self::symbols()[symbol]),
                only: *only,
            }),
            Ask::Control { .. } => controlling(ask),
            Ask::Adjust { units } => Some(AccountCommand::AdjustFunds {
                bucket: traded_bucket(self.account.terms?.kind),
                amount: Decimal::from(*units),
                notes: None,
                by: "history".to_owned(),
            }),
            Ask::Fund { units } => self.funding(Decimal::from(*units)),
            Ask::CancelFunding { nth } => Some(AccountCommand::CancelFunding {
                request_id: self.account.funding.get(*nth)?.request_id,
            }),
            Ask::DecideFunding { nth, verdict } => Some(AccountCommand::DecideFunding {
                request_id: self.account.funding.get(*nth)?.request_id,
                verdict: *verdict,
                reason: None,
                reference: None,
                by: "history".to_owned(),
            }),
        }
    }

    /// On a live account alone: there is nothing to ask of the other kind.
    fn funding(&mut self, amount: Decimal) -> Option<AccountCommand> {
        let terms = self.account.terms?;
        let request_id = self.id().into();
        let (currency, is_payout) = (terms.currency, amount.is_sign_negative());
        match (terms.kind, is_payout) {
            (AccountKind::Demo, _) => None,
            (AccountKind::Live, false) => Some(AccountCommand::RequestDeposit {
                request_id,
                amount,
                currency,
                method: "card".to_owned(),
            }),
            (AccountKind::Live, true) => Some(AccountCommand::RequestWithdrawal {
                request_id,
                amount: -amount,
                currency,
                destination: "bank".to_owned(),
            }),
        }
    }

    fn modifying(&self, nth: usize, points: i64) -> Option<AccountCommand> {
        let order = self.account.orders.get(nth)?;
        let point = self.market.instrument(order.ticket.symbol)?.point();
        let moved = |price: Option<Decimal>| Some(price? + Decimal::from(points) * point);
        let shifted = |price: Option<Decimal>| moved(price).map_or(Change::Keep, Change::Set);
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

    fn closing_by(&mut self, nth: usize, other: usize) -> Option<AccountCommand> {
        let position = self.account.positions.get(nth)?;
        let all = self.account.positions.iter();
        let opposite: Vec<_> = all
            .filter(|other| other.symbol == position.symbol && other.side != position.side)
            .collect();
        let opposite = opposite.get(other % opposite.len().max(1))?;
        Some(AccountCommand::CloseBy {
            position_id: position.position_id,
            opposite_id: opposite.position_id,
            deal_id: take_id(&mut self.next_id).into(),
            opposite_deal_id: take_id(&mut self.next_id).into(),
        })
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
            trailing,
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
            trailing_distance: trailing.map(|points| ray.distance(points)),
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
        trailing: Change<i64>,
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
            trailing_distance: match trailing {
                Change::Keep => Change::Keep,
                Change::Set(points) => Change::Set(ray.distance(points)),
                Change::Remove => Change::Remove,
            },
        })
    }
}

fn controlling(ask: &Ask) -> Option<AccountCommand> {
    let Ask::Control {
        state,
        close_only,
        grouped,
        max_steps,
        max_leverage,
    } = ask
    else {
        return None;
    };
    Some(AccountCommand::SetControls {
        controls: Box::new(Controls {
            state: *state,
            close_only: *close_only,
            group: grouped.then(|| GROUP.into()),
            limits: Limits {
                max_volume: max_steps.map(|steps| Decimal::new(steps.into(), 2)),
                max_leverage: *max_leverage,
                ..Limits::default()
            },
            ..Controls::default()
        }),
        reason: None,
        by: "history".to_owned(),
    })
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

    fn distance(&self, points: i64) -> Decimal {
        Decimal::from(points) * self.point
    }

    fn worse(&self, from: Decimal, points: i64) -> Decimal {
        let by = self.distance(points);
        match self.side {
            Side::Buy => from + by,
            Side::Sell => from - by,
        }
    }
}
