//! What a call is about, from the book, at the moment it is made: the event that caused it and the
//! client as they are now.

use daybook_domain::{Client, ClientEvent};
use daybook_store::{Recorded, Store, StoreError, StreamId, SubjectKey};
use serde_json::{Value, json};

use crate::{
    cause::{CLIENT, tells_kyc},
    rows::Due,
};

/// Personal: it is nowhere kept.
pub(crate) struct Matter {
    /// The client as they are now.
    pub(crate) client: Client,
    /// Their address.
    pub(crate) email: String,
    /// What caused the call.
    event: ClientEvent,
    /// Something newer was said of the checks.
    overtaken: bool,
}

/// It could not be put together now.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MatterError {
    #[error("reading the book: {0}")]
    Store(#[from] StoreError),
    #[error("the book does not hold what this call is about")]
    Baseless,
}

impl Matter {
    /// Reads it; none: the client was erased.
    pub(crate) async fn read(store: &Store, due: &Due) -> Result<Option<Self>, MatterError> {
        let stream = StreamId::new(CLIENT, due.client_id);
        let recorded = store.read_stream(&stream, 0, i64::MAX).await?;
        if recorded.iter().any(|it| &*it.event_type == "ClientErased") {
            return Ok(None);
        }
        let Some(key) = store.keys().find(due.client_id.0).await? else {
            return Ok(None);
        };
        let mut client = Client::default();
        let mut cause = None;
        let mut overtaken = false;
        for recorded in &recorded {
            let event = opened(recorded, &key)?;
            client.evolve(&event);
            overtaken |= recorded.position > due.position && tells_kyc(&event);
            if recorded.position == due.position {
                cause = Some(event);
            }
        }
        let event = cause.ok_or(MatterError::Baseless)?;
        let profile = client.profile.as_ref().ok_or(MatterError::Baseless)?;
        let email = profile.email.clone();
        Ok(Some(Self {
            client,
            email,
            event,
            overtaken,
        }))
    }

    /// What is said of the checks; none: a newer event says it.
    pub(crate) fn kyc(&self) -> Option<Value> {
        let kyc = &self.client.kyc;
        (!self.overtaken).then(|| {
            json!({
                "kycStatus": kyc.status.as_str(),
                "notes": kyc.notes,
                "documents": kyc.documents.len(),
                "at": when(&self.event),
            })
        })
    }

    /// The note; none: the event is none.
    pub(crate) fn note(&self) -> Option<Value> {
        let ClientEvent::NoteAdded { comment, by, .. } = &self.event else {
            return None;
        };
        Some(json!({ "comment": comment, "by": by, "at": when(&self.event) }))
    }
}

fn when(event: &ClientEvent) -> String {
    let at = event.at();
    at.to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
}

fn opened(recorded: &Recorded, key: &SubjectKey) -> Result<ClientEvent, StoreError> {
    let payload = key.open_fields(&recorded.payload)?;
    serde_json::from_str(&payload).map_err(|error| StoreError::Corrupt {
        place: format!("position {}", recorded.position),
        detail: error.to_string(),
    })
}
