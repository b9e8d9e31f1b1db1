//! What nobody wants is not subscribed to, and what somebody holds always is.

use std::{collections::BTreeSet, time::Duration};

use daybook_tests::{eventually, within};

use crate::support::Market;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_held_stays_subscribed_with_what_converts_it_and_the_rest_goes() {
    let market = Market::start_with(|launch, _| launch.set("MD_UNWATCHED_SEC", "3")).await;
    // Bought as soon as the engine has the prices that this takes, and before they are given up.
    eventually("a position in EURJPY", || async {
        let order = market.order("EURJPY").await;
        (order.status == 201).then_some(())
    })
    .await;
    let subscribed = async |expected: &[&str]| {
        let expected: BTreeSet<String> = expected.iter().map(|it| (*it).to_owned()).collect();
        let patience = Duration::from_secs(45);
        within(
            patience,
            &format!("subscriptions: {expected:?}"),
            || async {
                let stats = market.simulator.stats().await;
                let now: BTreeSet<_> = stats["subscriptions"]
                    .as_object()?
                    .keys()
                    .cloned()
                    .collect();
                (now == expected).then_some(())
            },
        )
        .await;
    };
    subscribed(&["EUR/JPY", "EUR/USD", "USD/JPY"]).await;
    assert!(
        market.quote("GBPUSD").await.is_some(),
        "the last one is still known"
    );
    market.fresh("GBPUSD").await;
    subscribed(&["EUR/JPY", "EUR/USD", "USD/JPY"]).await;
    assert_eq!(
        market.simulator.stats().await["connections"],
        1,
        "all over one connection"
    );
}
