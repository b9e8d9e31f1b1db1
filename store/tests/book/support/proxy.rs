//! A proxy in front of Postgres that loses what it is told to lose.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicU64, Ordering},
    },
    time::Duration,
};

use sqlx::postgres::PgConnectOptions;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpStream, UnixListener, UnixStream},
    task::{JoinHandle, JoinSet},
};
use uuid::Uuid;

/// What happens to the next thing of its kind that passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Fault {
    /// Everything passes.
    None,
    /// The server hears the next append, but its answer is lost and the connection with it.
    LoseAnswer,
    /// The next append is lost on its way to the server, and the connection with it.
    LoseRequest,
    /// Nothing passes in either direction; connections stay open.
    Freeze,
    /// Every connection is cut, new ones too.
    Away,
}

impl Fault {
    fn from_u8(value: u8) -> Self {
        [
            Self::None,
            Self::LoseAnswer,
            Self::LoseRequest,
            Self::Freeze,
            Self::Away,
        ][usize::from(value)]
    }
}

#[derive(Default)]
struct Shared {
    fault: AtomicU8,
    answers_lost: AtomicU64,
    requests_lost: AtomicU64,
}

/// Listens on a Unix socket of its own; ends with its handle.
pub struct Proxy {
    shared: Arc<Shared>,
    options: PgConnectOptions,
    directory: PathBuf,
    task: JoinHandle<()>,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
        let _gone = std::fs::remove_dir_all(&self.directory);
    }
}

impl Proxy {
    pub async fn start(upstream: &PgConnectOptions) -> Self {
        let directory = PathBuf::from(format!("/tmp/daybook-proxy-{}", Uuid::now_v7().simple()));
        std::fs::create_dir(&directory).unwrap();
        let socket = directory.join(format!(".s.PGSQL.{}", upstream.get_port()));
        let listener = UnixListener::bind(socket).unwrap();
        let shared = Arc::new(Shared::default());
        let options = upstream.clone().socket(&directory);
        let task = tokio::spawn(accept(listener, Upstream::of(upstream), shared.clone()));
        Self {
            shared,
            options,
            directory,
            task,
        }
    }

    /// How to connect through it.
    pub fn options(&self) -> PgConnectOptions {
        self.options.clone()
    }

    pub fn set(&self, fault: Fault) {
        self.shared.fault.store(fault as u8, Ordering::SeqCst);
    }

    /// None again, once a `Lose…` has struck.
    pub fn fault(&self) -> Fault {
        self.shared.fault()
    }

    pub fn answers_lost(&self) -> u64 {
        self.shared.answers_lost.load(Ordering::SeqCst)
    }

    pub fn requests_lost(&self) -> u64 {
        self.shared.requests_lost.load(Ordering::SeqCst)
    }
}

impl Shared {
    fn fault(&self) -> Fault {
        Fault::from_u8(self.fault.load(Ordering::SeqCst))
    }

    /// Strikes once.
    fn take(&self, fault: Fault, count: &AtomicU64) -> bool {
        let (from, to) = (fault as u8, Fault::None as u8);
        let struck = self
            .fault
            .compare_exchange(from, to, Ordering::SeqCst, Ordering::SeqCst)
            .is_ok();
        if struck {
            count.fetch_add(1, Ordering::SeqCst);
        }
        struck
    }

    /// Waits out a freeze; false when everything is cut.
    async fn passes(&self) -> bool {
        while self.fault() == Fault::Freeze {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        self.fault() != Fault::Away
    }

    async fn cut(&self) {
        while self.fault() != Fault::Away {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

#[derive(Clone)]
enum Upstream {
    Unix(PathBuf),
    Tcp(String, u16),
}

impl Upstream {
    fn of(options: &PgConnectOptions) -> Self {
        match options.get_socket() {
            Some(directory) => {
                Self::Unix(directory.join(format!(".s.PGSQL.{}", options.get_port())))
            }
            None => Self::Tcp(options.get_host().to_owned(), options.get_port()),
        }
    }
}

async fn accept(listener: UnixListener, upstream: Upstream, shared: Arc<Shared>) {
    let mut sessions = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        if !shared.passes().await {
            continue;
        }
        let shared = shared.clone();
        match upstream.clone() {
            Upstream::Unix(path) => {
                let server = UnixStream::connect(path).await.unwrap();
                sessions.spawn(session(client, server, shared));
            }
            Upstream::Tcp(host, port) => {
                let server = TcpStream::connect((host, port)).await.unwrap();
                sessions.spawn(session(client, server, shared));
            }
        }
    }
}

/// Until either side closes or a fault cuts it; dropping both ends closes them.
async fn session<S>(client: UnixStream, server: S, shared: Arc<Shared>)
where
    S: AsyncRead + AsyncWrite + Send + 'static,
{
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = tokio::io::split(server);
    let appending = AtomicU8::new(0);
    tokio::select! {
        () = requests(from_client, to_server, &shared, &appending) => {}
        () = answers(from_server, to_client, &shared, &appending) => {}
        () = shared.cut() => {}
    }
}

/// The writer's appends are told from everything else by what only they carry: events are sent
/// in arrays, and the test's events say `Noted`.
fn is_append(bytes: &[u8]) -> bool {
    bytes.windows(10).any(|window| window == b"{\"Noted\":{")
}

async fn requests(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    shared: &Shared,
    appending: &AtomicU8,
) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        if !shared.passes().await {
            return;
        }
        if is_append(&buffer[..length]) {
            if shared.take(Fault::LoseRequest, &shared.requests_lost) {
                return;
            }
            appending.store(1, Ordering::SeqCst);
        }
        if to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}

async fn answers(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    shared: &Shared,
    appending: &AtomicU8,
) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        if !shared.passes().await {
            return;
        }
        // The answer has been made when the server speaks after an append.
        if appending.swap(0, Ordering::SeqCst) == 1
            && shared.take(Fault::LoseAnswer, &shared.answers_lost)
        {
            return;
        }
        if to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}
