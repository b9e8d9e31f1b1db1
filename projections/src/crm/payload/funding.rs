//! `deposit.*` and `withdrawal.*`.

use serde::Serialize;

/// A deposit that was asked for, or has come.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct DepositData {
    /// The account's owner.
    pub(crate) client_id: String,
    /// The account.
    pub(crate) account_id: String,
    /// The request.
    pub(crate) request_id: String,
    /// How much, in `currency`.
    pub(crate) amount: String,
    /// The account's currency.
    pub(crate) currency: String,
    /// How it comes; null once the client was erased.
    pub(crate) method: Option<String>,
}

/// A withdrawal that was asked for, or has gone.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct WithdrawalData {
    /// The account's owner.
    pub(crate) client_id: String,
    /// The account.
    pub(crate) account_id: String,
    /// The request.
    pub(crate) request_id: String,
    /// How much, in `currency`.
    pub(crate) amount: String,
    /// The account's currency.
    pub(crate) currency: String,
    /// Where it goes; null once the client was erased.
    pub(crate) destination: Option<String>,
}

/// Where a deposit or withdrawal stands from now on.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct FundingData {
    /// The account's owner.
    pub(crate) client_id: String,
    /// The account.
    pub(crate) account_id: String,
    /// The request.
    pub(crate) request_id: String,
    /// `approved`, `rejected` or `cancelled`.
    pub(crate) status: String,
    /// Why: staff's words, or `client` or `negative_balance` of one that was cancelled.
    pub(crate) reason: Option<String>,
    /// The payment's name elsewhere.
    pub(crate) reference: Option<String>,
}
