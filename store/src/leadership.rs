//! One writer at a time: a lease and a fencing epoch in the head row.

use tokio::sync::watch;

use crate::{committer::Writer, store::Store};

/// What this node is now.
#[derive(Clone)]
pub enum Role {
    /// Another node writes; `leader` is its advertised address, if known.
    Standby {
        /// Address.
        leader: Option<String>,
    },
    /// This node writes under `epoch`.
    Leader {
        /// Fencing epoch.
        epoch: i64,
        /// The way in.
        writer: Writer,
    },
    /// This node wrote and was fenced off, or was told to stop: it must never write again.
    Ended,
}

/// Campaigns in the background, renews the lease, and tells the role.
pub struct Leadership {
    /// The role now and at each change.
    pub role: watch::Receiver<Role>,
}

impl Leadership {
    /// Starts campaigning. `advertise` is this node's address for the others to show.
    #[must_use]
    pub fn start(store: Store, advertise: String) -> Self {
        let _ = (store, advertise);
        todo!("store")
    }

    /// Drains the committer, gives the lease back so that a standby takes over at once, and ends.
    pub async fn resign(self) {
        todo!("store")
    }
}
