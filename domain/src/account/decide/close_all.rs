//! Many positions closed by one command, each with its own outcome.

use super::{Book, Found, netting::deal_of, position::Closing};
use crate::{
    AccountRejection, DealId, Decimal, Symbol,
    account::{AccountEvent, CloseFilter, Decision, Position, PositionOutcome, event::CloseReason},
    price, profit,
};

impl Book<'_> {
    /// Closes all positions, oldest first, or those of a symbol, those that win or those that
    /// lose. One that cannot be closed now stays, and the others go all the same.
    pub(super) fn close_all(
        &self,
        seed: DealId,
        symbol: Option<Symbol>,
        only: Option<CloseFilter>,
    ) -> Decision {
        let is_known = symbol.map_or(Ok(()), |symbol| self.instrument(symbol).map(|_| ()));
        if let Err(refusal) = is_known.and_then(|()| self.check_acting()) {
            return Err(refusal).into();
        }
        let mut decision = Decision::default();
        // Each close settles on the buckets that the ones before it left.
        let mut account = self.account.clone();
        for position in &self.account.positions {
            if symbol.is_some_and(|symbol| symbol != position.symbol) {
                continue;
            }
            let result = match self.is_meant(position, only) {
                Ok(false) => continue,
                Err(unknown) => Err(unknown),
                Ok(true) => {
                    let book = Book {
                        account: &account,
                        ..*self
                    };
                    book.close_one_of_many(position, seed)
                }
            };
            let result = result.map(|events| {
                events.iter().for_each(|event| account.evolve(event));
                let realised = events.iter().filter_map(realised).sum();
                decision.events.extend(events);
                realised
            });
            decision.outcomes.push(PositionOutcome {
                position_id: position.position_id,
                result,
            });
        }
        decision
    }

    /// Whether a position wins or loses now, its swap included. What cannot be valued is neither.
    fn is_meant(
        &self,
        position: &Position,
        only: Option<CloseFilter>,
    ) -> Result<bool, AccountRejection> {
        let Some(only) = only else {
            return Ok(true);
        };
        let (market, rules) = (self.context.market, self.context.rules);
        let (currency, group) = (self.terms.currency, self.account.group());
        let value = profit::value(position, currency, group, market, rules)?;
        Ok(match only {
            CloseFilter::Winners => value > Decimal::ZERO,
            CloseFilter::Losers => value < Decimal::ZERO,
        })
    }

    fn close_one_of_many(&self, position: &Position, seed: DealId) -> Found {
        let instrument = self.instrument(position.symbol)?;
        let quote = self.dealable(instrument)?;
        let side = position.side.opposite();
        let closing = Closing {
            position,
            deal_id: deal_of(seed, position.position_id),
            volume: position.volume,
            price: price::at_market(quote, instrument, side, position.volume),
            reason: CloseReason::CloseAll,
        };
        self.deal_away(&closing, instrument, quote)
    }
}

/// Price profit of a closing deal.
fn realised(event: &AccountEvent) -> Option<Decimal> {
    let (AccountEvent::PositionClosed { deal, .. } | AccountEvent::PositionReduced { deal, .. }) =
        event
    else {
        return None;
    };
    Some(deal.realised)
}
