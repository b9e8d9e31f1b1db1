//! What becomes of a try: delivered, tried again later, or parked.

use std::time::Duration;

use chrono::{DateTime, Utc};

/// Pauses after the first, second, … failed try. After the try that follows the last one a delivery
/// is parked as dead.
const PAUSES: [Duration; 7] = [
    Duration::from_secs(5),
    Duration::from_secs(30),
    Duration::from_mins(2),
    Duration::from_mins(10),
    Duration::from_hours(1),
    Duration::from_hours(6),
    Duration::from_hours(24),
];
/// A receiver may not put us off for longer.
const RETRY_AFTER_MAX: Duration = Duration::from_hours(24);
/// Pauses are up to this much longer, in thousandths, so that queues do not all come back at once.
const JITTER_PER_MILLE: u32 = 200;

/// What a try came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The receiver has it.
    Delivered,
    /// Another try, after this long.
    Again(Duration),
    /// No other try: it waits for somebody to look.
    Parked(Why),
    /// The receiver wants nothing more at all; this delivery waits.
    Gone,
}

/// Why there is no other try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// The receiver refused the delivery itself.
    Refused,
    /// Every try has failed.
    Exhausted,
    /// It could not be rendered.
    Unreadable,
}

/// The verdict on an answer: its HTTP status, none where there was none, to the try of this number
/// (from 1). `draw` is a random number.
pub(super) fn judge(
    status: Option<u16>,
    retry_after: Option<Duration>,
    tries: u32,
    draw: u32,
) -> Verdict {
    match status {
        Some(200..=299) => Verdict::Delivered,
        Some(410) => Verdict::Gone,
        Some(408 | 409 | 425 | 429) | Some(0..=399 | 500..) | None => {
            let pause = usize::try_from(tries.saturating_sub(1)).ok();
            let pause = pause.and_then(|index| PAUSES.get(index));
            let Some(pause) = pause else {
                return Verdict::Parked(Why::Exhausted);
            };
            let asked = retry_after.unwrap_or_default().min(RETRY_AFTER_MAX);
            Verdict::Again(jittered(*pause, draw).max(asked))
        }
        Some(400..=499) => Verdict::Parked(Why::Refused),
    }
}

/// How long the first failed try of a delivery is waited after, before it has an endpoint to go to.
pub(super) const fn first_pause() -> Duration {
    PAUSES[0]
}

fn jittered(pause: Duration, draw: u32) -> Duration {
    pause + pause * (draw % (JITTER_PER_MILLE + 1)) / 1_000
}

/// `Retry-After`: seconds, or a date.
#[must_use]
pub fn retry_after(value: &str, now: DateTime<Utc>) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = DateTime::parse_from_rfc2822(value).ok()?;
    Some((until.to_utc() - now).to_std().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_as_the_contract_says_and_then_it_is_parked() {
        let seconds = [5, 30, 120, 600, 3_600, 21_600, 86_400];
        for (tries, expected) in (1..).zip(seconds) {
            for status in [None, Some(500), Some(503), Some(302), Some(408), Some(429)] {
                let verdict = judge(status, None, tries, 0);
                let expected = Verdict::Again(Duration::from_secs(expected));
                assert_eq!(verdict, expected, "{status:?}");
            }
        }
        let last = judge(Some(500), None, 8, 0);
        assert_eq!(last, Verdict::Parked(Why::Exhausted));
    }

    #[test]
    fn jitter_makes_pauses_longer_by_a_fifth_at_most() {
        let pause = |draw| match judge(None, None, 2, draw) {
            Verdict::Again(pause) => pause,
            other @ (Verdict::Delivered | Verdict::Parked(_) | Verdict::Gone) => {
                panic!("{other:?}")
            }
        };
        let least = Duration::from_secs(30);
        for draw in [0, 1, 77, 200, 201, u32::MAX] {
            assert!((least..=least * 6 / 5).contains(&pause(draw)), "{draw}");
        }
        assert_eq!(pause(200), least * 6 / 5);
        assert_ne!(pause(3), pause(100));
    }

    #[test]
    fn a_refusal_is_not_repeated_and_gone_is_gone() {
        for status in [400, 401, 403, 404, 413, 422] {
            let verdict = judge(Some(status), None, 1, 0);
            assert_eq!(verdict, Verdict::Parked(Why::Refused), "{status}");
        }
        assert_eq!(judge(Some(410), None, 1, 0), Verdict::Gone);
        for status in [200, 201, 202, 204] {
            assert_eq!(judge(Some(status), None, 8, 0), Verdict::Delivered);
        }
    }

    #[test]
    fn the_receiver_may_ask_for_more_time_within_bounds() {
        let asked = |seconds| judge(Some(429), Some(Duration::from_secs(seconds)), 1, 0);
        assert_eq!(asked(90), Verdict::Again(Duration::from_secs(90)));
        assert_eq!(asked(1), Verdict::Again(Duration::from_secs(5)));
        assert_eq!(asked(9_999_999), Verdict::Again(Duration::from_hours(24)));
    }

    #[test]
    fn retry_after_is_read_as_seconds_and_as_a_date() {
        let now = DateTime::from_timestamp(1_767_787_200, 0).unwrap();
        assert_eq!(retry_after("120", now), Some(Duration::from_secs(120)));
        let date = "Wed, 07 Jan 2026 12:01:30 GMT";
        assert_eq!(retry_after(date, now), Some(Duration::from_secs(90)));
        let past = "Wed, 07 Jan 2026 11:00:00 GMT";
        assert_eq!(retry_after(past, now), Some(Duration::ZERO));
        for nonsense in ["", "soon", "-5", "1.5"] {
            assert_eq!(retry_after(nonsense, now), None, "{nonsense}");
        }
    }
}
