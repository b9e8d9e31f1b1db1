//! Clients that were loaded and are still so: whatever is appended to them goes through
//! [`crate::people`], which forgets them until it is known what became of an append.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use daybook_domain::{Client, ClientId};
use daybook_store::StreamHandle;

/// Clients kept in memory; past it the cache starts anew.
const KNOWN_MAX: usize = 20_000;

/// A client and the end of its stream.
pub(crate) type Known = (Client, Arc<StreamHandle>);

#[derive(Default)]
pub(crate) struct KnownClients(Mutex<HashMap<ClientId, Known>>);

impl KnownClients {
    pub fn get(&self, client_id: ClientId) -> Option<Known> {
        self.lock().get(&client_id).cloned()
    }

    /// What was erased is not kept: the next look finds its key destroyed.
    pub fn remember(&self, client_id: ClientId, known: Known) {
        let mut clients = self.lock();
        if clients.len() >= KNOWN_MAX {
            clients.clear();
        }
        if !known.0.erased {
            clients.insert(client_id, known);
        }
    }

    pub fn forget(&self, client_id: ClientId) {
        self.lock().remove(&client_id);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ClientId, Known>> {
        // A panic elsewhere cannot leave a map half-changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
