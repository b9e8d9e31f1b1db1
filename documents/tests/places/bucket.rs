//! A bucket, on moto's server.

use std::{path::PathBuf, process::Stdio, time::Duration};

use daybook_documents::{DocumentError, Documents, DocumentsConfig, S3Config};
use tokio::{
    net::{TcpListener, TcpStream},
    process::{Child, Command},
};

use super::{id, keeps_and_gives};

const PATIENCE: Duration = Duration::from_secs(90);

/// A server that speaks S3; it ends with its test.
struct Server {
    endpoint: String,
    _child: Child,
}

/// Says that the server is not there, which in CI must not be.
fn skipped(missing: &str) {
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{missing}");
    eprintln!("SKIPPED: {missing}");
}

impl Server {
    async fn start() -> Option<Self> {
        let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../.venv/bin/python");
        let python = std::env::var_os("DAYBOOK_PYTHON").map_or(beside, PathBuf::from);
        let tried = Command::new(&python)
            .args(["-c", "import moto.server, flask, flask_cors"])
            .output()
            .await;
        if !tried.is_ok_and(|output| output.status.success()) {
            skipped(&format!(
                "{} has no `moto` with its server",
                python.display()
            ));
            return None;
        }
        let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let child = Command::new(python)
            .args(["-m", "moto.server", "-H", "127.0.0.1", "-p"])
            .arg(address.port().to_string())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let listening = async {
            while TcpStream::connect(address).await.is_err() {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        tokio::time::timeout(PATIENCE, listening).await.unwrap();
        Some(Self {
            endpoint: format!("http://{address}"),
            _child: child,
        })
    }

    fn bucket(&self, name: &str) -> Documents {
        bucket(&self.endpoint, name)
    }

    async fn make_bucket(&self, name: &str) {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let made = client.put(format!("{}/{name}", self.endpoint)).send().await;
        assert!(made.unwrap().status().is_success());
    }
}

fn bucket(endpoint: &str, name: &str) -> Documents {
    let config = S3Config {
        endpoint: endpoint.to_owned(),
        bucket: name.to_owned(),
        region: "us-east-1".to_owned(),
        access_key: "tests".into(),
        secret_key: "tests".into(),
    };
    Documents::try_new(DocumentsConfig::S3(config)).unwrap()
}

fn tls() {
    let _already_there = rustls::crypto::ring::default_provider().install_default();
}

#[tokio::test]
async fn a_bucket_keeps_and_gives() {
    tls();
    let Some(server) = Server::start().await else {
        return;
    };
    server.make_bucket("documents").await;
    keeps_and_gives(&server.bucket("documents")).await;
    let absent = server.bucket("nobody-made-this").delete(id()).await;
    assert!(absent.is_ok() || matches!(absent, Err(DocumentError::Unavailable(_))));
    let absent = server.bucket("nobody-made-this").list().await;
    assert!(
        matches!(absent, Err(DocumentError::Unavailable(_))),
        "{absent:?}"
    );
}

#[tokio::test]
async fn a_bucket_that_is_away_is_unavailable() {
    tls();
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let listed = bucket(&format!("http://{address}"), "documents")
        .list()
        .await;
    let Err(error @ DocumentError::Unavailable(_)) = listed else {
        panic!("{listed:?}");
    };
    assert!(!format!("{error:?}").contains("tests"), "no key is told");
}
