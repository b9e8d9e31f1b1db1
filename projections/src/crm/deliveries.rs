//! What was sent and what became of it, for the CRM's API and the command line; and the bodies
//! themselves, for a receiver that would rather ask.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use daybook_domain::{ClientId, FundingId};
use daybook_store::{Store, StoreError, SubjectKey};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sqlx::FromRow;
use uuid::Uuid;

use super::{
    body::{self, OutboxRow},
    outbox::EndpointRow,
};
use crate::{
    error::ReadError,
    reads::{Page, PageOf},
    slug,
};

/// How a delivery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryStatus {
    /// To be sent, or to be tried again.
    Pending,
    /// The receiver has it.
    Delivered,
    /// Not tried any more: refused, dead, or set aside.
    Parked,
    /// Done with, unsent.
    Skipped,
}

impl DeliveryStatus {
    /// Reads `pending`, `delivered`, `parked` or `skipped`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        slug::parse(text).ok()
    }

    /// `pending`, `delivered`, `parked` or `skipped`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Parked => "parked",
            Self::Skipped => "skipped",
        }
    }
}

/// One delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The idempotency key.
    pub id: Uuid,
    /// Where to.
    pub endpoint: String,
    /// Name of the webhook.
    pub event: String,
    /// How it stands.
    pub status: DeliveryStatus,
    /// Whose.
    pub client_id: ClientId,
    /// Of the event.
    pub position: i64,
    /// Within the endpoint.
    pub number: i64,
    /// Within the client and endpoint.
    pub client_number: i64,
    /// Since it was last asked for.
    pub tries: i32,
    /// When its queue is tried next, while it is pending.
    pub next_at: Option<DateTime<Utc>>,
}

/// One try.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct AttemptRow {
    /// When.
    pub at: DateTime<Utc>,
    /// HTTP; none: no answer.
    pub status: Option<i16>,
    /// How long it took.
    pub latency_ms: i32,
    /// The beginning of the answer, or what went wrong; none when nothing was said, or the client
    /// was erased.
    pub answer: Option<String>,
}

/// Which deliveries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeliveryFilter {
    /// How they stand.
    pub status: Option<DeliveryStatus>,
    /// Name of the webhook.
    pub event: Option<String>,
    /// Whose.
    pub client_id: Option<ClientId>,
    /// Where to.
    pub endpoint: Option<String>,
}

/// One webhook as its receiver gets it.
#[derive(Debug)]
pub struct Event {
    /// Within the endpoint.
    pub number: i64,
    /// The very text.
    pub body: Box<RawValue>,
}

/// An endpoint and how it stands. Secrets are not told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EndpointStatus {
    /// Its name.
    pub endpoint: String,
    /// Where to; null: deliveries wait.
    pub url: Option<String>,
    /// `site`, `crm` or `both`.
    pub vocabulary: String,
    /// Names of the webhooks that are sent; empty: all.
    pub events: Vec<String>,
    /// Whether the environment declares it.
    pub declared: bool,
    /// Whether a previous secret signs too.
    pub rotating: bool,
    /// Why nothing is sent; null: it is served.
    pub disabled: Option<String>,
    /// Last number given.
    pub number: i64,
    /// Deliveries that wait.
    pub waiting: i64,
    /// Deliveries that are parked.
    pub parked: i64,
}

/// Reads deliveries. Cheap to clone.
#[derive(Clone)]
pub struct Deliveries(Store);

const SELECT: &str = "select d.sequence, d.id, d.endpoint, d.event, d.status, d.client_id, \
         d.position, d.number, d.client_number, d.tries, \
         case when d.status = 'pending' then lane.next_at end as next_at \
     from public.webhook_deliveries d \
     left join public.webhook_lanes lane on lane.endpoint = d.endpoint and lane.lane = d.lane ";

#[derive(FromRow)]
struct DeliveryRow {
    sequence: i64,
    id: Uuid,
    endpoint: String,
    event: String,
    status: String,
    client_id: Uuid,
    position: i64,
    number: i64,
    client_number: i64,
    tries: i32,
    next_at: Option<DateTime<Utc>>,
}

impl Deliveries {
    /// Reads from this store's pool.
    #[must_use]
    pub const fn new(store: Store) -> Self {
        Self(store)
    }

    /// One page, newest first.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn page(
        &self,
        filter: &DeliveryFilter,
        page: Page,
    ) -> Result<PageOf<Delivery>, ReadError> {
        let query = format!(
            "{SELECT} where d.sequence < $1 and ($2::text is null or d.status = $2) \
             and ($3::text is null or d.event = $3) and ($4::uuid is null or d.client_id = $4) \
             and ($5::text is null or d.endpoint = $5) order by d.sequence desc limit $6"
        );
        let rows: Vec<DeliveryRow> = sqlx::query_as(&query)
            .bind(page.before())
            .bind(filter.status.map(DeliveryStatus::as_str))
            .bind(&filter.event)
            .bind(filter.client_id.map(|id| id.0))
            .bind(&filter.endpoint)
            .bind(page.one_more())
            .fetch_all(self.0.pool())
            .await?;
        let rows = rows
            .into_iter()
            .map(|row| Ok((row.sequence, delivery(row)?)));
        Ok(PageOf::cut(
            rows.collect::<Result<_, ReadError>>()?,
            page.limit,
        ))
    }

    /// One delivery with its tries, oldest first.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn get(&self, id: Uuid) -> Result<Option<(Delivery, Vec<AttemptRow>)>, ReadError> {
        let query = format!("{SELECT} where d.id = $1");
        let row: Option<DeliveryRow> = sqlx::query_as(&query)
            .bind(id)
            .fetch_optional(self.0.pool())
            .await?;
        let Some(row) = row else {
            return Ok(None);
        };
        let key = self.key(row.client_id).await?;
        let tries = "select at, status, latency_ms, answer from public.webhook_attempts \
             where delivery_id = $1 order by attempt";
        let mut tries: Vec<AttemptRow> = sqlx::query_as(tries)
            .bind(id)
            .fetch_all(self.0.pool())
            .await?;
        for tried in &mut tries {
            let sealed = tried.answer.take().zip(key.as_ref());
            let opened = sealed.map(|(sealed, key)| key.open("answer", &sealed));
            tried.answer = opened.transpose().map_err(unreadable)?;
        }
        Ok(Some((delivery(row)?, tries)))
    }

    /// Which of these completed withdrawals the CRM was told of in vain, and what it answered: an
    /// HTTP status, or `no answer`.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn refused_payouts(
        &self,
        requests: &[FundingId],
    ) -> Result<HashMap<FundingId, String>, ReadError> {
        if requests.is_empty() {
            return Ok(HashMap::new());
        }
        let query = "select wanted.id, coalesce(max(last.status::text), 'no answer') \
             from unnest($1::uuid[]) as wanted (id) \
             join read.funding f on f.request_id = wanted.id \
             join public.webhook_deliveries d on d.client_id = f.client_id \
                 and d.event = 'withdrawal.completed' and d.status = 'parked' \
             join read.webhook_endpoints e on e.endpoint = d.endpoint and e.declared \
             join read.outbox o on o.id = d.id \
                 and o.data::json ->> 'requestId' = wanted.id::text \
             left join lateral (select status from public.webhook_attempts \
                 where delivery_id = d.id order by attempt desc limit 1) last on true \
             group by wanted.id";
        let ids: Vec<Uuid> = requests.iter().map(|id| id.0).collect();
        let rows: Vec<(Uuid, String)> = sqlx::query_as(query)
            .bind(ids)
            .fetch_all(self.0.pool())
            .await?;
        let rows = rows.into_iter();
        Ok(rows.map(|(id, answer)| (FundingId(id), answer)).collect())
    }

    /// How many deliveries of an endpoint a replay from a position sends again.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn count_from(&self, endpoint: &str, from: i64) -> Result<i64, ReadError> {
        let query = "select count(*) from public.webhook_deliveries \
             where endpoint = $1 and position >= $2 and status <> 'skipped'";
        let query = sqlx::query_scalar(query).bind(endpoint).bind(from);
        Ok(query.fetch_one(self.0.pool()).await?)
    }

    /// The webhooks of an endpoint after a number, in order: the same bodies that are sent.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn events(
        &self,
        endpoint: &str,
        after: i64,
        limit: i64,
    ) -> Result<Vec<Event>, ReadError> {
        let query = "select id, endpoint, number, client_id, client_number, position, event, at, \
                 data, before \
             from read.outbox where endpoint = $1 and number > $2 order by number limit $3";
        let rows = sqlx::query_as(query)
            .bind(endpoint)
            .bind(after)
            .bind(limit)
            .fetch_all(self.0.pool())
            .await;
        let rows: Vec<OutboxRow> = match rows {
            Err(error) if is_missing(&error) => Vec::new(),
            rows => rows?,
        };
        let mut events = Vec::with_capacity(rows.len());
        for row in rows {
            let key = self.key(row.client_id).await?;
            let text = body::render(&row, key.as_ref()).map_err(unreadable)?;
            let body = RawValue::from_string(text);
            events.push(Event {
                number: row.number,
                body: body.map_err(|error| ReadError::Corrupt(error.to_string()))?,
            });
        }
        Ok(events)
    }

    /// All endpoints, the oldest first.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn endpoints(&self) -> Result<Vec<EndpointStatus>, ReadError> {
        let query = "select endpoint, url, vocabulary, events, secret, previous_secret, declared, \
                 disabled_reason, disabled_by, created_position, position, number \
             from read.webhook_endpoints order by created_position";
        let rows = sqlx::query_as(query).fetch_all(self.0.pool()).await;
        let rows: Vec<EndpointRow> = match rows {
            Err(error) if is_missing(&error) => Vec::new(),
            rows => rows?,
        };
        let mut statuses = Vec::with_capacity(rows.len());
        for row in rows {
            statuses.push(self.status(row).await?);
        }
        Ok(statuses)
    }

    async fn status(&self, row: EndpointRow) -> Result<EndpointStatus, ReadError> {
        let counts = "select \
             (select coalesce(sum(waiting), 0)::bigint from public.webhook_lanes \
                 where endpoint = $1 and waiting > 0), \
             (select count(*) from public.webhook_deliveries \
                 where endpoint = $1 and status = 'parked')";
        let counts = sqlx::query_as(counts).bind(&row.endpoint);
        let (waiting, parked): (i64, i64) = counts.fetch_one(self.0.pool()).await?;
        Ok(EndpointStatus {
            endpoint: row.endpoint,
            url: row.settings.url,
            vocabulary: slug::of(&row.settings.vocabulary),
            events: row.settings.events,
            declared: row.declared,
            rotating: row.settings.previous_secret.is_some(),
            disabled: row.disabled.map(|(reason, by)| format!("{reason} ({by})")),
            number: row.number,
            waiting,
            parked,
        })
    }

    async fn key(&self, client: Uuid) -> Result<Option<SubjectKey>, ReadError> {
        self.0.keys().find(client).await.map_err(unreadable)
    }
}

fn delivery(row: DeliveryRow) -> Result<Delivery, ReadError> {
    let status = DeliveryStatus::parse(&row.status);
    let status = status.ok_or_else(|| ReadError::Corrupt(format!("status {:?}", row.status)))?;
    Ok(Delivery {
        id: row.id,
        endpoint: row.endpoint,
        event: row.event,
        status,
        client_id: ClientId(row.client_id),
        position: row.position,
        number: row.number,
        client_number: row.client_number,
        tries: row.tries,
        next_at: row.next_at,
    })
}

/// The outbox's view is not there before the first node has led.
fn is_missing(error: &sqlx::Error) -> bool {
    let sqlx::Error::Database(refusal) = error else {
        return false;
    };
    refusal.code().as_deref() == Some("42P01")
}

fn unreadable(error: StoreError) -> ReadError {
    match error {
        StoreError::Database(error) => ReadError::Database(error),
        other @ (StoreError::Migration(_)
        | StoreError::Corrupt { .. }
        | StoreError::Key(_)
        | StoreError::Erased(_)) => ReadError::Corrupt(other.to_string()),
    }
}
