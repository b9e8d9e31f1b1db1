//! The simulated provider as a process, with its faults at hand.

use std::process::Stdio;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
};

use crate::{binary, client::Http, wait::soon};

/// `daybook simulate feed --control`. Dropping it kills it.
pub struct Simulator {
    http: Http,
    ws_url: String,
    _child: Child,
}

impl Simulator {
    /// Starts one on a free port.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start() -> Self {
        let mut child = Command::new(binary::daybook())
            .args([
                "simulate",
                "feed",
                "--listen",
                "127.0.0.1:0",
                "--control",
                "--json",
            ])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("daybook runs");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let mut text = String::new();
        let addresses: Value = loop {
            let line = soon("the simulator's addresses", lines.next_line()).await;
            text += &line.expect("readable").expect("it prints its addresses");
            if let Ok(addresses) = serde_json::from_str(&text) {
                break addresses;
            }
        };
        let url = |name: &str| addresses[name].as_str().expect("an address").to_owned();
        Self {
            http: Http::new(&url("rest")),
            ws_url: url("ws"),
            _child: child,
        }
    }

    /// For `TWELVEDATA_WS_URL`.
    #[must_use]
    pub fn ws_url(&self) -> &str {
        &self.ws_url
    }

    /// For `TWELVEDATA_REST_URL` and `BOOK_TICKER_REST_URL`.
    #[must_use]
    pub fn rest_url(&self) -> &str {
        self.http.base()
    }

    /// For `BOOK_TICKER_WS_URL`.
    #[must_use]
    pub fn book_ticker_url(&self) -> String {
        format!("{}/stream", self.rest_url().replace("http://", "ws://"))
    }

    /// Switches these faults on, and all others off.
    pub async fn faults(&self, faults: Value) {
        let call = self.http.call(Method::PUT, "/control/faults");
        call.json(&faults).send().await.expecting(200);
    }

    /// Switches every fault off.
    pub async fn mend(&self) {
        self.faults(json!({})).await;
    }

    /// Cuts every connection there is; new ones are taken as the faults have it.
    pub async fn hang_up(&self) {
        let call = self.http.call(Method::POST, "/control/hang-up");
        call.send().await.expecting(204);
    }

    /// What was asked of it.
    pub async fn stats(&self) -> Value {
        self.http.get("/control/stats").await.expecting(200).json()
    }

    /// How often a REST path was asked for.
    pub async fn requests(&self, path: &str) -> u64 {
        self.stats().await["requests"][path]
            .as_u64()
            .unwrap_or_default()
    }
}
