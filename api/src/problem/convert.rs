//! Which problem each error of the layers below becomes.

use daybook_documents::DocumentError;
use daybook_domain::{AccountRejection, ClientRejection, EndpointRejection, StaffRejection};
use daybook_engine::EngineError;
use daybook_mail::HeldError;
use daybook_projections::ReadError;
use daybook_relay::RelayError;
use daybook_store::StoreError;

use super::{Code, Problem};

impl From<&AccountRejection> for Problem {
    fn from(rejection: &AccountRejection) -> Self {
        use AccountRejection as R;
        let code = match rejection {
            R::NotOpen => return Self::new(Code::NotFound),
            R::AlreadyOpen => Code::Conflict,
            R::UnknownSymbol(_) => Code::UnknownSymbol,
            R::InvalidOrder(message) => return invalid_order(message),
            R::NoQuote(_) | R::NoRate { .. } => Code::NoQuote,
            R::InstrumentDisabled(_) => Code::InstrumentDisabled,
            R::CloseOnly(_) => Code::CloseOnly,
            R::TradingDisabled => Code::TradingDisabled,
            R::MarketClosed(_) => Code::MarketClosed,
            R::StaleQuote { .. } => Code::StaleQuote,
            R::VolumeOutOfRange { .. } => Code::VolumeOutOfRange,
            R::VolumeStep { .. } => Code::VolumeStep,
            R::InvalidStops(_) => Code::InvalidStops,
            R::TooManyOrders(_) => Code::TooManyOrders,
            R::DailyLossLimit { .. } => Code::DailyLossLimit,
            R::OrderRate { retry_after_ms, .. } => {
                let problem = Self::with_detail(Code::OrderRate, rejection.to_string());
                return problem.retry_after(retry_after_ms.div_ceil(1_000));
            }
            R::MaxPosition(_) | R::MaxExposure { .. } | R::MaxNotional { .. } => Code::MaxPosition,
            R::LeverageOutOfRange { .. } => Code::LeverageOutOfRange,
            R::NotOpposite(..) => Code::NotOpposite,
            R::WrongMode(_) => Code::WrongMode,
            R::DealBusted(_) => Code::DealBusted,
            R::NotCorrectable(_) => Code::NotCorrectable,
            R::InsufficientMargin { .. } => Code::InsufficientMargin,
            R::PositionNotOpen(_) => Code::PositionNotOpen,
            R::OrderNotWorking(_) => Code::OrderNotWorking,
            R::InvalidTerms(_) => Code::InvalidTerms,
            R::InsufficientFunds {
                required,
                available,
            } => {
                let problem = Self::with_detail(Code::InsufficientFunds, rejection.to_string());
                return problem.short_of(required.amount, available.amount);
            }
            R::DemoAccount => Code::DemoAccount,
            R::CurrencyMismatch { .. } => Code::CurrencyMismatch,
            R::FundingNotOpen(_) => Code::FundingNotOpen,
            R::TooManyFundingRequests(_) => Code::TooManyFundingRequests,
            R::InvalidAmount(_) => Code::InvalidAmount,
            R::Overflow => Code::Overflow,
        };
        Self::with_detail(code, rejection.to_string())
    }
}

/// The domain's message begins with the field where one field is to blame.
fn invalid_order(message: &str) -> Problem {
    const FIELDS: [&str; 9] = [
        "volume",
        "limitPrice",
        "stopPrice",
        "stopLoss",
        "takeProfit",
        "trailingDistance",
        "expiresAt",
        "ocoGroup",
        "clientOrderId",
    ];
    let (first, rest) = message.split_once(' ').unwrap_or((message, ""));
    if FIELDS.contains(&first) {
        Problem::field(Code::InvalidOrder, first, rest)
    } else {
        Problem::with_detail(Code::InvalidOrder, message)
    }
}

impl From<&ClientRejection> for Problem {
    fn from(rejection: &ClientRejection) -> Self {
        match rejection {
            ClientRejection::AlreadyRegistered => Self::new(Code::Conflict),
            ClientRejection::NotRegistered | ClientRejection::Erased => Self::new(Code::NotFound),
            ClientRejection::Suspended => Self::new(Code::ClientSuspended),
            ClientRejection::ResetLinkSpent => Self::new(Code::InvalidToken),
            ClientRejection::CodeUsed => Self::new(Code::WrongFactor),
            ClientRejection::TwoFactorRequired => Self::new(Code::TotpRequired),
            ClientRejection::TwoFactorOn => Self::new(Code::TwoFactorOn),
            ClientRejection::TwoFactorOff => Self::new(Code::TwoFactorOff),
            ClientRejection::TooManyDocuments { .. } => Self::new(Code::TooManyDocuments),
            ClientRejection::KycStep | ClientRejection::LinkedOtherwise => {
                Self::with_detail(Code::Conflict, rejection.to_string())
            }
            ClientRejection::InvalidField { field, message } => {
                Self::field(Code::InvalidValue, field, message.clone())
            }
        }
    }
}

impl From<&StaffRejection> for Problem {
    fn from(rejection: &StaffRejection) -> Self {
        match rejection {
            StaffRejection::AlreadyCreated => Self::new(Code::Conflict),
            StaffRejection::NotCreated => Self::new(Code::NotFound),
            StaffRejection::Disabled => Self::new(Code::StaffDisabled),
            StaffRejection::CodeRequired => Self::new(Code::TotpRequired),
            StaffRejection::CodeUsed => Self::new(Code::WrongFactor),
            StaffRejection::InvalidField { field, message } => {
                Self::field(Code::InvalidValue, field, message.clone())
            }
        }
    }
}

impl From<&EndpointRejection> for Problem {
    fn from(rejection: &EndpointRejection) -> Self {
        match rejection {
            EndpointRejection::AlreadyExists => Self::new(Code::Conflict),
            EndpointRejection::NotFound => Self::new(Code::NotFound),
            EndpointRejection::SetByEnvironment(_) => {
                Self::with_detail(Code::Conflict, rejection.to_string())
            }
            EndpointRejection::InvalidField { field, message } => {
                Self::field(Code::InvalidValue, field, message.clone())
            }
        }
    }
}

/// Logged whole here; the caller reads the code's meaning.
fn failed(code: Code, error: &dyn std::error::Error) -> Problem {
    let mut chain = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        chain = format!("{chain}: {cause}");
        source = cause.source();
    }
    tracing::error!(code = code.entry().code, error = chain, "request failed");
    Problem::new(code)
}

impl From<EngineError> for Problem {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::NotLeader => Self::new(Code::NotLeader),
            EngineError::Overloaded => Self::new(Code::Overloaded),
            EngineError::Unavailable => Self::new(Code::Unavailable),
            EngineError::NotFound => Self::new(Code::NotFound),
            EngineError::IdempotencyKeyReused => Self::new(Code::IdempotencyKeyReused),
            EngineError::UniqueTaken { .. } => Self::new(Code::Conflict),
            EngineError::ClientRefused(rejection) => Self::from(&rejection),
            EngineError::StaffRefused(rejection) => Self::from(&rejection),
            EngineError::AccountRefused(rejection) => Self::from(&rejection),
            EngineError::NotSettled { .. } => {
                Self::with_detail(Code::ClientNotSettled, error.to_string())
            }
            EngineError::InstrumentRefused(rejection) => {
                Self::with_detail(Code::InvalidTerms, rejection.to_string())
            }
            EngineError::EndpointRefused(rejection) => Self::from(&rejection),
            EngineError::Corrupt(_) => failed(Code::Internal, &error),
            EngineError::Store(error) => error.into(),
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match &error {
            StoreError::Database(_) => failed(Code::Unavailable, &error),
            // Whoever is erased is nobody any more; a token may outlive its client by minutes.
            StoreError::Erased(_) => Self::new(Code::Unauthenticated),
            StoreError::Migration(_) | StoreError::Corrupt { .. } | StoreError::Key(_) => {
                failed(Code::Internal, &error)
            }
        }
    }
}

impl From<DocumentError> for Problem {
    fn from(error: DocumentError) -> Self {
        match error {
            DocumentError::Unavailable(_) => failed(Code::Unavailable, &error),
            DocumentError::Key(error) => error.into(),
            DocumentError::Missing(_) | DocumentError::Altered(_) | DocumentError::Settings(_) => {
                failed(Code::Internal, &error)
            }
        }
    }
}

impl From<HeldError> for Problem {
    fn from(error: HeldError) -> Self {
        match error {
            HeldError::Store(error) => error.into(),
            HeldError::Kept(_) => failed(Code::Internal, &error),
        }
    }
}

impl From<ReadError> for Problem {
    fn from(error: ReadError) -> Self {
        match &error {
            ReadError::Behind { .. } => Self::with_detail(Code::ReadModelBehind, error.to_string()),
            ReadError::Database(_) => failed(Code::Unavailable, &error),
            ReadError::Unknown(_) | ReadError::Corrupt(_) => failed(Code::Internal, &error),
        }
    }
}

impl From<RelayError> for Problem {
    fn from(error: RelayError) -> Self {
        failed(Code::Unavailable, &error)
    }
}
