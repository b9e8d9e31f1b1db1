//! How old a quote is, counted from the provider's time.

use std::time::Duration;

use daybook_domain::{Quote, Timestamp};

/// Age of a quote at `now`; zero when the provider's clock runs ahead of ours.
#[must_use]
pub fn age(quote: &Quote, now: Timestamp) -> Duration {
    (now - quote.at).to_std().unwrap_or_default()
}

/// Whether a quote is older than `max_age`: it may be shown, but not dealt on.
#[must_use]
pub fn is_stale(quote: &Quote, now: Timestamp, max_age: Duration) -> bool {
    age(quote, now) > max_age
}

#[cfg(test)]
mod tests {
    use chrono::{TimeDelta, TimeZone as _, Utc};
    use daybook_domain::{Decimal, Symbol, quote::QuoteSource};

    use super::*;

    #[test]
    fn a_quote_is_stale_once_it_is_older_than_allowed() {
        let at = Utc.timestamp_opt(1_700_000_000, 0).unwrap();
        let quote = Quote {
            symbol: Symbol::parse("EURUSD").unwrap(),
            bid: Decimal::ONE,
            ask: Decimal::ONE,
            at,
            source: QuoteSource::Simulator,
        };
        let limit = Duration::from_secs(10);
        assert!(!is_stale(
            &quote,
            at + TimeDelta::milliseconds(10_000),
            limit
        ));
        assert!(is_stale(
            &quote,
            at + TimeDelta::milliseconds(10_001),
            limit
        ));
        assert!(!is_stale(&quote, at - TimeDelta::seconds(5), limit));
    }
}
