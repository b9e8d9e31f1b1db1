//! What compliance reads: the book as it stands, and that each look at it is noted.

use daybook_tests::{Http, Trader, World, officer, officer::told};
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

/// An account to which something happened, and somebody who may look at it.
struct Case {
    world: World,
    trader: Trader,
    staff_id: Uuid,
    http: Http,
}

impl Case {
    async fn open() -> Self {
        let world = World::start().await;
        let trader = world.trader().await;
        let opened = trader.market("EURUSD", "buy", "0.10").await;
        world.price("1.10200", "1.10210").await;
        let close = format!("/trading/close/{}", opened.text_at("/positionId"));
        trader.http.post(&close, &json!({})).await.expecting(200);
        let (ines, http) = officer(&world.app, "compliance").await;
        Self {
            world,
            trader,
            staff_id: ines.staff_id,
            http,
        }
    }

    fn path(&self, what: &str) -> String {
        format!("/compliance/accounts/{}/{what}", self.trader.demo)
    }

    async fn get(&self, what: &str) -> Value {
        self.http.get(&self.path(what)).await.expecting(200).json()
    }

    /// The account's replay, line by line.
    async fn replayed(&self) -> Vec<Value> {
        let answer = self.http.get(&self.path("replay")).await.expecting(200);
        assert_eq!(answer.header("content-type"), Some("application/x-ndjson"));
        let lines = answer.text.lines();
        lines
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_paged_and_filtered() {
    let case = Case::open().await;
    let all = case.get("events?limit=500").await;
    let all = all["items"].as_array().expect("items").clone();
    let types: Vec<_> = all.iter().map(|item| item["eventType"].clone()).collect();
    let mut booked = case.world.book.event_types(case.trader.demo).await;
    booked.reverse();
    assert_eq!(types, booked);
    assert_eq!(
        all[0]["event"]["PositionClosed"]["deal"]["realised"],
        "19.00"
    );
    assert_eq!(
        all[0]["metadata"]["actor"],
        format!("client:{}", case.trader.client_id)
    );

    let mut paged = Vec::new();
    let mut next = String::new();
    loop {
        let page = case.get(&format!("events?limit=3{next}")).await;
        paged.extend(page["items"].as_array().expect("items").clone());
        match page["nextCursor"].as_str() {
            Some(cursor) => next = format!("&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(paged, all);

    let filled = case.get("events?type=OrderFilled").await;
    assert_eq!(filled["items"].as_array().map(Vec::len), Some(1));
    let closed_at = all[0]["recordedAt"].as_str().expect("a time");
    let since = case
        .get(&format!("events?from={closed_at}&type=PositionClosed"))
        .await;
    assert_eq!(since["items"].as_array().map(Vec::len), Some(1));
    let before = case
        .get(&format!("events?to={closed_at}&type=PositionClosed"))
        .await;
    assert_eq!(before["items"], json!([]));
    let nonsense = case.http.get(&case.path("events?from=yesterday")).await;
    nonsense.problem(400, "invalid_value");
    let absent = format!("/compliance/accounts/{}/events", Uuid::now_v7());
    case.http.get(&absent).await.problem(404, "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_replay_is_the_one_of_the_command_line() {
    let case = Case::open().await;
    let lines = case.replayed().await;
    let account = case.trader.demo.to_string();
    let cli = told(&case.world.app, &["replay", "account", &account]).await;
    let events = cli["events"].as_array().expect("events");
    assert_eq!(lines.len(), events.len());
    for (line, event) in lines.iter().zip(events) {
        for (ours, theirs) in [
            ("sequence", "sequence"),
            ("position", "position"),
            ("eventType", "event_type"),
            ("eventVersion", "event_version"),
            ("event", "event"),
            ("metadata", "metadata"),
            ("hash", "hash"),
            ("postings", "postings"),
        ] {
            assert_eq!(line[ours], event[theirs], "{ours}");
        }
    }
    let last = lines.last().expect("a line");
    assert_eq!(last["state"], cli["state"]);
    assert_eq!(last["balance"], "10019.00");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_state_at_any_point_is_what_the_replay_left_there() {
    let case = Case::open().await;
    let lines = case.replayed().await;
    for line in &lines {
        for (name, field) in [("sequence", "sequence"), ("position", "position")] {
            let at = case.get(&format!("state?{name}={}", line[field])).await;
            for field in ["state", "balance", "sequence", "position", "hash"] {
                assert_eq!(
                    at[field], line[field],
                    "{name} {}: {field}",
                    line["sequence"]
                );
            }
        }
        let recorded_at = line["recordedAt"].as_str().expect("a time");
        let at = case.get(&format!("state?asOf={recorded_at}")).await;
        // All that was recorded within the same millisecond is in it.
        assert!(at["sequence"].as_i64() >= line["sequence"].as_i64(), "{at}");
        assert_eq!(at["recordedAt"], line["recordedAt"]);
    }
    let now = case.get("state").await;
    assert_eq!(now["state"], lines.last().expect("a line")["state"]);
    let early = case
        .http
        .get(&case.path("state?asOf=2020-01-01T00:00:00Z"))
        .await;
    early.problem(404, "not_found");
    let both = case
        .http
        .get(&case.path("state?sequence=1&position=1"))
        .await;
    both.problem(400, "invalid_value");
    let nonsense = case.http.get(&case.path("state?sequence=first")).await;
    nonsense.problem(400, "invalid_value");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_statement_as_of_an_instant_knows_nothing_of_later() {
    let case = Case::open().await;
    let lines = case.replayed().await;
    let opened = lines
        .iter()
        .find(|line| line["eventType"] == "PositionOpened");
    let opened_at = opened.expect("opened")["recordedAt"]
        .as_str()
        .expect("a time");
    let then = case.get(&format!("statement?asOf={opened_at}")).await;
    assert_eq!(then["closing"], "10000.00");
    let now = case.get("statement").await;
    assert_eq!(now["closing"], "10019.00");
    let clients = case
        .trader
        .http
        .get("/trading/statement")
        .await
        .expecting(200)
        .json();
    assert_eq!(now["entries"], clients["entries"]);
    let csv = case
        .http
        .get(&case.path("statement?format=csv"))
        .await
        .expecting(200);
    assert_eq!(csv.header("content-type"), Some("text/csv; charset=utf-8"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_was_tampered_with_is_found_out() {
    let case = Case::open().await;
    let path = format!("/compliance/verify/account-{}", case.trader.demo);
    let whole = case.http.get(&path).await.expecting(200).json();
    assert_eq!(
        (&whole["intact"], &whole["broken"]),
        (&json!(true), &Value::Null)
    );
    let events = case.world.book.account(case.trader.demo).await;
    assert_eq!(whole["events"], events.len());
    for stream in [
        "instrument-EURUSD".to_owned(),
        format!("staff-{}", case.staff_id),
    ] {
        let other = case.http.get(&format!("/compliance/verify/{stream}")).await;
        assert_eq!(other.expecting(200).json()["intact"], true, "{stream}");
    }
    let victim = events[2].position;
    let statement = format!(
        "begin; alter table events disable trigger all; \
         update events set payload = replace(payload::text, '\"at\"', '\"At\"')::json \
             where position = {victim}; \
         alter table events enable trigger all; commit"
    );
    let pool = case.world.book.pool();
    sqlx::raw_sql(&statement)
        .execute(pool)
        .await
        .expect("tampering works");
    let found = case.http.get(&path).await.expecting(200).json();
    assert_eq!(found["intact"], false, "{found}");
    assert_eq!(found["broken"]["position"], victim);
    assert_eq!(found["broken"]["sequence"], 3);
    for stream in [
        format!("account-{}", Uuid::now_v7()),
        "order-1".to_owned(),
        "x".to_owned(),
    ] {
        let absent = case.http.get(&format!("/compliance/verify/{stream}")).await;
        absent.problem(404, "not_found");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_look_is_noted_once_and_shows_with_the_client() {
    let case = Case::open().await;
    case.get("events").await;
    case.get("events?limit=1").await;
    case.replayed().await;
    case.get("state").await;
    case.get("statement").await;
    let types = case.world.book.staff_event_types(case.staff_id).await;
    let looks = types.iter().filter(|name| *name == "StaffLooked").count();
    assert_eq!(looks, 4, "{types:?}");
    let audit = format!(
        "/compliance/audit?client={}&action=StaffLooked",
        case.trader.client_id
    );
    let audit = case.http.get(&audit).await.expecting(200).json();
    let items = audit["items"].as_array().expect("items");
    // Asking is a look of its own.
    assert_eq!(items.len(), 5, "{audit}");
    for item in items {
        assert_eq!(item["actor"], format!("staff:{}", case.staff_id));
        assert_eq!(item["ip"], "127.0.0.1");
        assert_eq!(item["clientId"], case.trader.client_id.to_string());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_trail_is_filtered_and_paged() {
    let case = Case::open().await;
    let audit = async |query: &str| {
        let path = format!("/compliance/audit?{query}");
        let page = case.http.get(&path).await.expecting(200).json();
        page["items"].as_array().expect("items").clone()
    };
    let client = format!("client:{}", case.trader.client_id);
    let by_client = audit(&format!("actor={client}&limit=500")).await;
    assert!(
        by_client
            .iter()
            .all(|item| item["actor"] == client.as_str())
    );
    assert!(
        by_client
            .iter()
            .any(|item| item["action"] == "PositionClosed")
    );
    assert!(
        by_client.iter().all(|item| item["ip"] == "127.0.0.1"),
        "{by_client:?}"
    );
    let orders = audit("action=place_order").await;
    assert!(orders.iter().all(|item| item["reason"] == "place_order"));
    assert!(orders.iter().any(|item| item["action"] == "OrderFilled"));
    let operator = audit("actor=cli").await;
    assert_eq!(operator[0]["action"], "StaffCreated");
    assert_eq!(operator[0]["ip"], Value::Null);
    assert_eq!(audit("to=2020-01-01T00:00:00Z").await, [Value::Null; 0]);
    let first = case
        .http
        .get("/compliance/audit?limit=2")
        .await
        .expecting(200);
    let next = format!(
        "/compliance/audit?limit=2&cursor={}",
        first.text_at("/nextCursor")
    );
    let second = case.http.get(&next).await.expecting(200).json();
    let place = |page: &Value, index: usize| page["items"][index]["position"].as_i64();
    assert!(place(&second, 0) < place(&first.json(), 1));
    let nonsense = case.http.get("/compliance/audit?client=nobody").await;
    nonsense.problem(400, "invalid_value");
    let far = case
        .http
        .call(Method::GET, "/compliance/audit")
        .min_position(1_000_000);
    far.send().await.problem(503, "read_model_behind");
}
