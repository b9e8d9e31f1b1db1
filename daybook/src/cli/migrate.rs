//! `daybook migrate`.

use serde_json::json;

use super::{At, Verdict, print_json};
use crate::out::say;

pub async fn run(at: At<'_>, json: bool) -> anyhow::Result<Verdict> {
    let store = at.database.connect(at.config).await?;
    store.migrate().await?;
    let head = store.head().await?;
    if json {
        print_json(&json!({ "migrated": true, "position": head.position }))?;
    } else {
        say!(
            "The schema is up to date; the book stands at position {}.",
            head.position
        );
    }
    Ok(Verdict::Fine)
}
