//! Where documents rest.

use daybook_documents::DocumentsConfig;

use super::{embedded, names};
use crate::scratch::Scratch;

#[test]
fn documents_rest_in_the_data_directory_or_in_a_whole_bucket() {
    let dir = Scratch::new();
    match embedded(&dir, &[]).unwrap().documents {
        DocumentsConfig::Directory(path) => assert_eq!(path, dir.path().join("documents")),
        DocumentsConfig::S3(bucket) => panic!("{bucket:?}"),
    }
    let whole = [
        ("S3_ENDPOINT", "https://s3.example.com/"),
        ("S3_BUCKET", "daybook"),
        ("S3_ACCESS_KEY", "name"),
        ("S3_SECRET_KEY", "hunter2"),
    ];
    match embedded(&dir, &whole).unwrap().documents {
        DocumentsConfig::S3(bucket) => {
            assert_eq!(bucket.endpoint, "https://s3.example.com");
            assert_eq!(bucket.region, "us-east-1");
            assert!(!format!("{bucket:?}").contains("hunter2"));
        }
        DocumentsConfig::Directory(path) => panic!("{path:?}"),
    }
    let half = embedded(&dir, &whole[..2]).unwrap_err();
    assert_eq!(names(&half), ["S3_ACCESS_KEY", "S3_SECRET_KEY"]);
    let headless = embedded(&dir, &whole[3..]).unwrap_err();
    assert_eq!(names(&headless), ["S3_ENDPOINT"]);
}
