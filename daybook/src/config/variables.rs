//! Every variable, in one table: what `daybook config` prints, what the README must list, and what
//! an unknown `DAYBOOK_…` name is told apart by.

/// One environment variable.
#[derive(Clone, Copy, Debug)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// An older name that works too; the name itself wins.
    pub alias: Option<&'static str>,
    /// What stands for it when it is unset, as text for people.
    pub default: &'static str,
    /// Whether its value is shown.
    pub secret: bool,
    /// Read and checked already, used by a later part of the system.
    pub later: bool,
    /// What it means.
    pub meaning: &'static str,
}

const fn plain(name: &'static str, default: &'static str, meaning: &'static str) -> Variable {
    Variable {
        name,
        alias: None,
        default,
        secret: false,
        later: false,
        meaning,
    }
}

const fn secret(name: &'static str, default: &'static str, meaning: &'static str) -> Variable {
    Variable {
        secret: true,
        ..plain(name, default, meaning)
    }
}

const fn later(variable: Variable) -> Variable {
    Variable {
        later: true,
        ..variable
    }
}

const fn also(variable: Variable, alias: &'static str) -> Variable {
    Variable {
        alias: Some(alias),
        ..variable
    }
}

/// What an unset secret becomes.
pub const GENERATED: &str = "generated; required with DATABASE_URL";

/// All of them, by subject.
#[rustfmt::skip]
pub const VARIABLES: &[Variable] = &[
    plain("DAYBOOK_LISTEN", "127.0.0.1:8080", "address of the HTTP and WebSocket server"),
    plain("PORT", "", "n: listen on 0.0.0.0:n, where DAYBOOK_LISTEN is unset"),
    plain("DAYBOOK_METRICS_LISTEN", "127.0.0.1:9464", "address for Prometheus; set but empty: off"),
    plain("DAYBOOK_ADVERTISE", "APP_URL, else the address listened on", "this node's address for other nodes to show"),
    plain("DAYBOOK_DATA_DIR", "./data", "embedded database, documents, mails, generated secrets"),
    secret("DATABASE_URL", "embedded", "external Postgres 15 or newer"),
    plain("DAYBOOK_DATABASE_CONNECTIONS_MAX", "20", "connections of the reading pool"),

    secret("TWELVEDATA_API_KEY", "the built-in simulator", "key of the market data provider"),
    plain("TWELVEDATA_WS_URL", "wss://ws.twelvedata.com/v1/quotes/price", "its WebSocket"),
    plain("TWELVEDATA_REST_URL", "https://api.twelvedata.com", "its REST API"),
    plain("MD_PROVIDERS", "twelve_data", "who sells quotes, the preferred one first: twelve_data, book_ticker"),
    plain("MD_SYMBOL_PROVIDERS", "none", "symbols with an order of their own: BTCUSD=book_ticker/twelve_data,ETHUSD=…"),
    plain("MD_FAILOVER_SEC", "10", "a provider that has not delivered for so long is replaced by the next one"),
    plain("BOOK_TICKER_WS_URL", "the built-in simulator's", "WebSocket of the exchange's book ticker, as Binance speaks it: wss://stream.binance.com:9443/stream"),
    plain("BOOK_TICKER_REST_URL", "the built-in simulator's", "its REST API: https://api.binance.com"),
    plain("MD_WS_SYMBOLS_MAX", "all", "most symbols to subscribe to at one time; what is held and watched goes first, what is left is polled"),
    plain("MD_SYMBOLS_PER_CONNECTION", "all", "symbols on one upstream WebSocket"),
    plain("MD_UNWATCHED_SEC", "off", "a symbol that nobody watches and no account holds is unsubscribed after this; off: never"),
    plain("MD_CREDITS_PER_MINUTE", "what the provider says", "most credits to use in a minute; off: no limit of our own"),
    plain("MD_HISTORY_TTL_1M_SEC", "60", "how long fetched candles are served before they are fetched again"),
    plain("MD_HISTORY_TTL_1H_SEC", "3600", "the same, for candles of an hour and more"),
    plain("MD_CANDLES_KEPT_DAYS", "1m=30,5m=90,15m=180,30m=365,1h=730", "how long candles stay in the database, by interval; 4h=off: for ever; off: all for ever"),
    plain("DAYBOOK_FEED_JUMP_MAX_PERCENT", "10", "a larger move is held until quotes agree"),
    plain("DAYBOOK_FEED_AGREEMENT_PERCENT", "1", "held quotes agree within this"),
    plain("DAYBOOK_FEED_SILENCE_MS", "60000", "after so long without a quote the next one is not tested"),
    plain("DAYBOOK_SIM_TICKS", "generated prices", "simulator: comma-separated tick files to replay"),
    plain("DAYBOOK_SIM_SPEED", "1", "simulator: speed of the replay"),
    plain("DAYBOOK_SIM_SEED", "1", "simulator: seed of the generated prices"),
    plain("DAYBOOK_SIM_LOOP", "false", "simulator: begin the replay again at its end"),
    plain("DAYBOOK_SIM_MAX_GAP_MS", "5000", "simulator: longer gaps of the replay are shortened to this"),

    plain("DAYBOOK_SESSIONS", "always with the simulated feed, else terms", "trading hours: terms | always"),
    plain("DAYBOOK_LIMIT_FILL", "improve", "price of a limit fill: improve | at_limit"),
    plain("DAYBOOK_CONVERSION", "worse", "side of conversion rates: worse | by_deal"),
    plain("DAYBOOK_MAX_QUOTE_AGE_MS", "10000", "oldest quote that may be traded on; off: any age"),
    plain("DAYBOOK_ORDERS_MAX", "500", "working orders an account may have"),
    plain("DAYBOOK_POSITIONS_MAX", "500", "open positions an account may have"),
    plain("DAYBOOK_FUNDING_MAX", "100", "deposits and withdrawals an account may have open at once"),
    plain("DAYBOOK_TRADING_STATE", "active", "the whole house: active | reducing | halted"),
    plain("DAYBOOK_ORDERS_PER_MINUTE", "off", "orders that an account may place in a minute; 0 or off: any number"),
    plain("DAYBOOK_CONFIRM_TRIGGERS", "false", "a level triggers once two quotes in a row touch it"),
    plain("DAYBOOK_MARGIN_CALL_LEVEL", "100", "margin level of the margin call, in percent; off: none"),
    plain("DAYBOOK_MARGIN_CALL_CLEAR_LEVEL", "110", "margin level that clears it, in percent"),
    plain("DAYBOOK_STOP_OUT", "mt5", "in which order a stop-out closes: mt5 | fair | smart | off"),
    plain("DAYBOOK_STOP_OUT_LEVEL", "50", "margin level of the stop-out, in percent"),
    plain("DAYBOOK_HEDGED_STOP_OUT_AT", "0", "usable money at which it starts where positions use no margin"),
    plain("DAYBOOK_NEGATIVE_BALANCE_PROTECTION", "true", "a negative balance without positions is compensated"),
    plain("DAYBOOK_SWAP", "true", "rollovers charge swap"),
    plain("DAYBOOK_DAILY_LOSS_LIMIT", "off", "loss of a trading day that blocks new risk, in the account's currency; off: none"),
    plain("DAYBOOK_DAILY_LOSS_CLOSES_ALL", "false", "reaching it also closes all positions"),
    plain("DEMO_FUNDS", "10000", "demo money of a new client, in USD"),
    plain("DAYBOOK_LEVERAGE", "100", "leverage of a new client's accounts"),
    plain("DAYBOOK_ACCOUNTS_MAX", "10", "accounts that a client may have"),
    plain("LIVE_REQUIRES_KYC", "false", "live orders and funding need approved documents"),

    plain("DAYBOOK_SHARDS", "4", "tasks that own the accounts"),
    plain("DAYBOOK_QUEUE_MAX", "2048", "commands waiting for one shard before 503"),
    plain("DAYBOOK_HOT_ACCOUNTS_MAX", "100000", "accounts held in memory; those with orders or positions always are"),
    plain("DAYBOOK_SNAPSHOT_EVERY", "500", "events of a stream between snapshots"),
    plain("DAYBOOK_QUOTE_THREADS", "half of the cores", "threads that write quotes to sockets"),
    plain("IDEMPOTENCY_TTL_SEC", "86400", "how long answers are kept for their idempotency keys"),

    plain("APP_URL", "the address listened on", "public address of the web site"),
    plain("API_URL", "APP_URL", "public address of the API; https turns HSTS on"),
    also(plain("CORS_ORIGINS", "APP_URL's", "comma-separated origins that browsers may call from"), "CORS_ORIGIN"),
    plain("TRUSTED_PROXIES", "none", "comma-separated networks allowed to set X-Forwarded-For"),

    also(secret("JWT_ACCESS_SECRET", GENERATED, "signs access tokens"), "JWT_SECRET"),
    secret("JWT_ACCESS_SECRET_PREVIOUS", "", "still verifies during a rotation"),
    secret("JWT_REFRESH_SECRET", GENERATED, "signs refresh tokens"),
    secret("JWT_REFRESH_SECRET_PREVIOUS", "", "still verifies during a rotation"),
    secret("DATA_ENCRYPTION_KEY", GENERATED, "wraps the keys of personal data; lose it and they are lost"),
    later(secret("DATA_ENCRYPTION_KEY_PREVIOUS", "", "during a rotation")),
    secret("SSO_IMPERSONATION_SECRET", GENERATED, "signs impersonation tokens; bearer token of whoever asks for one"),
    secret("SSO_IMPERSONATION_SECRET_PREVIOUS", "", "during a rotation"),
    secret("CRM_SSO_SECRET", GENERATED, "verifies the CRM's own tokens"),
    secret("CRM_SSO_SECRET_PREVIOUS", "", "during a rotation"),
    secret("CRM_SERVICE_TOKEN", GENERATED, "the CRM's bearer token"),
    secret("CRM_SERVICE_TOKEN_PREVIOUS", "", "during a rotation"),
    also(secret("SITE_WEBHOOK_SECRET", GENERATED, "signs webhooks"), "WEBHOOK_SECRET"),
    secret("SITE_WEBHOOK_SECRET_PREVIOUS", "", "during a rotation"),

    plain("CRM_BASE_URL", "webhooks wait in the outbox", "address of the CRM"),
    plain("CRM_WEBHOOK_PATH", "/api/webhooks/site", "where it takes webhooks"),
    plain("CRM_WEBHOOK_VOCABULARY", "by the path", "names of webhooks: crm | site | both"),
    secret("CRM_API_TOKEN", "CRM_SERVICE_TOKEN", "our bearer token at the CRM's own service API"),
    plain("CRM_SERVICE_API", "on", "clients are looked up, and the checks of the law and notes told, at the CRM's own service API; off: never"),
    plain("WEBHOOK_ALLOW_PRIVATE", "false", "webhooks and calls may go to private networks"),

    plain("RATE_LIMIT_MAX", "100", "requests per window and user, else address; 0 or off: no limit"),
    plain("RATE_LIMIT_WINDOW_MS", "60000", "that window"),
    plain("RATE_LIMIT_AUTH_MAX", "10", "requests to /auth/* per window and address; 0 or off: no limit"),
    plain("RATE_LIMIT_ORDERS_MAX", "10", "trading commands per second and user; 0 or off: no limit"),
    plain("RATE_LIMIT_CRM_MAX", "100", "requests of the CRM per window and address; 0 or off: no limit"),
    plain("RATE_LIMIT_STORE", "postgres with DATABASE_URL, else memory", "where limits are counted: postgres (all nodes together) | memory (each for itself)"),
    plain("SOCKETS_PER_ADDRESS_MAX", "100", "WebSockets and streams of events one address may hold; 0 or off: no limit"),
    plain("LOGIN_BLOCK_AFTER", "5", "failed sign-ins that block an account or address; 0 or off: never"),
    plain("LOGIN_BLOCK_SEC", "900", "for how long, and within what time failures count"),
    plain("LOGIN_DELAY_MS", "250", "how long the answer to an account's second failed sign-in waits, doubled with each further one; 0: not at all"),
    plain("SESSION_MAX_AGE_SEC", "2592000", "how long a session may go on, however much it is used; 0 or off: for ever"),
    plain("BREACHED_PASSWORDS_FILE", "none", "passwords that nobody may choose: SHA-1 hashes in order, one a line, as Have I Been Pwned gives them out"),
    plain("HONEYPOT_BLOCK", "on", "addresses that probe for holes (/.env, /wp-login.php, …) are blocked"),
    plain("HONEYPOT_BLOCK_SEC", "3600", "for how long"),
    plain("BLOCKED_USER_AGENTS", "known scanners", "comma-separated texts in User-Agent that are refused; off: none"),

    plain("S3_ENDPOINT", "the data directory", "clients' documents: address of an S3-compatible store"),
    plain("S3_BUCKET", "", "its bucket, for this installation alone; required with S3_ENDPOINT"),
    plain("S3_REGION", "us-east-1", "the bucket's region"),
    secret("S3_ACCESS_KEY", "", "name of the key; required with S3_ENDPOINT"),
    secret("S3_SECRET_KEY", "", "the key; required with S3_ENDPOINT"),
    secret("SMTP_URL", "kept in the data directory", "mail server: smtp://user:password@host:587 or smtps://…"),
    plain("MAIL_FROM", "Daybook <no-reply@localhost>", "sender of mails"),
    secret("RECAPTCHA_SECRET", "not asked", "registration and sign-in need a captcha, checked with this"),
    plain("RECAPTCHA_URL", "https://www.google.com/recaptcha/api/siteverify", "where captchas are checked"),
    plain("IMPERSONATION_SESSION_SEC", "3600", "how long an impersonated session lasts, however much it is used"),
    plain("IMPERSONATION_CAN_WITHDRAW", "false", "an impersonated session may withdraw"),

    also(plain("DAYBOOK_LOG", "info", "log filter, e.g. info,daybook=debug"), "LOG_LEVEL"),
    plain("DAYBOOK_LOG_FORMAT", "text", "text | json"),
];

/// Variables of our name that belong to tests and scripts.
const OF_TOOLS: &[&str] = &[
    "DAYBOOK_BIN",
    "DAYBOOK_IMAGE",
    "DAYBOOK_NODE_MODULES",
    "DAYBOOK_PROFILE",
    "DAYBOOK_PUBLISH",
    "DAYBOOK_PYTHON",
    "DAYBOOK_TEST_POSTGRES",
    "DAYBOOK_TEST_FSYNC",
];

/// The table's entry.
pub fn find(name: &str) -> Option<&'static Variable> {
    VARIABLES.iter().find(|variable| variable.name == name)
}

/// Whether a variable of the environment looks like one of ours and is none: a typing error.
pub fn looks_mistyped(name: &str) -> bool {
    name.starts_with("DAYBOOK_") && find(name).is_none() && !OF_TOOLS.contains(&name)
}
