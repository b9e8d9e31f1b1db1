//! The CRM at its desk: a world, and calls in the name of one of its operators.

use daybook_tests::{Answer, Http, Launch, Trader, World, client::Call};
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::TOKEN;

/// As the book names her.
pub const INES: &str = "crm:ines";

/// A world and the CRM's token.
pub struct Desk {
    pub world: World,
}

impl Desk {
    pub async fn start() -> Self {
        Self::start_with(|launch| launch).await
    }

    pub async fn start_with(configure: impl FnOnce(Launch) -> Launch) -> Self {
        Self {
            world: World::start_with(configure).await,
        }
    }

    pub fn http(&self) -> Http {
        self.world.app.http.bearer(TOKEN)
    }

    pub fn call(&self, method: Method, path: &str) -> Call {
        self.http().call(method, path).header("x-crm-actor", "ines")
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path).send().await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.call(Method::POST, path).json(body).send().await
    }

    pub async fn patch(&self, path: &str, body: &Value) -> Answer {
        self.call(Method::PATCH, path).json(body).send().await
    }

    /// `PATCH /crm/users/{id}`, accepted.
    pub async fn change(&self, client: Uuid, body: &Value) -> Answer {
        let path = format!("/crm/users/{client}");
        self.patch(&path, body).await.expecting(204)
    }

    /// `GET /crm/users/{id}`.
    pub async fn user(&self, id: impl std::fmt::Display) -> Value {
        let path = format!("/crm/users/{id}");
        self.get(&path).await.expecting(200).json()
    }

    pub async fn adjust(&self, account: Uuid, amount: &str, fund_type: &str) -> Answer {
        let path = format!("/crm/accounts/{account}/adjust-balance");
        let body = json!({ "amount": amount, "fundType": fund_type });
        self.post(&path, &body).await
    }

    pub async fn head(&self) -> i64 {
        self.world.book.head().await
    }

    /// Asserts that nothing was appended since.
    #[track_caller]
    pub fn assert_same(before: i64, after: i64, what: &str) {
        assert_eq!(before, after, "{what} appended something");
    }

    /// Who caused the client's events, by the type of the event.
    pub async fn actors(&self, client: Uuid) -> Vec<(String, String)> {
        let query = "select event_type, metadata::jsonb ->> 'actor' from events \
             where aggregate_type = 'client' and aggregate_id = $1 order by sequence";
        sqlx::query_as(query)
            .bind(client.to_string())
            .fetch_all(self.world.book.pool())
            .await
            .expect("the book is readable")
    }
}

/// A person as the CRM knows them.
pub fn person(external_id: &str, email: &str) -> Value {
    json!({
        "externalId": external_id, "email": email, "firstName": "Grace", "lastName": "Hopper",
    })
}

pub fn address() -> String {
    format!("{}@example.test", Uuid::now_v7().simple())
}

/// A market order on one of a trader's accounts.
pub async fn buy(trader: &Trader, account: Uuid, volume: &str) -> Answer {
    let order = json!({
        "accountId": account, "symbol": "EURUSD", "side": "buy", "type": "market",
        "volume": volume,
    });
    trader.order(&order).await
}
