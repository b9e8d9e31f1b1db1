//! The account's decider: one match over what may be asked, leaves that compute.
//!
//! Nothing here changes state, reads a clock or makes an identifier. The same command on the same
//! state and context always gives the same decision.

mod close_all;
mod close_by;
mod correction;
mod entry;
mod evaluate;
mod fill;
mod funding;
mod funds;
mod leverage;
mod liquidation;
mod netting;
mod order;
mod permit;
mod position;
mod preview;
mod rollover;
mod shape;
mod stop_out;
mod stops;
mod trailing;
mod trigger;

pub use preview::Preview;

use super::{
    Account, AccountCommand, AccountCommand as Command, AccountEvent, AccountRejection,
    AccountTerms, Context, Decision,
};
use crate::{Instrument, Quote, Symbol, market::in_session};

/// What a leaf found: facts, or the rule that refuses. Only an order leaves a trace of a refusal,
/// and that is made in one place, `order::place`.
type Found = Result<Vec<AccountEvent>, AccountRejection>;

impl Account {
    /// Decides a command. Pure.
    #[must_use]
    pub fn decide(&self, command: &AccountCommand, context: &Context<'_>) -> Decision {
        if let Some(asked) = funds::asked_terms(command, context.at) {
            return funds::open(self.terms.as_ref(), &asked).into();
        }
        let Some(terms) = self.terms.as_ref() else {
            return Err(AccountRejection::NotOpen).into();
        };
        let book = Book {
            account: self,
            terms,
            context: *context,
        };
        book.answer(command)
    }
}

impl From<Found> for Decision {
    fn from(found: Found) -> Self {
        match found {
            Ok(events) => Self {
                events,
                ..Self::default()
            },
            Err(refusal) => Self {
                refusal: Some(refusal),
                ..Self::default()
            },
        }
    }
}

/// An open account and the moment it is asked at.
#[derive(Clone, Copy)]
struct Book<'a> {
    account: &'a Account,
    terms: &'a AccountTerms,
    context: Context<'a>,
}

impl<'a> Book<'a> {
    fn answer(&self, command: &Command) -> Decision {
        match command {
            Command::Open { .. } => unreachable!("invariant: answered above"),
            Command::AdjustFunds { .. }
            | Command::RequestDeposit { .. }
            | Command::RequestWithdrawal { .. }
            | Command::CancelFunding { .. }
            | Command::DecideFunding { .. } => self.move_money(command).into(),
            Command::PlaceOrder {
                order_id,
                deal_id,
                position_id,
                ticket,
            } => self.place(*order_id, *deal_id, *position_id, ticket),
            Command::ModifyOrder { order_id, changes } => self.modify(*order_id, changes).into(),
            Command::CancelOrder { order_id } => self.cancel(*order_id).into(),
            Command::ExpireOrder { order_id } => self.expire(*order_id).into(),
            Command::ProtectPosition {
                position_id,
                stop_loss,
                take_profit,
                trailing_distance,
            } => self
                .protect(*position_id, *stop_loss, *take_profit, *trailing_distance)
                .into(),
            Command::ClosePosition {
                position_id,
                deal_id,
                volume,
            } => self.close(*position_id, *deal_id, *volume).into(),
            Command::TriggerOrder {
                order_id,
                deal_id,
                position_id,
            } => self.trigger_order(*order_id, *deal_id, *position_id),
            Command::TriggerProtection {
                position_id,
                deal_id,
            } => self.trigger_protection(*position_id, *deal_id).into(),
            Command::CloseBy {
                position_id,
                opposite_id,
                deal_id,
                opposite_deal_id,
            } => self
                .close_by([*position_id, *opposite_id], [*deal_id, *opposite_deal_id])
                .into(),
            Command::CloseAll { seed, symbol, only } => self.close_all(*seed, *symbol, *only),
            Command::TrailStop { position_id } => self.trail(*position_id).into(),
            Command::Evaluate { seed } => self.evaluate(*seed).into(),
            Command::RollOver { day } => self.roll_over(*day).into(),
            Command::ChangeLeverage { leverage, by } => self.change_leverage(*leverage, by).into(),
            Command::SetControls {
                controls,
                reason,
                by,
            } => self.set_controls(controls, reason.as_deref(), by).into(),
            Command::BustDeal { deal, reason, by } => self.bust(deal, reason, by).into(),
            Command::RepriceDeal {
                deal,
                price,
                reason,
                by,
            } => self.reprice(deal, *price, reason, by).into(),
        }
    }

    fn instrument(&self, symbol: Symbol) -> Result<&'a Instrument, AccountRejection> {
        let terms = self.context.market.terms(symbol, self.account.group());
        terms
            .map(AsRef::as_ref)
            .ok_or(AccountRejection::UnknownSymbol(symbol))
    }

    fn in_session(&self, instrument: &Instrument) -> bool {
        in_session(instrument, self.context.at, self.context.rules)
    }

    fn quote(&self, symbol: Symbol) -> Result<&'a Quote, AccountRejection> {
        let quote = self.context.market.quote(symbol);
        quote.ok_or(AccountRejection::NoQuote(symbol))
    }

    /// The quote that a deal may be made on now: it and the deal lie within the session, and it
    /// is fresh.
    fn dealable(&self, instrument: &Instrument) -> Result<&'a Quote, AccountRejection> {
        let symbol = instrument.symbol;
        if !self.in_session(instrument) {
            return Err(AccountRejection::MarketClosed(symbol));
        }
        let quote = self.quote(symbol)?;
        if !in_session(instrument, quote.at, self.context.rules) {
            return Err(AccountRejection::MarketClosed(symbol));
        }
        let Some(max_age_ms) = self.context.rules.max_quote_age_ms else {
            return Ok(quote);
        };
        let age_ms = (self.context.at - quote.at).num_milliseconds();
        // A provider's clock that runs ahead of ours makes no quote stale.
        if u64::try_from(age_ms).is_ok_and(|age_ms| age_ms > max_age_ms) {
            return Err(AccountRejection::StaleQuote {
                symbol,
                at: quote.at,
                max_age_ms,
            });
        }
        Ok(quote)
    }
}
