//! What the routes share: the handles, and what this process remembers between requests.

use std::sync::Arc;

use axum::extract::FromRef;
use daybook_domain::{
    AccountId, ClientId, Currency, Instrument, Market, Symbol, account::AccountKind,
};
use daybook_engine::{Engine, Origin};
use daybook_mail::{HeldMails, Links};
use daybook_projections::AccountRow;
use uuid::Uuid;

use crate::{
    auth::{
        captcha::Captcha,
        ended::Ended,
        guard::SignInGuard,
        password::Passwords,
        sso::SsoTokens,
        token::{Identity, StaffIdentity, Tokens},
    },
    bounded::Bounded,
    perimeter::Perimeter,
    problem::{Answered, Code, Problem},
    rate_limit::RateLimits,
    request::RequestInfo,
    state::ApiState,
    stream::live::Live,
};

const REMEMBERED_MAX: usize = 50_000;

/// The routes' state.
pub(crate) type Shared = Arc<App>;

/// What of an account never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AccountRef {
    pub(crate) account_id: AccountId,
    pub(crate) client_id: ClientId,
    pub(crate) kind: AccountKind,
    pub(crate) currency: Currency,
}

/// Positions of a client's own acknowledged commands, which the client's reads wait for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Acknowledged {
    /// Of any command.
    pub(crate) any: i64,
    /// Of registration and profile.
    pub(crate) profile: i64,
}

/// Handles and memories. Everything remembered is a cache: losing it costs a look-up.
pub(crate) struct App {
    pub(crate) handles: ApiState,
    pub(crate) tokens: Tokens,
    pub(crate) sso: SsoTokens,
    pub(crate) links: Links,
    pub(crate) mails: HeldMails,
    pub(crate) passwords: Passwords,
    pub(crate) ended: Arc<Ended>,
    pub(crate) sign_ins: SignInGuard,
    pub(crate) captcha: Captcha,
    pub(crate) perimeter: Perimeter,
    pub(crate) rate_limits: RateLimits,
    pub(crate) live: Live,
    /// By client.
    pub(crate) acknowledged: Bounded<ClientId, Acknowledged>,
    /// Owners of orders, positions and funding requests acknowledged here, before the read models
    /// know them.
    pub(crate) owners: Bounded<Uuid, AccountRef>,
    pub(crate) accounts: Bounded<AccountId, AccountRef>,
    /// Filled by the command path alone, thus on the leader alone, where every change passes too.
    pub(crate) default_accounts: Bounded<ClientId, AccountId>,
    /// Clients whose address is verified: it stays so.
    pub(crate) verified: Bounded<ClientId, ()>,
    /// Held while a client's accounts are counted and one more is opened.
    pub(crate) openings: tokio::sync::Mutex<()>,
}

impl From<&AccountRow> for AccountRef {
    fn from(row: &AccountRow) -> Self {
        Self {
            account_id: row.account_id,
            client_id: row.client_id,
            kind: row.kind,
            currency: row.currency,
        }
    }
}

impl App {
    pub(crate) fn new(handles: ApiState) -> Self {
        let config = Arc::clone(&handles.config);
        Self {
            tokens: Tokens::new(&config),
            sso: SsoTokens::new(&config.impersonation),
            links: Links::new(
                &config.access_secret,
                config.access_secret_previous.as_ref(),
            ),
            mails: HeldMails::new(&handles.store, config.data_dir.as_deref()),
            passwords: Passwords::new(config.breached_passwords.clone()),
            ended: Ended::follow(handles.store.clone(), config.access_ttl),
            sign_ins: SignInGuard::new(&config.limits, &handles.store),
            captcha: Captcha::new(config.perimeter.captcha.as_ref()),
            perimeter: Perimeter::new(&config, handles.blocked.clone()),
            rate_limits: RateLimits::new(&config.limits, &handles.store),
            live: Live::new(handles.store.clone()),
            acknowledged: Bounded::new(REMEMBERED_MAX),
            owners: Bounded::new(REMEMBERED_MAX),
            accounts: Bounded::new(REMEMBERED_MAX),
            default_accounts: Bounded::new(REMEMBERED_MAX),
            verified: Bounded::new(REMEMBERED_MAX),
            openings: tokio::sync::Mutex::default(),
            handles,
        }
    }

    /// Who a client's access token names, as long as its session has not ended.
    pub(crate) fn identify(&self, token: &str) -> Answered<Identity> {
        let identity = self.tokens.verify(token)?;
        if self.ended.has(identity.session_id) {
            return Err(Problem::new(Code::Unauthenticated));
        }
        self.ended.seen(identity.session_id);
        Ok(identity)
    }

    /// Which member of staff an access token names, as long as its session has not ended: what
    /// they may do does not change within one.
    pub(crate) fn identify_staff(&self, token: &str) -> Answered<StaffIdentity> {
        let identity = self.tokens.verify_staff(token)?;
        if self.ended.has(identity.session_id) {
            return Err(Problem::new(Code::Unauthenticated));
        }
        self.ended.seen(identity.session_id);
        Ok(identity)
    }

    /// The engine; 503 `not_leader` on a standby.
    pub(crate) fn engine(&self) -> Answered<Engine> {
        let engine = self.handles.engine.borrow().clone();
        engine.ok_or_else(|| Problem::new(Code::NotLeader))
    }

    /// All instruments, as the book lists them.
    pub(crate) fn instruments(&self) -> Vec<Arc<Instrument>> {
        self.handles.instruments.borrow().clone()
    }

    /// An instrument's terms.
    pub(crate) fn instrument(&self, symbol: Symbol) -> Option<Arc<Instrument>> {
        let instruments = self.handles.instruments.borrow();
        instruments
            .iter()
            .find(|terms| terms.symbol == symbol)
            .cloned()
    }

    /// The instrument that a caller named.
    pub(crate) fn named_instrument(&self, text: &str) -> Answered<Arc<Instrument>> {
        let symbol = Symbol::parse(text).ok();
        symbol
            .and_then(|symbol| self.instrument(symbol))
            .ok_or_else(|| {
                let shown: String = text.chars().take(32).collect();
                Problem::field(
                    Code::UnknownSymbol,
                    "symbol",
                    format!("{shown:?} is not an instrument"),
                )
            })
    }

    /// Terms and the newest quotes, as figures need them.
    pub(crate) fn market(&self) -> Market {
        let instruments = self.instruments();
        let quotes: Vec<_> = instruments
            .iter()
            .filter_map(|terms| self.handles.hub.last(terms.symbol))
            .collect();
        let mut market = Market::new(instruments);
        for quote in quotes {
            market.take_in(quote, &self.handles.config.rules);
        }
        market
    }

    /// Remembers the position of an acknowledged command.
    pub(crate) fn acknowledge(&self, client: ClientId, position: i64, profile: bool) {
        self.acknowledged
            .update(client, Acknowledged::default(), |known| {
                known.any = known.any.max(position);
                if profile {
                    known.profile = known.profile.max(position);
                }
            });
    }

    /// Who, why and from where, with what is personal sealed under the client's key.
    pub(crate) async fn origin(
        &self,
        client: ClientId,
        info: &RequestInfo,
        reason: &str,
    ) -> Answered<Origin> {
        let key = self.handles.store.keys().get(client.0).await?;
        Ok(sealed_origin(&key, client, info, reason))
    }
}

/// The same, with a key at hand.
pub(crate) fn sealed_origin(
    key: &daybook_store::SubjectKey,
    client: ClientId,
    info: &RequestInfo,
    reason: &str,
) -> Origin {
    use daybook_store::Metadata;
    let user_agent = info.user_agent.as_ref();
    let origin = Origin {
        actor: format!("client:{client}"),
        on_behalf_of: None,
        reason: reason.to_owned(),
        correlation_id: info.id.to_string(),
        ip: Some(key.seal(Metadata::IP, &info.address.to_string())),
        user_agent: user_agent.map(|text| key.seal(Metadata::USER_AGENT, text)),
    };
    match info.impersonator(client) {
        Some(admin_id) => in_place_of(client, admin_id, origin),
        None => origin,
    }
}

/// What an administrator of the broker's does in a client's place.
pub(crate) fn in_place_of(client: ClientId, admin_id: &str, origin: Origin) -> Origin {
    Origin {
        actor: admin_actor(admin_id),
        on_behalf_of: Some(format!("client:{client}")),
        ..origin
    }
}

/// An administrator as the book names them: an operator in the CRM, whichever door they use.
pub(crate) fn admin_actor(admin_id: &str) -> String {
    const UNNAMED: &str = "crm";
    if admin_id == UNNAMED {
        UNNAMED.to_owned()
    } else {
        format!("crm:{admin_id}")
    }
}

impl FromRef<Shared> for ApiState {
    fn from_ref(app: &Shared) -> Self {
        app.handles.clone()
    }
}
