//! Staff: taking somebody in, and commands on the streams of those who are there.

use std::sync::Arc;

use daybook_domain::{Staff, StaffCommand, StaffEvent, StaffId, staff::Member};
use daybook_store::{
    NewKey, NewSession, SecretRow, Store, StreamHandle, SubjectKey, Submission, UniqueRow,
};

use crate::{
    engine::Engine,
    error::EngineError,
    person::Person,
    request::Origin,
    shared::{Shared, metadata_of},
    streams::{self, AnswerRow, Ask, Streams, Told, append_of, stream_of, type_of},
};

/// A command to the stream of a member of staff.
pub struct MemberRequest {
    /// Whose.
    pub staff_id: StaffId,
    /// What is asked.
    pub command: StaffCommand,
    /// The data key of the member.
    pub key: SubjectKey,
    /// Who, why, from where.
    pub origin: Origin,
    /// Kept with the events, if there are any.
    pub secrets: Vec<SecretRow>,
    /// Begins with the events, if there are any.
    pub session: Option<Box<NewSession>>,
}

/// What became of it.
#[derive(Clone, Debug)]
pub struct MemberReply {
    /// After it.
    pub member: Member,
    /// What was decided; nothing where it was so already.
    pub events: Vec<StaffEvent>,
    /// Position it was committed at.
    pub position: i64,
}

/// Somebody new.
pub(crate) struct CreateStaff {
    pub staff_id: StaffId,
    /// [`StaffCommand::Create`].
    pub command: StaffCommand,
    /// Keyed hash of the address: unique among staff.
    pub email_hash: String,
    /// The data key, wrapped.
    pub key: NewKey,
    pub origin: Origin,
    pub secrets: Vec<SecretRow>,
    /// The answer that is kept with the events.
    pub answer: AnswerRow,
}

/// The streams of staff.
pub(crate) struct StaffDesk {
    shared: Arc<Shared>,
    streams: Streams<Staff>,
}

impl StaffDesk {
    pub fn new(shared: Arc<Shared>) -> Self {
        Self {
            streams: Streams::new(shared.clone()),
            shared,
        }
    }

    /// Takes somebody in: the first event, the key it is sealed under, the address and the secrets
    /// stand in one append.
    ///
    /// # Errors
    /// [`EngineError::StaffRefused`] names the broken rule; [`EngineError::UniqueTaken`] where
    /// somebody of staff has the address.
    pub async fn create(&self, asked: CreateStaff) -> Result<(Vec<StaffEvent>, i64), EngineError> {
        let at = self.shared.clock.now();
        let events = Staff::default().decide(&asked.command, at);
        let events = events.map_err(EngineError::StaffRefused)?;
        let key = self.shared.store.keys().unwrap_new(&asked.key)?;
        let sealed = streams::seal::<Staff>(&events, &key)?;
        let handle = StreamHandle::new(stream_of::<Staff>(asked.staff_id), Default::default());
        let metadata = metadata_of(&asked.origin, type_of(Staff::name(&asked.command)));
        let appends = vec![append_of(handle, sealed)];
        let mut submission = Submission::new(appends, metadata, Box::new(|_| {}));
        submission.uniques = vec![UniqueRow {
            kind: "staff_email",
            value: asked.email_hash,
            owner: asked.staff_id.0,
        }];
        submission.keys = vec![asked.key];
        submission.secrets = asked.secrets;
        submission.idempotency = Some((asked.answer)(&streams::names_of::<Staff>(&events)));
        let committed = streams::append(&self.shared, submission).await?;
        Ok((events, committed.position))
    }

    /// Executes a command; `answer` is kept with its events.
    ///
    /// # Errors
    /// [`EngineError::StaffRefused`] names the broken rule; nothing was appended then.
    pub async fn change(
        &self,
        request: MemberRequest,
        answer: Option<AnswerRow>,
    ) -> Result<MemberReply, EngineError> {
        let asked = Ask {
            id: request.staff_id,
            command: request.command,
            key: request.key,
            origin: request.origin,
            secrets: request.secrets,
            session: request.session,
            answer,
        };
        let Told {
            person,
            events,
            position,
        } = self.streams.change(asked).await?;
        Ok(MemberReply {
            member: person.member.ok_or(EngineError::NotFound)?,
            events,
            position,
        })
    }
}

impl Engine {
    /// Executes a command on the stream of a member of staff.
    ///
    /// # Errors
    /// [`EngineError::StaffRefused`] names the broken rule; nothing was appended then.
    pub async fn staff(&self, request: MemberRequest) -> Result<MemberReply, EngineError> {
        self.staff_desk().change(request, None).await
    }
}

/// A member of staff as the book has them, whichever node asks.
///
/// # Errors
/// [`EngineError::NotFound`] where there is none; [`EngineError`].
pub async fn staff_member(
    store: &Store,
    staff_id: StaffId,
    key: &SubjectKey,
) -> Result<Member, EngineError> {
    let (staff, _end) = streams::load::<Staff>(store, staff_id, key).await?;
    staff.member.ok_or(EngineError::NotFound)
}
