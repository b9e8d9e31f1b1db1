//! Endpoints of webhooks: their streams, one command at a time.
//!
//! Secrets come sealed: nothing here opens one.

use std::sync::Arc;

use daybook_domain::{Endpoint, EndpointCommand, EndpointEvent, EndpointId};
use daybook_store::{IdempotencyRow, NewKey, StreamAppend, StreamId, Submission};
use tokio::sync::{Mutex, oneshot};

use crate::{
    engine::Engine,
    error::EngineError,
    request::Origin,
    shared::{ENDPOINT, Shared, json, metadata_of, new_event},
};

/// Endpoints have no snapshots: their streams are short.
const NO_SNAPSHOTS: i32 = 0;

/// A command to an endpoint.
pub struct EndpointRequest {
    /// Which.
    pub endpoint: EndpointId,
    /// What is asked.
    pub command: EndpointCommand,
    /// The wrapped key that the secret is sealed under, of an endpoint that is new.
    pub key: Option<NewKey>,
    /// Who, why, from where.
    pub origin: Origin,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointReply {
    /// Where it stands in the book.
    pub position: i64,
    /// Names of the events; none: it was so already.
    pub events: Vec<&'static str>,
}

/// Makes the row under which an answer is found again.
pub(crate) type AnswerRow = Box<dyn Fn(&[&'static str]) -> IdempotencyRow + Send>;

/// The endpoints' streams; commands take turns.
pub(crate) struct Endpoints {
    shared: Arc<Shared>,
    turn: Mutex<()>,
}

impl Endpoints {
    pub fn new(shared: Arc<Shared>) -> Self {
        let turn = Mutex::new(());
        Self { shared, turn }
    }

    /// Executes a command.
    ///
    /// # Errors
    /// [`EngineError`]; nothing was appended then.
    pub async fn execute(
        &self,
        request: EndpointRequest,
        answer: Option<AnswerRow>,
    ) -> Result<EndpointReply, EngineError> {
        let _turn = self.turn.lock().await;
        let stream = StreamId::new(ENDPOINT, &request.endpoint);
        let loaded = self.shared.store.load(&stream, NO_SNAPSHOTS).await?;
        let mut endpoint = Endpoint::default();
        for recorded in &loaded.tail {
            let event: EndpointEvent = recorded.decode()?;
            endpoint.evolve(&event);
        }
        let at = self.shared.clock.now();
        let events = endpoint
            .decide(&request.command, &request.origin.actor, at)
            .map_err(EngineError::EndpointRefused)?;
        let names: Vec<&'static str> = events.iter().map(EndpointEvent::event_type).collect();
        let metadata = metadata_of(&request.origin, command_of(&request.command));
        let mut submission = Submission::new(Vec::new(), metadata, Box::new(|_| {}));
        submission.idempotency = answer.map(|row| row(&names));
        if !events.is_empty() {
            submission.keys.extend(request.key);
            submission.appends.push(StreamAppend {
                generation: loaded.handle.generation(),
                first_sequence: loaded.handle.head().sequence + 1,
                handle: loaded.handle,
                events: events
                    .iter()
                    .map(|event| new_event(event.event_type(), json(event)))
                    .collect(),
            });
        }
        let (outcome, told) = oneshot::channel();
        submission.on_outcome = Box::new(move |result| {
            let _gone = outcome.send(result);
        });
        self.shared.writer.submit(submission);
        let committed = told.await.map_err(|_ended| EngineError::Unavailable)??;
        Ok(EndpointReply {
            position: committed.position,
            events: names,
        })
    }
}

impl Engine {
    /// Executes a command on an endpoint of webhooks.
    ///
    /// # Errors
    /// [`EngineError::EndpointRefused`] names the broken rule; nothing was appended.
    pub async fn endpoint(&self, request: EndpointRequest) -> Result<EndpointReply, EngineError> {
        self.endpoints().execute(request, None).await
    }
}

/// The command as metadata keeps it: its type, for it may carry a secret, if only a sealed one.
fn command_of(command: &EndpointCommand) -> String {
    let name = match command {
        EndpointCommand::Create(_) => "CreateEndpoint",
        EndpointCommand::Declare { .. } => "DeclareEndpoint",
        EndpointCommand::Change { .. } => "ChangeEndpoint",
        EndpointCommand::Disable { .. } => "DisableEndpoint",
        EndpointCommand::Enable => "EnableEndpoint",
        EndpointCommand::Resend { .. } => "ResendDelivery",
        EndpointCommand::SetAside { .. } => "SetDeliveryAside",
        EndpointCommand::Replay { .. } => "ReplayDeliveries",
    };
    format!(r#"{{"type":"{name}"}}"#)
}
