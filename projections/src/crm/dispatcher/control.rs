//! What operators said about deliveries, done once: in the transaction that moves the cursor past it.

use sqlx::PgConnection;

use crate::crm::outbox::Control;

/// A lane of its own, so that a delivery that is sent again holds up nobody.
const RESEND: &str = "with asked as ( \
         update public.webhook_deliveries \
         set status = 'pending', lane = id, tries = 0, updated_at = now() \
         where id = $1 and endpoint = $2 and status <> 'pending' returning endpoint, lane) \
     insert into public.webhook_lanes (endpoint, lane, waiting, next_at, aside) \
     select endpoint, lane, 1, now(), true from asked \
     on conflict (endpoint, lane) do update set \
         waiting = webhook_lanes.waiting + 1, next_at = excluded.next_at";

/// What waits already is tried at once.
const HURRY: &str = "update public.webhook_lanes lane set next_at = now() \
     from public.webhook_deliveries d \
     where d.id = $1 and d.endpoint = $2 and d.status = 'pending' \
     and lane.endpoint = d.endpoint and lane.lane = d.lane";

const SET_ASIDE: &str = "with before as ( \
         select id, endpoint, lane, status from public.webhook_deliveries \
         where id = $1 and endpoint = $2 and status in ('pending', 'parked') for update), \
     after as ( \
         update public.webhook_deliveries d set status = $3, updated_at = now() \
         from before where d.id = before.id) \
     update public.webhook_lanes lane \
     set waiting = lane.waiting - 1, next_at = now() \
     from before where before.status = 'pending' \
     and lane.endpoint = before.endpoint and lane.lane = before.lane";

const REPLAY: &str = "with asked as ( \
         update public.webhook_deliveries \
         set status = 'pending', lane = client_id, tries = 0, updated_at = now() \
         where endpoint = $1 and position >= $2 and position <= $3 \
         and status in ('delivered', 'parked') returning endpoint, lane), \
     counted as (select endpoint, lane, count(*) as many from asked group by endpoint, lane) \
     insert into public.webhook_lanes (endpoint, lane, waiting, next_at) \
     select endpoint, lane, many, now() from counted \
     on conflict (endpoint, lane) do update set \
         waiting = webhook_lanes.waiting + excluded.waiting, next_at = excluded.next_at";

const TIDY: &str = "delete from public.webhook_lanes \
     where aside and waiting = 0 and leased_until is null";

/// Does what was said.
pub(super) async fn apply(
    connection: &mut PgConnection,
    said: &Control,
) -> Result<(), sqlx::Error> {
    let (endpoint, what) = (&said.endpoint, said.what.as_str());
    match (what, said.delivery_id, said.from_position) {
        ("resend", Some(id), _) => {
            // First what waits: what is sent again waits after it.
            for statement in [HURRY, RESEND] {
                let query = sqlx::query(statement).bind(id).bind(endpoint);
                query.execute(&mut *connection).await?;
            }
            sqlx::query(TIDY).execute(&mut *connection).await?;
        }
        ("parked" | "skipped", Some(id), _) => {
            let query = sqlx::query(SET_ASIDE).bind(id).bind(endpoint).bind(what);
            query.execute(&mut *connection).await?;
        }
        ("replay", _, Some(from)) => {
            let query = sqlx::query(REPLAY).bind(endpoint).bind(from);
            let replayed = query.bind(said.position).execute(&mut *connection).await?;
            let queues = replayed.rows_affected();
            tracing::info!(endpoint, from, queues, "webhooks: replaying");
        }
        _ => tracing::error!(endpoint, what, "webhooks: a control that nobody knows"),
    }
    Ok(())
}
