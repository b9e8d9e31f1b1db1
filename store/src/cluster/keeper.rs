//! The thread that spawns the postmaster, watches it and stops it.
//!
//! It has to be a thread of its own: the kernel signals the child when the *thread* that spawned it
//! ends, and a worker of an async runtime may end at any time.

use std::{
    fs::{self, File, OpenOptions},
    io::{Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc::{self, RecvTimeoutError},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use tokio::sync::watch;

use super::{Binaries, ClusterError, PidFile, RunAs, clean_environment};

/// How often the keeper looks whether the server still lives.
const WATCH_EVERY: Duration = Duration::from_millis(250);
/// How long a fast stop may take (it ends with a checkpoint), then an immediate one.
const STOP_PATIENCE: Duration = Duration::from_secs(60);
/// How long a start is tried again while backends of a killed server still hold its shared memory.
const RETRY_PATIENCE: Duration = Duration::from_secs(20);
/// The log is started anew beyond this size.
const LOG_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Everything that a start needs.
#[derive(Debug)]
pub(super) struct Start {
    pub binaries: Binaries,
    pub run_as: RunAs,
    pub data: PathBuf,
    pub socket_dir: PathBuf,
    pub log: PathBuf,
    pub settings: Vec<(&'static str, String)>,
    pub timeout: Duration,
}

/// Holds the server; dropping it stops the server and waits for that.
#[derive(Debug)]
pub(super) struct Keeper {
    pid: u32,
    ended: watch::Receiver<Option<String>>,
    stop: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Keeper {
    /// Returns when the server takes connections.
    pub(super) fn start(start: Start) -> Result<Self, ClusterError> {
        let (told, outcome) = mpsc::channel();
        let (stop, stopped) = mpsc::channel();
        let (ending, ended) = watch::channel(None);
        let thread = std::thread::Builder::new()
            .name("postgres-keeper".to_owned())
            .spawn(move || match run(&start) {
                Ok(child) => {
                    // Nobody listening any more means: stop again, which `keep` finds by itself.
                    let _ = told.send(Ok(child.id()));
                    keep(child, &start, &stopped, &ending);
                }
                Err(error) => {
                    let _ = told.send(Err(error));
                }
            })
            .map_err(ClusterError::io("starting a thread for", "postgres"))?;
        let pid = outcome
            .recv()
            .expect("invariant: the keeper tells an outcome before it ends")?;
        Ok(Self {
            pid,
            ended,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    pub(super) fn ended(&self) -> watch::Receiver<Option<String>> {
        self.ended.clone()
    }

    pub(super) fn stop(self) {
        drop(self);
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A keeper that panicked took its child with it.
            let _ = thread.join();
        }
    }
}

/// Spawns and waits until the server is ready, trying again while a killed server's backends end.
fn run(start: &Start) -> Result<Child, ClusterError> {
    let began = Instant::now();
    loop {
        let (mut child, log_from) = spawn(start)?;
        let Some(status) = wait_ready(&mut child, start, began)? else {
            return Ok(child);
        };
        let said = log_since(&start.log, log_from);
        let again = said.contains("pre-existing shared memory block")
            || said.contains("is still in use by another process");
        if !again || began.elapsed() > RETRY_PATIENCE {
            return Err(not_started(start, &reason(status, &said)));
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn spawn(start: &Start) -> Result<(Child, u64), ClusterError> {
    let (log, log_from) = open_log(&start.log)?;
    let program = start.binaries.program("postgres");
    let mut command = Command::new(&program);
    command.arg("-D").arg(&start.data);
    command.arg("-k").arg(&start.socket_dir);
    for (name, value) in &start.settings {
        command.arg("-c").arg(format!("{name}={value}"));
    }
    command
        .current_dir(&start.data)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log);
    clean_environment(&mut command);
    start.run_as.apply(&mut command);
    detach(&mut command);
    let child = command
        .spawn()
        .map_err(ClusterError::io("running", program))?;
    Ok((child, log_from))
}

/// Its own process group, so that Ctrl-C reaches us alone and we stop it in order; and the kernel's
/// promise that it is told to shut down when we die, however that happens.
fn detach(command: &mut Command) {
    use std::os::unix::process::CommandExt;

    command.process_group(0);
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{getpid, getppid, set_parent_process_death_signal};

        let parent = getpid();
        #[allow(
            unsafe_code,
            reason = "between fork and exec only two system calls are made, both async-signal-safe"
        )]
        // SAFETY: the closure neither allocates nor takes a lock.
        unsafe {
            command.pre_exec(move || {
                set_parent_process_death_signal(Some(Signal::INT))?;
                // We may have died before that: then nobody would ever signal it.
                if getppid() == Some(parent) {
                    Ok(())
                } else {
                    Err(rustix::io::Errno::SRCH.into())
                }
            });
        }
    }
}

/// None when it is ready, its status when it ended instead.
fn wait_ready(
    child: &mut Child,
    start: &Start,
    began: Instant,
) -> Result<Option<ExitStatus>, ClusterError> {
    let mut pause = Duration::from_millis(5);
    loop {
        let ready =
            PidFile::read(&start.data).is_some_and(|file| file.pid == child.id() && file.ready);
        if ready {
            return Ok(None);
        }
        let status = child
            .try_wait()
            .map_err(ClusterError::io("waiting for", "postgres"))?;
        if status.is_some() {
            return Ok(status);
        }
        if began.elapsed() > start.timeout {
            end(child);
            let seconds = start.timeout.as_secs();
            return Err(not_started(start, &format!("not ready after {seconds} s")));
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}

/// Watches the server until it ends or until nobody holds it any more.
fn keep(
    mut child: Child,
    start: &Start,
    stopped: &mpsc::Receiver<()>,
    ending: &watch::Sender<Option<String>>,
) {
    loop {
        match stopped.recv_timeout(WATCH_EVERY) {
            Err(RecvTimeoutError::Timeout) => {}
            Ok(()) | Err(RecvTimeoutError::Disconnected) => return end(&mut child),
        }
        if let Ok(Some(status)) = child.try_wait() {
            let text = format!("postgres ended ({status}); log: {}", start.log.display());
            tracing::error!("{text}");
            ending.send_replace(Some(text));
            // Its holder still has to let go.
            let _ = stopped.recv();
            return;
        }
    }
}

/// Fast, then immediate, then by force.
fn end(child: &mut Child) {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    for signal in [Signal::INT, Signal::QUIT, Signal::KILL] {
        if let Some(pid) = pid {
            // Not reaped yet, so the number is still its own.
            let _ = kill_process(pid, signal);
        }
        let deadline = Instant::now() + STOP_PATIENCE;
        while Instant::now() < deadline {
            match child.try_wait() {
                Ok(None) => std::thread::sleep(Duration::from_millis(10)),
                Ok(Some(_)) | Err(_) => return,
            }
        }
    }
}

fn open_log(path: &Path) -> Result<(File, u64), ClusterError> {
    let size = fs::metadata(path).map_or(0, |meta| meta.len());
    let anew = size > LOG_BYTES_MAX;
    let mut options = OpenOptions::new();
    if anew {
        options.write(true).truncate(true);
    } else {
        options.append(true);
    }
    let file = options
        .create(true)
        .open(path)
        .map_err(ClusterError::io("opening", path))?;
    Ok((file, if anew { 0 } else { size }))
}

fn log_since(path: &Path, from: u64) -> String {
    let mut text = Vec::new();
    let read = File::open(path).and_then(|mut file| {
        file.seek(SeekFrom::Start(from))?;
        file.read_to_end(&mut text)
    });
    match read {
        Ok(_) => String::from_utf8_lossy(&text).into_owned(),
        Err(_) => String::new(),
    }
}

/// The fatal lines of the log, or the status when there are none.
fn reason(status: ExitStatus, said: &str) -> String {
    let fatal: Vec<&str> = said
        .lines()
        .filter(|line| line.contains("FATAL") || line.contains("PANIC"))
        .collect();
    if fatal.is_empty() {
        status.to_string()
    } else {
        fatal.join("; ")
    }
}

fn not_started(start: &Start, reason: &str) -> ClusterError {
    ClusterError::NotStarted {
        reason: reason.to_owned(),
        log: start.log.clone(),
    }
}
