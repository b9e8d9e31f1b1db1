//! The connection to Postgres is lost around an append: every caller gets the true outcome.

use std::collections::BTreeSet;

use daybook_store::{
    cluster::{Durability, USER},
    testing::TestCluster,
};
use daybook_tests::{
    Book, Feed, Launch, Trader, audit,
    client::market,
    eventually,
    load::{Diary, Done},
    proxy::{Cut, Proxy},
};
use futures::future::join_all;
use reqwest::Method;

const ROUNDS: usize = 18;
const CALLERS: usize = 8;

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_lost_around_a_commit_never_makes_an_answer_untrue() {
    let cluster = tokio::task::spawn_blocking(|| TestCluster::start(Durability::Volatile))
        .await
        .expect("a cluster");
    let server = cluster.cluster.as_ref().expect("it runs");
    server.ensure_database("daybook").await.expect("a database");
    let book = Book::on(&server.url("daybook"));
    let proxy = Proxy::start(server.socket_dir()).await;
    let feed = Feed::start().await;
    let app = Launch::on(&proxy.url(USER, "daybook"), &feed).start().await;
    app.price(&feed, "EURUSD", "1.10000", "1.10010").await;
    let mut diaries: Vec<_> = join_all((0..CALLERS).map(|_| app.http.register()))
        .await
        .into_iter()
        .map(|trader| Diary {
            trader,
            done: vec![],
        })
        .collect();

    let mut unknown_before = 0;
    for round in 0..ROUNDS {
        let cut = [Cut::After, Cut::Before, Cut::During][round % 3];
        proxy.arm(cut);
        let calls = diaries.iter().map(|diary| order_once(&diary.trader, round));
        let answers = join_all(calls).await;
        assert_eq!(
            proxy.struck(),
            round + 1,
            "the append of this round was cut"
        );
        for (diary, done) in diaries.iter_mut().zip(answers) {
            match done.answer.status {
                201 => diary.done.push(done),
                503 if cut != Cut::After => unknown_before += 1,
                _ => panic!("{cut:?} was answered {}", done.answer.text),
            }
        }
        assert_told_the_truth(&book, &diaries).await;
        // It goes on by itself.
        let again = eventually("a command is taken again", || async {
            let probe = order_once(&diaries[0].trader, 1_000 + round).await;
            (probe.answer.status == 201).then_some(probe)
        })
        .await;
        diaries[0].done.push(again);
    }
    println!("{ROUNDS} appends cut, {unknown_before} commands told to come back");
    audit::assert_sound(&app, &book, &diaries).await;
    for diary in &diaries {
        audit::ask_again(&app, diary, |_, _| true).await;
    }
}

/// One attempt, and whatever it is answered.
async fn order_once(trader: &Trader, round: usize) -> Done {
    let key = format!("round-{round}");
    let body = market("EURUSD", "buy", "0.01");
    let call = trader.http.call(Method::POST, "/trading/order");
    let answer = call.key(&key).json(&body).send().await;
    Done {
        key,
        method: Method::POST,
        path: "/trading/order".to_owned(),
        body: Some(body),
        answer,
        attempts: 1,
        interrupted: false,
    }
}

/// What was answered 201 is in the book, and nothing else is.
async fn assert_told_the_truth(book: &Book, diaries: &[Diary]) {
    for diary in diaries {
        let placed: BTreeSet<_> = book
            .account(diary.trader.demo)
            .await
            .into_iter()
            .filter(|event| event.event_type == "OrderPlaced")
            .filter_map(|event| Some(event.fields["order_id"].as_str()?.to_owned()))
            .collect();
        let told: BTreeSet<_> = diary
            .done
            .iter()
            .map(|done| done.answer.text_at("/orderId"))
            .collect();
        assert_eq!(placed, told);
    }
}
