//! What an account accepts and refuses: given, when, then, in the traders' words.

mod asking;
mod close_all;
mod close_by;
mod closing;
mod controls;
mod conversion;
mod corpus;
mod corrections;
mod corrections_netting;
mod daily_loss;
mod funding;
mod funding_rules;
mod funds;
mod groups;
mod hedged_margin;
mod house;
mod laws;
mod leverage;
mod limits;
mod margin_call;
mod market_orders;
mod modifying;
mod negative_balance;
mod netting;
mod netting_orders;
mod pace;
mod pending_orders;
mod preview;
mod protection;
mod refusals;
mod settling;
mod stop_out;
mod stop_out_laws;
mod stored;
mod surprise;
mod surprises;
mod swap;
mod trailing;
mod triggers;
mod watching;

use std::sync::Arc;

use asking::{
    adjusted, ask, buy, cancel, close, close_all, close_by, decided, deposit, expire, funded,
    modify, netter, netting, opened, opened_as, protect, protection_of, quote, sell, taken_back,
    trader, trail, trail_of, trigger_of, withdrawal,
};
use uuid::Uuid;

use super::{
    Account, AccountCommand, AccountEvent, AccountKind, AccountRejection, Bucket, Change,
    CloseFilter, Context, Controls, Decision, Limits, Order, OrderType, Position, PositionMode,
    TimeInForce, event::ClosingDeal,
};
use crate::{
    ClientId, Currency, Decimal, Instrument, Market, Quote, Rules, Symbol, Timestamp,
    execution::Execution,
    instrument,
    quote::{QuoteSource, Side},
    triggers::{order_trigger, protection_triggers},
};

/// Tuesday at noon, UTC: every market is open.
const NOON: &str = "2026-07-14T12:00:00Z";

fn dec(text: &str) -> Decimal {
    text.parse().unwrap()
}

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn symbol(text: &str) -> Symbol {
    Symbol::parse(text).unwrap()
}

/// An identifier that a test can name.
fn id<T: From<Uuid>>(name: &str) -> T {
    let mut bytes = [0; 16];
    bytes[..name.len()].copy_from_slice(name.as_bytes());
    Uuid::from_bytes(bytes).into()
}

fn closing_deal(event: &AccountEvent) -> Option<&ClosingDeal> {
    let (AccountEvent::PositionReduced { deal, .. } | AccountEvent::PositionClosed { deal, .. }) =
        event
    else {
        return None;
    };
    Some(deal)
}

/// Something that happens: a request, a price, or time passing.
enum Act {
    Ask(Box<AccountCommand>),
    Quote(&'static str, &'static str, &'static str),
    /// Only the clock moves.
    At(&'static str),
    Rules(fn(&mut Rules)),
    Terms(&'static str, fn(&mut Instrument)),
    /// What staff sets, as the fact that it leads to.
    Controls(fn(&mut Controls)),
}

/// An account, its market, and what the last act led to.
struct Desk {
    account: Account,
    market: Market,
    rules: Rules,
    at: Timestamp,
    decision: Decision,
}

fn given(facts: impl IntoIterator<Item = Act>) -> Desk {
    let mut desk = Desk {
        account: Account::default(),
        market: Market::new(instrument::seed().into_iter().map(Arc::new)),
        rules: Rules::default(),
        at: time(NOON),
        decision: Decision::default(),
    };
    for fact in facts {
        desk = desk.when(fact);
        assert_eq!(desk.decision.refusal, None, "what is given is not refused");
    }
    desk
}

impl Desk {
    fn when(mut self, act: Act) -> Self {
        self.decision = Decision::default();
        match act {
            Act::Ask(command) => self.ask(&command),
            Act::Quote(name, bid, ask) => {
                self.market.set_quote(Quote {
                    symbol: symbol(name),
                    bid: dec(bid),
                    ask: dec(ask),
                    at: self.at,
                    source: QuoteSource::Recorded,
                });
                self.nominate(symbol(name));
            }
            Act::At(text) => self.at = time(text),
            Act::Rules(change) => change(&mut self.rules),
            Act::Terms(name, change) => {
                let mut terms = Instrument::clone(self.market.instrument(symbol(name)).unwrap());
                change(&mut terms);
                self.market.set_instrument(Arc::new(terms));
            }
            Act::Controls(change) => {
                let mut controls = self.account.controls().clone();
                change(&mut controls);
                self.account.evolve(&AccountEvent::ControlsChanged {
                    controls: Box::new(controls),
                    reason: None,
                    by: "staff".to_owned(),
                    at: self.at,
                });
            }
        }
        self
    }

    fn ask(&mut self, command: &AccountCommand) {
        let context = Context {
            at: self.at,
            market: &self.market,
            rules: &self.rules,
        };
        let decision = self.account.decide(command, &context);
        for event in &decision.events {
            self.account.evolve(event);
        }
        self.decision.events.extend(decision.events);
        self.decision.refusal = decision.refusal;
        self.decision.outcomes = decision.outcomes;
    }

    /// What the trigger book does on a quote: orders, then the protection of what is open.
    fn nominate(&mut self, symbol: Symbol) {
        let terms = Arc::clone(self.market.terms(symbol, self.account.group()).unwrap());
        let quote = *self.market.quote(symbol).unwrap();
        for order in self.account.orders.clone() {
            let trigger = order_trigger(&order, &terms).unwrap();
            if order.ticket.symbol == symbol && trigger.touched_by(&quote) {
                self.ask(&trigger_of(order.order_id));
            }
        }
        for position in self.account.positions.clone() {
            if position.symbol != symbol {
                continue;
            }
            let levels = protection_triggers(&position, &terms);
            let mut closing = [levels.stop_loss, levels.take_profit].into_iter().flatten();
            if closing.any(|level| level.touched_by(&quote)) {
                self.ask(&protection_of(position.position_id));
            } else if levels
                .trailing
                .is_some_and(|level| level.touched_by(&quote))
            {
                self.ask(&trail_of(position.position_id));
            }
        }
    }

    /// These facts, and no refusal.
    #[track_caller]
    fn then(self, events: &[&str]) -> Self {
        assert_eq!(self.decision.refusal, None);
        self.then_facts(events)
    }

    #[track_caller]
    fn then_facts(self, events: &[&str]) -> Self {
        let found: Vec<_> = self
            .decision
            .events
            .iter()
            .map(AccountEvent::event_type)
            .collect();
        assert_eq!(found, events);
        self
    }

    /// Refused without a trace in the book.
    #[track_caller]
    fn then_refused(self, code: &str) -> Self {
        let refusal = self.decision.refusal.as_ref().expect("a refusal");
        assert_eq!(refusal.code(), code, "{refusal}");
        assert_eq!(self.decision.events, []);
        self
    }

    /// Refused by a rule, and the book says so.
    #[track_caller]
    fn then_rejected(self, code: &str) -> Self {
        let refusal = self.decision.refusal.as_ref().expect("a refusal");
        assert_eq!(refusal.code(), code, "{refusal}");
        let Some(AccountEvent::OrderRejected { reason, detail, .. }) = self.decision.events.last()
        else {
            panic!("no OrderRejected in {:?}", self.decision.events);
        };
        assert_eq!((reason.as_str(), detail), (code, &refusal.to_string()));
        self
    }

    #[track_caller]
    fn then_rejection(self, expected: &AccountRejection) -> Self {
        assert_eq!(self.decision.refusal.as_ref(), Some(expected));
        self
    }

    /// Nothing happened, and nobody minds.
    #[track_caller]
    fn then_nothing(self) -> Self {
        self.then(&[])
    }

    fn and(self, check: impl FnOnce(&Self)) -> Self {
        check(&self);
        self
    }

    /// The receipt of the last fill or closing deal.
    fn receipt(&self) -> &Execution {
        let mut events = self.decision.events.iter().rev();
        let receipt = events.find_map(|event| {
            if let AccountEvent::OrderFilled { execution, .. } = event {
                return Some(execution.as_ref());
            }
            Some(&closing_deal(event)?.execution)
        });
        receipt.expect("a deal")
    }

    fn deal(&self) -> &ClosingDeal {
        let mut events = self.decision.events.iter().rev();
        let deal = events.find_map(closing_deal);
        deal.expect("a closing deal")
    }

    fn only_position(&self) -> &Position {
        let [position] = &self.account.positions[..] else {
            panic!("{} positions", self.account.positions.len());
        };
        position
    }

    fn only_order(&self) -> &Order {
        let [order] = &self.account.orders[..] else {
            panic!("{} orders", self.account.orders.len());
        };
        order
    }

    #[track_caller]
    fn then_dealt_at(self, price: &str) -> Self {
        assert_eq!(self.receipt().price, dec(price));
        self
    }

    #[track_caller]
    fn then_balance(self, balance: &str) -> Self {
        assert_eq!(self.account.funds.balance(), dec(balance));
        self
    }

    fn figures(&self) -> crate::margin::Figures {
        self.account.figures(&self.market, &self.rules).unwrap()
    }
}
