//! Logs: to standard error, text for people or JSON for machines.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::config::LogConfig;

/// Libraries that say at `info` what nobody asked.
const QUIET: &str = "sqlx=warn,hyper=warn,tower_http=warn,rustls=warn";

/// Starts logging. `default` is the level where the environment does not say.
pub fn start(config: &LogConfig, default: &str) {
    let directives = match &config.filter {
        Some(filter) => filter.clone(),
        None => format!("{default},{QUIET}"),
    };
    let filter = EnvFilter::try_new(directives).unwrap_or_else(|_| EnvFilter::new(default));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    if config.json {
        builder.json().flatten_event(true).init();
    } else {
        builder.with_ansi(std::io::stderr().is_terminal()).init();
    }
}
