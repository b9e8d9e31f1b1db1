//! Calls of the CRM's own service API as the database has them, and a CRM that answers them.

use std::time::Duration;

use daybook_tests::{Called, Said, within};
use serde_json::json;
use uuid::Uuid;

use crate::support::Told;

const PATIENCE: Duration = Duration::from_secs(90);

/// One call as the database has it.
#[derive(Debug, sqlx::FromRow)]
pub struct Row {
    pub kind: String,
    pub attempts: i32,
    pub last_error: Option<String>,
    /// `done`, `given up`, `skipped`, `open`.
    pub outcome: String,
}

impl Told {
    pub async fn crm_calls(&self, client_id: Uuid) -> Vec<Row> {
        let sql = "select kind, attempts, last_error, case \
                 when done_at is not null then 'done' when given_up_at is not null then 'given up' \
                 when skipped_at is not null then 'skipped' else 'open' end as outcome \
             from crm_calls where client_id = $1 order by position";
        sqlx::query_as(sql)
            .bind(client_id)
            .fetch_all(self.world.book.pool())
            .await
            .expect("the database answers")
    }

    /// Waits until the calls about a client stand like this: kind and outcome of each.
    pub async fn until_calls(&self, client_id: Uuid, expected: &[(&str, &str)]) -> Vec<Row> {
        within(PATIENCE, &format!("calls: {expected:?}"), || async {
            let rows = self.crm_calls(client_id).await;
            let found: Vec<_> = rows
                .iter()
                .map(|row| (row.kind.as_str(), row.outcome.as_str()))
                .collect();
            (found == expected).then_some(())?;
            Some(rows)
        })
        .await
    }

    /// Waits until a client's first call has failed so often, with these words.
    pub async fn until_failed(&self, client_id: Uuid, attempts: i32, words: &str) {
        within(
            PATIENCE,
            &format!("{attempts} failures: {words}"),
            || async {
                let rows = self.crm_calls(client_id).await;
                let row = rows.first()?;
                let error = row.last_error.as_deref().unwrap_or_default();
                (row.attempts >= attempts && error.contains(words)).then_some(())
            },
        )
        .await;
    }

    /// What waits for its time is due at once; what comes of it is told apart from what came before.
    pub async fn hurry(&self) {
        sqlx::query("update crm_calls set due_at = now(), last_error = null")
            .execute(self.world.book.pool())
            .await
            .expect("the database answers");
    }

    pub async fn has_event(&self, client_id: Uuid, event_type: &str) {
        within(PATIENCE, event_type, || async {
            let types = self.world.book.client_event_types(client_id).await;
            types.iter().any(|one| one == event_type).then_some(())
        })
        .await;
    }
}

/// A CRM that knows everybody by the first part of their address.
pub fn knows(kyc: &'static str) -> impl FnMut(&Called) -> Said + Send {
    move |called| match called.method.as_str() {
        "GET" => Said::Json(
            200,
            json!({ "externalId": name_of(called), "kycStatus": kyc }),
        ),
        "PATCH" => Said::Json(200, json!({})),
        _ => Said::Json(201, json!({})),
    }
}

/// What the tests' CRM calls whom it is asked about.
fn name_of(called: &Called) -> String {
    let email = called.path.split('/').nth(4).unwrap_or_default();
    format!("ext-{}", email.split('@').next().unwrap_or_default())
}
