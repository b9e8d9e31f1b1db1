//! What is in force, for `daybook config`: secrets masked.

use std::collections::BTreeMap;

use daybook_api::LimitStore;
use serde::Serialize;

use crate::book::word;

use super::{
    Config, MetricsListen,
    variables::{GENERATED, VARIABLES, Variable},
};

/// One variable as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Shown {
    /// Its name.
    pub variable: &'static str,
    /// What is in force; a secret is masked.
    pub value: String,
    /// `environment`, the older name it was given by, `generated` or `default`.
    pub source: &'static str,
    /// Read and checked, but used by a later version only.
    pub unused: bool,
    /// What it means.
    pub meaning: &'static str,
}

/// Every variable, in the order of the documentation.
pub fn shown(config: &Config, environment: &BTreeMap<String, String>) -> Vec<Shown> {
    let show = |variable: &Variable| {
        let (value, source) = value(config, environment, variable);
        Shown {
            variable: variable.name,
            value,
            source,
            unused: variable.later,
            meaning: variable.meaning,
        }
    };
    VARIABLES.iter().map(show).collect()
}

fn value(
    config: &Config,
    environment: &BTreeMap<String, String>,
    variable: &Variable,
) -> (String, &'static str) {
    let given = |name: &str| {
        let value = environment.get(name)?.trim();
        (!value.is_empty()).then(|| value.to_owned())
    };
    let found = given(variable.name)
        .map(|value| (value, "environment"))
        .or_else(|| Some((given(variable.alias?)?, variable.alias?)));
    match found {
        Some((_, source)) if variable.name == "DATABASE_URL" => (database(config), source),
        Some((_, source)) if variable.secret => ("********".to_owned(), source),
        Some((value, source)) => (value, source),
        None if variable.default == GENERATED => ("********".to_owned(), "generated"),
        None => {
            let value = derived(config, variable.name);
            (value.unwrap_or(variable.default.to_owned()), "default")
        }
    }
}

fn database(config: &Config) -> String {
    let Some(url) = &config.database.url else {
        return "embedded".to_owned();
    };
    let (user, host, port) = (url.get_username(), url.get_host(), url.get_port());
    let name = url.get_database().unwrap_or_default();
    format!("postgres://{user}:********@{host}:{port}/{name}")
}

/// Defaults that depend on the machine or on other variables.
fn derived(config: &Config, name: &str) -> Option<String> {
    match name {
        "DAYBOOK_LISTEN" => Some(config.listen.to_string()),
        "DAYBOOK_METRICS_LISTEN" => Some(match config.metrics {
            MetricsListen::Off => "off".to_owned(),
            MetricsListen::Default(address) | MetricsListen::Given(address) => address.to_string(),
        }),
        "DAYBOOK_ADVERTISE" => Some(config.advertise.clone()),
        "DAYBOOK_SESSIONS" => Some(word(&config.rules().sessions)),
        "DAYBOOK_SHARDS" => Some(config.engine.shards.to_string()),
        "DAYBOOK_QUEUE_MAX" => Some(config.engine.queue_max.to_string()),
        "DAYBOOK_HOT_ACCOUNTS_MAX" => Some(config.engine.hot_accounts_max.to_string()),
        "DAYBOOK_SNAPSHOT_EVERY" => Some(config.engine.snapshot_every.to_string()),
        "IDEMPOTENCY_TTL_SEC" => Some(config.engine.idempotency_ttl.as_secs().to_string()),
        "RATE_LIMIT_STORE" => Some(match config.api.limits.store {
            LimitStore::Memory => "memory".to_owned(),
            LimitStore::Postgres => "postgres".to_owned(),
        }),
        "BLOCKED_USER_AGENTS" => Some(config.api.perimeter.blocked_user_agents.join(",")),
        "CRM_WEBHOOK_VOCABULARY" => Some(word(&config.crm.vocabulary)),
        "CORS_ORIGINS" if config.api.cors_origins.is_empty() => Some("none".to_owned()),
        "CORS_ORIGINS" => Some(config.api.cors_origins.join(",")),
        _ => None,
    }
}
