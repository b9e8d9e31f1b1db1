//! Daybook is killed while it delivers: nothing is lost, what comes twice is the same, and each
//! client's webhooks begin to arrive in order.

use std::time::{Duration, Instant};

use daybook_tests::{Reply, Trader, client::market};
use futures::future::join_all;
use uuid::Uuid;

use crate::support::{Told, assert_orderly, ids};

/// Rounds that end between a send and its record.
const ROUNDS_SENDING: usize = 28;
/// Rounds that end between a commit and its send.
const ROUNDS_COMMITTING: usize = 28;
const CLIENTS: usize = 4;

struct Battle {
    told: Told,
    traders: Vec<Trader>,
    /// Rounds in which something was sent again.
    repeated: usize,
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_and_what_comes_twice_is_the_same() {
    let told = Told::start().await;
    let mut traders = Vec::new();
    for _ in 0..CLIENTS {
        traders.push(told.world.trader().await);
    }
    told.settled().await;
    let mut battle = Battle {
        told,
        traders,
        repeated: 0,
    };
    let started = Instant::now();
    for round in 0..ROUNDS_SENDING.max(ROUNDS_COMMITTING) {
        if round < ROUNDS_SENDING {
            battle.killed_while_sending(round).await;
        }
        if round < ROUNDS_COMMITTING {
            battle.killed_after_a_commit(round).await;
        }
    }
    let rounds = ROUNDS_SENDING + ROUNDS_COMMITTING;
    println!(
        "{rounds} rounds in {:?}, {} with repeats",
        started.elapsed(),
        battle.repeated
    );
    battle.settle().await;
    let Battle { told, repeated, .. } = battle;
    let received = told.crm.all();
    let expected = told.called_for("crm").await;
    assert_orderly(&received);
    assert_eq!(ids(&received), expected.iter().map(|(id, _)| *id).collect());
    assert!(
        repeated >= ROUNDS_SENDING / 4,
        "in {repeated} rounds something was sent and not written down"
    );
    let counted: i64 = sqlx::query_scalar("select sum(waiting)::bigint from webhook_lanes")
        .fetch_one(told.world.book.pool())
        .await
        .expect("the database answers");
    assert_eq!(counted, 0, "queues are counted right");
}

impl Battle {
    /// Some deliveries are under way, some are answered and not written down yet.
    async fn killed_while_sending(&mut self, round: usize) {
        let slow = Duration::from_millis([0, 5, 40][round % 3]);
        self.told.crm.behave(move |_| Reply::Slow(slow));
        let before = self.told.crm.count();
        let mut counting = self.told.crm.counting();
        let enough = before + 1 + random(8);
        let trading = join_all(self.traders.iter().map(deal));
        let sent = counting.wait_for(|count| *count >= enough);
        let (_answers, sent) = tokio::join!(trading, sent);
        sent.expect("the receiver is there");
        self.strike().await;
    }

    /// The book says it, and nobody was told yet.
    async fn killed_after_a_commit(&mut self, round: usize) {
        self.told.crm.accept();
        let trader = &self.traders[round % CLIENTS];
        trader
            .order(&market("EURUSD", "buy", "0.01"))
            .await
            .expecting(201);
        self.strike().await;
    }

    /// `kill -9`, now and then once more while it starts.
    async fn strike(&mut self) {
        let known = ids(&self.told.crm.all()).len();
        let all = self.told.crm.count();
        self.told.world.app.kill().await;
        self.told.world.app.launch_again();
        if random(5) == 0 {
            tokio::time::sleep(Duration::from_millis(200 + random_ms(1_500))).await;
            self.told.world.app.kill().await;
            self.told.world.app.launch_again();
        }
        // Its lease would run out a few seconds later: nobody holds it any more.
        sqlx::query("update head set lease_until = now()")
            .execute(self.told.world.book.pool())
            .await
            .expect("the database answers");
        self.told.world.app.ready().await;
        self.told.world.price("1.10000", "1.10010").await;
        self.told.settled().await;
        let fresh = ids(&self.told.crm.all()).len() - known;
        if self.told.crm.count() - all > fresh {
            self.repeated += 1;
        }
    }

    async fn settle(&mut self) {
        self.told.crm.accept();
        self.told.settled().await;
    }
}

/// A deal of each trader; the server may die before it answers.
async fn deal(trader: &Trader) {
    let call = trader
        .http
        .call(reqwest::Method::POST, "/trading/order")
        .json(&market("EURUSD", "buy", "0.01"));
    let _answered = call.try_send().await;
}

fn random(below: usize) -> usize {
    let [.., last] = *Uuid::now_v7().as_bytes(); // The random end of it.
    usize::from(last) % below
}

fn random_ms(below: u64) -> u64 {
    let [.., high, low] = *Uuid::now_v7().as_bytes();
    u64::from(u16::from_be_bytes([high, low])) % below
}
