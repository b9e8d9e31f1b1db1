//! Anything that can be asked, and prices from anywhere. Values are mostly sane, so that what is not
//! meets an account that has something to lose.

use proptest::{option::of, prelude::*, sample::select};
use serde::{Deserialize, Serialize};

use super::*;
use crate::{
    DealId, FundingId, OrderId, PositionId,
    account::{FundingVerdict, OrderChanges},
    rules::TradingState,
};

type Ticket = super::super::Ticket;

/// Something that comes from outside.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Surprise {
    Command(Box<AccountCommand>),
    Quote(usize, Decimal, Decimal),
    Later(i64),
}

pub(super) const SYMBOLS: [&str; 5] = ["EURUSD", "USDJPY", "XAUUSD", "XRPUSD", "NOPE"];

/// Any decimal that can be read.
pub(super) fn wild() -> BoxedStrategy<Decimal> {
    let any_digits = (any::<(u32, u32, u32)>(), any::<bool>(), 0_u32..=28);
    prop_oneof![
        4 => any_digits.prop_map(|((low, middle, high), negative, scale)| {
            Decimal::from_parts(low, middle, high, negative, scale)
        }),
        1 => select(vec![
            Decimal::MAX,
            Decimal::MIN,
            Decimal::ZERO,
            Decimal::new(1, 28),
            Decimal::new(-1, 28),
            Decimal::new(1_000_000_000, 0),
            crate::account::AMOUNT_MAX,
        ]),
    ]
    .boxed()
}

fn lots() -> BoxedStrategy<Decimal> {
    prop_oneof![
        6 => (1_i64..300).prop_map(|cents| Decimal::new(cents, 2)),
        1 => wild(),
    ]
    .boxed()
}

/// Prices near some market, and prices that are none.
fn price() -> BoxedStrategy<Decimal> {
    prop_oneof![
        4 => (105_000_i64..115_000).prop_map(|points| Decimal::new(points, 5)),
        2 => (150_000_i64..160_000).prop_map(|points| Decimal::new(points, 3)),
        2 => (230_000_i64..240_000).prop_map(|points| Decimal::new(points, 2)),
        1 => (1_i64..100_000).prop_map(|points| Decimal::new(points, 5)),
        2 => wild(),
    ]
    .boxed()
}

/// Prices near a symbol's own market, or anywhere.
fn price_of(symbol: usize) -> BoxedStrategy<Decimal> {
    let (middle, digits) = [
        (110_000_i64, 5),
        (155_000, 3),
        (235_000, 2),
        (55_000, 5),
        (1, 0),
    ][symbol];
    prop_oneof![
        9 => (980_i64..1_020).prop_map(move |share| Decimal::new(middle * share / 1_000, digits)),
        1 => price(),
    ]
    .boxed()
}

/// Names are few, so that most of them mean something.
fn name<T: From<Uuid> + std::fmt::Debug>() -> impl Strategy<Value = T> {
    (1_u128..20).prop_map(|number| Uuid::from_u128(number).into())
}

fn change<T: Clone + std::fmt::Debug>(
    value: impl Strategy<Value = T>,
) -> impl Strategy<Value = Change<T>> {
    value.prop_flat_map(|value| {
        prop_oneof![
            Just(Change::Keep),
            Just(Change::Set(value)),
            Just(Change::Remove)
        ]
    })
}

fn instant() -> impl Strategy<Value = Timestamp> {
    (-100_000_i64..500_000).prop_map(|seconds| time(NOON) + chrono::Duration::seconds(seconds))
}

pub(super) fn ticket() -> BoxedStrategy<Ticket> {
    // What is traded most lets positions meet.
    let symbol = prop_oneof![6 => Just(0), 6 => 1..4_usize, 1 => Just(4)];
    symbol.prop_flat_map(ticket_of).boxed()
}

fn ticket_of(symbol: usize) -> BoxedStrategy<Ticket> {
    let what = (
        select(vec![Side::Buy, Side::Sell]),
        select(vec![
            OrderType::Market,
            OrderType::Market,
            OrderType::Limit,
            OrderType::Stop,
            OrderType::StopLimit,
        ]),
        lots(),
    );
    let rarely = |price| proptest::option::weighted(0.1, price);
    let prices = (price_of(symbol), price_of(symbol));
    let protection = (
        rarely(price_of(symbol)),
        rarely(price_of(symbol)),
        rarely(distance().boxed()),
    );
    let life = (
        select(vec![
            TimeInForce::Gtc,
            TimeInForce::Gtc,
            TimeInForce::Gtc,
            TimeInForce::Day,
            TimeInForce::Gtd,
            TimeInForce::Ioc,
            TimeInForce::Fok,
        ]),
        instant(),
        proptest::option::weighted(0.2, select(vec!["a", "b", ""])),
    );
    (what, prices, protection, life)
        .prop_map(move |(what, prices, protection, life)| {
            let (side, order_type, volume) = what;
            let (limited, stopped) = match order_type {
                OrderType::Market => (false, false),
                OrderType::Limit => (true, false),
                OrderType::Stop => (false, true),
                OrderType::StopLimit => (true, true),
            };
            Ticket {
                symbol: super::symbol(SYMBOLS[symbol]),
                side,
                order_type,
                volume,
                limit_price: limited.then_some(prices.0),
                stop_price: stopped.then_some(prices.1),
                stop_loss: protection.0,
                take_profit: protection.1,
                trailing_distance: protection.2,
                time_in_force: life.0,
                expires_at: (life.0 == TimeInForce::Gtd).then_some(life.1),
                oco_group: life.2.map(Into::into),
                client_order_id: None,
            }
        })
        .boxed()
}

fn distance() -> impl Strategy<Value = Decimal> {
    prop_oneof![
        4 => (1_i64..2_000).prop_map(|points| Decimal::new(points, 5)),
        1 => wild(),
    ]
}

fn controls() -> BoxedStrategy<Controls> {
    let flags = (
        select(vec![
            TradingState::Active,
            TradingState::Active,
            TradingState::Reducing,
            TradingState::Halted,
        ]),
        proptest::bool::weighted(0.1),
        proptest::bool::weighted(0.1),
    );
    let amounts = (of(wild()), of(wild()), of(wild()));
    let counts = (
        of(0_u32..10),
        of(0_u32..10),
        proptest::option::weighted(0.2, 0_u32..10),
        of(0_u32..600),
    );
    (flags, amounts, counts)
        .prop_map(|(flags, amounts, counts)| Controls {
            state: flags.0,
            close_only: flags.1,
            read_only: flags.2,
            limits: Limits {
                max_leverage: counts.3,
                max_volume: amounts.0,
                max_notional: amounts.1,
                max_open_orders: counts.0,
                max_positions: counts.1,
                daily_loss: amounts.2,
                orders_per_minute: counts.2,
            },
            ..Controls::default()
        })
        .boxed()
}

fn order_command() -> BoxedStrategy<AccountCommand> {
    let changes = (
        (of(price()), of(price()), of(lots())),
        (change(price()), change(price()), change(instant())),
    );
    let changes = changes.prop_map(|(values, others)| {
        Box::new(OrderChanges {
            limit_price: values.0,
            stop_price: values.1,
            volume: values.2,
            stop_loss: others.0,
            take_profit: others.1,
            expires_at: others.2,
        })
    });
    let names = || (name::<OrderId>(), name::<DealId>(), name::<PositionId>());
    prop_oneof![
        8 => (names(), ticket()).prop_map(|((order_id, deal_id, position_id), ticket)| {
            AccountCommand::PlaceOrder { order_id, deal_id, position_id, ticket: Box::new(ticket) }
        }),
        4 => (name(), changes).prop_map(|(order_id, changes)| {
            AccountCommand::ModifyOrder { order_id, changes }
        }),
        3 => names().prop_map(|(order_id, deal_id, position_id)| {
            AccountCommand::TriggerOrder { order_id, deal_id, position_id }
        }),
        1 => name().prop_map(|order_id| AccountCommand::CancelOrder { order_id }),
        1 => name().prop_map(|order_id| AccountCommand::ExpireOrder { order_id }),
    ]
    .boxed()
}

fn position_command() -> BoxedStrategy<AccountCommand> {
    let levels = (change(price()), change(price()), change(distance()));
    let filter = select(vec![CloseFilter::Winners, CloseFilter::Losers]);
    prop_oneof![
        2 => (name(), levels).prop_map(|(position_id, levels)| AccountCommand::ProtectPosition {
            position_id,
            stop_loss: levels.0,
            take_profit: levels.1,
            trailing_distance: levels.2,
        }),
        2 => (name(), name(), of(lots())).prop_map(|(position_id, deal_id, volume)| {
            AccountCommand::ClosePosition { position_id, deal_id, volume }
        }),
        1 => (name(), name()).prop_map(|(position_id, deal_id)| {
            AccountCommand::TriggerProtection { position_id, deal_id }
        }),
        1 => name().prop_map(|position_id| AccountCommand::TrailStop { position_id }),
        2 => (name(), name(), name(), name()).prop_map(|names| AccountCommand::CloseBy {
            position_id: names.0,
            opposite_id: names.1,
            deal_id: names.2,
            opposite_deal_id: names.3,
        }),
        1 => (name(), of(0..SYMBOLS.len()), of(filter)).prop_map(|(seed, symbol, only)| {
            AccountCommand::CloseAll {
                seed,
                symbol: symbol.map(|symbol| super::symbol(SYMBOLS[symbol])),
                only,
            }
        }),
    ]
    .boxed()
}

fn account_command() -> BoxedStrategy<AccountCommand> {
    let bucket = select(vec![Bucket::Real, Bucket::Demo, Bucket::Bonus]);
    let amount = prop_oneof![
        (-100_000_i64..100_000).prop_map(|cents| Decimal::new(cents, 2)),
        wild()
    ];
    let by = || "somebody".to_owned();
    prop_oneof![
        2 => (bucket, amount).prop_map(move |(bucket, amount)| AccountCommand::AdjustFunds {
            bucket,
            amount,
            notes: None,
            by: by(),
        }),
        1 => controls().prop_map(move |controls| AccountCommand::SetControls {
            controls: Box::new(controls),
            reason: None,
            by: by(),
        }),
        1 => any::<u32>().prop_map(move |leverage| AccountCommand::ChangeLeverage {
            leverage,
            by: by(),
        }),
        1 => (1_u32..700).prop_map(move |leverage| AccountCommand::ChangeLeverage {
            leverage,
            by: by(),
        }),
        2 => name().prop_map(|seed| AccountCommand::Evaluate { seed }),
        1 => (0_u64..10).prop_map(|days| AccountCommand::RollOver {
            day: time(NOON).date_naive() + chrono::Days::new(days),
        }),
    ]
    .boxed()
}

fn funding_command() -> BoxedStrategy<AccountCommand> {
    // A request does not live long: names are fewer here.
    let few = || (1_u128..5).prop_map(|number| FundingId(Uuid::from_u128(number)));
    let amount = || {
        prop_oneof![
            4 => (1_i64..100_000).prop_map(|cents| Decimal::new(cents, 2)),
            1 => wild(),
        ]
    };
    let currency = || select(vec!["USD", "USD", "USD", "EUR", "JPY"]);
    let verdicts = vec![
        FundingVerdict::Approve,
        FundingVerdict::Complete,
        FundingVerdict::Reject,
    ];
    prop_oneof![
        2 => (few(), amount(), currency()).prop_map(|(request_id, amount, currency)| {
            let (currency, method) = (Currency::parse(currency).unwrap(), "card".to_owned());
            AccountCommand::RequestDeposit { request_id, amount, currency, method }
        }),
        3 => (few(), amount(), currency()).prop_map(|(request_id, amount, currency)| {
            let (currency, destination) = (Currency::parse(currency).unwrap(), "bank".to_owned());
            AccountCommand::RequestWithdrawal { request_id, amount, currency, destination }
        }),
        1 => few().prop_map(|request_id| AccountCommand::CancelFunding { request_id }),
        3 => (few(), select(verdicts)).prop_map(|(request_id, verdict)| {
            AccountCommand::DecideFunding {
                request_id,
                verdict,
                reason: None,
                reference: None,
                by: "somebody".to_owned(),
            }
        }),
    ]
    .boxed()
}

pub(super) fn surprise() -> impl Strategy<Value = Surprise> {
    let command = prop_oneof![
        8 => order_command(),
        5 => position_command(),
        3 => account_command(),
        3 => funding_command(),
    ];
    prop_oneof![
        12 => command.prop_map(|command| Surprise::Command(Box::new(command))),
        // The feed filter lets through what is positive and not crossed, however far it jumps.
        5 => (0..4_usize).prop_flat_map(|symbol| (Just(symbol), price_of(symbol), 0_i64..100))
            .prop_map(|(symbol, bid, spread)| {
            let bid = bid.abs().clamp(Decimal::new(1, 5), Decimal::new(1_000_000_000, 0));
            Surprise::Quote(symbol, bid, Decimal::new(spread, 5))
        }),
        1 => (0_i64..90_000).prop_map(Surprise::Later),
    ]
}
