//! Requests that no honest client sends, at every route of the document: refused in the form of
//! every refusal, and never a fault of ours.

use std::time::Duration;

use daybook_tests::{Answer, Http, World, wait::soon};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

const NEVER: &str = "01890000-0000-7000-8000-000000000000";

/// One operation of the document.
struct Route {
    method: Method,
    template: String,
    /// Names of its body's fields; none where it takes no body.
    fields: Option<Vec<String>>,
    parameters: Vec<String>,
}

impl Route {
    /// Its path, with every parameter replaced.
    fn path(&self, parameter: &str) -> String {
        let parts = self.template.split('/');
        let parts = parts.map(|part| {
            if part.starts_with('{') {
                parameter
            } else {
                part
            }
        });
        parts.collect::<Vec<_>>().join("/")
    }

    fn has_parameter(&self) -> bool {
        self.template.contains('{')
    }
}

async fn routes(http: &Http) -> Vec<Route> {
    let document = http.get("/openapi.json").await.expecting(200).json();
    let paths = document["paths"].as_object().expect("paths");
    let mut routes = Vec::new();
    for (template, item) in paths {
        for (method, operation) in item.as_object().expect("operations") {
            let Ok(method) = method.to_uppercase().parse::<Method>() else {
                continue;
            };
            routes.push(Route {
                method,
                template: template.clone(),
                fields: fields(&document, operation),
                parameters: parameters(operation),
            });
        }
    }
    assert!(routes.len() > 20, "the document lists the routes");
    routes
}

fn fields(document: &Value, operation: &Value) -> Option<Vec<String>> {
    let content = operation.pointer("/requestBody/content")?.as_object()?;
    let schema = &content.values().next()?["schema"];
    let schema = match schema["$ref"].as_str() {
        Some(reference) => document.pointer(reference.trim_start_matches('#'))?,
        None => schema,
    };
    let properties = schema["properties"]
        .as_object()
        .cloned()
        .unwrap_or_default();
    Some(properties.keys().cloned().collect())
}

fn parameters(operation: &Value) -> Vec<String> {
    let listed = operation["parameters"].as_array().into_iter().flatten();
    let queries = listed.filter(|parameter| parameter["in"] == "query");
    let names = queries.filter_map(|parameter| parameter["name"].as_str());
    names.map(str::to_owned).collect()
}

/// Sends it. A server hangs up where it has answered and does not want to read the rest of a body,
/// which may cost the answer, or the request that comes next on that connection: asked again.
async fn answer(http: &Http, route: &Route, path: &str, body: Option<(&str, Vec<u8>)>) -> Answer {
    let what = format!("{} {path}", route.method);
    for _ in 0..10 {
        let mut call = http.call(route.method.clone(), path);
        if let Some((kind, bytes)) = &body {
            call = call.header("content-type", kind).bytes(bytes.clone());
        }
        if let Ok(response) = soon(&what, call.try_open()).await {
            return read(&what, response).await;
        }
    }
    panic!("no answer to {what}");
}

/// Reads the answer; of a stream of events not its end, because it has none.
async fn read(what: &str, response: reqwest::Response) -> Answer {
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let kind = headers.get("content-type");
    let endless = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
    let text = match endless {
        true => String::new(),
        false => soon(what, response.text()).await.expect("a body"),
    };
    Answer {
        status,
        headers,
        text,
    }
}

/// Whatever it is, it is not our fault, and a refusal has the form of all refusals.
#[track_caller]
fn sound(route: &Route, what: &str, answer: &Answer) {
    let named = format!("{} {} with {what}", route.method, route.template);
    assert!(
        answer.status < 500,
        "{named}: {} {}",
        answer.status,
        answer.text
    );
    if answer.status >= 400 {
        answer.any_problem(answer.status);
    }
}

/// With a token and without one: what is refused for want of one is not looked at.
async fn everybody(world: &World) -> [Http; 2] {
    [world.trader().await.http, world.app.http.clone()]
}

fn untouched(world: &World) {
    let log = world.app.stderr() + &world.app.stdout();
    assert!(!log.contains("panicked"), "the server panicked");
}

#[tokio::test(flavor = "multi_thread")]
async fn paths_and_queries_that_are_none() {
    let world = World::start().await;
    let long = "9".repeat(5_000);
    let queries = [
        "%00=%00",
        "%ff%fe=%c0%ae",
        "=&=&&",
        "%",
        "a[b][c]=1",
        "limit=%00",
    ];
    for http in everybody(&world).await {
        for route in routes(&http).await {
            for query in queries {
                let path = format!("{}?{query}", route.path(NEVER));
                let answer = answer(&http, &route, &path, None).await;
                sound(&route, query, &answer);
            }
            for name in &route.parameters {
                for value in [
                    "%00",
                    "%ff",
                    "-1",
                    "99999999999999999999",
                    "%F0%9F%92%A9",
                    &long,
                ] {
                    let path = format!("{}?{name}={value}", route.path(NEVER));
                    let answer = answer(&http, &route, &path, None).await;
                    sound(&route, &format!("{name}={value}"), &answer);
                }
            }
            let ids = ["%00", "%ff", "..%2f..%2fetc", "%c0%ae", "'--", &long];
            for id in ids.into_iter().filter(|_| route.has_parameter()) {
                let answer = answer(&http, &route, &route.path(id), None).await;
                sound(&route, id, &answer);
                assert!(answer.status >= 400, "{id}: {}", answer.text);
            }
        }
    }
    untouched(&world);
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_and_headers_larger_than_any_honest_one() {
    let world = World::start().await;
    let huge = "x".repeat(40 * 1024);
    for http in everybody(&world).await {
        for route in routes(&http).await {
            let path = format!("{}?q={}", route.path(NEVER), "9".repeat(9_000));
            let refused = answer(&http, &route, &path, None).await;
            refused.problem(414, "uri_too_long");
            let call = http.call(route.method.clone(), &route.path(NEVER));
            let refused = call.header("x-anything", &huge).send().await;
            refused.problem(431, "headers_too_large");
        }
    }
    untouched(&world);
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_are_none() {
    let world = World::start().await;
    let json = "application/json";
    let nested = |open: &str, depth| Some((json, open.repeat(depth).into_bytes()));
    let bodies = [
        nested("[", 30_000),
        nested("{\"a\":", 10_000),
        Some((json, vec![0xff, 0xfe, 0x00, 0x80])),
        Some((json, b"{\"\\ud800\":1}".to_vec())),
        Some((json, b"{}\0".to_vec())),
        Some((json, vec![b' '; 70 * 1024])),
        Some((
            "text/xml",
            b"<!DOCTYPE x [<!ENTITY y SYSTEM \"file:///etc/passwd\">]>".to_vec(),
        )),
        Some(("application/x-www-form-urlencoded", b"a=1".to_vec())),
        Some(("multipart/form-data; boundary=x", b"--x".to_vec())),
        Some(("\u{1F4A9}", b"{}".to_vec())),
    ];
    for http in everybody(&world).await {
        for route in routes(&http).await {
            for body in &bodies {
                let what = format!(
                    "{:?}",
                    body.as_ref().map(|(kind, bytes)| (kind, bytes.len()))
                );
                let answer = answer(&http, &route, &route.path(NEVER), body.clone()).await;
                sound(&route, &what, &answer);
                if route.fields.is_some() {
                    assert!(answer.status >= 400, "{} with {what}", route.template);
                }
            }
        }
    }
    untouched(&world);
}

#[tokio::test(flavor = "multi_thread")]
async fn fields_that_hold_what_they_should_not() {
    let world = World::start().await;
    let values = [
        json!("\u{0}"),
        json!("a\u{0}b"),
        json!("\u{202e}\u{feff}\u{1F4A9}"),
        json!("x".repeat(60_000)),
        json!({ "$ne": null }),
        json!([[[[]]]]),
        json!(-1),
        json!(true),
    ];
    for http in everybody(&world).await {
        for route in routes(&http).await {
            for field in route.fields.iter().flatten() {
                for value in &values {
                    let mut body = example(&route);
                    body[field] = value.clone();
                    let body = Some(("application/json", body.to_string().into_bytes()));
                    let answer = answer(&http, &route, &route.path(NEVER), body).await;
                    let shown: String = value.to_string().chars().take(20).collect();
                    sound(&route, &format!("{field}: {shown}"), &answer);
                }
            }
        }
    }
    untouched(&world);
}

/// A body that passes, where one of its fields would not, so that what is wrong gets as far as
/// it can.
fn example(route: &Route) -> Value {
    match route.template.as_str() {
        "/auth/register" => daybook_tests::client::registration("hygiene@example.test"),
        "/auth/login" => json!({ "email": "hygiene@example.test", "password": "not this one" }),
        "/trading/order" | "/trading/order/preview" => {
            daybook_tests::client::market("EURUSD", "buy", "0.01")
        }
        "/user/accounts" => json!({ "kind": "demo", "mode": "netting", "currency": "USD" }),
        _ => json!({}),
    }
}

/// Bytes as they are, and the first line of the answer; none when the server hangs up.
async fn raw(http: &Http, request: &[u8]) -> Option<String> {
    let address = http.base().trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).await.expect("it listens");
    // It may hang up before it has read all.
    let _cut_off = stream.write_all(request).await;
    let mut read = vec![0; 4096];
    let answer = tokio::time::timeout(Duration::from_secs(10), stream.read(&mut read)).await;
    let length = answer.expect("it answers or hangs up").unwrap_or(0);
    let text = String::from_utf8_lossy(&read[..length]).into_owned();
    text.lines().next().map(str::to_owned)
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_are_hardly_http() {
    let world = World::start().await;
    let http = &world.app.http;
    let many = "x: y\r\n".repeat(300);
    let wide = format!("x: {}\r\n", "y".repeat(600 * 1024));
    let far = "9".repeat(70_000);
    let requests = [
        "GET /market/symbols\0 HTTP/1.1\r\nhost: x\r\n\r\n".to_owned(),
        "GET /market/symbols?q=\u{e4} HTTP/1.1\r\nhost: x\r\n\r\n".to_owned(),
        "GET market/symbols HTTP/1.1\r\nhost: x\r\n\r\n".to_owned(),
        "GET * HTTP/1.1\r\nhost: x\r\n\r\n".to_owned(),
        "OPTIONS * HTTP/1.1\r\nhost: x\r\n\r\n".to_owned(),
        "CONNECT example.com:443 HTTP/1.1\r\nhost: x\r\n\r\n".to_owned(),
        "TRACE /market/symbols HTTP/1.1\r\nhost: x\r\n\r\n".to_owned(),
        "GET http://example.com/nowhere HTTP/1.1\r\nhost: x\r\n\r\n".to_owned(),
        "GET /nowhere HTTP/9.9\r\nhost: x\r\n\r\n".to_owned(),
        "GET /nowhere HTTP/1.1\r\nhost: x\r\nx: a\0b\r\n\r\n".to_owned(),
        "GET /nowhere HTTP/1.1\r\nhost: x\r\n x: folded\r\n\r\n".to_owned(),
        "POST /auth/login HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n".to_owned(),
        "POST /auth/login HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
         content-length: 2\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n"
            .to_owned(),
        format!("GET /nowhere HTTP/1.1\r\nhost: x\r\n{many}\r\n"),
        format!("GET /nowhere HTTP/1.1\r\nhost: x\r\n{wide}\r\n"),
        format!("GET /{far} HTTP/1.1\r\nhost: x\r\n\r\n"),
        "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}\u{fc}\u{3}\u{3}\r\n\r\n".to_owned(),
    ];
    for request in requests {
        let shown: String = request.chars().take(60).collect();
        if let Some(line) = raw(http, request.as_bytes()).await {
            let status = line.split(' ').nth(1).unwrap_or_default();
            let asks = request.starts_with("OPTIONS") && status == "200";
            assert!(asks || status.starts_with('4'), "{shown:?}: {line}");
        }
    }
    http.get("/market/symbols").await.expecting(200);
    untouched(&world);
}

#[tokio::test(flavor = "multi_thread")]
async fn policies_leave_no_base_and_no_objects() {
    let world = World::start().await;
    for path in ["/health/live", "/docs/"] {
        let answer = world.app.http.get(path).await;
        let policy = answer.header("content-security-policy");
        let policy = policy.expect("a policy").to_owned();
        assert!(policy.contains("base-uri 'none'"), "{path}: {policy}");
        assert!(
            policy.contains("frame-ancestors 'none'"),
            "{path}: {policy}"
        );
        let no_objects = ["default-src 'none'", "object-src 'none'"];
        assert!(
            no_objects.iter().any(|rule| policy.contains(rule)),
            "{path}: {policy}"
        );
    }
}
