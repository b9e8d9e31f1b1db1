//! `daybook quotes watch`, against a running server.

use serde_json::Value;

use crate::support::Market;

#[tokio::test(flavor = "multi_thread")]
async fn the_terminal_shows_the_servers_quotes_to_people_and_to_machines() {
    let market = Market::start().await;
    let watch = ["quotes", "watch", "eurusd", "NOSUCH", "--count", "3"];
    let for_machines = market.app.run(&[&watch[..], &["--json"]].concat()).await;
    assert!(for_machines.status.success());
    let text = String::from_utf8_lossy(&for_machines.stdout).into_owned();
    let messages: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).expect("each line is JSON"))
        .collect();
    let of = |kind: &str| {
        messages
            .iter()
            .filter(|message| message["type"] == kind)
            .count()
    };
    assert_eq!((of("quote"), of("error")), (3, 1), "{text}");
    assert!(of("status") >= 1, "{text}");

    let lines = market.app.run(&watch).await;
    let text = String::from_utf8_lossy(&lines.stdout).into_owned();
    assert_eq!(text.lines().count(), 3, "{text}");
    assert!(
        text.lines()
            .all(|line| line.split(' ').nth(1) == Some("EURUSD")),
        "{text}"
    );
    let notes = String::from_utf8_lossy(&lines.stderr).into_owned();
    assert!(
        notes.contains("feed: live") && notes.contains("unknown_symbol NOSUCH"),
        "{notes}"
    );

    let nobody = ["quotes", "watch", "EURUSD", "--url", "http://127.0.0.1:1"];
    assert_eq!(market.app.run(&nobody).await.status.code(), Some(1));
}
