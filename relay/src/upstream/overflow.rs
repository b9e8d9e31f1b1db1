//! Symbols that are wanted and found no place on a socket: their prices are asked for over REST, a
//! few at a time, for at most half of what the provider's budget allows. The other half is for
//! candles, and for the time that sockets are down.
//!
//! What is polled is no part of the feed's state, which is the sockets': a price that grows old
//! while nobody can be asked is seen by its age.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use daybook_domain::{Quote, Symbol};
use metrics::counter;
use tokio::{
    sync::watch,
    time::{self, Instant},
};

use super::{
    line::{ConsumerGone, Intake},
    poll::wait_after,
    provider::Provider,
};

/// Symbols of one request.
const BATCH_MAX: usize = 100;
/// Of the time a request takes out of the budget so many times as much passes before the next.
const SHARE: u32 = 2;

/// A provider that has failed is not asked for what another sells too for at least so long.
const AWAY_MIN: Duration = Duration::from_secs(10);

/// Polls what the planner gives it.
pub(super) struct Overflow {
    pub(super) providers: Vec<Arc<dyn Provider>>,
    /// Providers of each symbol, the preferred one first.
    pub(super) routes: HashMap<Symbol, Vec<usize>>,
    pub(super) wanted: watch::Receiver<BTreeSet<Symbol>>,
    pub(super) intake: Intake,
    /// Time between two requests, where the budget allows.
    pub(super) every: Duration,
}

/// What is known of one provider.
#[derive(Clone, Copy)]
struct Turn {
    /// When it may be asked again.
    due: Instant,
    /// It has failed, and is asked for what others sell too from then on only.
    away_until: Option<Instant>,
    /// How many symbols it was ever asked for: where the next round begins.
    asked: usize,
}

impl Overflow {
    /// Works until the consumer goes, or the planner does.
    pub(super) async fn run(mut self) {
        let turn = Turn {
            due: Instant::now(),
            away_until: None,
            asked: 0,
        };
        let mut turns = vec![turn; self.providers.len()];
        let mut seen = HashMap::new();
        loop {
            let some = self.wanted.wait_for(|wanted| !wanted.is_empty()).await;
            let Ok(wanted) = some.map(|wanted| wanted.clone()) else {
                return;
            };
            for (provider, symbols) in self.shared_out(&wanted, &turns) {
                let turn = &mut turns[provider];
                if turn.due > Instant::now() {
                    continue;
                }
                if self.ask(provider, &symbols, turn, &mut seen).await.is_err() {
                    return;
                }
            }
            time::sleep(self.every).await;
        }
    }

    /// Each symbol to the first of its providers that works, or to the first of all where none does.
    fn shared_out(
        &self,
        wanted: &BTreeSet<Symbol>,
        turns: &[Turn],
    ) -> BTreeMap<usize, Vec<Symbol>> {
        let now = Instant::now();
        let mut shares: BTreeMap<usize, Vec<Symbol>> = BTreeMap::new();
        for symbol in wanted {
            let route = self.routes.get(symbol).map_or(&[][..], Vec::as_slice);
            let mut selling = route
                .iter()
                .filter(|it| self.providers[**it].sells(*symbol));
            let works = |it: &&usize| turns[**it].away_until.is_none_or(|until| until <= now);
            let provider = selling.clone().find(works).or_else(|| selling.next());
            if let Some(provider) = provider {
                shares.entry(*provider).or_default().push(*symbol);
            }
        }
        shares
    }

    /// Asks a provider for some of its symbols. Only prices that are new go on.
    async fn ask(
        &self,
        provider: usize,
        symbols: &[Symbol],
        turn: &mut Turn,
        seen: &mut HashMap<Symbol, Quote>,
    ) -> Result<(), ConsumerGone> {
        let provider = &self.providers[provider];
        let count = batch(&**provider, symbols.len(), self.every);
        let from = turn.asked % symbols.len();
        let round = symbols.iter().cycle().skip(from).take(count);
        let asked: Vec<_> = round.copied().collect();
        counter!("daybook_feed_overflow_polls_total").increment(1);
        let wait = match provider.poll(&asked).await {
            Ok(quotes) => {
                turn.away_until = None;
                turn.asked = from + count;
                for quote in quotes {
                    if seen.insert(quote.symbol, quote) != Some(quote) {
                        self.intake.take(quote).await?;
                    }
                }
                (provider.poll_pace(count) * SHARE).max(self.every)
            }
            Err(error) => {
                tracing::warn!(provider = provider.name(), %error, "cannot poll further prices");
                let wait = wait_after(&error, self.every);
                turn.away_until = Some(Instant::now() + wait.max(AWAY_MIN));
                wait
            }
        };
        turn.due = Instant::now() + wait;
        Ok(())
    }
}

/// As many symbols as the budget allows within one wait, and never none.
fn batch(provider: &dyn Provider, symbols: usize, every: Duration) -> usize {
    let most = symbols.min(BATCH_MAX);
    let fits = |count: &usize| provider.poll_pace(*count) * SHARE <= every;
    (1..=most).rev().find(fits).unwrap_or(1)
}

#[cfg(test)]
#[path = "overflow_tests.rs"]
mod tests;
