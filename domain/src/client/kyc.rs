//! The checks that the law asks for, and the documents they rest on.

use serde::{Deserialize, Serialize};

use crate::{DocumentId, Timestamp};

/// Documents that a client may hand in.
pub const DOCUMENTS_MAX: usize = 20;

/// Where the checks stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KycStatus {
    /// Nothing was handed in.
    #[default]
    None,
    /// Somebody is looking at it.
    Pending,
    /// All is well.
    Approved,
    /// It is not.
    Rejected,
    /// It was, too long ago.
    Expired,
}

impl KycStatus {
    /// The name that is stored and shown.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Rejected => "rejected",
            Self::Expired => "expired",
        }
    }

    /// Whether somebody may decide so: what nobody was asked for does not come back.
    pub(super) const fn may_become(self, to: Self) -> bool {
        match (self, to) {
            (_, Self::Pending | Self::Approved | Self::Rejected)
            | (Self::Approved, Self::Expired) => true,
            (_, Self::None)
            | (Self::None | Self::Pending | Self::Rejected | Self::Expired, Self::Expired) => false,
        }
    }
}

/// What a document shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DocumentKind {
    /// A passport.
    Passport,
    /// A card of identity.
    IdCard,
    /// A licence to drive.
    DrivingLicence,
    /// Where the person lives.
    ProofOfAddress,
    /// Where the money comes from.
    SourceOfFunds,
    /// A photograph of the person.
    Selfie,
    /// Anything else.
    Other,
}

/// The file's format, as its content shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DocumentFormat {
    /// `application/pdf`.
    Pdf,
    /// `image/jpeg`.
    Jpeg,
    /// `image/png`.
    Png,
}

/// A document that was handed in; its bytes stand in the document store, sealed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KycDocument {
    /// Names it.
    pub document_id: DocumentId,
    /// What it shows.
    pub kind: DocumentKind,
    /// Its format.
    pub format: DocumentFormat,
    /// Bytes of the plain file.
    pub size: u64,
    /// Hex SHA-256 of the sealed bytes as they rest: a document that was swapped is noticed.
    pub sha256: String,
}

/// The state of a client's checks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kyc {
    /// Where they stand.
    pub status: KycStatus,
    /// For the client.
    pub notes: Option<String>,
    /// What was handed in, with file names and when.
    pub documents: Vec<(KycDocument, String, Timestamp)>,
}
