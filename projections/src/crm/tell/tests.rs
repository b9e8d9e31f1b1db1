//! What is told of a client's life: every kind once at least, decided by the domain itself.

use std::{collections::BTreeMap, sync::Arc};

use daybook_domain::{
    Account, AccountCommand, AccountId, ClientEvent, ClientId, Currency, DealId, Decimal,
    DocumentId, FundingId, Market, OrderId, PositionId, Quote, Rules, Symbol, Timestamp,
    account::{
        AccountKind, Bucket, Context, Controls, FundingVerdict, Limits, OrderChanges, OrderType,
        PositionMode, Ticket, TimeInForce,
    },
    client::{DocumentFormat, DocumentKind, Flags, KycDocument, KycStatus},
    instrument,
    quote::{QuoteSource, Side},
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{AccountState, ClientState, Message};
use crate::crm::{
    body::{OutboxRow, render},
    kind::Kind,
    number::{Digits, Instruments},
};

/// One thing that was told, and when.
pub(crate) struct Told {
    pub(crate) message: Message,
    at: Timestamp,
}

/// One client's life.
#[derive(Default)]
pub(crate) struct Story {
    pub(crate) told: Vec<Told>,
    account: Account,
    state: AccountState,
    client: ClientState,
    market: Market,
    rules: Rules,
    instruments: Instruments,
    seconds: i64,
    ids: u128,
}

const ACCOUNT: AccountId = AccountId(Uuid::from_u128(0x0193_c0de_0000_7000_8000_0000_0000_00aa));
const CLIENT: ClientId = ClientId(Uuid::from_u128(0x0193_c0de_0000_7000_8000_0000_0000_00cc));

impl Story {
    /// From registration to a stop-out.
    pub(crate) fn whole() -> Self {
        let mut story = Self {
            market: Market::new(instrument::seed().into_iter().map(Arc::new)),
            ..Self::default()
        };
        let digits = Digits {
            price: 5,
            volume: 2,
        };
        let eurusd = Symbol::parse("EURUSD").unwrap();
        story.instruments.insert(eurusd, digits);
        story.quote(108_720);
        story.person();
        story.open(AccountKind::Demo, PositionMode::Netting);
        story.orders();
        story.positions();
        story.house();
        story.account = Account::default();
        story.state = AccountState::default();
        story.open(AccountKind::Live, PositionMode::Hedging);
        story.money();
        story
    }

    fn person(&mut self) {
        let at = self.now();
        self.hear(&ClientEvent::ClientRegistered {
            email: "ada@example.com".to_owned(),
            first_name: "Ada".to_owned(),
            last_name: "Byron".to_owned(),
            phone: None,
            country: Some("GB".to_owned()),
            at,
        });
        self.hear(&ClientEvent::DefaultAccountChanged {
            account_id: ACCOUNT,
            at,
        });
        self.hear(&ClientEvent::ProfileUpdated {
            first_name: "Ada".to_owned(),
            last_name: "King".to_owned(),
            phone: Some("+44 20 7946 0000".to_owned()),
            country: Some("GB".to_owned()),
            at,
        });
        self.standing(at);
    }

    fn standing(&mut self, at: Timestamp) {
        let by = || "crm".to_owned();
        self.hear(&ClientEvent::EmailVerified {
            email: "ada@example.com".to_owned(),
            at,
        });
        let document_id = DocumentId(self.next_id());
        self.hear(&ClientEvent::KycSubmitted {
            document: KycDocument {
                document_id,
                kind: DocumentKind::Passport,
                format: DocumentFormat::Pdf,
                size: 4,
                sha256: "00".repeat(32),
            },
            name: "passport.pdf".to_owned(),
            at,
        });
        for (from, to) in [
            (KycStatus::None, KycStatus::Pending),
            (KycStatus::Pending, KycStatus::Approved),
        ] {
            self.hear(&ClientEvent::KycStatusChanged {
                from,
                to,
                notes: None,
                by: by(),
                at,
            });
        }
        self.hear(&ClientEvent::TwoFactorEnabled {
            step: 1,
            recovery_codes: 10,
            at,
        });
        self.hear(&ClientEvent::ClientSuspended {
            reason: "under review".to_owned(),
            by: by(),
            at,
        });
        self.hear(&ClientEvent::ClientReinstated { by: by(), at });
        self.rules(at);
        self.hear(&ClientEvent::ClientErased {
            reason: "asked for".to_owned(),
            by: by(),
            at,
        });
    }

    fn rules(&mut self, at: Timestamp) {
        let by = || "crm:ines".to_owned();
        self.hear(&ClientEvent::ExternalIdLinked {
            external_id: "C-10433".to_owned(),
            by: by(),
            at,
        });
        self.hear(&ClientEvent::TierChanged {
            from: "standard".to_owned(),
            to: "gold".to_owned(),
            by: by(),
            at,
        });
        self.hear(&ClientEvent::LimitsChanged {
            flags: Flags {
                swap_free: true,
                ..Flags::default()
            },
            limits: Box::new(Limits {
                max_leverage: Some(100),
                daily_loss: Some(Decimal::from(500)),
                ..Limits::default()
            }),
            by: by(),
            at,
        });
        self.hear(&ClientEvent::TradingDisabled {
            reason: Some("under review".to_owned()),
            by: by(),
            at,
        });
        self.hear(&ClientEvent::TradingEnabled { by: by(), at });
        self.hear(&ClientEvent::NoteAdded {
            comment: "Called about a withdrawal".to_owned(),
            by: by(),
            at,
        });
    }

    fn open(&mut self, kind: AccountKind, mode: PositionMode) {
        self.ask(AccountCommand::Open {
            client_id: CLIENT,
            number: 100_001,
            kind,
            mode,
            currency: Currency::USD,
            leverage: 100,
        });
        if kind == AccountKind::Live {
            return;
        }
        self.ask(AccountCommand::AdjustFunds {
            bucket: Bucket::Demo,
            amount: Decimal::new(10_000, 0),
            notes: Some("opening balance".to_owned()),
            by: "system".to_owned(),
        });
    }

    fn orders(&mut self) {
        self.place(Side::Buy, "90", None);
        let order_id = self.place(Side::Buy, "0.10", Some(108_000));
        self.ask(AccountCommand::ModifyOrder {
            order_id,
            changes: Box::new(OrderChanges {
                limit_price: Some(Decimal::new(107_900, 5)),
                ..OrderChanges::default()
            }),
        });
        self.ask(AccountCommand::CancelOrder { order_id });
    }

    fn positions(&mut self) {
        self.place(Side::Buy, "0.10", None);
        self.quote(108_800);
        self.place(Side::Buy, "0.20", None);
        self.place(Side::Sell, "0.05", None);
        let position_id = self.account.positions[0].position_id;
        let deal_id = DealId(self.next_id());
        self.ask(AccountCommand::ClosePosition {
            position_id,
            deal_id,
            volume: None,
        });
    }

    fn house(&mut self) {
        self.ask(AccountCommand::ChangeLeverage {
            leverage: 200,
            by: "crm".to_owned(),
        });
        let mut controls = Controls::NONE;
        controls.limits.daily_loss = Some(Decimal::new(90_000, 0));
        self.controls(&controls);
        controls.close_only = true;
        self.controls(&controls);
        self.controls(&Controls::NONE);
        self.place(Side::Buy, "14", None);
        self.quote(108_620);
        self.evaluate();
        self.quote(107_000);
        self.evaluate();
    }

    fn money(&mut self) {
        use FundingVerdict::{Approve, Complete, Reject};
        let request = self.deposit();
        self.decide(request, Approve);
        self.decide(request, Complete);
        let request = self.deposit();
        self.decide(request, Reject);
        let request_id = self.deposit();
        self.ask(AccountCommand::CancelFunding { request_id });
        let request = self.withdrawal();
        self.decide(request, Approve);
        self.decide(request, Complete);
        let request = self.withdrawal();
        self.decide(request, Reject);
        let request_id = self.withdrawal();
        self.ask(AccountCommand::CancelFunding { request_id });
    }

    fn deposit(&mut self) -> FundingId {
        let request_id = FundingId(self.next_id());
        self.ask(AccountCommand::RequestDeposit {
            request_id,
            amount: Decimal::new(500, 0),
            currency: Currency::USD,
            method: "card".to_owned(),
        });
        request_id
    }

    fn withdrawal(&mut self) -> FundingId {
        let request_id = FundingId(self.next_id());
        self.ask(AccountCommand::RequestWithdrawal {
            request_id,
            amount: Decimal::new(100, 0),
            currency: Currency::USD,
            destination: "DE02 1203 0000 0000 2020 51".to_owned(),
        });
        request_id
    }

    fn decide(&mut self, request_id: FundingId, verdict: FundingVerdict) {
        let refused = verdict == FundingVerdict::Reject;
        self.ask(AccountCommand::DecideFunding {
            request_id,
            verdict,
            reason: refused.then(|| "no such bank".to_owned()),
            reference: None,
            by: "crm".to_owned(),
        });
    }

    fn controls(&mut self, controls: &Controls) {
        self.ask(AccountCommand::SetControls {
            controls: Box::new(controls.clone()),
            reason: None,
            by: "crm".to_owned(),
        });
    }

    fn evaluate(&mut self) {
        let seed = DealId(self.next_id());
        self.ask(AccountCommand::Evaluate { seed });
    }

    fn place(&mut self, side: Side, volume: &str, limit: Option<i64>) -> OrderId {
        let order_id = OrderId(self.next_id());
        let order_type = limit.map_or(OrderType::Market, |_| OrderType::Limit);
        let (deal_id, position_id) = (DealId(self.next_id()), PositionId(self.next_id()));
        self.ask(AccountCommand::PlaceOrder {
            order_id,
            deal_id,
            position_id,
            ticket: Box::new(Ticket {
                symbol: Symbol::parse("EURUSD").unwrap(),
                side,
                order_type,
                volume: volume.parse().unwrap(),
                limit_price: limit.map(|price| Decimal::new(price, 5)),
                stop_price: None,
                stop_loss: None,
                take_profit: None,
                trailing_distance: None,
                time_in_force: TimeInForce::Gtc,
                expires_at: None,
                oco_group: None,
                client_order_id: None,
            }),
        });
        order_id
    }

    fn ask(&mut self, command: AccountCommand) {
        self.seconds += 1;
        let at = self.now();
        let context = Context {
            at,
            market: &self.market,
            rules: &self.rules,
        };
        let decision = self.account.decide(&command, &context);
        assert!(!decision.events.is_empty(), "{command:?}");
        for event in decision.events {
            self.account.evolve(&event);
            let told = self.state.tell(ACCOUNT, &event, &self.instruments);
            self.told
                .extend(told.into_iter().map(|message| Told { message, at }));
            // It is kept as text between batches: nothing may depend on where one ends.
            let text = serde_json::to_string(&self.state).unwrap();
            self.state = serde_json::from_str(&text).unwrap();
            assert_eq!(serde_json::to_string(&self.state).unwrap(), text);
        }
        assert_eq!(self.state.account, self.account);
    }

    fn hear(&mut self, event: &ClientEvent) {
        let told = self.client.tell(CLIENT, event);
        let at = event.at();
        self.told
            .extend(told.into_iter().map(|message| Told { message, at }));
    }

    fn quote(&mut self, bid: i64) {
        self.market.set_quote(Quote {
            symbol: Symbol::parse("EURUSD").unwrap(),
            bid: Decimal::new(bid, 5),
            ask: Decimal::new(bid + 5, 5),
            at: self.now(),
            source: QuoteSource::Simulator,
        });
    }

    /// A Wednesday, when markets are open.
    fn now(&self) -> Timestamp {
        Timestamp::from_timestamp(1_767_787_200 + self.seconds, 0).unwrap()
    }

    fn next_id(&mut self) -> Uuid {
        self.ids += 1;
        Uuid::from_u128(0x0193_c0de_0000_7000_8000_0000_0000_0000 + self.ids)
    }

    fn data(&self, kind: Kind) -> Vec<Value> {
        let of_kind = self.told.iter().filter(|told| told.message.kind == kind);
        of_kind
            .map(|told| serde_json::from_str(&told.message.data).unwrap())
            .collect()
    }
}

impl Told {
    /// The body under a name, as the `number`th delivery.
    pub(crate) fn body(&self, event: &str, number: i64) -> String {
        let row = OutboxRow {
            id: Uuid::from_u128(0x0193_c0de_0000_5000_8000_0000_0000_0001),
            endpoint: "crm".to_owned(),
            number,
            client_id: CLIENT.0,
            client_number: number,
            position: 40 + number,
            event: event.to_owned(),
            at: self.at,
            data: self.message.data.clone(),
            before: self.message.before.clone(),
        };
        render(&row, None).unwrap()
    }
}

#[test]
fn every_kind_is_told_in_the_life_of_one_client() {
    let story = Story::whole();
    let mut counts = BTreeMap::<&str, usize>::new();
    for told in &story.told {
        *counts.entry(told.message.kind.site()).or_default() += 1;
    }
    for kind in Kind::ALL {
        assert!(counts.contains_key(kind.site()), "{}", kind.site());
    }
    assert_eq!(counts["user.created"], 1);
    assert_eq!(counts["margin.call"], 1);
    assert_eq!(counts["liquidation"], 1, "one, at the end");
}

#[test]
fn balances_are_those_after_the_event() {
    let mut balances = Story::whole().data(Kind::BalanceUpdated);
    let real = balances.split_off(balances.len() - 2);
    let mut balance = Decimal::ZERO;
    for data in &balances {
        let number = |name: &str| data[name].as_str().unwrap().parse::<Decimal>().unwrap();
        balance += number("amount");
        assert_eq!(number("demoBalance"), balance);
        assert_eq!(number("balance"), balance);
        assert_eq!(data["fundType"], "demo");
    }
    assert_eq!(balances[0]["reason"], "adjustment");
    assert_eq!(balances[0]["notes"], "opening balance");
    assert_eq!(balances[0]["amount"], "10000.00");
    let told = |data: &Value| [&data["reason"], &data["realBalance"]].map(Value::clone);
    assert_eq!(told(&real[0]), ["deposit", "500.00"], "the live account");
    assert_eq!(told(&real[1]), ["withdrawal", "400.00"]);
}

#[test]
fn money_on_its_way_is_told_at_each_step() {
    let story = Story::whole();
    let steps = |kind: Kind, field: &str| -> Vec<Value> {
        let told = story.data(kind).into_iter();
        told.map(|mut data| data[field].take()).collect()
    };
    assert_eq!(steps(Kind::DepositRequested, "amount"), ["500.00"; 3]);
    assert_eq!(steps(Kind::DepositCompleted, "method"), ["card"]);
    let standing = ["approved", "rejected", "cancelled"];
    assert_eq!(steps(Kind::DepositUpdated, "status"), standing);
    assert_eq!(steps(Kind::WithdrawalUpdated, "status"), standing);
    let paid = &story.data(Kind::WithdrawalCompleted)[0];
    let asked = &story.data(Kind::WithdrawalRequested)[0];
    assert_eq!(paid, asked, "the same request, and where it went");
}

#[test]
fn what_a_client_may_do_is_told_with_what_changed() {
    let story = Story::whole();
    let kyc: Vec<_> = story.data(Kind::KycStatusChanged);
    let to: Vec<_> = kyc.iter().map(|data| &data["to"]).collect();
    assert_eq!(to, ["none", "pending", "approved"]);
    assert!(kyc[0]["documentId"].is_string());
    let standing: Vec<_> = story
        .data(Kind::UserUpdated)
        .into_iter()
        .filter(|data| data.get("suspended").is_some())
        .map(|data| (data["changed"][0].clone(), data["suspended"].clone()))
        .collect();
    let expected = [
        ("twoFactorEnabled", false),
        ("suspended", true),
        ("suspended", false),
        ("erased", false),
    ];
    let expected = expected.map(|(field, suspended)| (json!(field), json!(suspended)));
    assert_eq!(standing, expected);
}

#[test]
fn an_order_is_told_as_it_is_after_what_happened_to_it() {
    let story = Story::whole();
    let modified = &story.data(Kind::OrderModified)[0];
    assert_eq!(modified["limitPrice"], "1.07900");
    assert_eq!(modified["status"], "working");
    let ended = story.data(Kind::OrderCancelled);
    let fates: Vec<_> = ended
        .iter()
        .map(|data| (data["status"].clone(), data["reason"].clone()))
        .collect();
    assert_eq!(fates[0], (json!("rejected"), json!("insufficient_margin")));
    assert_eq!(fates[1], (json!("cancelled"), json!("client")));
    assert_eq!(ended[1]["orderId"], modified["orderId"]);
    assert_eq!(ended[1]["createdAt"], modified["createdAt"]);
}

#[test]
fn a_closed_position_adds_up() {
    let story = Story::whole();
    assert_eq!(story.data(Kind::PositionUpdated)[0]["volume"], "0.30");
    let closed = story.data(Kind::PositionClosed);
    for data in &closed {
        let lots = |name: &str| data[name].as_str().unwrap().parse::<Decimal>().unwrap();
        assert_eq!(
            lots("volume"),
            lots("closedVolume") + lots("remainingVolume")
        );
    }
    let volumes = |data: &Value| {
        let text = |name: &str| data[name].as_str().unwrap().to_owned();
        (text("closedVolume"), text("remainingVolume"))
    };
    assert_eq!(volumes(&closed[0]), ("0.05".to_owned(), "0.25".to_owned()));
    assert_eq!(volumes(&closed[1]), ("0.25".to_owned(), "0.00".to_owned()));
    assert_eq!(closed[2]["reason"], "stop_out");
    let liquidation = &story.data(Kind::Liquidation)[0];
    assert_eq!(liquidation["closed"][0]["dealId"], closed[2]["dealId"]);
    assert_eq!(liquidation["levelAfter"], Value::Null);
}

#[test]
fn controls_tell_what_changed_and_the_account_when_its_state_does() {
    let story = Story::whole();
    let controls: Vec<_> = story
        .data(Kind::UserUpdated)
        .into_iter()
        .filter(|data| data.get("accountId").is_some())
        .collect();
    assert_eq!(controls[0]["changed"], json!(["limits"]));
    assert_eq!(controls[0]["limits"]["dailyLoss"], "90000.00");
    assert_eq!(controls[1]["changed"], json!(["state", "flags"]));
    let accounts = story.data(Kind::AccountUpdated);
    let states: Vec<_> = accounts.iter().map(|data| data["state"].clone()).collect();
    assert_eq!(states[..4], ["active", "active", "reducing", "active"]);
    assert_eq!(accounts[1]["leverage"], 200);
}

#[test]
fn every_payload_names_its_client_first() {
    for told in &Story::whole().told {
        let start = format!(r#"{{"clientId":"{CLIENT}""#);
        assert!(told.message.data.starts_with(&start), "{:?}", told.message);
    }
}

#[test]
fn what_holds_for_a_client_is_told_field_by_field_and_notes_are_not() {
    let story = Story::whole();
    let told = story.data(Kind::UserUpdated);
    let of = |field: &str| {
        let mut found = told
            .iter()
            .filter(|data| data["changed"] == json!([field]) && data.get("accountId").is_none());
        found.next().cloned().unwrap_or_default()
    };
    assert_eq!(of("tier")["tier"], "gold");
    assert_eq!(of("externalId")["externalId"], "C-10433");
    let disabled = of("tradingDisabled");
    assert_eq!(
        (&disabled["tradingDisabled"], &disabled["reason"]),
        (&json!(true), &json!("under review"))
    );
    let rules = told
        .iter()
        .find(|data| data["changed"] == json!(["flags", "limits"]));
    let rules = rules.unwrap();
    assert_eq!(rules["flags"]["swapFree"], true);
    assert_eq!(rules["limits"]["dailyLoss"], "500.00");
    assert!(!told.iter().any(|data| data.to_string().contains("Called")));
}
