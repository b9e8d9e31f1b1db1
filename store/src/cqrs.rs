//! The book as a `cqrs_es::EventStore`, for aggregates of anybody who uses that framework.
//!
//! Events go through the same committer as all others. Two writers of one stream are told apart by
//! its sequence: the second is answered `AggregateConflict`.

use std::{collections::HashMap, error::Error, marker::PhantomData, sync::Arc};

use cqrs_es::{
    Aggregate, AggregateContext, AggregateError, DomainEvent, EventEnvelope, EventStore,
};
use tokio::sync::oneshot;

use crate::{
    committer::Writer,
    error::{AppendError, StoreError},
    recorded::{Metadata, Recorded, StreamId, intern},
    store::Store,
    submission::{ChainHead, NewEvent, StreamAppend, StreamHandle, Submission},
};

/// The book for aggregates of type `A`. Each load replays the stream.
#[derive(Clone)]
pub struct PostgresEventStore<A> {
    store: Store,
    writer: Writer,
    aggregate: PhantomData<fn() -> A>,
}

/// An aggregate as it was loaded.
pub struct LoadedAggregate<A> {
    /// Its state.
    pub aggregate: A,
    /// Its stream.
    pub handle: Arc<StreamHandle>,
    /// The end of the stream that the state is the fold of.
    pub head: ChainHead,
}

impl<A: Aggregate> AggregateContext<A> for LoadedAggregate<A> {
    fn aggregate(&mut self) -> &mut A {
        &mut self.aggregate
    }
}

impl<A: Aggregate> PostgresEventStore<A> {
    /// Reads from the store, appends through the writer.
    #[must_use]
    pub fn new(store: Store, writer: Writer) -> Self {
        Self {
            store,
            writer,
            aggregate: PhantomData,
        }
    }

    async fn read(&self, stream: &StreamId) -> Result<Vec<Recorded>, AggregateError<A::Error>> {
        self.store
            .read_stream(stream, 0, i64::MAX)
            .await
            .map_err(failed_to_read)
    }
}

impl<A: Aggregate> EventStore<A> for PostgresEventStore<A> {
    type AC = LoadedAggregate<A>;

    async fn load_events(
        &self,
        aggregate_id: &str,
    ) -> Result<Vec<EventEnvelope<A>>, AggregateError<A::Error>> {
        let stream = StreamId::new(A::TYPE, aggregate_id);
        self.read(&stream).await?.iter().map(envelope).collect()
    }

    async fn load_aggregate(
        &self,
        aggregate_id: &str,
    ) -> Result<Self::AC, AggregateError<A::Error>> {
        let stream = StreamId::new(A::TYPE, aggregate_id);
        let (mut aggregate, mut head) = (A::default(), ChainHead::default());
        for event in self.read(&stream).await? {
            aggregate.apply(event.decode().map_err(failed_to_read)?);
            head = ChainHead {
                sequence: event.sequence,
                hash: event.hash,
            };
        }
        Ok(LoadedAggregate {
            aggregate,
            handle: StreamHandle::new(stream, head),
            head,
        })
    }

    async fn commit(
        &self,
        events: Vec<A::Event>,
        context: Self::AC,
        metadata: HashMap<String, String>,
    ) -> Result<Vec<EventEnvelope<A>>, AggregateError<A::Error>> {
        if events.is_empty() {
            return Ok(Vec::new());
        }
        let aggregate_id = context.handle.stream.aggregate_id.to_string();
        let first_sequence = context.head.sequence + 1;
        let encoded: Result<Vec<NewEvent>, _> = events.iter().map(encode).collect();
        let append = StreamAppend {
            generation: context.handle.generation(),
            handle: context.handle,
            first_sequence,
            events: encoded.map_err(|error| AggregateError::UnexpectedError(error.into()))?,
        };
        let committed = Metadata(metadata.clone().into_iter().collect());
        self.append(append, committed).await?;
        let envelopes = events
            .into_iter()
            .zip(first_sequence..)
            .map(|(payload, sequence)| {
                let sequence = as_usize(sequence);
                EventEnvelope {
                    aggregate_id: aggregate_id.clone(),
                    sequence,
                    payload,
                    metadata: metadata.clone(),
                }
            });
        Ok(envelopes.collect())
    }
}

impl<A: Aggregate> PostgresEventStore<A> {
    async fn append(
        &self,
        append: StreamAppend,
        metadata: Metadata,
    ) -> Result<(), AggregateError<A::Error>> {
        let (tell, told) = oneshot::channel();
        let on_outcome = Box::new(move |outcome| {
            // Nobody listens when the caller gave up waiting; the book has it all the same.
            let _listening = tell.send(outcome);
        });
        self.writer.submit(Submission::new(
            vec![append],
            Arc::new(metadata),
            on_outcome,
        ));
        match told.await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(AppendError::StaleGeneration(_))) => Err(AggregateError::AggregateConflict),
            Ok(Err(error @ AppendError::Refused(_))) => {
                Err(AggregateError::UnexpectedError(error.into()))
            }
            Ok(Err(
                error @ (AppendError::Fenced
                | AppendError::Unavailable
                | AppendError::Overloaded
                | AppendError::IdempotencyKeyUsed
                | AppendError::UniqueTaken { .. }),
            )) => Err(AggregateError::DatabaseConnectionError(error.into())),
            Err(gone) => Err(AggregateError::UnexpectedError(gone.into())),
        }
    }
}

fn encode<E: DomainEvent>(event: &E) -> Result<NewEvent, serde_json::Error> {
    Ok(NewEvent {
        event_type: intern(&event.event_type()),
        event_version: intern(&event.event_version()),
        payload: serde_json::to_string(event)?,
    })
}

fn envelope<A: Aggregate>(event: &Recorded) -> Result<EventEnvelope<A>, AggregateError<A::Error>> {
    Ok(EventEnvelope {
        aggregate_id: event.aggregate_id.to_string(),
        sequence: as_usize(event.sequence),
        payload: event.decode().map_err(failed_to_read)?,
        metadata: event
            .metadata()
            .map_err(failed_to_read)?
            .0
            .into_iter()
            .collect(),
    })
}

fn as_usize(sequence: i64) -> usize {
    usize::try_from(sequence).expect("invariant: sequences are positive")
}

fn failed_to_read<E: Error>(error: StoreError) -> AggregateError<E> {
    match error {
        StoreError::Corrupt { .. } => AggregateError::DeserializationError(error.into()),
        StoreError::Database(_) | StoreError::Migration(_) => {
            AggregateError::DatabaseConnectionError(error.into())
        }
        StoreError::Key(_) | StoreError::Erased(_) => AggregateError::UnexpectedError(error.into()),
    }
}
