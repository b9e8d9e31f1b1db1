//! Writes down what came of tries, many at once.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use super::lane::{Finished, Report, Try};
use crate::crm::retry::Verdict;

const ATTEMPTS: &str = "insert into public.webhook_attempts \
         (delivery_id, at, status, latency_ms, answer) \
     select * from unnest($1::uuid[], $2::timestamptz[], $3::smallint[], $4::int[], $5::text[])";

/// What an operator has set aside meanwhile stays what it is.
const DELIVERIES: &str = "with told as ( \
         select * from unnest($1::uuid[], $2::text[], $3::int[]) as told (id, status, tries)), \
     done as ( \
         update public.webhook_deliveries d \
         set status = told.status, tries = d.tries + told.tries, updated_at = now() \
         from told where d.id = told.id and d.status = 'pending' \
         returning d.endpoint, d.lane, d.status), \
     counted as ( \
         select endpoint, lane, count(*) filter (where status <> 'pending') as many \
         from done group by endpoint, lane) \
     update public.webhook_lanes lane set waiting = lane.waiting - counted.many \
     from counted where lane.endpoint = counted.endpoint and lane.lane = counted.lane \
     and counted.many > 0";

/// Another node may hold it by now: what that one does stays.
const LANES: &str = "update public.webhook_lanes lane \
     set leased_until = null, leased_by = null, \
         next_at = now() + make_interval(secs => told.pause) \
     from unnest($1::text[], $2::uuid[], $3::float8[]) as told (endpoint, lane, pause) \
     where lane.endpoint = told.endpoint and lane.lane = told.lane and lane.leased_by = $4";

/// Records what was told, in one transaction.
pub(super) async fn record(
    connection: &mut PgConnection,
    epoch: i64,
    told: &[Report],
) -> Result<(), sqlx::Error> {
    let mut tries = Vec::new();
    let mut finished = Vec::new();
    for report in told {
        match report {
            Report::Tried(tried) => tries.push(&**tried),
            Report::Finished(lane) => finished.push(lane),
        }
    }
    let mut transaction = connection.begin().await?;
    if !tries.is_empty() {
        attempts(&mut transaction, &tries).await?;
        deliveries(&mut transaction, &tries).await?;
    }
    if !finished.is_empty() {
        lanes(&mut transaction, epoch, &finished).await?;
    }
    transaction.commit().await
}

async fn attempts(connection: &mut PgConnection, tries: &[&Try]) -> Result<(), sqlx::Error> {
    let each = || tries.iter();
    let ids: Vec<Uuid> = each().map(|one| one.id).collect();
    let at: Vec<DateTime<Utc>> = each().map(|one| one.at).collect();
    let status: Vec<Option<i16>> = each()
        .map(|one| one.status.and_then(|status| i16::try_from(status).ok()))
        .collect();
    let latency: Vec<i32> = each()
        .map(|one| i32::try_from(one.latency.as_millis()).unwrap_or(i32::MAX))
        .collect();
    let answers: Vec<Option<&str>> = each().map(|one| one.answer.as_deref()).collect();
    sqlx::query(ATTEMPTS)
        .bind(ids)
        .bind(at)
        .bind(status)
        .bind(latency)
        .bind(answers)
        .execute(connection)
        .await?;
    Ok(())
}

/// One row for each delivery: a lane that was taken over may have tried one twice.
async fn deliveries(connection: &mut PgConnection, tries: &[&Try]) -> Result<(), sqlx::Error> {
    let mut last: HashMap<Uuid, (&str, i32)> = HashMap::new();
    for tried in tries {
        let (status, count) = match tried.verdict {
            Verdict::Delivered => ("delivered", 1),
            Verdict::Parked(_) => ("parked", 1),
            Verdict::Again(_) => ("pending", 1),
            // The endpoint's end is no failure of this delivery.
            Verdict::Gone => ("pending", 0),
        };
        let known = last.entry(tried.id).or_insert((status, 0));
        *known = (status, known.1 + count);
    }
    let ids: Vec<Uuid> = last.keys().copied().collect();
    let status: Vec<&str> = last.values().map(|(status, _)| *status).collect();
    let counts: Vec<i32> = last.values().map(|(_, count)| *count).collect();
    sqlx::query(DELIVERIES)
        .bind(ids)
        .bind(status)
        .bind(counts)
        .execute(connection)
        .await?;
    Ok(())
}

async fn lanes(
    connection: &mut PgConnection,
    epoch: i64,
    finished: &[&Finished],
) -> Result<(), sqlx::Error> {
    let endpoints: Vec<&str> = finished.iter().map(|one| one.endpoint.as_str()).collect();
    let lanes: Vec<Uuid> = finished.iter().map(|one| one.lane).collect();
    let pauses: Vec<f64> = finished
        .iter()
        .map(|one| one.pause.unwrap_or_default().as_secs_f64())
        .collect();
    sqlx::query(LANES)
        .bind(endpoints)
        .bind(lanes)
        .bind(pauses)
        .bind(epoch)
        .execute(connection)
        .await?;
    Ok(())
}
