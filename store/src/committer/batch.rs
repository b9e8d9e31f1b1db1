//! What goes into one append: submissions that still stand, their places and their hashes.

use std::{collections::HashMap, sync::Arc};

use chrono::{DateTime, Utc};

use super::statement::Parts;
use crate::{
    error::AppendError,
    hash_chain::Link,
    leadership::LeadershipConfig,
    recorded::StreamId,
    submission::{
        ChainHead, Committed, IdempotencyRow, NewEvent, StreamAppend, StreamHandle, Submission,
    },
};

/// Submissions in order, checked against their streams, with the chain hashes of their events.
pub(crate) struct Batch {
    recorded_at: DateTime<Utc>,
    parts: Parts,
    placed: Vec<Placed>,
    heads: Heads,
    hashes: Vec<[u8; 32]>,
    bytes: usize,
}

struct Placed {
    submission: Submission,
    metadata: String,
    /// Events of the batch up to and with this submission.
    end: i64,
}

/// One row of `events`, all but its position.
pub(crate) struct EventRow<'a> {
    pub link: Link<'a>,
    pub hash: &'a [u8],
}

/// Ends of streams as they will be when a batch is committed.
#[derive(Default)]
pub(crate) struct Heads {
    /// Index into `ends` by the handle's address, which the `Arc` there keeps taken.
    by_address: HashMap<usize, usize>,
    ends: Vec<(Arc<StreamHandle>, ChainHead)>,
}

impl Batch {
    pub(crate) fn new(recorded_at: DateTime<Utc>) -> Self {
        Self {
            recorded_at,
            parts: Parts::default(),
            placed: Vec::new(),
            heads: Heads::default(),
            hashes: Vec::new(),
            bytes: 0,
        }
    }

    /// Takes a submission that still stands; one that rests on a state that is gone is answered
    /// here and now. `flying` are the ends of the append in flight, taken for committed.
    pub(crate) fn admit(&mut self, submission: Submission, flying: &Heads) {
        match self.stale(&submission, flying) {
            None => self.place(submission, flying),
            Some(stream) => submission.fail(AppendError::StaleGeneration(stream)),
        }
    }

    fn place(&mut self, submission: Submission, flying: &Heads) {
        self.bytes += submission.bytes();
        let parts = Parts::of(&submission);
        self.parts = self.parts.and(parts);
        let metadata = if parts.events {
            submission.metadata.to_json()
        } else {
            String::new()
        };
        for append in &submission.appends {
            let mut head = self.end_of(&append.handle, flying);
            for event in &append.events {
                head.sequence += 1;
                let link = link(append, event, head.sequence, self.recorded_at, &metadata);
                head.hash = link.hash(&head.hash);
                self.hashes.push(head.hash);
            }
            self.heads.set(&append.handle, head);
        }
        let end = i64::try_from(self.hashes.len()).expect("invariant: a batch fits in memory");
        self.placed.push(Placed {
            submission,
            metadata,
            end,
        });
    }

    /// Where a stream ends when everything up to here is committed.
    fn end_of(&self, handle: &Arc<StreamHandle>, flying: &Heads) -> ChainHead {
        let speculative = self.heads.get(handle).or_else(|| flying.get(handle));
        speculative.unwrap_or_else(|| handle.head())
    }

    /// The first stream whose state is not the one that the submission was decided on.
    fn stale(&self, submission: &Submission, flying: &Heads) -> Option<StreamId> {
        for (handle, generation) in &submission.rests_on {
            if handle.generation() != *generation {
                return Some(handle.stream.clone());
            }
        }
        for (index, append) in submission.appends.iter().enumerate() {
            let before = submission.appends[..index]
                .iter()
                .filter(|earlier| Arc::ptr_eq(&earlier.handle, &append.handle))
                .map(|earlier| earlier.events.len() as i64)
                .sum::<i64>();
            let end = self.end_of(&append.handle, flying).sequence + before;
            let follows = append.events.is_empty() || append.first_sequence == end + 1;
            if append.handle.generation() != append.generation || !follows {
                return Some(append.handle.stream.clone());
            }
        }
        None
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.placed.is_empty()
    }

    /// Whether it may grow.
    pub(crate) fn has_room(&self, config: &LeadershipConfig) -> bool {
        self.placed.len() < config.batch_max
            && self.hashes.len() < config.batch_max
            && self.bytes < config.batch_bytes_max
    }

    /// The ends of its streams, as it is sent.
    pub(crate) fn take_heads(&mut self) -> Heads {
        std::mem::take(&mut self.heads)
    }

    /// How many events it has.
    pub(crate) fn events(&self) -> i64 {
        self.placed.last().map_or(0, |placed| placed.end)
    }

    pub(crate) fn recorded_at(&self) -> DateTime<Utc> {
        self.recorded_at
    }

    pub(crate) fn parts(&self) -> Parts {
        self.parts
    }

    pub(crate) fn submissions(&self) -> impl Iterator<Item = &Submission> {
        self.placed.iter().map(|placed| &placed.submission)
    }

    /// Answers to keep, each with the events of the batch up to it.
    pub(crate) fn answers(&self) -> impl Iterator<Item = (&IdempotencyRow, i64)> {
        self.placed
            .iter()
            .filter_map(|placed| Some((placed.submission.idempotency.as_ref()?, placed.end)))
    }

    /// The events in order.
    pub(crate) fn rows(&self) -> impl Iterator<Item = EventRow<'_>> {
        let links =
            self.placed.iter().flat_map(move |placed| {
                placed.submission.appends.iter().flat_map(move |append| {
                    append.events.iter().zip(append.first_sequence..).map(
                        move |(event, sequence)| {
                            link(append, event, sequence, self.recorded_at, &placed.metadata)
                        },
                    )
                })
            });
        links
            .zip(&self.hashes)
            .map(|(link, hash)| EventRow { link, hash })
    }

    /// It stands in the book, after position `base`: the callers are told.
    pub(crate) fn succeed(self, base: i64) {
        for Placed {
            submission, end, ..
        } in self.placed
        {
            let position = base + end;
            submission.succeed(Committed {
                position,
                recorded_at: self.recorded_at,
            });
        }
    }

    /// Nothing of it stands in the book.
    pub(crate) fn fail(self, error: &AppendError) {
        for submission in self.into_submissions() {
            submission.fail(error.clone());
        }
    }

    pub(crate) fn into_submissions(self) -> Vec<Submission> {
        self.placed
            .into_iter()
            .map(|placed| placed.submission)
            .collect()
    }
}

impl Heads {
    fn get(&self, handle: &Arc<StreamHandle>) -> Option<ChainHead> {
        let index = self.by_address.get(&Arc::as_ptr(handle).addr())?;
        Some(self.ends[*index].1)
    }

    fn set(&mut self, handle: &Arc<StreamHandle>, head: ChainHead) {
        let end = self.ends.len();
        let address = Arc::as_ptr(handle).addr();
        let index = *self.by_address.entry(address).or_insert(end);
        if index == end {
            self.ends.push((handle.clone(), head));
        } else {
            self.ends[index].1 = head;
        }
    }

    /// They are committed: the streams move on.
    pub(crate) fn land(self) {
        for (handle, head) in self.ends {
            handle.set_head(head);
        }
    }
}

fn link<'a>(
    append: &'a StreamAppend,
    event: &'a NewEvent,
    sequence: i64,
    recorded_at: DateTime<Utc>,
    metadata: &'a str,
) -> Link<'a> {
    Link {
        aggregate_type: append.handle.stream.aggregate_type,
        aggregate_id: &append.handle.stream.aggregate_id,
        sequence,
        event_type: event.event_type,
        event_version: event.event_version,
        recorded_at,
        payload: &event.payload,
        metadata,
    }
}
