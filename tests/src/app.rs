//! The program under test as a process: launched, watched, frozen, killed and launched again.

use std::{
    collections::BTreeSet,
    fs::{self, File, OpenOptions},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use serde_json::Value;
use tokio::process::{Child, Command};

use crate::{
    binary,
    client::Http,
    feed::Feed,
    launch::{Directory, Launch},
    socket::Socket,
    wait::{eventually, soon, within},
};

/// From a cold start on a busy machine to the first answer, `initdb` included.
const START_DEADLINE: Duration = Duration::from_secs(90);

/// One `daybook serve`, and the same one again after it was killed.
pub struct App {
    /// Speaks to it without a token.
    pub http: Http,
    launch: Launch,
    directory: Directory,
    child: Option<Child>,
}

impl App {
    /// Starts the process and does not wait.
    #[must_use]
    pub fn spawn(launch: Launch, directory: Directory) -> Self {
        let mut app = Self {
            http: Http::new(&format!("http://{}", launch.listen())),
            launch,
            directory,
            child: None,
        };
        app.launch_again();
        app
    }

    /// What it was launched with.
    #[must_use]
    pub fn launch(&self) -> &Launch {
        &self.launch
    }

    /// `DAYBOOK_DATA_DIR` of this server.
    #[must_use]
    pub fn data_dir(&self) -> std::path::PathBuf {
        self.launch.get("DAYBOOK_DATA_DIR").unwrap_or("data").into()
    }

    /// Changes a variable for the next launch.
    pub fn reconfigure(&mut self, name: &str, value: &str) {
        self.launch = self.launch.clone().set(name, value);
    }

    /// Starts the process again, on the same data and address, and does not wait.
    ///
    /// # Panics
    /// When it still runs.
    pub fn launch_again(&mut self) {
        assert!(self.child.is_none(), "the server still runs");
        let log = |name: &str| -> File {
            OpenOptions::new()
                .create(true)
                .append(true)
                .open(self.directory.path().join(name))
                .expect("the log can be written")
        };
        let child = self
            .command()
            .arg("serve")
            .stdin(Stdio::null())
            .stdout(log("stdout"))
            .stderr(log("stderr"))
            .spawn()
            .expect("daybook runs");
        self.child = Some(child);
    }

    /// Runs a subcommand beside the server with the same configuration.
    ///
    /// # Panics
    /// When the program cannot be run.
    pub async fn run(&self, arguments: &[&str]) -> std::process::Output {
        self.command()
            .args(arguments)
            .output()
            .await
            .expect("daybook runs")
    }

    fn command(&self) -> Command {
        let mut command = Command::new(binary::daybook());
        command
            .env_clear()
            .envs(self.launch.environment())
            .current_dir(self.directory.path())
            .kill_on_drop(true);
        command
    }

    /// Waits until it leads and is ready.
    pub async fn ready(&self) {
        self.in_role("leader").await;
    }

    /// Waits until it is ready in this role, and returns its health.
    ///
    /// # Panics
    /// When that takes too long.
    pub async fn in_role(&self, role: &str) -> Value {
        within(START_DEADLINE, &format!("a ready {role}"), || async {
            let health = self.health().await?;
            (health.0 == 200 && health.1["role"] == role).then_some(health.1)
        })
        .await
    }

    /// Status and body of `/health/ready`; none while nobody answers.
    pub async fn health(&self) -> Option<(u16, Value)> {
        let answer = self
            .http
            .call(reqwest::Method::GET, "/health/ready")
            .timeout(Duration::from_secs(5))
            .try_send()
            .await
            .ok()?;
        Some((answer.status, serde_json::from_str(&answer.text).ok()?))
    }

    /// Sets a price and waits until it has reached the engine, not the hub alone.
    pub async fn price(&self, feed: &Feed, symbol: &str, bid: &str, ask: &str) {
        let mut stream = Socket::open(&self.http, &format!("/stream?symbols={symbol}")).await;
        feed.set(symbol, bid, ask);
        // The hub shows a quote before the engine gets it; the next one of the same symbol it
        // shows after.
        let mut seen = BTreeSet::new();
        stream
            .until(&format!("{symbol} at {bid}/{ask}"), |message| {
                if message["type"] == "quote" && message["bid"] == bid && message["ask"] == ask {
                    seen.insert(message["seq"].to_string());
                }
                seen.len() == 2
            })
            .await;
    }

    /// The process id.
    ///
    /// # Panics
    /// When it does not run.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child
            .as_ref()
            .and_then(Child::id)
            .expect("the server runs")
    }

    /// Whether the process is still there.
    ///
    /// # Panics
    /// When that cannot be asked.
    pub fn is_running(&mut self) -> bool {
        match &mut self.child {
            Some(child) => child.try_wait().expect("it is our child").is_none(),
            None => false,
        }
    }

    /// `kill -9`, and waits until it is gone.
    ///
    /// # Panics
    /// When it does not run.
    pub async fn kill(&mut self) {
        let mut child = self.child.take().expect("the server runs");
        child.kill().await.expect("it can be killed");
    }

    /// Asks it to stop and waits for its end.
    pub async fn terminate(&mut self) -> ExitStatus {
        signal("TERM", self.pid()).await;
        self.exited().await
    }

    /// Stops it dead with SIGSTOP: it holds its sockets, and does nothing.
    pub async fn freeze(&self) {
        signal("STOP", self.pid()).await;
    }

    /// Lets it go on.
    pub async fn thaw(&self) {
        signal("CONT", self.pid()).await;
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When it does not end by itself.
    pub async fn exited(&mut self) -> ExitStatus {
        let mut child = self.child.take().expect("the server runs");
        soon("the server ends", child.wait())
            .await
            .expect("it is our child")
    }

    /// What it wrote to its standard output, over all launches.
    #[must_use]
    pub fn stdout(&self) -> String {
        self.written("stdout")
    }

    /// What it logged, over all launches.
    #[must_use]
    pub fn stderr(&self) -> String {
        self.written("stderr")
    }

    fn written(&self, name: &str) -> String {
        fs::read_to_string(self.directory.path().join(name)).unwrap_or_default()
    }

    /// Waits until the log of all launches contains `text`.
    pub async fn logged(&self, text: &str) {
        eventually(&format!("{text:?} in the log"), || async {
            (self.stderr().contains(text) || self.stdout().contains(text)).then_some(())
        })
        .await;
    }
}

impl Drop for App {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ended_already = child.start_kill();
            while matches!(child.try_wait(), Ok(None)) {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        if std::thread::panicking() {
            let log = self.stderr();
            // Refusals that clients ask for again and again would push out what matters.
            let lines: Vec<_> = log
                .lines()
                .filter(|line| !line.contains("answered"))
                .collect();
            let tail = &lines[lines.len().saturating_sub(40)..];
            eprintln!("--- last lines of the server's log\n{}", tail.join("\n"));
        }
    }
}

/// Sends a signal to a process, through the shell's own `kill`.
///
/// # Panics
/// When there is no such process.
pub async fn signal(name: &str, pid: u32) {
    let status = Command::new("sh")
        .args(["-c", &format!("kill -{name} {pid}")])
        .status()
        .await
        .expect("a shell runs");
    assert!(status.success(), "no process {pid} to send {name} to");
}
