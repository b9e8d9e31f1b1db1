//! `/ws`: a client's private channel. **Permission:** the client, for their own accounts.
//!
//! Orders and positions are pushed after their commit, in order, as the read models show them;
//! figures at most four times a second. The token is never logged.

use std::{collections::HashMap, sync::Arc, time::Duration};

use axum::{
    Extension,
    extract::{
        State,
        ws::{Utf8Bytes, WebSocketUpgrade, rejection::WebSocketUpgradeRejection},
    },
    http::HeaderMap,
    response::Response,
};
use chrono::Utc;
use daybook_domain::{AccountId, Symbol};
use daybook_relay::{HubSubscription, Watch};
use daybook_store::StreamId;
use serde::Deserialize;
use tokio::{
    sync::watch,
    time::{Instant, Interval, MissedTickBehavior, interval, sleep_until},
};
use utoipa::IntoParams;

use super::{
    entrance::{End, authenticated},
    gate::check_origin,
    live::{CutOff, Ear, Notice, changes_of},
    protocol::{PrivateOp, Said, channel_error, error, unknown_symbol},
    pushes::{Watched, figures_text, push_texts},
    socket::{Peer, close, limited, utf8},
};
use crate::{
    app::Shared,
    auth::token::Identity,
    extract::Query,
    problem::{Answered, Code, Problem, ProblemBody},
    request::RequestInfo,
    routes::{market::split_symbols, trading::command_account},
};

const PROTOCOL: &str = "daybook.v1";
const FIGURES_EVERY: Duration = Duration::from_millis(250);
/// Events of one account that a client may have missed and still catch up with here.
const CATCH_UP_MAX: i64 = 10_000;
const CHANNELS_MAX: usize = 200;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PrivateQuery {
    /// Access token, for older clients; better sent as subprotocol `bearer.<token>` or in a first
    /// message `{"op":"auth","token"}`.
    token: Option<String>,
}

/// The private channel, a WebSocket of JSON messages.
///
/// Authentication: subprotocols `daybook.v1, bearer.<token>`, or a first message
/// `{"op":"auth","token"}` within 5 seconds, or `?token=`; the answer is `{"type":"ready"}`. Then
/// `{"op":"subscribe","channels":["account:{id}","orders:{id}","positions:{id}","funding:{id}",
/// "notifications","quotes:EURUSD"],"since"?: position}` is answered `{"type":"subscribed","channels","position"}`.
/// Pushes: `{"type":"order","position","accountId",…}` with the fields of an order (its type is
/// `orderType` here), `{"type":"position","position","accountId","open",…}`,
/// `{"type":"funding","position","accountId",…}` with the fields of a deposit or withdrawal (channels
/// `funding:{id}` and `notifications`), and at most four times a second `{"type":"account",…}` with the fields of `GET /trading/account`. `notifications` tells,
/// for all accounts that the client has when it subscribes, `{"type":"notification","position",
/// "accountId","kind","time",…}`; kinds are `margin_call`, `margin_call_cleared`,
/// `stop_out_started`, `stop_out_finished`, `negative_balance_compensated`, `trading_day_started`,
/// `daily_loss_limit`, `deal_busted`, `deal_repriced`, `leverage_changed`, `controls_changed`. With
/// `since` a client that reconnects gets what it missed. `{"op":"auth"}` again prolongs the session; it ends when
/// its token does.
#[utoipa::path(get, path = "/ws", operation_id = "openPrivateChannel", tag = "trading", params(PrivateQuery),
    responses(
        (status = 101, description = "A WebSocket of JSON messages"),
        (status = 401, description = "`unauthenticated`, `token_expired`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`origin_refused`: asked for by a page of another site", body = ProblemBody, content_type = "application/problem+json"),
        (status = 406, description = "Not a WebSocket upgrade", body = ProblemBody, content_type = "application/problem+json"),
        (status = 429, description = "`too_many_connections`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub(crate) async fn private(
    State(app): State<Shared>,
    Query(query): Query<PrivateQuery>,
    Extension(info): Extension<Arc<RequestInfo>>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Answered<Response> {
    let upgrade = upgrade.map_err(|_| Problem::new(Code::NotAcceptable))?;
    check_origin(&headers, &app.handles.config.cors_origins)?;
    let offered = upgrade.requested_protocols().find_map(|protocol| {
        let token = protocol.to_str().ok()?.strip_prefix("bearer.")?;
        Some(token.to_owned())
    });
    let identity = match offered.or(query.token) {
        Some(token) => Some(app.identify(&token)?),
        None => None,
    };
    let permit = app.handles.sockets.enter(&info)?;
    let session = async move |socket| {
        let mut cut = permit.cut();
        let mut peer = Peer::new(socket);
        let end = tokio::select! {
            end = run(&mut peer, app, identity) => Some(end),
            () = cut.off() => None,
        };
        match end {
            Some(End::Gone) => {}
            Some(End::Close(code, reason)) => peer.close(code, reason).await,
            None => peer.cut(close::POLICY, "the address is blocked").await,
        }
        drop(permit);
    };
    Ok(limited(upgrade).protocols([PROTOCOL]).on_upgrade(session))
}

async fn run(peer: &mut Peer, app: Shared, identity: Option<Identity>) -> End {
    match authenticated(peer, &app, identity).await {
        Ok(identity) => Session::new(app, identity).run_until_closing(peer).await,
        Err(end) => end,
    }
}

/// One authenticated socket.
struct Session {
    app: Shared,
    identity: Identity,
    ear: Ear,
    quotes: HubSubscription,
    watch: Watch,
    watched: HashMap<AccountId, Watched>,
    figures: Interval,
    /// Told whenever sessions have ended.
    ended: watch::Receiver<()>,
}

/// What a channel's name asks for.
enum Channel {
    Account(AccountId),
    Orders(AccountId),
    Positions(AccountId),
    Funding(AccountId),
    /// Of all these accounts: the client's own.
    Notifications(Vec<AccountId>),
    Quotes(Symbol),
}

impl Session {
    fn new(app: Shared, identity: Identity) -> Self {
        let mut figures = interval(FIGURES_EVERY);
        figures.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            quotes: app.handles.hub.subscribe(&[]),
            watch: app.handles.interest.watch(&[]),
            ear: Ear::new(),
            watched: HashMap::new(),
            figures,
            ended: app.ended.changes(),
            identity,
            app,
        }
    }

    async fn run_until_closing(&mut self, peer: &mut Peer) -> End {
        let mut closing = self.app.handles.sockets.closing();
        tokio::select! {
            ended = self.run(peer) => match ended {
                Ok(never) => match never {},
                Err(end) => end,
            },
            _ = closing.wait_for(|closing| *closing) => End::Close(close::AWAY, "the server stops"),
        }
    }

    async fn run(&mut self, peer: &mut Peer) -> Result<std::convert::Infallible, End> {
        loop {
            let wants_figures = self.watched.values().any(|watched| watched.account);
            let expiry = expiry(&self.identity);
            tokio::select! {
                notice = self.ear.next() => self.push(peer, &*notice?).await?,
                messages = self.quotes.next() => {
                    peer.say(messages.iter().filter_map(utf8)).await?;
                }
                _ = self.figures.tick(), if wants_figures => self.push_figures(peer).await?,
                text = peer.hear() => self.obey(peer, &text?).await?,
                _ = self.ended.changed() => {
                    if self.app.ended.has(self.identity.session_id) {
                        peer.say_one(error(Code::Unauthenticated.entry().code)).await?;
                        return Err(End::Close(close::UNAUTHENTICATED, "the session has ended"));
                    }
                }
                () = sleep_until(expiry) => {
                    peer.say_one(error(Code::TokenExpired.entry().code)).await?;
                    return Err(End::Close(close::UNAUTHENTICATED, "the token has expired"));
                }
            }
        }
    }

    async fn obey(&mut self, peer: &mut Peer, text: &Utf8Bytes) -> Result<(), End> {
        let said = match serde_json::from_str(text) {
            Ok(PrivateOp::Ping {}) => Said::Pong.text(),
            Ok(PrivateOp::Auth { token }) => self.prolong(&token),
            Ok(PrivateOp::Subscribe { channels, since }) => {
                return self.subscribe(peer, channels, since).await;
            }
            Ok(PrivateOp::Unsubscribe { channels }) => {
                self.unsubscribe(&channels);
                return Ok(());
            }
            Err(_) => error(Code::Malformed.entry().code),
        };
        Ok(peer.say_one(said).await?)
    }

    /// A newer token of the same client prolongs the session.
    fn prolong(&mut self, token: &str) -> String {
        match self.app.identify(token) {
            Ok(identity) if identity.client_id == self.identity.client_id => {
                self.identity = identity;
                Said::Ready.text()
            }
            Ok(_) => error("forbidden"),
            Err(refusal) => error(refusal.code().entry().code),
        }
    }

    async fn subscribe(
        &mut self,
        peer: &mut Peer,
        names: Vec<String>,
        since: Option<i64>,
    ) -> Result<(), End> {
        if names.len() > CHANNELS_MAX || since.is_some_and(|position| position < 0) {
            return Ok(peer.say_one(error(Code::Malformed.entry().code)).await?);
        }
        let mut taken = Vec::new();
        let mut position = *self.app.handles.store.committed().borrow();
        let mut missed: HashMap<AccountId, i64> = HashMap::new();
        for name in names {
            match self.channel(&name).await {
                Ok(channel) => {
                    for (account_id, from) in self.join(&channel, since)? {
                        position = position.min(from);
                        missed.insert(account_id, from);
                    }
                    taken.push(name);
                }
                Err(refusal) => peer.say_one(refusal).await?,
            }
        }
        peer.say_one(
            Said::Subscribed {
                channels: &taken,
                position,
            }
            .text(),
        )
        .await?;
        if let Some(since) = since {
            for (account_id, until) in missed {
                self.catch_up(peer, account_id, since, until).await?;
            }
        }
        Ok(())
    }

    /// What a name stands for, or the message that refuses it.
    async fn channel(&self, name: &str) -> Result<Channel, String> {
        if name == "notifications" {
            let own = self.app.handles.reads.accounts_of(self.identity.client_id);
            let own = own
                .await
                .map_err(|error| channel_error(Problem::from(error).code().entry().code, name))?;
            let ids = own.iter().map(|row| row.account_id);
            return Ok(Channel::Notifications(ids.collect()));
        }
        let unknown = || channel_error("unknown_channel", name);
        let (kind, rest) = name.split_once(':').ok_or_else(unknown)?;
        if kind == "quotes" {
            let (known, _) = split_symbols(&self.app, rest);
            return known
                .first()
                .map(|s| Channel::Quotes(*s))
                .ok_or_else(|| unknown_symbol(rest));
        }
        let make = match kind {
            "account" => Channel::Account,
            "orders" => Channel::Orders,
            "positions" => Channel::Positions,
            "funding" => Channel::Funding,
            _ => return Err(unknown()),
        };
        let refused = |problem: Problem| channel_error(problem.code().entry().code, name);
        let account_id = rest
            .parse()
            .map_err(|_| refused(Problem::new(Code::NotFound)))?;
        let own = command_account(&self.app, self.identity.client_id, Some(account_id)).await;
        own.map(|account| make(account.account_id)).map_err(refused)
    }

    /// Starts to listen; says of each account from which position on its events come by themselves.
    fn join(
        &mut self,
        channel: &Channel,
        since: Option<i64>,
    ) -> Result<Vec<(AccountId, i64)>, CutOff> {
        let accounts: &[AccountId] = match channel {
            Channel::Quotes(symbol) => {
                self.watch.add(&[*symbol]);
                self.quotes.add(&[*symbol]);
                &[]
            }
            Channel::Account(id)
            | Channel::Orders(id)
            | Channel::Positions(id)
            | Channel::Funding(id) => std::slice::from_ref(id),
            Channel::Notifications(ids) => ids,
        };
        let mut joined = Vec::with_capacity(accounts.len());
        for account_id in accounts {
            let from = self.app.live.listen(&mut self.ear, *account_id)?;
            let watched = self.watched.entry(*account_id).or_default();
            watched.after = watched.after.max(since.unwrap_or_default());
            match channel {
                Channel::Account(_) => watched.show_account(),
                Channel::Orders(_) => watched.orders = true,
                Channel::Positions(_) => watched.positions = true,
                Channel::Funding(_) => watched.funding = true,
                Channel::Notifications(_) => watched.notifications = true,
                Channel::Quotes(_) => {}
            }
            joined.push((*account_id, from));
        }
        Ok(joined)
    }

    fn unsubscribe(&mut self, names: &[String]) {
        for name in names {
            if name == "notifications" {
                let everywhere = self.watched.values_mut();
                everywhere.for_each(|watched| watched.notifications = false);
            }
            let (kind, rest) = name.split_once(':').unwrap_or((name, ""));
            if kind == "quotes" {
                let (known, _) = split_symbols(&self.app, rest);
                self.watch.remove(&known);
                self.quotes.remove(&known);
            }
            let watched = rest
                .parse()
                .ok()
                .and_then(|id: AccountId| self.watched.get_mut(&id));
            match (kind, watched) {
                ("account", Some(watched)) => watched.account = false,
                ("orders", Some(watched)) => watched.orders = false,
                ("positions", Some(watched)) => watched.positions = false,
                ("funding", Some(watched)) => watched.funding = false,
                (_, _) => {}
            }
        }
    }

    /// Pushes what happened to the account after `since` and before live pushes begin.
    async fn catch_up(
        &mut self,
        peer: &mut Peer,
        account_id: AccountId,
        since: i64,
        until: i64,
    ) -> Result<(), End> {
        let stream = StreamId::new("account", account_id);
        let store = &self.app.handles.store;
        let events = store
            .read_stream_since(&stream, since, CATCH_UP_MAX + 1)
            .await;
        let Ok(events) = events else {
            return Err(End::Close(
                close::TRY_AGAIN_LATER,
                "the book is unavailable",
            ));
        };
        if i64::try_from(events.len()).is_ok_and(|missed| missed > CATCH_UP_MAX) {
            let name = format!("account:{account_id}");
            return Ok(peer.say_one(channel_error("too_far_behind", &name)).await?);
        }
        let before = events.iter().filter(|event| event.position <= until);
        let changes = before.flat_map(changes_of);
        let notice = Notice {
            account_id,
            changes: changes.collect(),
        };
        if notice.changes.is_empty() {
            return Ok(());
        }
        self.push(peer, &notice).await
    }

    async fn push(&mut self, peer: &mut Peer, notice: &Notice) -> Result<(), End> {
        let Some(watched) = self.watched.get_mut(&notice.account_id) else {
            return Ok(());
        };
        watched.touched();
        let texts = push_texts(&self.app, watched, notice).await;
        let Ok(texts) = texts else {
            return Err(End::Close(close::TRY_AGAIN_LATER, "read models are behind"));
        };
        Ok(peer.say(texts.into_iter().map(Utf8Bytes::from)).await?)
    }

    async fn push_figures(&mut self, peer: &mut Peer) -> Result<(), End> {
        for (account_id, watched) in &mut self.watched {
            if let Some(text) = figures_text(&self.app, *account_id, watched).await {
                peer.say_one(text).await?;
            }
        }
        Ok(())
    }
}

fn expiry(identity: &Identity) -> Instant {
    let left_s = identity.expires_at.saturating_sub(Utc::now().timestamp());
    Instant::now() + Duration::from_secs(u64::try_from(left_s).unwrap_or_default())
}
