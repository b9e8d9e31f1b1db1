//! All sockets of this process: the threads that write quotes to them, how many there may be, and
//! their common end.

use std::{
    io,
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use daybook_relay::{Hub, Interest};
use tokio::sync::{mpsc, watch};

use super::{
    gate::{Gate, Permit},
    shard::{Arrival, Shard},
};
use crate::{problem::Answered, request::RequestInfo};

/// Sockets on their way to one thread.
const ARRIVALS_MAX: usize = 1_024;
/// How long peers may take to answer a close frame.
const DRAIN: Duration = Duration::from_secs(3);

/// How sockets are served.
#[derive(Clone, Copy, Debug)]
pub struct SocketsConfig {
    /// Threads that write quotes.
    pub threads: usize,
    /// `SOCKETS_PER_ADDRESS_MAX`: sockets that one address may hold; none: any number.
    pub per_address_max: Option<u32>,
}

impl Default for SocketsConfig {
    /// Half of the cores, and 100 sockets an address.
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            threads: (cores / 2).max(1),
            per_address_max: Some(100),
        }
    }
}

/// Cloning gives another handle.
#[derive(Clone)]
pub struct Sockets {
    gate: Arc<Gate>,
    shards: Arc<[mpsc::Sender<Arrival>]>,
    next: Arc<AtomicUsize>,
}

impl Sockets {
    /// Starts the threads, which take every quote of the hub and keep what is listened to wanted.
    ///
    /// # Errors
    /// When a thread cannot be started.
    pub fn start(hub: &Hub, interest: &Interest, config: SocketsConfig) -> io::Result<Self> {
        let gate = Arc::new(Gate::new(config.per_address_max));
        let mut shards = Vec::new();
        for number in 0..config.threads.max(1) {
            let (sender, arrivals) = mpsc::channel(ARRIVALS_MAX);
            Shard::start(number, hub, interest.clone(), gate.closing(), arrivals)?;
            shards.push(sender);
        }
        Ok(Self {
            gate,
            shards: shards.into(),
            next: Arc::default(),
        })
    }

    /// Tells every peer that the server goes away, takes no new ones, and waits until they have
    /// left; those who take too long are cut off.
    pub async fn drain(&self) {
        self.gate.close();
        let left = self.gate.empty(DRAIN).await;
        if left > 0 {
            tracing::info!(left, "sockets that did not close in time are cut");
        }
    }

    pub(super) fn enter(&self, info: &RequestInfo) -> Answered<Permit> {
        self.gate.enter(info)
    }

    /// Ends the sockets of every address that is blocked by now.
    pub(crate) fn cut_off(&self, is_blocked: impl Fn(IpAddr) -> bool) {
        self.gate.cut_off(is_blocked);
    }

    pub(super) fn closing(&self) -> watch::Receiver<bool> {
        self.gate.closing()
    }

    /// Hands a socket to one of the threads, in turn.
    pub(super) async fn adopt(&self, arrival: Arrival) {
        let turn = self.next.fetch_add(1, Ordering::Relaxed) % self.shards.len();
        if self.shards[turn].send(arrival).await.is_err() {
            tracing::debug!("a socket came after the end");
        }
    }
}
