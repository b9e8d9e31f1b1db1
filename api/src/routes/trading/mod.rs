//! Trading: the account, orders, positions, deals. **Permission:** the account's own client.

pub(crate) mod account;
pub(crate) mod close;
pub(crate) mod history;
pub(crate) mod items;
pub(crate) mod order;
pub(crate) mod place;
pub(crate) mod position;
pub(crate) mod preview;
pub(crate) mod receipt;
pub(crate) mod statement;

use daybook_domain::{
    AccountId, ClientId, FundingId, OrderId, PositionId, account::AccountKind, client::KycStatus,
};
use daybook_projections::{AccountRow, names};
use uuid::Uuid;

use crate::{
    app::{AccountRef, App},
    extract::{Command, Fresh, SignedIn, parameter},
    problem::{Answered, Code, Problem},
};

/// The account a read is about, once it and `models` are fresh: the one named, else the default
/// one. Somebody else's is absent.
pub(crate) async fn read_account(
    app: &App,
    client: SignedIn,
    fresh: &Fresh,
    account_id: Option<&str>,
    models: &[&str],
) -> Answered<AccountRow> {
    fresh.wait(&[names::CLIENTS, names::ACCOUNTS]).await?;
    fresh.wait(models).await?;
    let client = client.client_id();
    let account_id = parameter("accountId", account_id, "must be an identifier")?;
    let account_id = match account_id {
        Some(id) => id,
        None => default_account(app, client).await?,
    };
    let row = app.handles.reads.account(account_id).await?;
    let row = row.filter(|row| row.client_id == client);
    row.ok_or_else(|| Problem::new(Code::NotFound))
}

/// The chosen default account, else the demo account.
pub(crate) async fn default_account(app: &App, client: ClientId) -> Answered<AccountId> {
    let row = app.handles.reads.client(client).await?;
    let chosen = row.and_then(|row| row.default_account_id);
    match chosen {
        Some(account_id) => Ok(account_id),
        None => demo_account(app, client).await,
    }
}

/// The default account until another is chosen.
pub(crate) async fn demo_account(app: &App, client: ClientId) -> Answered<AccountId> {
    let accounts = app.handles.reads.accounts_of(client).await?;
    let demo = accounts.iter().find(|row| row.kind == AccountKind::Demo);
    let chosen = demo.or_else(|| accounts.first());
    let chosen = chosen.ok_or_else(|| Problem::new(Code::NotFound))?;
    Ok(chosen.account_id)
}

/// The account that a command is for. Commands cost no query once the account is known.
pub(crate) async fn command_account(
    app: &App,
    client: ClientId,
    account_id: Option<AccountId>,
) -> Answered<AccountRef> {
    let account_id = match account_id.or_else(|| app.default_accounts.get(&client)) {
        Some(account_id) => account_id,
        None => {
            wait_for_profile(app, client).await?;
            let found = default_account(app, client).await?;
            // A choice acknowledged meanwhile is newer than what was read.
            app.default_accounts.update(client, found, |kept| *kept)
        }
    };
    if let Some(known) = app.accounts.get(&account_id) {
        return own(known, client);
    }
    wait_for_profile(app, client).await?;
    let row = app.handles.reads.account(account_id).await?;
    let known = AccountRef::from(&row.ok_or_else(|| Problem::new(Code::NotFound))?);
    app.accounts.insert(account_id, known);
    own(known, client)
}

/// Accounts come into being with a registration; its read model may not have caught up yet.
async fn wait_for_profile(app: &App, client: ClientId) -> Answered<()> {
    let known = app.acknowledged.get(&client).unwrap_or_default();
    app.wait_for(&[names::CLIENTS, names::ACCOUNTS], known.profile)
        .await
}

fn own(account: AccountRef, client: ClientId) -> Answered<AccountRef> {
    if account.client_id == client {
        Ok(account)
    } else {
        Err(Problem::new(Code::NotFound))
    }
}

/// Live money is for clients with a verified address and, where the house asks for them, approved
/// documents.
pub(crate) async fn may_trade(app: &App, account: &AccountRef) -> Answered<()> {
    let client = account.client_id;
    let asks_for_kyc = app.handles.config.live_requires_kyc;
    let known = app.verified.get(&client).is_some() && !asks_for_kyc;
    if account.kind == AccountKind::Demo || known {
        return Ok(());
    }
    wait_for_profile(app, client).await?;
    let row = app.handles.reads.client(client).await?;
    let row = row.ok_or_else(|| Problem::new(Code::NotFound))?;
    if !row.email_verified {
        return Err(Problem::new(Code::EmailUnverified));
    }
    app.verified.insert(client, ());
    if asks_for_kyc && row.kyc_status != KycStatus::Approved {
        return Err(Problem::new(Code::KycRequired));
    }
    Ok(())
}

/// What a command is about besides its account.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Thing {
    Order(OrderId),
    /// Open or closed.
    Position(PositionId),
    /// A deposit or withdrawal, open or ended.
    Funding(FundingId),
}

impl Thing {
    const fn id(self) -> Uuid {
        match self {
            Self::Order(id) => id.0,
            Self::Position(id) => id.0,
            Self::Funding(id) => id.0,
        }
    }

    const fn model(self) -> &'static str {
        match self {
            Self::Order(_) => names::ORDERS,
            Self::Position(_) => names::POSITIONS,
            Self::Funding(_) => names::FUNDING,
        }
    }

    async fn account_id(self, app: &App) -> Answered<Option<AccountId>> {
        let reads = &app.handles.reads;
        Ok(match self {
            Self::Order(id) => reads.order(id).await?.map(|row| row.account_id),
            Self::Position(id) => reads
                .position_account(id)
                .await?
                .map(|(account, _)| account),
            Self::Funding(id) => reads.funding_request(id).await?.map(|row| row.account_id),
        })
    }
}

/// The account of an order, position, deposit or withdrawal: remembered from its making, else looked up, else looked up
/// again once the read model has reached what the book held when the request came in.
pub(crate) async fn thing_account(
    app: &App,
    command: &Command,
    thing: Thing,
    named: Option<AccountId>,
) -> Answered<AccountRef> {
    let client = command.client_id;
    let account = if let Some(known) = app.owners.get(&thing.id()) {
        own(known, client)?
    } else {
        let committed = *app.handles.store.committed().borrow();
        let mut account_id = thing.account_id(app).await?;
        if account_id.is_none() {
            app.wait_for(&[thing.model()], committed).await?;
            account_id = thing.account_id(app).await?;
        }
        let account_id = account_id.ok_or_else(|| Problem::new(Code::NotFound))?;
        command_account(app, client, Some(account_id)).await?
    };
    if named.is_some_and(|named| named != account.account_id) {
        return Err(Problem::new(Code::NotFound));
    }
    Ok(account)
}
