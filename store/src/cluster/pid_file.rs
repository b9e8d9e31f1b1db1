//! `postmaster.pid`: who runs on the data now, or ran there when everything was killed.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use super::ClusterError;

/// How long a former server gets to stop cleanly, and then once more after a harder signal.
const ORPHAN_PATIENCE: Duration = Duration::from_secs(60);

/// What Postgres writes there about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PidFile {
    /// The postmaster.
    pub pid: u32,
    /// Where its socket is.
    pub socket_dir: PathBuf,
    /// Whether it takes connections.
    pub ready: bool,
}

impl PidFile {
    /// The file of the cluster in `data`; none when it is absent or half written.
    #[must_use]
    pub fn read(data: &Path) -> Option<Self> {
        Self::parse(&fs::read_to_string(path(data)).ok()?)
    }

    /// Lines: pid, data, start time, port, socket directory, address, shared memory key, status.
    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let pid = lines.next()?.trim().parse().ok()?;
        let socket_dir = PathBuf::from(lines.nth(3).unwrap_or_default());
        let ready = lines.nth(2).is_some_and(|status| status.trim() == "ready");
        Some(Self {
            pid,
            socket_dir,
            ready,
        })
    }
}

fn path(data: &Path) -> PathBuf {
    data.join("postmaster.pid")
}

/// Ends what is left of a former server on the same data, so that a new one can start.
///
/// A server whose parent was killed is already stopping; one that is not is told to. A pid file
/// without its process is removed: after a reboot or in a container the number may belong to
/// anybody, and Postgres would refuse to start beside it.
pub(super) fn end_orphan(data: &Path) -> Result<(), ClusterError> {
    let Some(file) = PidFile::read(data) else {
        return Ok(());
    };
    let pid = i32::try_from(file.pid).ok().and_then(Pid::from_raw);
    for signal in [Signal::INT, Signal::QUIT] {
        if !is_postgres_on(file.pid, data) {
            break;
        }
        tracing::warn!(
            pid = file.pid,
            ?signal,
            "ending a former postgres on the same data"
        );
        if let Some(pid) = pid {
            // It may have ended by itself in between.
            let _ = kill_process(pid, signal);
        }
        let deadline = Instant::now() + ORPHAN_PATIENCE;
        while is_postgres_on(file.pid, data) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    if is_postgres_on(file.pid, data) {
        return Err(ClusterError::Orphan(file.pid));
    }
    // Read again: a server that stopped cleanly has removed its file itself.
    if PidFile::read(data).is_some_and(|now| now.pid == file.pid) {
        fs::remove_file(path(data)).map_err(ClusterError::io("removing", path(data)))?;
    }
    Ok(())
}

/// Whether process `pid` is a living Postgres on these data.
pub(super) fn is_postgres_on(pid: u32, data: &Path) -> bool {
    let Some(raw) = i32::try_from(pid).ok().and_then(Pid::from_raw) else {
        return false;
    };
    if test_kill_process(raw) == Err(rustix::io::Errno::SRCH) {
        return false;
    }
    // A zombie has an empty command line, so a dead server that nobody reaped does not count.
    command_line(pid).is_some_and(|line| {
        line.contains("postgres") && line.contains(data.to_string_lossy().as_ref())
    })
}

#[cfg(target_os = "linux")]
fn command_line(pid: u32) -> Option<String> {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    Some(String::from_utf8_lossy(&bytes).replace('\0', " "))
}

#[cfg(not(target_os = "linux"))]
fn command_line(pid: u32) -> Option<String> {
    let output = std::process::Command::new("ps")
        .args(["-o", "args=", "-p", &pid.to_string()])
        .output()
        .ok()?;
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_of_a_ready_server_is_understood() {
        let text = "4711\n/data/cluster\n1700000000\n5432\n/data/run\n\n  1234567  0\nready   \n";
        let expected = PidFile {
            pid: 4711,
            socket_dir: PathBuf::from("/data/run"),
            ready: true,
        };
        assert_eq!(PidFile::parse(text), Some(expected));
    }

    #[test]
    fn a_server_that_is_starting_is_not_ready() {
        let text = "4711\n/data/cluster\n1700000000\n5432\n/data/run\n\n 1 0\nstarting\n";
        assert!(!PidFile::parse(text).unwrap().ready);
        assert!(!PidFile::parse("4711\n/data/cluster\n").unwrap().ready);
        assert_eq!(PidFile::parse(""), None);
    }

    #[test]
    fn a_living_process_that_is_no_postgres_does_not_own_the_data() {
        assert!(!is_postgres_on(
            std::process::id(),
            Path::new("/data/cluster")
        ));
    }
}
