//! The client of the CRM's own service API, on the node that leads.

use std::sync::Arc;

use daybook_crm_sync::{ACTOR, Book, CrmSync, CrmSyncConfig, Undecided};
use daybook_domain::{ClientCommand, ClientId};
use daybook_engine::{Answer, ChangeClientRequest, Engine, EngineError, Origin};
use daybook_store::{Store, StoreError};
use futures::{FutureExt as _, future::BoxFuture};
use uuid::Uuid;

use crate::config::Config;

/// What the environment says of the CRM's service API; none: it is not called.
pub fn config_of(config: &Config) -> Option<CrmSyncConfig> {
    let (crm, secrets) = (&config.crm, &config.secrets);
    let token = crm.api_token.as_ref().unwrap_or(&secrets.crm_token);
    crm.service_api.as_ref().map(|base_url| CrmSyncConfig {
        base_url: base_url.clone(),
        token: token.clone(),
        allow_private: crm.allow_private,
    })
}

/// Starts it, where there is one to be called.
pub fn start(store: &Store, config: Option<&CrmSyncConfig>, engine: Engine) -> Option<CrmSync> {
    let book = Arc::new(ThroughTheEngine {
        store: store.clone(),
        engine,
    });
    let started = CrmSync::start(store, config?, book);
    let not = |problem| tracing::error!("CRM_BASE_URL: {problem}; its service API is not called");
    started.map_err(not).ok()
}

struct ThroughTheEngine {
    store: Store,
    engine: Engine,
}

impl Book for ThroughTheEngine {
    fn decide(
        &self,
        client_id: ClientId,
        command: ClientCommand,
    ) -> BoxFuture<'static, Result<(), Undecided>> {
        let (store, engine) = (self.store.clone(), self.engine.clone());
        async move {
            let key = store.keys().get(client_id.0).await;
            let request = ChangeClientRequest {
                client_id,
                commands: vec![command],
                key: key.map_err(|error| unread(&error))?,
                // Neither a name nor the checks of the law are carried over to accounts.
                accounts: Vec::new(),
                as_of: 0,
                origin: origin(),
                idempotency: None,
                answer: Answer {
                    status: 204,
                    body: String::new(),
                    keep: false,
                },
            };
            let changed = engine.change_client(request).await;
            changed.map(drop).map_err(|error| undecided(&error))
        }
        .boxed()
    }
}

fn unread(error: &StoreError) -> Undecided {
    match error {
        StoreError::Database(_) => Undecided::Later(error.to_string()),
        StoreError::Migration(_)
        | StoreError::Corrupt { .. }
        | StoreError::Key(_)
        | StoreError::Erased(_) => Undecided::Refused(error.to_string()),
    }
}

fn undecided(error: &EngineError) -> Undecided {
    let cause = std::error::Error::source(error);
    let text = cause.map_or(error.to_string(), |cause| format!("{error}: {cause}"));
    match error {
        EngineError::NotLeader | EngineError::Overloaded | EngineError::Unavailable => {
            Undecided::Later(text)
        }
        EngineError::NotFound
        | EngineError::IdempotencyKeyReused
        | EngineError::UniqueTaken { .. }
        | EngineError::ClientRefused(_)
        | EngineError::StaffRefused(_)
        | EngineError::AccountRefused(_)
        | EngineError::NotSettled { .. }
        | EngineError::InstrumentRefused(_)
        | EngineError::EndpointRefused(_)
        | EngineError::Corrupt(_)
        | EngineError::Store(_) => Undecided::Refused(text),
    }
}

fn origin() -> Origin {
    Origin {
        on_behalf_of: None,
        actor: ACTOR.to_owned(),
        reason: "look_up_client".to_owned(),
        correlation_id: Uuid::now_v7().to_string(),
        ip: None,
        user_agent: None,
    }
}
