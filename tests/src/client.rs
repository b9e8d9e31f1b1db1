//! HTTP as a client would speak it: calls, answers, and a registered trader with accounts.

use std::{
    sync::{Arc, Once},
    time::Duration,
};

use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::answer::Answer;

/// Password of every client that the tests register.
pub const PASSWORD: &str = "correct-horse-battery-staple";

/// An HTTP client of one server, with or without a bearer token.
#[derive(Clone)]
pub struct Http {
    base: Arc<str>,
    token: Option<Arc<str>>,
    client: reqwest::Client,
}

impl Http {
    /// A client without a token. `base` is `http://host:port`.
    #[must_use]
    pub fn new(base: &str) -> Self {
        static PROVIDER: Once = Once::new();
        PROVIDER.call_once(|| {
            let _already_there = rustls::crypto::ring::default_provider().install_default();
        });
        let client = reqwest::Client::builder()
            .timeout(Duration::from_secs(30))
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .expect("a plain client builds");
        Self {
            base: base.into(),
            token: None,
            client,
        }
    }

    /// The same client with a bearer token.
    #[must_use]
    pub fn bearer(&self, token: &str) -> Self {
        Self {
            token: Some(token.into()),
            ..self.clone()
        }
    }

    /// The same client and token, speaking to another server.
    #[must_use]
    pub fn at(&self, base: &str) -> Self {
        Self {
            base: base.into(),
            ..self.clone()
        }
    }

    /// `http://host:port`.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The bearer token, if any.
    #[must_use]
    pub fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// A request to be; `path` starts with a slash and carries the query.
    #[must_use]
    pub fn call(&self, method: Method, path: &str) -> Call {
        let mut request = self.client.request(method, format!("{}{path}", self.base));
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        Call { request }
    }

    /// GETs.
    pub async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path).send().await
    }

    /// POSTs JSON.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.call(Method::POST, path).json(body).send().await
    }

    /// PATCHes JSON.
    pub async fn patch(&self, path: &str, body: &Value) -> Answer {
        self.call(Method::PATCH, path).json(body).send().await
    }

    /// DELETEs.
    pub async fn delete(&self, path: &str) -> Answer {
        self.call(Method::DELETE, path).send().await
    }

    /// Registers a new client with a random address, signs in, and looks its accounts up.
    pub async fn register(&self) -> Trader {
        let email = format!("{}@example.test", Uuid::now_v7().simple());
        let registered = self
            .post("/auth/register", &registration(&email))
            .await
            .expecting(201);
        let client_id = registered.uuid("/clientId");
        self.sign_in(client_id, &email).await
    }

    /// Signs a registered client in and looks its accounts up.
    pub async fn sign_in(&self, client_id: Uuid, email: &str) -> Trader {
        let signed_in = self
            .post(
                "/auth/login",
                &json!({ "email": email, "password": PASSWORD }),
            )
            .await
            .expecting(200);
        let http = self.bearer(&signed_in.text_at("/accessToken"));
        let accounts = http.get("/user/accounts").await.expecting(200).json();
        let account = |kind: &str| {
            accounts
                .as_array()
                .into_iter()
                .flatten()
                .find(|account| account["kind"] == kind)
                .and_then(|account| account["accountId"].as_str())
                .and_then(|id| id.parse().ok())
                .unwrap_or_else(|| panic!("no {kind} account in {accounts}"))
        };
        Trader {
            demo: account("demo"),
            live: account("live"),
            client_id,
            email: email.to_owned(),
            http,
        }
    }
}

/// The body that registers `email`.
#[must_use]
pub fn registration(email: &str) -> Value {
    json!({
        "email": email,
        "password": PASSWORD,
        "firstName": "Ada",
        "lastName": "Lovelace",
    })
}

/// A request on its way to being sent.
pub struct Call {
    request: reqwest::RequestBuilder,
}

impl Call {
    /// Sets a JSON body.
    #[must_use]
    pub fn json(self, body: &Value) -> Self {
        Self {
            request: self.request.json(body),
        }
    }

    /// Sets a body that may be anything but says that it is JSON.
    #[must_use]
    pub fn raw(self, body: impl Into<String>) -> Self {
        self.header("content-type", "application/json")
            .bytes(body.into().into_bytes())
    }

    /// Sets a body and nothing else.
    #[must_use]
    pub fn bytes(self, body: Vec<u8>) -> Self {
        Self {
            request: self.request.body(body),
        }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(self, name: &str, value: &str) -> Self {
        Self {
            request: self.request.header(name, value),
        }
    }

    /// Adds an `Idempotency-Key`.
    #[must_use]
    pub fn key(self, key: &str) -> Self {
        self.header("idempotency-key", key)
    }

    /// Makes a read wait for a position.
    #[must_use]
    pub fn min_position(self, position: i64) -> Self {
        self.header("daybook-min-position", &position.to_string())
    }

    /// Limits how long the whole exchange may take.
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Self {
        Self {
            request: self.request.timeout(timeout),
        }
    }

    /// Sends it.
    ///
    /// # Panics
    /// When no answer comes.
    pub async fn send(self) -> Answer {
        match self.try_send().await {
            Ok(answer) => answer,
            Err(error) => panic!("no answer: {error:?}"),
        }
    }

    /// Sends it to a server that may be dying.
    ///
    /// # Errors
    /// When no whole answer comes.
    pub async fn try_send(self) -> Result<Answer, reqwest::Error> {
        let response = self.request.send().await?;
        Ok(Answer {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            text: response.text().await?,
        })
    }

    /// Sends it and hands over the response with its body unread.
    ///
    /// # Panics
    /// When no answer comes.
    pub async fn open(self) -> reqwest::Response {
        match self.try_open().await {
            Ok(response) => response,
            Err(error) => panic!("no answer: {error:?}"),
        }
    }

    /// As [`Call::open`], of a server that may hang up.
    ///
    /// # Errors
    /// When no answer comes.
    pub async fn try_open(self) -> Result<reqwest::Response, reqwest::Error> {
        self.request.send().await
    }
}

/// A registered client, signed in.
#[derive(Clone)]
pub struct Trader {
    /// Speaks with the client's token.
    pub http: Http,
    /// The client.
    pub client_id: Uuid,
    /// The address.
    pub email: String,
    /// The demo account: the default one, with demo funds.
    pub demo: Uuid,
    /// The live account, empty.
    pub live: Uuid,
}

impl Trader {
    /// Places an order on the default account.
    pub async fn order(&self, order: &Value) -> Answer {
        self.http.post("/trading/order", order).await
    }

    /// Places a market order and expects it to fill; returns the answer.
    pub async fn market(&self, symbol: &str, side: &str, volume: &str) -> Answer {
        let answer = self
            .order(&market(symbol, side, volume))
            .await
            .expecting(201);
        assert_eq!(answer.text_at("/status"), "filled");
        answer
    }

    /// `GET /trading/account`.
    pub async fn account(&self) -> Answer {
        self.http.get("/trading/account").await.expecting(200)
    }

    /// Items of the first page of a list.
    pub async fn items(&self, path: &str) -> Vec<Value> {
        let page = self.http.get(path).await.expecting(200).json();
        match page["items"].as_array() {
            Some(items) => items.clone(),
            None => panic!("no items in {page}"),
        }
    }

    /// Open positions, newest first.
    pub async fn positions(&self) -> Vec<Value> {
        self.items("/trading/positions").await
    }

    /// Working orders, newest first.
    pub async fn working_orders(&self) -> Vec<Value> {
        self.items("/trading/orders?status=working").await
    }

    /// The order with this id among all orders, working or ended.
    pub async fn order_item(&self, order_id: &str) -> Option<Value> {
        let items = self.items("/trading/orders?status=all&limit=500").await;
        items.into_iter().find(|item| item["orderId"] == order_id)
    }
}

/// Body of a market order.
#[must_use]
pub fn market(symbol: &str, side: &str, volume: &str) -> Value {
    json!({ "symbol": symbol, "side": side, "type": "market", "volume": volume })
}
