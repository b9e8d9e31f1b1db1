//! Requests for money to come in or go out, and how far they have come.
//!
//! A withdrawal holds its amount from its request to its end. The client may take back what is
//! requested; everything else is staff's to decide.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::FundingId;

/// Which way the money goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FundingKind {
    /// In.
    Deposit,
    /// Out.
    Withdrawal,
}

/// How far a request has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FundingStatus {
    /// Asked for.
    Requested,
    /// Agreed to; no money has moved.
    Approved,
    /// The money has moved.
    Completed,
    /// Refused by staff.
    Rejected,
    /// Taken back by the client, or by the house with a balance gone negative.
    Cancelled,
}

/// What staff decide about a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FundingVerdict {
    /// Agree; no money moves.
    Approve,
    /// Say that the money has come, or is going.
    Complete,
    /// Refuse.
    Reject,
}

impl FundingStatus {
    /// The status after staff's verdict; none where the request is not open to it.
    #[rustfmt::skip]
    #[must_use]
    pub const fn after(self, verdict: FundingVerdict) -> Option<Self> {
        use FundingVerdict::{Approve, Complete, Reject};
        match (self, verdict) {
            (Self::Requested,                  Approve)  => Some(Self::Approved),
            (Self::Requested | Self::Approved, Complete) => Some(Self::Completed),
            (Self::Requested | Self::Approved, Reject)   => Some(Self::Rejected),
            (Self::Approved, Approve)
            | (
                Self::Completed | Self::Rejected | Self::Cancelled,
                Approve | Complete | Reject,
            ) => None,
        }
    }

    /// Whether the client may take the request back.
    #[must_use]
    pub const fn is_cancellable(self) -> bool {
        match self {
            Self::Requested => true,
            Self::Approved | Self::Completed | Self::Rejected | Self::Cancelled => false,
        }
    }
}

/// A request that is requested or approved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FundingRequest {
    /// Its identifier.
    pub request_id: FundingId,
    /// Which way the money goes.
    pub kind: FundingKind,
    /// How much, in the account's currency.
    pub amount: Decimal,
    /// The method of a deposit, the destination of a withdrawal: ciphertext under the client's key.
    pub channel: Box<str>,
    /// How far it has come.
    pub status: FundingStatus,
}
