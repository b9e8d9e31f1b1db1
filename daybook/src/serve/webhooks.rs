//! Webhooks on the node that leads: the environment's endpoint is declared, then deliveries begin.

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use daybook_domain::{EndpointCommand, EndpointId, endpoint::RECEIVER};
use daybook_engine::{EndpointRequest, Engine, EngineError, Origin};
use daybook_projections::{
    Reads,
    crm::{DisableEndpoint, Dispatcher, DispatcherConfig},
};
use daybook_store::Store;
use futures::{FutureExt as _, future::BoxFuture};
use uuid::Uuid;

use crate::config::Config;

/// Pause before it is tried again to declare the endpoint.
const RETRY: Duration = Duration::from_secs(1);

/// What the environment says of webhooks.
#[derive(Clone, Debug)]
pub struct Webhooks {
    declared: EndpointCommand,
    config: DispatcherConfig,
}

impl Webhooks {
    pub fn of(config: &Config) -> Self {
        let (crm, secrets) = (&config.crm, &config.secrets);
        let mut dispatcher = DispatcherConfig::new(secrets.webhooks.clone());
        dispatcher
            .secret_previous
            .clone_from(&secrets.webhooks_previous);
        dispatcher.allow_private = crm.allow_private;
        Self {
            declared: EndpointCommand::Declare {
                url: crm.url.clone(),
                vocabulary: crm.vocabulary,
            },
            config: dispatcher,
        }
    }

    /// Writes into the book what the environment says, where it says something new. A database that
    /// is away for a moment is waited for.
    ///
    /// # Errors
    /// [`EngineError`].
    pub async fn declare(&self, engine: &Engine) -> anyhow::Result<()> {
        loop {
            let request = EndpointRequest {
                endpoint: EndpointId::of_environment(),
                command: self.declared.clone(),
                key: None,
                origin: origin("system:configuration", "declare_endpoint"),
            };
            match engine.endpoint(request).await {
                // Fenced off before it began: the role says so in a moment.
                Ok(_) | Err(EngineError::NotLeader) => return Ok(()),
                Err(EngineError::EndpointRefused(refusal)) => {
                    tracing::error!("CRM_BASE_URL, CRM_WEBHOOK_PATH: {refusal}");
                    return Ok(());
                }
                Err(error @ (EngineError::Unavailable | EngineError::Overloaded)) => {
                    tracing::warn!("the CRM's endpoint is not declared yet: {error}; trying again");
                    tokio::time::sleep(RETRY).await;
                }
                Err(error) => return Err(error).context("declaring the CRM's endpoint"),
            }
        }
    }

    /// Starts the deliveries.
    pub fn start(&self, store: Store, reads: &Reads, epoch: i64, engine: Engine) -> Dispatcher {
        let control = Arc::new(ThroughTheEngine(engine));
        Dispatcher::start(store, reads, epoch, self.config.clone(), control)
    }
}

struct ThroughTheEngine(Engine);

impl DisableEndpoint for ThroughTheEngine {
    fn disable(&self, endpoint: String, reason: String) -> BoxFuture<'static, ()> {
        let engine = self.0.clone();
        async move {
            let Ok(endpoint) = endpoint.parse::<EndpointId>() else {
                return;
            };
            let request = EndpointRequest {
                endpoint: endpoint.clone(),
                command: EndpointCommand::Disable { reason },
                key: None,
                origin: origin(RECEIVER, "gone"),
            };
            if let Err(error) = engine.endpoint(request).await {
                tracing::warn!(%endpoint, %error, "an endpoint could not be disabled");
            }
        }
        .boxed()
    }
}

fn origin(actor: &str, reason: &str) -> Origin {
    Origin {
        actor: actor.to_owned(),
        on_behalf_of: None,
        reason: reason.to_owned(),
        correlation_id: Uuid::now_v7().to_string(),
        ip: None,
        user_agent: None,
    }
}
