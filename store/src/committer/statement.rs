//! The one statement of an append: head row, events and what is committed beside them.
//!
//! A batch pays only for the tables it has rows for: there is one statement for each combination,
//! and Postgres keeps each prepared.

use std::sync::OnceLock;

use chrono::{DateTime, Utc};
use sqlx::{Arguments, postgres::PgArguments};
use uuid::Uuid;

use super::batch::Batch;
use crate::{
    sessions::{NewSession, SessionChange},
    submission::Submission,
};

/// Which tables a batch has rows for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Parts {
    pub events: bool,
    pub idempotency: bool,
    pub uniques: bool,
    pub keys: bool,
    pub secrets: bool,
    pub opened: bool,
    pub revoked: bool,
}

/// Under whose name an append happens.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Signature {
    pub epoch: i64,
    pub batch_id: Uuid,
    pub lease_ms: i64,
    pub recorded_at: DateTime<Utc>,
}

const COMBINATIONS: usize = 128;

impl Parts {
    pub(crate) fn of(submission: &Submission) -> Self {
        Self {
            events: submission.events() > 0,
            idempotency: submission.idempotency.is_some(),
            uniques: !submission.uniques.is_empty(),
            keys: !submission.keys.is_empty(),
            secrets: !submission.secrets.is_empty(),
            opened: submission.sessions.iter().any(SessionChange::opens),
            revoked: !submission.sessions.iter().all(SessionChange::opens),
        }
    }

    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            events: self.events || other.events,
            idempotency: self.idempotency || other.idempotency,
            uniques: self.uniques || other.uniques,
            keys: self.keys || other.keys,
            secrets: self.secrets || other.secrets,
            opened: self.opened || other.opened,
            revoked: self.revoked || other.revoked,
        }
    }

    pub(crate) fn any(self) -> bool {
        self != Self::default()
    }

    fn index(self) -> usize {
        let bits = [
            self.events,
            self.idempotency,
            self.uniques,
            self.keys,
            self.secrets,
            self.opened,
            self.revoked,
        ];
        bits.iter()
            .fold(0, |index, bit| index * 2 + usize::from(*bit))
    }

    /// The statement for these parts. It returns the position before the batch, or no row when
    /// this node is fenced off.
    pub(crate) fn sql(self) -> &'static str {
        static STATEMENTS: [OnceLock<String>; COMBINATIONS] =
            [const { OnceLock::new() }; COMBINATIONS];
        STATEMENTS[self.index()].get_or_init(|| self.build())
    }

    fn build(self) -> String {
        let mut sql = Builder::new();
        if self.events {
            sql.insert(
                "insert into public.events (position, aggregate_type, aggregate_id, sequence, \
                   event_type, event_version, payload, metadata, hash, recorded_at) \
                 select h.base + t.n, t.c1, t.c2, t.c3, t.c4, t.c5, t.c6::json, t.c7::json, t.c8, $3",
                &["text", "text", "int8", "text", "text", "text", "text", "bytea"],
                "",
            );
        }
        if self.idempotency {
            sql.insert(
                "insert into public.idempotency (scope, key, aggregate_id, request_hash, status, \
                   body, position, recorded_at) \
                 select t.c1, t.c2, t.c3, t.c4, t.c5, t.c6, h.base + t.c7, $3",
                &["text", "text", "text", "bytea", "int2", "text", "int8"],
                "",
            );
        }
        if self.uniques {
            sql.insert(
                "insert into public.unique_values (kind, value, owner) select t.c1, t.c2, t.c3",
                &["text", "text", "uuid"],
                "",
            );
        }
        if self.keys {
            sql.insert(
                "insert into public.subject_keys (subject, wrapped, created_at) \
                 select t.c1, t.c2, $3",
                &["uuid", "bytea"],
                "",
            );
        }
        if self.secrets {
            sql.insert(
                "insert into public.secrets (subject, name, value, changed_at) \
                 select t.c1, t.c2, t.c3, $3",
                &["uuid", "text", "text"],
                " on conflict (subject, name) do update \
                   set value = excluded.value, changed_at = excluded.changed_at",
            );
        }
        self.build_sessions(&mut sql);
        // Readers are woken for events alone.
        sql.finish(if self.events {
            "select h.base, pg_notify('daybook_events', (h.base + $2)::text) from h"
        } else {
            "select h.base from h"
        })
    }

    fn build_sessions(self, sql: &mut Builder) {
        if self.opened {
            sql.insert(
                "insert into public.sessions (session_id, subject, audience, user_agent, address, \
                   created_at, last_seen_at, refresh_id, refresh_issued_at, expires_at, \
                   impersonated_by, impersonation_reason, ends_at) \
                 select t.c1, t.c2, t.c3, t.c4, t.c5, t.c7, t.c7, t.c6, t.c7, t.c8, t.c9, \
                   t.c10, t.c11",
                &[
                    "uuid",
                    "uuid",
                    "text",
                    "text",
                    "text",
                    "uuid",
                    "timestamptz",
                    "timestamptz",
                    "text",
                    "text",
                    "timestamptz",
                ],
                "",
            );
        }
        if self.revoked {
            sql.insert(
                "update public.sessions s set revoked_at = clock_timestamp()",
                &["uuid", "uuid", "uuid"],
                " where s.subject = t.c1 and s.revoked_at is null \
                   and (t.c2 is null or s.session_id = t.c2) \
                   and s.session_id is distinct from t.c3",
            );
        }
    }
}

struct Builder {
    sql: String,
    parameters: usize,
    parts: usize,
}

impl Builder {
    fn new() -> Self {
        let sql = "with h as (update public.head set position = position + $2, recorded_at = $3, \
             batch_id = $4, lease_until = clock_timestamp() + $5::int8 * interval '1 millisecond' \
             where epoch = $1 returning position - $2 as base)";
        Self {
            sql: sql.to_owned(),
            parameters: 5,
            parts: 0,
        }
    }

    /// `select` reads `h` and `t`, whose columns are `c1`… of the types and the ordinal `n`.
    fn insert(&mut self, select: &str, types: &[&str], conflict: &str) {
        let arrays: Vec<String> = (self.parameters + 1..)
            .zip(types)
            .map(|(parameter, of)| format!("${parameter}::{of}[]"))
            .collect();
        let columns: Vec<String> = (1..=types.len())
            .map(|column| format!("c{column}"))
            .collect();
        self.parameters += types.len();
        self.parts += 1;
        self.sql.push_str(&format!(
            ", p{} as ({select} from h, unnest({}) with ordinality as t({}, n){conflict})",
            self.parts,
            arrays.join(", "),
            columns.join(", "),
        ));
    }

    fn finish(self, select: &str) -> String {
        format!("{} {select}", self.sql)
    }
}

/// Encodes the batch for [`Parts::sql`], parameter for parameter.
pub(crate) fn arguments(batch: &Batch, signature: Signature) -> Result<PgArguments, sqlx::Error> {
    encode(batch, signature).map_err(sqlx::Error::Encode)
}

fn encode(batch: &Batch, signature: Signature) -> Result<PgArguments, sqlx::error::BoxDynError> {
    let mut to = PgArguments::default();
    to.add(signature.epoch)?;
    to.add(batch.events())?;
    to.add(signature.recorded_at)?;
    to.add(signature.batch_id)?;
    to.add(signature.lease_ms)?;
    let parts = batch.parts();
    if parts.events {
        add_events(batch, &mut to)?;
    }
    if parts.idempotency {
        add_idempotency(batch, &mut to)?;
    }
    if parts.uniques {
        let rows: Vec<_> = batch.submissions().flat_map(|s| &s.uniques).collect();
        to.add(rows.iter().map(|row| row.kind).collect::<Vec<_>>())?;
        to.add(
            rows.iter()
                .map(|row| row.value.as_str())
                .collect::<Vec<_>>(),
        )?;
        to.add(rows.iter().map(|row| row.owner).collect::<Vec<_>>())?;
    }
    if parts.keys {
        let rows: Vec<_> = batch.submissions().flat_map(|s| &s.keys).collect();
        to.add(rows.iter().map(|row| row.subject).collect::<Vec<_>>())?;
        to.add(
            rows.iter()
                .map(|row| row.wrapped.as_slice())
                .collect::<Vec<_>>(),
        )?;
    }
    if parts.secrets {
        let rows: Vec<_> = batch.submissions().flat_map(|s| &s.secrets).collect();
        to.add(rows.iter().map(|row| row.subject).collect::<Vec<_>>())?;
        to.add(rows.iter().map(|row| row.name).collect::<Vec<_>>())?;
        to.add(
            rows.iter()
                .map(|row| row.value.as_str())
                .collect::<Vec<_>>(),
        )?;
    }
    if parts.opened {
        add_opened(batch, &mut to)?;
    }
    if parts.revoked {
        add_revoked(batch, &mut to)?;
    }
    Ok(to)
}

fn add_opened(batch: &Batch, to: &mut PgArguments) -> Result<(), sqlx::error::BoxDynError> {
    let rows: Vec<&NewSession> = batch
        .submissions()
        .flat_map(|s| &s.sessions)
        .filter_map(|change| match change {
            SessionChange::Open(session) => Some(&**session),
            SessionChange::Revoke { .. } => None,
        })
        .collect();
    to.add(rows.iter().map(|row| row.session_id).collect::<Vec<_>>())?;
    to.add(rows.iter().map(|row| row.subject).collect::<Vec<_>>())?;
    to.add(rows.iter().map(|row| row.audience).collect::<Vec<_>>())?;
    to.add(
        rows.iter()
            .map(|row| row.user_agent.as_deref())
            .collect::<Vec<_>>(),
    )?;
    to.add(
        rows.iter()
            .map(|row| row.address.as_str())
            .collect::<Vec<_>>(),
    )?;
    to.add(rows.iter().map(|row| row.refresh_id).collect::<Vec<_>>())?;
    to.add(rows.iter().map(|row| row.issued_at).collect::<Vec<_>>())?;
    to.add(rows.iter().map(|row| row.expires_at).collect::<Vec<_>>())?;
    let impersonations: Vec<_> = rows.iter().map(|row| row.impersonation.as_ref()).collect();
    let told = impersonations.iter();
    to.add(
        told.clone()
            .map(|told| told.map(|told| &*told.admin_id))
            .collect::<Vec<_>>(),
    )?;
    to.add(
        told.clone()
            .map(|told| told.map(|told| &*told.reason))
            .collect::<Vec<_>>(),
    )?;
    to.add(
        told.map(|told| told.map(|told| told.ends_at))
            .collect::<Vec<_>>(),
    )
}

fn add_revoked(batch: &Batch, to: &mut PgArguments) -> Result<(), sqlx::error::BoxDynError> {
    let rows: Vec<(Uuid, Option<Uuid>, Option<Uuid>)> = batch
        .submissions()
        .flat_map(|s| &s.sessions)
        .filter_map(|change| match change {
            SessionChange::Open(_) => None,
            SessionChange::Revoke {
                subject,
                session_id,
                kept,
            } => Some((*subject, *session_id, *kept)),
        })
        .collect();
    to.add(rows.iter().map(|row| row.0).collect::<Vec<_>>())?;
    to.add(rows.iter().map(|row| row.1).collect::<Vec<_>>())?;
    to.add(rows.iter().map(|row| row.2).collect::<Vec<_>>())
}

fn add_events(batch: &Batch, to: &mut PgArguments) -> Result<(), sqlx::error::BoxDynError> {
    let rows: Vec<_> = batch.rows().collect();
    to.add(
        rows.iter()
            .map(|row| row.link.aggregate_type)
            .collect::<Vec<_>>(),
    )?;
    to.add(
        rows.iter()
            .map(|row| row.link.aggregate_id)
            .collect::<Vec<_>>(),
    )?;
    to.add(rows.iter().map(|row| row.link.sequence).collect::<Vec<_>>())?;
    to.add(
        rows.iter()
            .map(|row| row.link.event_type)
            .collect::<Vec<_>>(),
    )?;
    to.add(
        rows.iter()
            .map(|row| row.link.event_version)
            .collect::<Vec<_>>(),
    )?;
    to.add(rows.iter().map(|row| row.link.payload).collect::<Vec<_>>())?;
    to.add(rows.iter().map(|row| row.link.metadata).collect::<Vec<_>>())?;
    to.add(rows.iter().map(|row| row.hash).collect::<Vec<&[u8]>>())
}

fn add_idempotency(batch: &Batch, to: &mut PgArguments) -> Result<(), sqlx::error::BoxDynError> {
    let rows: Vec<_> = batch.answers().collect();
    let statuses: Result<Vec<i16>, _> = rows
        .iter()
        .map(|(row, _)| i16::try_from(row.status))
        .collect();
    to.add(
        rows.iter()
            .map(|(row, _)| row.scope.as_str())
            .collect::<Vec<_>>(),
    )?;
    to.add(
        rows.iter()
            .map(|(row, _)| row.key.as_str())
            .collect::<Vec<_>>(),
    )?;
    to.add(
        rows.iter()
            .map(|(row, _)| row.aggregate_id.as_str())
            .collect::<Vec<_>>(),
    )?;
    to.add(
        rows.iter()
            .map(|(row, _)| row.request_hash.as_slice())
            .collect::<Vec<_>>(),
    )?;
    to.add(statuses?)?;
    to.add(
        rows.iter()
            .map(|(row, _)| row.body.as_str())
            .collect::<Vec<_>>(),
    )?;
    to.add(rows.iter().map(|(_, end)| *end).collect::<Vec<_>>())
}
