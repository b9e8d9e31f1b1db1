//! What the house, its clock and its margin watch ask.

use super::{
    super::{AccountCommand, Controls, event::DealRecord},
    AccountEvent, Act, Desk, ask, dec, id, symbol,
};
use crate::{Decimal, Instrument, Quote, quote::QuoteSource};

pub(super) fn evaluate() -> Act {
    ask(AccountCommand::Evaluate { seed: id("seed") })
}

pub(super) fn roll_over(day: &str) -> Act {
    ask(AccountCommand::RollOver {
        day: day.parse().unwrap(),
    })
}

pub(super) fn change_leverage(leverage: u32) -> Act {
    ask(AccountCommand::ChangeLeverage {
        leverage,
        by: "test".to_owned(),
    })
}

pub(super) fn controls(change: impl FnOnce(&mut Controls)) -> Act {
    let mut controls = Controls::NONE;
    change(&mut controls);
    ask(AccountCommand::SetControls {
        controls: Box::new(controls),
        reason: None,
        by: "test".to_owned(),
    })
}

pub(super) fn bust(deal: &DealRecord) -> Act {
    ask(AccountCommand::BustDeal {
        deal: Box::new(deal.clone()),
        reason: "bad print".to_owned(),
        by: "desk".to_owned(),
    })
}

pub(super) fn reprice(deal: &DealRecord, price: &str) -> Act {
    ask(AccountCommand::RepriceDeal {
        deal: Box::new(deal.clone()),
        price: dec(price),
        reason: "bad print".to_owned(),
        by: "desk".to_owned(),
    })
}

impl Desk {
    /// Lists an instrument beside the seeded ones, made from one of them, and quotes it.
    pub(super) fn listing(
        mut self,
        of: &str,
        name: &str,
        quote: [&str; 2],
        change: impl FnOnce(&mut Instrument),
    ) -> Self {
        let mut terms = Instrument::clone(self.market.instrument(symbol(of)).unwrap());
        terms.symbol = symbol(name);
        change(&mut terms);
        self.market.set_instrument(terms.into());
        self.market.set_quote(Quote {
            symbol: symbol(name),
            bid: dec(quote[0]),
            ask: dec(quote[1]),
            at: self.at,
            source: QuoteSource::Recorded,
        });
        self
    }

    /// The deals of the last act, as the book knows them.
    pub(super) fn records(&self) -> Vec<DealRecord> {
        let size = |name| self.market.instrument(name).unwrap().contract_size;
        let events = self.decision.events.iter();
        let records = events.filter_map(|event| {
            if let AccountEvent::OrderFilled {
                deal_id,
                position_id,
                symbol,
                side,
                volume,
                execution,
                funds,
                ..
            } = event
            {
                return Some(DealRecord::Opening {
                    deal_id: *deal_id,
                    position_id: *position_id,
                    symbol: *symbol,
                    side: *side,
                    volume: *volume,
                    execution: execution.clone(),
                    funds: *funds,
                });
            }
            let deal = super::closing_deal(event)?;
            Some(DealRecord::Closing {
                deal: Box::new(deal.clone()),
                contract_size: size(deal.symbol),
            })
        });
        records.collect()
    }

    pub(super) fn used_margin(&self) -> Decimal {
        self.figures().used_margin
    }
}
