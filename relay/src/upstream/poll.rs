//! Prices over REST while the WebSocket is down, within the provider's budget.
//!
//! They carry the provider's own time of the last quote, so an old price stays an old price.

use std::{collections::HashMap, time::Duration};

use daybook_domain::{Quote, Symbol};
use metrics::counter;
use tokio::time;

use super::line::{ConsumerGone, Line};
use crate::{FeedStatus, RelayError, credits};

/// A refused key is not mended within seconds.
const REFUSED_WAIT: Duration = Duration::from_secs(60);

/// Waits for the socket to come back by itself, then polls for as long as nobody stops it.
pub(super) async fn run(line: &Line) -> ConsumerGone {
    time::sleep(line.waits.poll_after).await;
    let mut seen = HashMap::new();
    loop {
        let wait = match round(line, &mut seen).await {
            Err(gone) => return gone,
            Ok(Ok(pace)) => {
                line.reporter.status(FeedStatus::Polling);
                pace.max(line.waits.poll_every)
            }
            Ok(Err(error)) => {
                line.reporter.status(FeedStatus::Stale);
                tracing::warn!(provider = line.provider.name(), %error, "cannot poll prices");
                wait_after(&error, line.waits.poll_every)
            }
        };
        time::sleep(wait).await;
    }
}

/// One round, and how long the provider's budget asks to wait after it. Only prices that are new
/// go on: asking again is not a quote.
async fn round(
    line: &Line,
    seen: &mut HashMap<Symbol, Quote>,
) -> Result<Result<Duration, RelayError>, ConsumerGone> {
    counter!("daybook_feed_polls_total").increment(1);
    let symbols: Vec<_> = line.wanted.borrow().iter().copied().collect();
    let quotes = match line.provider.poll(&symbols).await {
        Ok(quotes) => quotes,
        Err(error) => return Ok(Err(error)),
    };
    for quote in quotes {
        if seen.insert(quote.symbol, quote) != Some(quote) {
            line.intake.take(quote).await?;
        }
    }
    Ok(Ok(line.provider.poll_pace(symbols.len())))
}

/// How long the provider is left alone after such an answer.
pub(super) fn wait_after(error: &RelayError, every: Duration) -> Duration {
    match error {
        RelayError::RateLimited { .. } => credits::until_next_minute(),
        RelayError::KeyRefused { .. } => REFUSED_WAIT,
        RelayError::Refused { .. }
        | RelayError::Unreachable(_)
        | RelayError::Malformed(_)
        | RelayError::NoCandles(_)
        | RelayError::UnknownSymbol(_)
        | RelayError::Listen { .. }
        | RelayError::TicksFile { .. }
        | RelayError::TicksLine { .. }
        | RelayError::Speed(_) => every,
    }
}
