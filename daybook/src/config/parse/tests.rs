//! Configuration as a user writes it.

mod documents;
mod impersonation;
mod market;
mod perimeter;

use std::{fs, path::Path};

use daybook_domain::rules::SessionRule;

use super::*;
use crate::{
    config::{shown, variables::VARIABLES},
    scratch::Scratch,
};

fn environment(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    pairs.iter().map(owned).collect()
}

/// With a directory of its own for generated secrets.
fn embedded(dir: &Scratch, pairs: &[(&str, &str)]) -> Result<Config, ConfigErrors> {
    let mut environment = environment(pairs);
    let path = dir.path().to_string_lossy().into_owned();
    environment.insert("DAYBOOK_DATA_DIR".to_owned(), path);
    config(environment)
}

fn names(errors: &ConfigErrors) -> Vec<&str> {
    errors.0.iter().map(|error| error.name.as_str()).collect()
}

const EXTERNAL: &[(&str, &str)] = &[
    (
        "DATABASE_URL",
        "postgres://app:s3cret-word@db.internal:5433/book",
    ),
    ("JWT_SECRET", "an access secret of its own"),
    ("JWT_REFRESH_SECRET", "a refresh secret of its own"),
    ("DATA_ENCRYPTION_KEY", "an encryption key of its own"),
    ("SSO_IMPERSONATION_SECRET", "an sso secret of its own"),
    ("CRM_SSO_SECRET", "a crm secret"),
    ("CRM_SERVICE_TOKEN", "a crm token"),
    ("SITE_WEBHOOK_SECRET", "whsec_c2VjcmV0"),
];

#[test]
fn nothing_configured_is_a_simulated_market_on_an_embedded_database() {
    let dir = Scratch::new();
    let config = embedded(&dir, &[]).unwrap();
    assert_eq!(config.listen, LISTEN);
    assert_eq!(config.metrics, MetricsListen::Default(METRICS));
    assert!(config.database.url.is_none());
    assert!(config.simulated());
    assert_eq!(config.rules().sessions, SessionRule::Always);
    assert_eq!(config.api.demo_funds, Decimal::from(10_000));
    assert_eq!(config.api.limits.orders_max, Some(10));
    assert_eq!(config.advertise, "http://127.0.0.1:8080");
}

#[test]
fn generated_secrets_survive_a_restart() {
    use secrecy::ExposeSecret;

    let dir = Scratch::new();
    let first = embedded(&dir, &[]).unwrap();
    let second = embedded(&dir, &[]).unwrap();
    let (first, second) = (first.secrets.access, second.secrets.access);
    assert_eq!(first.expose_secret(), second.expose_secret());
    assert_eq!(first.expose_secret().len(), 64);
}

#[test]
fn a_given_secret_wins_over_the_kept_one() {
    use secrecy::ExposeSecret;

    let dir = Scratch::new();
    embedded(&dir, &[]).unwrap();
    let given = [("JWT_ACCESS_SECRET", "given by the environment")];
    let config = embedded(&dir, &given).unwrap();
    assert_eq!(config.secrets.access.expose_secret(), given[0].1);
}

#[test]
fn with_an_external_database_every_secret_is_required_by_name() {
    let errors = config(environment(&EXTERNAL[..1])).unwrap_err();
    assert_eq!(
        names(&errors),
        [
            "JWT_ACCESS_SECRET",
            "JWT_REFRESH_SECRET",
            "DATA_ENCRYPTION_KEY",
            "SSO_IMPERSONATION_SECRET",
            "CRM_SSO_SECRET",
            "CRM_SERVICE_TOKEN",
            "SITE_WEBHOOK_SECRET",
        ]
    );
    let complete = config(environment(EXTERNAL)).unwrap();
    assert!(complete.database.url.is_some());
}

#[test]
fn every_error_is_reported_together_under_the_name_it_was_given_by() {
    let dir = Scratch::new();
    let errors = embedded(
        &dir,
        &[
            ("DAYBOOK_LISTEN", "somewhere"),
            ("DATABASE_URL", "mysql://user:hunter2@host/db"),
            ("JWT_SECRET", "short"),
            ("RATE_LIMIT_MAX", "many"),
            ("DAYBOOK_SESSIONS", "sometimes"),
            ("TRUSTED_PROXIES", "10.0.0.0/8, proxy"),
            ("DEMO_FUNDS", "-1"),
            ("DAYBOOK_SIM_TICKS", "/does/not/exist.csv"),
            ("DAYBOOK_QUEUE_MAX", "0"),
            ("LIVE_REQUIRES_KYC", "perhaps"),
            ("LOG_LEVEL", "=loud="),
        ],
    )
    .unwrap_err();
    let mut names = names(&errors);
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "DATABASE_URL",
            "DAYBOOK_LISTEN",
            "DAYBOOK_QUEUE_MAX",
            "DAYBOOK_SESSIONS",
            "DAYBOOK_SIM_TICKS",
            "DEMO_FUNDS",
            "JWT_SECRET",
            "LIVE_REQUIRES_KYC",
            "LOG_LEVEL",
            "RATE_LIMIT_MAX",
            "TRUSTED_PROXIES",
        ]
    );
    assert!(!errors.to_string().contains("hunter2"), "{errors}");
    let left = fs::read_dir(dir.path()).unwrap().count();
    assert_eq!(left, 0, "nothing is generated for a refused configuration");
}

#[test]
fn a_port_listens_on_every_address_unless_an_address_is_given() {
    let dir = Scratch::new();
    let by_port = embedded(&dir, &[("PORT", "9000")]).unwrap();
    assert_eq!(by_port.listen.to_string(), "0.0.0.0:9000");
    assert!(by_port.advertise.ends_with(":9000"));
    assert!(!by_port.advertise.contains("0.0.0.0"));
    let both = [("PORT", "9000"), ("DAYBOOK_LISTEN", "[::1]:7000")];
    assert_eq!(
        embedded(&dir, &both).unwrap().listen.to_string(),
        "[::1]:7000"
    );
}

#[test]
fn empty_means_unset_except_for_the_metrics_which_it_switches_off() {
    let dir = Scratch::new();
    let pairs = [
        ("DATABASE_URL", ""),
        ("TWELVEDATA_API_KEY", " "),
        ("DAYBOOK_METRICS_LISTEN", ""),
    ];
    let config = embedded(&dir, &pairs).unwrap();
    assert!(config.database.url.is_none());
    assert!(config.simulated());
    assert_eq!(config.metrics, MetricsListen::Off);
}

#[test]
fn limits_are_switched_off_by_zero_or_off() {
    let dir = Scratch::new();
    let pairs = [
        ("RATE_LIMIT_MAX", "0"),
        ("RATE_LIMIT_ORDERS_MAX", "off"),
        ("LOGIN_BLOCK_AFTER", "7"),
    ];
    let limits = embedded(&dir, &pairs).unwrap().api.limits;
    assert_eq!(limits.requests_max, None);
    assert_eq!(limits.orders_max, None);
    assert_eq!(limits.login_block_after, Some(7));
    assert_eq!(limits.auth_max, Some(10));
}

#[test]
fn a_provider_key_brings_trading_hours_unless_told_otherwise() {
    let dir = Scratch::new();
    let key = ("TWELVEDATA_API_KEY", "key");
    let real = embedded(&dir, &[key]).unwrap();
    assert!(!real.simulated());
    assert_eq!(real.rules().sessions, SessionRule::Terms);
    let always = embedded(&dir, &[key, ("DAYBOOK_SESSIONS", "always")]).unwrap();
    assert_eq!(always.rules().sessions, SessionRule::Always);
}

#[test]
fn the_rules_of_the_house_are_set_one_by_one() {
    use daybook_domain::{
        Rules,
        rules::{StopOutRule, TradingState},
    };

    let dir = Scratch::new();
    let pairs = [
        ("DAYBOOK_TRADING_STATE", "reducing"),
        ("DAYBOOK_ORDERS_PER_MINUTE", "60"),
        ("DAYBOOK_CONFIRM_TRIGGERS", "on"),
        ("DAYBOOK_MARGIN_CALL_LEVEL", "80"),
        ("DAYBOOK_MARGIN_CALL_CLEAR_LEVEL", "90.5"),
        ("DAYBOOK_STOP_OUT", "smart"),
        ("DAYBOOK_STOP_OUT_LEVEL", "30"),
        ("DAYBOOK_HEDGED_STOP_OUT_AT", "-5"),
        ("DAYBOOK_NEGATIVE_BALANCE_PROTECTION", "off"),
        ("DAYBOOK_SWAP", "off"),
        ("DAYBOOK_DAILY_LOSS_LIMIT", "500"),
        ("DAYBOOK_DAILY_LOSS_CLOSES_ALL", "true"),
    ];
    let config = embedded(&dir, &pairs).unwrap();
    let expected = Rules {
        sessions: SessionRule::Always,
        trading_state: TradingState::Reducing,
        orders_per_minute: Some(60),
        confirm_triggers: true,
        margin_call_level: Some(Decimal::from(80)),
        margin_call_clear_level: Decimal::new(905, 1),
        stop_out: StopOutRule::Smart,
        stop_out_level: Decimal::from(30),
        hedged_stop_out_at: Decimal::from(-5),
        negative_balance_protection: false,
        swap: false,
        daily_loss_limit: Some(Decimal::from(500)),
        daily_loss_closes_all: true,
        ..Rules::default()
    };
    assert_eq!(*config.rules(), expected);
    let off = [
        ("DAYBOOK_MARGIN_CALL_LEVEL", "off"),
        ("DAYBOOK_STOP_OUT", "off"),
    ];
    let config = embedded(&dir, &off).unwrap();
    assert_eq!(config.rules().margin_call_level, None);
    assert_eq!(config.rules().stop_out, StopOutRule::Off);
    let crossed = embedded(&dir, &[("DAYBOOK_MARGIN_CALL_LEVEL", "120")]).unwrap_err();
    assert_eq!(names(&crossed), ["DAYBOOK_MARGIN_CALL_CLEAR_LEVEL"]);
}

#[test]
fn the_public_address_gives_cors_origin_and_transport_security() {
    let dir = Scratch::new();
    let pairs = [("APP_URL", "https://trade.example.com/app/")];
    let config = embedded(&dir, &pairs).unwrap();
    assert!(config.api.behind_tls);
    assert_eq!(config.api.cors_origins, ["https://trade.example.com"]);
    assert_eq!(config.advertise, "https://trade.example.com/app");
    let own = [
        pairs[0],
        ("CORS_ORIGIN", "https://a.example, https://b.example"),
    ];
    let config = embedded(&dir, &own).unwrap();
    assert_eq!(
        config.api.cors_origins,
        ["https://a.example", "https://b.example"]
    );
}

#[test]
fn the_path_decides_the_names_of_webhooks_unless_told_otherwise() {
    use daybook_domain::endpoint::Vocabulary;
    let base = ("CRM_BASE_URL", "https://crm.example/");
    for (pairs, url, vocabulary) in [
        (vec![], None, Vocabulary::Crm),
        (
            vec![base],
            Some("https://crm.example/api/webhooks/site"),
            Vocabulary::Crm,
        ),
        (
            vec![base, ("CRM_WEBHOOK_PATH", "/webhooks/crm")],
            Some("https://crm.example/webhooks/crm"),
            Vocabulary::Site,
        ),
        (
            vec![base, ("CRM_WEBHOOK_VOCABULARY", "both")],
            Some("https://crm.example/api/webhooks/site"),
            Vocabulary::Both,
        ),
    ] {
        let dir = Scratch::new();
        let config = embedded(&dir, &pairs).unwrap();
        assert_eq!(config.crm.url.as_deref(), url, "{pairs:?}");
        assert_eq!(config.crm.vocabulary, vocabulary, "{pairs:?}");
        assert!(!config.crm.allow_private);
    }
    let dir = Scratch::new();
    let errors = embedded(&dir, &[("CRM_WEBHOOK_PATH", "hooks")]).unwrap_err();
    assert_eq!(names(&errors), ["CRM_WEBHOOK_PATH"]);
}

#[test]
fn names_that_look_like_ours_and_are_none_are_told() {
    let dir = Scratch::new();
    let config = embedded(&dir, &[("DAYBOOK_LISTN", "x"), ("DAYBOOK_BIN", "y")]).unwrap();
    assert_eq!(config.mistyped, ["DAYBOOK_LISTN"]);
}

#[test]
fn what_is_shown_holds_no_secret() {
    let environment = environment(EXTERNAL);
    let config = config(environment.clone()).unwrap();
    let shown = shown(&config, &environment);
    let text = serde_json::to_string(&shown).unwrap();
    for (name, value) in EXTERNAL {
        assert!(!text.contains(value), "{name} is shown");
    }
    assert!(!text.contains("s3cret-word"));
    let of = |name: &str| shown.iter().find(|one| one.variable == name).unwrap();
    assert_eq!(
        of("DATABASE_URL").value,
        "postgres://app:********@db.internal:5433/book"
    );
    assert_eq!(of("JWT_ACCESS_SECRET").source, "JWT_SECRET");
    assert_eq!(of("DAYBOOK_SESSIONS").value, "always");
    assert_eq!(of("DAYBOOK_SESSIONS").source, "default");
    assert_eq!(of("DAYBOOK_SIM_TICKS").value, "generated prices");
    assert!(!format!("{config:?}").contains("secret of its own"));
}

#[test]
fn the_readme_and_the_example_list_every_variable() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for file in ["README.md", ".env.example"] {
        let text = fs::read_to_string(root.join(file)).unwrap();
        for variable in VARIABLES {
            assert!(
                text.contains(variable.name),
                "{file} lacks {}",
                variable.name
            );
            if let Some(alias) = variable.alias {
                assert!(text.contains(alias), "{file} lacks {alias}");
            }
        }
    }
}
