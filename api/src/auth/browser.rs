//! Browsers keep their refresh token in a cookie that no script reads. What a cookie signs in must
//! come from our own page: its `Origin` is ours, and it repeats a value that only our page can read.

use axum::http::{HeaderMap, HeaderValue, header};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use cookie::{Cookie, SameSite, time::Duration};
use daybook_domain::SessionId;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use crate::{
    config::ApiConfig,
    problem::{Answered, Code, Problem},
};

const REFRESH: &str = "daybook_refresh";
const CSRF: &str = "daybook_csrf";
const CSRF_HEADER: &str = "x-csrf-token";

/// Whether the caller is a browser that wants cookies.
pub(crate) fn is_browser(headers: &HeaderMap) -> bool {
    headers
        .get("x-client")
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"web"))
}

/// The cookies of a session, `Set-Cookie` for each.
pub(crate) fn cookies(
    config: &ApiConfig,
    session: SessionId,
    refresh_token: &str,
    max_age: std::time::Duration,
) -> [HeaderValue; 2] {
    let max_age = Duration::try_from(max_age).unwrap_or(Duration::WEEK);
    let csrf = csrf_token(&config.refresh_secret, session);
    [
        set(config, REFRESH, refresh_token, true, max_age),
        set(config, CSRF, &csrf, false, max_age),
    ]
}

/// The same two, taken away.
pub(crate) fn no_cookies(config: &ApiConfig) -> [HeaderValue; 2] {
    [
        set(config, REFRESH, "", true, Duration::ZERO),
        set(config, CSRF, "", false, Duration::ZERO),
    ]
}

fn set(
    config: &ApiConfig,
    name: &str,
    value: &str,
    http_only: bool,
    max_age: Duration,
) -> HeaderValue {
    let cookie = Cookie::build((name, value))
        .path("/")
        .same_site(SameSite::Strict)
        .secure(config.secure_cookies)
        .http_only(http_only)
        .max_age(max_age)
        .build();
    HeaderValue::from_str(&cookie.to_string())
        .expect("invariant: tokens are of letters that a header may hold")
}

/// The refresh token that the browser keeps.
pub(crate) fn refresh_token(headers: &HeaderMap) -> Option<String> {
    read(headers, REFRESH)
}

fn read(headers: &HeaderMap, name: &str) -> Option<String> {
    let lines = headers.get_all(header::COOKIE).iter();
    let lines = lines.filter_map(|line| line.to_str().ok());
    let found = lines
        .flat_map(Cookie::split_parse)
        .flatten()
        .find(|cookie| cookie.name() == name);
    found.map(|cookie| cookie.value().to_owned())
}

/// Refuses what a page of another site could have sent with our cookies.
pub(crate) fn check(headers: &HeaderMap, config: &ApiConfig, session: SessionId) -> Answered<()> {
    let refused = || Problem::new(Code::CsrfFailed);
    if let Some(origin) = headers.get(header::ORIGIN) {
        let origin = origin.to_str().map_err(|_| refused())?;
        if !config.cors_origins.iter().any(|ours| ours == origin) {
            return Err(refused());
        }
    }
    let given = headers
        .get(CSRF_HEADER)
        .and_then(|value| value.to_str().ok());
    let given = given.ok_or_else(refused)?;
    let secrets = [
        Some(&config.refresh_secret),
        config.refresh_secret_previous.as_ref(),
    ];
    let matches = secrets.into_iter().flatten().any(|secret| {
        let expected = csrf_token(secret, session);
        expected.as_bytes().ct_eq(given.as_bytes()).into()
    });
    if matches { Ok(()) } else { Err(refused()) }
}

/// Bound to the session, so that a cookie planted by a neighbouring host fits no other.
fn csrf_token(secret: &SecretString, session: SessionId) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes())
        .expect("invariant: HMAC takes any key");
    mac.update(b"daybook csrf\0");
    mac.update(session.0.as_bytes());
    URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn config(secure: bool) -> ApiConfig {
        let mut config = ApiConfig::new("secret".into());
        config.refresh_secret = "refreshing".into();
        config.secure_cookies = secure;
        config.cors_origins = vec!["https://trade.example.com".to_owned()];
        config
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    #[test]
    fn the_refresh_cookie_is_kept_from_scripts_and_other_sites() {
        let session = SessionId(Uuid::now_v7());
        let age = std::time::Duration::from_secs(60);
        let [refresh, csrf] = cookies(&config(true), session, "a.b.c", age);
        let refresh = refresh.to_str().unwrap();
        for part in [
            "daybook_refresh=a.b.c",
            "HttpOnly",
            "SameSite=Strict",
            "Secure",
            "Path=/",
            "Max-Age=60",
        ] {
            assert!(refresh.contains(part), "{refresh}");
        }
        assert!(!csrf.to_str().unwrap().contains("HttpOnly"));
        let [plain, _] = cookies(&config(false), session, "a.b.c", age);
        assert!(!plain.to_str().unwrap().contains("Secure"));
        let [gone, _] = no_cookies(&config(true));
        assert!(gone.to_str().unwrap().contains("Max-Age=0"));
    }

    #[test]
    fn a_cookie_is_found_among_others() {
        let sent = headers(&[("cookie", "a=b; daybook_refresh=x.y.z; c=d")]);
        assert_eq!(refresh_token(&sent).as_deref(), Some("x.y.z"));
        assert_eq!(refresh_token(&headers(&[("cookie", "nothing")])), None);
    }

    #[test]
    fn only_our_own_page_can_repeat_the_value() {
        let (config, session) = (config(true), SessionId(Uuid::now_v7()));
        let right = csrf_token(&config.refresh_secret, session);
        let other = csrf_token(&config.refresh_secret, SessionId(Uuid::now_v7()));
        let origin = "https://trade.example.com";
        let check = |pairs: &[(&'static str, &str)]| check(&headers(pairs), &config, session);
        assert!(check(&[("origin", origin), ("x-csrf-token", &right)]).is_ok());
        assert!(check(&[("x-csrf-token", &right)]).is_ok());
        for wrong in [
            &[("origin", origin), ("x-csrf-token", other.as_str())][..],
            &[("origin", origin)],
            &[("origin", "https://evil.example"), ("x-csrf-token", &right)],
            &[("origin", "null"), ("x-csrf-token", &right)],
        ] {
            assert!(check(wrong).is_err(), "{wrong:?}");
        }
    }
}
