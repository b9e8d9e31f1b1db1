//! A server whose provider can be made to fail.

use std::{
    collections::BTreeSet,
    time::{Duration, SystemTime},
};

use daybook_store::testing::TestDatabase;
use daybook_tests::{
    App, Launch, Simulator, Trader, answer::Answer, client::market, eventually, within,
};
use serde_json::Value;

/// Quotes older than this may not be dealt on. Short, so that no test waits long for one to age;
/// the protocol's times have whole seconds.
pub const MAX_AGE: Duration = Duration::from_secs(4);

/// Long enough for the longest back-off of a refused key and for a minute's credits.
pub const RECOVERY: Duration = Duration::from_secs(100);

pub struct Market {
    pub app: App,
    pub simulator: Simulator,
    pub trader: Trader,
}

impl Market {
    pub async fn start() -> Self {
        Self::start_with(|launch, _| launch).await
    }

    pub async fn start_with(configure: impl FnOnce(Launch, &Simulator) -> Launch) -> Self {
        let database = Box::pin(TestDatabase::start()).await;
        let simulator = Simulator::start().await;
        let launch = Launch::with(database.url(), simulator.ws_url(), simulator.rest_url())
            .set("DAYBOOK_MAX_QUOTE_AGE_MS", &MAX_AGE.as_millis().to_string());
        let app = configure(launch, &simulator).start().await;
        let trader = app.http.register().await;
        let market = Self {
            app,
            simulator,
            trader,
        };
        market.fresh("EURUSD").await;
        market
    }

    /// The newest quote. One that is not marked stale is asserted to be young.
    pub async fn quote(&self, symbol: &str) -> Option<Value> {
        let path = format!("/market/quotes?symbols={symbol}");
        let before = SystemTime::now();
        let quotes = self.app.http.get(&path).await.expecting(200).json();
        let quote = quotes.get(0)?.clone();
        let age = age(before, quote["time"].as_str().expect("a time"));
        assert!(
            quote["stale"] == true || age <= MAX_AGE,
            "{age:?} old and sold as fresh: {quote}"
        );
        Some(quote)
    }

    pub async fn fresh(&self, symbol: &str) {
        within(RECOVERY, &format!("a fresh {symbol}"), || async {
            let quote = self.quote(symbol).await?;
            (quote["stale"] == false).then_some(())
        })
        .await;
    }

    pub async fn stale(&self, symbol: &str) {
        eventually(&format!("a stale {symbol}"), || async {
            let quote = self.quote(symbol).await?;
            (quote["stale"] == true).then_some(())
        })
        .await;
    }

    pub async fn order(&self, symbol: &str) -> Answer {
        self.trader.order(&market(symbol, "buy", "0.01")).await
    }

    /// Orders fill, on a young quote.
    pub async fn fills(&self, symbol: &str) {
        let before = SystemTime::now();
        let filled = self.order(symbol).await.expecting(201);
        let age = age(before, &filled.text_at("/execution/quoteAt"));
        assert!(
            age <= MAX_AGE,
            "filled on a quote {age:?} old: {}",
            filled.text
        );
    }

    /// Quotes grow stale, and no order fills on one.
    pub async fn refuses(&self, symbol: &str) {
        self.stale(symbol).await;
        self.order(symbol).await.problem(422, "stale_quote");
        self.quote(symbol).await;
    }

    /// What is subscribed to upstream at this moment, by the provider's names.
    pub async fn subscriptions(&self) -> BTreeSet<String> {
        let stats = self.simulator.stats().await;
        let subscriptions = stats["subscriptions"].as_object().expect("subscriptions");
        subscriptions.keys().cloned().collect()
    }

    /// Waits until these and no others are subscribed to.
    pub async fn subscribed(&self, expected: &[&str]) {
        let expected: BTreeSet<String> = expected.iter().map(|it| (*it).to_owned()).collect();
        let what = format!("subscriptions: {expected:?}");
        within(Duration::from_secs(45), &what, || async {
            (self.subscriptions().await == expected).then_some(())
        })
        .await;
    }

    /// Waits for the feed's state, as `/health/ready` tells it.
    pub async fn feed(&self, wanted: &str) {
        within(RECOVERY, &format!("a feed that is {wanted}"), || async {
            let (_, health) = self.app.health().await?;
            (health["feed"] == wanted).then_some(())
        })
        .await;
    }

    /// All is well again, by itself.
    pub async fn recovers(&self) {
        self.feed("live").await;
        self.fresh("EURUSD").await;
        self.fills("EURUSD").await;
    }
}

/// How old a time was at a moment; none, when it lies after that.
fn age(at: SystemTime, time: &str) -> Duration {
    let seconds = |text: &str, from: usize| text[from..from + 2].parse::<u64>().expect("digits");
    // Only the time of day counts: quotes are of these seconds, and midnight is passed with care.
    let of_day = (seconds(time, 11) * 60 + seconds(time, 14)) * 60 + seconds(time, 17);
    let now = at
        .duration_since(SystemTime::UNIX_EPOCH)
        .expect("past 1970")
        .as_secs()
        % 86_400;
    match now.checked_sub(of_day) {
        Some(age) => Duration::from_secs(age),
        None if of_day - now > 43_200 => Duration::from_secs(now + 86_400 - of_day),
        None => Duration::ZERO,
    }
}
