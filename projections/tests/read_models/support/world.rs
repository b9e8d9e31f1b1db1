//! Made-up histories: clients who trade at random on moving prices. What they do is decided by the
//! domain itself, so that every history could have happened.

mod dice;
mod funding;
mod person;
mod staff;
mod wish;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use chrono::{DateTime, Duration};
use daybook_domain::{
    Account, AccountCommand, AccountEvent, AccountId, Client, ClientId, Currency, DealId, Decimal,
    Endpoint, EndpointCommand, Instrument, Market, PositionId, Quote, Rules, Symbol, Timestamp,
    account::{AccountKind, Bucket, Context, EVENT_VERSION, Order, Position, PositionMode},
    endpoint::{Settings, Vocabulary},
    instrument::{InstrumentEvent, seed},
    quote::QuoteSource,
    rules::SessionRule,
    triggers,
};
use daybook_store::NewEvent;
use dice::Dice;
use uuid::Uuid;

const SYMBOLS: [(&str, i64); 4] = [
    ("EURUSD", 110_000),
    ("USDJPY", 150_000),
    ("XAUUSD", 230_000),
    ("BTCUSD", 6_000_000),
];
const ACCOUNTS_MAX: usize = 24;

/// Events for one stream.
pub struct Append {
    pub aggregate_type: &'static str,
    pub aggregate_id: String,
    pub events: Vec<NewEvent>,
}

/// One account as its events leave it.
pub struct Trader {
    pub account_id: AccountId,
    pub client_id: ClientId,
    pub account: Account,
    /// Everything that happened to it.
    pub history: Vec<AccountEvent>,
}

/// Clients, prices and time.
pub struct World {
    pub traders: Vec<Trader>,
    pub clients: Vec<ClientId>,
    /// Each as its events leave it.
    pub people: BTreeMap<ClientId, Client>,
    /// Names of the events of clients that have happened.
    pub personal: BTreeSet<&'static str>,
    dice: Dice,
    market: Market,
    rules: Rules,
    now: Timestamp,
    ids: u128,
    mids: [i64; 4],
    listed: bool,
}

impl World {
    pub fn new(seed_number: u64) -> Self {
        let rules = Rules {
            sessions: SessionRule::Always,
            max_quote_age_ms: None,
            orders_max: 8,
            daily_loss_limit: Some(Decimal::from(5_000)),
            ..Rules::default()
        };
        let mut world = Self {
            traders: Vec::new(),
            clients: Vec::new(),
            people: BTreeMap::new(),
            personal: BTreeSet::new(),
            dice: Dice(seed_number),
            market: Market::new(seed().into_iter().map(Arc::new)),
            rules,
            now: DateTime::from_timestamp(1_700_000_000, 0).unwrap(),
            ids: u128::from(seed_number) << 64,
            mids: SYMBOLS.map(|(_, mid)| mid),
            listed: false,
        };
        for index in 0..SYMBOLS.len() {
            world.tick(index);
        }
        world
    }

    /// What happens next: events that commit together, at least one.
    pub fn next(&mut self) -> Vec<Append> {
        if !self.listed {
            self.listed = true;
            return self.list();
        }
        loop {
            self.now += Duration::milliseconds(self.dice.below(5_000) + 1);
            let index = self.dice.index(SYMBOLS.len());
            self.tick(index);
            let new = self.traders.len() < ACCOUNTS_MAX && self.dice.one_in(40);
            if self.traders.is_empty() || new {
                return self.register();
            }
            if self.dice.one_in(8) {
                let touched = self.touch_client();
                if !touched.is_empty() {
                    return touched;
                }
            }
            if self.dice.one_in(250) {
                let night = self.night();
                if !night.is_empty() {
                    return night;
                }
            }
            let trader = self.dice.index(self.traders.len());
            let mut commands = self.commands(trader, index);
            // What the new prices, or the deal just made, lead to.
            commands.push(AccountCommand::Evaluate {
                seed: DealId(self.id()),
            });
            let events = self.decide(trader, &commands);
            if !events.is_empty() {
                let id = self.traders[trader].account_id.to_string();
                return vec![append("account", id, events)];
            }
        }
    }

    fn list(&self) -> Vec<Append> {
        let instruments = seed().into_iter().map(|terms| {
            let symbol = terms.symbol.to_string();
            let (terms, at) = (Box::new(terms), self.now);
            let event = InstrumentEvent::InstrumentListed { terms, at };
            let payload = serde_json::to_string(&event).unwrap();
            append(
                "instrument",
                symbol,
                vec![new_event(event.event_type(), payload)],
            )
        });
        instruments.chain(self.endpoints()).collect()
    }

    /// Receivers of webhooks: one of everything under all names, one of a few.
    fn endpoints(&self) -> Vec<Append> {
        let everything = Settings {
            vocabulary: Vocabulary::Both,
            ..Settings::default()
        };
        let few = Settings {
            events: vec!["balance.updated".to_owned(), "liquidation".to_owned()],
            ..Settings::default()
        };
        let made = [("crm", everything), ("few", few)].map(|(name, settings)| {
            let command = EndpointCommand::Create(settings);
            let events = Endpoint::default()
                .decide(&command, "cli", self.now)
                .unwrap();
            let events = events.iter().map(|event| {
                let payload = serde_json::to_string(event).unwrap();
                new_event(event.event_type(), payload)
            });
            append("endpoint", name.to_owned(), events.collect())
        });
        made.into()
    }

    /// Sets the next price of an instrument.
    fn tick(&mut self, index: usize) {
        let mid = &mut self.mids[index];
        *mid += self.dice.below(*mid / 500) - *mid / 1_000;
        if self.dice.one_in(300) {
            // News.
            *mid += self.dice.below(*mid / 4) - *mid / 8;
        }
        let instrument = instrument(&self.market, index);
        let digits = instrument.digits;
        let quote = Quote {
            symbol: instrument.symbol,
            bid: Decimal::new(*mid, digits),
            ask: Decimal::new(*mid + 3, digits),
            at: self.now,
            source: QuoteSource::Simulator,
        };
        self.market.set_quote(quote);
    }

    fn register(&mut self) -> Vec<Append> {
        let client_id = ClientId(self.id());
        let mut appends = vec![self.sign_up(client_id)];
        use PositionMode::{Hedging, Netting};
        let kinds = [
            (AccountKind::Demo, Hedging, Bucket::Demo, Currency::USD),
            (AccountKind::Live, Hedging, Bucket::Real, Currency::EUR),
            (AccountKind::Demo, Netting, Bucket::Demo, Currency::USD),
        ];
        for (kind, mode, bucket, currency) in kinds {
            let account_id = AccountId(self.id());
            let number = 100_001 + self.traders.len() as u64;
            self.traders.push(Trader {
                account_id,
                client_id,
                account: Account::default(),
                history: Vec::new(),
            });
            let open = AccountCommand::Open {
                client_id,
                number,
                kind,
                mode,
                currency,
                leverage: 100,
            };
            let fund = adjust(bucket, Decimal::new(1_000_000, 2));
            let trader = self.traders.len() - 1;
            let events = self.decide(trader, &[open, fund]);
            appends.push(append("account", account_id.to_string(), events));
        }
        appends
    }

    /// A day goes by, and with it a rollover of every account.
    fn night(&mut self) -> Vec<Append> {
        let day = self.now.date_naive();
        self.now += Duration::days(1);
        (0..SYMBOLS.len()).for_each(|index| self.tick(index));
        let mut appends = Vec::new();
        for trader in 0..self.traders.len() {
            let events = self.decide(trader, &[AccountCommand::RollOver { day }]);
            if !events.is_empty() {
                let id = self.traders[trader].account_id.to_string();
                appends.push(append("account", id, events));
            }
        }
        appends
    }

    /// What the market does to an account's orders and positions, then what its owner does.
    fn commands(&mut self, trader: usize, index: usize) -> Vec<AccountCommand> {
        let quote = *self.market.quote(symbol(index)).unwrap();
        let instrument = Arc::clone(instrument(&self.market, index));
        let account = &self.traders[trader].account;
        let orders: Vec<Order> = account.orders.clone();
        let positions: Vec<Position> = account.positions.clone();
        let mut commands = Vec::new();
        for order in orders
            .iter()
            .filter(|order| order.ticket.symbol == quote.symbol)
        {
            if order.ticket.expires_at.is_some_and(|at| at <= self.now) {
                commands.push(AccountCommand::ExpireOrder {
                    order_id: order.order_id,
                });
            } else if touched(triggers::order_trigger(order, &instrument), &quote) {
                commands.push(AccountCommand::TriggerOrder {
                    order_id: order.order_id,
                    deal_id: DealId(self.id()),
                    position_id: PositionId(self.id()),
                });
            }
        }
        for position in positions
            .iter()
            .filter(|position| position.symbol == quote.symbol)
        {
            let levels = triggers::protection_triggers(position, &instrument);
            if touched(levels.trailing, &quote) {
                let position_id = position.position_id;
                commands.push(AccountCommand::TrailStop { position_id });
            }
            if touched(levels.stop_loss, &quote) || touched(levels.take_profit, &quote) {
                commands.push(AccountCommand::TriggerProtection {
                    position_id: position.position_id,
                    deal_id: DealId(self.id()),
                });
            }
        }
        if commands.is_empty() {
            let wish = match self.dice.below(25) {
                0 => self.staff(trader),
                1 | 2 => self.funding_step(trader),
                _ => None,
            };
            let wish = wish.unwrap_or_else(|| self.wish(&orders, &positions, &quote));
            commands.push(wish);
        }
        commands
    }

    fn decide(&mut self, trader: usize, commands: &[AccountCommand]) -> Vec<NewEvent> {
        let context = Context {
            at: self.now,
            market: &self.market,
            rules: &self.rules,
        };
        let trader = &mut self.traders[trader];
        let mut decided = Vec::new();
        for command in commands {
            for event in trader.account.decide(command, &context).events {
                trader.account.evolve(&event);
                let payload = serde_json::to_string(&event).unwrap();
                decided.push(new_event(event.event_type(), payload));
                trader.history.push(event);
            }
        }
        decided
    }

    fn id(&mut self) -> Uuid {
        self.ids += 1;
        Uuid::from_u128(self.ids)
    }
}

fn symbol(index: usize) -> Symbol {
    SYMBOLS[index].0.parse().unwrap()
}

fn instrument(market: &Market, index: usize) -> &Arc<Instrument> {
    market
        .instrument(symbol(index))
        .expect("a seeded instrument")
}

fn touched(trigger: Option<triggers::Trigger>, quote: &Quote) -> bool {
    trigger.is_some_and(|trigger| trigger.touched_by(quote))
}

fn adjust(bucket: Bucket, amount: Decimal) -> AccountCommand {
    AccountCommand::AdjustFunds {
        bucket,
        amount,
        notes: None,
        by: "test".into(),
    }
}

fn new_event(event_type: &'static str, payload: String) -> NewEvent {
    NewEvent {
        event_type,
        event_version: EVENT_VERSION,
        payload,
    }
}

fn append(aggregate_type: &'static str, aggregate_id: String, events: Vec<NewEvent>) -> Append {
    Append {
        aggregate_type,
        aggregate_id,
        events,
    }
}
