//! Scenarios, told in files.

use std::path::{Path, PathBuf};

use daybook_domain::Decimal;
use serde_json::{Value, json};

use super::{Scenario, ScenarioError, ScenarioReport, run};

/// Recorded ticks lie beside the repository; without them a test says so and passes.
fn recorded(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../shared/data/market")
        .join(name);
    if !path.exists() {
        println!("SKIPPED: recorded ticks are absent: {}", path.display());
        return None;
    }
    Some(path)
}

fn play(scenario: &Value) -> Result<ScenarioReport, ScenarioError> {
    let scenario = Scenario::parse(&scenario.to_string(), Path::new(""))?;
    run(&scenario, &mut |_| true)
}

fn decimal(text: &str) -> Decimal {
    Decimal::from_str_exact(text).unwrap()
}

/// EURUSD ticks `(ms, bid, ask)` in a file of their own.
fn ticks(name: &str, ticks: &[(i64, &str, &str)]) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("daybook-scenario-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join(format!("{name}.csv"));
    let lines = ticks
        .iter()
        .map(|(ms, bid, ask)| format!("{ms},EURUSD,{bid},{ask}\n"));
    let text: String = lines.collect();
    std::fs::write(&path, format!("timestamp_ms_utc,symbol,bid,ask\n{text}")).unwrap();
    path
}

fn eurusd(ticks: &Path, settings: Value, commands: Value) -> Value {
    json!({
        "account": {"currency": "USD", "balance": "10000", "leverage": 100},
        "instruments": {"EURUSD": {"base": "EUR", "quote": "USD", "digits": 5, "contractSize": 100000}},
        "settings": settings,
        "ticks": [ticks],
        "commands": commands,
    })
}

/// 2014-05-01 00:00 UTC, a Thursday.
const THURSDAY: i64 = 1_398_902_400_000;

#[test]
fn a_stop_below_the_nfp_gap_fills_at_the_first_quote_beyond_it() {
    let Some(path) = recorded("eurusd_ticks_20140501_06_oanda.csv") else {
        return;
    };
    // 12:00 UTC on 2 May, half an hour before the figures.
    let placed = 1_399_032_000_000_i64;
    let scenario = eurusd(
        &path,
        json!({"limitFill": "improve", "sessions": "terms", "feedFilter": "on"}),
        json!([{"atMs": placed, "op": "stop", "id": "nfp", "symbol": "EURUSD", "side": "sell",
                "volume": "1.00", "stopPrice": "1.38440"}]),
    );
    let report = play(&scenario).unwrap();
    assert_eq!(report.rejections, []);
    let fill = &report.fills[0];
    assert_eq!(report.fills.len(), 1);
    assert_eq!(fill.order, "nfp");
    assert_eq!(fill.price, decimal("1.38258"));
    assert_eq!(fill.ms, 1_399_033_801_535, "2014-05-02 12:30:01.535 UTC");
    assert_eq!(report.positions[0].open_price, decimal("1.38258"));
}

#[test]
fn the_same_file_always_gives_the_same_report() {
    let Some(path) = recorded("eurusd_ticks_20190101_histdata.csv") else {
        return;
    };
    let first = 1_546_383_600_078_i64;
    let scenario = eurusd(
        &path,
        json!({}),
        json!([
            {"atMs": first, "op": "market", "id": "a", "symbol": "EURUSD", "side": "buy",
             "volume": 0.5, "stopLoss": "1.14500", "takeProfit": "1.14700"},
            {"atMs": first + 60_000, "op": "market", "id": "b", "symbol": "EURUSD", "side": "sell",
             "volume": "0.30"},
            {"atMs": first + 3_600_000, "op": "close", "id": "c", "of": "b"}
        ]),
    );
    let text = |report: &ScenarioReport| serde_json::to_string(report).unwrap();
    let (one, two) = (play(&scenario).unwrap(), play(&scenario).unwrap());
    assert_eq!(text(&one), text(&two));
    assert!(one.fills.len() >= 2, "{:?}", one.fills);
}

#[test]
fn fills_bear_the_names_of_the_file() {
    let path = ticks(
        "names",
        &[
            (THURSDAY, "1.10000", "1.10010"),
            (THURSDAY + 1_000, "1.10100", "1.10110"),
            (THURSDAY + 2_000, "1.10500", "1.10510"),
            (THURSDAY + 3_000, "1.09000", "1.09010"),
        ],
    );
    let scenario = eurusd(
        &path,
        json!({"maxQuoteAgeMs": null}),
        json!([
            {"atMs": THURSDAY, "op": "market", "id": "tp", "symbol": "EURUSD", "side": "buy",
             "volume": "0.10", "takeProfit": "1.10400"},
            {"atMs": THURSDAY, "op": "market", "id": "sl", "symbol": "EURUSD", "side": "buy",
             "volume": "0.10", "stopLoss": "1.09500"},
            {"atMs": THURSDAY, "op": "market", "id": "mine", "symbol": "EURUSD", "side": "buy",
             "volume": "0.10"},
            {"atMs": THURSDAY + 1_000, "op": "close", "id": "half", "of": "mine", "volume": "0.05"},
            {"atMs": THURSDAY + 1_500, "op": "close", "id": "mine"}
        ]),
    );
    let report = play(&scenario).unwrap();
    let told: Vec<(&str, &str, String)> = report
        .fills
        .iter()
        .map(|fill| (&*fill.order, &*fill.position, fill.price.to_string()))
        .collect();
    let expected = [
        ("tp", "tp", "1.10010"),
        ("sl", "sl", "1.10010"),
        ("mine", "mine", "1.10010"),
        ("half", "mine", "1.10100"),
        ("tp-TP", "tp", "1.10500"),
        ("mine", "mine", "1.10500"),
        ("sl-SL", "sl", "1.09000"),
    ];
    let expected: Vec<_> = expected
        .iter()
        .map(|(order, position, price)| (*order, *position, (*price).to_owned()))
        .collect();
    assert_eq!(told, expected);
    // 0.10 · 49 pips + 0.05 · 9 pips + 0.05 · 49 pips − 0.10 · 101 pips, at 10 USD a lot and pip.
    assert_eq!(report.balance, decimal("9977.00"));
    assert_eq!(report.equity, Some(decimal("9977.00")));
    assert!(report.positions.is_empty());
}

#[test]
fn the_oldest_fills_first_among_orders_at_one_level_and_the_nearer_level_before_the_farther() {
    let path = ticks(
        "order",
        &[
            (THURSDAY, "1.10000", "1.10010"),
            (THURSDAY + 1_000, "1.10001", "1.10011"),
            (THURSDAY + 2_000, "1.09000", "1.09010"),
        ],
    );
    let limit = |at_ms: i64, id: &str, price: &str| {
        json!({"atMs": at_ms, "op": "limit", "id": id, "symbol": "EURUSD", "side": "buy",
               "volume": "0.01", "limitPrice": price})
    };
    let scenario = eurusd(
        &path,
        json!({"limitFill": "at_limit"}),
        json!([
            limit(THURSDAY, "far", "1.09500"),
            limit(THURSDAY, "near, older", "1.09800"),
            limit(THURSDAY + 1_000, "near, younger", "1.09800"),
        ]),
    );
    let report = play(&scenario).unwrap();
    let names: Vec<&str> = report.fills.iter().map(|fill| &*fill.order).collect();
    assert_eq!(names, ["near, older", "near, younger", "far"]);
    assert_eq!(report.fills[2].price, decimal("1.09500"));
}

#[test]
fn a_modified_limit_that_became_marketable_fills_on_the_same_tick() {
    let path = ticks(
        "modify",
        &[
            (THURSDAY, "1.10000", "1.10010"),
            (THURSDAY + 1_000, "1.10000", "1.10010"),
        ],
    );
    let scenario = eurusd(
        &path,
        json!({}),
        json!([
            {"atMs": THURSDAY, "op": "limit", "id": "a", "symbol": "EURUSD", "side": "buy",
             "volume": "0.01", "limitPrice": "1.09000"},
            {"atMs": THURSDAY + 1_000, "op": "modify", "id": "a", "limitPrice": "1.10020"}
        ]),
    );
    let report = play(&scenario).unwrap();
    assert_eq!(report.fills.len(), 1);
    assert_eq!(report.fills[0].ms, THURSDAY + 1_000);
    assert_eq!(report.fills[0].price, decimal("1.10010"));
}

#[test]
fn orders_expire_before_the_tick_that_would_have_triggered_them() {
    let path = ticks(
        "expiry",
        &[
            (THURSDAY, "1.10000", "1.10010"),
            (THURSDAY + 5_000, "1.08000", "1.08010"),
        ],
    );
    let scenario = eurusd(
        &path,
        json!({}),
        json!([{"atMs": THURSDAY, "op": "limit", "id": "a", "symbol": "EURUSD", "side": "buy",
                "volume": "0.01", "limitPrice": "1.09000", "expiresAtMs": THURSDAY + 4_000}]),
    );
    let report = play(&scenario).unwrap();
    assert_eq!(report.fills, []);
    let types: Vec<&str> = report.events.iter().map(|event| event.event_type).collect();
    let expected = [
        "AccountOpened",
        "FundsAdjusted",
        "OrderPlaced",
        "OrderExpired",
    ];
    assert_eq!(types, expected);
}

#[test]
fn protection_that_the_opening_quote_already_touches_closes_on_that_quote() {
    // The spread widens as the stop triggers: the bid is below the stop loss at once.
    let path = ticks(
        "widened",
        &[
            (THURSDAY, "1.10000", "1.10010"),
            (THURSDAY + 1_000, "1.09800", "1.10200"),
        ],
    );
    let scenario = eurusd(
        &path,
        json!({}),
        json!([{"atMs": THURSDAY, "op": "stop", "id": "a", "symbol": "EURUSD", "side": "buy",
                "volume": "0.01", "stopPrice": "1.10100", "stopLoss": "1.09900"}]),
    );
    let report = play(&scenario).unwrap();
    let told: Vec<(&str, i64)> = report
        .fills
        .iter()
        .map(|fill| (&*fill.order, fill.ms))
        .collect();
    let at = THURSDAY + 1_000;
    assert_eq!(told, [("a", at), ("a-SL", at)]);
}

#[test]
fn refusals_are_reported_under_the_commands_name() {
    let path = ticks("refusals", &[(THURSDAY, "1.10000", "1.10010")]);
    let scenario = eurusd(
        &path,
        json!({}),
        json!([
            {"atMs": THURSDAY, "op": "market", "id": "huge", "symbol": "EURUSD", "side": "buy",
             "volume": "100"},
            {"atMs": THURSDAY, "op": "close", "id": "none", "of": "nothing"},
            {"atMs": THURSDAY + 1, "op": "market", "id": "late", "symbol": "EURUSD",
             "side": "buy", "volume": "0.01"}
        ]),
    );
    let report = play(&scenario).unwrap();
    let told: Vec<(&str, &str)> = report
        .rejections
        .iter()
        .map(|rejection| (&*rejection.order, &*rejection.reason))
        .collect();
    let expected = [
        ("huge", "insufficient_margin"),
        ("none", "position_not_open"),
        ("late", "no_quote"),
    ];
    assert_eq!(told, expected);
    assert_eq!(report.balance, decimal("10000.00"));
}

#[test]
fn dropped_ticks_are_no_ticks() {
    let path = ticks(
        "filtered",
        &[
            (THURSDAY, "1.10000", "1.10010"),
            (THURSDAY + 1_000, "0.50000", "0.50010"),
            (THURSDAY + 2_000, "1.10020", "1.10030"),
        ],
    );
    let commands = json!([{"atMs": THURSDAY + 500, "op": "market", "id": "a", "symbol": "EURUSD",
                           "side": "buy", "volume": "0.01"}]);
    let plausible = |quote: &daybook_domain::Quote| quote.bid > Decimal::ONE;
    let price = |settings: Value| {
        let scenario = eurusd(&path, settings, commands.clone()).to_string();
        let scenario = Scenario::parse(&scenario, Path::new("")).unwrap();
        let report = run(&scenario, &mut { plausible }).unwrap();
        report.fills[0].price
    };
    assert_eq!(price(json!({})), decimal("1.10030"));
    assert_eq!(price(json!({"feedFilter": "off"})), decimal("0.50010"));
}

#[test]
fn what_the_contract_does_not_know_is_refused_by_name() {
    let path = ticks("lacking", &[(THURSDAY, "1.10000", "1.10010")]);
    let told = |settings: Value, commands: Value| {
        let error = play(&eurusd(&path, settings, commands)).unwrap_err();
        let source = std::error::Error::source(&error).map(ToString::to_string);
        format!("{error}: {}", source.unwrap_or_default())
    };
    let nobody = told(json!({"nobody": 1}), json!([]));
    assert!(nobody.contains("nobody"), "{nobody}");
    let no_number = json!([{"atMs": THURSDAY, "op": "market", "id": "a", "volume": "much"}]);
    assert!(told(json!({}), no_number).contains("much"));
    let alone = json!([{"atMs": THURSDAY, "op": "close_by", "of": "a"}]);
    assert!(told(json!({}), alone).contains("needs with"));
}
