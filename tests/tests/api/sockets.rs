//! What holds for every socket: who may have one, what a slow one gets, how one ends.

use std::{
    collections::BTreeMap,
    net::TcpListener,
    time::{Duration, Instant},
};

use daybook_tests::{EventStream, Http, Launch, Socket, World};
use futures::future::join_all;
use serde_json::json;
use tokio_tungstenite::tungstenite::{Error, Message};

const SYMBOLS: [&str; 7] = [
    "EURUSD", "GBPUSD", "USDCHF", "AUDUSD", "USDCAD", "NZDUSD", "EURGBP",
];

/// Status and code with which an upgrade was refused.
fn refusal(outcome: Result<Socket, Error>) -> (u16, String) {
    match outcome {
        Ok(_) => panic!("it upgrades"),
        Err(Error::Http(response)) => {
            let body = response.body().as_deref().unwrap_or_default();
            let problem: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
            let code = problem["code"].as_str().unwrap_or_default();
            (response.status().as_u16(), code.to_owned())
        }
        Err(error) => panic!("no answer: {error}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_another_site_gets_no_socket() {
    let world =
        World::start_with(|launch| launch.set("CORS_ORIGINS", "https://trade.example.com")).await;
    let http = &world.app.http;
    let own = world.app.http.base().to_owned();
    for path in ["/stream?symbols=EURUSD", "/ws"] {
        let with = |origin| Socket::try_open_with(http, path, Some(("origin", origin)));
        for stranger in ["https://evil.example", "null"] {
            let refused = refusal(with(stranger).await);
            assert_eq!(refused, (403, "origin_refused".to_owned()), "{stranger}");
        }
        for friend in ["https://trade.example.com", &own] {
            assert!(with(friend).await.is_ok(), "{friend} on {path}");
        }
        assert!(
            Socket::try_open_with(http, path, None).await.is_ok(),
            "programs send none"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_holds_so_many_sockets_and_no_more() {
    let limited = |launch: Launch| {
        launch
            .set("SOCKETS_PER_ADDRESS_MAX", "3")
            .set("TRUSTED_PROXIES", "127.0.0.0/8")
    };
    let world = World::start_with(limited).await;
    let http = &world.app.http;
    let from = |address: &'static str| {
        Socket::try_open_with(
            http,
            "/stream?symbols=EURUSD",
            Some(("x-forwarded-for", address)),
        )
    };
    let mut held = vec![];
    for _ in 0..3 {
        held.push(from("198.51.100.7").await.expect("one of three"));
    }
    let refused = refusal(from("198.51.100.7").await);
    assert_eq!(refused, (429, "too_many_connections".to_owned()));
    assert!(from("198.51.100.8").await.is_ok(), "another address");
    drop(held.pop());
    daybook_tests::eventually("a place is free again", || async {
        from("198.51.100.7").await.ok()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_stalls_gets_the_newest_and_slows_nobody() {
    let metrics = free_address();
    let world = World::start_with(|launch| launch.set("DAYBOOK_METRICS_LISTEN", &metrics)).await;
    let path = format!("/stream?symbols={}", SYMBOLS.join(","));
    let mut stalled = Socket::open(&world.app.http, &path).await;
    let mut attentive = Socket::open(&world.app.http, &path).await;
    let last = 1_500_u32;
    let publishing = async {
        for step in 1..=last {
            for symbol in SYMBOLS {
                let bid = format!("1.{:05}", 10_000 + step);
                world.feed.set(symbol, &bid, "1.20000");
            }
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
    };
    let newest = format!("1.{:05}", 10_000 + last);
    let listening = attentive.until("the newest quote", |message| message["bid"] == *newest);
    tokio::join!(publishing, listening);

    let mut heard = 0;
    let mut by_symbol = BTreeMap::new();
    while by_symbol.values().filter(|bid| **bid == newest).count() < SYMBOLS.len() {
        let message = stalled.next().await.expect("the socket stays open");
        if message["type"] == "quote" {
            heard += 1;
            let text = |name: &str| message[name].as_str().unwrap_or_default().to_owned();
            let before = by_symbol.insert(text("symbol"), text("bid"));
            assert!(before <= Some(text("bid")), "never back: {message}");
        }
    }
    let published = last * 7;
    assert!(heard < published / 2, "{heard} of {published} were kept");
    let text = Http::new(&format!("http://{metrics}"))
        .get("/metrics")
        .await;
    let conflated = text
        .text
        .lines()
        .find_map(|line| line.strip_prefix("daybook_quotes_conflated_total "))
        .and_then(|count| count.parse::<u32>().ok());
    assert!(
        conflated > Some(published / 2),
        "{conflated:?} of {published}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stops_says_good_bye() {
    let mut world = World::start().await;
    let trader = world.trader().await;
    let token = trader.http.token().expect("a token").to_owned();
    let http = &world.app.http;
    let mut quotes = Socket::open(http, "/stream?symbols=EURUSD").await;
    let mut private = Socket::open(http, &format!("/ws?token={token}")).await;
    private.until_type("ready").await;
    let mut events = EventStream::open(http, "/stream?symbols=EURUSD").await;
    let ended = async { while events.try_next().await.is_some() {} };
    let (status, quotes, private, ()) = tokio::join!(
        world.app.terminate(),
        quotes.close_code(),
        private.close_code(),
        ended
    );
    assert!(status.success(), "{status}");
    assert_eq!((quotes, private), (Some(1001), Some(1001)));
}

#[tokio::test(flavor = "multi_thread")]
async fn pings_are_answered_and_oversized_messages_end_the_socket() {
    let world = World::start().await;
    let trader = world.trader().await;
    let token = trader.http.token().expect("a token").to_owned();
    for path in ["/stream".to_owned(), format!("/ws?token={token}")] {
        let mut socket = Socket::open(&world.app.http, &path).await;
        let ping = Message::Ping("are you there".into());
        socket.send_raw(ping).await.expect("the socket is open");
        loop {
            let message = socket.next_raw().await.expect("the socket stays open");
            if let Message::Pong(payload) = message {
                assert_eq!(&payload[..], b"are you there");
                break;
            }
        }
        // Up to the limit it is only nonsense; beyond it, the end.
        socket.send_text("x".repeat(16 * 1024)).await;
        assert_eq!(socket.until_type("error").await["code"], "malformed");
        let large = Message::text("x".repeat(16 * 1024 + 1));
        let _may_break = socket.send_raw(large).await;
        let code = socket.close_code().await;
        assert!(matches!(code, None | Some(1009)), "{path}: {code:?}");
        assert!(socket.next_raw().await.is_none(), "{path} is closed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_that_break_the_protocol_end_the_socket() {
    use tokio_tungstenite::tungstenite::protocol::frame::{
        Frame,
        coding::{Data, OpCode},
    };

    let world = World::start().await;
    let mut socket = Socket::open(&world.app.http, "/stream").await;
    // A continuation of nothing.
    let frame = Frame::message(&b"x"[..], OpCode::Data(Data::Continue), true);
    socket
        .send_raw(Message::Frame(frame))
        .await
        .expect("the socket is open");
    let code = socket.close_code().await;
    assert!(matches!(code, None | Some(1002)), "{code:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_names_as_many_symbols_as_it_may() {
    let world = World::start().await;
    let many = vec!["EURUSD"; 501];
    let path = format!("/stream?symbols={}", many.join(","));
    world
        .app
        .http
        .get(&path)
        .await
        .problem(400, "invalid_value");
    let mut socket = Socket::open(&world.app.http, "/stream?symbols=NOSUCH,eurusd").await;
    let mut unknown = vec![];
    for _ in 0..2 {
        let error = socket.until_type("error").await;
        assert_eq!(error["code"], "unknown_symbol");
        unknown.push(error["symbol"].clone());
    }
    assert_eq!(unknown, ["NOSUCH", "eurusd"]);
    socket
        .send(&json!({ "op": "subscribe", "symbols": many }))
        .await;
    assert_eq!(socket.until_type("error").await["code"], "malformed");
    socket
        .send(&json!({ "op": "subscribe", "symbols": ["EURUSD"] }))
        .await;
    socket.until_type("quote").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_of_events_goes_on_where_it_was_left() {
    let world = World::start().await;
    world
        .app
        .price(&world.feed, "GBPUSD", "1.30000", "1.30010")
        .await;
    // Nothing new comes by itself from here on.
    world.feed.silence("EURUSD");
    world.feed.silence("GBPUSD");
    tokio::time::sleep(Duration::from_millis(500)).await;
    let path = "/stream?symbols=EURUSD,GBPUSD";
    let http = &world.app.http;
    let mut events = EventStream::open(http, path).await;
    for _ in 0..2 {
        events
            .until("a quote", |message| message["type"] == "quote")
            .await;
    }
    let seen = events.last_id.clone().expect("quotes carry ids");
    drop(events);

    let mut again = EventStream::open_after(http, path, Some(&seen)).await;
    again
        .until("the status", |message| message["type"] == "status")
        .await;
    world.feed.set("GBPUSD", "1.30020", "1.30030");
    let next = again
        .until("a quote", |message| message["type"] == "quote")
        .await;
    assert_eq!(next["bid"], "1.30020", "what was seen does not come again");

    // An id of another run, or none of ours, is not believed.
    for foreign in ["0-999999", "nonsense"] {
        let mut fresh = EventStream::open_after(http, path, Some(foreign)).await;
        fresh
            .until("the last quote", |message| message["symbol"] == "EURUSD")
            .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hundreds_come_and_go_and_all_hear_the_same() {
    let world = World::start_with(|launch| launch.set("SOCKETS_PER_ADDRESS_MAX", "off")).await;
    let http = &world.app.http;
    let open = (0..200).map(|_| Socket::open(http, "/stream?symbols=EURUSD"));
    let mut sockets = join_all(open).await;
    sockets.truncate(150);
    world.feed.set("EURUSD", "1.10500", "1.10510");
    let heard = sockets
        .iter_mut()
        .map(|socket| socket.until("the new quote", |message| message["bid"] == "1.10500"));
    let quotes = join_all(heard).await;
    assert_eq!(quotes.len(), 150);
}

fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("bound").to_string()
}

/// A block of an address is one of its sockets too, on whichever thread they are.
#[tokio::test(flavor = "multi_thread")]
async fn sockets_of_an_address_that_is_blocked_are_closed_within_a_second() {
    let world = World::start_with(|launch| launch.set("TRUSTED_PROXIES", "127.0.0.0/8")).await;
    let trader = world.trader().await;
    let http = &world.app.http;
    let open = async |path: &str, address: &str| {
        let header = Some(("x-forwarded-for", address));
        Socket::try_open_with(http, path, header)
            .await
            .expect("it upgrades")
    };
    let (stranger, friend) = ("198.51.100.7", "198.51.100.8");
    let private = format!("/ws?token={}", trader.http.token().expect("a token"));
    let mut cut = [
        open("/stream?symbols=EURUSD", stranger).await,
        open(&private, stranger).await,
        // One that has not said yet who it is.
        open("/ws", stranger).await,
    ];
    let events = http.call(reqwest::Method::GET, "/stream?symbols=EURUSD");
    let events = events.header("x-forwarded-for", stranger).open().await;
    let mut kept = open("/stream?symbols=EURUSD", friend).await;

    let output = world.app.run(&["blocked", "add", stranger]).await;
    assert!(output.status.success(), "{output:?}");
    let blocked = Instant::now();
    for socket in &mut cut {
        assert_eq!(socket.close_code().await, Some(1008));
    }
    // To its end: a stream of events has no other sign.
    events.text().await.expect("what was sent, whole");
    // What is promised, and as much again for a busy machine.
    assert!(blocked.elapsed() < Duration::from_secs(2), "{blocked:?}");
    world.price("1.10100", "1.10110").await;
    kept.until("the quote", |message| message["bid"] == "1.10100")
        .await;
    let refused = Socket::try_open_with(http, "/ws", Some(("x-forwarded-for", stranger)));
    assert_eq!(refusal(refused.await), (403, "address_blocked".to_owned()));
}
