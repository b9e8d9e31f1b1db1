//! A Postgres of our own: started, stopped, killed and found again.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    io::{BufRead, BufReader},
    os::unix::fs::MetadataExt,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use daybook_store::{
    cluster::{self, Cluster, ClusterConfig, Durability, RunAs},
    testing::{TestCluster, TestDatabase},
};
use sqlx::{Connection, PgConnection, postgres::PgConnectOptions};

/// In the environment of a child process: the directory in which it holds a cluster.
const CHILD_DIR: &str = "DAYBOOK_TEST_CLUSTER_DIR";
const PATIENCE: Duration = Duration::from_secs(60);

async fn connect(options: &PgConnectOptions) -> PgConnection {
    PgConnection::connect_with(options).await.unwrap()
}

async fn setting(connection: &mut PgConnection, name: &str) -> String {
    sqlx::query_scalar("select current_setting($1)")
        .bind(name)
        .fetch_one(connection)
        .await
        .unwrap()
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "waited too long until {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn signal(signal: &str, pid: u32) {
    let status = Command::new("kill")
        .args([signal, &pid.to_string()])
        .status()
        .unwrap();
    assert!(status.success());
}

/// Alive, and not merely a zombie that nobody has reaped.
fn alive(pid: u32) -> bool {
    let output = Command::new("ps")
        .args(["-o", "stat=", "-p", &pid.to_string()])
        .output()
        .unwrap();
    let state = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    !state.is_empty() && !state.starts_with('Z')
}

/// A process that starts the cluster in `dir` and holds it until it is killed.
struct Owner {
    child: Child,
    postmaster: u32,
}

impl Owner {
    fn start(dir: &Path) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "a_child_process_holds_a_cluster", "--nocapture"])
            .env(CHILD_DIR, dir)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let postmaster = lines
            .map_while(Result::ok)
            .find_map(|line| line.split_once("postmaster=")?.1.trim().parse().ok())
            .expect("the child says which process its server is");
        Self { child, postmaster }
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// Not a test of its own: the body of [`Owner`]'s process; without its variable it only proves
/// that it is not one.
#[test]
fn a_child_process_holds_a_cluster() {
    let Some(dir) = std::env::var_os(CHILD_DIR) else {
        return;
    };
    let cluster = Cluster::start(&ClusterConfig::new(dir)).unwrap();
    println!("postmaster={}", cluster.pid());
    loop {
        std::thread::park();
    }
}

async fn write_row(options: &PgConnectOptions) {
    let mut connection = connect(options).await;
    for statement in [
        "create table if not exists kept (value int)",
        "insert into kept values (1)",
    ] {
        sqlx::query(statement)
            .execute(&mut connection)
            .await
            .unwrap();
    }
}

async fn count_rows(options: &PgConnectOptions) -> i64 {
    let mut connection = connect(options).await;
    sqlx::query_scalar("select count(*) from kept")
        .fetch_one(&mut connection)
        .await
        .unwrap()
}

#[tokio::test]
async fn a_cluster_is_durable_private_and_keeps_its_data_over_a_stop() {
    let mut test = blocking(|| TestCluster::start(Durability::Full)).await;
    let cluster = test.cluster.take().unwrap();
    cluster.ensure_database("book").await.unwrap();
    cluster.ensure_database("book").await.unwrap();
    let mut connection = connect(&cluster.options("book")).await;
    for (name, value) in [
        ("fsync", "on"),
        ("full_page_writes", "on"),
        ("synchronous_commit", "on"),
        ("listen_addresses", ""),
        ("server_encoding", "UTF8"),
        ("lc_collate", "C"),
        ("TimeZone", "UTC"),
    ] {
        assert_eq!(setting(&mut connection, name).await, value, "{name}");
    }
    connection.close().await.unwrap();
    let mode = std::fs::metadata(cluster.socket_dir()).unwrap().mode();
    assert_eq!(mode & 0o777, 0o700);
    write_row(&cluster.options("book")).await;

    let pid = cluster.pid();
    let found = cluster::running(&test.config.dir, "book").expect("it is found while it runs");
    assert_eq!(count_rows(&found).await, 1);
    blocking(move || cluster.stop()).await;
    assert!(!alive(pid));
    assert!(cluster::running(&test.config.dir, "book").is_none());
    let log = std::fs::read_to_string(test.config.dir.join("postgres.log")).unwrap();
    assert!(log.contains("database system is shut down"), "{log}");

    let config = test.config.clone();
    let again = blocking(move || Cluster::start(&config).unwrap()).await;
    assert_eq!(count_rows(&again.options("book")).await, 1);
    assert_ne!(again.pid(), pid);
    blocking(move || again.stop()).await;
}

#[tokio::test]
async fn the_url_reaches_the_same_database_from_another_process() {
    let database = TestDatabase::start().await;
    let from_url: PgConnectOptions = database.url().parse().unwrap();
    write_row(&from_url).await;
    assert_eq!(count_rows(&database.options()).await, 1);
    let other = TestDatabase::start().await;
    let mut connection = connect(&other.options()).await;
    let known: Option<String> = sqlx::query_scalar("select to_regclass('kept')::text")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert_eq!(known, None, "databases are apart");
}

#[tokio::test]
async fn postgres_shuts_down_cleanly_when_its_owner_is_killed() {
    let mut test = blocking(|| TestCluster::start(Durability::Full)).await;
    drop(test.cluster.take());
    let dir = test.config.dir.clone();
    let owner = blocking(move || Owner::start(&dir)).await;
    let pid = owner.postmaster;
    let log = test.config.dir.join("postgres.log");
    let before = std::fs::read_to_string(&log).unwrap().len();
    blocking(move || {
        owner.kill();
        wait_until("the orphan has ended", || !alive(pid));
    })
    .await;
    let text = std::fs::read_to_string(&log).unwrap();
    assert!(text[before..].contains("database system is shut down"));
}

#[tokio::test]
async fn after_a_kill_of_everything_the_next_start_recovers_what_was_committed() {
    let mut test = blocking(|| TestCluster::start(Durability::Full)).await;
    drop(test.cluster.take());
    let dir = test.config.dir.clone();
    let owner = blocking(move || Owner::start(&dir)).await;
    let options = cluster::running(&test.config.dir, "postgres").unwrap();
    write_row(&options).await;
    let pid = owner.postmaster;
    blocking(move || {
        signal("-9", pid);
        owner.kill();
        wait_until("the server is gone", || !alive(pid));
    })
    .await;
    assert!(test.config.data().join("postmaster.pid").exists());

    let config = test.config.clone();
    let again = blocking(move || Cluster::start(&config).unwrap()).await;
    assert_eq!(count_rows(&again.options("postgres")).await, 1);
    blocking(move || again.stop()).await;
}

#[tokio::test]
async fn a_former_server_that_still_runs_is_ended_first() {
    let mut test = blocking(|| TestCluster::start(Durability::Full)).await;
    let first = test.cluster.take().unwrap();
    write_row(&first.options("postgres")).await;
    let former = first.pid();
    let config = test.config.clone();
    let second = blocking(move || Cluster::start(&config).unwrap()).await;
    assert!(!alive(former));
    assert_eq!(count_rows(&second.options("postgres")).await, 1);

    let mut ended = first.ended();
    tokio::time::timeout(PATIENCE, ended.wait_for(Option::is_some))
        .await
        .expect("the former owner is told")
        .unwrap();
    drop(ended);
    blocking(move || (first.stop(), second.stop())).await;
}

#[tokio::test]
async fn a_stale_pid_file_with_somebody_elses_number_is_no_obstacle() {
    let mut test = blocking(|| TestCluster::start(Durability::Full)).await;
    drop(test.cluster.take());
    let file = test.config.data().join("postmaster.pid");
    // A living process that is no Postgres: this one.
    let text = format!("{}\n{}\n1\n5432\n", std::process::id(), "/elsewhere");
    std::fs::write(&file, text).unwrap();
    let config = test.config.clone();
    let cluster = blocking(move || Cluster::start(&config).unwrap()).await;
    blocking(move || cluster.stop()).await;
}

#[tokio::test]
async fn a_deep_data_directory_gets_a_short_socket() {
    let mut test = blocking(|| TestCluster::start(Durability::Volatile)).await;
    drop(test.cluster.take());
    let mut config = test.config.clone();
    config.dir = test.config.dir.join("deep".repeat(30));
    for parent in [&test.config.dir, &config.dir] {
        std::fs::create_dir_all(parent).unwrap();
    }
    let deep = config.dir.clone();
    let cluster = blocking(move || Cluster::start(&config).unwrap()).await;
    let socket_dir = cluster.socket_dir().to_owned();
    assert!(!socket_dir.starts_with(&deep));
    assert!(socket_dir.as_os_str().len() < 93);
    let found = cluster::running(&deep, "postgres").expect("it is found by its data directory");
    write_row(&found).await;
    blocking(move || cluster.stop()).await;
    std::fs::remove_dir_all(socket_dir).unwrap();
}

#[tokio::test]
async fn started_by_root_the_server_belongs_to_somebody_else() {
    let test = blocking(|| TestCluster::start(Durability::Volatile)).await;
    let cluster = test.cluster.as_ref().unwrap();
    let expected = RunAs::current().uid();
    let process = std::fs::metadata(format!("/proc/{}", cluster.pid())).unwrap();
    assert_eq!(process.uid(), expected);
    assert_ne!(expected, 0);
    assert_eq!(std::fs::metadata(cluster.data()).unwrap().uid(), expected);
}
