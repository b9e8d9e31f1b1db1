//! A CRM that receives webhooks and offers a service API: for trying things out, and for
//! benchmarks. It verifies, remembers, and fails in every way it is told to.
//!
//! It speaks HTTP by hand, because failing includes answers that no HTTP library would send.

mod clients;
mod fault;
mod http;
mod service;
mod sso;

use std::{
    collections::{HashSet, VecDeque},
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use chrono::Utc;
use daybook_projections::crm::verify;
use secrecy::SecretString;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, AsyncWrite, BufStream},
    net::TcpListener,
    sync::mpsc,
    task::JoinHandle,
};

use clients::Clients;
use fault::{Fault, Kind};
use http::{Request, read_request, write_answer};
use service::Call;

/// What is remembered at most, for `/control/received`.
const REMEMBERED_MAX: usize = 10_000;

/// One delivery as it came in.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Received {
    /// When.
    pub at: chrono::DateTime<Utc>,
    /// `webhook-id`.
    pub id: String,
    /// Whether it came before.
    pub again: bool,
    /// `verified`, or what is wrong with its signatures.
    pub signature: String,
    /// What was answered; null: nothing.
    pub answered: Option<u16>,
    /// The body; text where it is no JSON.
    pub body: Value,
}

/// The running receiver. Dropping it ends it.
pub struct Receiver {
    address: SocketAddr,
    task: JoinHandle<()>,
}

/// What this CRM shares with the site. What is missing is not asked for.
#[derive(Clone, Debug, Default)]
pub struct Agreed {
    /// Signs webhooks.
    pub webhooks: Option<SecretString>,
    /// Bearer token at the service API.
    pub api_token: Option<SecretString>,
    /// Signs the tokens with which operators go to the site.
    pub sso: Option<SecretString>,
    /// Where the site is, for the addresses that operators open.
    pub site: String,
}

struct Shared {
    agreed: Agreed,
    remembered: Mutex<Memory>,
    told: mpsc::UnboundedSender<Received>,
}

#[derive(Default)]
struct Memory {
    ids: HashSet<String>,
    received: VecDeque<Received>,
    fault: Fault,
    clients: Clients,
    calls: VecDeque<Call>,
}

impl Receiver {
    /// Listens. Every webhook is told; without a secret none is verified.
    ///
    /// # Errors
    /// When the address is taken.
    pub async fn start(
        listen: SocketAddr,
        agreed: Agreed,
    ) -> io::Result<(Self, mpsc::UnboundedReceiver<Received>)> {
        let listener = TcpListener::bind(listen).await?;
        let address = listener.local_addr()?;
        let (told, received) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            agreed,
            remembered: Mutex::default(),
            told,
        });
        let task = tokio::spawn(accept(listener, shared));
        Ok((Self { address, task }, received))
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                // Small answers, soon.
                let _slower = stream.set_nodelay(true);
                let shared = Arc::clone(&shared);
                tokio::spawn(async move {
                    // A sender that goes away in the middle is no news.
                    let _ended = converse(BufStream::new(stream), &shared).await;
                });
            }
            Err(error) => {
                tracing::warn!(%error, "accepting a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

async fn converse<S>(mut stream: BufStream<S>, shared: &Shared) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    while let Some(request) = read_request(&mut stream).await? {
        if request.path.starts_with("/control/") {
            let (status, body) = control(shared, &request);
            write_answer(&mut stream, status, &[], &body.to_string()).await?;
            continue;
        }
        let fault = shared.memory().fault.next(&request);
        if let Some(delay) = fault.delay() {
            tokio::time::sleep(delay).await;
        }
        let answer = fault.answer();
        if service::is_meant(&request) {
            let (status, body) = if fault.fails() {
                (answer.status, answer.body.to_owned())
            } else {
                let (status, body) = shared.serve(&request);
                (Some(status), body.to_string())
            };
            shared.note_call(&request, status);
            if let Some(status) = status {
                write_answer(&mut stream, status, &answer.headers, &body).await?;
                continue;
            }
        } else {
            shared.remember(&request, answer.status);
        }
        match answer.status {
            Some(status) => {
                write_answer(&mut stream, status, &answer.headers, answer.body).await?;
            }
            None => {
                use tokio::io::AsyncWriteExt as _;
                stream.write_all(answer.body.as_bytes()).await?;
                stream.flush().await?;
                return Ok(());
            }
        }
    }
    Ok(())
}

impl Shared {
    fn memory(&self) -> MutexGuard<'_, Memory> {
        // A panic elsewhere leaves a list of deliveries as good as it was.
        self.remembered
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn remember(&self, request: &Request, answered: Option<u16>) {
        let header = |name: &str| request.headers.get(name).map(String::as_str);
        let signature = match &self.agreed.webhooks {
            None => "not verified".to_owned(),
            Some(secret) => match verify(secret, header, &request.body, Utc::now().timestamp()) {
                Ok(()) => "verified".to_owned(),
                Err(error) => error.to_string(),
            },
        };
        let body = serde_json::from_str(&request.body);
        let mut received = Received {
            at: Utc::now(),
            id: header("webhook-id").unwrap_or_default().to_owned(),
            again: false,
            signature,
            answered,
            body: body.unwrap_or_else(|_| request.body.clone().into()),
        };
        let mut memory = self.memory();
        received.again = !memory.ids.insert(received.id.clone());
        if memory.received.len() >= REMEMBERED_MAX {
            memory.received.pop_front();
        }
        memory.received.push_back(received.clone());
        // Whoever listened has gone: it is remembered all the same.
        let _unheard = self.told.send(received);
    }
}

/// What is switched, put in and looked at by whoever tries things out.
fn control(shared: &Shared, request: &Request) -> (u16, Value) {
    if request.path == "/control/sso" {
        return sso::control(&shared.agreed, request);
    }
    let mut memory = shared.memory();
    match (request.method.as_str(), request.path.as_str()) {
        ("GET", "/control/fault") => (200, json!(memory.fault)),
        ("POST", "/control/fault") => match serde_json::from_str::<Fault>(&request.body) {
            Ok(fault) => {
                memory.fault = fault;
                (200, json!(memory.fault))
            }
            Err(error) => {
                let kinds: Vec<Value> = Kind::ALL.iter().map(|kind| json!(kind)).collect();
                (400, json!({ "error": error.to_string(), "faults": kinds }))
            }
        },
        ("GET", "/control/received") => (200, json!({ "items": memory.received })),
        ("DELETE", "/control/received") => {
            memory.received.clear();
            memory.ids.clear();
            (200, json!({ "items": [] }))
        }
        ("GET", "/control/calls") => (200, json!({ "items": memory.calls })),
        ("DELETE", "/control/calls") => {
            memory.calls.clear();
            (200, json!({ "items": [] }))
        }
        ("GET", "/control/clients") => (200, json!({ "items": memory.clients.all() })),
        ("POST", "/control/clients") => memory.clients.put(&request.body),
        ("DELETE", "/control/clients") => {
            memory.clients = Clients::default();
            (200, json!({ "items": [] }))
        }
        _ => (404, json!({ "error": "there is no such control" })),
    }
}
