//! Rows as readers get them, in the domain's types.

use daybook_domain::{
    AccountId, ClientId, Currency, DealId, Decimal, DocumentId, FundingId, OrderId, PositionId,
    Symbol, Timestamp,
    account::{
        AccountKind, AccountTerms, Controls, FundingKind, FundingStatus, Funds, Limits, Position,
        PositionMode, Ticket, event::CloseReason,
    },
    client::{DocumentFormat, DocumentKind, Flags, KycStatus},
    margin::FiguresInput,
    quote::Side,
};
use serde::{Deserialize, Serialize};

/// How far an order has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderStatus {
    /// Resting, triggered or not.
    Working,
    /// Filled whole.
    Filled,
    /// Ended without filling.
    Cancelled,
    /// Its time ran out.
    Expired,
    /// Refused by a rule, at placement or when it triggered.
    Rejected,
}

/// One person. Personal fields are ciphertext under the client's key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientRow {
    /// Identifier.
    pub client_id: ClientId,
    /// Sealed.
    pub email: String,
    /// Sealed.
    pub first_name: String,
    /// Sealed.
    pub last_name: String,
    /// Sealed.
    pub phone: Option<String>,
    /// Sealed.
    pub country: Option<String>,
    /// Whether the address is known to be theirs.
    pub email_verified: bool,
    /// Where the checks that the law asks for stand.
    pub kyc_status: KycStatus,
    /// For the client about them, sealed.
    pub kyc_notes: Option<String>,
    /// Whether a second factor is asked for.
    pub two_factor: bool,
    /// A slug.
    pub tier: String,
    /// What the CRM calls the person, sealed.
    pub external_id: Option<String>,
    /// May take no new risk.
    pub trading_disabled: bool,
    /// Flags of all accounts.
    pub flags: Flags,
    /// Limits of all accounts.
    pub limits: Limits,
    /// May not sign in.
    pub suspended: bool,
    /// The person's data are gone.
    pub erased: bool,
    /// Chosen default account.
    pub default_account_id: Option<AccountId>,
    /// When.
    pub registered_at: Timestamp,
    /// Position of the last event in this row.
    pub position: i64,
}

/// A document that a client handed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentRow {
    /// Names it.
    pub document_id: DocumentId,
    /// Whose.
    pub client_id: ClientId,
    /// What it shows.
    pub kind: DocumentKind,
    /// Its format.
    pub format: DocumentFormat,
    /// Bytes of the plain file.
    pub size: i64,
    /// Hex SHA-256 of the sealed bytes as they rest.
    pub sha256: String,
    /// Name of its file, sealed.
    pub name: String,
    /// When.
    pub uploaded_at: Timestamp,
    /// Position of its event.
    pub position: i64,
}

/// One account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountRow {
    /// Identifier.
    pub account_id: AccountId,
    /// Owner.
    pub client_id: ClientId,
    /// The number people use.
    pub number: u64,
    /// Live or demo.
    pub kind: AccountKind,
    /// Hedging or netting.
    pub mode: PositionMode,
    /// Currency of every amount.
    pub currency: Currency,
    /// 1:`leverage`.
    pub leverage: u32,
    /// Money.
    pub funds: Funds,
    /// Flags, limits and group.
    pub controls: Controls,
    /// Whether a margin call stands.
    pub margin_called: bool,
    /// When it opened.
    pub opened_at: Timestamp,
    /// Position of its first event.
    pub opened_position: i64,
    /// Sequence of its last event.
    pub sequence: i64,
    /// Position of its last event.
    pub position: i64,
}

impl AccountRow {
    /// The terms, as the account's state has them.
    #[must_use]
    pub const fn terms(&self) -> AccountTerms {
        AccountTerms {
            client_id: self.client_id,
            number: self.number,
            kind: self.kind,
            mode: self.mode,
            currency: self.currency,
            leverage: self.leverage,
            opened_at: self.opened_at,
        }
    }

    /// The leverage that counts: what was agreed, within the account's own limit.
    #[must_use]
    pub fn effective_leverage(&self) -> u32 {
        let most = self.controls.limits.max_leverage;
        most.map_or(self.leverage, |most| self.leverage.min(most))
    }

    /// What `domain::margin::figures` needs.
    #[must_use]
    pub fn figures_input<'a>(&'a self, positions: &'a [Position]) -> FiguresInput<'a> {
        FiguresInput {
            kind: self.kind,
            currency: self.currency,
            leverage: self.effective_leverage(),
            group: self.controls.group.as_deref(),
            funds: &self.funds,
            positions,
        }
    }
}

/// One order, from its placement to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderRow {
    /// Identifier.
    pub order_id: OrderId,
    /// Account.
    pub account_id: AccountId,
    /// Owner.
    pub client_id: ClientId,
    /// What was asked, as modified since.
    pub ticket: Ticket,
    /// How far it has come.
    pub status: OrderStatus,
    /// Whether its stop was touched.
    pub triggered: bool,
    /// Why it was rejected or cancelled.
    pub reason: Option<String>,
    /// The position it opened or increased; of a netting account also the one it reduced.
    pub position_id: Option<PositionId>,
    /// When it was placed.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Position of its first event.
    pub created_position: i64,
    /// Position of the last event in this row.
    pub position: i64,
}

/// One deposit or withdrawal, from its asking to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FundingRow {
    /// Identifier.
    pub request_id: FundingId,
    /// Account.
    pub account_id: AccountId,
    /// Owner.
    pub client_id: ClientId,
    /// Which way the money goes.
    pub kind: FundingKind,
    /// How much.
    pub amount: Decimal,
    /// The account's currency.
    pub currency: Currency,
    /// How far it has come.
    pub status: FundingStatus,
    /// How a deposit comes: sealed under the client's key as `method`.
    pub method: Option<String>,
    /// Where a withdrawal goes: sealed as `destination`.
    pub destination: Option<String>,
    /// Why staff decided as they did, or why it ended without them.
    pub reason: Option<String>,
    /// The payment's name elsewhere.
    pub reference: Option<String>,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Position of its first event.
    pub created_position: i64,
    /// Position of the last event in this row.
    pub position: i64,
}

impl FundingRow {
    /// Whether money has left by it.
    #[must_use]
    pub fn is_paid_out(&self) -> bool {
        self.kind == FundingKind::Withdrawal && self.status == FundingStatus::Completed
    }
}

/// A position and whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PositionState {
    /// The position; its volume is zero once closed.
    pub position: Position,
    /// Account.
    pub account_id: AccountId,
    /// Owner.
    pub client_id: ClientId,
    /// When it was closed.
    pub closed_at: Option<Timestamp>,
}

/// What a row of deals is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DealKind {
    /// A deal.
    Deal,
    /// One was undone: the row holds what was given back.
    Bust,
    /// One has another price: the row holds it, and the difference in money.
    Reprice,
}

/// One deal, or the correction of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DealRow {
    /// What it is.
    pub kind: DealKind,
    /// Identifier; names the execution receipt. A correction has that of its deal.
    pub deal_id: DealId,
    /// Account.
    pub account_id: AccountId,
    /// Owner.
    pub client_id: ClientId,
    /// The order that filled; none for a closing deal, unless an opposite order of a netting
    /// account dealt.
    pub order_id: Option<OrderId>,
    /// The position it opened, reduced or closed.
    pub position_id: PositionId,
    /// Instrument.
    pub symbol: Symbol,
    /// Side of the deal.
    pub side: Side,
    /// Lots.
    pub volume: Decimal,
    /// The price dealt at.
    pub price: Decimal,
    /// Currency of the amounts: the account's.
    pub currency: Currency,
    /// Price profit alone; zero for an opening deal.
    pub realised: Decimal,
    /// Commission charged; what a correction gives back is negative.
    pub commission: Decimal,
    /// Swap posted.
    pub swap: Decimal,
    /// Why it closed; none for an opening deal.
    pub reason: Option<CloseReason>,
    /// Why it was corrected, for people.
    pub note: Option<String>,
    /// When.
    pub at: Timestamp,
    /// Stream of its event, `account-{uuid}`.
    pub stream: String,
    /// Sequence of its event.
    pub sequence: i64,
    /// Position of its event.
    pub position: i64,
}
