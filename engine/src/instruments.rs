//! Instruments: from their streams in the book; seeds that it does not have are listed.

use std::{collections::BTreeMap, sync::Arc};

use daybook_domain::{
    Instrument, Symbol,
    instrument::{InstrumentEvent, seed},
};
use daybook_store::{StreamAppend, StreamHandle, StreamId, Submission};
use tokio::sync::oneshot;

use crate::{
    error::EngineError,
    shared::{INSTRUMENT, Shared, json, metadata_of, new_event, system_origin},
};

/// Instruments have no snapshots: any version will do.
const NO_SNAPSHOTS: i32 = 0;

/// The instruments of the book, by name, after listing the seeds that are new.
///
/// # Errors
/// [`EngineError`] when the book cannot be read or written.
pub(crate) async fn recover(shared: &Shared) -> Result<Vec<Arc<Instrument>>, EngineError> {
    let mut listed = BTreeMap::new();
    for id in shared.store.aggregate_ids(INSTRUMENT).await? {
        if let Some(terms) = load(shared, &StreamId::new(INSTRUMENT, &id)).await? {
            listed.insert(terms.symbol, terms);
        }
    }
    let fresh: Vec<Instrument> = seed()
        .into_iter()
        .filter(|terms| !listed.contains_key(&terms.symbol))
        .collect();
    if !fresh.is_empty() {
        list(shared, &fresh).await?;
    }
    for terms in fresh {
        listed.insert(terms.symbol, Arc::new(terms));
    }
    Ok(listed.into_values().collect::<Vec<Arc<Instrument>>>())
}

async fn load(shared: &Shared, stream: &StreamId) -> Result<Option<Arc<Instrument>>, EngineError> {
    let loaded = shared.store.load(stream, NO_SNAPSHOTS).await?;
    let mut terms_now = None;
    for recorded in &loaded.tail {
        match recorded.decode()? {
            InstrumentEvent::InstrumentListed { terms, .. }
            | InstrumentEvent::InstrumentTermsChanged { terms, .. } => {
                terms_now = Some(Arc::from(terms));
            }
        }
    }
    Ok(terms_now)
}

async fn list(shared: &Shared, fresh: &[Instrument]) -> Result<(), EngineError> {
    let at = shared.clock.now();
    let append = |terms: &Instrument| {
        let event = InstrumentEvent::InstrumentListed {
            terms: Box::new(terms.clone()),
            at,
        };
        let handle = StreamHandle::new(stream_of(terms.symbol), Default::default());
        StreamAppend {
            generation: handle.generation(),
            handle,
            first_sequence: 1,
            events: vec![new_event(event.event_type(), json(&event))],
        }
    };
    let (outcome, told) = oneshot::channel();
    let origin = system_origin("system", "seed_instruments");
    shared.writer.submit(Submission {
        appends: fresh.iter().map(append).collect(),
        rests_on: Vec::new(),
        metadata: metadata_of(&origin, r#"{"type":"ListInstruments"}"#.to_owned()),
        idempotency: None,
        uniques: Vec::new(),
        keys: Vec::new(),
        secrets: Vec::new(),
        on_outcome: Box::new(move |result| {
            let _gone = outcome.send(result);
        }),
    });
    told.await.map_err(|_ended| EngineError::Unavailable)??;
    tracing::info!(count = fresh.len(), "instruments listed");
    Ok(())
}

fn stream_of(symbol: Symbol) -> StreamId {
    StreamId::new(INSTRUMENT, symbol)
}
