//! The vendor's own Python client, unmodified, talks REST and WebSocket to our simulator.
//!
//! `DAYBOOK_PYTHON` names a Python that has `twelvedata` and `websocket-client`; otherwise the
//! repository's `.venv` is used. Without either the test says that it skips, and fails in CI.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::path::{Path, PathBuf};

use daybook_relay::Simulator;
use support::{DEADLINE, simulator_config};
use tokio::process::Command;

/// The client waits up to a minute for each of a dozen things; in fact it needs a few seconds.
const CLIENT_DEADLINE: std::time::Duration = DEADLINE.saturating_mul(5);

fn python() -> PathBuf {
    let in_repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.venv/bin/python");
    std::env::var_os("DAYBOOK_PYTHON").map_or(in_repository, PathBuf::from)
}

async fn has_client(python: &Path) -> bool {
    let imports = ["-c", "import twelvedata, websocket"];
    let tried = Command::new(python).args(imports).output().await;
    tried.is_ok_and(|output| output.status.success())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_vendors_own_client_talks_to_the_simulator() {
    let python = python();
    if !has_client(&python).await {
        let missing = format!(
            "{} has no `twelvedata` and `websocket-client`",
            python.display()
        );
        assert!(std::env::var("CI").as_deref() != Ok("true"), "{missing}");
        eprintln!("SKIPPED: {missing}");
        return;
    }
    let simulator = Simulator::start(simulator_config()).await.unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vendor_client.py");
    let running = Command::new(python)
        .arg(script)
        .args([simulator.rest_url(), simulator.ws_url()])
        .env("NO_PROXY", "127.0.0.1")
        .env("no_proxy", "127.0.0.1")
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(CLIENT_DEADLINE, running).await;
    let output = output.expect("the client ends in time").unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{stdout}\n{stderr}");
    assert!(stdout.contains(r#"{"ok": true}"#), "{stdout}\n{stderr}");
    simulator.stop().await;
}
