//! The program on its embedded database: commands with and without a server, two servers on one
//! data directory, and everything killed.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(120);

/// A data directory, and the program on it.
struct House {
    dir: PathBuf,
}

impl House {
    fn new(name: &str) -> Self {
        let dir = Path::new("/tmp").join(format!("daybook-house-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).unwrap();
        Self { dir }
    }

    fn data(&self) -> PathBuf {
        self.dir.join("data")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_daybook"));
        command
            .args(arguments)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("DAYBOOK_DATA_DIR", self.data())
            .env("DAYBOOK_METRICS_LISTEN", "")
            .env("DAYBOOK_LOG", "warn")
            .current_dir(&self.dir)
            .stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", said(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    fn serve(&self) -> Served {
        let port = free_port();
        let mut child = self
            .command(&["serve"])
            .env("DAYBOOK_LISTEN", format!("127.0.0.1:{port}"))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let ready = lines.next().expect("it says when it is ready").unwrap();
        assert!(
            ready.contains(&format!("http://127.0.0.1:{port}")),
            "{ready}"
        );
        Served { child, port }
    }

    fn postmaster(&self) -> u32 {
        let file = self.data().join("postgres/cluster/postmaster.pid");
        let text = fs::read_to_string(file).unwrap();
        text.lines().next().unwrap().parse().unwrap()
    }
}

impl Drop for House {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// A running `daybook serve`.
struct Served {
    child: Child,
    port: u16,
}

impl Served {
    fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    fn signal(&self, name: &str) {
        signal(name, self.child.id());
    }

    fn ended(mut self) -> i32 {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code().unwrap_or(-1);
            }
            assert!(Instant::now() < deadline, "the server does not end");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

fn signal(name: &str, pid: u32) {
    let status = Command::new("kill")
        .args([&format!("-{name}"), &pid.to_string()])
        .status()
        .unwrap();
    assert!(status.success());
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn alive(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The state follows the name in parentheses; a zombie is dead.
    stat.rsplit_once(')')
        .is_some_and(|(_, rest)| !rest.trim_start().starts_with('Z'))
}

fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "waited too long until {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_command_without_a_server_starts_the_database_for_its_own_time() {
    let house = House::new("command");
    let migrated = house.json(&["migrate", "--json"]);
    assert_eq!(migrated["position"], 0);
    assert!(
        !house
            .data()
            .join("postgres/cluster/postmaster.pid")
            .exists()
    );
    let verified = house.json(&["audit", "verify", "--all", "--json"]);
    assert_eq!(verified["intact"], true);
    let instruments = house.json(&["instruments", "list", "--json"]);
    assert!(instruments.as_array().unwrap().len() >= 20);
}

#[test]
fn commands_work_beside_a_running_server_which_stops_in_order() {
    let house = House::new("beside");
    let served = house.serve();
    assert!(served.get("/health/live").starts_with("HTTP/1.1 200"));
    let listed = house.json(&["instruments", "list", "--json"]);
    assert!(listed.as_array().unwrap().len() >= 20);
    let verified = house.json(&["audit", "verify", "--json"]);
    assert_eq!(verified["intact"], true);
    assert!(
        verified["events"].as_i64().unwrap() >= 20,
        "instruments are in the book"
    );

    let postmaster = house.postmaster();
    served.signal("TERM");
    assert_eq!(served.ended(), 0);
    assert!(!alive(postmaster));
    let log = fs::read_to_string(house.data().join("postgres/postgres.log")).unwrap();
    assert!(
        log.trim_end().ends_with("database system is shut down"),
        "{log}"
    );
}

#[test]
fn a_second_server_on_the_same_data_is_refused_and_the_first_goes_on() {
    let house = House::new("two");
    let served = house.serve();
    let output = house
        .command(&["serve"])
        .env("DAYBOOK_LISTEN", format!("127.0.0.1:{}", free_port()))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = said(&output);
    assert!(
        said.contains(&format!("process {}", served.child.id())),
        "{said}"
    );
    assert!(said.contains("already uses the data directory"), "{said}");
    assert!(served.get("/health/live").starts_with("HTTP/1.1 200"));
}

#[test]
fn after_a_kill_of_everything_the_next_start_finds_the_same_book() {
    let house = House::new("killed");
    let served = house.serve();
    let before = house.json(&["audit", "verify", "--json"]);
    let postmaster = house.postmaster();
    served.signal("STOP");
    signal("KILL", postmaster);
    served.signal("KILL");
    assert_eq!(served.ended(), -1);
    wait_until("postgres is gone", || !alive(postmaster));

    let again = house.serve();
    assert_ne!(house.postmaster(), postmaster);
    let after = house.json(&["audit", "verify", "--json"]);
    assert_eq!(after["intact"], true);
    assert_eq!(after["events"], before["events"]);
    again.signal("INT");
    assert_eq!(again.ended(), 0);
}

#[test]
fn a_killed_server_takes_its_database_with_it_and_leaves_a_clean_one() {
    let house = House::new("orphan");
    let served = house.serve();
    let postmaster = house.postmaster();
    served.signal("KILL");
    assert_eq!(served.ended(), -1);
    wait_until("postgres has shut down", || !alive(postmaster));
    let log = fs::read_to_string(house.data().join("postgres/postgres.log")).unwrap();
    assert!(
        log.trim_end().ends_with("database system is shut down"),
        "{log}"
    );
    let migrated = house.json(&["migrate", "--json"]);
    assert_eq!(migrated["migrated"], true);
}

#[test]
fn root_keeps_its_closed_directories_closed_and_postgres_runs_as_somebody_else() {
    let house = House::new("closed");
    fs::set_permissions(&house.dir, fs::Permissions::from_mode(0o700)).unwrap();
    house.json(&["migrate", "--json"]);
    let home = house.data().join("postgres");
    let data = home.join("cluster");
    let owner = fs::metadata(&data).unwrap().uid();
    assert_ne!(owner, 0);
    let mode = fs::metadata(&house.dir).unwrap().mode();
    assert_eq!(mode & 0o777, 0o700);
    if fs::metadata(&house.dir).unwrap().uid() == 0 {
        let place = fs::read_link(&home).expect("a link to where the other user can get");
        assert!(place.starts_with("/var/lib/daybook"));
        house.json(&["audit", "verify", "--json"]);
        fs::remove_dir_all(place).unwrap();
    }
}

#[test]
fn a_configuration_that_is_wrong_is_told_by_name_and_by_exit_code() {
    let house = House::new("wrong");
    let output = house
        .command(&["serve"])
        .env("DAYBOOK_LISTEN", "nowhere")
        .env("DATABASE_URL", "postgres://user:hunter2@localhost/book")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = said(&output);
    for name in ["DAYBOOK_LISTEN", "DATA_ENCRYPTION_KEY", "JWT_ACCESS_SECRET"] {
        assert!(said.contains(name), "{said}");
    }
    assert!(!said.contains("hunter2"));
    assert_eq!(house.run(&["serv"]).status.code(), Some(2));
}
