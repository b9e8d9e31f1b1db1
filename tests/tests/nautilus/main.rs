//! The same ticks and commands through our engine and through one that nobody here wrote:
//! NautilusTrader's backtest engine. Fills and, to the cent, the balance have to be the same.
//!
//! `DAYBOOK_NAUTILUS_PYTHON` names a Python that has `nautilus_trader` (`scripts/test` makes one),
//! else the repository's `.venv-nautilus` is used; `none` says that this machine has no Python that
//! the package runs on. `DAYBOOK_NAUTILUS_SEEDS` is how many seeds are run, or a range `from..to`.

mod fate;
mod random;
mod report;
mod scenario;
mod story;
mod tape;
mod telling;

use std::{
    collections::HashMap,
    env, fs,
    ops::Range,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
};

use daybook_tests::{
    binary::{daybook, repository},
    ticks,
};
use serde_json::Value;

use report::{Coverage, Report};
use scenario::RECORDINGS;
use tape::Tape;

const SEEDS: Range<u64> = 0..48;
/// Scenarios from which averages mean something.
const ENOUGH: usize = 24;
const DRIVER: &str = "tests/nautilus/driver.py";

/// The Python to use; none (and a note) where there is none.
fn python() -> Option<PathBuf> {
    let named = env::var_os("DAYBOOK_NAUTILUS_PYTHON");
    if named.as_deref().is_some_and(|name| name == "none") {
        eprintln!("SKIPPED: no Python here that NautilusTrader runs on (3.12 or newer)");
        return None;
    }
    let python = named.map_or(
        repository().join(".venv-nautilus/bin/python"),
        PathBuf::from,
    );
    let tried = Command::new(&python)
        .args(["-c", "import nautilus_trader"])
        .output();
    if tried.is_ok_and(|output| output.status.success()) {
        return Some(python);
    }
    let missing = format!("{} has no nautilus_trader", python.display());
    let is_ci = env::var("CI").as_deref() == Ok("true");
    assert!(!is_ci, "{missing}; scripts/test installs it");
    eprintln!("SKIPPED: {missing}");
    None
}

fn seeds() -> Range<u64> {
    let Ok(text) = env::var("DAYBOOK_NAUTILUS_SEEDS") else {
        return SEEDS;
    };
    let number = |text: &str| text.parse().expect("DAYBOOK_NAUTILUS_SEEDS: N or FROM..TO");
    match text.split_once("..") {
        Some((from, to)) => number(from)..number(to),
        None => 0..number(&text),
    }
}

/// Writes a scenario for each seed; none (and a note) when the recordings are absent.
fn write_scenarios(seeds: Range<u64>, folder: &Path) -> Option<Vec<PathBuf>> {
    let mut tapes = HashMap::new();
    for recording in &RECORDINGS {
        let path = ticks::recorded(recording.file)?;
        let tape = || Tape::read(&path, recording.digits);
        tapes.entry(recording.file).or_insert_with(tape);
    }
    let scenario = |seed: u64| {
        let count = u64::try_from(RECORDINGS.len()).expect("a few");
        let index = usize::try_from(seed % count).expect("a few");
        let recording = &RECORDINGS[index];
        scenario::write(seed, recording, &tapes[recording.file], folder)
    };
    Some(seeds.map(scenario).collect())
}

fn ours(scenario: &Path) -> Value {
    let output = Command::new(daybook())
        .args(["scenario", "run"])
        .arg(scenario)
        .output()
        .expect("daybook runs");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {stderr}", scenario.display());
    serde_json::from_slice(&output.stdout).expect("a report")
}

/// All in one process: it takes seconds to start.
fn theirs(python: &Path, scenarios: &[PathBuf]) -> Vec<Value> {
    let output = Command::new(python)
        .args(["-W", "ignore"])
        .arg(repository().join(DRIVER))
        .args(scenarios)
        .stderr(Stdio::inherit())
        .output()
        .expect("Python runs");
    assert!(output.status.success(), "the driver fails");
    let text = String::from_utf8(output.stdout).expect("text");
    let report = |line: &str| serde_json::from_str(line).expect("a report");
    text.lines().map(report).collect()
}

#[test]
fn nautilus_trader_fills_the_same_orders_at_the_same_prices() {
    let Some(python) = python() else {
        return;
    };
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("nautilus");
    fs::create_dir_all(&folder).expect("the target directory takes files");
    let Some(scenarios) = write_scenarios(seeds(), &folder) else {
        eprintln!("SKIPPED: the recorded ticks are absent");
        return;
    };
    let (theirs, ours) = thread::scope(|scope| {
        let theirs = scope.spawn(|| theirs(&python, &scenarios));
        let ours: Vec<Value> = scenarios.iter().map(|path| ours(path)).collect();
        (theirs.join().expect("the driver ran"), ours)
    });
    assert_eq!(theirs.len(), scenarios.len(), "a report for each scenario");
    let mut coverage = Coverage::default();
    let mut differences = Vec::new();
    for ((path, ours), theirs) in scenarios.iter().zip(&ours).zip(&theirs) {
        let text = fs::read(path).expect("the scenario is still there");
        let scenario: Value = serde_json::from_slice(&text).expect("JSON");
        let (ours, theirs) = (Report::parse(ours), Report::parse(theirs));
        coverage.count(&scenario, &ours);
        if let Some(difference) = ours.difference(&theirs, &scenario) {
            differences.push(told(&python, path, &difference));
        }
    }
    assert!(
        differences.is_empty(),
        "{} of {} scenarios differ\n{}",
        differences.len(),
        scenarios.len(),
        differences[..differences.len().min(5)].join("\n")
    );
    println!("{} scenarios: {:?}", scenarios.len(), coverage.0);
    if scenarios.len() >= ENOUGH {
        covers_everything(&coverage, scenarios.len());
    }
}

fn told(python: &Path, scenario: &Path, difference: &str) -> String {
    let seed = scenario.file_stem().unwrap_or_default().to_string_lossy();
    let next: u64 = seed.parse::<u64>().expect("named by its seed") + 1;
    let (program, file) = (daybook().display(), scenario.display());
    let python = python.display();
    format!(
        "seed {seed}\n{difference}  again    DAYBOOK_NAUTILUS_SEEDS={seed}..{next} \
         scripts/test -p daybook-tests --test nautilus\n  \
         alone    {program} scenario run {file}\n           {python} {DRIVER} {file}\n"
    )
}

/// A comparison of nothing would succeed as well: what a scenario holds on average, in tenths.
const LEAST: [(&str, usize); 20] = [
    ("fill", 200),
    ("market filled", 40),
    ("limit filled", 25),
    ("stop filled", 14),
    ("stop_limit filled", 12),
    ("stop loss", 24),
    ("take profit", 24),
    ("bracket", 80),
    ("partial close", 25),
    ("close done", 45),
    ("cancel done", 20),
    ("modify done", 35),
    ("protect done", 40),
    ("stop refused", 6),
    ("cancel refused", 8),
    ("close refused", 8),
    ("modify refused", 3),
    ("protect refused", 6),
    ("done", 300),
    ("refused", 30),
];

fn covers_everything(coverage: &Coverage, scenarios: usize) {
    for (what, tenths) in LEAST {
        let (seen, least) = (coverage.of(what), scenarios * tenths / 10);
        assert!(seen >= least, "{what}: {seen} of at least {least}");
    }
    let (done, refused) = (coverage.of("done"), coverage.of("refused"));
    assert!(
        refused * 4 < done,
        "{refused} commands were refused, {done} done"
    );
}
