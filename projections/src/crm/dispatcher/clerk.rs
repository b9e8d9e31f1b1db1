//! The clerk: the one task that speaks to the database.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use daybook_store::{Store, StoreError};
use sqlx::{Connection, Executor, PgConnection};
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

use super::{
    DisableEndpoint, DispatcherConfig,
    courier::Courier,
    desk::{self, Desk},
    intake, lane,
    lane::{Report, Try},
    lease, notices, record,
};
use crate::crm::{outbox::EndpointRow, retry::Verdict};

/// A queue whose time has come is noticed within this.
const POLL: Duration = Duration::from_millis(200);
const RETRY: Duration = Duration::from_millis(500);
/// How long nothing is sent after a 410 until the book says so.
const GONE_FOR: Duration = Duration::from_secs(30);
const REPORTS_MAX: usize = 4_096;

pub(super) struct Clerk {
    store: Store,
    outbox: watch::Receiver<Option<i64>>,
    epoch: i64,
    config: DispatcherConfig,
    control: Arc<dyn DisableEndpoint>,
    stopping: watch::Receiver<bool>,
    courier: Arc<Courier>,
    desks: BTreeMap<String, Desk>,
    reports: mpsc::Receiver<Report>,
    reporter: mpsc::Sender<Report>,
    /// Told, and not yet written down.
    told: Vec<Report>,
    lanes: JoinSet<()>,
    /// When due queues were last looked for without anything having happened.
    looked_at: Option<Instant>,
    counted_at: Option<Instant>,
}

/// Why a session broke off.
#[derive(Debug, thiserror::Error)]
pub(super) enum Broken {
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Clerk {
    pub(super) fn new(
        store: Store,
        outbox: watch::Receiver<Option<i64>>,
        epoch: i64,
        config: DispatcherConfig,
        control: Arc<dyn DisableEndpoint>,
        stopping: watch::Receiver<bool>,
    ) -> Self {
        let (reporter, reports) = mpsc::channel(REPORTS_MAX);
        let courier = Courier::new(store.keys().clone(), config.allow_private);
        Self {
            courier: Arc::new(courier),
            store,
            outbox,
            epoch,
            config,
            control,
            stopping,
            desks: BTreeMap::new(),
            reports,
            reporter,
            told: Vec::new(),
            lanes: JoinSet::new(),
            looked_at: None,
            counted_at: None,
        }
    }

    /// Works until told to stop; a database that is away is waited for.
    pub(super) async fn run(mut self) {
        // Its views are there once its runner follows the book.
        let ready = self.outbox.wait_for(Option::is_some).await.is_ok();
        if !ready {
            return;
        }
        while let Err(broken) = self.session().await {
            tracing::warn!(error = %broken, "webhooks: trying again");
            sleep(RETRY).await;
        }
    }

    async fn session(&mut self) -> Result<(), Broken> {
        let options = self.store.pool().connect_options();
        let options = (*options).clone().application_name("daybook webhooks");
        let mut connection = PgConnection::connect_with(&options).await?;
        // What a crash of the database takes is sent again, under the same identifier.
        let settings = "set synchronous_commit = off; set jit = off";
        connection.execute(settings).await?;
        self.reload(intake::endpoints(&mut connection, -1).await?)
            .await?;
        loop {
            let mut look = self.record(&mut connection).await?;
            let stopping = *self.stopping.borrow();
            if !stopping {
                look |= self.take_in(&mut connection).await?;
                look |= self.looked_at.is_none_or(|at| at.elapsed() >= POLL);
                if look {
                    self.lease(&mut connection).await?;
                }
                self.count(&mut connection).await?;
            } else if self.lanes.is_empty() && self.told.is_empty() && self.reports.is_empty() {
                return Ok(());
            }
            self.wait().await;
        }
    }

    /// Sleeps until there is something to do.
    async fn wait(&mut self) {
        while self.lanes.try_join_next().is_some() {}
        let stopping = *self.stopping.borrow();
        tokio::select! {
            biased;
            report = self.reports.recv() => self.told.extend(report),
            _told = self.stopping.changed(), if !stopping => {}
            changed = self.outbox.changed(), if !stopping => {
                // Its runner has ended, as this does in a moment.
                if changed.is_err() {
                    sleep(POLL).await;
                }
            }
            () = sleep(POLL) => {}
        }
    }

    /// Writes down what was told. True: a queue is free again.
    async fn record(&mut self, connection: &mut PgConnection) -> Result<bool, Broken> {
        while let Ok(report) = self.reports.try_recv() {
            self.told.push(report);
        }
        if self.told.is_empty() {
            return Ok(false);
        }
        record::record(connection, self.epoch, &self.told).await?;
        let mut freed = false;
        for report in std::mem::take(&mut self.told) {
            match report {
                Report::Tried(tried) => self.learn(&tried),
                Report::Finished(finished) => {
                    freed = true;
                    if let Some(desk) = self.desks.get_mut(&finished.endpoint) {
                        desk.in_flight = desk.in_flight.saturating_sub(1);
                    }
                }
            }
        }
        Ok(freed)
    }

    /// What a try says of its receiver.
    fn learn(&mut self, tried: &Try) {
        notices::tried(tried);
        let Some(desk) = self.desks.get_mut(&tried.endpoint) else {
            return;
        };
        if !tried.sent {
            return;
        }
        let failed = tried
            .status
            .is_none_or(|status| matches!(status, 300..=399 | 408 | 429 | 500..));
        let turn = if failed {
            desk.circuit.failed(Instant::now(), tried.retry_after)
        } else {
            desk.circuit.answered()
        };
        notices::circuit(&tried.endpoint, turn, desk.circuit.is_open());
        let is_news = desk.gone_until.is_none_or(|until| until < Instant::now());
        if tried.verdict == Verdict::Gone && is_news {
            desk.gone_until = Some(Instant::now() + GONE_FOR);
            notices::gone(&tried.endpoint);
            let reason = "the receiver answered 410".to_owned();
            let disabling = self.control.disable(tried.endpoint.clone(), reason);
            tokio::spawn(disabling);
        }
    }

    /// Takes in what the outbox holds. True: there is something new to send.
    async fn take_in(&mut self, connection: &mut PgConnection) -> Result<bool, Broken> {
        let mut any = false;
        while let Some(taken) = intake::take_in(connection).await? {
            self.reload(taken.endpoints).await?;
            any = true;
        }
        Ok(any)
    }

    async fn reload(&mut self, rows: Vec<EndpointRow>) -> Result<(), StoreError> {
        for row in rows {
            let signer = desk::signer(self.store.keys(), &row, &self.config).await?;
            let desk = self.desks.entry(row.endpoint.clone());
            desk.or_insert_with(Desk::new).update(&row, signer);
            notices::endpoint(&row);
        }
        Ok(())
    }

    /// Leases due queues and sends them off.
    async fn lease(&mut self, connection: &mut PgConnection) -> Result<(), Broken> {
        self.looked_at = Some(Instant::now());
        let now = Instant::now();
        for (endpoint, desk) in &mut self.desks {
            let Some((target, room)) = desk.room(self.config.lanes_max, now) else {
                continue;
            };
            for leased in lease::lease(connection, endpoint, self.epoch, room).await? {
                desk.in_flight += 1;
                let lane = lane::Lane {
                    target: Arc::clone(&target),
                    courier: Arc::clone(&self.courier),
                    leased,
                    reporter: self.reporter.clone(),
                    stopping: self.stopping.clone(),
                };
                self.lanes.spawn(lane.run());
            }
        }
        Ok(())
    }

    async fn count(&mut self, connection: &mut PgConnection) -> Result<(), Broken> {
        let due = self
            .counted_at
            .is_none_or(|at| at.elapsed() >= notices::EVERY);
        if due {
            self.counted_at = Some(Instant::now());
            // A count that takes long tells nothing: deliveries are what matters.
            let counting = notices::count(connection);
            timeout(Duration::from_secs(2), counting)
                .await
                .ok()
                .transpose()?;
        }
        Ok(())
    }
}
