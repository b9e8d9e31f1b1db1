//! Two opposite positions close one another.

use super::{Book, Found, position::Closing};
use crate::{
    AccountRejection, DealId, PositionId,
    account::{PositionMode, event::CloseReason},
    price,
};

impl Book<'_> {
    /// Closes two opposite positions by one another, as far as the smaller goes. Both deal at the
    /// older one's opening price, so that neither pays the spread: the older has no price profit,
    /// the younger has all of it.
    pub(super) fn close_by(&self, positions: [PositionId; 2], deals: [DealId; 2]) -> Found {
        match self.terms.mode {
            PositionMode::Hedging => {}
            PositionMode::Netting => {
                let message = "a netting account has one position per symbol".to_owned();
                return Err(AccountRejection::WrongMode(message));
            }
        }
        let [one, other] = [self.open(positions[0])?, self.open(positions[1])?];
        if one.symbol != other.symbol || one.side == other.side {
            let [one, other] = positions;
            return Err(AccountRejection::NotOpposite(one, other));
        }
        self.check_acting()?;
        let instrument = self.instrument(one.symbol)?;
        let quote = self.dealable(instrument)?;
        let mut standing = self.account.positions.iter();
        let is_first_older = standing
            .find(|position| positions.contains(&position.position_id))
            .is_some_and(|older| older.position_id == one.position_id);
        let [(older, older_deal), (younger, younger_deal)] = if is_first_older {
            [(one, deals[0]), (other, deals[1])]
        } else {
            [(other, deals[1]), (one, deals[0])]
        };
        let volume = one.volume.min(other.volume);
        let closing = |position, deal_id| Closing {
            position,
            deal_id,
            volume,
            price: price::at_limit(older.open_price),
            reason: CloseReason::CloseBy,
        };
        let mut events = self.deal_away(&closing(older, older_deal), instrument, quote)?;
        // What the second deal settles depends on what the first left in each bucket.
        let mut account = self.account.clone();
        events.iter().for_each(|event| account.evolve(event));
        let after = Book {
            account: &account,
            ..*self
        };
        events.extend(after.deal_away(&closing(younger, younger_deal), instrument, quote)?);
        Ok(events)
    }
}
