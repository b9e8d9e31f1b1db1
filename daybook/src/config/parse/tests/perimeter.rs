//! What stands before the routes, as a user writes it.

use daybook_api::LimitStore;

use super::*;

#[test]
fn limits_are_shared_where_the_database_is() {
    let dir = Scratch::new();
    let store = |pairs| embedded(&dir, pairs).unwrap().api.limits.store;
    assert_eq!(store(&[]), LimitStore::Memory);
    let postgres = [("RATE_LIMIT_STORE", "postgres")];
    assert_eq!(store(&postgres), LimitStore::Postgres);
    let external = config(environment(EXTERNAL)).unwrap();
    assert_eq!(external.api.limits.store, LimitStore::Postgres);
}

#[test]
fn the_perimeter_stands_unless_told_otherwise() {
    let dir = Scratch::new();
    let api = |pairs| embedded(&dir, pairs).unwrap().api;
    let default = api(&[]);
    let hour = Duration::from_secs(3_600);
    assert_eq!(default.perimeter.honeypot_block, Some(hour));
    let agents = &default.perimeter.blocked_user_agents;
    assert!(agents.iter().any(|name| name == "sqlmap"), "{agents:?}");
    assert!(default.perimeter.captcha.is_none());
    assert_eq!(default.limits.login_delay.as_millis(), 250);

    let off = api(&[
        ("HONEYPOT_BLOCK", "off"),
        ("BLOCKED_USER_AGENTS", "off"),
        ("LOGIN_DELAY_MS", "0"),
    ]);
    assert_eq!(off.perimeter.honeypot_block, None);
    assert!(off.perimeter.blocked_user_agents.is_empty());
    assert!(off.limits.login_delay.is_zero());

    let set = api(&[
        ("HONEYPOT_BLOCK_SEC", "60"),
        ("BLOCKED_USER_AGENTS", "curl, wget"),
        ("RECAPTCHA_SECRET", "captcha-secret"),
    ]);
    assert_eq!(set.perimeter.honeypot_block, Some(Duration::from_secs(60)));
    assert_eq!(set.perimeter.blocked_user_agents, ["curl", "wget"]);
    let captcha = set.perimeter.captcha.unwrap();
    assert!(captcha.url.starts_with("https://www.google.com/"));

    let wrong = [
        ("RATE_LIMIT_STORE", "redis"),
        ("LOGIN_DELAY_MS", "1001"),
        ("HONEYPOT_BLOCK_SEC", "0"),
        ("RECAPTCHA_URL", "ftp://example.test"),
    ];
    let errors = embedded(&dir, &wrong).unwrap_err();
    let mut named = names(&errors);
    named.sort_unstable();
    let mut expected = wrong.map(|(name, _)| name);
    expected.sort_unstable();
    assert_eq!(named, expected);
}
