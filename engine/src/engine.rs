//! The engine's handle: starting, passing on, stopping.

use std::{sync::Arc, time::Duration};

use daybook_domain::{
    Account, AccountCommand, AccountId, Client, ClientId, Instrument, Market, Quote, Symbol,
    account::Context, instrument::InstrumentChange,
};
use daybook_store::{IdempotencyRow, Store, SubjectKey, Writer};
use tokio::{
    sync::{Semaphore, mpsc, oneshot, watch},
    task::{AbortHandle, JoinHandle},
    time::timeout,
};

use crate::{
    clock::{Clock, SystemClock},
    config::EngineConfig,
    deals,
    endpoints::Endpoints,
    error::EngineError,
    instruments::{InstrumentChanged, Instruments},
    load::load_account,
    operator,
    people::People,
    recovery,
    request::{
        ClientRequest, Correction, CorrectionRequest, IdempotencyRequest, OpenAccountRequest,
        Origin, PersonReply, PersonRequest, RegisterRequest, Reply, Request, StaffRequest,
    },
    saver::Saver,
    shard::{self, Inspection, Note, Outlets, Pending, Recovered, Rollovers, Start},
    shared::{LOADS_MAX, Shared, shard_of},
    staff::StaffDesk,
    sweeper::{self, Sweeper},
};

/// How long a stop may take: longer, and recovery does at the next start what was left.
const STOP_MAX: Duration = Duration::from_secs(15);

/// A handle on the running engine. Cheap to clone; the engine stops when the last is gone.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    shards: Vec<Outlets>,
    people: People,
    staff: StaffDesk,
    instruments: Instruments,
    endpoints: Endpoints,
    shared: Arc<Shared>,
    failure: watch::Receiver<Option<String>>,
    sweeper: AbortHandle,
    /// Tells the operators' task to stop; it has when the receivers are gone.
    operators: watch::Sender<bool>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.sweeper.abort();
    }
}

impl Engine {
    /// Recovers everything that rests in the book, then runs the shards.
    ///
    /// # Errors
    /// [`EngineError`] when the book cannot be read, or the seeds not be listed.
    pub async fn start(
        store: Store,
        writer: Writer,
        config: EngineConfig,
    ) -> Result<Self, EngineError> {
        Self::start_with_clock(store, writer, config, Arc::new(SystemClock)).await
    }

    /// As [`Engine::start`], on another clock.
    ///
    /// # Errors
    /// [`EngineError`] when the book cannot be read, or the seeds not be listed.
    pub async fn start_with_clock(
        store: Store,
        writer: Writer,
        config: EngineConfig,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, EngineError> {
        let saver = Saver::start(store.clone());
        let rollovers = Rollovers::new(config.shards);
        let shared = Arc::new(Shared {
            store,
            writer,
            config,
            clock,
            saver,
            loads: Semaphore::new(LOADS_MAX),
            rollovers,
        });
        // Before answers expire: it looks for some.
        operator::settle_unfinished(&shared.store).await?;
        let instruments = Instruments::recover(shared.clone()).await?;
        let recovered = recovery::recover(&shared).await?;
        let listed = instruments.listed();
        tracing::info!(
            accounts = recovered.len(),
            instruments = listed.len(),
            "recovered"
        );
        let start = Start {
            market: Market::new(listed),
            history: instruments.history().await,
            rolled: shared.store.rolled_through().await?,
        };
        let (shards, failure) = run_shards(&shared, &start, recovered);
        let notes = shards.iter().map(|shard| shard.notes.clone()).collect();
        let sweeper = Sweeper::new(shared.clone(), notes);
        let sweeper = tokio::spawn(sweeper.run()).abort_handle();
        let (operators, stop) = watch::channel(false);
        let store = shared.store.clone();
        let inner = Arc::new(Inner {
            people: People::new(shared.clone()),
            staff: StaffDesk::new(shared.clone()),
            endpoints: Endpoints::new(shared.clone()),
            shards,
            instruments,
            shared,
            failure,
            sweeper,
            operators,
        });
        tokio::spawn(operator::run(Arc::downgrade(&inner), store, stop));
        Ok(Self { inner })
    }

    pub(crate) const fn of(inner: Arc<Inner>) -> Self {
        Self { inner }
    }

    pub(crate) fn people(&self) -> &People {
        &self.inner.people
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.inner.shared
    }

    /// Where a client's accounts live.
    pub(crate) fn shard_of(&self, client_id: ClientId) -> &Outlets {
        let shards = &self.inner.shards;
        &shards[shard_of(client_id, shards.len())]
    }

    pub(crate) fn store(&self) -> &Store {
        &self.inner.shared.store
    }

    pub(crate) fn staff_desk(&self) -> &StaffDesk {
        &self.inner.staff
    }

    pub(crate) fn endpoints(&self) -> &Endpoints {
        &self.inner.endpoints
    }

    /// Takes in a quote: every one, in order; waits while a shard is behind.
    pub async fn quote(&self, quote: Quote) {
        for shard in &self.inner.shards {
            // A shard that has ended takes no quotes; `failed` tells.
            let _ended = shard.quotes.send(quote).await;
        }
    }

    /// Executes a command on an account.
    ///
    /// # Errors
    /// [`EngineError`]; nothing was appended then.
    pub async fn execute(&self, request: Request) -> Result<Reply, EngineError> {
        let shard = self.shard_of(request.client_id);
        let (reply, answered) = oneshot::channel();
        let pending = Pending {
            request: Box::new(request),
            reply,
            retried: false,
        };
        shard
            .commands
            .try_send(pending)
            .map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => {
                    metrics::counter!("daybook_engine_overloaded_total").increment(1);
                    EngineError::Overloaded
                }
                mpsc::error::TrySendError::Closed(_) => EngineError::Unavailable,
            })?;
        answered.await.map_err(|_ended| EngineError::Unavailable)?
    }

    /// The answer that a key was given before; none where it was given to another request too.
    ///
    /// # Errors
    /// [`EngineError::Unavailable`].
    pub async fn answered(
        &self,
        key: &Option<IdempotencyRequest>,
    ) -> Result<Option<Reply>, EngineError> {
        self.people().answered(key).await
    }

    /// Executes a command of staff on an account: decisions about deposits and withdrawals,
    /// adjustments, leverage, controls.
    ///
    /// # Errors
    /// [`EngineError::NotFound`] where there is no such account; nothing was appended.
    pub async fn execute_for_staff(&self, request: StaffRequest) -> Result<Reply, EngineError> {
        // Staff's answers are not kept with the account in memory.
        if let Some(reply) = self.people().answered(&request.idempotency).await? {
            return Ok(reply);
        }
        let client_id = deals::owner(self.store(), request.account_id).await?;
        self.execute(Request {
            client_id,
            account_id: request.account_id,
            command: request.command,
            origin: request.origin,
            idempotency: request.idempotency,
            render: request.render,
        })
        .await
    }

    /// Looks at an account and its market where it lives: nothing is decided, nothing appended.
    ///
    /// # Errors
    /// [`EngineError`]; `NotFound` for an account that is absent or somebody else's.
    pub async fn inspect<T: Send + 'static>(
        &self,
        client_id: ClientId,
        account_id: AccountId,
        look: impl Fn(&Account, &Context<'_>) -> T + Send + Sync + 'static,
    ) -> Result<T, EngineError> {
        let look = Arc::new(look);
        // Most are in memory; the others are shown as the book has them.
        match self.show(client_id, account_id, None, &look).await {
            Err(EngineError::NotFound) => {}
            shown => return shown,
        }
        let loaded = load_account(&self.inner.shared.store, account_id).await?;
        let loaded = loaded.ok_or(EngineError::NotFound)?.account;
        self.show(client_id, account_id, Some(loaded), &look).await
    }

    async fn show<T: Send + 'static>(
        &self,
        client_id: ClientId,
        account_id: AccountId,
        loaded: Option<Account>,
        look: &Arc<impl Fn(&Account, &Context<'_>) -> T + Send + Sync + 'static>,
    ) -> Result<T, EngineError> {
        let shard = self.shard_of(client_id);
        let (told, seen) = oneshot::channel();
        let look = look.clone();
        let inspection = Inspection {
            client_id,
            account_id,
            loaded,
            look: Box::new(move |found| {
                let _gone = told.send(found.map(|(account, context)| look(account, context)));
            }),
        };
        let note = Note::Inspect(Box::new(inspection));
        let ended = |_| EngineError::Unavailable;
        shard.notes.send(note).map_err(ended)?;
        seen.await.map_err(|_ended| EngineError::Unavailable)?
    }

    /// Registers a client and opens its accounts, in one append.
    ///
    /// # Errors
    /// [`EngineError`]; nothing was appended then.
    pub async fn register(&self, request: RegisterRequest) -> Result<Reply, EngineError> {
        self.inner.people.register(request).await
    }

    /// Opens one more account of a client. How many they may have is the caller's to say; the
    /// number comes from the store's sequence.
    ///
    /// # Errors
    /// [`EngineError`]; nothing was appended then.
    pub async fn open_account(&self, request: OpenAccountRequest) -> Result<Reply, EngineError> {
        self.inner.people.open_account(request).await
    }

    /// Busts or re-prices a deal of an account.
    ///
    /// # Errors
    /// [`EngineError::NotFound`] where the account has no such deal; nothing was appended.
    pub async fn correct(&self, request: CorrectionRequest) -> Result<Reply, EngineError> {
        let found = deals::find(self.store(), request.account_id, request.deal_id).await?;
        let (deal, reason) = (Box::new(found.deal), request.reason);
        let by = request.origin.actor.clone();
        let command = match request.correction {
            Correction::Bust => AccountCommand::BustDeal { deal, reason, by },
            Correction::Reprice(price) => AccountCommand::RepriceDeal {
                deal,
                price,
                reason,
                by,
            },
        };
        self.execute(Request {
            client_id: found.client_id,
            account_id: request.account_id,
            command,
            origin: request.origin,
            idempotency: request.idempotency,
            render: request.render,
        })
        .await
    }

    /// Executes a command on a client's stream.
    ///
    /// # Errors
    /// [`EngineError`]; nothing was appended then.
    pub async fn client(&self, request: ClientRequest) -> Result<Reply, EngineError> {
        self.inner.people.execute(request).await
    }

    /// Executes a command on a client's stream that nobody repeats under a key.
    ///
    /// # Errors
    /// [`EngineError::ClientRefused`] names the broken rule; nothing was appended then.
    pub async fn person(&self, request: PersonRequest) -> Result<PersonReply, EngineError> {
        self.inner.people.change(request).await
    }

    /// A client as the book has them.
    ///
    /// # Errors
    /// [`EngineError::NotFound`]; [`EngineError::Unavailable`].
    pub async fn client_state(
        &self,
        client_id: ClientId,
        key: &SubjectKey,
    ) -> Result<Client, EngineError> {
        self.inner.people.inspect(client_id, key).await
    }

    /// The terms in force, by name.
    #[must_use]
    pub fn instruments(&self) -> Vec<Arc<Instrument>> {
        self.inner.instruments.listed()
    }

    /// The same, and every change of them: for whoever keeps a copy.
    #[must_use]
    pub fn instrument_changes(&self) -> watch::Receiver<Vec<Arc<Instrument>>> {
        self.inner.instruments.changes()
    }

    /// Changes an instrument's terms, for what is decided from now on.
    ///
    /// # Errors
    /// [`EngineError::InstrumentRefused`] where they make no sense; nothing was appended.
    pub async fn change_instrument(
        &self,
        symbol: Symbol,
        change: InstrumentChange,
        reason: Option<String>,
        origin: Origin,
    ) -> Result<InstrumentChanged, EngineError> {
        self.change_terms(symbol, change, reason, origin, None)
            .await
    }

    /// The same, with an answer that is kept beside it.
    pub(crate) async fn change_terms(
        &self,
        symbol: Symbol,
        change: InstrumentChange,
        reason: Option<String>,
        origin: Origin,
        answer: Option<IdempotencyRow>,
    ) -> Result<InstrumentChanged, EngineError> {
        let inner = self.inner.clone();
        // A task of its own: a caller that goes away must not leave the shards on other terms than
        // those in the book.
        let changing = tokio::spawn(async move {
            let publish = |note| {
                for shard in &inner.shards {
                    // A shard that has ended needs no terms.
                    let _ended = shard
                        .notes
                        .send(Note::Terms(shard::TermsNote::clone(&note)));
                }
            };
            let instruments = &inner.instruments;
            instruments
                .change(symbol, &change, reason, &origin, answer, publish)
                .await
        });
        changing
            .await
            .map_err(|_panicked| EngineError::Unavailable)?
    }

    /// Waits until a shard has failed. A node whose engine has failed must stop: part of its
    /// accounts are not served and their triggers not watched.
    pub async fn failed(&self) -> String {
        let mut failure = self.inner.failure.clone();
        let failed = failure.wait_for(Option::is_some).await;
        match failed.map(|failure| failure.clone()) {
            Ok(Some(reason)) => reason,
            // All shards have ended as they were told.
            Ok(None) | Err(_) => std::future::pending().await,
        }
    }

    /// Answers what has been taken in, keeps snapshots, and ends the shards. Requests that come
    /// later are answered with [`EngineError::Unavailable`].
    pub async fn shutdown(&self) {
        self.inner.sweeper.abort();
        self.inner.operators.send_replace(true);
        // What is being executed for an operator is answered by the shards that end after it.
        if timeout(STOP_MAX, self.inner.operators.closed())
            .await
            .is_err()
        {
            tracing::warn!("an operator's request did not end in time");
        }
        let ended = self.inner.shards.iter().map(|shard| {
            let (done, ended) = oneshot::channel();
            let told = shard.notes.send(Note::Stop(done)).is_ok();
            async move { told && ended.await.is_ok() }
        });
        let ended = futures::future::join_all(ended.collect::<Vec<_>>());
        let keep = async {
            if ended.await.into_iter().all(|ended| ended) {
                sweeper::move_floor_after(&self.inner.shared, None).await;
            }
        };
        if timeout(STOP_MAX, keep).await.is_err() {
            tracing::warn!("the engine did not stop in time: the next start recovers more");
        }
    }
}

fn run_shards(
    shared: &Arc<Shared>,
    start: &Start,
    recovered: Vec<Recovered>,
) -> (Vec<Outlets>, watch::Receiver<Option<String>>) {
    let count = shared.config.shards.max(1);
    let mut homes: Vec<Vec<Recovered>> = std::iter::repeat_with(Vec::new).take(count).collect();
    for found in recovered {
        if let Some(terms) = &found.account.terms {
            homes[shard_of(terms.client_id, count)].push(found);
        }
    }
    let (failure, told) = watch::channel(None);
    let failure = Arc::new(failure);
    let mut shards = Vec::with_capacity(count);
    for (index, home) in homes.into_iter().enumerate() {
        let (shard, inlets, outlets) = shard::make(index, start.clone(), shared.clone(), home);
        let running = tokio::spawn(shard.run(inlets));
        tokio::spawn(watch_over(index, running, failure.clone()));
        shards.push(outlets);
    }
    (shards, told)
}

async fn watch_over(
    index: usize,
    running: JoinHandle<()>,
    failure: Arc<watch::Sender<Option<String>>>,
) {
    if let Err(error) = running.await
        && error.is_panic()
    {
        tracing::error!(%error, shard = index, "a shard has failed");
        failure.send_replace(Some(format!("shard {index} has failed: {error}")));
    }
}
