//! Open positions, and what each fact about one makes of it: the account's fold and the read model
//! of positions share it.

use chrono::NaiveDate;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::{
    AccountEvent,
    event::{BustedDeal, ClosingDeal, MarginBasis, PositionIncrease, RepricedDeal, SwapCharge},
};
use crate::{OrderId, PositionId, Symbol, Timestamp, quote::Side};

/// An open position in memory, in snapshots, and as read models hand it to the mathematics.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Its identifier.
    pub position_id: PositionId,
    /// The order that opened it.
    pub order_id: OrderId,
    /// Instrument.
    pub symbol: Symbol,
    /// Long (`buy`) or short (`sell`).
    pub side: Side,
    /// Lots still open.
    pub volume: Decimal,
    /// The opening price; of a netting position made of several deals their average, rounded to
    /// 28 digits and for show.
    pub open_price: Decimal,
    /// Sum of lots times price over the deals of what is open: kept by netting positions made of
    /// several deals, in whose place an average would be rounded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Decimal>,
    /// Units of the base in one lot, as dealt.
    pub contract_size: Decimal,
    /// What its margin rests on.
    pub margin: MarginBasis,
    /// Commission of the opening deal, in the account's currency.
    pub commission: Decimal,
    /// Swap accrued and not yet posted, in the account's currency.
    pub swap: Decimal,
    /// Stop loss.
    pub stop_loss: Option<Decimal>,
    /// Take profit.
    pub take_profit: Option<Decimal>,
    /// How far behind the market the stop loss trails, in price units.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trailing_distance: Option<Decimal>,
    /// The last trading day that swap was charged for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub swap_day: Option<NaiveDate>,
    /// When it opened.
    pub opened_at: Timestamp,
}

impl Position {
    /// The position that an event opens; none of any other event.
    #[must_use]
    pub fn opened(event: &AccountEvent) -> Option<Self> {
        let AccountEvent::PositionOpened {
            position_id,
            order_id,
            deal_id: _,
            symbol,
            side,
            volume,
            open_price,
            contract_size,
            margin,
            commission,
            stop_loss,
            take_profit,
            trailing_distance,
            at,
        } = event
        else {
            return None;
        };
        Some(Self {
            position_id: *position_id,
            order_id: *order_id,
            symbol: *symbol,
            side: *side,
            volume: *volume,
            open_price: *open_price,
            cost: None,
            contract_size: *contract_size,
            margin: *margin,
            commission: *commission,
            swap: Decimal::ZERO,
            stop_loss: *stop_loss,
            take_profit: *take_profit,
            trailing_distance: *trailing_distance,
            swap_day: None,
            opened_at: *at,
        })
    }

    /// A deal on its own side.
    ///
    /// # Panics
    /// When the volumes do not add up.
    pub fn increase(&mut self, increase: &PositionIncrease) {
        assert_eq!(
            self.volume + increase.volume,
            increase.total_volume,
            "corrupt stream: {} adds up to another volume",
            increase.deal_id,
        );
        self.volume = increase.total_volume;
        self.cost = Some(increase.cost);
        self.open_price = average(increase.cost, increase.total_volume);
        self.margin = increase.margin;
        self.commission += increase.commission;
        self.stop_loss = increase.stop_loss;
        self.take_profit = increase.take_profit;
        self.trailing_distance = increase.trailing_distance;
    }

    /// A deal that takes lots off, and posts their swap.
    ///
    /// # Panics
    /// When the volumes do not add up.
    pub fn reduce(&mut self, deal: &ClosingDeal) {
        assert_eq!(
            self.volume - deal.volume,
            deal.remaining,
            "corrupt stream: {} leaves another volume",
            deal.deal_id,
        );
        self.lessen(deal.volume);
        self.swap -= deal.swap;
    }

    /// Takes lots off, and their share of the cost.
    ///
    /// # Panics
    /// When a share of the cost does not fit 28 digits.
    pub fn lessen(&mut self, volume: Decimal) {
        if let Some(cost) = &mut self.cost {
            let share = cost.checked_mul(volume);
            let share = share.and_then(|product| product.checked_div(self.volume));
            *cost -= share.expect("invariant: profit was computed from the same share");
        }
        self.volume -= volume;
    }

    /// Its levels are those of a `ProtectionChanged` from now on; other events leave them.
    pub const fn protect(&mut self, event: &AccountEvent) {
        if let AccountEvent::ProtectionChanged {
            stop_loss,
            take_profit,
            trailing_distance,
            ..
        } = event
        {
            self.stop_loss = *stop_loss;
            self.take_profit = *take_profit;
            self.trailing_distance = *trailing_distance;
        }
    }

    /// An opening deal is undone: its lots go, and with them the swap that they accrued. The volume
    /// is zero where nothing is left.
    ///
    /// # Panics
    /// When a share or an average does not fit 28 digits.
    pub fn bust(&mut self, bust: &BustedDeal) {
        let vanished = self.swap.checked_mul(bust.volume_removed);
        let vanished = vanished.and_then(|product| product.checked_div(self.volume));
        let vanished = vanished.expect("invariant: accrued swap is small money");
        self.swap -= bust.funds.currency.round(vanished);
        self.commission -= bust.commission;
        self.volume -= bust.volume_removed;
        if let Some(cost) = &mut self.cost {
            *cost -= bust.cost_removed;
            if !self.volume.is_zero() {
                self.open_price = average(*cost, self.volume);
            }
        }
    }

    /// A rollover's swap accrues.
    ///
    /// # Panics
    /// When the day was charged before.
    pub fn accrue(&mut self, charge: &SwapCharge) {
        let is_next = self.swap_day.is_none_or(|day| day < charge.day);
        assert!(is_next, "corrupt stream: swap of {} twice", charge.day);
        self.swap += charge.amount;
        self.swap_day = Some(charge.day);
    }

    /// One of its opening deals has another price now.
    ///
    /// # Panics
    /// When the new average does not fit 28 digits.
    pub fn reprice(&mut self, reprice: &RepricedDeal) {
        match &mut self.cost {
            None => self.open_price = reprice.to,
            Some(cost) => {
                *cost += (reprice.to - reprice.from) * reprice.volume;
                self.open_price = average(*cost, self.volume);
            }
        }
    }
}

/// Price of one lot, for show.
fn average(cost: Decimal, volume: Decimal) -> Decimal {
    cost.checked_div(volume)
        .expect("invariant: a position has a volume, and its price fits 28 digits")
}
