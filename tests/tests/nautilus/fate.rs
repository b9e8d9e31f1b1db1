//! What becomes of an order on a tape whose future is known, by the plainest reading of the rules.
//! The generator needs it to give commands at times when they mean something, and to see where the
//! two engines differ by definition; what the engines do is never compared with it.

use super::tape::{Side, Tape};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Market,
    Limit,
    Stop,
    StopLimit,
}

impl Kind {
    pub const fn op(self) -> &'static str {
        match self {
            Self::Market => "market",
            Self::Limit => "limit",
            Self::Stop => "stop",
            Self::StopLimit => "stop_limit",
        }
    }
}

/// An order; prices in points, volume in steps of the instrument.
#[derive(Clone, Debug)]
pub struct Order {
    pub side: Side,
    pub kind: Kind,
    pub volume: i64,
    pub limit: Option<i64>,
    pub stop: Option<i64>,
    pub stop_loss: Option<i64>,
    pub take_profit: Option<i64>,
}

/// A stop-limit that filled as it triggered: its stop, and its limit beyond that.
#[derive(Clone, Copy, Debug)]
pub struct Capped {
    pub side: Side,
    pub stop: i64,
    pub limit: i64,
}

#[derive(Clone, Copy, Debug)]
pub enum Fate {
    /// Works to the end of the tape; a stop-limit may trigger meanwhile.
    Rests {
        triggered: Option<usize>,
    },
    Fills(Filled),
    /// A stop that the market has reached already.
    Refused,
    /// The engines differ here by definition.
    Differs,
}

#[derive(Clone, Copy, Debug)]
pub struct Filled {
    pub at: usize,
    /// When it became a limit order, if that is what it waited for first.
    pub triggered: Option<usize>,
    /// Whether it rested at a limit until the price came.
    pub at_limit: bool,
    pub capped: Option<Capped>,
}

impl Filled {
    const fn plain(at: usize) -> Self {
        Self {
            at,
            triggered: None,
            at_limit: false,
            capped: None,
        }
    }
}

impl Order {
    /// The price that its protection is measured from; none for a market order.
    pub fn own_price(&self) -> Option<i64> {
        self.limit.or(self.stop)
    }

    /// What becomes of it when it arrives on this tick.
    pub fn fate_on_arrival(&self, tape: &Tape, at: usize) -> Fate {
        let through = self
            .stop
            .is_some_and(|stop| tape.reaches_stop(at, self.side, stop));
        if through {
            return Fate::Refused;
        }
        let marketable = self
            .limit
            .is_some_and(|limit| tape.is_within_limit(at, self.side, limit));
        match self.kind {
            Kind::Market => Fate::Fills(Filled::plain(at)),
            Kind::Limit if marketable => Fate::Fills(Filled::plain(at)),
            Kind::Limit | Kind::Stop | Kind::StopLimit => self.fate_after(tape, at, None),
        }
    }

    /// What becomes of it after this tick, on which it rests; `triggered` tells when a stop-limit
    /// became a limit order.
    pub fn fate_after(&self, tape: &Tape, at: usize, triggered: Option<usize>) -> Fate {
        match (self.limit, self.stop, triggered) {
            (Some(limit), None, _) => self.limit_fate(tape, at, limit, None),
            (None, Some(stop), _) => {
                let touched = tape.first_reaching(at + 1, self.side, stop);
                let rests = Fate::Rests { triggered: None };
                touched.map_or(rests, |at| Fate::Fills(Filled::plain(at)))
            }
            (Some(limit), Some(_), Some(_)) => self.limit_fate(tape, at, limit, triggered),
            (Some(limit), Some(stop), None) => self.stop_limit_fate(tape, at, limit, stop),
            (None, None, _) => Fate::Differs, // A market order never rests.
        }
    }

    fn limit_fate(&self, tape: &Tape, at: usize, limit: i64, triggered: Option<usize>) -> Fate {
        let Some(at) = tape.first_within(at + 1, self.side, limit) else {
            return Fate::Rests { triggered };
        };
        let sign = self.side.sign();
        let is_beyond = self.stop.is_some_and(|stop| sign * limit > sign * stop);
        // Avoided: a resting limit beyond its stop deals at the quote there, at the limit here.
        if is_beyond && tape.price(at, self.side) != limit {
            return Fate::Differs;
        }
        Fate::Fills(Filled {
            at,
            triggered,
            at_limit: true,
            capped: None,
        })
    }

    fn stop_limit_fate(&self, tape: &Tape, at: usize, limit: i64, stop: i64) -> Fate {
        let side = self.side;
        let Some(touched) = tape.first_reaching(at + 1, side, stop) else {
            return Fate::Rests { triggered: None };
        };
        if !tape.is_within_limit(touched, side, limit) {
            return self.limit_fate(tape, touched, limit, Some(touched));
        }
        // Avoided: within its cap it deals at the stop there, at the quote here.
        if tape.price(touched, side) != stop {
            return Fate::Differs;
        }
        Fate::Fills(Filled {
            at: touched,
            triggered: Some(touched),
            at_limit: false,
            capped: Some(Capped { side, stop, limit }),
        })
    }

    /// The first ticks after this one that touch stop loss and take profit of its position.
    pub fn exits(&self, tape: &Tape, at: usize) -> (Option<usize>, Option<usize>) {
        let closing = self.side.opposite();
        let stop_loss = self
            .stop_loss
            .and_then(|level| tape.first_reaching(at + 1, closing, level));
        let take_profit = self
            .take_profit
            .and_then(|level| tape.first_within(at + 1, closing, level));
        (stop_loss, take_profit)
    }

    pub fn touches_stop_loss(&self, tape: &Tape, at: usize) -> bool {
        let closing = self.side.opposite();
        let level = self.stop_loss;
        level.is_some_and(|level| tape.reaches_stop(at, closing, level))
    }

    pub fn touches_take_profit(&self, tape: &Tape, at: usize) -> bool {
        let closing = self.side.opposite();
        let level = self.take_profit;
        level.is_some_and(|level| tape.is_within_limit(at, closing, level))
    }

    /// Whether both levels are on their own sides of a price.
    pub fn is_protection_around(&self, price: i64) -> bool {
        let sign = self.side.sign();
        self.stop_loss
            .is_none_or(|level| sign * level < sign * price)
            && self
                .take_profit
                .is_none_or(|level| sign * level > sign * price)
    }
}
