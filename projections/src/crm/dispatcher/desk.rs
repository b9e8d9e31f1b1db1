//! What the clerk knows of an endpoint: where to, signed with what, and whether it may be asked.

use std::sync::Arc;

use daybook_domain::EndpointId;
use daybook_store::{Keyring, StoreError};
use reqwest::Url;
use tokio::time::Instant;

use super::DispatcherConfig;
use crate::crm::{
    circuit::{Circuit, Flow},
    outbox::EndpointRow,
    signature::Signer,
};

/// An endpoint at work.
pub(super) struct Desk {
    pub(super) target: Option<Arc<Target>>,
    pub(super) circuit: Circuit,
    /// Queues under way.
    pub(super) in_flight: usize,
    /// The receiver has said 410, and the book does not say so yet.
    pub(super) gone_until: Option<Instant>,
    disabled: bool,
}

/// Where to, and signed with what.
pub(super) struct Target {
    pub(super) endpoint: String,
    pub(super) url: Url,
    pub(super) signer: Signer,
}

impl Desk {
    pub(super) const fn new() -> Self {
        Self {
            target: None,
            circuit: Circuit::new(),
            in_flight: 0,
            gone_until: None,
            disabled: false,
        }
    }

    /// Takes in how the endpoint stands now. Another address is another receiver.
    pub(super) fn update(&mut self, row: &EndpointRow, signer: Signer) {
        let url = row.settings.url.as_deref().map(Url::parse);
        let url = match url {
            Some(Ok(url)) => Some(url),
            Some(Err(error)) => {
                tracing::error!(endpoint = row.endpoint, %error, "webhooks: not an address");
                None
            }
            None => None,
        };
        let before = self.target.as_ref().map(|target| &target.url);
        if before != url.as_ref() {
            self.circuit = Circuit::new();
        }
        self.gone_until = None;
        self.disabled = row.disabled.is_some();
        self.target = url.map(|url| {
            Arc::new(Target {
                endpoint: row.endpoint.clone(),
                url,
                signer,
            })
        });
    }

    /// Where to, with how many queues and deliveries of each; none: nothing may be sent now.
    pub(super) fn room(&self, lanes_max: usize, now: Instant) -> Option<(Arc<Target>, Room)> {
        let gone = self.gone_until.is_some_and(|until| until > now);
        let target = self.target.as_ref().filter(|_| !self.disabled && !gone)?;
        let room = match self.circuit.flow(now) {
            Flow::Nothing(_) => return None,
            Flow::One => Room {
                lanes: usize::from(self.in_flight == 0),
                deliveries: 1,
            },
            Flow::Free => Room {
                lanes: lanes_max.saturating_sub(self.in_flight),
                deliveries: DELIVERIES,
            },
        };
        (room.lanes > 0).then(|| (Arc::clone(target), room))
    }
}

/// Deliveries of one queue that are leased at once.
const DELIVERIES: i64 = 32;

/// What may be leased.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Room {
    pub(super) lanes: usize,
    pub(super) deliveries: i64,
}

/// What signs for an endpoint: its own secrets, or the environment's.
///
/// # Errors
/// [`StoreError`] when a secret does not open.
pub(super) async fn signer(
    keys: &Keyring,
    row: &EndpointRow,
    config: &DispatcherConfig,
) -> Result<Signer, StoreError> {
    let Some(sealed) = &row.settings.secret else {
        return Ok(Signer::new(
            config.secret.clone(),
            config.secret_previous.clone(),
        ));
    };
    let id: EndpointId = row
        .endpoint
        .parse()
        .map_err(|error| StoreError::Key(format!("{}: {error}", row.endpoint)))?;
    let key = keys.get(id.subject()).await?;
    let open = |sealed: &str| key.open("secret", sealed).map(Into::into);
    let previous = row.settings.previous_secret.as_deref();
    Ok(Signer::new(open(sealed)?, previous.map(open).transpose()?))
}
