//! What clients, staff and fools ask: mostly what makes sense on the account as it is, some of it
//! nonsense, because every refusal has to be seen too.

use chrono::Duration;
use daybook_domain::{
    Account, AccountCommand, ClientId, Currency, DealId, Decimal, Instrument, Market, OrderId,
    PositionId, Quote, Symbol, Timestamp,
    account::{
        AccountKind, Bucket, Change, CloseFilter, Controls, Limits, OrderChanges, OrderType,
        PositionMode, Ticket, TimeInForce, event::DealRecord,
    },
    quote::Side,
    rules::TradingState,
};

use crate::{
    dice::Dice,
    paying,
    sums::opposite,
    tape::{SYMBOLS, symbol},
};

pub const MODES: [PositionMode; 3] = [
    PositionMode::Hedging,
    PositionMode::Hedging,
    PositionMode::Netting,
];
const CURRENCIES: [&str; 5] = ["USD", "USD", "EUR", "JPY", "GBP"];
const TYPES: [OrderType; 8] = [
    OrderType::Market,
    OrderType::Market,
    OrderType::Market,
    OrderType::Limit,
    OrderType::Limit,
    OrderType::Stop,
    OrderType::Stop,
    OrderType::StopLimit,
];
const TIMES: [TimeInForce; 8] = [
    TimeInForce::Gtc,
    TimeInForce::Gtc,
    TimeInForce::Gtc,
    TimeInForce::Gtc,
    TimeInForce::Day,
    TimeInForce::Gtd,
    TimeInForce::Ioc,
    TimeInForce::Fok,
];

/// How an account opens, and what it is funded with.
pub fn opening(dice: &mut Dice) -> Vec<AccountCommand> {
    let kind = dice.pick(&[AccountKind::Live, AccountKind::Live, AccountKind::Demo]);
    let currency = Currency::parse(dice.pick(&CURRENCIES)).unwrap();
    let open = AccountCommand::Open {
        client_id: ClientId(dice.id()),
        number: 100_001 + dice.below(1_000_000),
        kind,
        mode: dice.pick(&MODES),
        currency,
        leverage: dice.pick(&[30, 100, 200, 500]),
    };
    let scale = if currency.as_str() == "JPY" { 100 } else { 1 };
    let amount = Decimal::from(dice.pick(&[200, 1_000, 5_000, 50_000]) * scale);
    let bucket = match kind {
        AccountKind::Live => Bucket::Real,
        AccountKind::Demo => Bucket::Demo,
    };
    let mut commands = vec![open, adjust(bucket, amount)];
    if kind == AccountKind::Live && dice.happens(30) {
        commands.push(adjust(Bucket::Bonus, amount / Decimal::TEN));
    }
    commands
}

fn adjust(bucket: Bucket, amount: Decimal) -> AccountCommand {
    AccountCommand::AdjustFunds {
        bucket,
        amount,
        notes: None,
        by: "simulation".to_owned(),
    }
}

/// Somebody asks something of an account.
pub struct Asker<'a> {
    pub dice: &'a mut Dice,
    pub account: &'a Account,
    pub deals: &'a [DealRecord],
    pub market: &'a Market,
    pub at: Timestamp,
}

impl Asker<'_> {
    pub fn ask(&mut self) -> AccountCommand {
        if self.account.terms.is_none() {
            return self.nonsense();
        }
        let is_flat = self.account.positions.is_empty() && self.account.orders.is_empty();
        if is_flat && self.dice.happens(70) {
            return self.place();
        }
        match self.dice.below(100) {
            0..34 => self.place(),
            34..40 => self.modify(),
            40..44 => self.cancel(),
            44..54 => self.protect(),
            54..68 => self.close(),
            68..73 => self.close_by(),
            73..76 => self.close_all(),
            76..80 => self.fund(),
            80..84 => self.funding(),
            84..86 => self.leverage(),
            86..90 => self.controls(),
            90..95 => self.correct(),
            _ => self.nonsense(),
        }
    }

    /// What a full account is asked.
    pub fn lessen(&mut self) -> AccountCommand {
        match self.dice.below(10) {
            0..3 => self.cancel(),
            3..8 => self.close(),
            8 => self.close_by(),
            _ => self.close_all(),
        }
    }

    fn terms(&self, of: Symbol) -> &Instrument {
        self.market.instrument(of).unwrap()
    }

    fn place(&mut self) -> AccountCommand {
        let ticket = self.ticket();
        AccountCommand::PlaceOrder {
            order_id: OrderId(self.dice.id()),
            deal_id: DealId(self.dice.id()),
            position_id: PositionId(self.dice.id()),
            ticket: Box::new(ticket),
        }
    }

    fn ticket(&mut self) -> Ticket {
        let positions = &self.account.positions;
        let symbol = if !positions.is_empty() && self.dice.happens(50) {
            // What is held already: it is netted, hedged, increased.
            positions[self.dice.index(positions.len())].symbol
        } else {
            symbol(self.dice.pick(&SYMBOLS).0)
        };
        let side = self.dice.pick(&[Side::Buy, Side::Sell]);
        let order_type = self.dice.pick(&TYPES);
        let time_in_force = match order_type {
            OrderType::Market => TimeInForce::Gtc,
            _ => self.dice.pick(&TIMES),
        };
        let prices = self.prices(symbol, side, order_type);
        let expires_at = (time_in_force == TimeInForce::Gtd)
            .then(|| self.at + Duration::seconds(self.dice.between(1, 20_000)));
        let oco_group = self
            .dice
            .happens(10)
            .then(|| Box::from(self.dice.pick(&["a", "b"])));
        let trailing_distance = self.dice.happens(8).then(|| self.points(symbol, 5, 200));
        Ticket {
            symbol,
            side,
            order_type,
            volume: self.volume(symbol),
            limit_price: prices.limit,
            stop_price: prices.stop,
            stop_loss: prices.stop_loss,
            take_profit: prices.take_profit,
            trailing_distance,
            time_in_force,
            expires_at,
            oco_group,
            client_order_id: None,
        }
    }

    fn prices(&mut self, symbol: Symbol, side: Side, order_type: OrderType) -> Prices {
        let ray = self.ray(symbol, side);
        // Mostly on the side of the market that makes sense.
        let away = |dice: &mut Dice| dice.between(-8, 150);
        let limit = ray.better(away(self.dice));
        let stop = ray.worse(away(self.dice));
        let (limit, stop, own) = match order_type {
            OrderType::Market => (None, None, ray.closing),
            OrderType::Limit => (Some(limit), None, limit),
            OrderType::Stop => (None, Some(stop), stop),
            OrderType::StopLimit => {
                let by = self.dice.between(-40, 40);
                let limit = ray.from(stop, by);
                (Some(limit), Some(stop), limit)
            }
        };
        let protected = |dice: &mut Dice| dice.happens(40);
        Prices {
            limit,
            stop,
            stop_loss: protected(self.dice).then(|| {
                let by = self.dice.between(-3, 200);
                ray.from(own, -by)
            }),
            take_profit: protected(self.dice).then(|| {
                let by = self.dice.between(-3, 200);
                ray.from(own, by)
            }),
        }
    }

    fn ray(&self, symbol: Symbol, side: Side) -> Ray {
        let terms = self.terms(symbol);
        let quote = self.market.quote(symbol).copied();
        let start = SYMBOLS
            .iter()
            .find(|(name, ..)| *name == symbol.as_str())
            .unwrap();
        let somewhere = Decimal::new(start.2, start.1);
        let (dealing, closing) = quote.map_or((somewhere, somewhere), |quote: Quote| {
            (quote.price(side), quote.price(opposite(side)))
        });
        let point = terms.point();
        Ray {
            dealing,
            closing,
            // Towards what the client hopes for.
            ahead: match side {
                Side::Buy => point,
                Side::Sell => -point,
            },
        }
    }

    fn points(&mut self, symbol: Symbol, least: i64, most: i64) -> Decimal {
        Decimal::from(self.dice.between(least, most)) * self.terms(symbol).point()
    }

    fn volume(&mut self, symbol: Symbol) -> Decimal {
        let terms = self.terms(symbol);
        let (least, step, most) = (terms.min_volume, terms.volume_step, terms.max_volume);
        match self.dice.below(60) {
            0 => most + step,
            1 => least + step / Decimal::TWO,
            2 => most,
            3..12 => least + step * Decimal::from(self.dice.between(0, 400)),
            _ => least + step * Decimal::from(self.dice.between(0, 40)),
        }
    }

    fn order_id(&mut self) -> OrderId {
        let orders = &self.account.orders;
        if orders.is_empty() || self.dice.once_in(30) {
            return OrderId(self.dice.id());
        }
        orders[self.dice.index(orders.len())].order_id
    }

    fn position_id(&mut self) -> PositionId {
        let positions = &self.account.positions;
        if positions.is_empty() || self.dice.once_in(40) {
            return PositionId(self.dice.id());
        }
        positions[self.dice.index(positions.len())].position_id
    }

    fn modify(&mut self) -> AccountCommand {
        let order_id = self.order_id();
        let mut changes = OrderChanges::default();
        if let Some(order) = self.account.order(order_id) {
            let ticket = &order.ticket;
            let by = self.points(ticket.symbol, -30, 30);
            changes.limit_price = ticket.limit_price.map(|price| price + by);
            changes.stop_price = ticket.stop_price.map(|price| price + by);
            changes.stop_loss = ticket
                .stop_loss
                .map_or(Change::Keep, |it| Change::Set(it + by));
            changes.take_profit = Change::Remove;
            if self.dice.happens(20) {
                changes.volume = Some(self.volume(order.ticket.symbol));
            }
        }
        AccountCommand::ModifyOrder {
            order_id,
            changes: Box::new(changes),
        }
    }

    fn cancel(&mut self) -> AccountCommand {
        AccountCommand::CancelOrder {
            order_id: self.order_id(),
        }
    }

    fn protect(&mut self) -> AccountCommand {
        let position_id = self.position_id();
        let mut levels = [Change::Keep; 3];
        if let Some(position) = self.account.position(position_id) {
            let (symbol, side) = (position.symbol, position.side);
            let ray = self.ray(symbol, side);
            let near = ray.closing;
            let changes = [
                ray.from(near, -self.dice.between(-2, 150)),
                ray.from(near, self.dice.between(-2, 150)),
                self.points(symbol, 0, 120),
            ];
            for (level, change) in levels.iter_mut().zip(changes) {
                *level = match self.dice.below(4) {
                    0 => Change::Keep,
                    1 => Change::Remove,
                    _ => Change::Set(change),
                };
            }
        }
        AccountCommand::ProtectPosition {
            position_id,
            stop_loss: levels[0],
            take_profit: levels[1],
            trailing_distance: levels[2],
        }
    }

    fn close(&mut self) -> AccountCommand {
        let position_id = self.position_id();
        let position = self.account.position(position_id);
        let step = position.map(|position| self.terms(position.symbol).volume_step);
        let part = self.dice.happens(50);
        AccountCommand::ClosePosition {
            position_id,
            deal_id: DealId(self.dice.id()),
            volume: step
                .filter(|_| part)
                .map(|step| step * Decimal::from(self.dice.between(1, 30))),
        }
    }

    fn close_by(&mut self) -> AccountCommand {
        let position_id = self.position_id();
        let position = self.account.position(position_id);
        let others = self.account.positions.iter().filter(|other| {
            position.is_some_and(|it| it.symbol == other.symbol && it.side != other.side)
        });
        let others: Vec<_> = others.map(|other| other.position_id).collect();
        let opposite_id = if others.is_empty() {
            self.position_id()
        } else {
            self.dice.pick(&others)
        };
        AccountCommand::CloseBy {
            position_id,
            opposite_id,
            deal_id: DealId(self.dice.id()),
            opposite_deal_id: DealId(self.dice.id()),
        }
    }

    fn close_all(&mut self) -> AccountCommand {
        AccountCommand::CloseAll {
            seed: DealId(self.dice.id()),
            symbol: self
                .dice
                .happens(50)
                .then(|| symbol(self.dice.pick(&SYMBOLS).0)),
            only: self
                .dice
                .pick(&[None, Some(CloseFilter::Winners), Some(CloseFilter::Losers)]),
        }
    }

    fn fund(&mut self) -> AccountCommand {
        let terms = self.account.terms.unwrap();
        let bucket = match terms.kind {
            AccountKind::Demo => Bucket::Demo,
            AccountKind::Live => self.dice.pick(&[Bucket::Real, Bucket::Real, Bucket::Bonus]),
        };
        let amount = match self.dice.below(12) {
            0 => Decimal::ZERO,
            1 => Decimal::new(1, 5),
            2 => Decimal::from(-1_000_000_000_i64),
            3 => Decimal::from(900_000_000_000_000_000_i64),
            _ => Decimal::from(self.dice.between(-400, 1_500)),
        };
        adjust(bucket, amount)
    }

    /// Money is asked for, asked back, sent and refused. Its form is in `paying`.
    fn funding(&mut self) -> AccountCommand {
        let terms = self.account.terms.unwrap();
        paying::asked(self.dice, self.account, terms.currency)
    }

    fn leverage(&mut self) -> AccountCommand {
        AccountCommand::ChangeLeverage {
            leverage: self
                .dice
                .pick(&[0, 10, 30, 50, 100, 100, 200, 400, 500, 5_000]),
            by: "simulation".to_owned(),
        }
    }

    fn controls(&mut self) -> AccountCommand {
        let mut controls = Controls::default();
        if self.dice.happens(60) {
            let states = [
                TradingState::Active,
                TradingState::Active,
                TradingState::Reducing,
            ];
            controls.state = self.dice.pick(&states);
            controls.trading_disabled = self.dice.happens(8);
            controls.close_only = self.dice.happens(8);
            controls.read_only = self.dice.happens(4);
            controls.swap_free = self.dice.happens(15);
            controls.group = self.dice.happens(40).then(|| Box::from("vip"));
            controls.limits = self.limits();
        }
        AccountCommand::SetControls {
            controls: Box::new(controls),
            reason: None,
            by: "simulation".to_owned(),
        }
    }

    fn limits(&mut self) -> Limits {
        let dice = &mut *self.dice;
        Limits {
            max_leverage: dice.happens(20).then(|| dice.pick(&[50, 200])),
            max_volume: dice.happens(15).then(|| dice.decimal(5, 100, 2)),
            max_notional: dice.happens(15).then(|| dice.decimal(5_000, 100_000, 0)),
            max_open_orders: dice.happens(20).then(|| dice.pick(&[1, 3])),
            max_positions: dice.happens(20).then(|| dice.pick(&[1, 3])),
            daily_loss: dice.happens(40).then(|| dice.decimal(1_000, 30_000, 2)),
            orders_per_minute: dice.happens(25).then(|| dice.pick(&[2, 5])),
        }
    }

    fn correct(&mut self) -> AccountCommand {
        if self.deals.is_empty() {
            return self.fund();
        }
        let recent = self.deals.len().saturating_sub(12);
        let place = recent + self.dice.index(self.deals.len() - recent);
        let deal = Box::new(self.deals[place].clone());
        let (reason, by) = ("a bad tick".to_owned(), "simulation".to_owned());
        if self.dice.happens(50) {
            return AccountCommand::BustDeal { deal, reason, by };
        }
        let (price, symbol) = match &*deal {
            DealRecord::Opening {
                execution, symbol, ..
            } => (execution.price, *symbol),
            DealRecord::Closing { deal, .. } => (deal.execution.price, deal.symbol),
        };
        let price = price + self.points(symbol, -60, 60);
        AccountCommand::RepriceDeal {
            deal,
            price,
            reason,
            by,
        }
    }

    /// What nobody should ask.
    fn nonsense(&mut self) -> AccountCommand {
        if self.account.terms.is_none() && self.dice.happens(50) {
            let mut open = opening(self.dice).swap_remove(0);
            if let AccountCommand::Open { leverage, .. } = &mut open {
                *leverage = 0;
            }
            return open;
        }
        let mut ticket = self.ticket();
        match self.dice.below(6) {
            0 => ticket.symbol = symbol("NOSUCH"),
            1 => ticket.volume = Decimal::ZERO,
            2 => ticket.limit_price = Some(Decimal::MAX),
            3 => return opening(self.dice).swap_remove(0),
            4 => {
                let controls = Controls::default();
                let (reason, by) = (None, "simulation".to_owned());
                return AccountCommand::SetControls {
                    controls: Box::new(controls),
                    reason,
                    by,
                };
            }
            _ => ticket.expires_at = Some(self.at - Duration::seconds(1)),
        }
        AccountCommand::PlaceOrder {
            order_id: OrderId(self.dice.id()),
            deal_id: DealId(self.dice.id()),
            position_id: PositionId(self.dice.id()),
            ticket: Box::new(ticket),
        }
    }
}

struct Prices {
    limit: Option<Decimal>,
    stop: Option<Decimal>,
    stop_loss: Option<Decimal>,
    take_profit: Option<Decimal>,
}

/// The market as one side sees it.
struct Ray {
    dealing: Decimal,
    closing: Decimal,
    ahead: Decimal,
}

impl Ray {
    fn better(&self, points: i64) -> Decimal {
        self.from(self.dealing, -points)
    }

    fn worse(&self, points: i64) -> Decimal {
        self.from(self.dealing, points)
    }

    fn from(&self, price: Decimal, points: i64) -> Decimal {
        (price + self.ahead * Decimal::from(points)).max(self.ahead.abs())
    }
}
