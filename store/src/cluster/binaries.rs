//! Finding Postgres on this machine.
//!
//! What is called `postgres` may be a wrapper, a version manager's shim or too old, so a place
//! counts only when both programs there say their version.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::{ClusterError, clean_environment, run_as::RunAs};

/// The oldest major version that will do.
pub const MAJOR_MIN: u32 = 15;

/// A directory with `postgres` and `initdb` of one version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binaries {
    /// Where.
    pub dir: PathBuf,
    /// Major version.
    pub major: u32,
}

impl Binaries {
    /// Every usable set: those of `also` first, then PATH, then the system's, newest first.
    #[must_use]
    pub fn find_all(also: &[PathBuf]) -> Vec<Self> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let mut found: Vec<Self> = Vec::new();
        let mut add = |candidates: Vec<PathBuf>| {
            let mut here: Vec<Self> = candidates.iter().filter_map(|dir| probe(dir)).collect();
            here.sort_by_key(|binaries| std::cmp::Reverse(binaries.major));
            for binaries in here {
                if !found.contains(&binaries) {
                    found.push(binaries);
                }
            }
        };
        add(also.to_vec());
        for dir in std::env::split_paths(&path) {
            add(vec![dir]);
        }
        add(system_places());
        found
    }

    /// The set to use for data made by `major`, or for new data the first one found.
    ///
    /// # Errors
    /// [`ClusterError::NoBinaries`], [`ClusterError::OtherMajor`].
    pub(super) fn choose(
        also: &[PathBuf],
        major: Option<u32>,
        run_as: &RunAs,
        data: &Path,
    ) -> Result<Self, ClusterError> {
        let mut found = Self::find_all(also);
        found.retain(|binaries| run_as.blocked_on(&binaries.dir).is_none());
        let Some(major) = major else {
            return found.into_iter().next().ok_or(ClusterError::NoBinaries);
        };
        let names: Vec<String> = found.iter().map(|one| one.major.to_string()).collect();
        let same = found.into_iter().find(|one| one.major == major);
        same.ok_or_else(|| ClusterError::OtherMajor {
            dir: data.to_owned(),
            major,
            found: if names.is_empty() {
                "none".to_owned()
            } else {
                names.join(", ")
            },
        })
    }

    /// Path of a program.
    #[must_use]
    pub fn program(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }
}

/// Places that are not in PATH: Debian, Red Hat, /opt, Homebrew.
fn system_places() -> Vec<PathBuf> {
    let mut places = Vec::new();
    for (parent, prefix, below) in [
        ("/usr/lib/postgresql", "", "bin"),
        ("/usr", "pgsql-", "bin"),
        ("/usr/local", "pgsql", "bin"),
        ("/opt", "postgresql", "bin"),
        ("/opt", "pgsql", "bin"),
        ("/opt/postgresql", "", "bin"),
        ("/opt/homebrew/opt", "postgresql", "bin"),
        ("/usr/local/opt", "postgresql", "bin"),
    ] {
        let Ok(entries) = fs::read_dir(parent) else {
            continue;
        };
        for entry in entries.flatten() {
            if entry.file_name().to_string_lossy().starts_with(prefix) {
                places.push(entry.path().join(below));
            }
        }
    }
    places.push(PathBuf::from("/opt/postgresql/bin"));
    places
}

fn probe(dir: &Path) -> Option<Binaries> {
    // A link in /usr/local/bin leads to the real place, where the other programs are.
    let postgres = fs::canonicalize(dir.join("postgres")).ok()?;
    let dir = postgres.parent()?.to_owned();
    let major = version(&postgres)?;
    let same = version(&dir.join("initdb"))? == major;
    (same && major >= MAJOR_MIN).then_some(Binaries { dir, major })
}

fn version(program: &Path) -> Option<u32> {
    if !program.is_file() {
        return None;
    }
    let mut command = Command::new(program);
    command.arg("--version").stdin(Stdio::null());
    clean_environment(&mut command);
    let output = command.output().ok()?;
    if !output.status.success() {
        return None;
    }
    parse_version(&String::from_utf8_lossy(&output.stdout))
}

/// `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)` → 15.
fn parse_version(text: &str) -> Option<u32> {
    let rest = text.split_once("(PostgreSQL)")?.1.trim_start();
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_major_version_is_read_from_what_the_program_says() {
        for (said, major) in [
            (
                "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n",
                Some(15),
            ),
            ("initdb (PostgreSQL) 18beta1", Some(18)),
            ("postgres (PostgreSQL) 17.2", Some(17)),
            ("pyenv: postgres: command not found", None),
            ("", None),
        ] {
            assert_eq!(parse_version(said), major, "{said:?}");
        }
    }

    #[test]
    fn a_directory_without_both_programs_is_no_postgres() {
        assert_eq!(probe(Path::new("/etc")), None);
    }
}
