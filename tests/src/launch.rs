//! What the program is launched with: configuration, an address, a directory.

use std::{
    collections::BTreeMap,
    fs,
    io::ErrorKind,
    net::TcpListener,
    path::{Path, PathBuf},
    time::Duration,
};

use uuid::Uuid;

use crate::{app::App, feed::Feed};

/// A directory of one test, removed with it.
pub struct Directory(PathBuf);

impl Directory {
    /// Makes one where temporary files go.
    ///
    /// # Panics
    /// When that is not possible.
    #[must_use]
    pub fn new() -> Self {
        let path = std::env::temp_dir().join(format!("daybook-test-{}", Uuid::now_v7().simple()));
        fs::create_dir_all(&path).expect("temporary directories can be made");
        Self(path)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Default for Directory {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // A Postgres that follows its killed server needs a moment, and writes until then.
        for _ in 0..100 {
            match fs::remove_dir_all(&self.0) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    std::thread::sleep(Duration::from_millis(100));
                }
                Ok(()) | Err(_) => return,
            }
        }
    }
}

/// What a process is launched with. Nothing of this process's environment leaks in but the paths.
#[derive(Clone)]
pub struct Launch {
    environment: BTreeMap<String, String>,
    port: u16,
}

impl Launch {
    /// With an external database and the tests' own feed, every limit on rates off.
    #[must_use]
    pub fn on(database_url: &str, feed: &Feed) -> Self {
        Self::with(database_url, &feed.ws_url(), &feed.rest_url())
    }

    /// The same, with a provider at these addresses.
    #[must_use]
    pub fn with(database_url: &str, ws_url: &str, rest_url: &str) -> Self {
        Self::bare()
            .set("DATABASE_URL", database_url)
            .set("JWT_ACCESS_SECRET", "tests-access-secret-0123456789abcdef")
            .set(
                "JWT_REFRESH_SECRET",
                "tests-refresh-secret-0123456789abcdef",
            )
            .set(
                "DATA_ENCRYPTION_KEY",
                "tests-encryption-key-0123456789abcdef",
            )
            .set(
                "SSO_IMPERSONATION_SECRET",
                "tests-sso-secret-0123456789abcdef",
            )
            .set("CRM_SSO_SECRET", "tests-crm-sso-secret-0123456789abcdef")
            .set("CRM_SERVICE_TOKEN", "tests-crm-token-0123456789abcdef")
            .set(
                "SITE_WEBHOOK_SECRET",
                "tests-webhook-secret-0123456789abcdef",
            )
            .set("TWELVEDATA_API_KEY", "tests")
            .set("TWELVEDATA_WS_URL", ws_url)
            .set("TWELVEDATA_REST_URL", rest_url)
            .set("DAYBOOK_SESSIONS", "always")
            .without_rate_limits()
    }

    /// With nothing configured but a free address to listen on.
    #[must_use]
    pub fn bare() -> Self {
        let mut environment: BTreeMap<_, _> = ["PATH", "HOME", "TMPDIR", "USER"]
            .into_iter()
            .filter_map(|name| Some((name.to_owned(), std::env::var(name).ok()?)))
            .collect();
        let port = free_port();
        environment.insert("DAYBOOK_LISTEN".to_owned(), format!("127.0.0.1:{port}"));
        environment.insert("DAYBOOK_METRICS_LISTEN".to_owned(), String::new());
        Self { environment, port }
    }

    /// Sets a variable.
    #[must_use]
    pub fn set(mut self, name: &str, value: &str) -> Self {
        self.environment.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Every variable.
    #[must_use]
    pub fn environment(&self) -> &BTreeMap<String, String> {
        &self.environment
    }

    /// A variable as it is set.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.environment.get(name).map(String::as_str)
    }

    /// The address that this server listens on.
    #[must_use]
    pub fn listen(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Takes every limit on rates away.
    #[must_use]
    pub fn without_rate_limits(self) -> Self {
        self.set("RATE_LIMIT_MAX", "off")
            .set("RATE_LIMIT_AUTH_MAX", "off")
            .set("RATE_LIMIT_ORDERS_MAX", "off")
            .set("RATE_LIMIT_CRM_MAX", "off")
            .set("LOGIN_BLOCK_AFTER", "off")
    }

    /// The same configuration for a second server beside the first.
    #[must_use]
    pub fn beside(&self) -> Self {
        let mut twin = self.clone();
        twin.port = free_port();
        let listen = format!("127.0.0.1:{}", twin.port);
        twin.set("DAYBOOK_LISTEN", &listen)
    }

    /// Starts `daybook serve` and waits until it leads and is ready.
    pub async fn start(self) -> App {
        let app = self.spawn();
        app.ready().await;
        app
    }

    /// Starts `daybook serve` and does not wait.
    #[must_use]
    pub fn spawn(self) -> App {
        let directory = Directory::new();
        let mut launch = self;
        if !launch.environment.contains_key("DAYBOOK_DATA_DIR") {
            let data = directory.path().join("data");
            launch = launch.set("DAYBOOK_DATA_DIR", &data.to_string_lossy());
        }
        App::spawn(launch, directory)
    }
}

/// A port outside the range that the kernel hands to outgoing connections, so that none of the
/// tests' own can take it while the server is away.
fn free_port() -> u16 {
    loop {
        let [.., high, low] = *Uuid::now_v7().as_bytes(); // The random end of it.
        let candidate = 15_000 + u16::from_be_bytes([high, low]) % 17_000;
        if TcpListener::bind(("127.0.0.1", candidate)).is_ok() {
            return candidate;
        }
    }
}
