//! This node's part: standby or leader. The leader runs the engine, the projections and
//! the outbox of mails, the deliveries of webhooks and the calls of the CRM.

use std::{collections::BTreeMap, convert::Infallible, sync::Arc, time::Duration};

use chrono::TimeDelta;
use daybook_crm_sync::{CrmSync, CrmSyncConfig};
use daybook_documents::{Documents, Keeper};
use daybook_domain::Instrument;
use daybook_engine::{Engine, EngineConfig, EngineError};
use daybook_mail::{Outbox, OutboxConfig};
use daybook_projections::{Reads, Runners, crm::Dispatcher};
use daybook_relay::Interval;
use daybook_store::{Role, Store, Writer};
use futures::future::OptionFuture;
use tokio::{sync::watch, task::JoinHandle};

use super::{crm_sync, kept_candles, webhooks::Webhooks};

/// Pause before the engine's start is tried again, while the database is away.
const RETRY: Duration = Duration::from_secs(1);

/// What runs only where the book is written.
pub struct Node {
    store: Store,
    keeping: Keeping,
    config: EngineConfig,
    outlets: Outlets,
    engine: watch::Sender<Option<Engine>>,
    instruments: watch::Sender<Vec<Arc<Instrument>>>,
    runners: Option<Runners>,
    dispatcher: Option<Dispatcher>,
    outbox: Option<Outbox>,
    crm: Option<CrmSync>,
    keeper: Option<JoinHandle<()>>,
    pruner: Option<JoinHandle<Infallible>>,
}

/// What is kept beside the book.
pub struct Keeping {
    /// Read models.
    pub reads: Reads,
    /// What clients handed in.
    pub documents: Documents,
    /// How long candles stay.
    pub candles: BTreeMap<Interval, TimeDelta>,
}

/// What leaves the house.
pub struct Outlets {
    /// Mails.
    pub mail: OutboxConfig,
    /// Webhooks.
    pub webhooks: Webhooks,
    /// Calls of the CRM's own service API, where it is called.
    pub crm: Option<CrmSyncConfig>,
}

impl Node {
    pub const fn new(
        store: Store,
        keeping: Keeping,
        config: EngineConfig,
        outlets: Outlets,
        engine: watch::Sender<Option<Engine>>,
        instruments: watch::Sender<Vec<Arc<Instrument>>>,
    ) -> Self {
        Self {
            store,
            keeping,
            config,
            outlets,
            engine,
            instruments,
            runners: None,
            dispatcher: None,
            outbox: None,
            crm: None,
            keeper: None,
            pruner: None,
        }
    }

    /// Follows the role until this node must stop, and says why.
    pub async fn follow(&mut self, roles: &mut watch::Receiver<Role>) -> anyhow::Error {
        loop {
            let role = roles.borrow_and_update().clone();
            match role {
                Role::Standby { leader } => {
                    let leader = leader.as_deref().unwrap_or("not known");
                    tracing::info!(leader, "standing by");
                }
                Role::Leader { epoch, writer } if self.engine.borrow().is_none() => {
                    tracing::info!(epoch, "leading: this node writes the book");
                    if let Err(failure) = self.lead(epoch, writer).await {
                        return failure;
                    }
                }
                Role::Leader { .. } => {}
                Role::Ended => {
                    return anyhow::anyhow!(
                        "another node writes the book now; this one ends, so that it can never \
                         write again"
                    );
                }
            }
            let engine = self.engine.borrow().clone();
            tokio::select! {
                changed = roles.changed() => if changed.is_err() {
                    return anyhow::anyhow!("leadership has ended by itself");
                },
                failure = failed(engine) => {
                    return anyhow::anyhow!("the engine has failed: {failure}");
                }
            }
        }
    }

    /// Starts what a leader runs. A database that is away for a moment is waited for.
    async fn lead(&mut self, epoch: i64, writer: Writer) -> anyhow::Result<()> {
        let engine = loop {
            let start = Engine::start(self.store.clone(), writer.clone(), self.config.clone());
            match start.await {
                Ok(engine) => break engine,
                Err(error @ (EngineError::Unavailable | EngineError::Overloaded)) => {
                    tracing::warn!("the engine could not start: {error}; trying again");
                    tokio::time::sleep(RETRY).await;
                }
                // Fenced off before it began: the role says so in a moment.
                Err(EngineError::NotLeader) => return Ok(()),
                Err(error) => return Err(anyhow::Error::new(error).context("starting the engine")),
            }
        };
        tokio::spawn(follow_terms(
            engine.instrument_changes(),
            self.instruments.clone(),
        ));
        let Keeping {
            reads,
            documents,
            candles,
        } = &self.keeping;
        // Before anybody may do anything that it is to be told.
        self.outlets.webhooks.declare(&engine).await?;
        self.runners = Some(Runners::start(self.store.clone(), reads));
        let keeper = Keeper::new(self.store.clone(), reads.clone(), documents.clone());
        self.keeper = Some(tokio::spawn(keeper.run()));
        let pruner = kept_candles::prune(self.store.clone(), candles.clone());
        self.pruner = Some(tokio::spawn(pruner));
        let outbox = Outbox::start(&self.store, &self.outlets.mail);
        self.outbox = Some(outbox.map_err(|problem| anyhow::anyhow!("SMTP_URL: {problem}"))?);
        let store = self.store.clone();
        let webhooks = &self.outlets.webhooks;
        let dispatcher = webhooks.start(store, reads, epoch, engine.clone());
        self.dispatcher = Some(dispatcher);
        self.crm = crm_sync::start(&self.store, self.outlets.crm.as_ref(), engine.clone());
        self.engine.send_replace(Some(engine));
        Ok(())
    }

    /// Ends the deliveries and the engine in order, then what reads the book.
    pub async fn stop(mut self) {
        // Whatever it was at is taken up again at the next start.
        if let Some(keeper) = self.keeper.take() {
            keeper.abort();
        }
        if let Some(pruner) = self.pruner.take() {
            pruner.abort();
        }
        // Requests that still arrive are told that this node does not lead.
        let engine = self.engine.send_replace(None);
        let dispatcher = self.dispatcher.take().map(Dispatcher::stop);
        let engine = engine.as_ref().map(Engine::shutdown);
        let crm = self.crm.take().map(CrmSync::stop);
        tokio::join!(
            OptionFuture::from(dispatcher),
            OptionFuture::from(crm),
            OptionFuture::from(engine)
        );
        let runners = self.runners.take().map(Runners::stop);
        let outbox = self.outbox.take().map(Outbox::stop);
        tokio::join!(OptionFuture::from(runners), OptionFuture::from(outbox));
    }
}

/// Shows the API the terms in force, and every change of them, until the engine ends.
async fn follow_terms(
    mut terms: watch::Receiver<Vec<Arc<Instrument>>>,
    shown: watch::Sender<Vec<Arc<Instrument>>>,
) {
    loop {
        shown.send_replace(terms.borrow_and_update().clone());
        if terms.changed().await.is_err() {
            return;
        }
    }
}

async fn failed(engine: Option<Engine>) -> String {
    match engine {
        Some(engine) => engine.failed().await,
        None => std::future::pending().await,
    }
}
