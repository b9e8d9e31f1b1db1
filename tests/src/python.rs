//! Python programs that know nothing of ours: second voices on formats that we write.

use std::{path::PathBuf, process::Command};

/// Runs a program text with the tests' own Python environment and returns what it printed.
///
/// # Panics
/// When it fails, with what it said. `scripts/test` makes the environment.
#[must_use]
pub fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(python())
        .arg("-c")
        .arg(program)
        .args(arguments)
        .output()
        .expect("the tests' Python runs: scripts/test makes it");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "Python failed: {said}");
    String::from_utf8(output.stdout).expect("text")
}

/// The environment that `scripts/test` makes, or the one that is named.
#[must_use]
pub fn python() -> PathBuf {
    let named = std::env::var_os("DAYBOOK_PYTHON").map(PathBuf::from);
    let own = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../.venv/bin/python");
    named.unwrap_or(own)
}
