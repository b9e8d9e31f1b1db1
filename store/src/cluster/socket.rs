//! Where the socket goes: beside the data, or, as its path may have 107 bytes at most, somewhere
//! short.

use std::{
    fs,
    os::unix::fs::{DirBuilderExt, MetadataExt},
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

use super::{ClusterError, PORT, run_as::RunAs};

/// `sun_path` has 108 bytes on Linux and 104 elsewhere, the closing zero included.
const PATH_MAX: usize = if cfg!(target_os = "linux") { 107 } else { 103 };

/// Makes the private directory for the socket of the cluster in `dir`.
pub(super) fn prepare(dir: &Path, run_as: &RunAs) -> Result<PathBuf, ClusterError> {
    let dir = fs::canonicalize(dir).map_err(ClusterError::io("finding", dir))?;
    let beside = dir.join("run");
    if fits(&beside) {
        fs::create_dir_all(&beside).map_err(ClusterError::io("creating", &beside))?;
        run_as.own_private(&beside)?;
        remove_stale(&beside)?;
        return Ok(beside);
    }
    let short = short_parent(run_as).join(short_name(&dir));
    match fs::DirBuilder::new().mode(0o700).create(&short) {
        Ok(()) => run_as.own_private(&short)?,
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            // In a public place it may be anybody's trap.
            require_private(&short, run_as)?;
        }
        Err(error) => return Err(ClusterError::io("creating", short)(error)),
    }
    remove_stale(&short)?;
    Ok(short)
}

/// Removes what a killed server left. Postgres itself does not when a process of the same number
/// lives, be it a zombie that nobody reaps; by now it is known that no server runs on these data,
/// and the directory serves no others.
fn remove_stale(dir: &Path) -> Result<(), ClusterError> {
    for name in [format!(".s.PGSQL.{PORT}"), format!(".s.PGSQL.{PORT}.lock")] {
        let path = dir.join(name);
        match fs::remove_file(&path) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(ClusterError::io("removing", path)(error)),
        }
    }
    Ok(())
}

fn fits(dir: &Path) -> bool {
    dir.as_os_str().len() + format!("/.s.PGSQL.{PORT}").len() <= PATH_MAX
}

fn short_parent(run_as: &RunAs) -> PathBuf {
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    match (run_as, runtime) {
        (RunAs::Ourselves, Some(runtime))
            if runtime.is_dir() && runtime.as_os_str().len() <= 40 =>
        {
            runtime
        }
        (RunAs::Ourselves, _) | (RunAs::Other { .. }, _) => PathBuf::from("/tmp"),
    }
}

/// The same for the same data, so that restarts find their own directory again.
fn short_name(dir: &Path) -> String {
    let digest = Sha256::digest(dir.as_os_str().as_encoded_bytes());
    format!("daybook-{}", hex::encode(&digest[..8]))
}

fn require_private(dir: &Path, run_as: &RunAs) -> Result<(), ClusterError> {
    let meta = fs::symlink_metadata(dir).map_err(ClusterError::io("looking at", dir))?;
    let private = meta.is_dir() && meta.uid() == run_as.uid() && meta.mode() & 0o077 == 0;
    if private {
        Ok(())
    } else {
        Err(ClusterError::SocketDirTaken(dir.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_path_of_more_than_107_bytes_does_not_fit() {
        let socket = "/.s.PGSQL.5432".len();
        let longest = "x".repeat(PATH_MAX - socket);
        assert!(fits(Path::new(&longest)));
        assert!(!fits(Path::new(&format!("{longest}x"))));
    }

    #[test]
    fn the_short_name_tells_data_directories_apart() {
        let one = short_name(Path::new("/deep/one"));
        assert_eq!(one, short_name(Path::new("/deep/one")));
        assert_ne!(one, short_name(Path::new("/deep/two")));
        assert!(fits(&Path::new("/tmp").join(one)));
    }
}
