//! The list of codes behind `docs/ERRORS.md`: slug, status, title and meaning of each.

/// One way a request can fail, as `docs/ERRORS.md` lists it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorEntry {
    /// Stable slug.
    pub code: &'static str,
    /// HTTP status.
    pub status: u16,
    /// Short text for people.
    pub title: &'static str,
    /// When it happens and what to do.
    pub meaning: &'static str,
}

macro_rules! codes {
    ($($name:ident = $status:literal $code:literal $title:literal $meaning:literal;)+) => {
        /// The stable slugs, in the order of `docs/ERRORS.md`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub(crate) enum Code { $($name),+ }

        impl Code {
            pub(crate) const ALL: &'static [Self] = &[$(Self::$name),+];

            pub(crate) const fn entry(self) -> ErrorEntry {
                match self {
                    $(Self::$name => ErrorEntry {
                        code: $code, status: $status, title: $title, meaning: $meaning,
                    }),+
                }
            }
        }
    };
}

codes! {
    Malformed = 400 "malformed" "Malformed request"
        "The body is not JSON of the documented shape, or a header, path or query parameter does not parse.";
    UnknownField = 400 "unknown_field" "Unknown field"
        "The body or query has a field that the route does not know.";
    InvalidValue = 400 "invalid_value" "Invalid value"
        "A field's value is missing, of the wrong kind, not positive, or has more than 28 digits.";
    InvalidOrder = 400 "invalid_order" "Invalid order"
        "The prices or times do not go with the order's type; nothing was appended.";
    InvalidAmount = 400 "invalid_amount" "Invalid amount"
        "The amount is zero or has more decimals than its currency.";
    Overflow = 400 "overflow" "Result too large"
        "The result would have more than 28 digits; nothing was appended.";
    InvalidTerms = 400 "invalid_terms" "Invalid account terms"
        "The account cannot be opened on these terms.";
    InsufficientFunds = 400 "insufficient_funds" "Insufficient funds"
        "A withdrawal, its completion or a debit is more than what is there; the problem has `error`, `required` and `available` too. Nothing was appended.";
    UnknownSymbol = 400 "unknown_symbol" "Unknown symbol"
        "There is no such instrument. `GET /market/symbols` lists them.";
    WeakPassword = 400 "weak_password" "Weak password"
        "A password has 10 to 200 characters and is not the e-mail address.";
    InvalidIdempotencyKey = 400 "invalid_idempotency_key" "Invalid idempotency key"
        "`Idempotency-Key` has 1 to 255 visible ASCII characters.";
    InvalidToken = 400 "invalid_token" "Link not valid"
        "The token of a mail's link is not one of ours, has expired, was used, or a newer one was asked for.";
    WrongFactor = 400 "invalid_code" "Wrong code"
        "The code of the authenticator, or the recovery code, is wrong or was used before.";
    CaptchaFailed = 400 "captcha_failed" "Captcha failed"
        "`captchaToken` is missing, or the captcha's provider does not vouch for it (any more).";
    Unauthenticated = 401 "unauthenticated" "Not signed in"
        "No access token was sent, or it is not one of ours.";
    TokenExpired = 401 "token_expired" "Access token expired"
        "The access token's time is over: sign in again.";
    InvalidCredentials = 401 "invalid_credentials" "Wrong e-mail or password"
        "The address is not registered or the password is not its own; which of the two is not told.";
    TotpRequired = 401 "totp_required" "Second factor required"
        "The password is right; sign in again with `totp`, a code of the authenticator or a recovery code.";
    RefreshReused = 401 "refresh_reused" "Refresh token used before"
        "A refresh token came back after it had been replaced: somebody may have a copy. Its session has ended.";
    InvalidSsoToken = 401 "invalid_sso_token" "Invalid or expired SSO token"
        "The token that was to let somebody in, in a client's place, is not genuine, has expired, was used, or the client may not be visited; which of them is not told. Ask for another.";
    CsrfFailed = 403 "csrf_failed" "Not from our page"
        "A request that cookies sign in needs `X-CSRF-Token` with the value of `daybook_csrf`, and the site's own `Origin`.";
    ClientSuspended = 403 "client_suspended" "Client suspended"
        "The client may not sign in at present.";
    StaffDisabled = 403 "staff_disabled" "Member of staff disabled"
        "The member of staff may not sign in at present.";
    Forbidden = 403 "forbidden" "Not allowed"
        "The role of the member of staff does not allow it.";
    ImpersonationRestricted = 403 "impersonation_restricted" "Not in a client's place"
        "Somebody of the broker's, in a client's place, may not do this: it is for the client in person.";
    KycRequired = 403 "kyc_required" "Checks not done"
        "Live orders and funding need approved documents.";
    EmailUnverified = 403 "email_unverified" "E-mail address not verified"
        "Live orders and funding need a verified address; the demo account trades at once.";
    OriginRefused = 403 "origin_refused" "Origin refused"
        "A page of another site asked for a WebSocket; `CORS_ORIGINS` names those that may.";
    AddressBlocked = 403 "address_blocked" "Address blocked"
        "Requests from this address are refused.";
    UserAgentBlocked = 403 "user_agent_blocked" "Program refused"
        "Requests of this program are refused.";
    NotFound = 404 "not_found" "Not found"
        "There is no such thing, or it is somebody else's.";
    MethodNotAllowed = 405 "method_not_allowed" "Method not allowed"
        "The route exists, but not with this method; `Allow` names those it has.";
    NotAcceptable = 406 "not_acceptable" "Not acceptable"
        "The route answers neither of the content types in `Accept`, or needs a WebSocket upgrade.";
    Conflict = 409 "conflict" "Conflict"
        "What was asked for contradicts what is there.";
    TwoFactorOn = 409 "two_factor_on" "Second factor is on"
        "A second factor is on already; disable it first.";
    TwoFactorOff = 409 "two_factor_off" "Second factor is off"
        "There is no second factor to disable, or none was set up to verify.";
    FundingNotOpen = 409 "funding_not_open" "Request not open"
        "The deposit or withdrawal has ended, or has come too far for what was asked.";
    PayloadTooLarge = 413 "payload_too_large" "Body too large"
        "A body has at most 64 KiB, an upload 10 MiB.";
    UriTooLong = 414 "uri_too_long" "Address too long"
        "Path and query have at most 8 KiB.";
    UnsupportedMediaType = 415 "unsupported_media_type" "Unsupported media type"
        "A body is sent as `application/json`, an upload as `multipart/form-data`.";
    UnsupportedDocument = 415 "unsupported_document" "Unsupported document"
        "By its content the file is no whole PDF, JPEG or PNG, or it is something else besides; its name and content type are not looked at.";
    InstrumentDisabled = 422 "instrument_disabled" "Instrument disabled"
        "The instrument may not be traded at present.";
    CloseOnly = 422 "close_only" "Close only"
        "Positions of the instrument may be closed and reduced, none may be opened.";
    TradingDisabled = 422 "trading_disabled" "Trading disabled"
        "The client or account may not trade.";
    MarketClosed = 422 "market_closed" "Market closed"
        "The instrument's session is closed.";
    StaleQuote = 422 "stale_quote" "Stale quote"
        "The newest quote is older than `maxQuoteAgeMs`.";
    VolumeOutOfRange = 422 "volume_out_of_range" "Volume out of range"
        "The volume is below the instrument's minimum or above its maximum.";
    VolumeStep = 422 "volume_step" "Volume not a multiple of the step"
        "Volumes are multiples of the instrument's `volumeStep`.";
    InvalidStops = 422 "invalid_stops" "Invalid stops"
        "A stop, stop loss or take profit is on the wrong side of the market.";
    TooManyOrders = 422 "too_many_orders" "Too many orders"
        "The account has as many working orders as it may.";
    DailyLossLimit = 422 "daily_loss_limit" "Daily loss limit reached"
        "The day's loss has reached its limit: new risk is refused until the next trading day.";
    MaxPosition = 422 "max_position" "Position limit reached"
        "The account has as many open positions, lots in one direction, or notional, as it may.";
    LeverageOutOfRange = 422 "leverage_out_of_range" "Leverage out of range"
        "The leverage is below 1 or above what the account may have.";
    NotOpposite = 422 "not_opposite" "Not opposite positions"
        "Only a long and a short position of one symbol close one another.";
    WrongMode = 422 "wrong_mode" "Wrong position mode"
        "Accounts of this mode, hedging or netting, have no such operation.";
    DealBusted = 422 "deal_busted" "Deal busted already"
        "The deal was undone before; nothing is undone twice.";
    NotCorrectable = 422 "not_correctable" "Deal cannot be corrected"
        "The correction cannot be made by compensation any more; the detail says why.";
    InsufficientMargin = 422 "insufficient_margin" "Insufficient margin"
        "Free margin does not cover the margin and commission that the order needs.";
    PositionNotOpen = 422 "position_not_open" "Position not open"
        "The position has been closed already.";
    OrderNotWorking = 422 "order_not_working" "Order not working"
        "The order has been filled, cancelled, rejected or has expired.";
    DemoAccount = 422 "demo_account" "Demo account"
        "Money comes to live accounts and leaves them; a demo account has neither deposits nor withdrawals.";
    CurrencyMismatch = 422 "currency_mismatch" "Other currency"
        "Deposits and withdrawals are in the account's currency.";
    TooManyFundingRequests = 422 "too_many_funding_requests" "Too many requests open"
        "The account has as many deposits and withdrawals requested or approved as it may.";
    TooManyAccounts = 422 "too_many_accounts" "Too many accounts"
        "The client has as many accounts as it may.";
    TooManyDocuments = 422 "too_many_documents" "Too many documents"
        "The client has handed in as many documents as they may.";
    ClientNotSettled = 422 "client_not_settled" "Client not settled"
        "An account of the client has open positions, working orders, real money or open funding requests: nobody is erased before.";
    IdempotencyKeyReused = 422 "idempotency_key_reused" "Idempotency key reused"
        "The key was used before with another path, query or body. A new request needs a new key.";
    RateLimited = 429 "rate_limited" "Too many requests"
        "The rate limit is used up; `Retry-After` says when to try again. Nothing was appended.";
    TooManyConnections = 429 "too_many_connections" "Too many connections"
        "The address holds as many WebSockets and streams of events as it may: close one first.";
    SignInBlocked = 429 "sign_in_blocked" "Sign-in blocked"
        "Too many failed sign-ins to this account or from this address; other routes go on working.";
    OrderRate = 429 "order_rate" "Too many orders"
        "The account has placed as many orders within a minute as it may; `Retry-After` says when to try again. Nothing was appended.";
    HeadersTooLarge = 431 "headers_too_large" "Headers too large"
        "The headers have at most 32 KiB.";
    Internal = 500 "internal" "Internal error"
        "Our fault, and logged under `requestId`. With an `Idempotency-Key` it is safe to ask again.";
    NoQuote = 503 "no_quote" "No quote yet"
        "No quote that the request needs has arrived since the start; nothing was appended.";
    Unavailable = 503 "unavailable" "Unavailable"
        "The database is away, or the answer took too long. With an `Idempotency-Key` it is safe to ask again.";
    CaptchaUnavailable = 503 "captcha_unavailable" "Captcha unavailable"
        "The captcha's provider does not answer: try again in a moment.";
    Overloaded = 503 "overloaded" "Overloaded"
        "More commands wait than can be taken in; nothing was appended.";
    ReadModelBehind = 503 "read_model_behind" "Read model behind"
        "The read model did not reach the position that was asked for within 2 seconds.";
    NotLeader = 503 "not_leader" "Not the leader"
        "This node is a standby: it serves reads, and commands once it has taken over.";
}

/// Every code, for `docs/ERRORS.md`.
#[must_use]
pub fn error_catalogue() -> Vec<ErrorEntry> {
    Code::ALL.iter().map(|code| code.entry()).collect()
}
