//! Registration and the clients' own streams.

use std::sync::Arc;

use daybook_domain::{
    Account, AccountCommand, Client, ClientCommand, ClientEvent, ClientId, Market, Timestamp,
    account::{Context, Controls, Decision},
    client::Standing,
};
use daybook_store::{
    AppendError, IdempotencyRow, SecretRow, StreamAppend, StreamHandle, SubjectKey, Submission,
    UniqueRow,
};

use crate::{
    error::EngineError,
    person::Person as _,
    request::{
        Answer, ClientRequest, IdempotencyRequest, NewAccount, OpenAccountRequest, Origin, Outcome,
        PersonReply, PersonRequest, RegisterRequest, Reply,
    },
    shard::stored_answer,
    shared::{Shared, account_stream, json, metadata_of, new_event},
    streams::{self, AnswerRow, Ask, Streams, append_of, stream_of, type_of},
};

/// Clients: their registration, their streams, the opening of their accounts.
pub(crate) struct People {
    shared: Arc<Shared>,
    clients: Streams<Client>,
}

impl People {
    pub fn new(shared: Arc<Shared>) -> Self {
        Self {
            clients: Streams::new(shared.clone()),
            shared,
        }
    }

    /// Registers a client and opens its accounts, in one append.
    ///
    /// # Errors
    /// [`EngineError`].
    pub async fn register(&self, request: RegisterRequest) -> Result<Reply, EngineError> {
        let at = self.shared.clock.now();
        let (client, append, more) = self.registration(&request, at)?;
        let mut appends = vec![append];
        for account in &request.accounts {
            let (append, ..) =
                self.opening((request.client_id, &client), account, &request.origin, at)?;
            appends.push(append);
        }
        let mut uniques = vec![UniqueRow {
            kind: "email",
            value: request.email_hash,
            owner: request.client_id.0,
        }];
        uniques.extend(request.accounts.iter().map(number_of));
        uniques.extend(more);
        let secrets = request.password_hash.map(|value| SecretRow {
            subject: request.client_id.0,
            name: "password",
            value,
        });
        let registration = Submission {
            appends,
            rests_on: Vec::new(),
            metadata: metadata_of(&request.origin, type_of("Register")),
            idempotency: answer_row(&request.idempotency, request.client_id, &request.answer),
            uniques,
            keys: vec![request.new_key],
            secrets: secrets.into_iter().collect(),
            sessions: Vec::new(),
            on_outcome: Box::new(|_| {}),
        };
        let committed = match streams::append(&self.shared, registration).await {
            Ok(committed) => committed,
            Err(AppendError::IdempotencyKeyUsed) => {
                return self.answer_again(&request.idempotency).await;
            }
            Err(error) => return Err(error.into()),
        };
        Ok(Reply {
            status: request.answer.status,
            body: request.answer.body,
            position: committed.position,
            replayed: false,
        })
    }

    /// Executes a command on a client's stream.
    ///
    /// # Errors
    /// [`EngineError`].
    pub async fn execute(&self, request: ClientRequest) -> Result<Reply, EngineError> {
        let _turn = self.clients.turn_of(request.client_id).await;
        if let Some(reply) = self.answered(&request.idempotency).await? {
            return Ok(reply);
        }
        let (client, handle) = self.clients.load(request.client_id, &request.key).await?;
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
        let ends = events
            .iter()
            .filter_map(|event| Client::ended(request.client_id, event));
        let mut submission = Submission {
            appends: Vec::new(),
            rests_on: vec![(handle.clone(), handle.generation())],
            metadata: metadata_of(&request.origin, command),
            idempotency: answer_row(&request.idempotency, request.client_id, &answer),
            uniques: Vec::new(),
            keys: Vec::new(),
            secrets: Vec::new(),
            sessions: ends.collect(),
            on_outcome: Box::new(|_| {}),
        };
        if !events.is_empty() {
            let sealed = streams::seal::<Client>(&events, &request.key)?;
            submission.appends = vec![append_of(handle.clone(), sealed)];
        }
        self.clients.forget(request.client_id);
        match streams::append(&self.shared, submission).await {
            Ok(committed) => {
                events.iter().for_each(|event| known.evolve(event));
                self.clients.remember(request.client_id, (known, handle));
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

    /// The same for whoever has the client's turn. `answer` is kept with the events, if there are
    /// any.
    pub(crate) async fn change_in_turn(
        &self,
        request: PersonRequest,
        answer: Option<AnswerRow>,
    ) -> Result<PersonReply, EngineError> {
        let asked = Ask {
            id: request.client_id,
            command: request.command,
            key: request.key,
            origin: request.origin,
            secrets: request.secrets,
            session: request.session,
            answer,
        };
        let told = self.clients.change_in_turn(asked).await?;
        Ok(PersonReply {
            client: told.person,
            events: told.events,
            position: told.position,
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
        self.clients.inspect(client_id, key).await
    }

    /// Opens one more account of a client. How many they may have is the caller's to say.
    ///
    /// # Errors
    /// [`EngineError`].
    pub async fn open_account(&self, request: OpenAccountRequest) -> Result<Reply, EngineError> {
        let _turn = self.clients.turn_of(request.client_id).await;
        if let Some(reply) = self.answered(&request.idempotency).await? {
            return Ok(reply);
        }
        let at = self.shared.clock.now();
        let new = &request.account;
        let key = self.shared.store.keys().get(request.client_id.0).await?;
        let (client, handle) = self.clients.load(request.client_id, &key).await?;
        let whose = (request.client_id, &client);
        let (append, account, decision) = self.opening(whose, new, &request.origin, at)?;
        let answer = (request.render)(&Outcome {
            account: &account,
            decision: &decision,
            at,
        });
        let metadata = metadata_of(&request.origin, type_of("Open"));
        let mut submission = Submission::new(vec![append], metadata, Box::new(|_| {}));
        submission.idempotency = answer_row(&request.idempotency, new.account_id, &answer);
        submission.uniques = vec![number_of(new)];
        submission.rests_on = vec![(handle.clone(), handle.generation())];
        match streams::append(&self.shared, submission).await {
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
    pub(crate) async fn turn_of(&self, client_id: ClientId) -> tokio::sync::MutexGuard<'_, ()> {
        self.clients.turn_of(client_id).await
    }

    /// The clients' streams.
    pub(crate) const fn streams(&self) -> &Streams<Client> {
        &self.clients
    }

    /// The answer that a key was given before.
    pub(crate) async fn answered(
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

    pub(crate) async fn answer_again(
        &self,
        key: &Option<IdempotencyRequest>,
    ) -> Result<Reply, EngineError> {
        match key {
            Some(key) => stored_answer(&self.shared.store, key).await,
            None => Err(EngineError::Unavailable),
        }
    }

    fn registration(
        &self,
        request: &RegisterRequest,
        at: Timestamp,
    ) -> Result<(Client, StreamAppend, Vec<UniqueRow>), EngineError> {
        let register = ClientCommand::Register(request.registration.clone());
        let commands = std::iter::once(&register).chain(&request.further);
        let (client, events) = decide_all(Client::default(), commands, at)?;
        let handle = StreamHandle::new(stream_of::<Client>(request.client_id), Default::default());
        let sealed = streams::seal::<Client>(&events, &request.key)?;
        let uniques = uniques_of(request.client_id, &events);
        Ok((client, append_of(handle, sealed), uniques))
    }

    /// An account's first events. What holds for its client holds for it from the beginning.
    fn opening(
        &self,
        (client_id, client): (ClientId, &Client),
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
        let controls = client
            .standing
            .carried_over(&Standing::default(), &Controls::NONE);
        let control = (controls != Controls::NONE).then(|| AccountCommand::SetControls {
            controls: Box::new(controls),
            reason: None,
            by: origin.actor.clone(),
        });
        for command in std::iter::once(open).chain(fund).chain(control) {
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
}

fn number_of(account: &NewAccount) -> UniqueRow {
    UniqueRow {
        kind: "account_number",
        value: account.number.to_string(),
        owner: account.account_id.0,
    }
}

/// Decides commands one after another.
pub(crate) fn decide_all<'a>(
    mut client: Client,
    commands: impl Iterator<Item = &'a ClientCommand>,
    at: Timestamp,
) -> Result<(Client, Vec<ClientEvent>), EngineError> {
    let mut all = Vec::new();
    for command in commands {
        let events = client.decide(command, at);
        let events = events.map_err(EngineError::ClientRefused)?;
        events.iter().for_each(|event| client.evolve(event));
        all.extend(events);
    }
    Ok((client, all))
}

/// Values that events make unique.
pub(crate) fn uniques_of(client_id: ClientId, events: &[ClientEvent]) -> Vec<UniqueRow> {
    let named = events.iter().filter_map(|event| {
        if let ClientEvent::ExternalIdLinked { external_id, .. } = event {
            Some(UniqueRow {
                kind: "external_id",
                value: external_id.clone(),
                owner: client_id.0,
            })
        } else {
            None
        }
    });
    named.collect()
}

pub(crate) fn answer_row(
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
