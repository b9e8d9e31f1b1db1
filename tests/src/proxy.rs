//! A Postgres in between that loses what it is told to lose: it relays every connection, knows an
//! append when it sees one, and cuts the writer's connection around it.

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::body::Bytes;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, UnixStream},
    task::JoinSet,
};

/// When the connection of the next append is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// The server never gets the append.
    Before,
    /// The server gets it; whether it commits before it notices is its own affair.
    During,
    /// The server has committed and said so; the writer never hears it.
    After,
}

/// The relay. Dropping it cuts every connection.
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    _tasks: JoinSet<()>,
}

struct Shared {
    socket: PathBuf,
    armed: Mutex<Option<Cut>>,
    struck: AtomicUsize,
}

impl Shared {
    /// Disarms, and says what was armed.
    fn strike(&self) -> Option<Cut> {
        let cut = self.armed.lock().expect("no holder panics").take()?;
        self.struck.fetch_add(1, Ordering::AcqRel);
        Some(cut)
    }
}

impl Proxy {
    /// Relays to the Postgres whose Unix socket is in `socket_dir`.
    ///
    /// # Panics
    /// When no port is free.
    pub async fn start(socket_dir: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound address");
        let shared = Arc::new(Shared {
            socket: socket_dir.join(".s.PGSQL.5432"),
            armed: Mutex::new(None),
            struck: AtomicUsize::new(0),
        });
        let accepting = Arc::clone(&shared);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let shared = Arc::clone(&accepting);
                connections.spawn(async move {
                    if let Ok(server) = UnixStream::connect(&shared.socket).await {
                        let _cut_or_closed = Relay::new(shared, client, server).run().await;
                    }
                });
            }
        });
        Self {
            address,
            shared,
            _tasks: tasks,
        }
    }

    /// For `DATABASE_URL`.
    #[must_use]
    pub fn url(&self, user: &str, database: &str) -> String {
        format!(
            "postgres://{user}@{}/{database}?sslmode=disable",
            self.address
        )
    }

    /// Cuts the connection of the next append.
    ///
    /// # Panics
    /// Never in practice.
    pub fn arm(&self, cut: Cut) {
        *self.shared.armed.lock().expect("no holder panics") = Some(cut);
    }

    /// How many appends were cut so far.
    #[must_use]
    pub fn struck(&self) -> usize {
        self.shared.struck.load(Ordering::Acquire)
    }
}

/// One relayed connection.
struct Relay {
    shared: Arc<Shared>,
    client: TcpStream,
    server: UnixStream,
    started: bool,
    /// Names of the prepared statements that append.
    appends: BTreeSet<Vec<u8>>,
    /// An append is bound and not yet synced.
    bound: bool,
}

impl Relay {
    fn new(shared: Arc<Shared>, client: TcpStream, server: UnixStream) -> Self {
        Self {
            shared,
            client,
            server,
            started: false,
            appends: BTreeSet::new(),
            bound: false,
        }
    }

    async fn run(mut self) -> std::io::Result<()> {
        self.client.set_nodelay(true)?;
        let mut pending = Vec::new();
        let mut answer = vec![0; 64 * 1024];
        loop {
            tokio::select! {
                read = self.client.read_buf(&mut pending) => {
                    if read? == 0 {
                        return Ok(());
                    }
                    while let Some(frame) = self.take_frame(&mut pending) {
                        if self.forward(&frame).await? {
                            return Ok(());
                        }
                    }
                }
                read = self.server.read(&mut answer) => {
                    let length = read?;
                    if length == 0 {
                        return Ok(());
                    }
                    self.client.write_all(&answer[..length]).await?;
                }
            }
        }
    }

    /// The next whole message, as it stands on the wire. Only the first has no type byte.
    fn take_frame(&mut self, pending: &mut Vec<u8>) -> Option<Bytes> {
        let kind = usize::from(self.started);
        let length = pending.get(kind..kind + 4)?;
        let length: [u8; 4] = length.try_into().expect("four bytes");
        let whole = kind + u32::from_be_bytes(length) as usize;
        if pending.len() < whole {
            return None;
        }
        self.started = true;
        Some(pending.drain(..whole).collect())
    }

    /// Passes a message on, or cuts; true: the connection is over.
    async fn forward(&mut self, frame: &[u8]) -> std::io::Result<bool> {
        match frame.first() {
            Some(b'P') => self.note_statement(&frame[5..]),
            Some(b'B') => {
                let mut names = frame[5..].split(|byte| *byte == 0);
                let statement = names.nth(1).unwrap_or_default(); // After the portal's name.
                self.bound = self.appends.contains(statement);
            }
            Some(b'S') if self.bound => {
                self.bound = false;
                if let Some(cut) = self.shared.strike() {
                    self.strike(cut, frame).await?;
                    return Ok(true);
                }
            }
            Some(_) | None => {}
        }
        self.server.write_all(frame).await?;
        Ok(false)
    }

    /// Parse: the statement's name, then its text.
    fn note_statement(&mut self, body: &[u8]) {
        let mut parts = body.split(|byte| *byte == 0);
        let name = parts.next().unwrap_or_default().to_vec();
        let text = String::from_utf8_lossy(parts.next().unwrap_or_default()).to_lowercase();
        if text.contains("insert into public.events") || text.contains("insert into events") {
            self.appends.insert(name);
        }
    }

    async fn strike(&mut self, cut: Cut, sync: &[u8]) -> std::io::Result<()> {
        match cut {
            Cut::Before => {}
            Cut::During => self.server.write_all(sync).await?,
            Cut::After => {
                self.server.write_all(sync).await?;
                self.swallow_until_ready().await?;
            }
        }
        Ok(())
    }

    /// Reads the server's answer to its end, `ReadyForQuery`, and keeps it.
    async fn swallow_until_ready(&mut self) -> std::io::Result<()> {
        loop {
            let kind = self.server.read_u8().await?;
            let length = self.server.read_u32().await? as usize;
            let mut body = vec![0; length - 4];
            self.server.read_exact(&mut body).await?;
            if kind == b'Z' {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use daybook_store::{
        cluster::{Durability, USER},
        testing::TestCluster,
    };
    use sqlx::{Connection, Executor, PgConnection};

    use super::*;

    async fn append(url: &str) -> Result<(), sqlx::Error> {
        let mut connection = PgConnection::connect(url).await?;
        sqlx::query("insert into public.events values ($1)")
            .bind("x".repeat(100_000))
            .execute(&mut connection)
            .await
            .map(|_| ())
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn each_cut_loses_what_it_says_and_nothing_else() {
        let cluster = tokio::task::spawn_blocking(|| TestCluster::start(Durability::Volatile))
            .await
            .expect("a cluster");
        let server = cluster.cluster.as_ref().expect("it runs");
        let proxy = Proxy::start(server.socket_dir()).await;
        let url = proxy.url(USER, "postgres");
        let mut reader = PgConnection::connect(&url).await.unwrap();
        reader
            .execute("create table events (name text)")
            .await
            .unwrap();
        let mut expected = 0;
        for (cut, arrives) in [
            (None, true),
            (Some(Cut::Before), false),
            (Some(Cut::After), true),
        ] {
            if let Some(cut) = cut {
                proxy.arm(cut);
            }
            assert_eq!(append(&url).await.is_err(), cut.is_some(), "{cut:?}");
            expected += i64::from(arrives);
            let count: i64 = sqlx::query_scalar("select count(*) from events")
                .fetch_one(&mut reader)
                .await
                .unwrap();
            assert_eq!(count, expected, "{cut:?}");
        }
        assert_eq!(proxy.struck(), 2);
    }
}
