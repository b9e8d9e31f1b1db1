//! What an operator's command line may hand to the writer, and what it is told.

use daybook_domain::{
    AccountId, ClientId, DealId, Decimal, EndpointCommand, EndpointId, FundingId, StaffId,
    StaffRole, Symbol,
    account::{Bucket, Controls, FundingVerdict},
    client::KycStatus,
    instrument::InstrumentChange,
};
use serde::{Deserialize, Serialize};

use super::staff::{Credentials, Newcomer, StaffChange};

/// A command of an operator, as it is stored between the command line and the writer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case", deny_unknown_fields)]
pub enum OperatorCommand {
    /// Change an instrument's terms.
    SetInstrument {
        /// Which.
        symbol: Symbol,
        /// The terms that change.
        change: Box<InstrumentChange>,
        /// For people.
        reason: Option<String>,
    },
    /// Undo a deal by compensation.
    BustDeal {
        /// Whose.
        account_id: AccountId,
        /// The deal.
        deal_id: DealId,
        /// For people.
        reason: String,
    },
    /// Correct a deal's price by compensation.
    RepriceDeal {
        /// Whose.
        account_id: AccountId,
        /// The deal.
        deal_id: DealId,
        /// The right price.
        price: Decimal,
        /// For people.
        reason: String,
    },
    /// Set an account's flags, limits and group, all of them.
    SetControls {
        /// Whose.
        account_id: AccountId,
        /// From now on.
        controls: Box<Controls>,
        /// For people.
        reason: Option<String>,
    },
    /// Change an account's leverage.
    ChangeLeverage {
        /// Whose.
        account_id: AccountId,
        /// 1:`leverage`.
        leverage: u32,
    },
    /// Move money without a trade.
    AdjustFunds {
        /// Whose.
        account_id: AccountId,
        /// Bucket.
        bucket: Bucket,
        /// Signed amount.
        amount: Decimal,
        /// For people.
        notes: Option<String>,
    },
    /// Decide about a deposit or withdrawal.
    DecideFunding {
        /// Whose.
        account_id: AccountId,
        /// The request.
        request_id: FundingId,
        /// What.
        verdict: FundingVerdict,
        /// Why, for people.
        reason: Option<String>,
        /// The payment's name elsewhere.
        reference: Option<String>,
    },
    /// Take somebody into staff.
    CreateStaff {
        /// Whom.
        staff_id: StaffId,
        /// What they may do.
        role: StaffRole,
        /// Dropped with the outcome, like `secrets` of any command.
        secrets: Box<Newcomer>,
    },
    /// Replace the password and the authenticator of a member of staff.
    ResetStaff {
        /// Whose.
        staff_id: StaffId,
        /// Dropped with the outcome, like `secrets` of any command.
        secrets: Box<Credentials>,
    },
    /// Change what a member of staff may do.
    ChangeStaff {
        /// Whose.
        staff_id: StaffId,
        /// What.
        change: StaffChange,
    },
    /// Change something about a client.
    Client {
        /// Who.
        client_id: ClientId,
        /// What.
        operation: ClientOperation,
    },
    /// Change an endpoint of webhooks, or what becomes of its deliveries.
    Endpoint {
        /// Which.
        endpoint: EndpointId,
        /// What. Secrets in it are sealed.
        command: EndpointCommand,
        /// The wrapped key that they are sealed under, in hexadecimal, of an endpoint that is new.
        key: Option<String>,
    },
}

/// What is asked about a client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum ClientOperation {
    /// Decide on the checks.
    ChangeKyc {
        /// From now on.
        status: KycStatus,
        /// For the client; personal, and so sealed as the event's field `notes`.
        notes: Option<String>,
    },
    /// Keep the client from signing in.
    Suspend {
        /// For people.
        reason: String,
    },
    /// Let the client sign in again.
    Reinstate,
    /// Make the person's data unreadable.
    Erase {
        /// For people.
        reason: String,
        /// Every account that the client had at `as_of`.
        accounts: Vec<AccountId>,
        /// A position of the book.
        as_of: i64,
    },
}

/// What became of an operator's command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum OperatorOutcome {
    /// Done.
    Done {
        /// Where it stands in the book.
        position: i64,
        /// Names of the events; none: it was so already.
        events: Vec<String>,
    },
    /// Refused by a rule; nothing happened.
    Refused {
        /// Stable slug.
        code: String,
        /// For people.
        detail: String,
    },
    /// Not executed.
    Failed {
        /// For people.
        detail: String,
    },
    /// No writer took it in time; it will not be executed.
    Withdrawn,
}
