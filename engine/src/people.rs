//! Registration and the clients' own streams, which are loaded when somebody asks.
//!
//! Personal data leaves this file sealed: in events, and nowhere in metadata.

use std::{hash::BuildHasher, sync::Arc};

use daybook_domain::{
    Account, AccountCommand, Client, ClientCommand, ClientEvent, ClientId, Market, Timestamp,
    account::{Context, Decision},
};
use daybook_store::{
    AppendError, Committed, IdempotencyRow, NewEvent, SecretRow, SessionChange, StreamAppend,
    StreamHandle, StreamId, SubjectKey, Submission, UniqueRow,
};
use tokio::sync::{Mutex, MutexGuard, oneshot};

use crate::{
    error::EngineError,
    known_clients::{Known, KnownClients},
    request::{
        Answer, ClientRequest, IdempotencyRequest, NewAccount, OpenAccountRequest, Origin, Outcome,
        PersonReply, PersonRequest, RegisterRequest, Reply,
    },
    shard::stored_answer,
    shared::{CLIENT, Shared, account_stream, json, metadata_of, new_event},
};

/// Clients have no snapshots: their streams are short.
const NO_SNAPSHOTS: i32 = 0;
/// Clients that may be worked on at once.
const STRIPES: usize = 64;

/// Makes the answer that is kept with a client's events.
pub(crate) type KeptAnswer<'a> = &'a (dyn Fn(&[ClientEvent]) -> IdempotencyRow + Sync);

/// Serialises the commands of each client.
pub(crate) struct People {
    shared: Arc<Shared>,
    stripes: Vec<Mutex<()>>,
    known: KnownClients,
}

impl People {
    pub fn new(shared: Arc<Shared>) -> Self {
        let stripes = (0..STRIPES).map(|_| Mutex::new(())).collect();
        Self {
            shared,
            stripes,
            known: KnownClients::default(),
        }
    }

    /// Registers a client and opens its accounts, in one append.
    ///
    /// # Errors
    /// [`EngineError`].
    pub async fn register(&self, request: RegisterRequest) -> Result<Reply, EngineError> {
        let at = self.shared.clock.now();
        let mut appends = vec![self.registration(&request, at)?];
        for account in &request.accounts {
            let (append, ..) = self.opening(request.client_id, account, &request.origin, at)?;
            appends.push(append);
        }
        let mut uniques = vec![UniqueRow {
            kind: "email",
            value: request.email_hash,
            owner: request.client_id.0,
        }];
        uniques.extend(request.accounts.iter().map(number_of));
        let committed = self
            .append(Submission {
                appends,
                rests_on: Vec::new(),
                metadata: metadata_of(&request.origin, type_of("Register")),
                idempotency: None,
                uniques,
                keys: vec![request.new_key],
                secrets: vec![SecretRow {
                    subject: request.client_id.0,
                    name: "password",
                    value: request.password_hash,
                }],
                sessions: Vec::new(),
                on_outcome: Box::new(|_| {}),
            })
            .await?;
        Ok(Reply {
            status: 201,
            body: String::new(),
            position: committed.position,
            replayed: false,
        })
    }

    /// Executes a command on a client's stream.
    ///
    /// # Errors
    /// [`EngineError`].
    pub async fn execute(&self, request: ClientRequest) -> Result<Reply, EngineError> {
        let _turn = self.turn_of(request.client_id).await;
        if let Some(reply) = self.answered(&request.idempotency).await? {
            return Ok(reply);
        }
        let (client, handle) = self.load(request.client_id, &request.key).await?;
        let mut known = client.clone();
        let at = self.shared.clock.now();
        let (answer, events) = match client.decide(&request.command, at) {
            Ok(events) => {
                let mut after = client;
                events.iter().for_each(|event| after.evolve(event));
                ((request.render)(Ok(&after)), events)
            }
            Err(rejection) => ((request.render)(Err(&rejection)), Vec::new()),
        };
        let command = type_of(request.command.name());
        let mut submission = Submission {
            appends: Vec::new(),
            rests_on: vec![(handle.clone(), handle.generation())],
            metadata: metadata_of(&request.origin, command),
            idempotency: answer_row(&request.idempotency, request.client_id, &answer),
            uniques: Vec::new(),
            keys: Vec::new(),
            secrets: Vec::new(),
            sessions: endings(request.client_id, &events),
            on_outcome: Box::new(|_| {}),
        };
        if !events.is_empty() {
            let sealed = seal(&events, &request.key)?;
            submission.appends = vec![append_of(handle.clone(), sealed)];
        }
        self.known.forget(request.client_id);
        match self.append(submission).await {
            Ok(committed) => {
                events.iter().for_each(|event| known.evolve(event));
                self.known.remember(request.client_id, (known, handle));
                Ok(Reply {
                    status: answer.status,
                    body: answer.body,
                    position: committed.position,
                    replayed: false,
                })
            }
            Err(AppendError::IdempotencyKeyUsed) => self.answer_again(&request.idempotency).await,
            Err(error) => Err(error.into()),
        }
    }

    /// Executes a command that nobody repeats under a key, with secrets and a session beside it.
    /// Sessions that its events say have ended end with them.
    ///
    /// # Errors
    /// [`EngineError::ClientRefused`] names the broken rule.
    pub async fn change(&self, request: PersonRequest) -> Result<PersonReply, EngineError> {
        let _turn = self.turn_of(request.client_id).await;
        self.change_in_turn(request, None).await
    }

    /// The same for whoever has the client's turn. `kept` makes the answer that is kept with the
    /// events, if there are any.
    pub(crate) async fn change_in_turn(
        &self,
        request: PersonRequest,
        kept: Option<KeptAnswer<'_>>,
    ) -> Result<PersonReply, EngineError> {
        let client_id = request.client_id;
        let (mut client, handle) = self.load(client_id, &request.key).await?;
        let at = self.shared.clock.now();
        let events = client.decide(&request.command, at);
        let events = events.map_err(EngineError::ClientRefused)?;
        if events.is_empty() {
            let position = *self.shared.store.committed().borrow();
            return Ok(PersonReply {
                client,
                events,
                position,
            });
        }
        let sealed = seal(&events, &request.key)?;
        let metadata = metadata_of(&request.origin, type_of(request.command.name()));
        let appends = vec![append_of(handle.clone(), sealed)];
        let mut submission = Submission::new(appends, metadata, Box::new(|_| {}));
        submission.secrets = request.secrets;
        submission.idempotency = kept.map(|kept| kept(&events));
        submission.sessions = endings(client_id, &events);
        let opens = request.session.map(SessionChange::Open);
        submission.sessions.extend(opens);
        self.known.forget(client_id);
        let committed = self.append(submission).await?;
        events.iter().for_each(|event| client.evolve(event));
        self.known.remember(client_id, (client.clone(), handle));
        Ok(PersonReply {
            client,
            events,
            position: committed.position,
        })
    }

    /// A client as the book has them.
    ///
    /// # Errors
    /// [`EngineError::NotFound`]; [`EngineError::Unavailable`].
    pub async fn inspect(
        &self,
        client_id: ClientId,
        key: &SubjectKey,
    ) -> Result<Client, EngineError> {
        let _turn = self.turn_of(client_id).await;
        let (client, handle) = self.load(client_id, key).await?;
        self.known.remember(client_id, (client.clone(), handle));
        Ok(client)
    }

    /// Opens one more account of a client. How many they may have is the caller's to say.
    ///
    /// # Errors
    /// [`EngineError`].
    pub async fn open_account(&self, request: OpenAccountRequest) -> Result<Reply, EngineError> {
        let _turn = self.turn_of(request.client_id).await;
        if let Some(reply) = self.answered(&request.idempotency).await? {
            return Ok(reply);
        }
        let at = self.shared.clock.now();
        let new = &request.account;
        let (append, account, decision) =
            self.opening(request.client_id, new, &request.origin, at)?;
        let answer = (request.render)(&Outcome {
            account: &account,
            decision: &decision,
            at,
        });
        let metadata = metadata_of(&request.origin, type_of("Open"));
        let mut submission = Submission::new(vec![append], metadata, Box::new(|_| {}));
        submission.idempotency = answer_row(&request.idempotency, new.account_id, &answer);
        submission.uniques = vec![number_of(new)];
        match self.append(submission).await {
            Ok(committed) => Ok(Reply {
                status: answer.status,
                body: answer.body,
                position: committed.position,
                replayed: false,
            }),
            Err(AppendError::IdempotencyKeyUsed) => self.answer_again(&request.idempotency).await,
            Err(error) => Err(error.into()),
        }
    }

    /// Commands of one client take turns.
    pub(crate) async fn turn_of(&self, client_id: ClientId) -> MutexGuard<'_, ()> {
        let hasher = std::hash::BuildHasherDefault::<std::hash::DefaultHasher>::default();
        let stripe = hasher.hash_one(client_id) % STRIPES as u64;
        let stripe = usize::try_from(stripe).unwrap_or(0);
        self.stripes[stripe].lock().await
    }

    /// The answer that a key was given before.
    async fn answered(
        &self,
        key: &Option<IdempotencyRequest>,
    ) -> Result<Option<Reply>, EngineError> {
        let Some(key) = key else {
            return Ok(None);
        };
        match self.shared.store.idempotency(&key.scope, &key.key).await? {
            Some(row) if row.request_hash == key.request_hash => {
                stored_answer(&self.shared.store, key).await.map(Some)
            }
            Some(_) | None => Ok(None),
        }
    }

    async fn answer_again(&self, key: &Option<IdempotencyRequest>) -> Result<Reply, EngineError> {
        match key {
            Some(key) => stored_answer(&self.shared.store, key).await,
            None => Err(EngineError::Unavailable),
        }
    }

    fn registration(
        &self,
        request: &RegisterRequest,
        at: Timestamp,
    ) -> Result<StreamAppend, EngineError> {
        let command = ClientCommand::Register(request.registration.clone());
        let events = Client::default().decide(&command, at);
        let events = events.map_err(EngineError::ClientRefused)?;
        let handle = StreamHandle::new(client_stream(request.client_id), Default::default());
        Ok(append_of(handle, seal(&events, &request.key)?))
    }

    fn opening(
        &self,
        client_id: ClientId,
        new: &NewAccount,
        origin: &Origin,
        at: Timestamp,
    ) -> Result<(StreamAppend, Account, Decision), EngineError> {
        let open = AccountCommand::Open {
            client_id,
            number: new.number,
            kind: new.kind,
            mode: new.mode,
            currency: new.currency,
            leverage: new.leverage,
        };
        let fund = new
            .funds
            .map(|(bucket, amount)| AccountCommand::AdjustFunds {
                bucket,
                amount,
                notes: None,
                by: origin.actor.clone(),
            });
        // Opening and funding look at no quote.
        let market = Market::default();
        let context = Context {
            at,
            market: &market,
            rules: &self.shared.config.rules,
        };
        let mut account = Account::default();
        let mut opening = Decision::default();
        for command in std::iter::once(open).chain(fund) {
            let decision = account.decide(&command, &context);
            if let Some(refusal) = decision.refusal {
                return Err(EngineError::AccountRefused(refusal));
            }
            for event in decision.events {
                account.evolve(&event);
                opening.events.push(event);
            }
        }
        let events = opening.events.iter();
        let events = events.map(|event| new_event(event.event_type(), json(event)));
        let handle = StreamHandle::new(account_stream(new.account_id), Default::default());
        Ok((append_of(handle, events.collect()), account, opening))
    }

    async fn load(&self, client_id: ClientId, key: &SubjectKey) -> Result<Known, EngineError> {
        if let Some(known) = self.known.get(client_id) {
            return Ok(known);
        }
        let stream = client_stream(client_id);
        let loaded = self.shared.store.load(&stream, NO_SNAPSHOTS).await?;
        if loaded.tail.is_empty() {
            return Err(EngineError::NotFound);
        }
        let mut client = Client::default();
        for recorded in &loaded.tail {
            let opened = key.open_fields(&recorded.payload)?;
            let event: ClientEvent = serde_json::from_str(&opened).map_err(|error| {
                EngineError::Corrupt(format!("position {}: {error}", recorded.position))
            })?;
            client.evolve(&event);
        }
        Ok((client, loaded.handle))
    }

    async fn append(&self, mut submission: Submission) -> Result<Committed, AppendError> {
        let (outcome, told) = oneshot::channel();
        submission.on_outcome = Box::new(move |result| {
            let _gone = outcome.send(result);
        });
        self.shared.writer.submit(submission);
        told.await.map_err(|_ended| AppendError::Unavailable)?
    }
}

/// The sessions that end with events.
fn endings(client_id: ClientId, events: &[ClientEvent]) -> Vec<SessionChange> {
    let ended = events.iter().filter_map(|event| ended(client_id, event));
    ended.collect()
}

/// The sessions that an event ends.
fn ended(client_id: ClientId, event: &ClientEvent) -> Option<SessionChange> {
    if let ClientEvent::SessionsRevoked {
        session_id, kept, ..
    } = event
    {
        Some(SessionChange::Revoke {
            subject: client_id.0,
            session_id: session_id.map(|id| id.0),
            kept: kept.map(|id| id.0),
        })
    } else {
        None
    }
}

fn number_of(account: &NewAccount) -> UniqueRow {
    UniqueRow {
        kind: "account_number",
        value: account.number.to_string(),
        owner: account.account_id.0,
    }
}

fn answer_row(
    key: &Option<IdempotencyRequest>,
    aggregate: impl ToString,
    answer: &Answer,
) -> Option<IdempotencyRow> {
    let key = key.as_ref().filter(|_| answer.keep)?;
    Some(IdempotencyRow {
        scope: key.scope.clone(),
        key: key.key.clone(),
        aggregate_id: aggregate.to_string(),
        request_hash: key.request_hash,
        status: answer.status,
        body: answer.body.clone(),
        position: 0,
    })
}

fn seal(events: &[ClientEvent], key: &SubjectKey) -> Result<Vec<NewEvent>, EngineError> {
    let sealed = events.iter().map(|event| {
        let payload = key.seal_fields(&json(event), event.personal_fields())?;
        Ok(new_event(event.event_type(), payload))
    });
    sealed.collect()
}

fn append_of(handle: Arc<StreamHandle>, events: Vec<NewEvent>) -> StreamAppend {
    StreamAppend {
        generation: handle.generation(),
        first_sequence: handle.head().sequence + 1,
        handle,
        events,
    }
}

fn client_stream(id: ClientId) -> StreamId {
    StreamId::new(CLIENT, id)
}

/// The command as metadata keeps it: its type alone, for what it carries is personal.
fn type_of(name: &str) -> String {
    format!(r#"{{"type":"{name}"}}"#)
}
