//! `docs/EVENTS.md`, made from what the deciders really decide. `DAYBOOK_UPDATE_DOCS=1` writes it;
//! without, a page that says something else fails the test.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot make its example has failed"
)]

mod client_story;
mod endpoint_story;
mod funding_story;
mod risk_story;
mod staff_story;

use std::{collections::BTreeMap, fmt::Write as _, fs, path::Path, sync::Arc};

use daybook_domain::{
    Account, AccountCommand, AccountEvent, ClientId, Currency, DealId, Decimal, Instrument, Market,
    OrderId, PositionId, Quote, Rules, Symbol, Timestamp,
    account::{
        AccountKind, Bucket, Change, Context, Controls, Limits, OrderChanges, OrderType,
        PositionMode, Ticket, TimeInForce,
    },
    instrument::{self, InstrumentEvent},
    quote::{QuoteSource, Side},
};
use serde_json::Value;
use uuid::Uuid;

/// One type of event as the page shows it.
struct Entry {
    stream: &'static str,
    meaning: &'static str,
    personal: &'static [&'static str],
    example: Value,
}

type Catalogue = BTreeMap<&'static str, Entry>;

/// A new event breaks the build here: say what it means, and make one in this file.
fn meaning_of_account(event: &AccountEvent) -> &'static str {
    match event {
        AccountEvent::AccountOpened { .. } => "The account exists from now on.",
        AccountEvent::FundsAdjusted { .. } => "Money came or went without a trade.",
        AccountEvent::DepositRequested { .. }
        | AccountEvent::DepositApproved { .. }
        | AccountEvent::DepositCompleted { .. }
        | AccountEvent::DepositRejected { .. }
        | AccountEvent::DepositCancelled { .. }
        | AccountEvent::WithdrawalRequested { .. }
        | AccountEvent::WithdrawalApproved { .. }
        | AccountEvent::WithdrawalCompleted { .. }
        | AccountEvent::WithdrawalRejected { .. }
        | AccountEvent::WithdrawalCancelled { .. } => funding_story::meaning(event),
        AccountEvent::OrderPlaced { .. } => "An order was accepted.",
        AccountEvent::OrderRejected { .. } => {
            "A well-formed order was refused by a rule, at placement or when it triggered."
        }
        AccountEvent::OrderModified { .. } => "A working order's levels or volume changed.",
        AccountEvent::OrderCancelled { .. } => "An order ended without filling.",
        AccountEvent::OrderExpired { .. } => "An order's time ran out.",
        AccountEvent::OrderTriggered { .. } => "The market reached a pending order's trigger.",
        AccountEvent::OrderFilled { .. } => "An order filled; `execution` is the receipt.",
        AccountEvent::PositionOpened { .. } => "A position came into being.",
        AccountEvent::PositionReduced { .. } => "Part of a position was closed.",
        AccountEvent::PositionClosed { .. } => "A position ended.",
        AccountEvent::ProtectionChanged { .. } => {
            "Stop loss, take profit or trailing distance of a position changed; these are the \
             levels from now on."
        }
        AccountEvent::PositionIncreased { .. } => {
            "Netting: an order filled into the position of its side."
        }
        AccountEvent::OrderNetted { .. } => {
            "Netting: an order ended by reducing or closing the opposite position."
        }
        AccountEvent::LeverageChanged { .. } => {
            "The account's leverage changed; what is open is re-margined."
        }
        AccountEvent::ControlsChanged { .. } => {
            "Flags, limits or group changed; these are the controls from now on."
        }
        AccountEvent::SwapCharged { .. } => {
            "A rollover charged or paid swap; it accrues until a deal posts it."
        }
        AccountEvent::MarginCallRaised { .. } => "The margin level fell to the margin call.",
        AccountEvent::MarginCallCleared { .. } => {
            "The margin level recovered, or nothing is open any more."
        }
        AccountEvent::StopOutStarted { .. } => "The stop-out begins; its steps follow at once.",
        AccountEvent::StopOutStep { .. } => "One step of the stop-out, after its deal.",
        AccountEvent::StopOutFinished { .. } => {
            "The level is above the threshold, or nothing is left that can be closed now."
        }
        AccountEvent::NegativeBalanceCompensated { .. } => {
            "A negative balance was made zero at the house's expense."
        }
        AccountEvent::TradingDayStarted { .. } => {
            "A trading day begins; the daily loss is counted from its equity."
        }
        AccountEvent::DailyLossLimitReached { .. } => {
            "The day's loss reached the limit; new risk is refused until the next rollover."
        }
        AccountEvent::DealBusted { .. } => "A deal was undone by compensation.",
        AccountEvent::DealRepriced { .. } => "A deal's price was corrected by compensation.",
    }
}

const ACCOUNT_EVENTS: usize = 38;

fn meaning_of_instrument(event: &InstrumentEvent) -> &'static str {
    match event {
        InstrumentEvent::InstrumentListed { .. } => {
            "The instrument can be traded from now on, under these terms."
        }
        InstrumentEvent::InstrumentTermsChanged { .. } => {
            "Other terms are in force from now on; what was dealt before keeps its own."
        }
    }
}

const INSTRUMENT_EVENTS: usize = 2;

#[test]
fn the_catalogue_of_events_is_the_one_in_the_documentation() {
    let mut catalogue = Catalogue::new();
    account_events(&mut catalogue);
    client_events(&mut catalogue);
    instrument_events(&mut catalogue);
    staff_events(&mut catalogue);
    endpoint_events(&mut catalogue);
    assert_eq!(
        catalogue.len(),
        ACCOUNT_EVENTS
            + client_story::EVENTS
            + INSTRUMENT_EVENTS
            + staff_story::EVENTS
            + endpoint_story::EVENTS,
        "a type of event has no example: {:?}",
        catalogue.keys()
    );
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/EVENTS.md");
    let page = page(&catalogue);
    if std::env::var_os("DAYBOOK_UPDATE_DOCS").is_some() {
        fs::write(&path, &page).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == page,
        "docs/EVENTS.md is out of date: run the tests with DAYBOOK_UPDATE_DOCS=1"
    );
}

fn page(catalogue: &Catalogue) -> String {
    let mut page = String::from(
        "# Events\n\n\
         Generated from the deciders by `domain/tests/events.rs`; a test keeps this page equal to \
         what they decide.\n\n\
         A payload is JSON text, externally tagged with the event's type; the type stands in \
         `event_type` too, the version (`1.0`) in `event_version`. Names are `snake_case`, money, \
         prices and volumes are strings, times RFC 3339 UTC. Personal fields are ciphertext \
         (`enc:v1:…`) under the person's key in the book. Every event carries metadata: `actor`, \
         `reason`, `correlation_id`, `causation_id`, `command`, and, sealed, `ip` and \
         `user_agent`.\n",
    );
    for stream in ["account", "client", "instrument", "staff", "endpoint"] {
        let name = match stream {
            "instrument" => "symbol",
            "endpoint" => "name",
            _ => "id",
        };
        writeln!(page, "\n## Stream `{stream}-{{{name}}}`").unwrap();
        for (event_type, entry) in catalogue.iter().filter(|(_, entry)| entry.stream == stream) {
            writeln!(page, "\n### {event_type}\n\n{}", entry.meaning).unwrap();
            if !entry.personal.is_empty() {
                writeln!(page, "Personal: `{}`.", entry.personal.join("`, `")).unwrap();
            }
            let example = serde_json::to_string_pretty(&entry.example).unwrap();
            writeln!(page, "\n```json\n{example}\n```").unwrap();
        }
    }
    page
}

fn account_events(catalogue: &mut Catalogue) {
    let mut hedging = Desk::new();
    hedging.tell_a_story();
    risk_story::tell(&mut hedging);
    let mut netting = Desk::new();
    netting.tell_of_netting();
    let mut funding = Desk::new();
    funding_story::tell(&mut funding);
    let told = hedging.told.iter().chain(&netting.told);
    for event in told.chain(&funding.told) {
        catalogue
            .entry(event.event_type())
            .or_insert_with(|| Entry {
                stream: "account",
                meaning: meaning_of_account(event),
                personal: event.personal_fields(),
                example: serde_json::to_value(event).unwrap(),
            });
    }
}

fn client_events(catalogue: &mut Catalogue) {
    for event in client_story::told(id, at(0)) {
        catalogue
            .entry(event.event_type())
            .or_insert_with(|| Entry {
                stream: "client",
                meaning: client_story::meaning(&event),
                personal: event.personal_fields(),
                example: serde_json::to_value(&event).unwrap(),
            });
    }
}

fn staff_events(catalogue: &mut Catalogue) {
    for event in staff_story::told(id, at(0)) {
        catalogue
            .entry(event.event_type())
            .or_insert_with(|| Entry {
                stream: "staff",
                meaning: staff_story::meaning(&event),
                personal: event.personal_fields(),
                example: serde_json::to_value(&event).unwrap(),
            });
    }
}

fn instrument_events(catalogue: &mut Catalogue) {
    let terms: Instrument = instrument::seed().swap_remove(0);
    let mut wider = terms.clone();
    wider.spread_markup = Decimal::TWO;
    let events = [
        InstrumentEvent::InstrumentListed {
            terms: Box::new(terms),
            at: at(0),
        },
        InstrumentEvent::InstrumentTermsChanged {
            terms: Box::new(wider),
            changed: vec!["spread_markup".to_owned()],
            by: "dealing desk".to_owned(),
            reason: Some("thin markets".to_owned()),
            at: at(60),
        },
    ];
    for event in events {
        let entry = Entry {
            stream: "instrument",
            meaning: meaning_of_instrument(&event),
            personal: &[],
            example: serde_json::to_value(&event).unwrap(),
        };
        catalogue.insert(event.event_type(), entry);
    }
}

fn endpoint_events(catalogue: &mut Catalogue) {
    for event in endpoint_story::told(id, at(0)) {
        let entry = Entry {
            stream: "endpoint",
            meaning: endpoint_story::meaning(&event),
            personal: &[],
            example: serde_json::to_value(&event).unwrap(),
        };
        catalogue.insert(event.event_type(), entry);
    }
}

/// An account that lives through everything that can happen to one.
struct Desk {
    account: Account,
    market: Market,
    rules: Rules,
    seconds: i64,
    ids: u128,
    told: Vec<AccountEvent>,
}

impl Desk {
    fn new() -> Self {
        let mut desk = Self {
            account: Account::default(),
            market: Market::new(instrument::seed().into_iter().map(Arc::new)),
            rules: Rules::default(),
            seconds: 0,
            ids: 0,
            told: Vec::new(),
        };
        desk.quote(108_720);
        desk
    }

    fn open(&mut self, mode: PositionMode) {
        self.ask(AccountCommand::Open {
            client_id: ClientId(id(7)),
            number: 100_001,
            kind: AccountKind::Demo,
            mode,
            currency: Currency::USD,
            leverage: 100,
        });
        self.ask(AccountCommand::AdjustFunds {
            bucket: Bucket::Demo,
            amount: Decimal::new(10_000, 0),
            notes: Some("opening balance".to_owned()),
            by: "system".to_owned(),
        });
    }

    fn tell_a_story(&mut self) {
        self.open(PositionMode::Hedging);
        self.buy("0.10", None, None);
        self.close_first(Some("0.04"));
        self.protect_first();
        self.quote(108_800);
        self.close_first(None);
        self.buy("90", None, None);
        let limit = self.buy("0.10", Some(108_000), None);
        self.ask(AccountCommand::ModifyOrder {
            order_id: limit,
            changes: Box::new(OrderChanges {
                limit_price: Some(Decimal::new(107_900, 5)),
                ..OrderChanges::default()
            }),
        });
        self.ask(AccountCommand::CancelOrder { order_id: limit });
        let stop = self.buy("0.10", None, Some(108_900));
        self.quote(108_950);
        let (deal_id, position_id) = (DealId(self.next_id()), PositionId(self.next_id()));
        self.ask(AccountCommand::TriggerOrder {
            order_id: stop,
            deal_id,
            position_id,
        });
        let due = self.buy_until(at(self.seconds + 60));
        self.seconds += 120;
        self.ask(AccountCommand::ExpireOrder { order_id: due });
    }

    /// One position per symbol: bought, bought again, and partly sold.
    fn tell_of_netting(&mut self) {
        self.open(PositionMode::Netting);
        self.buy("0.10", None, None);
        self.quote(108_800);
        self.buy("0.20", None, None);
        self.sell("0.05");
        self.ask(AccountCommand::SetControls {
            controls: Box::new(Controls {
                close_only: true,
                group: Some("gold".into()),
                limits: Limits {
                    max_volume: Some(Decimal::new(500, 2)),
                    daily_loss: Some(Decimal::new(1_000, 0)),
                    orders_per_minute: Some(30),
                    ..Limits::default()
                },
                ..Controls::default()
            }),
            reason: Some("under review".to_owned()),
            by: "staff".to_owned(),
        });
    }

    fn ask(&mut self, command: AccountCommand) {
        self.seconds += 1;
        let context = Context {
            at: at(self.seconds),
            market: &self.market,
            rules: &self.rules,
        };
        let decision = self.account.decide(&command, &context);
        assert!(
            !decision.events.is_empty(),
            "{command:?}: {:?}",
            decision.refusal
        );
        for event in decision.events {
            self.account.evolve(&event);
            self.told.push(event);
        }
    }

    fn buy(&mut self, volume: &str, limit: Option<i64>, stop: Option<i64>) -> OrderId {
        let order_type = match (limit, stop) {
            (Some(_), None) => OrderType::Limit,
            (None, Some(_)) => OrderType::Stop,
            (Some(_), Some(_)) => OrderType::StopLimit,
            (None, None) => OrderType::Market,
        };
        self.place(Ticket {
            symbol: Symbol::parse("EURUSD").unwrap(),
            side: Side::Buy,
            order_type,
            volume: volume.parse().unwrap(),
            limit_price: limit.map(|price| Decimal::new(price, 5)),
            stop_price: stop.map(|price| Decimal::new(price, 5)),
            stop_loss: None,
            take_profit: None,
            trailing_distance: None,
            time_in_force: TimeInForce::Gtc,
            expires_at: None,
            oco_group: None,
            client_order_id: Some("my-1".into()),
        })
    }

    fn sell(&mut self, volume: &str) -> OrderId {
        self.place(Ticket {
            symbol: Symbol::parse("EURUSD").unwrap(),
            side: Side::Sell,
            order_type: OrderType::Market,
            volume: volume.parse().unwrap(),
            limit_price: None,
            stop_price: None,
            stop_loss: None,
            take_profit: None,
            trailing_distance: None,
            time_in_force: TimeInForce::Gtc,
            expires_at: None,
            oco_group: None,
            client_order_id: None,
        })
    }

    fn buy_until(&mut self, expires_at: Timestamp) -> OrderId {
        self.place(Ticket {
            symbol: Symbol::parse("EURUSD").unwrap(),
            side: Side::Buy,
            order_type: OrderType::Limit,
            volume: Decimal::new(10, 2),
            limit_price: Some(Decimal::new(100_000, 5)),
            stop_price: None,
            stop_loss: None,
            take_profit: None,
            trailing_distance: None,
            time_in_force: TimeInForce::Gtd,
            expires_at: Some(expires_at),
            oco_group: None,
            client_order_id: None,
        })
    }

    fn place(&mut self, ticket: Ticket) -> OrderId {
        let order_id = OrderId(self.next_id());
        let (deal_id, position_id) = (DealId(self.next_id()), PositionId(self.next_id()));
        self.ask(AccountCommand::PlaceOrder {
            order_id,
            deal_id,
            position_id,
            ticket: Box::new(ticket),
        });
        order_id
    }

    fn close_first(&mut self, volume: Option<&str>) {
        let position_id = self.account.positions[0].position_id;
        let deal_id = DealId(self.next_id());
        self.ask(AccountCommand::ClosePosition {
            position_id,
            deal_id,
            volume: volume.map(|volume| volume.parse().unwrap()),
        });
    }

    fn protect_first(&mut self) {
        let position_id = self.account.positions[0].position_id;
        self.ask(AccountCommand::ProtectPosition {
            position_id,
            stop_loss: Change::Set(Decimal::new(108_500, 5)),
            take_profit: Change::Set(Decimal::new(109_500, 5)),
            trailing_distance: Change::Keep,
        });
    }

    fn quote(&mut self, bid: i64) {
        self.market.set_quote(Quote {
            symbol: Symbol::parse("EURUSD").unwrap(),
            bid: Decimal::new(bid, 5),
            ask: Decimal::new(bid + 5, 5),
            at: at(self.seconds),
            source: QuoteSource::Simulator,
        });
    }

    fn next_id(&mut self) -> Uuid {
        self.ids += 1;
        id(self.ids)
    }
}

fn id(number: u128) -> Uuid {
    Uuid::from_u128(0x0193_c0de_0000_7000_8000_0000_0000_0000 + number)
}

/// A Wednesday, when markets are open.
fn at(seconds: i64) -> Timestamp {
    Timestamp::from_timestamp(1_767_787_200 + seconds, 0).unwrap()
}
