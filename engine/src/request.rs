//! What callers hand to the engine, and what they get back.

use daybook_domain::{
    Account, AccountCommand, AccountId, Client, ClientCommand, ClientEvent, ClientId,
    ClientRejection, Currency, DealId, Decimal, Timestamp,
    account::{AccountKind, Bucket, Decision, PositionMode},
    client::Registration,
};
use daybook_store::{NewKey, NewSession, SecretRow, SubjectKey};

/// Who asks, why and from where: kept with every event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// `client:{id}`, `crm:{operator}`, `system`, `cli`.
    pub actor: String,
    /// In whose place, where it is not the actor's own: `client:{id}`.
    pub on_behalf_of: Option<String>,
    /// Why, in the field's terms: `place_order`.
    pub reason: String,
    /// The request that caused it.
    pub correlation_id: String,
    /// Address, sealed under the client's key.
    pub ip: Option<String>,
    /// User agent, sealed under the client's key.
    pub user_agent: Option<String>,
}

/// A key under which the answer is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyRequest {
    /// Caller and route: `{client_id} POST /trading/order`.
    pub scope: String,
    /// The caller's key.
    pub key: String,
    /// SHA-256 of path and body.
    pub request_hash: [u8; 32],
}

/// What was decided, for rendering the answer before the commit: it is stored beside the events.
#[derive(Clone, Copy, Debug)]
pub struct Outcome<'a> {
    /// The account after the decision.
    pub account: &'a Account,
    /// The decision.
    pub decision: &'a Decision,
    /// When it was made.
    pub at: Timestamp,
}

/// An answer, ready to be sent and stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Body, byte for byte.
    pub body: String,
    /// Whether an idempotency key keeps it: successes and refusals by a rule.
    pub keep: bool,
}

/// Renders the answer to an account's command. Called again when a failed append makes the engine
/// decide again, hence `Fn`.
pub type Render = Box<dyn Fn(&Outcome<'_>) -> Answer + Send>;

/// Renders the answer to a client's command.
pub type RenderClient = Box<dyn Fn(Result<&Client, &ClientRejection>) -> Answer + Send>;

/// A command to an account.
pub struct Request {
    /// Who asks; the account has to be theirs.
    pub client_id: ClientId,
    /// The account.
    pub account_id: AccountId,
    /// What is asked.
    pub command: AccountCommand,
    /// Who, why, from where.
    pub origin: Origin,
    /// The key of the answer, if the caller gave one.
    pub idempotency: Option<IdempotencyRequest>,
    /// Renders the answer.
    pub render: Render,
}

/// What a caller gets, after the commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// Body, byte for byte.
    pub body: String,
    /// Position it was committed at.
    pub position: i64,
    /// The answer was given before, to the same key.
    pub replayed: bool,
}

/// An account to be opened with a registration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewAccount {
    /// Its identifier.
    pub account_id: AccountId,
    /// Its number, from the store's sequence.
    pub number: u64,
    /// Live or demo.
    pub kind: AccountKind,
    /// Hedging or netting.
    pub mode: PositionMode,
    /// Currency.
    pub currency: Currency,
    /// 1:`leverage`.
    pub leverage: u32,
    /// What it starts with.
    pub funds: Option<(Bucket, Decimal)>,
}

/// A person signs up.
pub struct RegisterRequest {
    /// The new client.
    pub client_id: ClientId,
    /// What is known of them.
    pub registration: Registration,
    /// Keyed hash of the address: unique.
    pub email_hash: String,
    /// Argon2id hash of the password; none: the person chooses one by a link.
    pub password_hash: Option<String>,
    /// What is decided about the client at once.
    pub further: Vec<ClientCommand>,
    /// Accounts opened in the same append.
    pub accounts: Vec<NewAccount>,
    /// The client's data key.
    pub key: SubjectKey,
    /// The same, wrapped, to be stored.
    pub new_key: NewKey,
    /// Who, why, from where.
    pub origin: Origin,
    /// The key of the answer, if the caller gave one.
    pub idempotency: Option<IdempotencyRequest>,
    /// The answer that is kept under it.
    pub answer: Answer,
}

/// One more account of a client who has registered.
pub struct OpenAccountRequest {
    /// Whose.
    pub client_id: ClientId,
    /// The account.
    pub account: NewAccount,
    /// Who, why, from where.
    pub origin: Origin,
    /// The key of the answer, if the caller gave one.
    pub idempotency: Option<IdempotencyRequest>,
    /// Renders the answer.
    pub render: Render,
}

/// Staff ask something of an account, whoever owns it.
pub struct StaffRequest {
    /// The account.
    pub account_id: AccountId,
    /// What is asked.
    pub command: AccountCommand,
    /// Who, why, from where.
    pub origin: Origin,
    /// The key of the answer, if the caller gave one.
    pub idempotency: Option<IdempotencyRequest>,
    /// Renders the answer.
    pub render: Render,
}

/// What is corrected about a deal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Correction {
    /// It is undone.
    Bust,
    /// It has another price.
    Reprice(Decimal),
}

/// A deal is corrected by compensation.
pub struct CorrectionRequest {
    /// Whose.
    pub account_id: AccountId,
    /// The deal.
    pub deal_id: DealId,
    /// What.
    pub correction: Correction,
    /// For people.
    pub reason: String,
    /// Who, why, from where.
    pub origin: Origin,
    /// The key of the answer, if the caller gave one.
    pub idempotency: Option<IdempotencyRequest>,
    /// Renders the answer.
    pub render: Render,
}

/// A command to a client's own stream.
pub struct ClientRequest {
    /// Whose.
    pub client_id: ClientId,
    /// What is asked.
    pub command: ClientCommand,
    /// The client's data key.
    pub key: SubjectKey,
    /// Who, why, from where.
    pub origin: Origin,
    /// The key of the answer, if the caller gave one.
    pub idempotency: Option<IdempotencyRequest>,
    /// Renders the answer.
    pub render: RenderClient,
}

/// A command to a client's own stream that nobody repeats under a key.
pub struct PersonRequest {
    /// Whose.
    pub client_id: ClientId,
    /// What is asked.
    pub command: ClientCommand,
    /// The client's data key.
    pub key: SubjectKey,
    /// Who, why, from where.
    pub origin: Origin,
    /// Kept with the events, if there are any.
    pub secrets: Vec<SecretRow>,
    /// Begins with the event that says so, if there is one.
    pub session: Option<Box<NewSession>>,
}

/// Somebody else than the client changes what holds for them, and so for their accounts: all of it
/// in one append.
pub struct ChangeClientRequest {
    /// Whose.
    pub client_id: ClientId,
    /// What is asked, in order.
    pub commands: Vec<ClientCommand>,
    /// The client's data key.
    pub key: SubjectKey,
    /// Every account that the client had at `as_of`.
    pub accounts: Vec<AccountId>,
    /// Position of the book up to which `accounts` are known; later ones are looked for.
    pub as_of: i64,
    /// Who, why, from where.
    pub origin: Origin,
    /// The key of the answer, if the caller gave one.
    pub idempotency: Option<IdempotencyRequest>,
    /// The answer, unless a rule refuses.
    pub answer: Answer,
}

/// A person's data are to be made unreadable.
#[derive(Clone, Debug)]
pub struct EraseRequest {
    /// Whose.
    pub client_id: ClientId,
    /// Why, for people.
    pub reason: String,
    /// Every account that the client had at `as_of`.
    pub accounts: Vec<AccountId>,
    /// Position of the book up to which `accounts` are known; later ones are looked for.
    pub as_of: i64,
    /// Who, why, from where.
    pub origin: Origin,
}

/// What became of an erasure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Erased {
    /// Names of the events; none: it was so already.
    pub events: Vec<&'static str>,
    /// Position it was committed at.
    pub position: i64,
}

/// What became of it.
#[derive(Clone, Debug)]
pub struct PersonReply {
    /// The client after it.
    pub client: Client,
    /// What was decided; nothing where it was so already.
    pub events: Vec<ClientEvent>,
    /// Position it was committed at.
    pub position: i64,
}
