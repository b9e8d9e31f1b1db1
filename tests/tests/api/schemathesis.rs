//! Requests that Schemathesis makes up from the OpenAPI document: right ones, wrong ones, and those
//! at the edges of what the document allows. It knows nothing of our other tests.
//!
//! `DAYBOOK_SCHEMATHESIS` names the program (`scripts/test` makes an environment for it), else the
//! repository's `.venv-schemathesis` is used.

use std::{
    env,
    path::{Path, PathBuf},
    time::Duration,
};

use daybook_store::testing::TestDatabase;
use daybook_tests::{Book, Http, Launch, Simulator, launch::Directory};
use serde_json::json;
use tokio::{process::Command, time::timeout};

/// Requests that are sent at least. The same are made up for the same document.
const REQUESTS_MIN: u64 = 10_000;
/// For each operation, beside those at the edges.
const EXAMPLES: &str = "150";
const CHECKS: &str = "all";
/// Rules that no schema states refuse what a schema allows: a price without a market, a body whose
/// fields contradict one another.
const UNCHECKED: &str = "positive_data_acceptance";
/// `/stream` goes on for ever.
const ENDLESS: &str = "streamQuotes";
/// Python 3.11 breaks its own parser where several threads use it at once.
const SENDERS: &str = "1";
const PATIENCE: Duration = Duration::from_secs(1_700);
/// None of the document's examples: one of those would be changed, as they show.
const PASSWORD: &str = "eleven-lanterns-under-the-pier";

#[tokio::test(flavor = "multi_thread")]
async fn requests_made_up_from_the_document_meet_no_error_of_ours() {
    let Some(program) = program().await else {
        return;
    };
    // A provider that has candles to give: without one their route is right to answer 503.
    let database = Box::pin(TestDatabase::start()).await;
    let simulator = Simulator::start().await;
    let launch = Launch::with(database.url(), simulator.ws_url(), simulator.rest_url());
    let app = launch.start().await;
    let email = "schemathesis@example.test";
    register(&app.http, email).await;
    let folder = Directory::new();

    let run = command(&program, app.http.base(), email, folder.path()).output();
    let output = timeout(PATIENCE, run).await.expect("it ends in time");
    let output = output.expect("Schemathesis runs");
    let said = String::from_utf8_lossy(&output.stdout);
    let complaints = String::from_utf8_lossy(&output.stderr);

    assert!(output.status.success(), "{said}\n{complaints}");
    let sent = generated(&said);
    let enough = sent.is_some_and(|sent| sent >= REQUESTS_MIN);
    assert!(enough, "{sent:?} of {REQUESTS_MIN}\n{said}");
    let log = app.stderr();
    assert!(!log.contains("panicked"), "the server panicked");
    app.http.get("/health/live").await.expecting(200);
    Book::on(database.url()).assert_contiguous().await;
}

/// The program; none (and a note) where there is none.
async fn program() -> Option<PathBuf> {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let named = env::var_os("DAYBOOK_SCHEMATHESIS").map(PathBuf::from);
    let program = named.unwrap_or_else(|| repository.join(".venv-schemathesis/bin/schemathesis"));
    let tried = Command::new(&program).arg("--version").output().await;
    if tried.is_ok_and(|output| output.status.success()) {
        return Some(program);
    }
    let missing = format!("there is no Schemathesis at {}", program.display());
    let is_ci = env::var("CI").as_deref() == Ok("true");
    assert!(!is_ci, "{missing}; scripts/test installs it");
    eprintln!("SKIPPED: {missing}");
    None
}

async fn register(http: &Http, email: &str) {
    let body = json!({
        "email": email, "password": PASSWORD, "firstName": "Ada", "lastName": "Lovelace",
    });
    http.post("/auth/register", &body).await.expecting(201);
}

/// Where it runs, it leaves files behind.
fn command(program: &Path, base: &str, email: &str, folder: &Path) -> Command {
    let hooks = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemathesis");
    let mut command = Command::new(program);
    command
        .current_dir(folder)
        .env("SCHEMATHESIS_HOOKS", "hooks")
        .env("PYTHONPATH", hooks)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("DAYBOOK_BASE", base)
        .env("DAYBOOK_EMAIL", email)
        .env("DAYBOOK_PASSWORD", PASSWORD)
        .env("NO_PROXY", "127.0.0.1")
        .args(["run", &format!("{base}/openapi.json")])
        .args(["--checks", CHECKS])
        .args(["--exclude-checks", UNCHECKED])
        .args(["--exclude-operation-id", ENDLESS])
        .args(["--phases", "examples,coverage,fuzzing"])
        .args(["--max-examples", EXAMPLES])
        .args(["--workers", SENDERS])
        .args(["--request-timeout", "60"])
        .args(["--suppress-health-check", "all"])
        .args(["--warnings", "off"])
        .args([
            "--continue-on-failure",
            "--generation-deterministic",
            "--no-color",
        ])
        .kill_on_drop(true);
    command
}

/// How many requests there were, as its summary says: `  1446 generated, 1446 passed`.
fn generated(said: &str) -> Option<u64> {
    let line = said.lines().find(|line| line.contains(" generated"))?;
    line.split_whitespace().next()?.parse().ok()
}
