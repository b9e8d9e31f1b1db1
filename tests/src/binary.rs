//! Finds the program under test, and runs its subcommands.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

/// Path of the `daybook` program: `DAYBOOK_BIN`, else built (once a process) into the target
/// directory and profile that this test itself was built in, so that it is never a stale one.
///
/// # Panics
/// When it does not build.
#[must_use]
pub fn daybook() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| match env::var_os("DAYBOOK_BIN") {
        Some(path) => PathBuf::from(path),
        None => build(),
    })
}

fn build() -> PathBuf {
    let this = env::current_exe().expect("the test knows its own path");
    let profile_dir = this
        .parent()
        .and_then(Path::parent)
        .expect("a test runs from <target>/<profile>/deps");
    let target_dir = profile_dir.parent().expect("a profile has a target dir");
    let profile = match profile_dir.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => "dev",
        Some(other) => other,
    };
    let output = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args([
            "build",
            "--quiet",
            "--package",
            "daybook",
            "--bin",
            "daybook",
        ])
        .args(["--profile", profile, "--target-dir"])
        .arg(target_dir)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    assert!(
        output.status.success(),
        "daybook does not build:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    profile_dir.join(format!("daybook{}", env::consts::EXE_SUFFIX))
}

/// Root of the repository.
#[must_use]
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the tests are a member of the workspace")
}
