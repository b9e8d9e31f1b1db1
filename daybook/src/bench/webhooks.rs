//! `bench webhooks`: how fast a backlog is delivered to a receiver on this machine, and how long an
//! event takes from its commit to the receiver.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::Context as _;
use daybook_domain::{
    AccountId, ClientId, EndpointCommand, EndpointId,
    endpoint::{Settings, Vocabulary},
};
use daybook_engine::{EndpointRequest, Engine, Origin};
use daybook_projections::{
    Reads, Runners,
    crm::{DisableEndpoint, Dispatcher, DispatcherConfig},
    names,
};
use daybook_store::{ChainHead, StreamHandle, StreamId};
use futures::future::BoxFuture;
use tokio::{sync::mpsc::UnboundedReceiver, time::timeout};
use uuid::Uuid;

use super::{
    arena::{Arena, Book},
    measure::{self, Done},
    ours::{self, Accounts},
    report::Report,
};
use crate::receiver::{Agreed, Received, Receiver};

const PATIENCE: Duration = Duration::from_mins(5);
/// Accounts of the backlog; each is a queue of its own.
const QUEUES: usize = 400;
/// Two events, and so two webhooks, are committed with each new account.
const ACCOUNTS_PER_SECOND: f64 = 250.0;
const WEBHOOKS_OF_AN_ACCOUNT: usize = 2;

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub struct Amount {
    /// Webhooks that wait when deliveries begin.
    pub backlog: usize,
    /// How long events then come in.
    pub time: Duration,
}

/// Delivers a backlog, then follows events as they come.
///
/// # Errors
/// When a database cannot be started, or a webhook does not arrive.
pub async fn run(amount: Amount) -> anyhow::Result<Report> {
    let arena = Arena::start().await?;
    let book = arena.book("webhooks").await?;
    let engine = book.engine().await?;
    let (receiver, mut received) =
        Receiver::start(([127, 0, 0, 1], 0).into(), Agreed::default()).await?;
    declare(&engine, format!("http://{}/hooks", receiver.address())).await?;
    let reads = Reads::new(book.store.clone());
    let runners = Runners::start(book.store.clone(), &reads);
    let mut report = Report::default();
    let backlog = Accounts::fill(&book.writer, QUEUES, amount.backlog / QUEUES);
    backlog.await?;
    let head = book.store.head().await?.position;
    reads.wait_for(&[names::OUTBOX], head, PATIENCE).await?;
    arena.settle().await?;
    let mut config = DispatcherConfig::new("a secret of the benchmark".to_owned().into());
    config.allow_private = true;
    let store = book.store.clone();
    let started = Instant::now();
    let dispatcher = Dispatcher::start(store, &reads, book.epoch()?, config, Arc::new(Nobody));
    let webhooks = amount.backlog / QUEUES * QUEUES;
    backlog_delivered(&mut received, webhooks).await?;
    let speed = webhooks as f64 / started.elapsed().as_secs_f64();
    report.at_least("deliveries to a local receiver", speed, 2_000.0, "a second");
    follow(&book, received, amount.time, &mut report).await?;
    dispatcher.stop().await;
    runners.stop().await;
    engine.shutdown().await;
    book.close().await;
    Ok(report)
}

async fn declare(engine: &Engine, url: String) -> anyhow::Result<()> {
    let settings = Settings {
        url: Some(url),
        vocabulary: Vocabulary::Site,
        ..Settings::default()
    };
    let request = EndpointRequest {
        endpoint: EndpointId::of_environment(),
        command: EndpointCommand::Create(settings),
        key: None,
        origin: Origin {
            actor: "bench".to_owned(),
            on_behalf_of: None,
            ..Origin::default()
        },
    };
    engine.endpoint(request).await?;
    Ok(())
}

/// Waits until so many different webhooks were received.
async fn backlog_delivered(
    received: &mut UnboundedReceiver<Received>,
    webhooks: usize,
) -> anyhow::Result<()> {
    let mut ids = HashSet::new();
    while ids.len() < webhooks {
        let next = timeout(PATIENCE, received.recv()).await;
        let one = next.context("webhooks are missing")?;
        ids.insert(one.context("the receiver has ended")?.id);
    }
    Ok(())
}

/// When the events of each account were committed, and when its webhooks came.
#[derive(Default)]
struct Moments {
    committed: HashMap<String, Instant>,
    received: Vec<(String, Instant)>,
}

/// Accounts open at a steady pace; each webhook's way is timed from the commit on.
async fn follow(
    book: &Book,
    mut received: UnboundedReceiver<Received>,
    time: Duration,
    report: &mut Report,
) -> anyhow::Result<()> {
    let moments = Arc::new(Mutex::new(Moments::default()));
    let noted = Arc::clone(&moments);
    let listening = tokio::spawn(async move {
        while let Some(one) = received.recv().await {
            let account = one.body["data"]["accountId"].as_str().unwrap_or_default();
            let moment = (account.to_owned(), Instant::now());
            let mut noted = noted.lock().unwrap_or_else(PoisonError::into_inner);
            noted.received.push(moment);
        }
    });
    let (writer, noted) = (book.writer.clone(), Arc::clone(&moments));
    let opened = measure::paced(ACCOUNTS_PER_SECOND, time, move |_, number| {
        let (writer, noted) = (writer.clone(), Arc::clone(&noted));
        async move {
            let (client, account) = (ClientId(Uuid::now_v7()), AccountId(Uuid::now_v7()));
            let handle = StreamHandle::new(StreamId::new("account", account), ChainHead::default());
            let number = QUEUES + usize::try_from(number)?;
            let events = ours::opening(client, number, WEBHOOKS_OF_AN_ACCOUNT)?;
            ours::append(&writer, handle, events).await??;
            let mut noted = noted.lock().unwrap_or_else(PoisonError::into_inner);
            noted.committed.insert(account.to_string(), Instant::now());
            Ok(Done::Accepted)
        }
    })
    .await?;
    let lags = lags(&moments).await?;
    listening.abort();
    report.figure(
        "events that were committed meanwhile",
        opened.per_second * WEBHOOKS_OF_AN_ACCOUNT as f64,
        "a second",
    );
    let measured = measure::of_latencies(lags, time);
    report.line("from the commit to the receiver", measured);
    let p99_ms = measured.p99_us as f64 / 1e3;
    report.at_most("p99 from the commit to the receiver", p99_ms, 100.0, "ms");
    Ok(())
}

/// How long each webhook took, once all have come.
async fn lags(moments: &Mutex<Moments>) -> anyhow::Result<Vec<Duration>> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        {
            let moments = moments.lock().unwrap_or_else(PoisonError::into_inner);
            let expected = moments.committed.len() * WEBHOOKS_OF_AN_ACCOUNT;
            if moments.received.len() >= expected {
                let lags = moments.received.iter().filter_map(|(account, came)| {
                    let committed = moments.committed.get(account)?;
                    // A webhook may overtake the news of its own commit.
                    Some(came.saturating_duration_since(*committed))
                });
                return Ok(lags.collect());
            }
        }
        anyhow::ensure!(Instant::now() < deadline, "webhooks are missing");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The receiver of a benchmark never says 410.
struct Nobody;

impl DisableEndpoint for Nobody {
    fn disable(&self, _endpoint: String, _reason: String) -> BoxFuture<'static, ()> {
        Box::pin(async {})
    }
}
