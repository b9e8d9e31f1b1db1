//! What stands between an attacker and the routes.

use std::time::Duration;

use daybook_api::{CaptchaConfig, LimitStore, Limits, PerimeterConfig};

use super::url;
use crate::config::reader::Reader;

/// Limits. Nodes that may be several count together, a lone one for itself.
pub(super) fn limits(read: &mut Reader, external: bool) -> Limits {
    let default = Limits::default();
    let stores = [
        ("memory", LimitStore::Memory),
        ("postgres", LimitStore::Postgres),
    ];
    let by_database = if external {
        LimitStore::Postgres
    } else {
        LimitStore::Memory
    };
    Limits {
        window: Duration::from_millis(read.at_least_one("RATE_LIMIT_WINDOW_MS", 60_000_u64)),
        requests_max: read.limit("RATE_LIMIT_MAX", default.requests_max),
        auth_max: read.limit("RATE_LIMIT_AUTH_MAX", default.auth_max),
        orders_max: read.limit("RATE_LIMIT_ORDERS_MAX", default.orders_max),
        crm_max: read.limit("RATE_LIMIT_CRM_MAX", default.crm_max),
        store: read
            .choice("RATE_LIMIT_STORE", &stores)
            .unwrap_or(by_database),
        login_block_after: read.limit("LOGIN_BLOCK_AFTER", default.login_block_after),
        login_block: Duration::from_secs(read.at_least_one("LOGIN_BLOCK_SEC", 900_u64)),
        login_delay: read
            .parsed_with("LOGIN_DELAY_MS", delay)
            .unwrap_or(default.login_delay),
    }
}

/// Blocks, traps, captchas.
pub(super) fn in_use(read: &mut Reader) -> PerimeterConfig {
    let default = PerimeterConfig::default();
    let traps = read.flag("HONEYPOT_BLOCK", true);
    let span = Duration::from_secs(read.at_least_one("HONEYPOT_BLOCK_SEC", 3_600_u64));
    let named = read.list("BLOCKED_USER_AGENTS");
    let blocked_user_agents = match named.as_slice() {
        [] => default.blocked_user_agents,
        [off] if off == "off" => Vec::new(),
        [..] => named,
    };
    let secret = read.text("RECAPTCHA_SECRET");
    let verifier = url(read, "RECAPTCHA_URL", &["http", "https"]);
    let captcha = secret.map(|secret| CaptchaConfig {
        secret: secret.into(),
        url: verifier.unwrap_or("https://www.google.com/recaptcha/api/siteverify".to_owned()),
    });
    PerimeterConfig {
        honeypot_block: traps.then_some(span),
        blocked_user_agents,
        captcha,
    }
}

/// Somebody waits for the answer, and the longest one is 16 times as long.
fn delay(text: &str) -> Result<Duration, String> {
    let number = text.parse().ok().filter(|number| *number <= 1_000);
    let number = number.ok_or_else(|| "must be a number from 0 to 1000".to_owned())?;
    Ok(Duration::from_millis(number))
}
