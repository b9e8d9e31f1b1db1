//! What a run has seen: laws that are only tried on what never happens prove nothing.

use std::collections::BTreeMap;

use daybook_domain::{AccountEvent, AccountRejection, account::Decision};

/// Every type of event; `name_of_event` breaks the build when one is added.
pub const EVENTS: [&str; 38] = [
    "AccountOpened",
    "FundsAdjusted",
    "DepositRequested",
    "DepositApproved",
    "DepositCompleted",
    "DepositRejected",
    "DepositCancelled",
    "WithdrawalRequested",
    "WithdrawalApproved",
    "WithdrawalCompleted",
    "WithdrawalRejected",
    "WithdrawalCancelled",
    "OrderPlaced",
    "OrderRejected",
    "OrderModified",
    "OrderCancelled",
    "OrderExpired",
    "OrderTriggered",
    "OrderFilled",
    "PositionOpened",
    "PositionIncreased",
    "OrderNetted",
    "PositionReduced",
    "PositionClosed",
    "ProtectionChanged",
    "LeverageChanged",
    "ControlsChanged",
    "SwapCharged",
    "MarginCallRaised",
    "MarginCallCleared",
    "StopOutStarted",
    "StopOutStep",
    "StopOutFinished",
    "NegativeBalanceCompensated",
    "TradingDayStarted",
    "DailyLossLimitReached",
    "DealBusted",
    "DealRepriced",
];

/// Every rejection.
pub const REJECTIONS: [&str; 36] = [
    "NotOpen",
    "AlreadyOpen",
    "InvalidTerms",
    "UnknownSymbol",
    "InvalidOrder",
    "InstrumentDisabled",
    "CloseOnly",
    "TradingDisabled",
    "MarketClosed",
    "NoQuote",
    "StaleQuote",
    "VolumeOutOfRange",
    "VolumeStep",
    "InvalidStops",
    "TooManyOrders",
    "DailyLossLimit",
    "OrderRate",
    "MaxPosition",
    "MaxExposure",
    "MaxNotional",
    "LeverageOutOfRange",
    "NotOpposite",
    "WrongMode",
    "DealBusted",
    "NotCorrectable",
    "NoRate",
    "InsufficientMargin",
    "PositionNotOpen",
    "OrderNotWorking",
    "DemoAccount",
    "CurrencyMismatch",
    "FundingNotOpen",
    "TooManyFundingRequests",
    "InsufficientFunds",
    "InvalidAmount",
    "Overflow",
];

/// Breaks the build when a rejection is added; the list above then has to grow too.
fn name_of(rejection: &AccountRejection) -> &'static str {
    use AccountRejection as R;
    match rejection {
        R::NotOpen => "NotOpen",
        R::AlreadyOpen => "AlreadyOpen",
        R::InvalidTerms(_) => "InvalidTerms",
        R::UnknownSymbol(_) => "UnknownSymbol",
        R::InvalidOrder(_) => "InvalidOrder",
        R::InstrumentDisabled(_) => "InstrumentDisabled",
        R::CloseOnly(_) => "CloseOnly",
        R::TradingDisabled => "TradingDisabled",
        R::MarketClosed(_) => "MarketClosed",
        R::NoQuote(_) => "NoQuote",
        R::StaleQuote { .. } => "StaleQuote",
        R::VolumeOutOfRange { .. } => "VolumeOutOfRange",
        R::VolumeStep { .. } => "VolumeStep",
        R::InvalidStops(_) => "InvalidStops",
        R::TooManyOrders(_) => "TooManyOrders",
        R::DailyLossLimit { .. } => "DailyLossLimit",
        R::OrderRate { .. } => "OrderRate",
        R::MaxPosition(_) => "MaxPosition",
        R::MaxExposure { .. } => "MaxExposure",
        R::MaxNotional { .. } => "MaxNotional",
        R::LeverageOutOfRange { .. } => "LeverageOutOfRange",
        R::NotOpposite(..) => "NotOpposite",
        R::WrongMode(_) => "WrongMode",
        R::DealBusted(_) => "DealBusted",
        R::NotCorrectable(_) => "NotCorrectable",
        R::NoRate { .. } => "NoRate",
        R::InsufficientMargin { .. } => "InsufficientMargin",
        R::PositionNotOpen(_) => "PositionNotOpen",
        R::OrderNotWorking(_) => "OrderNotWorking",
        R::DemoAccount => "DemoAccount",
        R::CurrencyMismatch { .. } => "CurrencyMismatch",
        R::FundingNotOpen(_) => "FundingNotOpen",
        R::TooManyFundingRequests(_) => "TooManyFundingRequests",
        R::InsufficientFunds { .. } => "InsufficientFunds",
        R::InvalidAmount(_) => "InvalidAmount",
        R::Overflow => "Overflow",
    }
}

#[derive(Clone, Debug, Default)]
pub struct Coverage {
    pub events: u64,
    by_event: BTreeMap<&'static str, u64>,
    by_rejection: BTreeMap<&'static str, u64>,
    asked: u64,
    accepted: u64,
    pub crashes: u64,
}

impl Coverage {
    pub fn facts(&mut self, events: &[AccountEvent]) {
        self.events += events.len() as u64;
        for event in events {
            *self.by_event.entry(event.event_type()).or_default() += 1;
        }
    }

    /// A refusal, of a command or of what the desk decided by itself.
    pub fn refusal(&mut self, decision: &Decision) {
        let of_positions = decision.outcomes.iter();
        let of_positions = of_positions.filter_map(|outcome| outcome.result.as_ref().err());
        for rejection in decision.refusal.iter().chain(of_positions) {
            *self.by_rejection.entry(name_of(rejection)).or_default() += 1;
        }
    }

    pub fn command(&mut self, decision: &Decision) {
        self.asked += 1;
        let accepted = decision.refusal.is_none() && !decision.events.is_empty();
        self.accepted += u64::from(accepted);
    }

    pub fn add(&mut self, other: &Self) {
        self.events += other.events;
        self.asked += other.asked;
        self.accepted += other.accepted;
        self.crashes += other.crashes;
        for (name, count) in &other.by_event {
            *self.by_event.entry(name).or_default() += count;
        }
        for (name, count) in &other.by_rejection {
            *self.by_rejection.entry(name).or_default() += count;
        }
    }

    /// Fails where something happened fewer than `least` times, or most was refused.
    pub fn assert_enough(&self, least: u64) {
        let seen = |of: &BTreeMap<&str, u64>, name: &str| of.get(name).copied().unwrap_or(0);
        let rare_events = EVENTS
            .iter()
            .filter(|name| seen(&self.by_event, name) < least);
        let rare_rejections = REJECTIONS
            .iter()
            .filter(|name| seen(&self.by_rejection, name) < least);
        let rare: Vec<_> = rare_events.chain(rare_rejections).collect();
        assert!(rare.is_empty(), "hardly ever seen: {rare:?} in {self:#?}");
        assert!(
            self.accepted * 10 >= self.asked * 3,
            "most commands were refused: {} of {}",
            self.asked - self.accepted,
            self.asked
        );
        assert!(self.crashes >= least, "{} crashes", self.crashes);
    }
}
