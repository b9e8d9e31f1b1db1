//! Our side of the race: the whole router, as `serve` has it, over a hub that publishes on order.

use std::{io::BufRead as _, net::Ipv4Addr, sync::Arc, thread};

use anyhow::Context as _;
use chrono::Utc;
use daybook_api::{ApiConfig, ApiState, Sockets, SocketsConfig};
use daybook_documents::{Documents, DocumentsConfig};
use daybook_domain::{Decimal, Instrument, Quote, Symbol, instrument::seed, quote::QuoteSource};
use daybook_projections::Reads;
use daybook_relay::{Candles, CandlesConfig, Hub, Interest};
use daybook_store::perimeter::BlockedAddresses;
use tokio::{
    net::TcpListener,
    sync::{oneshot, watch},
};

use super::{
    contestant::symbol,
    load::{Load, stamp},
    pin,
};
use crate::{bench::arena::Arena, out::say};

/// Serves until standard input ends.
///
/// # Errors
/// When the database or the listener cannot be started.
pub async fn run(port: u16, symbols: usize) -> anyhow::Result<()> {
    pin::raise_descriptors();
    let arena = Arena::bare().await?;
    let book = arena.book("fanout").await?;
    let hub = Hub::new();
    let sockets = SocketsConfig {
        per_address_max: None,
        ..SocketsConfig::default()
    };
    let instruments = instruments(symbols)?;
    let interest = Interest::new(&instruments, None);
    let sockets = Sockets::start(&hub, &interest, sockets)?;
    let mut config = ApiConfig::new("a benchmark keeps no secrets at all".into());
    config.limits.requests_max = None;
    let no_upstream = CandlesConfig::new(String::new(), String::new().into(), instruments.clone());
    let (_engines, engine) = watch::channel(None);
    let (_known, instruments) = watch::channel(instruments);
    let router = daybook_api::router(ApiState {
        store: book.store.clone(),
        blocked: BlockedAddresses::follow(&book.store).await?,
        reads: Reads::new(book.store.clone()),
        hub: hub.clone(),
        sockets: sockets.clone(),
        // Nobody hands anything in.
        documents: Documents::try_new(DocumentsConfig::Directory("documents".into()))?,
        candles: Candles::new(no_upstream),
        interest,
        engine,
        instruments,
        config: Arc::new(config),
    });
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    let (stop, stopped) = oneshot::channel();
    thread::spawn(move || {
        obey(&hub);
        // Nobody waits any more where the server has failed.
        let _ = stop.send(());
    });
    say!("ready");
    let served = daybook_api::serve(listener, router, async {
        let _ = stopped.await;
    });
    served.await?;
    sockets.drain().await;
    book.close().await;
    Ok(())
}

fn instruments(symbols: usize) -> anyhow::Result<Vec<Arc<Instrument>>> {
    let model = seed()
        .into_iter()
        .next()
        .context("there is no instrument")?;
    let named = |number| {
        let symbol = Symbol::parse(&symbol(number))?;
        Ok(Arc::new(Instrument {
            symbol,
            ..model.clone()
        }))
    };
    (0..symbols).map(named).collect()
}

/// Publishes what standard input orders, until it ends.
fn obey(hub: &Hub) {
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        let words: Vec<u64> = line
            .split(' ')
            .filter_map(|word| word.parse().ok())
            .collect();
        let [per_second, seconds, symbols] = words[..] else {
            continue;
        };
        let symbols: Vec<_> = (0..usize::try_from(symbols).unwrap_or_default())
            .filter_map(|number| Symbol::parse(&symbol(number)).ok())
            .collect();
        let load = Load {
            connections: 0,
            symbols: symbols.len(),
            per_second,
            seconds,
        };
        load.pace(|number| {
            let place = usize::try_from(number).unwrap_or_default() % symbols.len();
            hub.publish(&quote(symbols[place]));
        });
    }
}

/// The moment of its publication stands in it as a price.
fn quote(symbol: Symbol) -> Quote {
    let at = Decimal::new(stamp(), 6);
    Quote {
        symbol,
        bid: at,
        ask: at,
        at: Utc::now(),
        source: QuoteSource::Simulator,
    }
}
