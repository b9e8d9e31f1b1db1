//! Candles through an outage, and for a crowd.

use std::time::Duration;

use daybook_tests::{Book, answer::Answer, within};
use serde_json::{Value, json};

use crate::support::{Market, RECOVERY};

const PATH: &str = "/market/candles?symbol=EURUSD&interval=1m&limit=30";

fn candles(page: &Value) -> Vec<Value> {
    page["candles"].as_array().expect("candles").clone()
}

/// Seconds of a candle's start since midnight.
fn second(candle: &Value) -> i64 {
    let time = candle["time"].as_str().expect("a time");
    let part = |from: usize| time[from..from + 2].parse::<i64>().expect("digits");
    part(11) * 3_600 + part(14) * 60 + part(17)
}

/// What the provider itself says of the same minutes, newest first.
async fn providers(market: &Market) -> Vec<Value> {
    let url = market.simulator.rest_url();
    let path = "/time_series?symbol=EUR/USD&interval=1min&outputsize=40&apikey=x";
    let answer: Answer = market.app.http.at(url).get(path).await.expecting(200);
    answer.json()["values"].as_array().expect("values").clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_costs_one_request() {
    let market = Market::start().await;
    let asked = (0..300).map(|number| {
        let limit = 1 + number % 500;
        let path = format!("/market/candles?symbol=EURUSD&interval=5m&limit={limit}");
        let http = market.app.http.clone();
        async move { candles(&http.get(&path).await.expecting(200).json()).len() == limit }
    });
    let served = futures::future::join_all(asked).await;
    assert!(served.into_iter().all(|whole| whole));
    assert_eq!(market.simulator.requests("/time_series").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_leaves_no_hole_and_what_is_cached_is_served_meanwhile() {
    let market = Market::start().await;
    let page = market.app.http.get(PATH).await.expecting(200).json();
    assert!(page.get("stale").is_none() && candles(&page).len() == 30);
    let away = json!({ "socketsDown": true, "restDown": true });
    market.simulator.faults(away).await;
    market.feed("stale").await;
    // More than a minute, so that a whole candle is never heard of; and longer than pages live.
    tokio::time::sleep(Duration::from_secs(125)).await;
    let meanwhile = market.app.http.get(PATH).await.expecting(200).json();
    assert_eq!(meanwhile["stale"], true);
    assert!(candles(&meanwhile).len() >= 29);
    let made = "/market/candles?symbol=EURUSD&interval=5m&limit=5";
    let made = market.app.http.get(made).await.expecting(200).json();
    assert_eq!(
        made["stale"], true,
        "longer candles are made of shorter ones: {made}"
    );
    market.simulator.mend().await;
    market.recovers().await;
    let page = within(RECOVERY, "candles of the provider again", || async {
        let page = market.app.http.get(PATH).await.expecting(200).json();
        page.get("stale").is_none().then_some(page)
    })
    .await;
    let found = candles(&page);
    for pair in found.windows(2) {
        let apart = (second(&pair[1]) - second(&pair[0])).rem_euclid(86_400);
        assert_eq!(apart, 60, "a hole before {}", pair[1]);
    }
    // All that are over are the provider's, to the last digit.
    let theirs = providers(&market).await;
    let same = |ours: &&Value| {
        let time = ours["time"].as_str().expect("a time");
        let datetime = format!("{} {}", &time[..10], &time[11..19]);
        let theirs = theirs
            .iter()
            .find(|candle| candle["datetime"] == datetime.as_str());
        let fields = ["open", "high", "low", "close"];
        theirs.is_some_and(|theirs| fields.iter().all(|field| ours[field] == theirs[field]))
    };
    let over = &found[..found.len() - 1];
    let wrong: Vec<_> = over.iter().filter(|ours| !same(ours)).collect();
    // The newest that is over may not be fetched since it is.
    assert!(
        wrong
            .iter()
            .all(|ours| ours["time"] == over[over.len() - 1]["time"]),
        "{wrong:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn candles_that_are_too_old_are_deleted_and_fetched_again_when_asked_for() {
    let kept = ("MD_CANDLES_KEPT_DAYS", "5m=1");
    let mut market = Market::start_with(|launch, _| launch.set(kept.0, kept.1)).await;
    for interval in ["5m", "4h"] {
        let path = format!("/market/candles?symbol=EURUSD&interval={interval}&limit=500");
        let page = market.app.http.get(&path).await.expecting(200).json();
        assert_eq!(candles(&page).len(), 500);
    }
    let book = Book::on(market.app.launch().get("DATABASE_URL").expect("a database"));
    let count = async |interval: &str| {
        let sql = "select count(*) filter (where time < now() - interval '1 day'), count(*) \
                   from public.candles where symbol = 'EURUSD' and \"interval\" = $1";
        let counted = sqlx::query_as::<_, (i64, i64)>(sql).bind(interval);
        counted
            .fetch_one(book.pool())
            .await
            .expect("the table is there")
    };
    // 500 of five minutes are more than a day and a half.
    let (old, all) = count("5m").await;
    assert!(old >= 200 && all >= 499, "{old} of {all}");
    market.app.kill().await;
    market.app.launch_again();
    market.app.ready().await;
    within(RECOVERY, "old candles deleted", || async {
        let (old, all) = count("5m").await;
        (old == 0 && all >= 280).then_some(())
    })
    .await;
    let (old, all) = count("4h").await;
    assert!(old > 400 && all >= 499, "others stay: {old} of {all}");

    // What is left does not count for all that there is.
    let asked = market.simulator.requests("/time_series").await;
    let path = "/market/candles?symbol=EURUSD&interval=5m&limit=500";
    let page = market.app.http.get(path).await.expecting(200).json();
    let found = candles(&page);
    assert_eq!(found.len(), 500);
    for pair in found.windows(2) {
        let apart = (second(&pair[1]) - second(&pair[0])).rem_euclid(86_400);
        assert_eq!(apart, 300, "a hole before {}", pair[1]);
    }
    assert_eq!(market.simulator.requests("/time_series").await, asked + 1);
}
