//! The vendor's own Python and Node clients, unmodified, talk REST and WebSocket to our simulator.
//!
//! `DAYBOOK_PYTHON` names a Python that has `twelvedata` and `websocket-client`; otherwise the
//! repository's `.venv` is used. `DAYBOOK_NODE_MODULES` names a directory that has
//! `@twelvedata/twelvedata-node`; otherwise that of `tests/vendor`. `scripts/test` makes both.
//! Where they are not there the test says that it skips, and in CI it fails.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::path::{Path, PathBuf};

use daybook_relay::Simulator;
use support::{DEADLINE, simulator_config};
use tokio::process::Command;

/// The clients wait up to a minute for each of a dozen things; in fact they need a few seconds.
const CLIENT_DEADLINE: std::time::Duration = DEADLINE.saturating_mul(5);

fn in_repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

fn given(variable: &str, otherwise: &str) -> PathBuf {
    std::env::var_os(variable).map_or_else(|| in_repository(otherwise), PathBuf::from)
}

/// Says that a client is not there, which in CI must not be.
fn skipped(missing: &str) {
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{missing}");
    eprintln!("SKIPPED: {missing}");
}

/// Runs a client against a simulator of its own, and expects it to be content.
async fn run(mut client: Command) {
    let simulator = Simulator::start(simulator_config()).await.unwrap();
    let running = client
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
    let content = [r#"{"ok": true}"#, r#"{"ok":true}"#];
    assert!(
        content.iter().any(|it| stdout.contains(it)),
        "{stdout}\n{stderr}"
    );
    simulator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_vendors_python_client_talks_to_the_simulator() {
    let python = given("DAYBOOK_PYTHON", ".venv/bin/python");
    let imports = ["-c", "import twelvedata, websocket"];
    let tried = Command::new(&python).args(imports).output().await;
    if !tried.is_ok_and(|output| output.status.success()) {
        let python = python.display();
        return skipped(&format!(
            "{python} has no `twelvedata` and `websocket-client`"
        ));
    }
    let mut client = Command::new(python);
    client.arg(in_repository("relay/tests/vendor_client.py"));
    run(client).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_vendors_node_client_talks_to_the_simulator() {
    let modules = given("DAYBOOK_NODE_MODULES", "tests/vendor/node_modules");
    let requires = ["-e", r#"require("@twelvedata/twelvedata-node")"#];
    let node = || {
        let mut node = Command::new("node");
        node.env("NODE_PATH", &modules);
        node
    };
    let tried = node().args(requires).output().await;
    if !tried.is_ok_and(|output| output.status.success()) {
        let modules = modules.display();
        return skipped(&format!(
            "no node, or no `@twelvedata/twelvedata-node` in {modules}"
        ));
    }
    let mut client = node();
    client.arg(in_repository("relay/tests/vendor_client.cjs"));
    run(client).await;
}
