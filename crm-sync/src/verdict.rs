//! What becomes of a try: done, made again later, left off.

use std::time::Duration;

/// Pauses after the first, second, … failed try, as of webhooks. After the try that follows the last
/// one it is given up.
const PAUSES: [Duration; 7] = [
    Duration::from_secs(5),
    Duration::from_secs(30),
    Duration::from_mins(2),
    Duration::from_mins(10),
    Duration::from_hours(1),
    Duration::from_hours(6),
    Duration::from_hours(24),
];
/// Whom the CRM does not know it may come to know, by the webhook of the registration; after so many
/// tries it will not.
const UNKNOWN_TRIES: i32 = 5;
/// The CRM may not put us off for longer.
const RETRY_AFTER_MAX: Duration = Duration::from_hours(24);
/// Pauses are up to this much longer, in thousandths: calls do not all come back at once.
const JITTER_PER_MILLE: u32 = 200;
/// Pause where it is our own house that could not.
const OURS: Duration = Duration::from_secs(5);

/// A call that did not succeed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The CRM does not know our token, or lets it do nothing: a mistake in the configuration.
    Shut(u16),
    /// It does not know the client.
    Unknown,
    /// It refuses what is said.
    Refused(u16),
    /// No answer, none that can be read, or one that says later.
    Failed {
        /// What went wrong, without a word of the answer, which may be personal.
        why: String,
        /// What it asks for.
        retry_after: Option<Duration>,
    },
}

/// What became of a try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Done,
    /// Rightly not made; why.
    Skipped(&'static str),
    /// Never to be made; why.
    GivenUp(String),
    /// To be made again.
    Again {
        why: String,
        pause: Duration,
        /// Whether this try was one of those that there are.
        counts: bool,
    },
    /// To be made again once the CRM lets us in; why.
    Shut(String),
}

impl Failure {
    pub(crate) fn failed(why: impl Into<String>) -> Self {
        Self::Failed {
            why: why.into(),
            retry_after: None,
        }
    }
}

/// What becomes of a try of this number, from 1. `draw` is a random number.
pub(crate) fn judge(failure: Failure, attempt: i32, draw: u32) -> Outcome {
    match failure {
        Failure::Shut(status) => Outcome::Shut(format!(
            "the CRM answers {status} to our token: CRM_API_TOKEN, else CRM_SERVICE_TOKEN"
        )),
        Failure::Refused(status) => Outcome::GivenUp(format!("the CRM refuses it: {status}")),
        Failure::Unknown if attempt >= UNKNOWN_TRIES => {
            Outcome::Skipped("the CRM does not know the client")
        }
        Failure::Unknown => again("the CRM does not know the client", None, attempt, draw),
        Failure::Failed { why, retry_after } => again(&why, retry_after, attempt, draw),
    }
}

/// Our own house could not: no try of the CRM.
pub(crate) fn ours(why: String) -> Outcome {
    Outcome::Again {
        why,
        pause: OURS,
        counts: false,
    }
}

fn again(why: &str, asked: Option<Duration>, attempt: i32, draw: u32) -> Outcome {
    let index = usize::try_from(attempt.saturating_sub(1)).ok();
    match index.and_then(|index| PAUSES.get(index)) {
        Some(pause) => {
            let longer = *pause * (draw % (JITTER_PER_MILLE + 1)) / 1_000;
            let asked = asked.unwrap_or_default().min(RETRY_AFTER_MAX);
            Outcome::Again {
                why: why.to_owned(),
                pause: (*pause + longer).max(asked),
                counts: true,
            }
        }
        None => Outcome::GivenUp(why.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn down() -> Failure {
        Failure::failed("no answer")
    }

    fn pause(outcome: &Outcome) -> Option<u64> {
        match outcome {
            Outcome::Again {
                pause,
                counts: true,
                ..
            } => Some(pause.as_secs()),
            Outcome::Again { .. }
            | Outcome::Done
            | Outcome::Skipped(_)
            | Outcome::GivenUp(_)
            | Outcome::Shut(_) => None,
        }
    }

    #[test]
    fn pauses_grow_and_then_it_is_given_up() {
        let seconds = [5, 30, 120, 600, 3_600, 21_600, 86_400];
        for (attempt, expected) in (1..).zip(seconds) {
            assert_eq!(pause(&judge(down(), attempt, 0)), Some(expected));
            assert_eq!(
                pause(&judge(down(), attempt, 200)),
                Some(expected * 6 / 5),
                "a fifth longer at most"
            );
        }
        let given_up = Outcome::GivenUp("no answer".to_owned());
        assert_eq!(judge(down(), 8, 0), given_up);
        assert_eq!(judge(down(), i32::MAX, 0), given_up);
    }

    #[test]
    fn an_unknown_client_is_asked_for_a_while() {
        for attempt in 1..UNKNOWN_TRIES {
            assert!(pause(&judge(Failure::Unknown, attempt, 7)).is_some());
        }
        let skipped = Outcome::Skipped("the CRM does not know the client");
        assert_eq!(judge(Failure::Unknown, UNKNOWN_TRIES, 7), skipped);
    }

    #[test]
    fn a_refusal_is_not_repeated_and_a_shut_door_is_waited_at() {
        let refused = judge(Failure::Refused(422), 1, 0);
        assert!(matches!(refused, Outcome::GivenUp(_)));
        for attempt in [1, 8, 800] {
            let shut = judge(Failure::Shut(401), attempt, 0);
            assert!(matches!(shut, Outcome::Shut(_)));
        }
    }

    #[test]
    fn the_crm_may_ask_for_more_time_within_bounds() {
        let asked = |seconds| {
            let retry_after = Some(Duration::from_secs(seconds));
            let why = "429".to_owned();
            pause(&judge(Failure::Failed { why, retry_after }, 1, 0))
        };
        assert_eq!(asked(90), Some(90));
        assert_eq!(asked(1), Some(5));
        assert_eq!(asked(9_999_999), Some(86_400));
    }
}
