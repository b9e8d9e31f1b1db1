//! The life of one order: placed, changed, cancelled, filled, protected, reduced, closed. Orders of
//! a hedging account with money to spare do not touch each other, so that a scenario is a bundle
//! of such lives. Each time a command is tried that the market or the order's state refuses, too.

use serde_json::{Map, Value, json};

use super::{
    fate::{Capped, Fate, Filled, Kind, Order},
    random::Random,
    tape::{Side, Tape},
};

/// Commands that an order gets after it, at most, pending and open each.
const CHANGES_MAX: usize = 3;

/// A told life, with what has to be known to put it beside others.
#[derive(Debug, Default)]
pub struct Story {
    pub commands: Vec<Value>,
    /// Ticks on which its commands are executed.
    pub told_at: Vec<usize>,
    /// Ticks on which its position opens.
    pub opens_at: Vec<usize>,
    /// Ticks on which a resting limit of it fills, or a stop-limit within its cap.
    pub limits_at: Vec<usize>,
    /// Stops of it, by side of the deal.
    pub stops: Vec<(Side, i64)>,
    pub capped: Option<Capped>,
}

/// How volumes are told.
#[derive(Clone, Copy)]
pub struct Lots {
    /// Hundredths of a lot in one step.
    pub step: i64,
    /// Steps that an order has, at most.
    pub steps_max: i64,
}

pub struct Teller<'a> {
    pub tape: &'a Tape,
    pub symbol: &'a str,
    pub lots: Lots,
    pub usual_move: i64,
    pub random: &'a mut Random,
    pub name: String,
    pub story: Story,
}

impl Teller<'_> {
    /// Tells a life; none where it would lead to what is avoided.
    pub fn tell(mut self) -> Option<Story> {
        let span = self.tape.len() * 4 / 5;
        let at = self.tape.command_tick(self.random, 1..span)?;
        let mut order = self.entry(at)?;
        if order.own_price().is_none_or(|_| self.random.chance(80)) {
            self.protect_entry(&mut order, at);
        }
        self.place(&order, at);
        match order.fate_on_arrival(self.tape, at) {
            Fate::Refused => Some(self.story),
            Fate::Differs => None,
            fate @ (Fate::Rests { .. } | Fate::Fills(_)) => {
                match self.pending(&mut order, at, fate)? {
                    Some(filled) => self.open(&mut order, filled),
                    None => Some(self.story),
                }
            }
        }
    }

    // -- Placing.

    fn entry(&mut self, at: usize) -> Option<Order> {
        let side = if self.random.chance(50) {
            Side::Buy
        } else {
            Side::Sell
        };
        let (sign, price) = (side.sign(), self.tape.price(at, side));
        let far = self.distance();
        let mut order = Order {
            side,
            kind: Kind::Market,
            volume: self.random.points(1, self.lots.steps_max),
            limit: None,
            stop: None,
            stop_loss: None,
            take_profit: None,
        };
        match self.random.below(100) {
            0..22 => {}
            22..44 => {
                order.kind = Kind::Limit;
                order.limit = Some(price - sign * far);
            }
            44..50 => {
                order.kind = Kind::Limit; // Marketable.
                order.limit = Some(price + sign * self.random.points(0, far));
            }
            50..66 => {
                order.kind = Kind::Stop;
                order.stop = Some(price + sign * far);
            }
            66..70 => {
                order.kind = Kind::Stop; // Through the market.
                order.stop = Some(price - sign * self.random.points(0, far));
            }
            70..84 => {
                order.kind = Kind::StopLimit; // The limit short of the stop.
                let stop = price + sign * far;
                order.stop = Some(stop);
                order.limit = Some(stop - sign * self.distance());
            }
            _ => {
                order.kind = Kind::StopLimit;
                let (stop, limit) = self.capped_levels(side, at, price + sign * far)?;
                (order.stop, order.limit) = (Some(stop), Some(limit));
            }
        }
        Some(order)
    }

    /// Stop and limit of a stop-limit whose limit is at or beyond its stop: one that triggers on
    /// exactly its stop, or whose limit the market has jumped over.
    fn capped_levels(&mut self, side: Side, at: usize, aim: i64) -> Option<(i64, i64)> {
        let touched = self.tape.first_reaching(at + 1, side, aim)?;
        let (sign, price) = (side.sign(), self.tape.price(touched, side));
        let over = sign * (price - aim);
        if over == 0 || self.random.chance(50) {
            return Some((price, price + sign * self.random.points(0, 10)));
        }
        Some((aim, aim + sign * self.random.points(0, over - 1)))
    }

    fn protect_entry(&mut self, order: &mut Order, at: usize) {
        let closing = self.tape.price(at, order.side.opposite());
        let reference = order.own_price().unwrap_or(closing);
        let levels = self.levels_around(order.side, reference, at);
        let which = self.random.below(10);
        order.stop_loss = (which != 0).then_some(levels.0);
        order.take_profit = (which != 1).then_some(levels.1);
    }

    /// A stop loss and a take profit for a position at this price.
    fn levels_around(&mut self, side: Side, price: i64, at: usize) -> (i64, i64) {
        let spread = self.tape.ticks[at].ask - self.tape.ticks[at].bid;
        let (loss, profit) = (self.distance() + spread, self.distance());
        (price - side.sign() * loss, price + side.sign() * profit)
    }

    fn distance(&mut self) -> i64 {
        let far = if self.random.chance(70) { 1 } else { 4 };
        self.random.points(1, self.usual_move * far)
    }

    // -- While it is pending.

    /// Gives commands to a pending order. The inner option is none when it never fills.
    fn pending(&mut self, order: &mut Order, at: usize, fate: Fate) -> Option<Option<Filled>> {
        let (mut at, mut fate) = (at, fate);
        for _ in 0..CHANGES_MAX {
            let (until, fills) = match fate {
                Fate::Fills(filled) => (filled.at, true),
                Fate::Rests { .. } => (self.tape.len(), false),
                Fate::Refused | Fate::Differs => return None,
            };
            let wish = self.random.below(100);
            let chosen = self.tape.command_tick(self.random, at + 1..until);
            let Some(now) = chosen.filter(|_| wish < 55) else {
                if fills && wish > 92 {
                    self.too_late(until, "cancel");
                }
                break;
            };
            if wish < 15 {
                self.tell_command("cancel", now, Map::new());
                return Some(None);
            }
            let triggered = triggered_before(fate, now);
            fate = self.modify(order, now, triggered)?;
            at = now;
        }
        match fate {
            Fate::Fills(filled) => Some(Some(filled)),
            Fate::Rests { triggered } => {
                self.note_stop(order, triggered.is_none());
                Some(None)
            }
            Fate::Refused | Fate::Differs => None,
        }
    }

    fn modify(&mut self, order: &mut Order, at: usize, triggered: Option<usize>) -> Option<Fate> {
        let side = order.side;
        let (sign, price) = (side.sign(), self.tape.price(at, side));
        self.note_stop(order, true);
        let mut fields = Map::new();
        let is_stop = order.stop.is_some() && triggered.is_none();
        let refused = is_stop && self.random.chance(12);
        if refused {
            let through = price - sign * self.random.points(0, self.usual_move);
            fields.insert("stopPrice".to_owned(), self.level(through));
            self.tell_command("modify", at, fields);
            return Some(order.fate_after(self.tape, at, triggered));
        }
        let mut changed = order.clone();
        if let (Some(_), true) = (order.stop, triggered.is_none()) {
            let stop = price + sign * self.distance();
            changed.stop = Some(stop);
            if order.limit.is_some() {
                let limit = if self.random.chance(60) {
                    stop - sign * self.distance()
                } else {
                    stop + sign * self.random.points(0, 5)
                };
                changed.limit = Some(limit);
            }
        } else {
            changed.limit = Some(price - sign * self.distance());
        }
        let may_be_replaced = triggered.is_none();
        if may_be_replaced && self.random.chance(40) {
            changed.volume = self.random.points(1, self.lots.steps_max);
        }
        if may_be_replaced && self.random.chance(30) {
            self.protect_entry(&mut changed, at);
        }
        if !changed.is_protection_around(changed.own_price()?) {
            return None;
        }
        self.tell_changes(order, &changed, at, "modify");
        *order = changed;
        Some(order.fate_after(self.tape, at, triggered))
    }

    // -- While its position is open.

    fn open(mut self, order: &mut Order, filled: Filled) -> Option<Story> {
        self.note_stop(order, true);
        self.story.opens_at.push(filled.at);
        self.story.capped = filled.capped;
        if filled.at_limit || filled.capped.is_some() {
            self.story.limits_at.push(filled.at);
        }
        let is_around = order
            .own_price()
            .is_none_or(|price| order.is_protection_around(price));
        if !is_around || order.touches_stop_loss(self.tape, filled.at) {
            return None;
        }
        if order.touches_take_profit(self.tape, filled.at) {
            // A gap may carry a stop beyond its take profit. No market order is taken like that.
            return (order.kind == Kind::Stop).then_some(self.story);
        }
        let mut at = filled.at;
        let mut remaining = order.volume;
        for _ in 0..CHANGES_MAX {
            let (stop_loss, take_profit) = order.exits(self.tape, at);
            let exit = stop_loss.into_iter().chain(take_profit).min();
            let until = exit.unwrap_or(self.tape.len());
            let wish = self.random.below(100);
            let chosen = self.tape.command_tick(self.random, at + 1..until);
            let Some(now) = chosen.filter(|_| wish < 65) else {
                if exit.is_some() && wish > 90 {
                    self.too_late(until, "close");
                }
                break;
            };
            if wish < 12 || (wish < 30 && remaining == 1) {
                self.tell_command("close", now, Map::new());
                return Some(self.story);
            }
            if wish < 30 {
                let part = self.random.points(1, remaining - 1);
                remaining -= part;
                let volume = json!(self.volume(part));
                self.tell_command(
                    "close",
                    now,
                    Map::from_iter([("volume".to_owned(), volume)]),
                );
            } else {
                self.protect(order, now);
            }
            at = now;
        }
        self.note_exit(order, at);
        Some(self.story)
    }

    fn protect(&mut self, order: &mut Order, at: usize) {
        let closing = self.tape.price(at, order.side.opposite());
        self.note_stop_loss(order);
        if self.random.chance(12) {
            // Through the market.
            let through = closing + order.side.sign() * self.random.points(0, self.usual_move);
            let level = self.level(through);
            self.tell_command(
                "protect",
                at,
                Map::from_iter([("stopLoss".to_owned(), level)]),
            );
            return;
        }
        let mut changed = order.clone();
        let (stop_loss, take_profit) = self.levels_around(order.side, closing, at);
        match self.random.below(5) {
            0 => changed.stop_loss = Some(stop_loss),
            1 => changed.take_profit = Some(take_profit),
            2 => (changed.stop_loss, changed.take_profit) = (Some(stop_loss), Some(take_profit)),
            3 => changed.stop_loss = None,
            _ => changed.take_profit = None,
        }
        self.tell_changes(order, &changed, at, "protect");
        *order = changed;
    }

    /// How the position ends by itself, if it does.
    fn note_exit(&mut self, order: &Order, at: usize) {
        self.note_stop_loss(order);
        let (stop_loss, take_profit) = order.exits(self.tape, at);
        if let Some(exit) = take_profit.filter(|exit| stop_loss.is_none_or(|stop| *exit < stop)) {
            self.story.limits_at.push(exit);
        }
    }
}

/// When a stop-limit had become a limit order, seen from this tick.
fn triggered_before(fate: Fate, now: usize) -> Option<usize> {
    let triggered = match fate {
        Fate::Rests { triggered } => triggered,
        Fate::Fills(filled) => filled.triggered,
        Fate::Refused | Fate::Differs => None,
    };
    triggered.filter(|at| *at <= now)
}
