//! Holds the book against what every client was told: nothing lost, nothing twice, nothing else.

use std::collections::{BTreeMap, BTreeSet};

use reqwest::Method;
use rust_decimal::Decimal;
use serde_json::Value;

use crate::{
    app::App,
    book::{Book, Event},
    load::{Diary, Done},
};

/// What does not fit; empty when all does. Call it when nobody trades any more.
pub async fn findings(book: &Book, diaries: &[Diary]) -> Vec<String> {
    let mut found = vec![];
    for diary in diaries {
        let events = book.account(diary.trader.demo).await;
        let mut check = Check {
            name: diary.trader.demo.to_string(),
            found: &mut found,
        };
        check.identifiers(&events, &diary.done);
        check.positions(&events, &diary.done);
    }
    found
}

struct Check<'a> {
    name: String,
    found: &'a mut Vec<String>,
}

impl Check<'_> {
    /// What came into being by a command is in the book once, and nothing else is.
    fn identifiers(&mut self, events: &[Event], done: &[Done]) {
        let accepted = |method: Method, path: &str, pointer: &str| -> Vec<String> {
            let path = path.to_owned();
            done.iter()
                .filter(|done| done.method == method && done.path.starts_with(&path))
                .filter(|done| done.answer.status < 300)
                .filter_map(|done| {
                    let answer: Value = serde_json::from_str(&done.answer.text).ok()?;
                    Some(answer.pointer(pointer)?.as_str()?.to_owned())
                })
                .collect()
        };
        let recorded = |types: &[&str], pointer: &str| -> Vec<String> {
            events
                .iter()
                .filter(|event| types.contains(&event.event_type.as_str()))
                .filter(|event| by_client(event))
                .filter_map(|event| Some(event.fields.pointer(pointer)?.as_str()?.to_owned()))
                .collect()
        };
        let order = "/trading/order";
        self.same(
            "orders placed",
            accepted(Method::POST, order, "/orderId"),
            recorded(&["OrderPlaced"], "/order_id"),
        );
        self.same(
            "opening deals",
            accepted(Method::POST, order, "/execution/dealId"),
            recorded(&["OrderFilled"], "/deal_id"),
        );
        self.same(
            "closing deals",
            accepted(Method::POST, "/trading/close/", "/dealId"),
            recorded(&["PositionReduced", "PositionClosed"], "/deal/deal_id"),
        );
        let targets = |method: Method| -> Vec<String> {
            done.iter()
                .filter(|done| done.method == method && done.answer.status < 300)
                .filter_map(|done| Some(done.path.rsplit('/').next()?.to_owned()))
                .collect()
        };
        self.same(
            "orders cancelled",
            targets(Method::DELETE),
            recorded(&["OrderCancelled"], "/order_id"),
        );
        self.same(
            "orders modified",
            targets(Method::PATCH),
            recorded(&["OrderModified"], "/order_id"),
        );
        let refused = done
            .iter()
            .filter(|done| done.path == order && done.answer.status == 422)
            .count();
        let rejected = recorded(&["OrderRejected"], "/order_id").len();
        if refused != rejected {
            self.report(format!("{refused} refusals told, {rejected} in the book"));
        }
    }

    /// Each acknowledged position is that of an event of this account, and of one command alone.
    fn positions(&mut self, events: &[Event], done: &[Done]) {
        let known: BTreeSet<i64> = events.iter().map(|event| event.position).collect();
        let mut seen: BTreeMap<i64, &str> = BTreeMap::new();
        for done in done.iter().filter(|done| wrote(done)) {
            let position = done.answer.position();
            if !known.contains(&position) {
                self.report(format!("{}: told position {position}, lost", done.key));
            }
            if let Some(other) = seen.insert(position, &done.key) {
                self.report(format!("{position} was told to {} and {other}", done.key));
            }
        }
    }

    fn same(&mut self, what: &str, mut told: Vec<String>, mut recorded: Vec<String>) {
        told.sort();
        recorded.sort();
        if told == recorded {
            return;
        }
        let lost: Vec<_> = told.iter().filter(|id| !recorded.contains(id)).collect();
        let unknown: Vec<_> = recorded.iter().filter(|id| !told.contains(id)).collect();
        self.report(format!(
            "{what}: told {}, recorded {}; lost {lost:?}, told to nobody {unknown:?}",
            told.len(),
            recorded.len()
        ));
    }

    fn report(&mut self, finding: String) {
        self.found.push(format!("account {}: {finding}", self.name));
    }
}

/// Whether a client's command did it, and not the market.
fn by_client(event: &Event) -> bool {
    event
        .fields
        .pointer("/deal/reason")
        .is_none_or(|reason| reason == "client")
}

/// Whether the command left events behind: it was accepted, or is a refused order.
fn wrote(done: &Done) -> bool {
    done.answer.status < 300 || (done.path == "/trading/order" && done.answer.status == 422)
}

/// The balance that the deals in the book make, from the demo funds.
pub async fn balance(book: &Book, diary: &Diary) -> Decimal {
    let events = book.account(diary.trader.demo).await;
    let decimal = |value: &Value| value.as_str().and_then(|text| text.parse::<Decimal>().ok());
    events
        .iter()
        .filter_map(|event| match event.event_type.as_str() {
            "FundsAdjusted" => decimal(&event.fields["amount"]),
            "PositionReduced" | "PositionClosed" => decimal(&event.fields["deal"]["realised"]),
            _ => None,
        })
        .sum()
}

/// Asks commands again with their keys and compares answers byte for byte.
///
/// # Panics
/// When an answer differs.
pub async fn ask_again(app: &App, diary: &Diary, chosen: impl Fn(usize, &Done) -> bool) -> usize {
    let http = diary.trader.http.at(app.http.base());
    let mut asked = 0;
    for (number, done) in diary.done.iter().enumerate() {
        if !wrote(done) || !chosen(number, done) {
            continue;
        }
        let mut call = http.call(done.method.clone(), &done.path).key(&done.key);
        if let Some(body) = &done.body {
            call = call.json(body);
        }
        let again = call.send().await;
        assert_eq!(
            (again.status, &again.text, again.header("daybook-position")),
            (
                done.answer.status,
                &done.answer.text,
                done.answer.header("daybook-position")
            ),
            "{} was answered differently the second time",
            done.key
        );
        asked += 1;
    }
    asked
}

/// Everything that must hold when the dust has settled.
///
/// # Panics
/// When something does not.
pub async fn assert_sound(app: &App, book: &Book, diaries: &[Diary]) {
    let found = findings(book, diaries).await;
    assert!(found.is_empty(), "{}", found.join("\n"));
    book.assert_contiguous().await;
    for diary in diaries {
        let http = diary.trader.http.at(app.http.base());
        let account = http.get("/trading/account").await.expecting(200);
        assert_eq!(account.decimal("/balance"), balance(book, diary).await);
    }
    for verification in [
        ["audit", "verify", "--all"],
        ["projections", "verify", "--all"],
    ] {
        let output = app.run(&verification).await;
        assert!(
            output.status.success(),
            "{verification:?} exits {:?}:\n{}\n{}",
            output.status.code(),
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
}
