//! What operators order about staff: the only way in for the first of them.

use std::fmt::Display;

use daybook_domain::{StaffCommand, StaffEvent, StaffId, StaffRejection, StaffRole};
use daybook_store::{NewKey, OperatorRequest, SecretRow};
use serde::{Deserialize, Serialize};

use super::{OperatorOutcome, execute};
use crate::{
    engine::Engine,
    error::EngineError,
    shard::stored_answer,
    shared::json,
    staff::{CreateStaff, MemberRequest},
    streams::AnswerRow,
};

/// What is changed about a member of staff.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum StaffChange {
    /// Let them do more or less.
    Role(StaffRole),
    /// Keep them from signing in, for this reason.
    Disable(String),
    /// Let them sign in again.
    Enable,
}

/// What comes with somebody new. Nothing in it is plain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Newcomer {
    /// The data key, wrapped by the master key.
    pub key: Vec<u8>,
    /// The address, sealed under the data key as `email`.
    pub email: String,
    /// Keyed hash of the address.
    pub email_hash: String,
    /// What they sign in with.
    pub credentials: Credentials,
}

/// What somebody signs in with, as it comes to rest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Credentials {
    /// Argon2id hash of the password.
    pub password_hash: String,
    /// The authenticator's secret, sealed as `totp`.
    pub totp: String,
}

/// An order, ready to be executed.
pub(super) enum StaffOrder {
    Create(StaffRole, Box<Newcomer>),
    Reset(Box<Credentials>),
    Change(StaffChange),
}

type Done = Result<(Vec<StaffEvent>, i64), EngineError>;

/// Executes an order; the outcome is JSON text.
///
/// # Errors
/// [`EngineError`] when it was not executed.
pub(super) async fn execute(
    engine: &Engine,
    request: &OperatorRequest,
    staff_id: StaffId,
    order: StaffOrder,
) -> Result<String, EngineError> {
    let by = request.actor.clone();
    let told = match order {
        StaffOrder::Create(role, newcomer) => {
            create(engine, request, (staff_id, role), *newcomer).await
        }
        StaffOrder::Reset(credentials) => {
            let command = StaffCommand::Reset { by };
            let secrets = rows(staff_id, *credentials);
            change(engine, request, staff_id, command, secrets).await
        }
        StaffOrder::Change(asked) => {
            let command = match asked {
                StaffChange::Role(role) => StaffCommand::ChangeRole { role, by },
                StaffChange::Disable(reason) => StaffCommand::Disable { reason, by },
                StaffChange::Enable => StaffCommand::Enable { by },
            };
            change(engine, request, staff_id, command, Vec::new()).await
        }
    };
    match told {
        Ok((events, position)) => Ok(json(&OperatorOutcome::Done {
            position,
            events: events.iter().map(|e| e.event_type().to_owned()).collect(),
        })),
        // It was executed before, by a node that could not say so.
        Err(EngineError::IdempotencyKeyReused) => {
            let told = stored_answer(engine.store(), &execute::key_of(request)).await?;
            Ok(execute::with_position(told.body, told.position))
        }
        Err(EngineError::StaffRefused(refusal)) => Ok(refused(refusal.code(), &refusal)),
        Err(EngineError::NotFound) => Ok(refused("not_found", &StaffRejection::NotCreated)),
        Err(EngineError::UniqueTaken { .. }) => {
            Ok(refused("conflict", &"somebody of staff has this address"))
        }
        Err(error) => Err(error),
    }
}

async fn create(
    engine: &Engine,
    request: &OperatorRequest,
    (staff_id, role): (StaffId, StaffRole),
    newcomer: Newcomer,
) -> Done {
    let key = NewKey {
        subject: staff_id.0,
        wrapped: newcomer.key,
    };
    let opened = engine.store().keys().unwrap_new(&key)?;
    let asked = CreateStaff {
        staff_id,
        command: StaffCommand::Create {
            email: opened.open("email", &newcomer.email)?,
            role,
            by: request.actor.clone(),
        },
        email_hash: newcomer.email_hash,
        key,
        origin: execute::origin(request),
        secrets: rows(staff_id, newcomer.credentials),
        answer: answer_to(request),
    };
    engine.staff_desk().create(asked).await
}

async fn change(
    engine: &Engine,
    request: &OperatorRequest,
    staff_id: StaffId,
    command: StaffCommand,
    secrets: Vec<SecretRow>,
) -> Done {
    let asked = MemberRequest {
        staff_id,
        command,
        key: engine.store().keys().get(staff_id.0).await?,
        origin: execute::origin(request),
        secrets,
        session: None,
    };
    let answer = Some(answer_to(request));
    let reply = engine.staff_desk().change(asked, answer).await?;
    Ok((reply.events, reply.position))
}

fn rows(staff_id: StaffId, credentials: Credentials) -> Vec<SecretRow> {
    let row = |name, value| SecretRow {
        subject: staff_id.0,
        name,
        value,
    };
    vec![
        row("password", credentials.password_hash),
        row("totp", credentials.totp),
    ]
}

/// The row under which what an order did is found again.
fn answer_to(request: &OperatorRequest) -> AnswerRow {
    let request = request.clone();
    Box::new(move |events| execute::row_of(&request, events))
}

fn refused(code: &str, detail: &impl Display) -> String {
    json(&OperatorOutcome::Refused {
        code: code.to_owned(),
        detail: detail.to_string(),
    })
}
