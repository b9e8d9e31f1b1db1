//! Erasing a client: looked at, refused while something is open, written into the book, and only
//! then done. A node that ends between the fact and the deed leaves the deed to whoever reads the
//! book next, see the store's `unfinished_erasures`.

use daybook_domain::{
    AccountCommand, AccountEvent, AccountId, ClientCommand, ClientEvent, ClientId, ClientRejection,
    account::{Controls, Unsettled},
};
use daybook_store::{StoreError, SubjectKey};

use crate::{
    engine::Engine,
    error::EngineError,
    request::{Answer, EraseRequest, Erased, Outcome, PersonRequest, Request},
    streams::AnswerRow,
};

/// Why an account's controls change, as the book says.
const CLOSED: &str = "the client is being erased";
const REOPENED: &str = "the client could not be erased";
/// Events read at once.
const PAGE: i64 = 1_000;

/// What an account was allowed before it was kept still.
type Before = (AccountId, Controls);

impl Engine {
    /// Makes a person's data unreadable: appends the fact, destroys the data key, deletes secrets
    /// and unique values. Accounts stay as they are, without trading. Asked again it changes
    /// nothing, and finishes what was begun.
    ///
    /// # Errors
    /// [`EngineError::NotSettled`] while something of the client's is open; nothing of the person
    /// was appended then. [`EngineError`].
    pub async fn erase(&self, request: EraseRequest) -> Result<Erased, EngineError> {
        self.erase_answered(request, None).await
    }

    /// The same, with an answer that is kept beside the fact.
    pub(crate) async fn erase_answered(
        &self,
        mut request: EraseRequest,
        answer: Option<AnswerRow>,
    ) -> Result<Erased, EngineError> {
        let client_id = request.client_id;
        let key = match self.store().keys().get(client_id.0).await {
            Ok(key) => key,
            Err(StoreError::Erased(_)) => return Ok(self.erased_before()),
            Err(error) => return Err(error.into()),
        };
        // Nobody opens another account meanwhile.
        let _turn = self.people().turn_of(client_id).await;
        let newer = self.opened_after(client_id, request.as_of).await?;
        request.accounts.extend(newer);
        self.check_settled(&request).await?;
        let still = self.keep_still(&request).await?;
        // What was under way when trading ended has been decided by now.
        let told = match self.check_settled(&request).await {
            Ok(()) => self.tell_erased(&request, key, answer).await,
            Err(error) => Err(error),
        };
        if told.is_err() {
            self.let_go(&request, still).await;
        }
        let erased = told?;
        self.store().erase_subject(client_id.0).await?;
        Ok(erased)
    }

    fn erased_before(&self) -> Erased {
        Erased {
            events: Vec::new(),
            position: *self.store().committed().borrow(),
        }
    }

    async fn tell_erased(
        &self,
        request: &EraseRequest,
        key: SubjectKey,
        answer: Option<AnswerRow>,
    ) -> Result<Erased, EngineError> {
        let asked = PersonRequest {
            client_id: request.client_id,
            command: ClientCommand::Erase {
                reason: request.reason.clone(),
                by: request.origin.actor.clone(),
            },
            key,
            origin: request.origin.clone(),
            secrets: Vec::new(),
            session: None,
        };
        match self.people().change_in_turn(asked, answer).await {
            Ok(reply) => Ok(Erased {
                events: reply.events.iter().map(ClientEvent::event_type).collect(),
                position: reply.position,
            }),
            // The fact stands in the book; the deed is still to be done.
            Err(EngineError::ClientRefused(ClientRejection::Erased)) => Ok(self.erased_before()),
            Err(error) => Err(error),
        }
    }

    /// Accounts of the client that were opened after a position.
    pub(crate) async fn opened_after(
        &self,
        client_id: ClientId,
        mut position: i64,
    ) -> Result<Vec<AccountId>, EngineError> {
        let mut found = Vec::new();
        loop {
            let events = self.store().read_all(position, PAGE).await?;
            let Some(last) = events.last() else {
                return Ok(found);
            };
            position = last.position;
            let openings = events
                .iter()
                .filter(|it| &*it.event_type == "AccountOpened");
            for recorded in openings {
                let AccountEvent::AccountOpened { client_id: of, .. } = recorded.decode()? else {
                    continue;
                };
                if of == client_id {
                    let id = recorded.aggregate_id.parse();
                    let corrupt = |error| EngineError::Corrupt(format!("{position}: {error}"));
                    found.push(id.map_err(corrupt)?);
                }
            }
        }
    }

    async fn check_settled(&self, request: &EraseRequest) -> Result<(), EngineError> {
        for account_id in &request.accounts {
            let account_id = *account_id;
            let look = self.inspect(request.client_id, account_id, |account, _| {
                account.unsettled()
            });
            let unsettled: Option<Unsettled> = look.await?;
            if let Some(unsettled) = unsettled {
                return Err(EngineError::NotSettled {
                    account_id,
                    unsettled,
                });
            }
        }
        Ok(())
    }

    /// Ends trading on every account; what each was allowed before is returned.
    async fn keep_still(&self, request: &EraseRequest) -> Result<Vec<Before>, EngineError> {
        let mut still = Vec::new();
        for account_id in &request.accounts {
            let look = self.inspect(request.client_id, *account_id, |account, _| {
                account.controls().clone()
            });
            let before = look.await?;
            let controls = Controls {
                trading_disabled: true,
                ..before.clone()
            };
            if controls == before {
                continue;
            }
            if let Err(error) = self.control(request, *account_id, controls, CLOSED).await {
                self.let_go(request, still).await;
                return Err(error);
            }
            still.push((*account_id, before));
        }
        Ok(still)
    }

    /// Gives accounts back what they were allowed. One that cannot be given it stays still, and the
    /// book says why.
    async fn let_go(&self, request: &EraseRequest, still: Vec<Before>) {
        for (account_id, before) in still {
            if let Err(error) = self.control(request, account_id, before, REOPENED).await {
                tracing::warn!(%error, %account_id, "an account stays without trading");
            }
        }
    }

    async fn control(
        &self,
        request: &EraseRequest,
        account_id: AccountId,
        controls: Controls,
        reason: &str,
    ) -> Result<(), EngineError> {
        let render = |outcome: &Outcome<'_>| Answer {
            status: if outcome.decision.refusal.is_none() {
                204
            } else {
                422
            },
            body: outcome
                .decision
                .refusal
                .as_ref()
                .map_or_else(String::new, ToString::to_string),
            keep: false,
        };
        let reply = self
            .execute(Request {
                client_id: request.client_id,
                account_id,
                command: AccountCommand::SetControls {
                    controls: Box::new(controls),
                    reason: Some(reason.to_owned()),
                    by: request.origin.actor.clone(),
                },
                origin: request.origin.clone(),
                idempotency: None,
                render: Box::new(render),
            })
            .await?;
        if reply.status == 204 {
            Ok(())
        } else {
            Err(EngineError::Corrupt(format!(
                "{account_id}: {}",
                reply.body
            )))
        }
    }
}
