//! How long to wait before the next try: doubling, jittered, bounded.

use std::time::Duration;

/// Waits between `min` and `max`; each failure doubles the range that the next wait is drawn from,
/// so that clients cut off together do not come back together.
#[derive(Debug)]
pub(super) struct Backoff {
    min: Duration,
    max: Duration,
    ceiling: Duration,
}

impl Backoff {
    pub(super) const fn new(min: Duration, max: Duration) -> Self {
        Self {
            min,
            max,
            ceiling: min,
        }
    }

    /// The next wait.
    pub(super) fn next(&mut self) -> Duration {
        let wait = draw(self.min, self.ceiling);
        self.ceiling = self.ceiling.saturating_mul(2).min(self.max);
        wait
    }

    /// The connection worked: the next failure is a first one.
    pub(super) const fn reset(&mut self) {
        self.ceiling = self.min;
    }

    /// Trying soon cannot help: the next wait is drawn from the whole range.
    pub(super) const fn exhaust(&mut self) {
        self.ceiling = self.max;
    }
}

/// The upper half of the range is drawn from, so that a long back-off is never a short one.
fn draw(min: Duration, ceiling: Duration) -> Duration {
    let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let ceiling = millis(ceiling).max(millis(min));
    let floor = millis(min).max(ceiling / 2);
    Duration::from_millis(rand::random_range(floor..=ceiling))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIN: Duration = Duration::from_millis(250);
    const MAX: Duration = Duration::from_secs(30);

    #[test]
    fn waits_grow_to_the_limit_and_start_over_after_a_success() {
        let mut backoff = Backoff::new(MIN, MAX);
        let waits: Vec<_> = (0..20).map(|_| backoff.next()).collect();
        assert_eq!(waits[0], MIN);
        assert!(
            waits.iter().all(|wait| (MIN..=MAX).contains(wait)),
            "{waits:?}"
        );
        assert!(waits[19] >= MAX / 2);
        backoff.reset();
        assert_eq!(backoff.next(), MIN);
    }

    #[test]
    fn a_refusal_waits_long_at_once() {
        let mut backoff = Backoff::new(MIN, MAX);
        backoff.exhaust();
        assert!(backoff.next() >= MAX / 2);
    }

    #[test]
    fn waits_are_jittered() {
        let waits: std::collections::HashSet<_> = (0..50).map(|_| draw(MIN, MAX)).collect();
        assert!(waits.len() > 10);
    }
}
