//! Why an account refuses. Each has a stable slug, listed in `docs/ERRORS.md`.

use rust_decimal::Decimal;

use crate::{Currency, DealId, FundingId, OrderId, PositionId, Symbol, Timestamp, money::Money};

/// A broken rule, with the numbers that broke it. The rules of an order are ordered by precedence:
/// the first that is broken is reported.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccountRejection {
    /// No such account was opened.
    #[error("account is not open")]
    NotOpen,
    /// The command opens what is open already.
    #[error("account is already open")]
    AlreadyOpen,
    /// The account's terms are not offered.
    #[error("{0}")]
    InvalidTerms(String),
    /// No such instrument.
    #[error("{0} is not an instrument")]
    UnknownSymbol(Symbol),
    /// The order lacks or has too many prices for its type, or a value is not positive.
    #[error("{0}")]
    InvalidOrder(String),
    /// The instrument is disabled.
    #[error("{0} is disabled")]
    InstrumentDisabled(Symbol),
    /// The instrument may only be closed.
    #[error("{0} may only be closed")]
    CloseOnly(Symbol),
    /// The client or account may not trade.
    #[error("trading is disabled")]
    TradingDisabled,
    /// Outside the instrument's session.
    #[error("the market of {0} is closed")]
    MarketClosed(Symbol),
    /// No quote has come in since the start.
    #[error("no quote of {0} has arrived yet")]
    NoQuote(Symbol),
    /// The newest quote is too old.
    #[error("the newest quote of {symbol} is of {at}, older than {max_age_ms} ms")]
    StaleQuote {
        /// Instrument.
        symbol: Symbol,
        /// Time of the quote.
        at: Timestamp,
        /// The oldest allowed.
        max_age_ms: u64,
    },
    /// Outside min and max.
    #[error("volume {volume} is outside {min} to {max}")]
    VolumeOutOfRange {
        /// Asked.
        volume: Decimal,
        /// Least.
        min: Decimal,
        /// Most.
        max: Decimal,
    },
    /// Not a multiple of the step.
    #[error("volume {volume} is not a multiple of {step}")]
    VolumeStep {
        /// Asked.
        volume: Decimal,
        /// Step.
        step: Decimal,
    },
    /// A stop, stop loss or take profit on the wrong side.
    #[error("{0}")]
    InvalidStops(String),
    /// Too many working orders.
    #[error("{0} orders are working already")]
    TooManyOrders(usize),
    /// The day's loss has reached its limit.
    #[error("the daily loss limit was reached; new risk is refused until {until}")]
    DailyLossLimit {
        /// The next rollover.
        until: Timestamp,
    },
    /// Too many orders within a minute. Leaves no trace.
    #[error("{per_minute} orders were placed within a minute already")]
    OrderRate {
        /// The limit.
        per_minute: u32,
        /// When the next may come, in milliseconds from now.
        retry_after_ms: u64,
    },
    /// Too many positions.
    #[error("{0} positions are open already")]
    MaxPosition(usize),
    /// More lots in one direction than the instrument allows an account.
    #[error("{volume} lots in one direction exceed {max}")]
    MaxExposure {
        /// With this order.
        volume: Decimal,
        /// Most.
        max: Decimal,
    },
    /// More notional than the account may hold.
    #[error("a notional of {notional} exceeds {max}")]
    MaxNotional {
        /// With this order.
        notional: Money,
        /// Most.
        max: Money,
    },
    /// Leverage beyond what the account may have.
    #[error("leverage {asked} is outside 1 to {max}")]
    LeverageOutOfRange {
        /// Asked.
        asked: u32,
        /// Most.
        max: u32,
    },
    /// The two positions do not offset each other.
    #[error("{0} and {1} are not opposite positions of one symbol")]
    NotOpposite(PositionId, PositionId),
    /// The mode of the account has no such operation.
    #[error("{0}")]
    WrongMode(String),
    /// The deal was busted before.
    #[error("deal {0} was busted already")]
    DealBusted(DealId),
    /// The correction cannot be made by compensation.
    #[error("{0}")]
    NotCorrectable(String),
    /// No chain of quotes links two currencies.
    #[error("no rate links {from} and {to} yet")]
    NoRate {
        /// Currency.
        from: Currency,
        /// Currency.
        to: Currency,
    },
    /// Free margin does not cover it.
    #[error("margin and commission of {required} exceed the free margin of {free}")]
    InsufficientMargin {
        /// Needed.
        required: Money,
        /// There.
        free: Money,
    },
    /// No such open position.
    #[error("position {0} is not open")]
    PositionNotOpen(PositionId),
    /// No such working order.
    #[error("order {0} is not working")]
    OrderNotWorking(OrderId),
    /// A demo account has no money to pay in or out.
    #[error("a demo account has no deposits and withdrawals")]
    DemoAccount,
    /// Money comes and goes in the account's currency alone.
    #[error("the account is in {currency}, not {asked}")]
    CurrencyMismatch {
        /// Asked.
        asked: Currency,
        /// The account's.
        currency: Currency,
    },
    /// The request has ended, or has come too far for that.
    #[error("request {0} is not open to that")]
    FundingNotOpen(FundingId),
    /// Too many requests are open.
    #[error("{0} deposits and withdrawals are open already")]
    TooManyFundingRequests(usize),
    /// A withdrawal, its completion or a debit is more than what is there.
    #[error("{available} is available, {required} is required")]
    InsufficientFunds {
        /// Needed.
        required: Money,
        /// There.
        available: Money,
    },
    /// An amount is zero or has more decimals than its currency.
    #[error("{0}")]
    InvalidAmount(String),
    /// A result does not fit 28 digits.
    #[error("the result has more than 28 digits")]
    Overflow,
}

impl AccountRejection {
    /// Stable slug for receipts, events and problems.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotOpen => "account_not_open",
            Self::AlreadyOpen => "account_already_open",
            Self::InvalidTerms(_) => "invalid_terms",
            Self::UnknownSymbol(_) => "unknown_symbol",
            Self::InvalidOrder(_) => "invalid_order",
            Self::NoQuote(_) | Self::NoRate { .. } => "no_quote",
            Self::InstrumentDisabled(_) => "instrument_disabled",
            Self::CloseOnly(_) => "close_only",
            Self::TradingDisabled => "trading_disabled",
            Self::MarketClosed(_) => "market_closed",
            Self::StaleQuote { .. } => "stale_quote",
            Self::VolumeOutOfRange { .. } => "volume_out_of_range",
            Self::VolumeStep { .. } => "volume_step",
            Self::InvalidStops(_) => "invalid_stops",
            Self::TooManyOrders(_) => "too_many_orders",
            Self::DailyLossLimit { .. } => "daily_loss_limit",
            Self::OrderRate { .. } => "order_rate",
            Self::MaxPosition(_) | Self::MaxExposure { .. } | Self::MaxNotional { .. } => {
                "max_position"
            }
            Self::LeverageOutOfRange { .. } => "leverage_out_of_range",
            Self::NotOpposite(..) => "not_opposite",
            Self::WrongMode(_) => "wrong_mode",
            Self::DealBusted(_) => "deal_busted",
            Self::NotCorrectable(_) => "not_correctable",
            Self::InsufficientMargin { .. } => "insufficient_margin",
            Self::PositionNotOpen(_) => "position_not_open",
            Self::OrderNotWorking(_) => "order_not_working",
            Self::DemoAccount => "demo_account",
            Self::CurrencyMismatch { .. } => "currency_mismatch",
            Self::FundingNotOpen(_) => "funding_not_open",
            Self::TooManyFundingRequests(_) => "too_many_funding_requests",
            Self::InsufficientFunds { .. } => "insufficient_funds",
            Self::InvalidAmount(_) => "invalid_amount",
            Self::Overflow => "overflow",
        }
    }
    /// Whether a well-formed request was refused by a rule. An order refused by a rule stands in
    /// the book; a malformed one, or one that came before the first quote, leaves no trace.
    #[must_use]
    pub const fn is_rule(&self) -> bool {
        match self {
            Self::InstrumentDisabled(_)
            | Self::CloseOnly(_)
            | Self::TradingDisabled
            | Self::MarketClosed(_)
            | Self::StaleQuote { .. }
            | Self::VolumeOutOfRange { .. }
            | Self::VolumeStep { .. }
            | Self::InvalidStops(_)
            | Self::TooManyOrders(_)
            | Self::DailyLossLimit { .. }
            | Self::MaxPosition(_)
            | Self::MaxExposure { .. }
            | Self::MaxNotional { .. }
            | Self::LeverageOutOfRange { .. }
            | Self::NotOpposite(..)
            | Self::WrongMode(_)
            | Self::DealBusted(_)
            | Self::NotCorrectable(_)
            | Self::InsufficientMargin { .. }
            | Self::PositionNotOpen(_)
            | Self::OrderNotWorking(_)
            | Self::DemoAccount
            | Self::CurrencyMismatch { .. }
            | Self::FundingNotOpen(_)
            | Self::TooManyFundingRequests(_)
            | Self::InsufficientFunds { .. } => true,
            Self::NotOpen
            | Self::AlreadyOpen
            | Self::InvalidTerms(_)
            | Self::UnknownSymbol(_)
            | Self::InvalidOrder(_)
            | Self::NoQuote(_)
            | Self::NoRate { .. }
            | Self::InvalidAmount(_)
            | Self::OrderRate { .. }
            | Self::Overflow => false,
        }
    }
}
