//! A directory for one test, removed with it.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Removed when dropped.
pub struct Scratch(PathBuf);

impl Scratch {
    pub fn new() -> Self {
        let path = std::env::temp_dir().join(format!("daybook-unit-{}", uuid::Uuid::now_v7()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // A leftover in the temporary directory is no failure of the test.
        let _ = fs::remove_dir_all(&self.0);
    }
}
