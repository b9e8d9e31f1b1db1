//! The outbox's table: what is due, what was claimed, what became of it.
//!
//! Every clock here is the database's own.

use std::time::Duration;

use chrono::{DateTime, Utc};
use daybook_domain::{ClientId, Timestamp};
use sqlx::{FromRow, PgConnection, PgPool, Row, postgres::PgRow};
use uuid::Uuid;

use crate::{cause::Cause, held::MailState, template::Template};

/// Mails' identifiers are UUIDv5 in this space.
const SPACE: Uuid = Uuid::from_u128(0x6d1f_8a52_94c0_4e0b_8f13_5d2c_7ab9_40e6);
const OPEN: &str = "sent_at is null and given_up_at is null and skipped_at is null";

/// A mail to be: what an event causes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NewMail {
    pub(crate) cause: Cause,
    pub(crate) position: i64,
    pub(crate) recorded_at: Timestamp,
}

/// A mail that was claimed: ours to deliver until the claim runs out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Due {
    pub(crate) id: Uuid,
    pub(crate) template: Template,
    pub(crate) client_id: ClientId,
    pub(crate) position: i64,
    /// Which try this is, from 1.
    pub(crate) attempt: i32,
    /// How long ago the event was recorded.
    pub(crate) age: Duration,
}

/// What became of a try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Sent,
    /// Rightly not sent; why.
    Skipped(&'static str),
    /// Never to be sent; why.
    GivenUp(String),
    /// To be tried again after this time; why.
    Again(String, Duration),
}

/// A row as its client may read it.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct HeldRow {
    pub(crate) id: Uuid,
    pub(crate) template: String,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) attempts: i32,
    pub(crate) last_error: Option<String>,
    sent_at: Option<DateTime<Utc>>,
    given_up_at: Option<DateTime<Utc>>,
    skipped_at: Option<DateTime<Utc>>,
}

impl HeldRow {
    /// What became of it, and when.
    pub(crate) fn state(&self) -> (MailState, Option<DateTime<Utc>>) {
        let ends = [
            (MailState::Sent, self.sent_at),
            (MailState::GivenUp, self.given_up_at),
            (MailState::Skipped, self.skipped_at),
        ];
        let ended = ends.into_iter().find(|(_, at)| at.is_some());
        ended.unwrap_or((MailState::Due, None))
    }
}

impl NewMail {
    pub(crate) fn id(&self) -> Uuid {
        let name = format!("{}:{}", self.position, self.cause.template.as_str());
        Uuid::new_v5(&SPACE, name.as_bytes())
    }
}

impl FromRow<'_, PgRow> for Due {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        let name: &str = row.try_get("template")?;
        let template = Template::parse(name).ok_or_else(|| sqlx::Error::ColumnDecode {
            index: "template".into(),
            source: format!("no template is called {name:?}").into(),
        })?;
        let age_ms: i64 = row.try_get("age_ms")?;
        Ok(Self {
            id: row.try_get("id")?,
            template,
            client_id: ClientId(row.try_get("client_id")?),
            position: row.try_get("position")?,
            attempt: row.try_get("attempts")?,
            age: Duration::from_millis(age_ms.try_into().unwrap_or(0)),
        })
    }
}

/// Inserts what events cause; what nobody is served by any more, as skipped.
pub(crate) async fn insert(
    connection: &mut PgConnection,
    mails: &[NewMail],
) -> Result<(), sqlx::Error> {
    let sql = "insert into public.mails \
                   (id, template, client_id, position, created_at, due_at, skipped_at, last_error) \
               select id, template, client_id, position, recorded_at, clock_timestamp(), \
                   case when old then clock_timestamp() end, case when old then 'too old' end \
               from (select *, recorded_at + good_for_s * interval '1 second' \
                         < clock_timestamp() as old \
                     from unnest($1::uuid[], $2::text[], $3::uuid[], $4::bigint[], \
                                 $5::timestamptz[], $6::bigint[]) \
                         as new (id, template, client_id, position, recorded_at, good_for_s)) new \
               on conflict (id) do nothing";
    let of = |mail: &NewMail| mail.cause.template;
    let good_for = |mail| i64::try_from(of(mail).good_for().as_secs()).unwrap_or(i64::MAX);
    sqlx::query(sql)
        .bind(mails.iter().map(NewMail::id).collect::<Vec<_>>())
        .bind(mails.iter().map(|it| of(it).as_str()).collect::<Vec<_>>())
        .bind(
            mails
                .iter()
                .map(|it| it.cause.client_id.0)
                .collect::<Vec<_>>(),
        )
        .bind(mails.iter().map(|it| it.position).collect::<Vec<_>>())
        .bind(mails.iter().map(|it| it.recorded_at).collect::<Vec<_>>())
        .bind(mails.iter().map(good_for).collect::<Vec<_>>())
        .execute(connection)
        .await?;
    Ok(())
}

/// Deletes all rows of these clients.
pub(crate) async fn forget(
    connection: &mut PgConnection,
    clients: &[ClientId],
) -> Result<u64, sqlx::Error> {
    let clients: Vec<Uuid> = clients.iter().map(|client| client.0).collect();
    let deleted = sqlx::query("delete from public.mails where client_id = any($1)")
        .bind(clients)
        .execute(connection)
        .await?;
    Ok(deleted.rows_affected())
}

/// All rows of a client, in the book's order.
pub(crate) async fn of_client(
    pool: &PgPool,
    client_id: ClientId,
) -> Result<Vec<HeldRow>, sqlx::Error> {
    let sql = "select id, template, created_at, attempts, last_error, \
                   sent_at, given_up_at, skipped_at \
               from public.mails where client_id = $1 order by position, id";
    let rows = sqlx::query_as(sql).bind(client_id.0);
    rows.fetch_all(pool).await
}

/// Claims at most `most` mails that are due; a claim that nobody settles runs out by itself.
pub(crate) async fn claim(
    pool: &PgPool,
    most: usize,
    claim: Duration,
) -> Result<Vec<Due>, sqlx::Error> {
    let sql = format!(
        "update public.mails mail set attempts = attempts + 1, \
             due_at = clock_timestamp() + $2 * interval '1 millisecond' \
         from (select id from public.mails where {OPEN} and due_at <= clock_timestamp() \
                   and template = any($3) \
               order by due_at limit $1 for update skip locked) due \
         where mail.id = due.id \
         returning mail.id, template, client_id, position, attempts, greatest(0, \
             extract(epoch from clock_timestamp() - created_at) * 1000)::bigint as age_ms"
    );
    sqlx::query_as(&sql)
        .bind(i64::try_from(most).unwrap_or(i64::MAX))
        .bind(millis(claim))
        .bind(known())
        .fetch_all(pool)
        .await
}

/// How long until the next mail is due; none: there is none.
pub(crate) async fn next_due_in(pool: &PgPool) -> Result<Option<Duration>, sqlx::Error> {
    let sql = format!(
        "select greatest(0, ceil(extract(epoch from min(due_at) - clock_timestamp()) * 1000)) \
             ::bigint from public.mails where {OPEN} and template = any($1)"
    );
    let query = sqlx::query_scalar(&sql).bind(known());
    let due_in: Option<i64> = query.fetch_one(pool).await?;
    Ok(due_in.map(|ms| Duration::from_millis(ms.try_into().unwrap_or(0))))
}

/// Writes down what became of a try. False: there is no such row any more, the client is forgotten.
pub(crate) async fn settle(
    pool: &PgPool,
    due: &Due,
    outcome: &Outcome,
) -> Result<bool, sqlx::Error> {
    let now = "clock_timestamp()";
    let (set, error, pause) = match outcome {
        Outcome::Sent => ("sent_at", None, None),
        Outcome::Skipped(why) => ("skipped_at", Some(*why), None),
        Outcome::GivenUp(why) => ("given_up_at", Some(why.as_str()), None),
        Outcome::Again(why, pause) => ("due_at", Some(why.as_str()), Some(*pause)),
    };
    // Whoever's claim has run out settles nothing, except that what was sent was sent.
    let still = match outcome {
        Outcome::Sent => "true",
        Outcome::Skipped(_) | Outcome::GivenUp(_) | Outcome::Again(..) => "attempts = $2",
    };
    let sql = format!(
        "with settled as (update public.mails \
             set {set} = {now} + $3 * interval '1 millisecond', last_error = $4 \
             where id = $1 and {still} and {OPEN}) \
         select exists (select from public.mails where id = $1 and attempts >= $2)"
    );
    sqlx::query_scalar(&sql)
        .bind(due.id)
        .bind(due.attempt)
        .bind(pause.map_or(0, millis))
        .bind(error)
        .fetch_one(pool)
        .await
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// The templates of this version: what a newer one has put in waits for it.
fn known() -> Vec<&'static str> {
    Template::ALL.iter().map(|it| it.as_str()).collect()
}
