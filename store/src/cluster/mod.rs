//! A Postgres of our own: found, initialised, started, watched and stopped.
//!
//! It listens on a private Unix socket and nowhere else, runs under an unprivileged user even when
//! we are root, dies with us, and whatever is left of it after a `kill -9` is taken over cleanly.
//! The cluster's owner must hold a lock of its own on the directory: this module does not arbitrate
//! between two owners.

mod binaries;
mod keeper;
mod pid_file;
mod run_as;
mod socket;

use std::{
    io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

pub use binaries::{Binaries, MAJOR_MIN};
pub use pid_file::PidFile;
pub use run_as::RunAs;
use sqlx::{Connection, PgConnection, postgres::PgConnectOptions};
use tokio::sync::watch;

use keeper::Keeper;

/// The superuser of every cluster made here.
pub const USER: &str = "daybook";
/// The port only names the socket file: `.s.PGSQL.5432`.
pub(crate) const PORT: u16 = 5432;

/// A cluster could not be made, started or stopped.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// No usable Postgres on this machine.
    #[error(
        "no PostgreSQL {MAJOR_MIN} or newer was found in PATH, /usr/lib/postgresql, /opt or \
         Homebrew; install it (Debian: apt-get install postgresql) or set DATABASE_URL"
    )]
    NoBinaries,
    /// The data were made by another major version than those installed.
    #[error(
        "the cluster in {dir} was made by PostgreSQL {major}, which is not installed \
         (found: {found}); install that version or move the data with pg_upgrade"
    )]
    OtherMajor {
        /// Where.
        dir: PathBuf,
        /// Its version.
        major: u32,
        /// What there is.
        found: String,
    },
    /// Root drops its rights, and the other user cannot get at the directory.
    #[error(
        "{dir} cannot be reached by the user {user}, as whom Postgres runs when started by root \
         ({blocked} is closed to it)"
    )]
    Unreachable {
        /// Where.
        dir: PathBuf,
        /// As whom.
        user: String,
        /// The parent that is closed.
        blocked: PathBuf,
    },
    /// Something in the way of the socket does not belong to us.
    #[error("{0} exists and is not a private directory of this user")]
    SocketDirTaken(PathBuf),
    /// The file system refused.
    #[error("{doing} {path}")]
    Io {
        /// What was tried.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// `initdb` failed.
    #[error("initdb failed: {0}")]
    Initdb(String),
    /// Postgres ended or hung before it was ready.
    #[error("postgres did not start: {reason} (log: {log})")]
    NotStarted {
        /// Why, from its log.
        reason: String,
        /// Where more stands.
        log: PathBuf,
    },
    /// A former server on the same data does not stop.
    #[error("a former postgres (pid {0}) on the same data does not stop")]
    Orphan(u32),
    /// The first connection failed.
    #[error("connecting to the cluster")]
    Connect(#[from] sqlx::Error),
}

impl ClusterError {
    pub(crate) fn io(
        doing: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io {
            doing,
            path,
            source,
        }
    }
}

/// Whether a commit must survive a power cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Everything that makes a commit durable is on, whatever postgresql.conf says.
    Full,
    /// For tests alone: survives a killed process, not a power cut.
    Volatile,
}

/// What to start.
#[derive(Clone, Debug)]
pub struct ClusterConfig {
    /// Home of the cluster: `cluster/` (the data), `run/` (the socket), `postgres.log`.
    pub dir: PathBuf,
    /// Where to look for binaries besides the usual places.
    pub binaries_also: Vec<PathBuf>,
    /// Durable or not.
    pub durability: Durability,
    /// Connections the server accepts.
    pub connections_max: u32,
    /// How long start-up may take, crash recovery included.
    pub start_timeout: Duration,
}

impl ClusterConfig {
    /// A durable cluster in `dir` with patience for a long crash recovery.
    #[must_use]
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            binaries_also: Vec::new(),
            durability: Durability::Full,
            connections_max: 100,
            start_timeout: Duration::from_secs(300),
        }
    }

    /// Where the data are.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.dir.join("cluster")
    }

    fn log(&self) -> PathBuf {
        self.dir.join("postgres.log")
    }
}

/// A running server. Stopped when dropped.
#[derive(Debug)]
pub struct Cluster {
    keeper: Keeper,
    socket_dir: PathBuf,
    data: PathBuf,
}

impl Cluster {
    /// Makes the cluster if there is none, and starts it. Blocks: call it where that is allowed.
    ///
    /// # Errors
    /// [`ClusterError`].
    pub fn start(config: &ClusterConfig) -> Result<Self, ClusterError> {
        let run_as = RunAs::current();
        let config = &prepare_dir(config, &run_as)?;
        let data = config.data();
        let binaries = Binaries::choose(&config.binaries_also, made_by(&data)?, &run_as, &data)?;
        pid_file::end_orphan(&data)?;
        if made_by(&data)?.is_none() {
            initialise(config, &binaries, &run_as)?;
        }
        let socket_dir = socket::prepare(&config.dir, &run_as)?;
        let start = keeper::Start {
            binaries,
            run_as,
            data: data.clone(),
            socket_dir: socket_dir.clone(),
            log: config.log(),
            settings: settings(config),
            timeout: config.start_timeout,
        };
        let keeper = Keeper::start(start)?;
        Ok(Self {
            keeper,
            socket_dir,
            data,
        })
    }

    /// How to connect to one of its databases.
    #[must_use]
    pub fn options(&self, database: &str) -> PgConnectOptions {
        options(&self.socket_dir, database)
    }

    /// The same as a URL, for other processes.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        let socket = self.socket_dir.to_string_lossy().replace('/', "%2F");
        format!("postgres://{USER}@localhost:{PORT}/{database}?host={socket}")
    }

    /// Creates a database unless it is there.
    ///
    /// # Errors
    /// [`ClusterError::Connect`].
    pub async fn ensure_database(&self, name: &str) -> Result<(), ClusterError> {
        let mut connection = PgConnection::connect_with(&self.options("postgres")).await?;
        let known: bool =
            sqlx::query_scalar("select exists (select from pg_database where datname = $1)")
                .bind(name)
                .fetch_one(&mut connection)
                .await?;
        if !known {
            let quoted = name.replace('"', "\"\"");
            sqlx::query(&format!("create database \"{quoted}\""))
                .execute(&mut connection)
                .await?;
        }
        connection.close().await?;
        Ok(())
    }

    /// Directory of the socket.
    #[must_use]
    pub fn socket_dir(&self) -> &Path {
        &self.socket_dir
    }

    /// Directory of the data.
    #[must_use]
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Process id of the postmaster.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.keeper.pid()
    }

    /// Becomes some text when the server ends without having been asked to.
    #[must_use]
    pub fn ended(&self) -> watch::Receiver<Option<String>> {
        self.keeper.ended()
    }

    /// Stops the server cleanly: sessions are ended, everything is checkpointed. Blocks.
    pub fn stop(self) {
        self.keeper.stop();
    }
}

/// Options for the cluster whose socket is in `socket_dir`.
#[must_use]
pub fn options(socket_dir: &Path, database: &str) -> PgConnectOptions {
    PgConnectOptions::new_without_pgpass()
        .socket(socket_dir)
        .port(PORT)
        .username(USER)
        .database(database)
}

/// Options for a cluster that another process of ours runs in `dir`; none when none runs there.
#[must_use]
pub fn running(dir: &Path, database: &str) -> Option<PgConnectOptions> {
    let data = std::fs::canonicalize(dir).ok()?.join("cluster");
    let file = PidFile::read(&data)?;
    let usable = file.ready && pid_file::is_postgres_on(file.pid, &data);
    usable.then(|| options(&file.socket_dir, database))
}

/// Major version that made the data; none when there are no complete data.
fn made_by(data: &Path) -> Result<Option<u32>, ClusterError> {
    let path = data.join("PG_VERSION");
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(text.trim().parse().ok()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(ClusterError::io("reading", path)(error)),
    }
}

/// Makes the directory, gives it to whom the server runs as, and finds its absolute path.
fn prepare_dir(config: &ClusterConfig, run_as: &RunAs) -> Result<ClusterConfig, ClusterError> {
    let dir = &config.dir;
    std::fs::create_dir_all(dir).map_err(ClusterError::io("creating", dir))?;
    let dir = std::fs::canonicalize(dir).map_err(ClusterError::io("finding", dir))?;
    if let Some(blocked) = run_as.blocked_on(&dir) {
        return Err(ClusterError::Unreachable {
            dir,
            user: run_as.name().to_owned(),
            blocked,
        });
    }
    run_as.own_private(&dir)?;
    Ok(ClusterConfig {
        dir,
        ..config.clone()
    })
}

/// `initdb` beside the final place, then a rename: what is in place is complete.
fn initialise(
    config: &ClusterConfig,
    binaries: &Binaries,
    run_as: &RunAs,
) -> Result<(), ClusterError> {
    let fresh = config.dir.join("cluster.new");
    match std::fs::remove_dir_all(&fresh) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(ClusterError::io("removing", fresh)(error)),
    }
    let mut command = Command::new(binaries.program("initdb"));
    command
        .arg("--pgdata")
        .arg(&fresh)
        .args(["--username", USER, "--encoding", "UTF8", "--locale", "C"])
        .args(["--auth-local", "trust", "--auth-host", "reject"])
        .current_dir(&config.dir)
        .stdin(Stdio::null());
    if config.durability == Durability::Volatile {
        command.arg("--no-sync");
    }
    clean_environment(&mut command);
    run_as.apply(&mut command);
    let output = command
        .output()
        .map_err(ClusterError::io("running", binaries.program("initdb")))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(ClusterError::Initdb(said));
    }
    let data = config.data();
    std::fs::rename(&fresh, &data).map_err(ClusterError::io("renaming to", data))
}

/// Settings of the command line: they win over postgresql.conf.
fn settings(config: &ClusterConfig) -> Vec<(&'static str, String)> {
    // More WAL between checkpoints means fewer full pages in it, and is as durable. Segments that
    // were used are kept for use again: a new one is filled with zeros and synced while a commit
    // waits for it.
    let (durable, buffers_mb, wal_min, wal_max) = match config.durability {
        Durability::Full => ("on", (memory_mb() / 8).clamp(128, 1_024), "1GB", "4GB"),
        Durability::Volatile => ("off", 64, "80MB", "1GB"),
    };
    vec![
        ("listen_addresses", String::new()),
        ("unix_socket_permissions", "0700".to_owned()),
        ("fsync", durable.to_owned()),
        ("full_page_writes", durable.to_owned()),
        ("synchronous_commit", "on".to_owned()),
        ("shared_buffers", format!("{buffers_mb}MB")),
        ("min_wal_size", wal_min.to_owned()),
        ("max_wal_size", wal_max.to_owned()),
        ("max_connections", config.connections_max.to_string()),
        ("jit", "off".to_owned()),
        ("timezone", "UTC".to_owned()),
        ("log_timezone", "UTC".to_owned()),
        ("logging_collector", "off".to_owned()),
        ("log_destination", "stderr".to_owned()),
    ]
}

/// Memory of the machine, in MiB; 0 where it cannot be told.
fn memory_mb() -> u64 {
    let info = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let total = info.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kib = total.and_then(|total| total.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) / 1_024
}

/// Nothing of the caller's `PG…` variables or language may reach the programs.
pub(crate) fn clean_environment(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("PG") {
            command.env_remove(name);
        }
    }
    command.env("LC_ALL", "C");
}
