//! What an operator's command line may hand to the writer, and what it is told.

use daybook_domain::{
    AccountId, DealId, Decimal, EndpointCommand, EndpointId, Symbol,
    account::{Bucket, Controls},
    instrument::InstrumentChange,
};
use serde::{Deserialize, Serialize};

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
