//! What an order would do, decided by the same code.
//!
//! Whether it would be accepted is the decision itself. The figures are those of the account with
//! the order's facts applied, whether or not they would be permitted: who lacks margin wants to
//! know how much. Nothing changes.

use rust_decimal::Decimal;
use uuid::Uuid;

use super::{Book, fill::Fill, shape};
use crate::{
    Account, AccountEvent, AccountRejection, DealId, Instrument, OrderId, PositionId, Quote,
    account::{Context, Ticket},
    price::{self, DealPrice},
    quote::{QuoteSource, Side},
};

/// An order seen before it is placed. Amounts are in the account's currency, rounded to its minor
/// unit; none where they cannot be said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preview {
    /// The price it would deal at now; of an order that would wait its own.
    pub price: Option<Decimal>,
    /// What margin in use would grow by; negative where the order releases some.
    pub margin: Option<Decimal>,
    /// Commission of all its deals.
    pub commission: Option<Decimal>,
    /// Margin level after it, in percent; none where no margin is in use.
    pub margin_level_after: Option<Decimal>,
    /// Free margin after it.
    pub free_margin_after: Option<Decimal>,
    /// The closing price of its symbol at which the account would reach the stop-out, all other
    /// prices unchanged; none where there is no such price.
    pub liquidation_price: Option<Decimal>,
    /// Whether it would be accepted now.
    pub accepted: bool,
    /// Why not.
    pub refusal: Option<AccountRejection>,
}

impl Account {
    /// Says what an order would do if it was placed now. Pure, and changes nothing.
    #[must_use]
    pub fn preview(&self, ticket: &Ticket, context: &Context<'_>) -> Preview {
        let Some(terms) = self.terms.as_ref() else {
            return Preview {
                refusal: Some(AccountRejection::NotOpen),
                ..Preview::default()
            };
        };
        let book = Book {
            account: self,
            terms,
            context: *context,
        };
        // Names that nobody will see.
        let [order_id, deal_id, position_id] = [Uuid::nil(); 3];
        let (order_id, deal_id) = (OrderId(order_id), DealId(deal_id));
        let decision = book.place(order_id, deal_id, PositionId(position_id), ticket);
        let estimate = book.estimate(ticket).unwrap_or_default();
        Preview {
            accepted: decision.refusal.is_none(),
            refusal: decision.refusal,
            ..estimate
        }
    }
}

impl<'a> Book<'a> {
    /// The figures alone. None where the order is malformed or has no price yet.
    fn estimate(&self, ticket: &'a Ticket) -> Option<Preview> {
        let instrument = self.instrument(ticket.symbol).ok()?;
        shape::check_ticket(ticket, instrument, self.context.at).ok()?;
        if let Some((quote, price)) = self.price_on_arrival(ticket, instrument) {
            return self.estimate_at(ticket, quote, price);
        }
        let newest = self.context.market.quote(ticket.symbol);
        let Some(own) = ticket.own_price() else {
            let quote = newest?;
            let price = price::at_market(quote, instrument, ticket.side, ticket.volume);
            return self.estimate_at(ticket, quote, price);
        };
        // The market as it is once it has come to the order, so that the deal is valued at its own
        // time and not at ours.
        let mut market = self.context.market.clone();
        let quote = quote_at(own, ticket, instrument, newest, self.context)?;
        market.set_quote(quote);
        let then = Book {
            context: Context {
                market: &market,
                ..self.context
            },
            ..*self
        };
        then.estimate_at(ticket, &quote, price::at_limit(own))
    }

    fn estimate_at(
        &self,
        ticket: &'a Ticket,
        quote: &'a Quote,
        price: DealPrice,
    ) -> Option<Preview> {
        let draft = self.draft(Fill {
            order_id: OrderId::default(),
            deal_id: DealId::default(),
            position_id: PositionId::default(),
            ticket,
            instrument: self.instrument(ticket.symbol).ok()?,
            quote,
            price,
        });
        let draft = draft.ok()?;
        let commission = draft.commission()?;
        let mut after = self.account.clone();
        after.evolve(&AccountEvent::OrderPlaced {
            order_id: OrderId::default(),
            ticket: Box::new(ticket.clone()),
            at: self.context.at,
        });
        let facts = self.facts(draft);
        facts.iter().for_each(|event| after.evolve(event));
        let Context { market, rules, .. } = self.context;
        let before = self.account.figures(market, rules)?;
        let figures = after.figures(market, rules)?;
        Some(Preview {
            price: Some(price.price),
            margin: figures.used_margin.checked_sub(before.used_margin),
            commission: Some(self.terms.currency.round(commission)),
            margin_level_after: figures.margin_level,
            free_margin_after: figures.free_margin,
            liquidation_price: self.liquidation_price(&after, ticket.symbol),
            accepted: false,
            refusal: None,
        })
    }
}

/// A quote on which an order deals at its own price, as wide as the newest one.
fn quote_at(
    own: Decimal,
    ticket: &Ticket,
    instrument: &Instrument,
    newest: Option<&Quote>,
    context: Context<'_>,
) -> Option<Quote> {
    let spread = newest.map_or(Decimal::ZERO, |quote| quote.ask - quote.bid);
    let markup = price::markup(instrument, ticket.side);
    let (bid, ask) = match ticket.side {
        Side::Buy => {
            let ask = own.checked_sub(markup)?;
            (ask.checked_sub(spread)?, ask)
        }
        Side::Sell => {
            let bid = own.checked_add(markup)?;
            (bid, bid.checked_add(spread)?)
        }
    };
    Some(Quote {
        symbol: ticket.symbol,
        bid,
        ask,
        at: newest.map_or(context.at, |quote| quote.at),
        source: newest.map_or(QuoteSource::Simulator, |quote| quote.source),
    })
}
