//! A desk with a clock and accounts, for tests.

use std::sync::Arc;

use daybook_domain::{
    Account, AccountCommand, AccountEvent, AccountId, ClientId, Currency, DealId, Decimal,
    Instrument, Market, OrderId, PositionId, Quote, Rules, Symbol, Timestamp,
    account::{AccountKind, Bucket, OrderType, PositionMode, Ticket, TimeInForce},
    instrument::seed,
    quote::{QuoteSource, Side},
    rules::SessionRule,
};
use uuid::Uuid;

use super::{Act, Cause, Desk, Ledger};

/// A Wednesday at noon in New York: its rollover charges three nights.
const WEDNESDAY: &str = "2026-07-15T16:00:00Z";

#[derive(Default)]
pub(super) struct Book {
    pub(super) ids: u128,
    pub(super) acts: Vec<(AccountId, Cause, Vec<&'static str>)>,
    pub(super) events: Vec<AccountEvent>,
    pub(super) quarantined: Vec<AccountId>,
}

impl Ledger for Book {
    fn next_id(&mut self) -> Uuid {
        self.ids += 1;
        Uuid::from_u128(self.ids | 1 << 100)
    }

    fn record(&mut self, act: Act<'_>) {
        let kinds = act.decision.events.iter().map(AccountEvent::event_type);
        self.acts.push((act.account_id, act.cause, kinds.collect()));
        self.events.extend(act.decision.events.iter().cloned());
    }

    fn quarantined(&mut self, account_id: AccountId, _command: &AccountCommand) {
        self.quarantined.push(account_id);
    }
}

/// A desk with accounts of 10,000 USD at 1:100, numbered from 1, and its clock.
pub(super) struct Table {
    pub(super) desk: Desk,
    pub(super) book: Book,
    pub(super) at: Timestamp,
}

impl Table {
    pub(super) fn new(rules: Rules) -> Self {
        Self::with_market(Market::new(seed().into_iter().map(Arc::new)), rules)
    }

    pub(super) fn with_market(market: Market, rules: Rules) -> Self {
        let rules = Rules {
            sessions: SessionRule::Always,
            max_quote_age_ms: None,
            ..rules
        };
        let mut table = Self {
            desk: Desk::new(market, rules),
            book: Book::default(),
            at: WEDNESDAY.parse().unwrap(),
        };
        table.quote("1.10000", "1.10010");
        table
    }

    pub(super) fn open(&mut self, number: u128) -> AccountId {
        let id = AccountId(Uuid::from_u128(number));
        self.desk.seat(id, Account::default());
        let terms = AccountCommand::Open {
            client_id: ClientId(id.0),
            number: 100_000,
            kind: AccountKind::Live,
            mode: PositionMode::Hedging,
            currency: Currency::USD,
            leverage: 100,
        };
        let fund = AccountCommand::AdjustFunds {
            bucket: Bucket::Real,
            amount: Decimal::from(10_000),
            notes: None,
            by: "test".to_owned(),
        };
        self.execute(id, &terms);
        self.execute(id, &fund);
        id
    }

    pub(super) fn execute(&mut self, id: AccountId, command: &AccountCommand) {
        self.desk.advance(self.at, &mut self.book);
        self.desk.prepare(id, self.at, &mut self.book);
        let decision = self.desk.execute(id, command, self.at).unwrap();
        assert_eq!(decision.refusal, None);
        self.desk.settle(self.at, &mut self.book);
        self.desk.evaluate(self.at, &mut self.book);
    }

    pub(super) fn buy(&mut self, id: AccountId, volume: &str, stop_loss: Option<&str>) {
        let command = AccountCommand::PlaceOrder {
            order_id: OrderId(self.book.next_id()),
            deal_id: DealId(self.book.next_id()),
            position_id: PositionId(self.book.next_id()),
            ticket: Box::new(Ticket {
                symbol: symbol(),
                side: Side::Buy,
                order_type: OrderType::Market,
                volume: decimal(volume),
                limit_price: None,
                stop_price: None,
                stop_loss: stop_loss.map(decimal),
                take_profit: None,
                trailing_distance: None,
                time_in_force: TimeInForce::Gtc,
                expires_at: None,
                oco_group: None,
                client_order_id: None,
            }),
        };
        self.execute(id, &command);
    }

    pub(super) fn quote(&mut self, bid: &str, ask: &str) {
        self.at += chrono::Duration::seconds(1);
        self.quote_of("EURUSD", bid, ask);
    }

    pub(super) fn quote_of(&mut self, symbol: &str, bid: &str, ask: &str) {
        let quote = Quote {
            symbol: Symbol::parse(symbol).unwrap(),
            bid: decimal(bid),
            ask: decimal(ask),
            at: self.at,
            source: QuoteSource::Recorded,
        };
        self.desk.quote(quote, self.at, &mut self.book);
        self.desk.evaluate(self.at, &mut self.book);
    }

    /// Kinds of the events since the last call.
    pub(super) fn told(&mut self) -> Vec<&'static str> {
        let kinds = std::mem::take(&mut self.book.acts).into_iter();
        kinds.flat_map(|(_, _, kinds)| kinds).collect()
    }

    pub(super) fn account(&self, id: AccountId) -> &Account {
        self.desk.account(id).unwrap()
    }

    pub(super) fn eurusd(&self, change: impl FnOnce(&mut Instrument)) -> Arc<Instrument> {
        let mut terms = (**self.desk.market().instrument(symbol()).unwrap()).clone();
        change(&mut terms);
        Arc::new(terms)
    }
}

pub(super) fn symbol() -> Symbol {
    Symbol::parse("EURUSD").unwrap()
}

pub(super) fn decimal(text: &str) -> Decimal {
    Decimal::from_str_exact(text).unwrap()
}
