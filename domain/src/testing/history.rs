//! What happens in a random history.

use proptest::{
    collection::vec,
    option::{self, of},
    prelude::*,
    sample::select,
};

use crate::{
    Currency,
    account::{
        AccountKind, Change, CloseFilter, FundingVerdict, OrderType, PositionMode, TimeInForce,
    },
    quote::Side,
    rules::{ConversionRule, LimitFill, TradingState},
};

/// How the account of a history starts.
#[derive(Clone, Debug)]
pub struct Opening {
    /// Live or demo.
    pub kind: AccountKind,
    /// Hedging or netting.
    pub mode: PositionMode,
    /// Its currency.
    pub currency: Currency,
    /// 1:`leverage`.
    pub leverage: u32,
    /// Whole units of the currency in the bucket that the account trades on.
    pub funds: i64,
    /// Whole units of bonus money.
    pub bonus: i64,
    /// Price of limit fills.
    pub limit_fill: LimitFill,
    /// Conversion of realised amounts.
    pub conversion: ConversionRule,
    /// Commission per lot and side, in cents.
    pub commission_cents: i64,
    /// Spread mark-up in points.
    pub markup_points: i64,
    /// Slippage in points.
    pub slippage_points: i64,
}

/// A request, in terms of whatever is there when its turn comes.
#[derive(Clone, Debug)]
pub enum Ask {
    /// Place an order; distances are in points, positive is away from the market.
    Place {
        /// Which of the world's symbols.
        symbol: usize,
        /// Side.
        side: Side,
        /// Type.
        order_type: OrderType,
        /// Volume steps.
        steps: u32,
        /// From the market to the order's first price.
        distance: i64,
        /// From there to the limit of a stop-limit.
        limit_distance: i64,
        /// From the order's own price.
        stop_loss: Option<i64>,
        /// From the order's own price.
        take_profit: Option<i64>,
        /// How far behind the market its stop loss trails.
        trailing: Option<i64>,
        /// How long it works.
        time_in_force: TimeInForce,
        /// One of a few groups.
        oco_group: Option<u8>,
    },
    /// Move a working order by points.
    Modify {
        /// Which of those working.
        nth: usize,
        /// By how much.
        points: i64,
    },
    /// Cancel a working order.
    Cancel {
        /// Which of those working.
        nth: usize,
    },
    /// Protect a position, at a distance from the market in points; none removes.
    Protect {
        /// Which of those open.
        nth: usize,
        /// Stop loss.
        stop_loss: Option<i64>,
        /// Take profit.
        take_profit: Option<i64>,
        /// Trailing distance.
        trailing: Change<i64>,
    },
    /// Close a position, whole or a number of volume steps.
    Close {
        /// Which of those open.
        nth: usize,
        /// Volume steps; none: all.
        steps: Option<u32>,
    },
    /// Close a position by an opposite one.
    CloseBy {
        /// Which of those open.
        nth: usize,
        /// Which of those opposite to it.
        other: usize,
    },
    /// Close all positions, or those of a kind.
    CloseAll {
        /// Which of the world's symbols; none: all.
        symbol: Option<usize>,
        /// Those that win or lose alone.
        only: Option<CloseFilter>,
    },
    /// Staff sets flags, limits and group.
    Control {
        /// State of the account.
        state: TradingState,
        /// Whether it may only be closed.
        close_only: bool,
        /// Whether it deals under the terms of the world's one group.
        grouped: bool,
        /// Most lots of one order, in volume steps of the first symbol.
        max_steps: Option<u32>,
        /// Largest leverage.
        max_leverage: Option<u32>,
    },
    /// Credit or debit real (demo) money, in whole units.
    Adjust {
        /// Signed amount.
        units: i64,
    },
    /// Ask for a deposit, or with a negative amount for a withdrawal, in whole units.
    Fund {
        /// Signed amount.
        units: i64,
    },
    /// Take a request back.
    CancelFunding {
        /// Which of those open.
        nth: usize,
    },
    /// Staff decide about a request.
    DecideFunding {
        /// Which of those open.
        nth: usize,
        /// What.
        verdict: FundingVerdict,
    },
}

/// One thing that happens.
#[derive(Clone, Debug)]
pub enum Step {
    /// Every symbol moves by points, and a quote of each comes in.
    Tick {
        /// Milliseconds since the last one.
        after_ms: i64,
        /// Moves, one per symbol of the world.
        moves: Vec<i64>,
        /// Spread in points.
        spread: i64,
    },
    /// Nothing comes in for a while: orders run out, sessions end, quotes grow stale.
    Pause {
        /// Minutes.
        minutes: i64,
    },
    /// Somebody asks.
    Ask(Ask),
}

/// An opening and what follows.
#[derive(Clone, Debug)]
pub struct History {
    /// How it starts.
    pub opening: Opening,
    /// What happens, in order.
    pub steps: Vec<Step>,
}

/// Symbols that histories trade: direct, inverse and crossed conversions, and a CFD.
pub(super) const SYMBOLS: [&str; 5] = ["EURUSD", "USDJPY", "EURGBP", "XAUUSD", "GBPUSD"];

/// Random histories with as many steps as `length` says.
pub fn histories(length: std::ops::Range<usize>) -> impl Strategy<Value = History> {
    (opening(), vec(step(), length)).prop_map(|(opening, steps)| History { opening, steps })
}

fn opening() -> impl Strategy<Value = Opening> {
    let account = (
        select(vec![AccountKind::Live, AccountKind::Demo]),
        select(vec![PositionMode::Hedging, PositionMode::Netting]),
        select(vec![Currency::USD, Currency::EUR, Currency::JPY]),
        select(vec![30_u32, 100, 500]),
        2_000_i64..60_000,
        select(vec![0_i64, 500]),
    );
    let rules = (
        select(vec![LimitFill::Improve, LimitFill::AtLimit]),
        select(vec![ConversionRule::Worse, ConversionRule::ByDeal]),
        select(vec![0_i64, 350]),
        select(vec![0_i64, 3]),
        select(vec![0_i64, 2]),
    );
    (account, rules).prop_map(|(account, rules)| {
        let (kind, mode, currency, leverage, funds, bonus) = account;
        let (limit_fill, conversion, commission_cents, markup_points, slippage_points) = rules;
        // A yen is a hundredth of a dollar, more or less.
        let scale = if currency == Currency::JPY { 100 } else { 1 };
        Opening {
            kind,
            mode,
            currency,
            leverage,
            funds: funds * scale,
            bonus: bonus * scale,
            limit_fill,
            conversion,
            commission_cents,
            markup_points,
            slippage_points,
        }
    })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        10 => tick(),
        1 => (1_i64..3 * 24 * 60).prop_map(|minutes| Step::Pause { minutes }),
        14 => ask().prop_map(Step::Ask),
    ]
}

fn tick() -> impl Strategy<Value = Step> {
    let moves = vec(-120_i64..=120, SYMBOLS.len());
    (1_i64..9_000, moves, 0_i64..25).prop_map(|(after_ms, moves, spread)| Step::Tick {
        after_ms,
        moves,
        spread,
    })
}

fn ask() -> impl Strategy<Value = Ask> {
    prop_oneof![
        8 => place(),
        2 => (0_usize..8, -60_i64..60).prop_map(|(nth, points)| Ask::Modify { nth, points }),
        1 => (0_usize..8).prop_map(|nth| Ask::Cancel { nth }),
        3 => protect(),
        4 => (0_usize..8, of(1_u32..40)).prop_map(|(nth, steps)| Ask::Close { nth, steps }),
        2 => (0_usize..8, 0_usize..3).prop_map(|(nth, other)| Ask::CloseBy { nth, other }),
        1 => close_all(),
        1 => control(),
        1 => (-500_i64..2_000).prop_map(|units| Ask::Adjust { units }),
        3 => funding(),
    ]
}

fn protect() -> impl Strategy<Value = Ask> {
    let trailing = prop_oneof![
        2 => Just(Change::Keep),
        2 => (5_i64..200).prop_map(Change::Set),
        1 => Just(Change::Remove),
    ];
    (0_usize..8, of(5_i64..300), of(5_i64..300), trailing).prop_map(
        |(nth, stop_loss, take_profit, trailing)| Ask::Protect {
            nth,
            stop_loss,
            take_profit,
            trailing,
        },
    )
}

fn close_all() -> impl Strategy<Value = Ask> {
    let only = select(vec![CloseFilter::Winners, CloseFilter::Losers]);
    (of(0..SYMBOLS.len()), of(only)).prop_map(|(symbol, only)| Ask::CloseAll { symbol, only })
}

/// Mostly permissive: laws that are only tried on refusals prove nothing.
fn control() -> impl Strategy<Value = Ask> {
    let state = prop_oneof![
        8 => Just(TradingState::Active),
        1 => Just(TradingState::Reducing),
        1 => Just(TradingState::Halted),
    ];
    let limits = (
        option::weighted(0.2, 50_u32..120),
        option::weighted(0.3, 20_u32..200),
    );
    (state, proptest::bool::weighted(0.1), any::<bool>(), limits).prop_map(
        |(state, close_only, grouped, (max_steps, max_leverage))| Ask::Control {
            state,
            close_only,
            grouped,
            max_steps,
            max_leverage,
        },
    )
}

fn place() -> impl Strategy<Value = Ask> {
    let what = (
        0..SYMBOLS.len(),
        select(vec![Side::Buy, Side::Sell]),
        order_type(),
        1_u32..120,
    );
    let prices = (
        -10_i64..200,
        -60_i64..60,
        of(5_i64..250),
        of(5_i64..250),
        option::weighted(0.2, 5_i64..200),
    );
    let life = (
        prop_oneof![
            6 => Just(TimeInForce::Gtc),
            2 => Just(TimeInForce::Day),
            1 => Just(TimeInForce::Gtd),
            1 => Just(TimeInForce::Ioc),
        ],
        option::weighted(0.2, 0_u8..3),
    );
    (what, prices, life).prop_map(|(what, prices, life)| {
        let (symbol, side, order_type, steps) = what;
        let (distance, limit_distance, stop_loss, take_profit, trailing) = prices;
        let (time_in_force, oco_group) = life;
        Ask::Place {
            symbol,
            side,
            order_type,
            steps,
            distance,
            limit_distance,
            stop_loss,
            take_profit,
            trailing,
            time_in_force,
            oco_group,
        }
    })
}

fn order_type() -> impl Strategy<Value = OrderType> {
    prop_oneof![
        4 => Just(OrderType::Market),
        3 => Just(OrderType::Limit),
        2 => Just(OrderType::Stop),
        2 => Just(OrderType::StopLimit),
    ]
}

fn funding() -> impl Strategy<Value = Ask> {
    let verdicts = [
        FundingVerdict::Approve,
        FundingVerdict::Complete,
        FundingVerdict::Complete,
        FundingVerdict::Reject,
    ];
    prop_oneof![
        3 => (-3_000_i64..1_000).prop_map(|units| Ask::Fund { units }),
        1 => (0_usize..3).prop_map(|nth| Ask::CancelFunding { nth }),
        3 => (0_usize..3, select(verdicts.to_vec()))
            .prop_map(|(nth, verdict)| Ask::DecideFunding { nth, verdict }),
    ]
}
