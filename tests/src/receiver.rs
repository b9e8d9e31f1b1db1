//! A receiver of webhooks that the tests make: it records every delivery, verifies signatures by
//! arithmetic of its own, and answers, or fails to, exactly as it is told. What is asked of the
//! CRM's own service API it records apart; without a word to the contrary it knows nobody.

use std::{
    collections::BTreeMap,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufStream},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
};
use uuid::Uuid;

use crate::wait::within;

const PATIENCE: Duration = Duration::from_secs(90);
/// What is answered to a webhook.
const TOLD: &str = r#"{"told":"yes"}"#;

/// One delivery as it came in.
#[derive(Clone, Debug)]
pub struct Delivered {
    /// Where it was posted to.
    pub path: String,
    /// Headers by lower-case name.
    pub headers: BTreeMap<String, String>,
    /// The body, byte for byte.
    pub body: String,
    /// Whether it was answered with a success.
    pub accepted: bool,
}

/// What is answered.
#[derive(Clone, Debug)]
pub enum Reply {
    /// 200.
    Accept,
    /// 200, after a while.
    Slow(Duration),
    /// Another status, with headers.
    Status(u16, Vec<(&'static str, String)>),
    /// The connection ends without an answer.
    Drop,
    /// Bytes that are no HTTP.
    Garbage,
}

/// One request to the service API as it came in.
#[derive(Clone, Debug)]
pub struct Called {
    /// `GET`, `PATCH`, `POST`.
    pub method: String,
    /// As it was written.
    pub path: String,
    /// Headers by lower-case name.
    pub headers: BTreeMap<String, String>,
    /// The body, byte for byte.
    pub body: String,
}

/// What is answered to it.
#[derive(Clone, Debug)]
pub enum Said {
    /// A status with JSON.
    Json(u16, Value),
    /// What a receiver of webhooks may answer too.
    Other(Reply),
}

type Behaviour = Box<dyn FnMut(&Delivered) -> Reply + Send>;
type Service = Box<dyn FnMut(&Called) -> Said + Send>;

const SERVICE: &str = "/api/service/";

struct Shared {
    state: Mutex<State>,
    count: watch::Sender<usize>,
}

struct State {
    received: Vec<Delivered>,
    behaviour: Behaviour,
    calls: Vec<Called>,
    service: Service,
}

/// The receiver. Dropping it closes every connection.
pub struct Receiver {
    shared: Arc<Shared>,
    address: SocketAddr,
    _tasks: JoinSet<()>,
}

impl Delivered {
    /// The body as JSON.
    ///
    /// # Panics
    /// When it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("a body is JSON")
    }

    /// The identifier.
    #[must_use]
    pub fn id(&self) -> Uuid {
        self.json()["id"]
            .as_str()
            .and_then(|text| text.parse().ok())
            .expect("a webhook has an id")
    }

    /// The name.
    #[must_use]
    pub fn event(&self) -> String {
        self.json()["event"].as_str().expect("a name").to_owned()
    }

    /// The client.
    #[must_use]
    pub fn client(&self) -> String {
        let json = self.json();
        json["data"]["clientId"]
            .as_str()
            .expect("a client")
            .to_owned()
    }

    /// Its place within the client.
    #[must_use]
    pub fn client_number(&self) -> i64 {
        self.json()["clientNumber"].as_i64().expect("a number")
    }

    /// Asserts that both schemes sign the body with `secret`, in `place` (0: the current one).
    ///
    /// # Panics
    /// When they do not.
    pub fn assert_signed(&self, secret: &str, place: usize) {
        let header = |name: &str| self.headers.get(name).map_or("", String::as_str);
        let names = ["x-webhook-signature", "x-webhook-signature-previous"];
        let plain = hex::encode(hmac(secret.as_bytes(), &self.body));
        assert_eq!(header(names[place]), plain, "{}", names[place]);
        let key = match secret.strip_prefix("whsec_") {
            Some(encoded) => STANDARD.decode(encoded).expect("the tests' own secret"),
            None => secret.as_bytes().to_vec(),
        };
        let (id, timestamp) = (header("webhook-id"), header("webhook-timestamp"));
        assert_eq!(id, self.id().to_string());
        let signed = hmac(&key, &format!("{id}.{timestamp}.{}", self.body));
        let expected = format!("v1,{}", STANDARD.encode(signed));
        let found = header("webhook-signature").split(' ').nth(place);
        assert_eq!(found, Some(expected.as_str()));
    }
}

fn hmac(key: &[u8], message: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any length is a key");
    mac.update(message.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

impl Receiver {
    /// Starts one that accepts everything.
    ///
    /// # Panics
    /// When no port is free.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound address");
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                received: Vec::new(),
                behaviour: Box::new(|_| Reply::Accept),
                calls: Vec::new(),
                service: Box::new(|_| Said::Json(404, json!({ "error": "nobody" }))),
            }),
            count: watch::channel(0).0,
        });
        let mut tasks = JoinSet::new();
        let accepting = Arc::clone(&shared);
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                if let Ok((stream, _)) = listener.accept().await {
                    let shared = Arc::clone(&accepting);
                    connections.spawn(async move {
                        // The program may be killed in the middle of a request.
                        let _ended = converse(stream, &shared).await;
                    });
                }
                while connections.try_join_next().is_some() {}
            }
        });
        Self {
            shared,
            address,
            _tasks: tasks,
        }
    }

    /// For `CRM_BASE_URL`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Answers like this from now on.
    pub fn behave(&self, behaviour: impl FnMut(&Delivered) -> Reply + Send + 'static) {
        self.state().behaviour = Box::new(behaviour);
    }

    /// Accepts everything from now on.
    pub fn accept(&self) {
        self.behave(|_| Reply::Accept);
    }

    /// Serves its service API like this from now on.
    pub fn serve(&self, service: impl FnMut(&Called) -> Said + Send + 'static) {
        self.state().service = Box::new(service);
    }

    /// Everything asked of the service API, in order of arrival.
    #[must_use]
    pub fn calls(&self) -> Vec<Called> {
        self.state().calls.clone()
    }

    /// Waits until something fits what was asked of the service API.
    pub async fn until_called<T>(&self, what: &str, look: impl Fn(&[Called]) -> Option<T>) -> T {
        within(PATIENCE, what, || async { look(&self.calls()) }).await
    }

    /// Everything received, in order of arrival.
    #[must_use]
    pub fn all(&self) -> Vec<Delivered> {
        self.state().received.clone()
    }

    /// What was received and accepted.
    #[must_use]
    pub fn accepted(&self) -> Vec<Delivered> {
        let mut all = self.all();
        all.retain(|one| one.accepted);
        all
    }

    /// How many were received.
    #[must_use]
    pub fn count(&self) -> usize {
        *self.shared.count.borrow()
    }

    /// Told at each delivery.
    #[must_use]
    pub fn counting(&self) -> watch::Receiver<usize> {
        self.shared.count.subscribe()
    }

    /// Waits until something fits what was received.
    pub async fn until<T>(&self, what: &str, look: impl Fn(&[Delivered]) -> Option<T>) -> T {
        within(PATIENCE, what, || async { look(&self.all()) }).await
    }

    /// Waits until so many different webhooks were accepted, and returns the first of each.
    pub async fn distinct(&self, many: usize) -> Vec<Delivered> {
        self.until(&format!("{many} webhooks"), |all| {
            let mut seen = std::collections::BTreeSet::new();
            let mut firsts: Vec<_> = all.iter().filter(|one| one.accepted).cloned().collect();
            firsts.retain(|one| seen.insert(one.id()));
            (firsts.len() >= many).then_some(firsts)
        })
        .await
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared
            .state
            .lock()
            .expect("no holder of this lock panics")
    }
}

async fn converse(stream: TcpStream, shared: &Shared) -> io::Result<()> {
    let mut stream = BufStream::new(stream);
    while let Some(request) = read(&mut stream).await? {
        let (reply, body) = if request.path.starts_with(SERVICE) {
            match serve(shared, request) {
                Said::Json(status, json) => (Reply::Status(status, vec![]), json.to_string()),
                Said::Other(reply) => (reply, TOLD.to_owned()),
            }
        } else {
            (receive(shared, request), TOLD.to_owned())
        };
        let (status, headers) = match reply {
            Reply::Accept => (200, Vec::new()),
            Reply::Slow(delay) => {
                tokio::time::sleep(delay).await;
                (200, Vec::new())
            }
            Reply::Status(status, headers) => (status, headers),
            Reply::Drop => return Ok(()),
            Reply::Garbage => {
                stream.write_all(b"\x01\x02garbage\r\n\r\n").await?;
                return stream.flush().await;
            }
        };
        let headers: String = headers
            .iter()
            .map(|(name, value)| format!("{name}: {value}\r\n"))
            .collect();
        let length = body.len();
        let answer =
            format!("HTTP/1.1 {status} -\r\n{headers}content-length: {length}\r\n\r\n{body}");
        stream.write_all(answer.as_bytes()).await?;
        stream.flush().await?;
    }
    Ok(())
}

fn serve(shared: &Shared, called: Called) -> Said {
    let mut state = shared.state.lock().expect("no holder of this lock panics");
    let said = (state.service)(&called);
    state.calls.push(called);
    said
}

fn receive(shared: &Shared, request: Called) -> Reply {
    let mut delivered = Delivered {
        path: request.path,
        headers: request.headers,
        body: request.body,
        accepted: false,
    };
    let mut state = shared.state.lock().expect("no holder of this lock panics");
    let reply = (state.behaviour)(&delivered);
    delivered.accepted = matches!(reply, Reply::Accept | Reply::Slow(_));
    state.received.push(delivered);
    drop(state);
    shared.count.send_modify(|count| *count += 1);
    reply
}

/// The next request; none at the end of the connection.
async fn read(stream: &mut BufStream<TcpStream>) -> io::Result<Option<Called>> {
    let mut line = String::new();
    if stream.read_line(&mut line).await? == 0 {
        return Ok(None);
    }
    let mut words = line.split(' ').map(str::to_owned);
    let (method, path) = (words.next().unwrap_or_default(), words.next());
    let path = path.unwrap_or_default();
    let mut headers = BTreeMap::new();
    loop {
        line.clear();
        stream.read_line(&mut line).await?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        headers.insert(name.to_lowercase(), value.trim().to_owned());
    }
    let length = headers
        .get("content-length")
        .and_then(|text: &String| text.parse().ok())
        .unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    Ok(Some(Called {
        method,
        path,
        headers,
        body: String::from_utf8(body).map_err(io::Error::other)?,
    }))
}
