//! What the CRM or staff decide about a client, and what follows from it for every account: one
//! append of the client's stream and the accounts', through the shard that owns these.

use daybook_domain::{Account, AccountCommand, Client, ClientEvent, client::Standing};
use daybook_store::{AppendError, Committed, Submission};
use tokio::sync::oneshot;

use crate::{
    engine::Engine,
    error::EngineError,
    people::{answer_row, decide_all, uniques_of},
    person::Person as _,
    request::{ChangeClientRequest, Reply},
    shard::{Apart, Note, Together},
    shared::metadata_of,
    streams::{self, append_of, type_of},
};

/// Decisions on states that turned out not to last.
const TRIES: usize = 3;

impl Engine {
    /// Changes a client, and what holds for their accounts with it.
    ///
    /// # Errors
    /// [`EngineError::ClientRefused`] or [`EngineError::AccountRefused`] names the broken rule;
    /// nothing was appended then. [`EngineError`].
    pub async fn change_client(&self, request: ChangeClientRequest) -> Result<Reply, EngineError> {
        let people = self.people();
        let _turn = people.turn_of(request.client_id).await;
        if let Some(reply) = people.answered(&request.idempotency).await? {
            return Ok(reply);
        }
        for _ in 0..TRIES {
            match self.try_change(&request).await {
                Ok(committed) => {
                    return Ok(Reply {
                        status: request.answer.status,
                        body: request.answer.body,
                        position: committed.position,
                        replayed: false,
                    });
                }
                Err(Apart::Append(AppendError::StaleGeneration(_))) => {}
                Err(Apart::Append(AppendError::IdempotencyKeyUsed)) => {
                    return people.answer_again(&request.idempotency).await;
                }
                Err(Apart::Append(error)) => return Err(error.into()),
                Err(Apart::Refused(refusal)) => return Err(EngineError::AccountRefused(refusal)),
                Err(Apart::Failed(error)) => return Err(error),
            }
        }
        Err(EngineError::Unavailable)
    }

    async fn try_change(&self, request: &ChangeClientRequest) -> Result<Committed, Apart> {
        let (client_id, clients) = (request.client_id, self.people().streams());
        let loaded = clients.load(client_id, &request.key).await;
        let (before, handle) = loaded.map_err(Apart::Failed)?;
        let at = self.shared().clock.now();
        let was = before.standing.clone();
        let decided = decide_all(before, request.commands.iter(), at);
        let (after, events) = decided.map_err(Apart::Failed)?;
        let mut submission = beside(request, &events);
        if events.is_empty() {
            submission.rests_on = vec![(handle.clone(), handle.generation())];
        } else {
            let sealed = streams::seal::<Client>(&events, &request.key);
            let sealed = sealed.map_err(Apart::Failed)?;
            submission.appends = vec![append_of(handle.clone(), sealed)];
        }
        clients.forget(client_id);
        let committed = if after.standing.allows_the_same(&was) {
            let appended = streams::append(self.shared(), submission).await;
            appended.map_err(Apart::Append)?
        } else {
            let standings = (was, after.standing.clone());
            self.carry_over(request, standings, submission).await?
        };
        clients.remember(client_id, (after, handle));
        Ok(committed)
    }

    /// Appends it together with what follows for each account.
    async fn carry_over(
        &self,
        request: &ChangeClientRequest,
        (was, now): (Standing, Standing),
        submission: Submission,
    ) -> Result<Committed, Apart> {
        let newer = self.opened_after(request.client_id, request.as_of).await;
        let mut accounts = request.accounts.clone();
        accounts.extend(newer.map_err(Apart::Failed)?);
        accounts.sort_unstable();
        accounts.dedup();
        let by = request.origin.actor.clone();
        let command = move |account: &Account| AccountCommand::SetControls {
            controls: Box::new(now.carried_over(&was, account.controls())),
            reason: None,
            by: by.clone(),
        };
        let (reply, told) = oneshot::channel();
        let together = Together {
            client_id: request.client_id,
            accounts,
            command: Box::new(command),
            submission,
            reply,
            loads: 0,
        };
        self.decide_together(together)?;
        let ended = |_| Apart::Failed(EngineError::Unavailable);
        told.await.map_err(ended)?
    }

    fn decide_together(&self, together: Together) -> Result<(), Apart> {
        let shard = self.shard_of(together.client_id);
        let sent = shard.notes.send(Note::Together(Box::new(together)));
        sent.map_err(|_ended| Apart::Failed(EngineError::Unavailable))
    }
}

/// What goes with the events: the answer, unique values, sessions that end.
fn beside(request: &ChangeClientRequest, events: &[ClientEvent]) -> Submission {
    let name = match request.commands.as_slice() {
        [command] => command.name(),
        _several => "ChangeClient",
    };
    let metadata = metadata_of(&request.origin, type_of(name));
    let mut submission = Submission::new(Vec::new(), metadata, Box::new(|_| {}));
    let client_id = request.client_id;
    submission.idempotency = answer_row(&request.idempotency, client_id, &request.answer);
    submission.uniques = uniques_of(client_id, events);
    let ends = events
        .iter()
        .filter_map(|event| Client::ended(client_id, event));
    submission.sessions = ends.collect();
    submission
}
