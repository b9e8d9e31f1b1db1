//! A real mail server of a test: aiosmtpd in a Python of its own.
//!
//! `DAYBOOK_PYTHON` names a Python that has `aiosmtpd`; otherwise the repository's `.venv` is used,
//! which `scripts/test` makes. Where neither has it a test says that it skips; in CI it fails.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
};

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    time::timeout,
};

use crate::world::PATIENCE;

pub struct Sink {
    pub port: u16,
    lines: Lines<BufReader<ChildStdout>>,
    _child: Child,
}

impl Sink {
    /// One that gives these answers to the first recipients. None: there is no aiosmtpd.
    pub async fn start(answers: &[&str]) -> Option<Self> {
        Self::start_at(0, "-", answers).await
    }

    /// The same, at a port of its own, and for those who know the login.
    pub async fn start_at(port: u16, login: &str, answers: &[&str]) -> Option<Self> {
        let python = python().await?;
        let mut child = Command::new(python)
            .arg(in_repository("mail/tests/smtp_sink.py"))
            .args([&port.to_string(), login])
            .args(answers)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut sink = Self {
            port,
            lines,
            _child: child,
        };
        let told = sink.next().await;
        sink.port = told["port"].as_u64().unwrap().try_into().unwrap();
        Some(sink)
    }

    pub fn url(&self) -> String {
        format!("smtp://127.0.0.1:{}", self.port)
    }

    /// What it tells next: a mail, or a refusal.
    pub async fn next(&mut self) -> Value {
        let line = timeout(PATIENCE, self.lines.next_line()).await;
        let line = line.expect("the mail server says something in time");
        serde_json::from_str(&line.unwrap().expect("the mail server runs")).unwrap()
    }

    /// Whether it has nothing to tell for a while.
    pub async fn is_silent(&mut self) -> bool {
        let a_while = std::time::Duration::from_millis(1500);
        timeout(a_while, self.lines.next_line()).await.is_err()
    }
}

fn in_repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// A Python that has aiosmtpd.
async fn python() -> Option<PathBuf> {
    let given = std::env::var_os("DAYBOOK_PYTHON").map(PathBuf::from);
    let python = given.unwrap_or_else(|| in_repository(".venv/bin/python"));
    let imports = ["-c", "import aiosmtpd"];
    let tried = Command::new(&python).args(imports).output().await;
    if tried.is_ok_and(|output| output.status.success()) {
        return Some(python);
    }
    let missing = format!("{} has no `aiosmtpd`", python.display());
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{missing}");
    eprintln!("SKIPPED: {missing}");
    None
}
