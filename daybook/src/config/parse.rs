//! From variables to the typed configuration.

mod crm;
mod house;
mod mail;
mod market;
mod perimeter;
mod secret;

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use daybook_api::{BreachedPasswords, Network, SESSION_MAX_AGE_S, SocketsConfig};
use daybook_documents::{DocumentsConfig, S3Config};
use daybook_domain::Decimal;
use daybook_engine::EngineConfig;

use super::{
    ApiSettings, Config, ConfigErrors, DatabaseConfig, LogConfig, MetricsListen, reader::Reader,
};

const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);
const METRICS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 9464);

pub fn config(environment: BTreeMap<String, String>) -> Result<Config, ConfigErrors> {
    let mut read = Reader::new(environment);
    let mistyped = read.mistyped();
    let listen = listen(&mut read);
    let metrics = metrics(&mut read);
    let data_dir = PathBuf::from(read.text("DAYBOOK_DATA_DIR").unwrap_or("./data".to_owned()));
    let database = database(&mut read);
    let market = market::in_use(&mut read);
    let engine = engine(&mut read, market.api_key.is_none());
    let (api, advertise) = api(&mut read, listen, database.url.is_some());
    let mail = mail::in_use(&mut read, listen);
    let documents = documents(&mut read, &data_dir);
    let secrets = secret::in_use(&mut read, database.url.is_some(), &data_dir);
    let crm = crm::settings(&mut read);
    log_from(&mut read);
    let config = secrets.map(|secrets| Config {
        listen,
        metrics,
        advertise,
        data_dir,
        documents,
        database,
        market,
        engine,
        api,
        mail,
        secrets,
        crm,
        mistyped,
    });
    let config = read.finish(config)?;
    Ok(config.expect("invariant: secrets are absent only with an error"))
}

pub fn log(environment: BTreeMap<String, String>) -> LogConfig {
    log_from(&mut Reader::new(environment))
}

fn log_from(read: &mut Reader) -> LogConfig {
    let filter = read.parsed_with("DAYBOOK_LOG", |text| {
        match text.parse::<tracing_subscriber::EnvFilter>() {
            Ok(_) => Ok(text.to_owned()),
            Err(error) => Err(error.to_string()),
        }
    });
    let json = read.choice("DAYBOOK_LOG_FORMAT", &[("text", false), ("json", true)]);
    LogConfig {
        filter,
        json: json.unwrap_or(false),
    }
}

fn listen(read: &mut Reader) -> SocketAddr {
    let port: Option<u16> = read.parsed_with("PORT", |text| {
        text.parse().map_err(|_| "must be a port number".to_owned())
    });
    let address = read.parsed("DAYBOOK_LISTEN");
    address
        .or(port.map(|port| SocketAddr::from((Ipv4Addr::UNSPECIFIED, port))))
        .unwrap_or(LISTEN)
}

fn metrics(read: &mut Reader) -> MetricsListen {
    if read.is_empty("DAYBOOK_METRICS_LISTEN") {
        return MetricsListen::Off;
    }
    match read.parsed("DAYBOOK_METRICS_LISTEN") {
        Some(address) => MetricsListen::Given(address),
        None => MetricsListen::Default(METRICS),
    }
}

fn database(read: &mut Reader) -> DatabaseConfig {
    // The parser's own message may repeat the URL, and with it a password.
    let url = read.parsed_with("DATABASE_URL", |text| {
        let postgres = text.starts_with("postgres://") || text.starts_with("postgresql://");
        text.parse()
            .ok()
            .filter(|_| postgres)
            .ok_or_else(|| "must be a URL like postgres://user:password@host:5432/name".to_owned())
    });
    DatabaseConfig {
        url,
        connections_max: read.at_least_one("DAYBOOK_DATABASE_CONNECTIONS_MAX", 20),
    }
}

fn engine(read: &mut Reader, simulated: bool) -> EngineConfig {
    let default = EngineConfig::default();
    let ttl = read.at_least_one("IDEMPOTENCY_TTL_SEC", default.idempotency_ttl.as_secs());
    EngineConfig {
        shards: read
            .parsed_with("DAYBOOK_SHARDS", one_to_1024)
            .unwrap_or(default.shards),
        queue_max: count(read, "DAYBOOK_QUEUE_MAX").unwrap_or(default.queue_max),
        rules: house::rules(read, simulated),
        idempotency_ttl: Duration::from_secs(ttl),
        hot_accounts_max: count(read, "DAYBOOK_HOT_ACCOUNTS_MAX")
            .unwrap_or(default.hot_accounts_max),
        snapshot_every: read.at_least_one("DAYBOOK_SNAPSHOT_EVERY", default.snapshot_every),
        ..default
    }
}

fn api(read: &mut Reader, listen: SocketAddr, external: bool) -> (ApiSettings, String) {
    let app = url(read, "APP_URL", &["http", "https"]);
    let own = url(read, "API_URL", &["http", "https"]).or_else(|| app.clone());
    let mut cors_origins = read.list("CORS_ORIGINS");
    if cors_origins.is_empty() {
        cors_origins.extend(app.as_deref().map(|app| origin(app).to_owned()));
    }
    let mut trusted_proxies = Vec::new();
    for network in read.list("TRUSTED_PROXIES") {
        match network.parse::<Network>() {
            Ok(network) => trusted_proxies.push(network),
            Err(error) => read.error("TRUSTED_PROXIES", format!("{network}: {error}")),
        }
    }
    let advertise = read.text("DAYBOOK_ADVERTISE").or_else(|| app.clone());
    let settings = ApiSettings {
        behind_tls: own
            .as_deref()
            .is_some_and(|own| own.starts_with("https://")),
        secure_cookies: !app.as_deref().is_none_or(is_loopback),
        session_max_age: read
            .limit("SESSION_MAX_AGE_SEC", Some(SESSION_MAX_AGE_S))
            .filter(|seconds| *seconds > 0)
            .map(|seconds| Duration::from_secs(seconds.into())),
        breached_passwords: read.parsed_with("BREACHED_PASSWORDS_FILE", |path| {
            BreachedPasswords::open(Path::new(path)).map_err(|error| format!("{path}: {error}"))
        }),
        live_requires_kyc: read.flag("LIVE_REQUIRES_KYC", false),
        cors_origins,
        trusted_proxies,
        limits: perimeter::limits(read, external),
        perimeter: perimeter::in_use(read),
        sockets: sockets(read),
        demo_funds: read
            .parsed_with("DEMO_FUNDS", positive)
            .unwrap_or(Decimal::from(10_000)),
        leverage: read
            .parsed_with("DAYBOOK_LEVERAGE", one_to_500)
            .unwrap_or(100),
        accounts_max: count(read, "DAYBOOK_ACCOUNTS_MAX").unwrap_or(10),
        url: own.unwrap_or_else(|| crate::serve::local_url(listen)),
        impersonation_session: impersonation_session(read),
        impersonation_can_withdraw: read.flag("IMPERSONATION_CAN_WITHDRAW", false),
    };
    (settings, advertise.unwrap_or_else(|| own_address(listen)))
}

/// At least a minute, at most a day.
fn impersonation_session(read: &mut Reader) -> Duration {
    let seconds = read.parsed_with("IMPERSONATION_SESSION_SEC", |text| {
        let number: Option<u64> = text.parse().ok();
        let number = number.filter(|number| (60..=86_400).contains(number));
        number.ok_or_else(|| "must be a number of seconds from 60 to 86400".to_owned())
    });
    Duration::from_secs(seconds.unwrap_or(3_600))
}

/// A bucket where one is named, else a directory; half a bucket is none.
fn documents(read: &mut Reader, data_dir: &Path) -> DocumentsConfig {
    let endpoint = url(read, "S3_ENDPOINT", &["http", "https"]);
    let region = read.text("S3_REGION").unwrap_or("us-east-1".to_owned());
    let mut wanted = |name: &'static str| {
        let value = read.text(name);
        match (&endpoint, &value) {
            (Some(_), None) => read.error(name, "is required with S3_ENDPOINT"),
            (None, Some(_)) => read.error("S3_ENDPOINT", format!("is required with {name}")),
            (Some(_), Some(_)) | (None, None) => {}
        }
        value.unwrap_or_default()
    };
    let bucket = wanted("S3_BUCKET");
    let access_key = wanted("S3_ACCESS_KEY").into();
    let secret_key = wanted("S3_SECRET_KEY").into();
    match endpoint {
        Some(endpoint) => DocumentsConfig::S3(S3Config {
            endpoint,
            bucket,
            region,
            access_key,
            secret_key,
        }),
        None => DocumentsConfig::Directory(data_dir.join("documents")),
    }
}

/// Where others find this node. A name where it listens on every address, because that is none.
fn own_address(listen: SocketAddr) -> String {
    if !listen.ip().is_unspecified() {
        return format!("http://{listen}");
    }
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = match name.trim() {
        "" | "(none)" => "localhost",
        name => name,
    };
    format!("http://{name}:{}", listen.port())
}

fn sockets(read: &mut Reader) -> SocketsConfig {
    let default = SocketsConfig::default();
    SocketsConfig {
        threads: read
            .parsed_with("DAYBOOK_QUOTE_THREADS", one_to_1024)
            .unwrap_or(default.threads),
        per_address_max: read.limit("SOCKETS_PER_ADDRESS_MAX", Some(100)),
    }
}

fn url(read: &mut Reader, name: &'static str, schemes: &[&str]) -> Option<String> {
    read.parsed_with(name, |text| match text.split_once("://") {
        Some((scheme, rest)) if schemes.contains(&scheme) && !rest.is_empty() => {
            Ok(text.trim_end_matches('/').to_owned())
        }
        _ => Err(format!("must begin with {}://", schemes.join(":// or "))),
    })
}

/// Whether a browser reaches it without TLS on its own machine: cookies cannot be `Secure` there.
fn is_loopback(url: &str) -> bool {
    let Some(rest) = url.strip_prefix("http://") else {
        return false;
    };
    let authority = rest.split('/').next().unwrap_or_default();
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        Some(_) | None => authority,
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let address = host.parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

/// `https://host:port` of an address with a path.
fn origin(url: &str) -> &str {
    let host = url.find("://").map_or(0, |at| at + 3);
    let end = url[host..].find('/').map_or(url.len(), |at| host + at);
    &url[..end]
}

fn count(read: &mut Reader, name: &'static str) -> Option<usize> {
    read.parsed_with(name, |text| match text.parse() {
        Ok(0) => Err("must be at least 1".to_owned()),
        Ok(number) => Ok(number),
        Err(error) => Err(format!("{error}")),
    })
}

fn one_to_1024(text: &str) -> Result<usize, String> {
    let number = text
        .parse()
        .ok()
        .filter(|number| (1..=1024).contains(number));
    number.ok_or_else(|| "must be a number from 1 to 1024".to_owned())
}

fn one_to_500(text: &str) -> Result<u32, String> {
    let number = text
        .parse()
        .ok()
        .filter(|number| (1..=500).contains(number));
    number.ok_or_else(|| "must be a number from 1 to 500".to_owned())
}

fn positive(text: &str) -> Result<Decimal, String> {
    let number = text.parse().ok().filter(|number| *number > Decimal::ZERO);
    number.ok_or_else(|| "must be a decimal number above 0".to_owned())
}

#[cfg(test)]
mod tests;
