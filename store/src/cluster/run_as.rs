//! As whom Postgres runs: as us, or, since it refuses root, as an unprivileged user.

use std::{
    fs,
    os::unix::{
        fs::{MetadataExt, PermissionsExt, chown},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::Command,
};

use super::ClusterError;

/// The user of the server's processes and files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunAs {
    /// Whoever we are.
    Ourselves,
    /// Another, because we are root.
    Other {
        /// Name, for messages.
        name: String,
        /// User id.
        uid: u32,
        /// Group id.
        gid: u32,
    },
}

impl RunAs {
    /// Ourselves, or for root `postgres`, else `nobody`.
    #[must_use]
    pub fn current() -> Self {
        if !rustix::process::geteuid().is_root() {
            return Self::Ourselves;
        }
        let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
        let other = ["postgres", "nobody"]
            .iter()
            .find_map(|name| lookup(&users, name));
        // The ids of `nobody` are the kernel's own overflow ids: they exist without an entry.
        other.unwrap_or_else(|| Self::Other {
            name: "nobody".to_owned(),
            uid: 65534,
            gid: 65534,
        })
    }

    pub(super) fn name(&self) -> &str {
        match self {
            Self::Ourselves => "this user",
            Self::Other { name, .. } => name,
        }
    }

    /// The user id that files must have.
    #[must_use]
    pub fn uid(&self) -> u32 {
        match self {
            Self::Ourselves => rustix::process::geteuid().as_raw(),
            Self::Other { uid, .. } => *uid,
        }
    }

    /// Makes a child run as that user (and without our supplementary groups).
    pub(super) fn apply(&self, command: &mut Command) {
        match self {
            Self::Ourselves => {}
            Self::Other { uid, gid, .. } => {
                command.uid(*uid).gid(*gid);
            }
        }
    }

    /// Gives a directory to that user and closes it to everybody else.
    pub(super) fn own_private(&self, dir: &Path) -> Result<(), ClusterError> {
        match self {
            Self::Ourselves => {}
            Self::Other { uid, gid, .. } => {
                chown(dir, Some(*uid), Some(*gid)).map_err(ClusterError::io("giving away", dir))?;
            }
        }
        fs::set_permissions(dir, fs::Permissions::from_mode(0o700))
            .map_err(ClusterError::io("closing to others", dir))
    }

    /// The first parent of `path` that this user may not pass; none when it can get there.
    #[must_use]
    pub fn blocked_on(&self, path: &Path) -> Option<PathBuf> {
        let Self::Other { uid, gid, .. } = self else {
            return None;
        };
        let real = fs::canonicalize(path).ok()?;
        real.ancestors().skip(1).find_map(|parent| {
            let meta = fs::metadata(parent).ok()?;
            let bit = match (meta.uid() == *uid, meta.gid() == *gid) {
                (true, _) => 0o100,
                (false, true) => 0o010,
                (false, false) => 0o001,
            };
            (meta.mode() & bit == 0).then(|| parent.to_owned())
        })
    }
}

/// `name:password:uid:gid:…`
fn lookup(users: &str, name: &str) -> Option<RunAs> {
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        if fields.next()? != name {
            return None;
        }
        let uid: u32 = fields.nth(1)?.parse().ok()?;
        let gid: u32 = fields.next()?.parse().ok()?;
        (uid != 0).then(|| RunAs::Other {
            name: name.to_owned(),
            uid,
            gid,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const USERS: &str = "root:x:0:0:root:/root:/bin/bash\n\
                         postgres:x:101:104:PostgreSQL administrator,,,:/var/lib/postgresql:/bin/sh\n";

    #[test]
    fn users_are_found_by_their_whole_name() {
        let postgres = RunAs::Other {
            name: "postgres".to_owned(),
            uid: 101,
            gid: 104,
        };
        assert_eq!(lookup(USERS, "postgres"), Some(postgres));
        assert_eq!(lookup(USERS, "post"), None);
    }

    #[test]
    fn nobody_runs_it_as_root() {
        assert_eq!(lookup(USERS, "root"), None);
    }

    #[test]
    fn a_closed_parent_is_named() {
        let dir = std::env::temp_dir().join(format!("daybook-closed-{}", std::process::id()));
        let inner = dir.join("inner");
        fs::create_dir_all(&inner).unwrap();
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o700)).unwrap();
        let other = RunAs::Other {
            name: "stranger".to_owned(),
            uid: 54_321,
            gid: 54_321,
        };
        let blocked = other.blocked_on(&inner);
        assert_eq!(blocked, Some(fs::canonicalize(&dir).unwrap()));
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o711)).unwrap();
        assert_eq!(other.blocked_on(&inner), None);
        fs::remove_dir_all(&dir).unwrap();
    }
}
