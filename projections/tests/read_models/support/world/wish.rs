//! What the owner of an account may wish for.

use std::sync::Arc;

use chrono::Duration;
use daybook_domain::{
    AccountCommand, DealId, Decimal, Instrument, OrderId, PositionId, Quote, Symbol,
    account::{
        Bucket, Change, CloseFilter, Order, OrderChanges, OrderType, Position, Ticket, TimeInForce,
    },
    quote::Side,
};

use super::{World, adjust};

impl World {
    pub(super) fn wish(
        &mut self,
        orders: &[Order],
        positions: &[Position],
        quote: &Quote,
    ) -> AccountCommand {
        let any_order = orders.get(self.dice.index(orders.len().max(1)));
        let any_position = positions.get(self.dice.index(positions.len().max(1)));
        match (self.dice.below(14), any_order, any_position) {
            (0, Some(order), _) => AccountCommand::CancelOrder {
                order_id: order.order_id,
            },
            (1 | 2, Some(order), _) => self.modify(order),
            (3, _, Some(position)) => self.protect(position),
            (4 | 5, _, Some(position)) => self.close(position),
            (6, ..) => {
                let cents = self.dice.below(20_000) - 10_000;
                adjust(
                    self.dice.pick(&[Bucket::Real, Bucket::Bonus]),
                    Decimal::new(cents, 2),
                )
            }
            // A demo account has nothing to ask for: a rule refuses.
            (9, ..) => self.funding_wish(),
            (7, _, Some(position)) => self.close_by(position, positions),
            (8, ..) if self.dice.one_in(4) => AccountCommand::CloseAll {
                seed: DealId(self.id()),
                symbol: self.dice.one_in(2).then_some(quote.symbol),
                only: self.dice.pick(&[None, Some(CloseFilter::Losers)]),
            },
            _otherwise => self.order(quote),
        }
    }

    fn modify(&mut self, order: &Order) -> AccountCommand {
        let changes = OrderChanges {
            volume: Some(self.volume()),
            expires_at: if self.dice.one_in(2) {
                Change::Set(self.now + Duration::seconds(60))
            } else {
                Change::Remove
            },
            ..OrderChanges::default()
        };
        AccountCommand::ModifyOrder {
            order_id: order.order_id,
            changes: Box::new(changes),
        }
    }

    fn protect(&mut self, position: &Position) -> AccountCommand {
        let quote = self.market.quote(position.symbol).unwrap();
        let price = quote.closing_price(position.side);
        let point = self.terms(position.symbol).point();
        let away = point * Decimal::from(50 + self.dice.below(500));
        let (stop_loss, take_profit) = match position.side {
            Side::Buy => (price - away, price + away),
            Side::Sell => (price + away, price - away),
        };
        AccountCommand::ProtectPosition {
            position_id: position.position_id,
            stop_loss: Change::Set(stop_loss),
            take_profit: self.dice.pick(&[Change::Set(take_profit), Change::Remove]),
            trailing_distance: self
                .dice
                .pick(&[Change::Keep, Change::Set(away), Change::Remove]),
        }
    }

    /// By its opposite, or whatever else there is: then a rule refuses.
    fn close_by(&mut self, position: &Position, all: &[Position]) -> AccountCommand {
        let mut opposites = all
            .iter()
            .filter(|other| other.symbol == position.symbol && other.side != position.side);
        let opposite = opposites.next().unwrap_or(position);
        AccountCommand::CloseBy {
            position_id: position.position_id,
            opposite_id: opposite.position_id,
            deal_id: DealId(self.id()),
            opposite_deal_id: DealId(self.id()),
        }
    }

    fn close(&mut self, position: &Position) -> AccountCommand {
        let step = self.terms(position.symbol).volume_step;
        let half = (position.volume / Decimal::TWO / step).floor() * step;
        let part = (self.dice.one_in(2) && !half.is_zero()).then_some(half);
        AccountCommand::ClosePosition {
            position_id: position.position_id,
            deal_id: DealId(self.id()),
            volume: part,
        }
    }

    fn order(&mut self, quote: &Quote) -> AccountCommand {
        let side = self.dice.pick(&[Side::Buy, Side::Sell]);
        let order_type = self.dice.pick(&[
            OrderType::Market,
            OrderType::Market,
            OrderType::Limit,
            OrderType::Stop,
            OrderType::StopLimit,
        ]);
        let away = self.terms(quote.symbol).point() * Decimal::from(20 + self.dice.below(200));
        let price = quote.price(side);
        let (better, worse) = match side {
            Side::Buy => (price - away, price + away),
            Side::Sell => (price + away, price - away),
        };
        let (limit_price, stop_price) = match order_type {
            OrderType::Market => (None, None),
            OrderType::Limit => (Some(better), None),
            OrderType::Stop => (None, Some(worse)),
            OrderType::StopLimit => (Some(better), Some(worse)),
        };
        let time_in_force = match order_type {
            OrderType::Limit => {
                self.dice
                    .pick(&[TimeInForce::Gtc, TimeInForce::Gtd, TimeInForce::Ioc])
            }
            OrderType::Stop | OrderType::StopLimit => {
                self.dice.pick(&[TimeInForce::Gtc, TimeInForce::Gtd])
            }
            OrderType::Market => TimeInForce::Gtc,
        };
        let dated = time_in_force == TimeInForce::Gtd;
        let ticket = Ticket {
            symbol: quote.symbol,
            side,
            order_type,
            volume: self.volume(),
            limit_price,
            stop_price,
            stop_loss: None,
            take_profit: None,
            trailing_distance: self.dice.one_in(8).then_some(away),
            time_in_force,
            expires_at: dated.then(|| self.now + Duration::seconds(30)),
            oco_group: None,
            client_order_id: self.dice.one_in(3).then(|| "mine".into()),
        };
        AccountCommand::PlaceOrder {
            order_id: OrderId(self.id()),
            deal_id: DealId(self.id()),
            position_id: PositionId(self.id()),
            ticket: Box::new(ticket),
        }
    }

    fn terms(&self, symbol: Symbol) -> Arc<Instrument> {
        Arc::clone(self.market.instrument(symbol).expect("a seeded instrument"))
    }

    /// Mostly affordable.
    fn volume(&mut self) -> Decimal {
        if self.dice.one_in(15) {
            return Decimal::from(90);
        }
        if self.dice.one_in(12) {
            // All of a new account's money, more or less.
            return Decimal::new(self.dice.below(500) + 300, 2);
        }
        Decimal::new(self.dice.below(30) + 1, 2)
    }
}
