//! Prices over REST while the WebSocket is down.
//!
//! They carry the provider's own time of the last quote, so an old price stays an old price.

use std::{collections::HashMap, time::Duration};

use chrono::{Timelike as _, Utc};
use daybook_domain::{Quote, Symbol};
use metrics::counter;
use tokio::time;

use super::{
    FeedConfig, Reporter,
    line::{ConsumerGone, Intake},
    normalize::Normalizer,
};
use crate::{FeedStatus, RelayError, rest::RestClient};

/// A refused key is not mended within seconds.
const REFUSED_WAIT: Duration = Duration::from_secs(60);

/// Asks for the prices of one line's symbols.
pub(super) struct Poller {
    rest: RestClient,
    normalizer: Normalizer,
    after: Duration,
    every: Duration,
}

impl Poller {
    pub(super) fn new(config: &FeedConfig, normalizer: Normalizer) -> Self {
        Self {
            rest: RestClient::new(&config.rest_url, config.api_key.clone()),
            normalizer,
            after: config.poll_after,
            every: config.poll_every,
        }
    }

    /// Waits for the socket to come back by itself, then polls for as long as nobody stops it.
    pub(super) async fn run(&self, intake: &mut Intake, reporter: &Reporter) -> ConsumerGone {
        time::sleep(self.after).await;
        let mut seen = HashMap::new();
        loop {
            let wait = match self.poll(&mut seen, intake).await {
                Err(gone) => return gone,
                Ok(Ok(())) => {
                    reporter.status(FeedStatus::Polling);
                    self.every
                }
                Ok(Err(error)) => {
                    reporter.status(FeedStatus::Stale);
                    tracing::warn!(%error, "cannot poll prices");
                    self.wait_after(&error)
                }
            };
            time::sleep(wait).await;
        }
    }

    /// One round. Only prices that are new go on: asking again is not a quote.
    async fn poll(
        &self,
        seen: &mut HashMap<Symbol, Quote>,
        intake: &mut Intake,
    ) -> Result<Result<(), RelayError>, ConsumerGone> {
        counter!("daybook_feed_polls_total").increment(1);
        let prices = match self.rest.prices(&self.normalizer.provider_symbols()).await {
            Ok(prices) => prices,
            Err(error) => return Ok(Err(error)),
        };
        for polled in prices {
            let name = &polled.provider_symbol;
            let quote = self.normalizer.polled(name, polled.price, polled.timestamp);
            let Ok(quote) = quote else { continue };
            if seen.insert(quote.symbol, quote) != Some(quote) {
                intake.take(quote).await?;
            }
        }
        Ok(Ok(()))
    }

    fn wait_after(&self, error: &RelayError) -> Duration {
        match error {
            RelayError::RateLimited { .. } => until_next_minute(),
            RelayError::KeyRefused { .. } => REFUSED_WAIT,
            RelayError::Refused { .. }
            | RelayError::Unreachable(_)
            | RelayError::Malformed(_)
            | RelayError::UnknownSymbol(_)
            | RelayError::Listen { .. }
            | RelayError::TicksFile { .. }
            | RelayError::TicksLine { .. }
            | RelayError::Speed(_) => self.every,
        }
    }
}

/// The provider counts its credits by the minute.
fn until_next_minute() -> Duration {
    Duration::from_secs(u64::from(61 - Utc::now().second().min(59)))
}
