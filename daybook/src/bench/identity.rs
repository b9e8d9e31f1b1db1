//! Sign-ins and refreshes of the whole program over HTTP, and what a flood of sign-ins costs those
//! who trade.

use std::{
    net::{Ipv4Addr, TcpListener},
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use reqwest::{Client, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use tokio::{
    process::{Child, Command},
    sync::Mutex,
};
use uuid::Uuid;

use super::{
    measure::{Done, Measured, Operation, closed_loop, paced},
    report::Report,
};

const PASSWORD: &str = "tuesday kettle nine marbles";
const CLIENTS: usize = 16;
const CALLERS: usize = 8;
const FOR: Duration = Duration::from_secs(10);
const ORDERS_PER_SECOND: f64 = 50.0;
/// More than the machine can check.
const FLOOD_PER_SECOND: f64 = 200.0;
const START_MAX: Duration = Duration::from_secs(60);

/// Measures.
///
/// # Errors
/// When the program does not start, or answers what it should not.
pub async fn run() -> anyhow::Result<Report> {
    let served = Served::start().await?;
    let people = served.people().await?;
    let mut report = Report::default();
    let sign_ins = closed_loop(CALLERS, FOR, served.sign_in(&people)).await?;
    report.line("sign-ins: Argon2id, a session, an event", sign_ins);
    let refreshes = closed_loop(CALLERS, FOR, served.refresh(&people)).await?;
    report.line("refreshes of sessions", refreshes);
    let calm = paced(ORDERS_PER_SECOND, FOR, served.order(&people)).await?;
    report.line("orders, nobody signs in", calm);
    let flood = tokio::spawn(paced(FLOOD_PER_SECOND, FOR, served.sign_in(&people)));
    let beside = paced(ORDERS_PER_SECOND, FOR, served.order(&people)).await?;
    report.line("orders, 200 sign-ins a second asked for", beside);
    report.line("those sign-ins", flood.await??);
    let rise = |of: fn(&Measured) -> u64| (of(&beside) as f64 - of(&calm) as f64) / 1e3;
    report.at_most(
        "rise of an order's p99 by the flood",
        rise(|m| m.p99_us),
        20.0,
        "ms",
    );
    report.figure("rise of an order's median", rise(|m| m.p50_us), "ms");
    Ok(report)
}

/// The program under test, as a process of its own with a database of its own.
struct Served {
    base: String,
    http: Client,
    directory: PathBuf,
    process: Child,
}

/// Somebody with a session.
struct Person {
    email: String,
    access: String,
    refresh: Mutex<String>,
}

impl Served {
    async fn start() -> anyhow::Result<Self> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
            .local_addr()?
            .port();
        let name = format!("daybook-bench-{}", Uuid::now_v7());
        let directory = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&directory)?;
        let mut command = Command::new(std::env::current_exe()?);
        command
            .arg("serve")
            .env("DAYBOOK_DATA_DIR", &directory)
            .env("DAYBOOK_LISTEN", format!("127.0.0.1:{port}"))
            .env("DAYBOOK_METRICS_LISTEN", "")
            .env("DAYBOOK_LOG", "error")
            .env_remove("DATABASE_URL")
            .kill_on_drop(true);
        for limit in [
            "RATE_LIMIT_MAX",
            "RATE_LIMIT_AUTH_MAX",
            "RATE_LIMIT_ORDERS_MAX",
        ] {
            command.env(limit, "off");
        }
        let process = command.spawn().context("starting the program")?;
        let served = Self {
            base: format!("http://127.0.0.1:{port}"),
            http: Client::new(),
            directory,
            process,
        };
        let began = Instant::now();
        loop {
            let ready = served.http.get(format!("{}/health/ready", served.base));
            if ready
                .send()
                .await
                .is_ok_and(|answer| answer.status().is_success())
            {
                return Ok(served);
            }
            anyhow::ensure!(
                began.elapsed() < START_MAX,
                "the program does not get ready"
            );
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    fn post(&self, path: &str, body: &Value) -> RequestBuilder {
        self.http.post(format!("{}{path}", self.base)).json(body)
    }

    async fn people(&self) -> anyhow::Result<Arc<Vec<Person>>> {
        let mut people = Vec::new();
        for number in 0..CLIENTS {
            let email = format!("bench-{number}@example.test");
            let registration = json!({
                "email": email, "password": PASSWORD, "firstName": "Ada", "lastName": "Lovelace",
            });
            let registered = self.post("/auth/register", &registration).send().await?;
            anyhow::ensure!(
                registered.status() == StatusCode::CREATED,
                "a client is refused"
            );
            let login = json!({ "email": email, "password": PASSWORD });
            let session = self.post("/auth/login", &login).send().await?;
            let session: Value = session.error_for_status()?.json().await?;
            let text = |field: &str| session[field].as_str().unwrap_or_default().to_owned();
            people.push(Person {
                email,
                access: text("accessToken"),
                refresh: Mutex::new(text("refreshToken")),
            });
        }
        Ok(Arc::new(people))
    }

    fn sign_in(&self, people: &Arc<Vec<Person>>) -> impl Asked + use<> {
        let (http, url) = (self.http.clone(), format!("{}/auth/login", self.base));
        let people = Arc::clone(people);
        move |_, number| {
            let person = pick(&people, number);
            let body = json!({ "email": people[person].email, "password": PASSWORD });
            let request = http.post(&url).json(&body);
            Box::pin(async move { outcome(request.send().await?.status()) })
        }
    }

    fn refresh(&self, people: &Arc<Vec<Person>>) -> impl Asked + use<> {
        let (http, url) = (self.http.clone(), format!("{}/auth/refresh", self.base));
        let people = Arc::clone(people);
        move |caller, _| {
            let (http, url, people) = (http.clone(), url.clone(), Arc::clone(&people));
            Box::pin(async move {
                // One at a time: a session has one newest token.
                let mut token = people[caller % CLIENTS].refresh.lock().await;
                let body = json!({ "refreshToken": *token });
                let answer = http.post(&url).json(&body).send().await?;
                let status = answer.status();
                let session: Value = answer.json().await?;
                if let Some(next) = session["refreshToken"].as_str() {
                    next.clone_into(&mut token);
                }
                outcome(status)
            })
        }
    }

    /// A limit order far from the market: accepted, durable, and nothing else happens.
    fn order(&self, people: &Arc<Vec<Person>>) -> impl Asked + use<> {
        let (http, url) = (self.http.clone(), format!("{}/trading/order", self.base));
        let people = Arc::clone(people);
        move |_, number| {
            let person = &people[pick(&people, number)];
            let body = json!({
                "symbol": "EURUSD", "side": "buy", "type": "limit", "volume": "0.01",
                "limitPrice": "0.50000", "timeInForce": "gtc",
            });
            let request = http.post(&url).bearer_auth(&person.access).json(&body);
            Box::pin(async move { outcome(request.send().await?.status()) })
        }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        if let Err(error) = self.process.start_kill() {
            tracing::warn!(%error, "the program under test could not be ended");
        }
        // Its Postgres follows it in a moment.
        std::thread::sleep(Duration::from_secs(1));
        if let Err(error) = std::fs::remove_dir_all(&self.directory) {
            tracing::warn!(%error, dir = %self.directory.display(), "benchmark directory left");
        }
    }
}

type Answering = std::pin::Pin<Box<dyn Future<Output = Operation> + Send>>;

/// What the loops run.
trait Asked: Fn(usize, u64) -> Answering + Clone + Send + 'static {}

impl<F: Fn(usize, u64) -> Answering + Clone + Send + 'static> Asked for F {}

fn pick(people: &[Person], number: u64) -> usize {
    usize::try_from(number).unwrap_or_default() % people.len()
}

fn outcome(status: StatusCode) -> Operation {
    if status.is_success() {
        Ok(Done::Accepted)
    } else if status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS {
        anyhow::bail!("an answer that does not fit: {status}")
    } else {
        Ok(Done::Refused)
    }
}
