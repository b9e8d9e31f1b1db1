//! Instruments: from their streams in the book, with every date at which terms changed. Seeds that
//! the book does not have are listed; terms change through the committer, one change at a time.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use daybook_domain::{
    Currency, Instrument, Symbol,
    instrument::{InstrumentChange, InstrumentEvent, InstrumentRejection, seed},
};
use daybook_store::{Committed, IdempotencyRow, StreamAppend, StreamHandle, StreamId, Submission};
use tokio::sync::{Mutex, oneshot, watch};

use crate::{
    desk::TermsHistory,
    error::EngineError,
    request::Origin,
    shard::TermsNote,
    shared::{INSTRUMENT, Shared, json, metadata_of, new_event, system_origin},
};

/// Instruments have no snapshots: any version will do.
const NO_SNAPSHOTS: i32 = 0;

/// What became of a change of terms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstrumentChanged {
    /// The terms in force.
    pub terms: Arc<Instrument>,
    /// Names of the terms that changed; none: it was so already.
    pub changed: Vec<String>,
    /// Where it stands in the book.
    pub position: i64,
}

/// The terms of the house.
pub(crate) struct Instruments {
    shared: Arc<Shared>,
    /// Changes take turns.
    book: Mutex<Book>,
    listed: watch::Sender<Vec<Arc<Instrument>>>,
}

#[derive(Default)]
struct Book {
    history: Arc<TermsHistory>,
    handles: BTreeMap<Symbol, Arc<StreamHandle>>,
}

impl Instruments {
    /// Reads the instruments of the book, after listing the seeds that are new.
    ///
    /// # Errors
    /// [`EngineError`] when the book cannot be read or written.
    pub async fn recover(shared: Arc<Shared>) -> Result<Self, EngineError> {
        let mut history = TermsHistory::default();
        let mut handles = BTreeMap::new();
        for id in shared.store.aggregate_ids(INSTRUMENT).await? {
            let stream = StreamId::new(INSTRUMENT, &id);
            if let Some((symbol, handle)) = load(&shared, &stream, &mut history).await? {
                handles.insert(symbol, handle);
            }
        }
        let seeds = seed().into_iter();
        let fresh: Vec<Instrument> = seeds
            .filter(|terms| !handles.contains_key(&terms.symbol))
            .collect();
        if !fresh.is_empty() {
            list(&shared, fresh, &mut history, &mut handles).await?;
        }
        let (listed, _) = watch::channel(history.newest());
        let history = Arc::new(history);
        Ok(Self {
            shared,
            book: Mutex::new(Book { history, handles }),
            listed,
        })
    }

    /// The terms in force, by name.
    pub fn listed(&self) -> Vec<Arc<Instrument>> {
        self.listed.borrow().clone()
    }

    /// The same, and every change of them.
    pub fn changes(&self) -> watch::Receiver<Vec<Arc<Instrument>>> {
        self.listed.subscribe()
    }

    /// All terms that ever were in force.
    pub async fn history(&self) -> Arc<TermsHistory> {
        self.book.lock().await.history.clone()
    }

    /// Changes terms. `publish` hands them to the shards while no other change can overtake it.
    ///
    /// # Errors
    /// [`EngineError`]; the terms are as they were then.
    pub async fn change(
        &self,
        symbol: Symbol,
        change: &InstrumentChange,
        reason: Option<String>,
        origin: &Origin,
        answer: Option<IdempotencyRow>,
        publish: impl FnOnce(TermsNote),
    ) -> Result<InstrumentChanged, EngineError> {
        let mut book = self.book.lock().await;
        let unknown = || EngineError::InstrumentRefused(InstrumentRejection::UnknownSymbol(symbol));
        let listed = self.listed();
        let before = listed.iter().find(|terms| terms.symbol == symbol);
        let before = before.ok_or_else(unknown)?;
        let handle = book.handles.get(&symbol).ok_or_else(unknown)?.clone();
        let (terms, changed) = before
            .changed(change, &currencies(&listed))
            .map_err(EngineError::InstrumentRefused)?;
        let at = self.shared.clock.now();
        let event = InstrumentEvent::InstrumentTermsChanged {
            terms: Box::new(terms.clone()),
            changed: changed.clone(),
            by: origin.actor.clone(),
            reason,
            at,
        };
        let command = format!(r#"{{"type":"ChangeInstrument","change":{}}}"#, json(change));
        let mut submission = submission_of(origin, command, answer);
        if !changed.is_empty() {
            submission.appends.push(append_of(handle, &event));
        }
        let committed = submit(&self.shared, submission).await?;
        let terms = if changed.is_empty() {
            before.clone()
        } else {
            let terms = Arc::new(terms);
            let history = Arc::make_mut(&mut book.history);
            history.push(at, terms.clone());
            self.listed.send_replace(history.newest());
            publish(TermsNote {
                terms: terms.clone(),
                history: book.history.clone(),
            });
            tracing::info!(%symbol, ?changed, by = origin.actor, "instrument terms changed");
            terms
        };
        Ok(InstrumentChanged {
            terms,
            changed,
            position: committed.position,
        })
    }
}

async fn load(
    shared: &Shared,
    stream: &StreamId,
    history: &mut TermsHistory,
) -> Result<Option<(Symbol, Arc<StreamHandle>)>, EngineError> {
    let loaded = shared.store.load(stream, NO_SNAPSHOTS).await?;
    let mut symbol = None;
    for recorded in &loaded.tail {
        let event: InstrumentEvent = recorded.decode()?;
        let (terms, at) = event.terms();
        symbol = Some(terms.symbol);
        history.push(at, Arc::new(terms.clone()));
    }
    Ok(symbol.map(|symbol| (symbol, loaded.handle)))
}

async fn list(
    shared: &Shared,
    fresh: Vec<Instrument>,
    history: &mut TermsHistory,
    handles: &mut BTreeMap<Symbol, Arc<StreamHandle>>,
) -> Result<(), EngineError> {
    let at = shared.clock.now();
    let origin = system_origin("system", "seed_instruments");
    let command = r#"{"type":"ListInstruments"}"#.to_owned();
    let mut submission = submission_of(&origin, command, None);
    let count = fresh.len();
    for terms in fresh {
        let symbol = terms.symbol;
        let handle = StreamHandle::new(StreamId::new(INSTRUMENT, symbol), Default::default());
        handles.insert(symbol, handle.clone());
        history.push(at, Arc::new(terms.clone()));
        let terms = Box::new(terms);
        let event = InstrumentEvent::InstrumentListed { terms, at };
        submission.appends.push(append_of(handle, &event));
    }
    submit(shared, submission).await?;
    tracing::info!(count, "instruments listed");
    Ok(())
}

fn submission_of(origin: &Origin, command: String, answer: Option<IdempotencyRow>) -> Submission {
    let metadata = metadata_of(origin, command);
    let mut submission = Submission::new(Vec::new(), metadata, Box::new(|_| {}));
    submission.idempotency = answer;
    submission
}

fn append_of(handle: Arc<StreamHandle>, event: &InstrumentEvent) -> StreamAppend {
    StreamAppend {
        generation: handle.generation(),
        first_sequence: handle.head().sequence + 1,
        handle,
        events: vec![new_event(event.event_type(), json(event))],
    }
}

async fn submit(shared: &Shared, mut submission: Submission) -> Result<Committed, EngineError> {
    let (outcome, told) = oneshot::channel();
    submission.on_outcome = Box::new(move |result| {
        let _gone = outcome.send(result);
    });
    shared.writer.submit(submission);
    let committed = told.await.map_err(|_ended| EngineError::Unavailable)?;
    Ok(committed?)
}

/// What quotes can convert.
fn currencies(listed: &[Arc<Instrument>]) -> BTreeSet<Currency> {
    let of_all = listed.iter().flat_map(|terms| [terms.base, terms.quote]);
    of_all.collect()
}
