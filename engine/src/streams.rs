//! Streams of people, which are loaded when somebody asks: commands of one person take turns, and
//! who was loaded is remembered until it is not known what became of an append.
//!
//! Personal data leaves this file sealed: in events, and nowhere in metadata.

use std::{
    collections::HashMap,
    hash::BuildHasher,
    sync::{Arc, Mutex as Lock, MutexGuard as Held, PoisonError},
};

use daybook_domain::SessionId;
use daybook_store::{
    AppendError, Committed, IdempotencyRow, NewEvent, NewSession, SecretRow, SessionChange, Store,
    StreamAppend, StreamHandle, StreamId, SubjectKey, Submission,
};
use tokio::sync::{Mutex, MutexGuard, oneshot};

use crate::{
    error::EngineError,
    person::Person,
    request::Origin,
    shared::{Shared, json, metadata_of, new_event},
};

/// People have no snapshots: their streams are short.
const NO_SNAPSHOTS: i32 = 0;
/// People that may be worked on at once.
const STRIPES: usize = 64;
/// People kept in memory; past it the cache starts anew.
const KNOWN_MAX: usize = 20_000;

/// A person and the end of their stream.
pub(crate) type Known<P> = (P, Arc<StreamHandle>);

/// Makes the row under which an answer is found again, from the names of the events.
pub(crate) type AnswerRow = Box<dyn FnOnce(&[&'static str]) -> IdempotencyRow + Send>;

/// A command that comes with its key, its origin and what is kept beside it.
pub(crate) struct Ask<P: Person> {
    pub id: P::Id,
    pub command: P::Command,
    pub key: SubjectKey,
    pub origin: Origin,
    pub secrets: Vec<SecretRow>,
    pub session: Option<Box<NewSession>>,
    /// The answer that is kept with the events.
    pub answer: Option<AnswerRow>,
}

/// What became of it.
pub(crate) struct Told<P: Person> {
    /// After it.
    pub person: P,
    /// What was decided; nothing where it was so already.
    pub events: Vec<P::Event>,
    pub position: i64,
}

/// The streams of all people of one kind.
pub(crate) struct Streams<P: Person> {
    shared: Arc<Shared>,
    stripes: Vec<Mutex<()>>,
    known: Lock<HashMap<P::Id, Known<P>>>,
}

impl<P: Person> Streams<P> {
    pub fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            stripes: (0..STRIPES).map(|_| Mutex::new(())).collect(),
            known: Lock::default(),
        }
    }

    /// Decides a command and appends what was decided, with secrets and a session beside it.
    /// Sessions that its events say have ended end with them.
    ///
    /// # Errors
    /// [`Person::refused`] of the broken rule; [`EngineError`].
    pub async fn change(&self, asked: Ask<P>) -> Result<Told<P>, EngineError> {
        let _turn = self.turn_of(asked.id).await;
        self.change_in_turn(asked).await
    }

    /// The same for whoever has the person's turn.
    ///
    /// # Errors
    /// As [`Streams::change`].
    pub async fn change_in_turn(&self, asked: Ask<P>) -> Result<Told<P>, EngineError> {
        let (mut person, handle) = self.load(asked.id, &asked.key).await?;
        let at = self.shared.clock.now();
        let events = person.decide(&asked.command, at).map_err(P::refused)?;
        if events.is_empty() {
            let position = *self.shared.store.committed().borrow();
            return Ok(Told {
                person,
                events,
                position,
            });
        }
        let sealed = seal::<P>(&events, &asked.key)?;
        let metadata = metadata_of(&asked.origin, type_of(P::name(&asked.command)));
        let appends = vec![append_of(handle.clone(), sealed)];
        let mut submission = Submission::new(appends, metadata, Box::new(|_| {}));
        submission.secrets = asked.secrets;
        submission.idempotency = asked.answer.map(|row| row(&names_of::<P>(&events)));
        // No session opens that no event speaks of: a refusal may be a fact too.
        let begun: Vec<_> = events.iter().filter_map(P::begun).collect();
        let opens = asked.session.filter(|new| {
            let id = SessionId(new.session_id);
            begun.contains(&id)
        });
        let opens = opens.map(SessionChange::Open);
        let ends = events.iter().filter_map(|event| P::ended(asked.id, event));
        submission.sessions = ends.chain(opens).collect();
        self.forget(asked.id);
        let committed = append(&self.shared, submission).await?;
        events.iter().for_each(|event| person.evolve(event));
        self.remember(asked.id, (person.clone(), handle));
        Ok(Told {
            person,
            events,
            position: committed.position,
        })
    }

    /// A person as the book has them.
    ///
    /// # Errors
    /// [`EngineError::NotFound`]; [`EngineError::Unavailable`].
    pub async fn inspect(&self, id: P::Id, key: &SubjectKey) -> Result<P, EngineError> {
        let _turn = self.turn_of(id).await;
        let (person, handle) = self.load(id, key).await?;
        self.remember(id, (person.clone(), handle));
        Ok(person)
    }

    /// Commands of one person take turns.
    pub async fn turn_of(&self, id: P::Id) -> MutexGuard<'_, ()> {
        let hasher = std::hash::BuildHasherDefault::<std::hash::DefaultHasher>::default();
        let stripe = hasher.hash_one(id) % STRIPES as u64;
        let stripe = usize::try_from(stripe).unwrap_or(0);
        self.stripes[stripe].lock().await
    }

    pub async fn load(&self, id: P::Id, key: &SubjectKey) -> Result<Known<P>, EngineError> {
        let known = self.lock().get(&id).cloned();
        match known {
            Some(known) => Ok(known),
            None => load(&self.shared.store, id, key).await,
        }
    }

    pub fn remember(&self, id: P::Id, known: Known<P>) {
        let mut people = self.lock();
        if people.len() >= KNOWN_MAX {
            people.clear();
        }
        if !known.0.is_erased() {
            people.insert(id, known);
        }
    }

    pub fn forget(&self, id: P::Id) {
        self.lock().remove(&id);
    }

    fn lock(&self) -> Held<'_, HashMap<P::Id, Known<P>>> {
        // A panic elsewhere cannot leave a map half-changed.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A person's stream, read whole.
///
/// # Errors
/// [`EngineError::NotFound`] where there is none; [`EngineError`].
pub(crate) async fn load<P: Person>(
    store: &Store,
    id: P::Id,
    key: &SubjectKey,
) -> Result<Known<P>, EngineError> {
    let loaded = store.load(&stream_of::<P>(id), NO_SNAPSHOTS).await?;
    if loaded.tail.is_empty() {
        return Err(EngineError::NotFound);
    }
    let mut person = P::default();
    for recorded in &loaded.tail {
        let opened = key.open_fields(&recorded.payload)?;
        let event: P::Event = serde_json::from_str(&opened).map_err(|error| {
            EngineError::Corrupt(format!("position {}: {error}", recorded.position))
        })?;
        person.evolve(&event);
    }
    Ok((person, loaded.handle))
}

/// Events as they rest.
pub(crate) fn seal<P: Person>(
    events: &[P::Event],
    key: &SubjectKey,
) -> Result<Vec<NewEvent>, EngineError> {
    let sealed = events.iter().map(|event| {
        let payload = key.seal_fields(&json(event), P::personal_fields(event))?;
        Ok(new_event(P::event_type(event), payload))
    });
    sealed.collect()
}

/// Names of events.
pub(crate) fn names_of<P: Person>(events: &[P::Event]) -> Vec<&'static str> {
    events.iter().map(P::event_type).collect()
}

/// Submits and waits for the outcome.
pub(crate) async fn append(
    shared: &Shared,
    mut submission: Submission,
) -> Result<Committed, AppendError> {
    let (outcome, told) = oneshot::channel();
    submission.on_outcome = Box::new(move |result| {
        let _gone = outcome.send(result);
    });
    shared.writer.submit(submission);
    told.await.map_err(|_ended| AppendError::Unavailable)?
}

/// What follows the end of a stream.
pub(crate) fn append_of(handle: Arc<StreamHandle>, events: Vec<NewEvent>) -> StreamAppend {
    StreamAppend {
        generation: handle.generation(),
        first_sequence: handle.head().sequence + 1,
        handle,
        events,
    }
}

/// The stream of a person.
pub(crate) fn stream_of<P: Person>(id: P::Id) -> StreamId {
    StreamId::new(P::TYPE, id)
}

/// The command as metadata keeps it: its type alone, for what it carries is personal.
pub(crate) fn type_of(name: &str) -> String {
    format!(r#"{{"type":"{name}"}}"#)
}
