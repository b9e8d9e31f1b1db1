//! What the composition root reads from the book itself.

use std::collections::BTreeMap;

use anyhow::Context as _;
use daybook_domain::{
    Instrument,
    instrument::{self, InstrumentEvent},
};
use daybook_store::{Recorded, Store, StreamId};

/// What accounts depend on: each symbol of an open position or a working order, and the currency of
/// the account that has it.
pub async fn holdings(store: &Store) -> anyhow::Result<Vec<(String, String)>> {
    sqlx::query_as(
        "select distinct held.symbol, account.currency
         from (select account_id, symbol from read.positions where closed_at is null
               union
               select account_id, symbol from read.orders where status = 'working') held
         join read.accounts account using (account_id)",
    )
    .fetch_all(store.pool())
    .await
    .context("reading what accounts hold")
}

/// Events read at once.
const PAGE: i64 = 1000;

/// The instruments as the book has them now; the seeds while it has none.
pub async fn instruments(store: &Store) -> anyhow::Result<Vec<Instrument>> {
    let symbols: Vec<String> = sqlx::query_scalar(
        "select distinct aggregate_id from events where aggregate_type = 'instrument'",
    )
    .fetch_all(store.pool())
    .await
    .context("reading the instruments")?;
    let mut instruments = BTreeMap::new();
    for symbol in symbols {
        for recorded in stream(store, &StreamId::new("instrument", &symbol)).await? {
            let event: InstrumentEvent = recorded.decode()?;
            let (terms, _) = event.terms();
            instruments.insert(terms.symbol, terms.clone());
        }
    }
    if instruments.is_empty() {
        return Ok(instrument::seed());
    }
    Ok(instruments.into_values().collect())
}

/// All events of a stream.
pub async fn stream(store: &Store, id: &StreamId) -> anyhow::Result<Vec<Recorded>> {
    let mut events: Vec<Recorded> = Vec::new();
    loop {
        let after = events.last().map_or(0, |event| event.sequence);
        let page = store
            .read_stream(id, after, PAGE)
            .await
            .with_context(|| format!("reading {id}"))?;
        if page.is_empty() {
            return Ok(events);
        }
        events.extend(page);
    }
}

/// A setting's or ledger account's name as it is written outside.
pub fn word(value: &impl serde::Serialize) -> String {
    let text = serde_json::to_string(value).unwrap_or_default();
    text.trim_matches('"').to_owned()
}
