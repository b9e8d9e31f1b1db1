//! The provider's credits: so many a minute, one for each symbol of a request. When they are used
//! up, everything that uses the key waits for the next minute, and nothing asks in vain.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use chrono::{Timelike as _, Utc};
use reqwest::header::HeaderMap;
use tokio::time::Instant;

use crate::RelayError;

/// What is left of this minute's credits, as far as is known.
#[derive(Debug, Default)]
pub(crate) struct Credits {
    /// Our own budget, where one is set.
    per_minute: Option<u32>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// When the minute that the numbers speak of ends.
    renewed_at: Option<Instant>,
    used: u32,
    /// What the provider says that a minute has, where it does.
    told: Option<u32>,
    exhausted: bool,
}

impl Credits {
    pub(crate) fn new(per_minute: Option<u32>) -> Self {
        Self {
            per_minute,
            state: Mutex::default(),
        }
    }

    /// Takes credits for a request that is about to be made.
    ///
    /// # Errors
    /// [`RelayError::RateLimited`] when this minute's are used up.
    pub(crate) fn spend(&self, credits: usize) -> Result<(), RelayError> {
        let mut state = self.minute();
        let credits = u32::try_from(credits).unwrap_or(u32::MAX);
        let used = state.used.saturating_add(credits);
        if state.exhausted || self.budget(&state).is_some_and(|budget| used > budget) {
            let message = "left alone until the next minute".to_owned();
            return Err(RelayError::RateLimited { message });
        }
        state.used = used;
        Ok(())
    }

    /// Learns from the headers of an answer what the provider counts.
    pub(crate) fn heard(&self, headers: &HeaderMap) {
        let number = |name| headers.get(name)?.to_str().ok()?.trim().parse::<u32>().ok();
        let (Some(used), Some(left)) = (number("api-credits-used"), number("api-credits-left"))
        else {
            return;
        };
        let mut state = self.minute();
        state.told = Some(used.saturating_add(left));
        state.used = state.used.max(used);
    }

    /// The provider says that there are none left.
    pub(crate) fn exhausted(&self) {
        self.minute().exhausted = true;
    }

    /// How many symbols may be asked for at once now, up to `wanted`.
    pub(crate) fn affordable(&self, wanted: usize) -> usize {
        let state = self.minute();
        if state.exhausted {
            return 0;
        }
        let left = self
            .budget(&state)
            .map(|budget| budget.saturating_sub(state.used));
        left.map_or(wanted, |left| wanted.min(left as usize))
    }

    /// The time between two requests for so many symbols at which a minute's credits last for a
    /// minute.
    pub(crate) fn pace(&self, symbols: usize) -> Duration {
        let budget = self.budget(&self.minute());
        let Some(budget) = budget.filter(|budget| *budget > 0) else {
            return Duration::ZERO;
        };
        let symbols = u32::try_from(symbols).unwrap_or(u32::MAX);
        Duration::from_secs(60).saturating_mul(symbols) / budget
    }

    fn budget(&self, state: &State) -> Option<u32> {
        match (self.per_minute, state.told) {
            (Some(ours), Some(theirs)) => Some(ours.min(theirs)),
            (ours, theirs) => ours.or(theirs),
        }
    }

    /// This minute's numbers; a new minute starts with all of them.
    fn minute(&self) -> MutexGuard<'_, State> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if state.renewed_at.is_none_or(|renewed_at| now >= renewed_at) {
            state.renewed_at = Some(now + until_next_minute());
            state.used = 0;
            state.exhausted = false;
        }
        state
    }
}

/// The provider counts by the minute of the clock. A second more, for its clock may differ.
pub(crate) fn until_next_minute() -> Duration {
    Duration::from_secs(u64::from(61 - Utc::now().second().min(59)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(used: u32, left: u32) -> HeaderMap {
        let number = |number: u32| number.to_string().parse().unwrap();
        let headers = [
            ("api-credits-used", number(used)),
            ("api-credits-left", number(left)),
        ];
        let named = headers.map(|(name, value)| (name.parse().unwrap(), value));
        named.into_iter().collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_budget_is_kept_and_renewed_with_the_minute() {
        let credits = Credits::new(Some(8));
        assert!(credits.spend(6).is_ok());
        assert_eq!(credits.affordable(5), 2);
        assert!(matches!(
            credits.spend(3),
            Err(RelayError::RateLimited { .. })
        ));
        assert!(credits.spend(2).is_ok());
        assert_eq!(credits.affordable(5), 0);
        tokio::time::advance(Duration::from_secs(61)).await;
        assert_eq!(credits.affordable(5), 5);
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_provider_counts_and_its_refusal_are_believed() {
        let credits = Credits::default();
        assert_eq!(credits.affordable(1_000), 1_000);
        assert_eq!(credits.pace(5), Duration::ZERO);
        credits.heard(&told(50, 5));
        assert_eq!(credits.affordable(10), 5);
        assert_eq!(credits.pace(11), Duration::from_secs(12));
        credits.exhausted();
        assert_eq!(credits.affordable(10), 0);
        assert!(credits.spend(1).is_err());
        tokio::time::advance(Duration::from_secs(61)).await;
        assert!(credits.spend(1).is_ok());
    }

    #[test]
    fn the_wait_reaches_into_the_next_minute() {
        let wait = until_next_minute();
        assert!((2..=61).contains(&wait.as_secs()), "{wait:?}");
    }
}
