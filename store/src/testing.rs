//! Throw-away databases on a real Postgres, for tests alone.
//!
//! One volatile cluster per test process, in a directory of its own under the temporary one, gone
//! with the process however that ends; or, where [`SERVER`] names a running server, databases on
//! that one. Each [`TestDatabase`] is a fresh, empty database.

#![allow(
    clippy::missing_panics_doc,
    reason = "a test that cannot get its database has failed, and panicking is how it says so"
)]

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use sqlx::{Connection, PgConnection, PgPool, postgres::PgConnectOptions};
use tokio::sync::OnceCell;

use crate::{
    cluster::{Cluster, ClusterConfig, Durability},
    keys::MasterKey,
    store::{Store, StoreConfig},
};

/// Environment variable with the URL of a running throw-away server to share between processes.
pub const SERVER: &str = "DAYBOOK_TEST_POSTGRES";
/// The master key of [`TestDatabase::store`].
pub const MASTER_KEY: &str = "a master key for tests alone";

static SERVER_OF_PROCESS: OnceCell<Server> = OnceCell::const_new();
static NEXT_DATABASE: AtomicU64 = AtomicU64::new(1);

/// A fresh database.
#[derive(Clone, Debug)]
pub struct TestDatabase {
    url: String,
    options: PgConnectOptions,
}

impl TestDatabase {
    /// A fresh, empty database.
    pub async fn start() -> Self {
        let server = SERVER_OF_PROCESS.get_or_init(Server::find).await;
        server.create_database().await
    }

    /// How to connect.
    #[must_use]
    pub fn options(&self) -> PgConnectOptions {
        self.options.clone()
    }

    /// How to connect, as `DATABASE_URL` of another process.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A pool of plain connections.
    pub async fn pool(&self) -> PgPool {
        PgPool::connect_with(self.options())
            .await
            .expect("connecting to the test database")
    }

    /// The book on it: connected, not migrated.
    pub async fn connect_store(&self) -> Store {
        let config = StoreConfig {
            options: self.options(),
            connections_max: 8,
            master_key: MasterKey::parse(MASTER_KEY).expect("a usable master key"),
        };
        Store::connect(config)
            .await
            .expect("connecting the store to the test database")
    }

    /// The book on it: connected and migrated.
    pub async fn store(&self) -> Store {
        let store = self.connect_store().await;
        store.migrate().await.expect("migrating the test database");
        store
    }
}

/// A cluster of its own in a directory of its own: for tests that stop or kill the server itself.
#[derive(Debug)]
pub struct TestCluster {
    /// The server; none while it is stopped by the test.
    pub cluster: Option<Cluster>,
    /// What it was started from, to start it again.
    pub config: ClusterConfig,
    _reaper: Reaper,
}

impl TestCluster {
    /// Starts one. Blocks.
    #[must_use]
    pub fn start(durability: Durability) -> Self {
        let dir = scratch_dir();
        let mut config = ClusterConfig::new(&dir);
        config.durability = durability;
        config.connections_max = 200;
        config.start_timeout = Duration::from_secs(120);
        let reaper = Reaper::watch(&dir);
        let cluster = Cluster::start(&config).expect("starting a test cluster");
        Self {
            cluster: Some(cluster),
            config,
            _reaper: reaper,
        }
    }
}

#[derive(Debug)]
enum Server {
    Own(TestCluster),
    Shared(PgConnectOptions, String),
}

impl Server {
    async fn find() -> Self {
        if let Ok(url) = std::env::var(SERVER) {
            let options = url
                .parse()
                .expect("DAYBOOK_TEST_POSTGRES is a Postgres URL");
            return Self::Shared(options, url);
        }
        let started = tokio::task::spawn_blocking(|| TestCluster::start(Durability::Volatile));
        Self::Own(started.await.expect("starting a test cluster"))
    }

    fn url(&self, database: &str) -> String {
        match self {
            Self::Own(own) => own
                .cluster
                .as_ref()
                .expect("invariant: the shared test cluster is never stopped")
                .url(database),
            Self::Shared(_, url) => with_database(url, database),
        }
    }

    fn maintenance(&self) -> PgConnectOptions {
        match self {
            Self::Own(_) => self.url("postgres").parse().expect("a URL made here"),
            Self::Shared(options, _) => options.clone(),
        }
    }

    async fn create_database(&self) -> TestDatabase {
        let number = NEXT_DATABASE.fetch_add(1, Ordering::Relaxed);
        let name = format!("test_{}_{number}", std::process::id());
        let mut connection = PgConnection::connect_with(&self.maintenance())
            .await
            .expect("connecting to the test server");
        // A shared server may remember a process that had the same number.
        for statement in [
            format!("drop database if exists {name} with (force)"),
            format!("create database {name}"),
        ] {
            sqlx::query(&statement)
                .execute(&mut connection)
                .await
                .expect("creating a test database");
        }
        connection.close().await.expect("leaving the test server");
        let url = self.url(&name);
        TestDatabase {
            options: url.parse().expect("a URL made here"),
            url,
        }
    }
}

/// Replaces the path of a URL: `postgres://user@host:5432/postgres?host=…`.
fn with_database(url: &str, database: &str) -> String {
    let (start, query) = match url.split_once('?') {
        Some((start, query)) => (start, format!("?{query}")),
        None => (url, String::new()),
    };
    let authority = start.find("://").map_or(0, |at| at + 3);
    let path = start[authority..]
        .find('/')
        .map_or(start.len(), |at| authority + at);
    format!("{}/{database}{query}", &start[..path])
}

fn scratch_dir() -> PathBuf {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let name = format!("daybook-test-{}-{number}", std::process::id());
    // Not the configured temporary directory: the server's own user must be able to get there.
    let dir = Path::new("/tmp").join(name);
    if dir.exists() {
        std::fs::remove_dir_all(&dir).expect("removing what a process of the same number left");
    }
    std::fs::create_dir_all(&dir).expect("creating a directory under /tmp");
    dir
}

/// Removes a directory when this process has ended, even by `kill -9`: a shell that waits for the
/// end of its input, which only our end brings.
#[derive(Debug)]
struct Reaper {
    child: Child,
}

impl Reaper {
    const SCRIPT: &'static str = r#"
        trap '' INT TERM HUP
        cat > /dev/null
        pid=$(head -n 1 "$1/cluster/postmaster.pid" 2> /dev/null)
        if [ -n "$pid" ]; then
            kill -QUIT "$pid" 2> /dev/null
            tries=0
            while kill -0 "$pid" 2> /dev/null && [ $tries -lt 100 ]; do
                sleep 0.1
                tries=$((tries + 1))
            done
        fi
        rm -rf "$1"
    "#;

    fn watch(dir: &Path) -> Self {
        use std::os::unix::process::CommandExt;

        let child = Command::new("sh")
            .args(["-c", Self::SCRIPT, "reaper"])
            .arg(dir)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .expect("starting sh");
        Self { child }
    }
}

impl Drop for Reaper {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        // The directory's removal needs no wait, but a zombie needs its parent.
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_database_of_a_url_is_replaced_and_the_rest_is_kept() {
        for (url, expected) in [
            (
                "postgres://u@h:5432/postgres?host=%2Ftmp%2Fx",
                "postgres://u@h:5432/t?host=%2Ftmp%2Fx",
            ),
            ("postgres://u:p@h:5432/postgres", "postgres://u:p@h:5432/t"),
            ("postgres://h", "postgres://h/t"),
        ] {
            assert_eq!(with_database(url, "t"), expected);
        }
    }
}
