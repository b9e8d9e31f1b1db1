//! Documents at rest: in a directory, and in a bucket of a server that speaks S3.
//!
//! `DAYBOOK_PYTHON` names a Python that has `moto` and what its server needs; otherwise the
//! repository's `.venv` is used, which `scripts/test` makes. Where it is not there the test says
//! that it skips, and in CI it fails.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bucket;

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use chrono::Utc;
use daybook_documents::{DocumentError, Documents, DocumentsConfig};
use daybook_domain::DocumentId;
use daybook_store::{Store, StoreError, SubjectKey, testing::TestDatabase};
use uuid::Uuid;

const PLAIN: &[u8] = b"%PDF-1.7 the passport of Ada Lovelace";

/// A directory that goes with its test.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        Self(std::env::temp_dir().join(format!("daybook-documents-{}", Uuid::now_v7())))
    }

    /// Not made yet: the store of documents does that.
    fn documents(&self) -> PathBuf {
        self.0.join("data").join("documents")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _never_made = fs::remove_dir_all(&self.0);
    }
}

fn id() -> DocumentId {
    DocumentId(Uuid::now_v7())
}

fn key_of(store: &Store) -> SubjectKey {
    store.keys().create(Uuid::now_v7()).0
}

async fn put(documents: &Documents, key: &SubjectKey, id: DocumentId) -> String {
    let plain = Bytes::from_static(PLAIN);
    documents.put(key, id, plain).await.unwrap()
}

/// What holds wherever documents rest.
async fn keeps_and_gives(documents: &Documents) {
    let store = TestDatabase::start().await.connect_store().await;
    let (ada, eve) = (key_of(&store), key_of(&store));
    let (first, second) = (id(), id());
    let sha256 = put(documents, &ada, first).await;
    let other = put(documents, &ada, second).await;
    assert_ne!(sha256, other, "sealed anew each time");
    let got = documents.get(&ada, first, &sha256).await.unwrap();
    assert_eq!(got, PLAIN);

    let swapped = documents.get(&ada, first, &other).await;
    assert!(matches!(swapped, Err(DocumentError::Altered(id)) if id == first));
    let of_eve = documents.get(&eve, first, &sha256).await;
    assert!(matches!(
        of_eve,
        Err(DocumentError::Key(StoreError::Key(_)))
    ));
    let nothing = documents.get(&ada, id(), &sha256).await;
    assert!(matches!(nothing, Err(DocumentError::Missing(_))));

    let mut listed = documents.list().await.unwrap();
    listed.sort_by_key(|object| object.document_id);
    let ids: Vec<_> = listed.iter().map(|object| object.document_id).collect();
    assert_eq!(ids, [first, second]);
    for object in listed {
        let age = (Utc::now() - object.stored_at).num_seconds();
        assert!((-5..300).contains(&age), "{age} s old");
    }
    documents.delete(first).await.unwrap();
    documents.delete(first).await.unwrap();
    let gone = documents.get(&ada, first, &sha256).await;
    assert!(matches!(gone, Err(DocumentError::Missing(_))));
    assert!(documents.get(&ada, second, &other).await.is_ok());
    documents.delete(second).await.unwrap();
    assert_eq!(documents.list().await.unwrap(), []);
}

#[tokio::test]
async fn a_directory_keeps_and_gives() {
    let scratch = Scratch::new();
    let place = DocumentsConfig::Directory(scratch.documents());
    let documents = Documents::try_new(place).unwrap();
    assert_eq!(
        documents.list().await.unwrap(),
        [],
        "not made before it is needed"
    );
    assert!(!scratch.0.exists());
    keeps_and_gives(&documents).await;
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn files_are_sealed_private_and_named_by_their_identifier_alone() {
    let scratch = Scratch::new();
    let directory = scratch.documents();
    fs::create_dir_all(&directory).unwrap();
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o755)).unwrap();
    let place = DocumentsConfig::Directory(directory.clone());
    let documents = Documents::try_new(place).unwrap();
    let store = TestDatabase::start().await.connect_store().await;
    let (key, id) = (key_of(&store), id());
    put(&documents, &key, id).await;
    let names: Vec<_> = fs::read_dir(&directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(names, [id.to_string()]);
    let path = directory.join(id.to_string());
    assert_eq!((mode(&directory), mode(&path)), (0o700, 0o600));
    let rests = fs::read(path).unwrap();
    assert!(!rests.windows(4).any(|window| window == b"%PDF"));
    assert!(!rests.windows(3).any(|window| window == b"Ada"));
}

#[tokio::test]
async fn a_single_changed_bit_is_noticed() {
    let scratch = Scratch::new();
    let place = DocumentsConfig::Directory(scratch.documents());
    let documents = Documents::try_new(place).unwrap();
    let store = TestDatabase::start().await.connect_store().await;
    let (key, id) = (key_of(&store), id());
    let sha256 = put(&documents, &key, id).await;
    let path = scratch.documents().join(id.to_string());
    let mut bytes = fs::read(&path).unwrap();
    bytes[20] ^= 1;
    fs::write(&path, bytes).unwrap();
    let read = documents.get(&key, id, &sha256).await;
    assert!(matches!(read, Err(DocumentError::Altered(_))), "{read:?}");
}

#[tokio::test]
async fn what_was_never_finished_is_listed_and_what_is_not_ours_is_left_alone() {
    let scratch = Scratch::new();
    let directory = scratch.documents();
    fs::create_dir_all(&directory).unwrap();
    let half = id();
    fs::write(directory.join(format!("{half}.part")), "half").unwrap();
    fs::write(directory.join("README"), "mine").unwrap();
    fs::write(directory.join(format!("{}.txt", id())), "mine").unwrap();
    let documents = Documents::try_new(DocumentsConfig::Directory(directory.clone())).unwrap();
    let listed = documents.list().await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].document_id, half);
    documents.delete(half).await.unwrap();
    assert_eq!(fs::read_dir(directory).unwrap().count(), 2);
}

#[tokio::test]
async fn a_directory_that_cannot_be_written_is_unavailable() {
    let scratch = Scratch::new();
    fs::create_dir_all(&scratch.0).unwrap();
    let file = scratch.0.join("a file");
    fs::write(&file, "").unwrap();
    let documents = Documents::try_new(DocumentsConfig::Directory(file.join("documents"))).unwrap();
    let store = TestDatabase::start().await.connect_store().await;
    let key = key_of(&store);
    let kept = documents.put(&key, id(), Bytes::from_static(PLAIN));
    assert!(matches!(kept.await, Err(DocumentError::Unavailable(_))));
}
