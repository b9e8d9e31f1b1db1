//! At which price of a symbol an account would reach the stop-out.
//!
//! Searched, not solved: every probe is the account's figures with another quote of the symbol, so
//! that mark-up, slippage, conversion and rounding are those of the real thing, a price that also
//! converts other results included.

use rust_decimal::{Decimal, RoundingStrategy, prelude::ToPrimitive};

use super::Book;
use crate::{
    Account, Instrument, Market, Quote, Rules, Symbol,
    price::{self, PRICE_MAX},
    quote::Side,
    rules::StopOutRule,
};

/// How an account stands at a price.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    Above,
    Exactly,
    Below,
}

/// An account at other prices of one symbol.
struct Probe<'a> {
    account: &'a Account,
    rules: &'a Rules,
    instrument: &'a Instrument,
    market: Market,
    quote: Quote,
    /// Side of what the account holds on balance.
    side: Side,
}

impl Book<'_> {
    /// The closing price of `symbol` at which `account` reaches the stop-out level, all other prices
    /// unchanged, rounded to the instrument's digits on the market's side of it; the price of now
    /// where it is reached already. None where no price leads there: both directions are held alike,
    /// or no loss in this symbol is large enough.
    pub(super) fn liquidation_price(&self, account: &Account, symbol: Symbol) -> Option<Decimal> {
        match self.context.rules.stop_out {
            StopOutRule::Mt5 | StopOutRule::Fair | StopOutRule::Smart => {}
            StopOutRule::Off => return None,
        }
        let side = heavier_side(account, symbol)?;
        let instrument = self.instrument(symbol).ok()?;
        let quote = *self.context.market.quote(symbol)?;
        let mut probe = Probe {
            account,
            rules: self.context.rules,
            instrument,
            market: self.context.market.clone(),
            quote,
            side,
        };
        let now = price::dealing(&quote, instrument, side.opposite());
        let points = probe.find(in_points(now, instrument, side)?)?;
        let price = Decimal::new(points, instrument.digits);
        (price > Decimal::ZERO).then_some(price)
    }
}

impl Probe<'_> {
    /// In points: the last price on the way from `now` that is not beyond the stop-out.
    fn find(&mut self, now: i64) -> Option<i64> {
        if self.standing(now)? != Standing::Above {
            return Some(now);
        }
        let (mut safe, mut lost) = (now, self.lost_price(now)?);
        while (lost - safe).abs() > 1 {
            let middle = safe + (lost - safe) / 2;
            match self.standing(middle)? {
                Standing::Above => safe = middle,
                Standing::Exactly | Standing::Below => lost = middle,
            }
        }
        match self.standing(lost)? {
            Standing::Exactly => Some(lost),
            Standing::Above | Standing::Below => Some(safe),
        }
    }

    /// Some price at which the stop-out is reached: the least there is for what wins with the
    /// price, ever larger ones for what loses with it.
    fn lost_price(&mut self, now: i64) -> Option<i64> {
        match self.side {
            Side::Buy => (self.standing(1)? != Standing::Above).then_some(1),
            Side::Sell => {
                let mut price = now.max(1);
                loop {
                    price = price.checked_mul(2)?;
                    if Decimal::new(price, self.instrument.digits) > PRICE_MAX {
                        return None;
                    }
                    if self.standing(price)? != Standing::Above {
                        return Some(price);
                    }
                }
            }
        }
    }

    /// Where the account stands when its closing price is so many points. None where that cannot
    /// be said.
    fn standing(&mut self, points: i64) -> Option<Standing> {
        let price = Decimal::new(points, self.instrument.digits);
        let spread = self.quote.ask - self.quote.bid;
        let markup = price::markup(self.instrument, self.side.opposite());
        let (bid, ask) = match self.side {
            Side::Buy => {
                let bid = price.checked_add(markup)?;
                (bid, bid.checked_add(spread)?)
            }
            Side::Sell => {
                let ask = price.checked_sub(markup)?;
                (ask.checked_sub(spread)?, ask)
            }
        };
        self.market.set_quote(Quote {
            bid,
            ask,
            ..self.quote
        });
        let figures = self.account.figures(&self.market, self.rules)?;
        let usable = figures.equity?.checked_sub(self.account.funds.held)?;
        let (left, right) = if figures.used_margin.is_zero() {
            (usable, self.rules.hedged_stop_out_at)
        } else {
            let threshold = self.rules.stop_out_level.checked_mul(figures.used_margin)?;
            (usable.checked_mul(Decimal::ONE_HUNDRED)?, threshold)
        };
        Some(match left.cmp(&right) {
            std::cmp::Ordering::Greater => Standing::Above,
            std::cmp::Ordering::Equal => Standing::Exactly,
            std::cmp::Ordering::Less => Standing::Below,
        })
    }
}

/// The side of which the account holds more units of a symbol. None where it holds as many of both.
fn heavier_side(account: &Account, symbol: Symbol) -> Option<Side> {
    let positions = account.positions.iter();
    let mut of_symbol = positions.filter(|position| position.symbol == symbol);
    let net = of_symbol.try_fold(Decimal::ZERO, |sum, position| {
        let units = position.volume.checked_mul(position.contract_size)?;
        match position.side {
            Side::Buy => sum.checked_add(units),
            Side::Sell => sum.checked_sub(units),
        }
    })?;
    match net.cmp(&Decimal::ZERO) {
        std::cmp::Ordering::Greater => Some(Side::Buy),
        std::cmp::Ordering::Less => Some(Side::Sell),
        std::cmp::Ordering::Equal => None,
    }
}

/// A price in points, rounded towards the loss of who holds `side`.
fn in_points(price: Decimal, instrument: &Instrument, side: Side) -> Option<i64> {
    let rounding = match side {
        Side::Buy => RoundingStrategy::ToNegativeInfinity,
        Side::Sell => RoundingStrategy::ToPositiveInfinity,
    };
    let points = price.checked_div(instrument.point())?;
    points.round_dp_with_strategy(0, rounding).to_i64()
}
