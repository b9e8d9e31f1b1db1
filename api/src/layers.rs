//! What surrounds every route: the request's name and log line, limits, problems for what failed
//! below us, security headers, metrics.
//!
//! Logs carry the path and never the query, a body or a token.

use std::{
    any::Any,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::Body,
    extract::{DefaultBodyLimit, MatchedPath, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use tower_http::{
    catch_panic::CatchPanicLayer,
    compression::{
        CompressionLayer,
        predicate::{DefaultPredicate, Predicate, SizeAbove},
    },
    cors::{AllowOrigin, CorsLayer},
};
use tracing::Instrument as _;

use crate::{
    absent,
    app::Shared,
    perimeter::{self, Trapped},
    problem::{Code, Problem},
    rate_limit::{Caller, Class},
    request::RequestInfo,
};

const BODY_MAX: usize = 64 * 1024;
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// Ten megabytes take a telephone minutes.
const UPLOAD_TIMEOUT: Duration = Duration::from_secs(180);
const UPLOADS: &str = "/user/kyc/documents";
const COMPRESS_ABOVE: u16 = 1024;
const VERSION_PREFIX: &str = "/api/v1";

/// The path or template without the version's prefix: the same route has the same name.
pub(crate) fn without_version(path: &str) -> &str {
    match path.strip_prefix(VERSION_PREFIX) {
        Some(rest) if rest.starts_with('/') => rest,
        Some(_) | None => path,
    }
}

/// Wraps the routes, outermost layer last.
pub(crate) fn surround(routes: Router, app: &Shared) -> Router {
    let compressed = DefaultPredicate::new().and(SizeAbove::new(COMPRESS_ABOVE));
    routes
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .layer(middleware::from_fn(hurry))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(middleware::from_fn_with_state(Arc::clone(app), limit))
        .layer(CompressionLayer::new().compress_when(compressed))
        .layer(cors(&app.handles.config.cors_origins))
        .layer(middleware::from_fn_with_state(
            Arc::clone(app),
            perimeter::guard,
        ))
        .layer(middleware::from_fn_with_state(Arc::clone(app), observe))
}

fn panicked(cause: Box<dyn Any + Send>) -> Response {
    let text = cause.downcast_ref::<String>().map(String::as_str);
    let text = text
        .or_else(|| cause.downcast_ref::<&str>().copied())
        .unwrap_or("no text");
    tracing::error!(panic = text, "a handler panicked");
    Problem::new(Code::Internal).into_response()
}

fn cors(origins: &[String]) -> CorsLayer {
    let header = HeaderName::from_static;
    let origins = origins
        .iter()
        .filter_map(|origin| HeaderValue::from_str(origin).ok());
    CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins))
        .allow_credentials(true)
        .allow_methods([Method::GET, Method::POST, Method::PATCH, Method::DELETE])
        .allow_headers([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            header("idempotency-key"),
            header("daybook-min-position"),
            header("x-client"),
            header("x-csrf-token"),
            header("x-request-id"),
        ])
        .expose_headers([
            header::RETRY_AFTER,
            header("daybook-position"),
            header("idempotency-replayed"),
            header("ratelimit-limit"),
            header("ratelimit-remaining"),
            header("ratelimit-reset"),
            header("x-request-id"),
        ])
        .max_age(Duration::from_secs(600))
}

/// Gives up on a request that takes too long, its body included.
async fn hurry(request: Request, next: Next) -> Response {
    let uploads =
        request.method() == Method::POST && without_version(request.uri().path()) == UPLOADS;
    let patience = if uploads {
        UPLOAD_TIMEOUT
    } else {
        ANSWER_TIMEOUT
    };
    let answer = tokio::time::timeout(patience, next.run(request)).await;
    answer.unwrap_or_else(|_late| Problem::new(Code::Unavailable).into_response())
}

/// Refuses who asks too often, and tells everybody what is left.
async fn limit(State(app): State<Shared>, request: Request, next: Next) -> Response {
    let class = class_of(request.method(), request.uri().path());
    let info = request.extensions().get::<Arc<RequestInfo>>();
    let info = info.expect("invariant: the outermost layer has named the request");
    let caller = match class {
        Class::Auth | Class::Crm => Caller::of_address(info.address),
        Class::Orders | Class::Requests | Class::Free => caller(info),
    };
    let Some(allowance) = app.rate_limits.spend(class, caller).await else {
        return within(request, next).await;
    };
    let mut response = if allowance.allowed {
        within(request, next).await
    } else {
        allowance.problem().into_response()
    };
    allowance.write(response.headers_mut());
    response
}

/// The routes; a trap answers like any path that is none.
async fn within(request: Request, next: Next) -> Response {
    if request.extensions().get::<Trapped>().is_some() {
        return absent().await.into_response();
    }
    next.run(request).await
}

/// Whoever signed in, else the address.
fn caller(info: &RequestInfo) -> Caller {
    match (&info.identity, &info.staff) {
        (Ok(identity), _) => Caller::Client(identity.client_id),
        (Err(_), Ok(staff)) => Caller::Staff(staff.staff_id),
        (Err(_), Err(_)) => Caller::of_address(info.address),
    }
}

fn class_of(method: &Method, path: &str) -> Class {
    let path = without_version(path);
    let under = |prefix: &str| path.starts_with(prefix);
    if under("/health") || under("/docs") || path == "/openapi.json" {
        Class::Free
    } else if under("/crm/") || path == "/sso/impersonate" && method == Method::POST {
        Class::Crm
    } else if under("/auth/") || under("/sso/") || under("/staff/auth/") {
        Class::Auth
    } else if under("/crm/") {
        Class::Crm
    } else if under("/trading/") && method != Method::GET && method != Method::HEAD {
        Class::Orders
    } else {
        Class::Requests
    }
}

/// The outermost layer: names the request, renders problems, writes the log line and the metrics.
async fn observe(State(app): State<Shared>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let config = &app.handles.config;
    let info = Arc::new(RequestInfo::of(&request, &app));
    request.extensions_mut().insert(Arc::clone(&info));
    let method = request.method().clone();
    let matched = request.extensions().get::<MatchedPath>();
    let route = matched
        .map_or("(none)", |path| without_version(path.as_str()))
        .to_owned();
    let path = without_version(request.uri().path()).to_owned();

    let span = tracing::info_span!("request", id = &*info.id);
    let response = next.run(request).instrument(span.clone()).await;
    let mut response = rendered(response, &info.id);
    write_headers(response.headers_mut(), &info.id, &path, config.behind_tls);

    let _entered = span.entered();
    let took = started.elapsed();
    log(&info, &method, &route, response.status(), took);
    measure(&method, route, response.status(), took);
    response
}

/// Gives every failure its body: those of the routes, and those of the libraries around them.
fn rendered(response: Response, request_id: &str) -> Response {
    let (mut parts, body) = response.into_parts();
    if parts.status.as_u16() < 400 || has_its_body(&parts.headers) {
        return Response::from_parts(parts, body);
    }
    let problem = parts.extensions.remove::<Problem>();
    let problem = problem.unwrap_or_else(|| Problem::of_status(parts.status));
    if let Ok(status) = StatusCode::from_u16(problem.status()) {
        parts.status = status;
    }
    let kind = HeaderValue::from_static("application/problem+json");
    parts.headers.insert(header::CONTENT_TYPE, kind);
    parts.headers.remove(header::CONTENT_LENGTH);
    if let Some(seconds) = problem.retry_after_s() {
        parts
            .headers
            .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    Response::from_parts(parts, Body::from(problem.body(request_id)))
}

/// Problems of kept answers, and what `/health/ready` says of itself; libraries answer in plain
/// text, or nothing.
fn has_its_body(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE);
    kind.is_some_and(|kind| kind == "application/problem+json" || kind == "application/json")
}

fn write_headers(headers: &mut HeaderMap, request_id: &str, path: &str, behind_tls: bool) {
    let mut set = |name: &'static str, value: &'static str| {
        headers.insert(
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        );
    };
    set("x-content-type-options", "nosniff");
    set("x-frame-options", "DENY");
    set("referrer-policy", "no-referrer");
    // A route that serves what others made says more than this.
    headers
        .entry(header::CONTENT_SECURITY_POLICY)
        .or_insert(HeaderValue::from_static(if path.starts_with("/docs") {
            // Swagger UI styles itself inline; everything else it needs is vendored.
            "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
         object-src 'none'; base-uri 'none'; \
         frame-ancestors 'none'"
        } else {
            "default-src 'none'; base-uri 'none'; frame-ancestors 'none'"
        }));
    if behind_tls {
        headers.insert(
            header::STRICT_TRANSPORT_SECURITY,
            HeaderValue::from_static("max-age=31536000; includeSubDomains"),
        );
    }
    let public = ["/docs", "/openapi.json"]
        .iter()
        .any(|prefix| path.starts_with(prefix));
    if !public && !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    if let Ok(value) = HeaderValue::from_str(request_id) {
        headers.insert("x-request-id", value);
    }
}

fn log(info: &RequestInfo, method: &Method, route: &str, status: StatusCode, took: Duration) {
    let latency_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    let client = match (&info.identity, &info.staff) {
        (Ok(identity), _) => identity.client_id.to_string(),
        (Err(_), Ok(staff)) => format!("staff:{}", staff.staff_id),
        (Err(_), Err(_)) => "-".to_owned(),
    };
    let status = status.as_u16();
    if status >= 500 {
        tracing::warn!(%method, route, status, latency_us, client, "answered");
    } else if route.starts_with("/health") {
        tracing::debug!(%method, route, status, latency_us, client, "answered");
    } else {
        tracing::info!(%method, route, status, latency_us, client, "answered");
    }
}

fn measure(method: &Method, route: String, status: StatusCode, took: Duration) {
    // Anybody may make up a method: labels must not grow with them.
    let known = ["GET", "POST", "PATCH", "DELETE", "HEAD", "OPTIONS"];
    let method = known
        .into_iter()
        .find(|known| method == *known)
        .unwrap_or("other")
        .to_owned();
    let labels = [("method", method.clone()), ("route", route.clone())];
    metrics::histogram!("daybook_http_request_duration_seconds", &labels).record(took);
    let labels = [
        ("method", method),
        ("route", route),
        ("status", status.as_str().to_owned()),
    ];
    metrics::counter!("daybook_http_requests_total", &labels).increment(1);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_request_falls_under_one_limit() {
        for (method, path, class) in [
            (Method::POST, "/auth/login", Class::Auth),
            (Method::POST, "/api/v1/auth/register", Class::Auth),
            (Method::POST, "/staff/auth/login", Class::Auth),
            (Method::GET, "/sso/consume", Class::Auth),
            (Method::GET, "/sso/impersonate", Class::Auth),
            (Method::POST, "/sso/impersonate", Class::Crm),
            (Method::POST, "/api/v1/crm/users", Class::Crm),
            (Method::POST, "/staff/deals/1/bust", Class::Requests),
            (Method::POST, "/api/v1/staff/auth/login", Class::Auth),
            (Method::POST, "/api/v1/trading/order", Class::Orders),
            (Method::DELETE, "/trading/order/1", Class::Orders),
            (Method::GET, "/trading/orders", Class::Requests),
            (Method::POST, "/api/v1/crm/webhooks/replay", Class::Crm),
            (Method::GET, "/crm/events", Class::Crm),
            (Method::GET, "/stream", Class::Requests),
            (Method::GET, "/nowhere", Class::Requests),
            (Method::GET, "/health/ready", Class::Free),
            (Method::GET, "/docs/index.css", Class::Free),
        ] {
            assert_eq!(class_of(&method, path), class, "{method} {path}");
        }
    }

    #[test]
    fn a_route_has_one_name_under_both_prefixes() {
        assert_eq!(without_version("/api/v1/trading/order"), "/trading/order");
        assert_eq!(without_version("/trading/order"), "/trading/order");
        assert_eq!(without_version("/api/v10/x"), "/api/v10/x");
    }

    #[test]
    fn failures_of_libraries_become_problems() {
        let response = StatusCode::METHOD_NOT_ALLOWED.into_response();
        let response = rendered(response, "r");
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert!(has_its_body(response.headers()));
        let response = rendered(StatusCode::BAD_GATEWAY.into_response(), "r");
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    }
}
