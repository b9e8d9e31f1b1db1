//! Every way a request can fail, and the one place that turns errors into HTTP.
//!
//! Messages of our own failures stay in the log; what a caller reads never repeats them.

mod code;
mod convert;

use std::sync::Arc;

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use daybook_domain::Decimal;
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

pub(crate) use code::Code;
pub use code::{ErrorEntry, error_catalogue};

/// One field that was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct FieldError {
    /// Name as in the request; nested names are joined with dots.
    #[schema(example = "volume")]
    pub(crate) field: String,
    /// What is wrong with it.
    #[schema(example = "must be greater than zero")]
    pub(crate) message: String,
}

/// What every failed request is answered with (`application/problem+json`).
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Problem)]
pub(crate) struct ProblemBody<'a> {
    /// Names the code as a URI.
    #[serde(rename = "type")]
    #[schema(example = "urn:daybook:error:insufficient_margin")]
    kind: String,
    /// Short text for people.
    #[schema(example = "Insufficient margin")]
    title: &'a str,
    /// HTTP status.
    #[schema(example = 422)]
    status: u16,
    /// What happened this time.
    #[schema(
        example = "margin and commission of 1087.30 USD exceed the free margin of 500.00 USD"
    )]
    detail: &'a str,
    /// Stable slug, see docs/ERRORS.md.
    #[schema(example = "insufficient_margin")]
    code: &'a str,
    /// Fields that were refused, where known.
    #[serde(skip_serializing_if = "<[FieldError]>::is_empty")]
    #[schema(required = false)]
    errors: &'a [FieldError],
    /// Names the request in our logs.
    #[schema(example = "01997d0a-5a3e-7d31-9a53-0a4f2f1c7a10")]
    request_id: &'a str,
    /// With `insufficient_funds` alone: the same text each time.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false)]
    error: Option<&'static str>,
    /// With `insufficient_funds` alone: a number with the currency's decimals.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false, value_type = Option<f64>)]
    required: Option<Box<RawValue>>,
    /// With `insufficient_funds` alone: a number with the currency's decimals.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false, value_type = Option<f64>)]
    available: Option<Box<RawValue>>,
}

/// What the contract says of money that is not there.
const INSUFFICIENT: &str = "Insufficient real funds for withdrawal";

/// A failed request, until the outermost layer renders it with the request's id.
#[derive(Clone, Debug)]
pub(crate) struct Problem(Arc<Inner>);

#[derive(Clone, Debug)]
struct Inner {
    code: Code,
    detail: String,
    errors: Vec<FieldError>,
    retry_after_s: Option<u64>,
    /// Of money: what is needed, and what is there.
    short: Option<(Decimal, Decimal)>,
}

/// A handler's result.
pub(crate) type Answered<T> = Result<T, Problem>;

impl Problem {
    /// A failure with its meaning as the detail.
    pub(crate) fn new(code: Code) -> Self {
        Self::with_detail(code, code.entry().meaning)
    }

    /// A failure that says what happened this time.
    pub(crate) fn with_detail(code: Code, detail: impl Into<String>) -> Self {
        let retry_after_s = (code.entry().status == 503).then_some(1);
        Self(Arc::new(Inner {
            code,
            detail: detail.into(),
            errors: Vec::new(),
            retry_after_s,
            short: None,
        }))
    }

    /// A refused field.
    pub(crate) fn field(code: Code, field: &str, message: impl Into<String>) -> Self {
        Self::fields(code, vec![FieldError::new(field, message)])
    }

    /// Refused fields; at least one.
    pub(crate) fn fields(code: Code, errors: Vec<FieldError>) -> Self {
        let described = errors
            .iter()
            .map(|error| format!("{}: {}", error.field, error.message));
        let detail = described.collect::<Vec<_>>().join("; ");
        let Self(inner) = Self::with_detail(code, detail);
        let inner = Inner {
            errors,
            ..Arc::unwrap_or_clone(inner)
        };
        Self(Arc::new(inner))
    }

    /// Says when to come back.
    pub(crate) fn retry_after(self, seconds: u64) -> Self {
        let inner = Inner {
            retry_after_s: Some(seconds.max(1)),
            ..Arc::unwrap_or_clone(self.0)
        };
        Self(Arc::new(inner))
    }

    /// Says how much money is needed and how much is there, each with its currency's decimals.
    pub(crate) fn short_of(self, required: Decimal, available: Decimal) -> Self {
        let inner = Inner {
            short: Some((required, available)),
            ..Arc::unwrap_or_clone(self.0)
        };
        Self(Arc::new(inner))
    }

    /// The generic failure of a status that a library below us answered with.
    pub(crate) fn of_status(status: StatusCode) -> Self {
        Self::new(match status.as_u16() {
            401 => Code::Unauthenticated,
            404 => Code::NotFound,
            405 => Code::MethodNotAllowed,
            406 | 426 => Code::NotAcceptable,
            413 => Code::PayloadTooLarge,
            414 => Code::UriTooLong,
            415 => Code::UnsupportedMediaType,
            429 => Code::RateLimited,
            431 => Code::HeadersTooLarge,
            408 | 503 | 504 => Code::Unavailable,
            400..=499 => Code::Malformed,
            _ => Code::Internal,
        })
    }

    pub(crate) fn code(&self) -> Code {
        self.0.code
    }

    pub(crate) fn status(&self) -> u16 {
        self.0.code.entry().status
    }

    #[cfg(test)]
    pub(crate) fn detail(&self) -> &str {
        &self.0.detail
    }

    pub(crate) fn retry_after_s(&self) -> Option<u64> {
        self.0.retry_after_s
    }

    /// The JSON text.
    pub(crate) fn body(&self, request_id: &str) -> String {
        let entry = self.0.code.entry();
        let body = ProblemBody {
            kind: format!("urn:daybook:error:{}", entry.code),
            title: entry.title,
            status: entry.status,
            detail: &self.0.detail,
            code: entry.code,
            errors: &self.0.errors,
            request_id,
            error: self.0.short.map(|_| INSUFFICIENT),
            required: self.0.short.map(|(required, _)| number(required)),
            available: self.0.short.map(|(_, available)| number(available)),
        };
        serde_json::to_string(&body).expect("invariant: a problem is plain text and numbers")
    }
}

/// A JSON number, digit for digit: never through a float.
fn number(amount: Decimal) -> Box<RawValue> {
    RawValue::from_string(amount.to_string()).expect("invariant: a decimal is a JSON number")
}

impl FieldError {
    pub(crate) fn new(field: &str, message: impl Into<String>) -> Self {
        Self {
            field: field.to_owned(),
            message: message.into(),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status());
        let mut response = status
            .expect("invariant: the catalogue holds HTTP statuses")
            .into_response();
        if self.status() == 401 {
            let challenge = HeaderValue::from_static("Bearer");
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, challenge);
        }
        response.extensions_mut().insert(self);
        response
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use daybook_domain::{AccountRejection, Currency, Money, Symbol};

    use super::*;

    #[test]
    fn slugs_are_unique_and_statuses_are_errors() {
        let catalogue = error_catalogue();
        let slugs: HashSet<_> = catalogue.iter().map(|entry| entry.code).collect();
        assert_eq!(slugs.len(), catalogue.len());
        assert!(
            catalogue
                .iter()
                .all(|entry| (400..600).contains(&entry.status))
        );
        assert!(
            catalogue
                .windows(2)
                .all(|pair| pair[0].status <= pair[1].status)
        );
    }

    #[test]
    fn a_rejection_keeps_the_slug_that_the_book_has() {
        let usd = Money::zero(Currency::USD);
        let symbol = Symbol::parse("EURUSD").unwrap();
        for rejection in [
            AccountRejection::UnknownSymbol(symbol),
            AccountRejection::InvalidOrder("x".to_owned()),
            AccountRejection::NoQuote(symbol),
            AccountRejection::MarketClosed(symbol),
            AccountRejection::TradingDisabled,
            AccountRejection::InsufficientMargin {
                required: usd,
                free: usd,
            },
            AccountRejection::InsufficientFunds {
                required: usd,
                available: usd,
            },
            AccountRejection::DemoAccount,
            AccountRejection::CurrencyMismatch {
                asked: Currency::EUR,
                currency: Currency::USD,
            },
            AccountRejection::FundingNotOpen(Default::default()),
            AccountRejection::TooManyFundingRequests(1),
            AccountRejection::PositionNotOpen(Default::default()),
            AccountRejection::OrderNotWorking(Default::default()),
            AccountRejection::Overflow,
        ] {
            assert_eq!(
                Problem::from(&rejection).code().entry().code,
                rejection.code()
            );
        }
    }

    #[test]
    fn a_problem_is_rendered_with_all_members_of_the_contract() {
        let problem = Problem::field(Code::InvalidValue, "volume", "must be greater than zero");
        assert_eq!(
            problem.body("r-1"),
            r#"{"type":"urn:daybook:error:invalid_value","title":"Invalid value","status":400,"detail":"volume: must be greater than zero","code":"invalid_value","errors":[{"field":"volume","message":"must be greater than zero"}],"requestId":"r-1"}"#
        );
        assert!(!Problem::new(Code::NotFound).body("r-2").contains("errors"));
    }

    #[test]
    fn money_that_is_not_there_is_told_in_numbers_with_their_decimals() {
        let usd = |text: &str| Money::rounded(text.parse().unwrap(), Currency::USD);
        let rejection = AccountRejection::InsufficientFunds {
            required: usd("500"),
            available: usd("250"),
        };
        assert_eq!(
            Problem::from(&rejection).body("r-1"),
            r#"{"type":"urn:daybook:error:insufficient_funds","title":"Insufficient funds","status":400,"detail":"250.00 USD is available, 500.00 USD is required","code":"insufficient_funds","requestId":"r-1","error":"Insufficient real funds for withdrawal","required":500.00,"available":250.00}"#
        );
    }

    #[test]
    fn everything_that_is_unavailable_says_when_to_come_back() {
        for entry in Code::ALL {
            let expected = (entry.entry().status == 503).then_some(1);
            assert_eq!(Problem::new(*entry).retry_after_s(), expected);
        }
    }
}
