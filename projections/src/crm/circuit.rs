//! The circuit of an endpoint: a receiver that fails again and again is left alone for a while, and
//! then asked with one delivery.

use std::time::Duration;

use tokio::time::Instant;

/// Failures in a row that open it.
const FAILURES: u32 = 10;
const PAUSE_FIRST: Duration = Duration::from_secs(1);
const PAUSE_LONGEST: Duration = Duration::from_secs(30);

/// Closed: sends; open: waits; half-open: one at a time, until one comes through.
#[derive(Debug)]
pub(super) struct Circuit {
    failures: u32,
    pause: Duration,
    open_until: Option<Instant>,
}

/// How much may be under way at an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flow {
    /// As much as there is room for.
    Free,
    /// One delivery, to see whether the receiver is back.
    One,
    /// Nothing until then.
    Nothing(Instant),
}

/// What a try changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// Nothing.
    Same,
    /// It opened.
    Opened,
    /// It closed.
    Closed,
}

impl Circuit {
    pub(super) const fn new() -> Self {
        Self {
            failures: 0,
            pause: PAUSE_FIRST,
            open_until: None,
        }
    }

    pub(super) fn flow(&self, now: Instant) -> Flow {
        match self.open_until {
            None => Flow::Free,
            Some(until) if until > now => Flow::Nothing(until),
            Some(_) => Flow::One,
        }
    }

    pub(super) const fn is_open(&self) -> bool {
        self.open_until.is_some()
    }

    /// The receiver has answered: whether it took the delivery or refused it, it is there.
    pub(super) fn answered(&mut self) -> Turn {
        let was_open = self.open_until.is_some();
        *self = Self::new();
        if was_open { Turn::Closed } else { Turn::Same }
    }

    /// The receiver failed; it may ask to be left alone for a while.
    pub(super) fn failed(&mut self, now: Instant, asked: Option<Duration>) -> Turn {
        self.failures = self.failures.saturating_add(1);
        if self.failures < FAILURES {
            return Turn::Same;
        }
        // Those that were under way when it opened do not lengthen the pause.
        if self.open_until.is_some_and(|until| until > now) {
            return Turn::Same;
        }
        let was_open = self.open_until.is_some();
        let pause = self.pause.max(asked.unwrap_or_default().min(PAUSE_LONGEST));
        self.open_until = Some(now + pause);
        self.pause = PAUSE_LONGEST.min(self.pause * 2);
        if was_open { Turn::Same } else { Turn::Opened }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fail(circuit: &mut Circuit, times: u32, now: Instant) -> Turn {
        let mut last = Turn::Same;
        for _ in 0..times {
            last = circuit.failed(now, None);
        }
        last
    }

    #[test]
    fn failures_in_a_row_open_it_and_an_answer_between_them_does_not_count() {
        let (mut circuit, now) = (Circuit::new(), Instant::now());
        assert_eq!(fail(&mut circuit, FAILURES - 1, now), Turn::Same);
        assert_eq!(circuit.answered(), Turn::Same);
        assert_eq!(fail(&mut circuit, FAILURES - 1, now), Turn::Same);
        assert_eq!(circuit.flow(now), Flow::Free);
        assert_eq!(fail(&mut circuit, 1, now), Turn::Opened);
        assert_eq!(circuit.flow(now), Flow::Nothing(now + PAUSE_FIRST));
    }

    #[test]
    fn after_the_pause_one_is_sent_and_decides() {
        let (mut circuit, mut now) = (Circuit::new(), Instant::now());
        fail(&mut circuit, FAILURES + 5, now);
        let mut pause = PAUSE_FIRST;
        for _ in 0..8 {
            assert_eq!(circuit.flow(now), Flow::Nothing(now + pause));
            now += pause;
            assert_eq!(circuit.flow(now), Flow::One);
            assert_eq!(circuit.failed(now, None), Turn::Same);
            pause = PAUSE_LONGEST.min(pause * 2);
        }
        now += pause;
        assert!(circuit.is_open());
        assert_eq!(circuit.answered(), Turn::Closed);
        assert_eq!(circuit.flow(now), Flow::Free);
    }

    #[test]
    fn the_receiver_may_ask_for_a_longer_pause() {
        let (mut circuit, now) = (Circuit::new(), Instant::now());
        fail(&mut circuit, FAILURES - 1, now);
        circuit.failed(now, Some(Duration::from_secs(7)));
        assert_eq!(
            circuit.flow(now),
            Flow::Nothing(now + Duration::from_secs(7))
        );
    }
}
