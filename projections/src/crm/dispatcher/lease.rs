//! Leases due queues of an endpoint, with the deliveries at their heads.

use sqlx::{FromRow, PgConnection, Row, postgres::PgRow};
use uuid::Uuid;

use super::desk::Room;
use crate::crm::body::OutboxRow;

/// How long a lease lasts, in seconds. A queue is given back long before.
pub(super) const LEASE_S: u32 = 90;

const LEASE: &str = "with due as ( \
         select endpoint, lane from public.webhook_lanes \
         where endpoint = $1 and waiting > 0 and next_at <= now() \
         and (leased_until is null or leased_until < now() or leased_by < $2) \
         order by next_at limit $3 for update skip locked), \
     leased as ( \
         update public.webhook_lanes lane \
         set leased_until = now() + make_interval(secs => $4), leased_by = $2 \
         from due where lane.endpoint = due.endpoint and lane.lane = due.lane \
         returning lane.lane) \
     select leased.lane, head.id, head.tries, head.client_id, head.event, head.number, \
         o.client_number, o.position, o.at, o.data, o.before \
     from leased \
     left join lateral ( \
         select d.id, d.tries, d.client_id, d.event, d.number \
         from public.webhook_deliveries d \
         where d.endpoint = $1 and d.lane = leased.lane and d.status = 'pending' \
         order by d.number limit $5) head on true \
     left join read.outbox o on o.id = head.id \
     order by leased.lane, head.number";

/// A queue that is ours for a while.
#[derive(Debug)]
pub(super) struct Leased {
    pub(super) lane: Uuid,
    /// Its first deliveries, in order.
    pub(super) heads: Vec<Head>,
}

/// A delivery to be made.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) id: Uuid,
    pub(super) client_id: Uuid,
    pub(super) event: String,
    /// Tries before this one.
    pub(super) tries: u32,
    /// What to send; none: the outbox has it no longer.
    pub(super) row: Option<OutboxRow>,
}

struct Line {
    lane: Uuid,
    head: Option<Head>,
}

/// Leases up to this many queues. One that holds nothing is given back at once.
pub(super) async fn lease(
    connection: &mut PgConnection,
    endpoint: &str,
    epoch: i64,
    room: Room,
) -> Result<Vec<Leased>, sqlx::Error> {
    let lines: Vec<Line> = sqlx::query_as(LEASE)
        .bind(endpoint)
        .bind(epoch)
        .bind(i64::try_from(room.lanes).unwrap_or(i64::MAX))
        .bind(f64::from(LEASE_S))
        .bind(room.deliveries)
        .fetch_all(&mut *connection)
        .await?;
    let mut leased: Vec<Leased> = Vec::new();
    for line in lines {
        let Some(mut head) = line.head else {
            recount(connection, endpoint, line.lane).await?;
            continue;
        };
        if let Some(row) = &mut head.row {
            endpoint.clone_into(&mut row.endpoint);
        }
        match leased.last_mut().filter(|last| last.lane == line.lane) {
            Some(last) => last.heads.push(head),
            None => leased.push(Leased {
                lane: line.lane,
                heads: vec![head],
            }),
        }
    }
    Ok(leased)
}

/// A queue that is said to hold something and does not: its count is made anew.
async fn recount(
    connection: &mut PgConnection,
    endpoint: &str,
    lane: Uuid,
) -> Result<(), sqlx::Error> {
    tracing::error!(endpoint, %lane, "webhooks: a queue was miscounted");
    let query = "update public.webhook_lanes lane \
         set leased_until = null, leased_by = null, waiting = (select count(*) \
             from public.webhook_deliveries d where d.endpoint = lane.endpoint \
             and d.lane = lane.lane and d.status = 'pending') \
         where lane.endpoint = $1 and lane.lane = $2";
    let query = sqlx::query(query).bind(endpoint).bind(lane);
    query.execute(connection).await?;
    Ok(())
}

impl FromRow<'_, PgRow> for Line {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        let lane = row.try_get("lane")?;
        let Some(id) = row.try_get::<Option<Uuid>, _>("id")? else {
            return Ok(Self { lane, head: None });
        };
        let client_id = row.try_get("client_id")?;
        let event: String = row.try_get("event")?;
        let tries: i32 = row.try_get("tries")?;
        let data: Option<String> = row.try_get("data")?;
        let content = match data {
            None => None,
            Some(data) => Some(OutboxRow {
                id,
                endpoint: String::new(),
                number: row.try_get("number")?,
                client_id,
                client_number: row.try_get("client_number")?,
                position: row.try_get("position")?,
                event: event.clone(),
                at: row.try_get("at")?,
                data,
                before: row.try_get("before")?,
            }),
        };
        let head = Head {
            id,
            client_id,
            event,
            tries: tries.unsigned_abs(),
            row: content,
        };
        Ok(Self {
            lane,
            head: Some(head),
        })
    }
}
