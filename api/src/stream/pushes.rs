//! What is pushed on the private channel: the REST items with an envelope.

use std::time::Duration;

use daybook_domain::AccountId;
use daybook_projections::{AccountRow, names};
use serde::Serialize;
use serde_json::{Map, Value};
use tokio::time::sleep;

use super::{
    live::{Changed, Notice},
    notification,
};
use crate::{
    app::Shared,
    problem::{Answered, Code, Problem},
    routes::{
        funding::funding_item,
        trading::{
            account::{AccountBody, Seen, see, valued},
            items::{PositionItem, Valuation},
            order::order_item,
        },
    },
};

/// How often read models are waited for before the socket is told to come back; 2 s each.
const PATIENCE_TRIES: u32 = 5;
const RETRY: Duration = Duration::from_millis(250);

/// What one socket wants of one account, and what it was shown last.
#[derive(Default)]
pub(super) struct Watched {
    /// Figures.
    pub(super) account: bool,
    pub(super) orders: bool,
    pub(super) positions: bool,
    pub(super) funding: bool,
    pub(super) notifications: bool,
    /// The client knows everything up to here.
    pub(super) after: i64,
    seen: Option<Seen>,
    shown: Option<AccountBody>,
}

impl Watched {
    /// Figures from now on, the first at once.
    pub(super) fn show_account(&mut self) {
        self.account = true;
        self.shown = None;
    }

    /// Something happened to the account: what was seen of it is old.
    pub(super) fn touched(&mut self) {
        self.seen = None;
    }
}

#[derive(Serialize)]
struct FiguresPush<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(flatten)]
    body: &'a AccountBody,
}

/// The figures, if they are others than were shown last.
pub(super) async fn figures_text(
    app: &Shared,
    account_id: AccountId,
    watched: &mut Watched,
) -> Option<String> {
    if !watched.account {
        return None;
    }
    let seen = match watched.seen.take() {
        Some(seen) => seen,
        // Behind or away for the moment: the next tick tries again.
        None => see(app, account_id).await.ok()?,
    };
    let moves = !seen.positions.is_empty();
    let known = watched.shown.as_ref().map(AccountBody::position) == Some(seen.position);
    let body = (moves || !known).then(|| valued(&seen, &app.market(), &app.handles.config.rules));
    watched.seen = Some(seen);
    let body = body?;
    if watched.shown.as_ref() == Some(&body) {
        return None;
    }
    let push = FiguresPush {
        kind: "account",
        body: &body,
    };
    let text = serde_json::to_string(&push).expect("invariant: figures are plain text");
    watched.shown = Some(body);
    Some(text)
}

/// The items that a notice is about, each once, at the position of its last change.
pub(super) async fn push_texts(
    app: &Shared,
    watched: &Watched,
    notice: &Notice,
) -> Answered<Vec<String>> {
    let changes = wanted(watched, notice);
    let mut texts = Vec::with_capacity(changes.len());
    if changes.is_empty() {
        return Ok(texts);
    }
    let of_funding = |(change, _): &(Changed, i64)| matches!(change, Changed::Funding(_));
    let models = if changes.iter().any(of_funding) {
        [
            names::ORDERS,
            names::POSITIONS,
            names::ACCOUNTS,
            names::FUNDING,
        ]
        .as_slice()
    } else {
        &[names::ORDERS, names::POSITIONS, names::ACCOUNTS]
    };
    caught_up(app, models, notice.position()).await?;
    for (change, position) in changes {
        let item = match change {
            Changed::Order(order_id) => {
                let row = app.handles.reads.order(order_id).await?;
                row.map(|row| ("order", object(&order_item(app, &row))))
            }
            Changed::Position(position_id) => {
                let item = position_object(app, position_id).await?;
                item.map(|item| ("position", item))
            }
            Changed::Notification(event) => {
                let account = known_account(app, notice.account_id).await?;
                let item = notification::item(&event, account.currency);
                item.map(|item| ("notification", item))
            }
            Changed::Funding(request_id) => {
                let item = funding_object(app, request_id).await?;
                item.map(|item| ("funding", item))
            }
            Changed::Funds => None,
        };
        if let Some((kind, item)) = item {
            texts.push(envelope(kind, position, notice.account_id, item));
        }
    }
    Ok(texts)
}

/// The last change of each thing that the socket wants to hear of, in order.
fn wanted(watched: &Watched, notice: &Notice) -> Vec<(Changed, i64)> {
    let mut last: Vec<(Changed, i64)> = Vec::new();
    for (change, position) in &notice.changes {
        let wants = match change {
            Changed::Order(_) => watched.orders,
            Changed::Position(_) => watched.positions,
            Changed::Notification(_) => watched.notifications,
            // Whoever wants to be told things wants to be told of money that came.
            Changed::Funding(_) => watched.funding || watched.notifications,
            Changed::Funds => false,
        };
        if wants && *position > watched.after {
            last.retain(|(earlier, _)| earlier != change);
            last.push((change.clone(), *position));
        }
    }
    last
}

async fn caught_up(app: &Shared, models: &[&str], position: i64) -> Answered<()> {
    for _ in 1..PATIENCE_TRIES {
        if app.wait_for(models, position).await.is_ok() {
            return Ok(());
        }
        sleep(RETRY).await;
    }
    app.wait_for(models, position).await
}

async fn funding_object(
    app: &Shared,
    request_id: daybook_domain::FundingId,
) -> Answered<Option<Map<String, Value>>> {
    let Some(row) = app.handles.reads.funding_request(request_id).await? else {
        return Ok(None);
    };
    Ok(Some(object(&funding_item(app, &row).await?)))
}

async fn position_object(
    app: &Shared,
    position_id: daybook_domain::PositionId,
) -> Answered<Option<Map<String, Value>>> {
    let Some(state) = app.handles.reads.position(position_id).await? else {
        return Ok(None);
    };
    let account = known_account(app, state.account_id).await?;
    let open = app.handles.reads.positions(state.account_id).await?;
    let market = app.market();
    let valuation = Valuation {
        account: account.figures_input(&open),
        market: &market,
        rules: &app.handles.config.rules,
    };
    let mut item = object(&PositionItem::of(&state.position, valuation));
    item.insert("open".to_owned(), Value::Bool(state.closed_at.is_none()));
    Ok(Some(item))
}

async fn known_account(app: &Shared, account_id: AccountId) -> Answered<AccountRow> {
    let account = app.handles.reads.account(account_id).await?;
    account.ok_or_else(|| Problem::new(Code::Internal))
}

fn object(item: &impl Serialize) -> Map<String, Value> {
    match serde_json::to_value(item) {
        Ok(Value::Object(members)) => members,
        Ok(_) | Err(_) => unreachable!("an item is an object of text and numbers"),
    }
}

fn envelope(
    kind: &str,
    position: i64,
    account_id: AccountId,
    mut item: Map<String, Value>,
) -> String {
    // The envelope's own `type` comes first: an order's is told as `orderType`.
    if let Some(order_type) = item.remove("type") {
        item.insert("orderType".to_owned(), order_type);
    }
    item.insert("type".to_owned(), kind.into());
    item.insert("position".to_owned(), position.into());
    item.insert("accountId".to_owned(), account_id.to_string().into());
    Value::Object(item).to_string()
}

#[cfg(test)]
mod tests {
    use daybook_domain::{OrderId, PositionId};
    use serde_json::json;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn each_thing_is_pushed_once_at_its_last_change_and_only_where_it_is_news() {
        let order = Changed::Order(OrderId(Uuid::from_u128(1)));
        let position = Changed::Position(PositionId(Uuid::from_u128(2)));
        let old = Changed::Order(OrderId(Uuid::from_u128(3)));
        let notice = Notice {
            account_id: AccountId::default(),
            changes: vec![
                (old, 4),
                (order.clone(), 5),
                (order.clone(), 6),
                (position.clone(), 7),
                (Changed::Funds, 8),
                (order.clone(), 9),
            ],
        };
        let mut watched = Watched {
            orders: true,
            positions: true,
            after: 4,
            ..Watched::default()
        };
        let both = [(position.clone(), 7), (order, 9)];
        assert_eq!(wanted(&watched, &notice), both);
        watched.orders = false;
        assert_eq!(wanted(&watched, &notice), [(position, 7)]);

        let money = Changed::Funding(daybook_domain::FundingId::default());
        let notice = Notice {
            changes: vec![(money.clone(), 10)],
            ..notice
        };
        assert_eq!(wanted(&watched, &notice), []);
        watched.notifications = true;
        assert_eq!(wanted(&watched, &notice), [(money, 10)]);
    }

    #[test]
    fn the_envelope_keeps_the_items_own_type() {
        let item = object(&json!({"orderId": "o", "type": "limit"}));
        let text = envelope("order", 7, AccountId::default(), item);
        let message: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(message["type"], "order");
        assert_eq!(message["orderType"], "limit");
        assert_eq!(message["position"], 7);
    }
}
