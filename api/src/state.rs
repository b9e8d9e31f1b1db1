//! The handles the API works with.

use std::sync::Arc;

use daybook_documents::Documents;
use daybook_domain::Instrument;
use daybook_engine::Engine;
use daybook_projections::Reads;
use daybook_relay::{Candles, Hub, Interest};
use daybook_store::{Store, perimeter::BlockedAddresses};
use tokio::sync::watch;

use crate::{config::ApiConfig, stream::sockets::Sockets};

/// Handles on everything else, made by the composition root.
#[derive(Clone)]
pub struct ApiState {
    /// The book.
    pub store: Store,
    /// Read models.
    pub reads: Reads,
    /// Newest quotes.
    pub hub: Hub,
    /// WebSockets and streams of events.
    pub sockets: Sockets,
    /// The bytes of what clients handed in.
    pub documents: Documents,
    /// Candles.
    pub candles: Candles,
    /// Which symbols anybody wants: what is asked for or listened to is told here.
    pub interest: Interest,
    /// The engine while this node is the leader; none on a standby, whose commands answer 503
    /// `not_leader`.
    pub engine: watch::Receiver<Option<Engine>>,
    /// Instrument terms as the book has them (the seeds until it does).
    pub instruments: watch::Receiver<Vec<Arc<Instrument>>>,
    /// Addresses that are refused whatever they ask for.
    pub blocked: BlockedAddresses,
    /// Settings.
    pub config: Arc<ApiConfig>,
}
