//! One operator's command, executed and answered. The answer is rendered before the commit and
//! stands in the book beside the facts.

use daybook_domain::{AccountCommand, AccountId, account::Decision};
use daybook_store::{IdempotencyRow, OperatorRequest};

use super::{OperatorCommand, OperatorOutcome};
use crate::{
    deals,
    engine::Engine,
    error::EngineError,
    request::{
        Answer, Correction, CorrectionRequest, IdempotencyRequest, Origin, Outcome, Render, Reply,
        Request,
    },
    shared::json,
};

/// The key under which the answer to a request is kept.
pub(super) fn key_of(request: &OperatorRequest) -> IdempotencyRequest {
    IdempotencyRequest {
        scope: "operator request".to_owned(),
        key: request.id.to_string(),
        // The identifier stands for one command alone.
        request_hash: [0; 32],
    }
}

/// Executes a request; the outcome is JSON text.
///
/// # Errors
/// [`EngineError`] when it was not executed.
pub(super) async fn execute(
    engine: &Engine,
    request: &OperatorRequest,
) -> Result<String, EngineError> {
    let command: OperatorCommand = match serde_json::from_str(&request.command) {
        Ok(command) => command,
        Err(error) => return Ok(super::failed(&format!("not a command: {error}"))),
    };
    let by = request.actor.clone();
    match command {
        OperatorCommand::SetInstrument {
            symbol,
            change,
            reason,
        } => {
            let told = engine
                .change_terms(
                    symbol,
                    *change,
                    reason,
                    origin(request),
                    Some(row_of(request)),
                )
                .await;
            return answer_of_change(told);
        }
        OperatorCommand::BustDeal {
            account_id,
            deal_id,
            reason,
        } => {
            let asked = correction(request, account_id, deal_id, Correction::Bust, reason);
            engine.correct(asked).await
        }
        OperatorCommand::RepriceDeal {
            account_id,
            deal_id,
            price,
            reason,
        } => {
            let repriced = Correction::Reprice(price);
            let asked = correction(request, account_id, deal_id, repriced, reason);
            engine.correct(asked).await
        }
        OperatorCommand::SetControls {
            account_id,
            controls,
            reason,
        } => {
            let asked = AccountCommand::SetControls {
                controls,
                reason,
                by,
            };
            on_account(engine, request, account_id, asked).await
        }
        OperatorCommand::ChangeLeverage {
            account_id,
            leverage,
        } => {
            let asked = AccountCommand::ChangeLeverage { leverage, by };
            on_account(engine, request, account_id, asked).await
        }
        OperatorCommand::AdjustFunds {
            account_id,
            bucket,
            amount,
            notes,
        } => {
            let asked = AccountCommand::AdjustFunds {
                bucket,
                amount,
                notes,
                by,
            };
            on_account(engine, request, account_id, asked).await
        }
    }
    .map(|reply| with_position(reply.body, reply.position))
}

async fn on_account(
    engine: &Engine,
    request: &OperatorRequest,
    account_id: AccountId,
    command: AccountCommand,
) -> Result<Reply, EngineError> {
    let client_id = deals::owner(engine.store(), account_id).await?;
    engine
        .execute(Request {
            client_id,
            account_id,
            command,
            origin: origin(request),
            idempotency: Some(key_of(request)),
            render: render(),
        })
        .await
}

fn correction(
    request: &OperatorRequest,
    account_id: AccountId,
    deal_id: daybook_domain::DealId,
    correction: Correction,
    reason: String,
) -> CorrectionRequest {
    CorrectionRequest {
        account_id,
        deal_id,
        correction,
        reason,
        origin: origin(request),
        idempotency: Some(key_of(request)),
        render: render(),
    }
}

fn origin(request: &OperatorRequest) -> Origin {
    Origin {
        actor: request.actor.clone(),
        reason: "operator".to_owned(),
        correlation_id: request.id.to_string(),
        ip: None,
        user_agent: None,
    }
}

/// Refusals of every kind are kept: nobody asks again under the same key.
fn render() -> Render {
    Box::new(|outcome: &Outcome<'_>| Answer {
        status: 200,
        body: json(&outcome_of(outcome.decision)),
        keep: true,
    })
}

fn outcome_of(decision: &Decision) -> OperatorOutcome {
    match &decision.refusal {
        Some(refusal) => OperatorOutcome::Refused {
            code: refusal.code().to_owned(),
            detail: refusal.to_string(),
        },
        None => {
            let events = decision.events.iter();
            OperatorOutcome::Done {
                position: 0,
                events: events.map(|event| event.event_type().to_owned()).collect(),
            }
        }
    }
}

/// An outcome as it is stored does not know its position yet.
pub(super) fn with_position(body: String, at: i64) -> String {
    match serde_json::from_str(&body) {
        Ok(OperatorOutcome::Done { events, .. }) => json(&OperatorOutcome::Done {
            position: at,
            events,
        }),
        Ok(
            OperatorOutcome::Refused { .. }
            | OperatorOutcome::Failed { .. }
            | OperatorOutcome::Withdrawn,
        )
        | Err(_) => body,
    }
}

/// The row under which a change of terms is found again.
fn row_of(request: &OperatorRequest) -> IdempotencyRow {
    let key = key_of(request);
    IdempotencyRow {
        scope: key.scope,
        key: key.key,
        aggregate_id: "instrument".to_owned(),
        request_hash: key.request_hash,
        status: 200,
        body: json(&OperatorOutcome::Done {
            position: 0,
            events: vec!["InstrumentTermsChanged".to_owned()],
        }),
        position: 0,
    }
}

fn answer_of_change(
    told: Result<crate::InstrumentChanged, EngineError>,
) -> Result<String, EngineError> {
    match told {
        Ok(told) => {
            let is_new = !told.changed.is_empty();
            let event = is_new.then(|| "InstrumentTermsChanged".to_owned());
            Ok(json(&OperatorOutcome::Done {
                position: told.position,
                events: event.into_iter().collect(),
            }))
        }
        Err(EngineError::InstrumentRefused(refusal)) => Ok(json(&OperatorOutcome::Refused {
            code: refusal.code().to_owned(),
            detail: refusal.to_string(),
        })),
        Err(error) => Err(error),
    }
}
