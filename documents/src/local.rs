//! Documents in a directory: readable by its owner alone, on the disk before they are answered for.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, Permissions},
    io::{self, ErrorKind, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use bytes::Bytes;
use daybook_domain::DocumentId;

use crate::{
    error::DocumentError,
    place::{StoredObject, apart},
};

const DIRECTORY_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;
/// What a file is called until it is whole.
const PART: &str = "part";

pub(crate) struct Directory(PathBuf);

impl Directory {
    pub(crate) const fn new(path: PathBuf) -> Self {
        Self(path)
    }

    pub(crate) async fn put(&self, id: DocumentId, bytes: Bytes) -> Result<(), DocumentError> {
        let directory = self.0.clone();
        outcome(move || write(&directory, id, &bytes)).await
    }

    pub(crate) async fn get(&self, id: DocumentId) -> Result<Bytes, DocumentError> {
        let path = self.0.join(id.to_string());
        match apart(move || fs::read(path)).await? {
            Ok(bytes) => Ok(Bytes::from(bytes)),
            Err(error) if error.kind() == ErrorKind::NotFound => Err(DocumentError::Missing(id)),
            Err(error) => Err(DocumentError::unavailable(error)),
        }
    }

    pub(crate) async fn delete(&self, id: DocumentId) -> Result<(), DocumentError> {
        let directory = self.0.clone();
        outcome(move || {
            remove(&part_of(&directory, id))?;
            remove(&directory.join(id.to_string()))
        })
        .await
    }

    pub(crate) async fn list(&self) -> Result<Vec<StoredObject>, DocumentError> {
        let directory = self.0.clone();
        outcome(move || list(&directory)).await
    }
}

async fn outcome<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, DocumentError> {
    apart(work).await?.map_err(DocumentError::unavailable)
}

fn part_of(directory: &Path, id: DocumentId) -> PathBuf {
    directory.join(id.to_string()).with_extension(PART)
}

fn write(directory: &Path, id: DocumentId, bytes: &[u8]) -> io::Result<()> {
    let mut made = DirBuilder::new();
    made.recursive(true)
        .mode(DIRECTORY_MODE)
        .create(directory)?;
    fs::set_permissions(directory, Permissions::from_mode(DIRECTORY_MODE))?;
    let part = part_of(directory, id);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(FILE_MODE)
        .open(&part)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&part, directory.join(id.to_string()))?;
    File::open(directory)?.sync_all()
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Whole files and those that never became whole. What has no name of ours is nobody's concern.
fn list(directory: &Path) -> io::Result<Vec<StoredObject>> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        let path = entry.path();
        let ours = path.extension().is_none_or(|extension| extension == PART);
        let name = path.file_stem().and_then(|name| name.to_str());
        let id = name.and_then(|name| name.parse().ok()).filter(|_| ours);
        let Some(document_id) = id else {
            continue;
        };
        match entry.metadata().and_then(|metadata| metadata.modified()) {
            Ok(stored_at) => found.push(StoredObject {
                document_id,
                stored_at: stored_at.into(),
            }),
            // Deleted since.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}
