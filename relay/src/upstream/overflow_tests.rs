//! Polling beside the sockets, with providers that keep a list of what they were asked.

use std::sync::Mutex;

use chrono::Utc;
use daybook_domain::{Decimal, Timestamp, quote::QuoteSource};
use futures::{FutureExt as _, future::BoxFuture};
use secrecy::SecretString;
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message;

use super::{
    super::provider::{Heard, Limits},
    *,
};
use crate::{FeedStatus, Filter, FilterConfig, RelayError, testing::instrument};

/// Sells what it is told, at so many symbols a minute.
struct Clerk {
    name: &'static str,
    sells: Vec<Symbol>,
    per_minute: u32,
    /// What it was asked, and when.
    asked: Mutex<Vec<(Duration, Vec<Symbol>)>>,
    away: Mutex<bool>,
    opened: Instant,
}

impl Clerk {
    fn new(name: &'static str, sells: &[&str], per_minute: u32) -> Arc<Self> {
        Arc::new(Self {
            name,
            sells: symbols(sells).into_iter().collect(),
            per_minute,
            asked: Mutex::default(),
            away: Mutex::default(),
            opened: Instant::now(),
        })
    }

    /// Symbols it was asked for since the last look.
    fn asked(&self) -> Vec<(Duration, Vec<Symbol>)> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }

    fn count(&self) -> usize {
        self.asked().iter().map(|(_, symbols)| symbols.len()).sum()
    }
}

impl Provider for Clerk {
    fn name(&self) -> &'static str {
        self.name
    }
    fn delivering(&self) -> FeedStatus {
        FeedStatus::Live
    }
    fn limits(&self) -> Limits {
        Limits {
            connections_max: 1,
            symbols_per_connection: None,
        }
    }
    fn sells(&self, symbol: Symbol) -> bool {
        self.sells.contains(&symbol)
    }
    fn address(&self, _symbols: &[Symbol]) -> SecretString {
        String::new().into()
    }
    fn subscribe(&self, _symbols: &[Symbol]) -> Message {
        Message::text("")
    }
    fn unsubscribe(&self, _symbols: &[Symbol]) -> Message {
        Message::text("")
    }
    fn heartbeat(&self) -> Message {
        Message::text("")
    }
    fn read(&self, _text: &str, _now: Timestamp) -> Heard {
        Heard::Nothing
    }
    fn poll_pace(&self, symbols: usize) -> Duration {
        Duration::from_secs(60) * u32::try_from(symbols).unwrap() / self.per_minute
    }
    fn poll<'a>(&'a self, symbols: &'a [Symbol]) -> BoxFuture<'a, Result<Vec<Quote>, RelayError>> {
        async move {
            let mut asked = self.asked.lock().unwrap();
            asked.push((self.opened.elapsed(), symbols.to_vec()));
            if *self.away.lock().unwrap() {
                return Err(RelayError::Unreachable("away".into()));
            }
            Ok(symbols.iter().map(|symbol| quote(*symbol)).collect())
        }
        .boxed()
    }
}

fn symbols(names: &[&str]) -> BTreeSet<Symbol> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

fn quote(symbol: Symbol) -> Quote {
    Quote {
        symbol,
        bid: Decimal::ONE,
        ask: Decimal::ONE,
        at: Utc::now(),
        source: QuoteSource::Recorded,
    }
}

const NAMES: [&str; 3] = ["BTCUSD", "EURUSD", "GBPUSD"];

/// The poller at work, what it is given, and what comes of it.
fn start(clerks: &[&Arc<Clerk>]) -> (watch::Sender<BTreeSet<Symbol>>, mpsc::Receiver<Quote>) {
    let instruments = NAMES.map(|name| Arc::new(instrument(name)));
    let (sender, quotes) = mpsc::channel(10_000);
    let (plan, wanted) = watch::channel(BTreeSet::new());
    let all: Vec<_> = (0..clerks.len()).collect();
    let routes = symbols(&NAMES).into_iter().map(|it| (it, all.clone()));
    let overflow = Overflow {
        providers: clerks
            .iter()
            .map(|it| Arc::clone(it) as Arc<dyn Provider>)
            .collect(),
        routes: routes.collect(),
        wanted,
        intake: Intake::new(Filter::new(FilterConfig::default(), &instruments), sender),
        every: Duration::from_secs(2),
    };
    tokio::spawn(overflow.run());
    (plan, quotes)
}

async fn minute() {
    time::sleep(Duration::from_secs(60)).await;
}

#[tokio::test(start_paused = true)]
async fn all_are_asked_for_in_turn_within_half_of_the_budget() {
    let clerk = Clerk::new("one", &NAMES, 20);
    let (plan, mut quotes) = start(&[&clerk]);
    minute().await;
    assert_eq!(clerk.count(), 0, "nothing is asked that nobody wants");
    plan.send_replace(symbols(&NAMES));
    minute().await;
    let asked = clerk.asked();
    assert!((9..=11).contains(&asked.len()), "{asked:?}");
    let mut times: HashMap<Symbol, usize> = HashMap::new();
    for (_, symbols) in &asked {
        assert_eq!(symbols.len(), 1);
        *times.entry(symbols[0]).or_default() += 1;
    }
    assert!(
        times.len() == 3 && times.values().all(|count| *count >= 3),
        "{times:?}"
    );
    for name in symbols(&NAMES) {
        let quote = quotes.recv().await.unwrap();
        assert_eq!(quote.symbol, name);
    }
    plan.send_replace(BTreeSet::new());
    minute().await;
    assert!(clerk.count() <= 1);
}

#[tokio::test(start_paused = true)]
async fn without_a_budget_all_are_asked_for_at_once() {
    let clerk = Clerk::new("one", &NAMES, 1_000_000);
    let (plan, _quotes) = start(&[&clerk]);
    plan.send_replace(symbols(&NAMES));
    minute().await;
    let asked = clerk.asked();
    assert!((28..=31).contains(&asked.len()), "{}", asked.len());
    assert!(asked.iter().all(|(_, symbols)| symbols.len() == 3));
}

#[tokio::test(start_paused = true)]
async fn another_provider_is_asked_for_what_it_sells_while_the_first_is_away() {
    let first = Clerk::new("first", &NAMES, 1_000_000);
    let second = Clerk::new("second", &["BTCUSD"], 1_000_000);
    let (plan, _quotes) = start(&[&first, &second]);
    plan.send_replace(symbols(&NAMES));
    minute().await;
    assert!(first.count() >= 84);
    assert_eq!(second.count(), 0);
    *first.away.lock().unwrap() = true;
    minute().await;
    let stood_in = second.count();
    assert!((25..=31).contains(&stood_in), "{stood_in}");
    // What nobody else sells is asked of the first all the same.
    let tried = first.asked();
    assert!(tried.len() >= 25, "{}", tried.len());
    assert!(tried.iter().any(|(_, asked)| asked.len() == 2), "{tried:?}");
    *first.away.lock().unwrap() = false;
    minute().await;
    let (_, _) = (first.asked(), second.asked());
    minute().await;
    assert!(first.count() >= 84);
    assert_eq!(second.count(), 0, "it is the first one's again");
}
