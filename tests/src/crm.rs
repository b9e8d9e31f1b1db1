//! The simulated CRM as a process.

use std::{net::TcpListener, process::Stdio};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
};

use crate::{binary, client::Http, wait::soon};

/// `daybook simulate crm`. Dropping it kills it.
pub struct SimulatedCrm {
    http: Http,
    _child: Child,
}

impl SimulatedCrm {
    /// Starts one on a free port, with these variables.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start(environment: &[(&str, &str)]) -> Self {
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let listen = free.expect("a free port").to_string();
        let mut child = Command::new(binary::daybook())
            .args(["simulate", "crm", "--json", "--listen", &listen])
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("daybook runs");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let line = soon("the CRM's address", lines.next_line()).await;
        let line = line.expect("readable").expect("it prints its address");
        let told: Value = serde_json::from_str(&line).expect("JSON");
        // What it prints of each webhook is read, so that it never waits for us.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Self {
            http: Http::new(told["url"].as_str().expect("an address")),
            _child: child,
        }
    }

    /// Speaks to it without a token.
    #[must_use]
    pub fn http(&self) -> &Http {
        &self.http
    }

    /// For `CRM_BASE_URL`.
    #[must_use]
    pub fn url(&self) -> &str {
        self.http.base()
    }

    /// Takes a client in.
    pub async fn knows(&self, client: &Value) {
        let put = self.http.post("/control/clients", client).await;
        put.expecting(200);
    }

    /// Fails from now on as it is told.
    pub async fn fails(&self, fault: &Value) {
        self.http.post("/control/fault", fault).await.expecting(200);
    }

    /// Fails no more.
    pub async fn recovers(&self) {
        self.fails(&json!({ "fault": "none" })).await;
    }

    /// Requests to the service API so far, oldest first.
    ///
    /// # Panics
    /// When it does not tell.
    pub async fn calls(&self) -> Vec<Value> {
        let told = self.http.get("/control/calls").await.expecting(200).json();
        told["items"].as_array().expect("a list").clone()
    }
}
