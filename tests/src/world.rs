//! What most tests start with: a fresh database, a feed, and a server that leads on both.

use daybook_store::testing::TestDatabase;

use crate::{app::App, book::Book, client::Trader, feed::Feed, launch::Launch, mailbox};

/// A database, a feed and a server, all of one test alone.
pub struct World {
    /// The server.
    pub app: App,
    /// Its prices.
    pub feed: Feed,
    /// Its book.
    pub book: Book,
}

impl World {
    /// Starts everything; EURUSD trades at 1.10000/1.10010.
    pub async fn start() -> Self {
        Self::start_with(|launch| launch).await
    }

    /// The same with some variables set.
    pub async fn start_with(configure: impl FnOnce(Launch) -> Launch) -> Self {
        let database = Box::pin(TestDatabase::start()).await;
        let feed = Feed::start().await;
        let app = configure(Launch::on(database.url(), &feed)).start().await;
        let world = Self {
            app,
            feed,
            book: Book::on(database.url()),
        };
        world.price("1.10000", "1.10010").await;
        world
    }

    /// A new client of this server.
    pub async fn trader(&self) -> Trader {
        self.app.http.register().await
    }

    /// A new client whose address is verified: live money is theirs to trade and move.
    pub async fn verified_trader(&self) -> Trader {
        let trader = self.trader().await;
        mailbox::verify(&self.app, &trader).await;
        trader
    }

    /// Moves EURUSD and waits until the engine has the price.
    pub async fn price(&self, bid: &str, ask: &str) {
        self.app.price(&self.feed, "EURUSD", bid, ask).await;
    }
}
