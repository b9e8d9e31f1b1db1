//! Every scenario file in `tests/vectors` comes to what it expects. The files are documentation as
//! well: each says what it shows, and names the figures that matter.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on has failed, and panicking is how it says so"
)]

use std::path::{Path, PathBuf};

use daybook_engine::scenario::{Scenario, run};
use serde_json::Value;

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors");
    let entries = std::fs::read_dir(&folder).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let is_scenario = |path: &PathBuf| path.extension().is_some_and(|ending| ending == "json");
    let mut files: Vec<_> = paths.filter(is_scenario).collect();
    files.sort();
    files
}

/// Differences between what is expected and what came: fields that the file does not name do not
/// matter, lists have to be as long, decimals are compared as they are written.
fn differences(place: &str, expected: &Value, actual: &Value, found: &mut Vec<String>) {
    match (expected, actual) {
        (Value::Object(expected), Value::Object(actual)) => {
            for (name, expected) in expected {
                let actual = actual.get(name).unwrap_or(&Value::Null);
                differences(&format!("{place}.{name}"), expected, actual, found);
            }
        }
        (Value::Array(expected), Value::Array(actual)) if expected.len() == actual.len() => {
            for (index, (expected, actual)) in expected.iter().zip(actual).enumerate() {
                differences(&format!("{place}[{index}]"), expected, actual, found);
            }
        }
        _ if expected == actual => {}
        _ => found.push(format!("{place}: expected {expected}, came to {actual}")),
    }
}

/// The report, with the types of its events in a list of their own: `eventTypes`.
fn report_of(path: &Path) -> (Scenario, Value) {
    let scenario = Scenario::load(path).unwrap_or_else(|error| panic!("{path:?}: {error:?}"));
    let report = run(&scenario, &mut |_| true);
    let report = report.unwrap_or_else(|error| panic!("{path:?}: {error}"));
    let types: Vec<Value> = report
        .events
        .iter()
        .map(|event| event.event_type.into())
        .collect();
    let mut report = serde_json::to_value(&report).unwrap();
    report["eventTypes"] = types.into();
    (scenario, report)
}

#[test]
fn every_scenario_comes_to_what_it_expects() {
    let mut failures = Vec::new();
    for path in files() {
        let (scenario, report) = report_of(&path);
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let mut found = Vec::new();
        match scenario.expect() {
            Some(expected) => differences("", expected, &report, &mut found),
            None => found.push("expects nothing".to_owned()),
        }
        if scenario.about().is_none() {
            found.push("does not say what it shows".to_owned());
        }
        if !found.is_empty() {
            let report = serde_json::to_string_pretty(&report).unwrap();
            failures.push(format!("{name}:\n  {}\n{report}", found.join("\n  ")));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

#[test]
fn the_figures_that_the_rules_are_checked_by_are_all_there() {
    let files = files();
    let names: Vec<_> = files
        .iter()
        .map(|path| path.file_stem().unwrap().to_string_lossy())
        .collect();
    for name in [
        "holiday_wednesday",
        "margin_hedged",
        "margin_required",
        "nfp_gap_stop",
        "stop_out_smart",
        "swap_usdtry",
    ] {
        assert!(names.iter().any(|there| there == name), "{name} is missing");
    }
}
