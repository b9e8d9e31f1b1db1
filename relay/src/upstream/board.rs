//! How every connection stands, and what follows from it: the state of the feed, and whether a
//! provider delivers a symbol.

use std::{
    collections::{BTreeSet, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use daybook_domain::{Symbol, Timestamp};
use tokio::{
    sync::watch,
    time::{Duration, Instant},
};

use super::Resumed;
use crate::{FeedStatus, Hub};

/// What is known of all connections.
pub(super) struct Board {
    hub: Hub,
    resumed: Resumed,
    lines: Mutex<Vec<LineState>>,
    problem: watch::Sender<Option<String>>,
}

/// One connection.
struct LineState {
    status: FeedStatus,
    since: Instant,
    /// What it is meant to carry.
    wanted: BTreeSet<Symbol>,
    /// What its provider would not give.
    refused: HashSet<Symbol>,
}

impl Board {
    pub(super) fn new(
        hub: Hub,
        resumed: Resumed,
        lines: usize,
        problem: watch::Sender<Option<String>>,
    ) -> Self {
        hub.set_status(FeedStatus::Stale);
        let line = || LineState {
            status: FeedStatus::Stale,
            since: Instant::now(),
            wanted: BTreeSet::new(),
            refused: HashSet::new(),
        };
        Self {
            hub,
            resumed,
            lines: Mutex::new(std::iter::repeat_with(line).take(lines).collect()),
            problem,
        }
    }

    /// Whether a line's provider delivers a symbol, or may still be about to.
    pub(super) fn serves(&self, line: usize, symbol: Symbol, patience: Duration) -> Service {
        let lines = self.lock();
        let line = &lines[line];
        if line.refused.contains(&symbol) {
            return Service::Absent;
        }
        match line.status {
            FeedStatus::Live | FeedStatus::Simulated => Service::Present,
            FeedStatus::Polling | FeedStatus::Stale if line.since.elapsed() < patience => {
                Service::Awaited
            }
            FeedStatus::Polling | FeedStatus::Stale => Service::Absent,
        }
    }

    /// What a line is meant to carry from now on. A line that had nothing to do starts afresh.
    pub(super) fn assign(&self, line: usize, wanted: BTreeSet<Symbol>) {
        let mut lines = self.lock();
        let state = &mut lines[line];
        if state.wanted.is_empty() != wanted.is_empty() {
            state.status = FeedStatus::Stale;
            state.since = Instant::now();
            state.refused.clear();
        }
        state.wanted = wanted;
        self.publish(&lines);
    }

    /// The worst state of any symbol, each symbol's being the best of the lines that carry it.
    fn publish(&self, lines: &[LineState]) {
        let symbols: BTreeSet<_> = lines.iter().flat_map(|line| &line.wanted).collect();
        let state_of = |symbol: &&Symbol| {
            let carrying = lines.iter().filter(|line| line.wanted.contains(*symbol));
            carrying.map(|line| line.status).min()
        };
        let worst = symbols.iter().filter_map(state_of).max();
        // Under the lock, so that two lines cannot report in the wrong order.
        self.hub.set_status(worst.unwrap_or(FeedStatus::Stale));
    }

    fn lock(&self) -> MutexGuard<'_, Vec<LineState>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a provider delivers a symbol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Service {
    /// It does.
    Present,
    /// It does not at this moment, and has not been away for long.
    Awaited,
    /// It does not, and another should.
    Absent,
}

/// One line's place on the board.
pub(super) struct Reporter {
    pub(super) board: std::sync::Arc<Board>,
    pub(super) line: usize,
}

impl Reporter {
    pub(super) fn status(&self, status: FeedStatus) {
        let mut lines = self.board.lock();
        let state = &mut lines[self.line];
        if state.status != status {
            // Between polling and nothing at all the socket is away all the same.
            let away = |status| matches!(status, FeedStatus::Polling | FeedStatus::Stale);
            if !(away(state.status) && away(status)) {
                state.since = Instant::now();
            }
            state.status = status;
        }
        self.board.publish(&lines);
    }

    /// Symbols that the provider will not give on this connection.
    pub(super) fn refused(&self, symbols: &[Symbol]) {
        let mut lines = self.board.lock();
        lines[self.line].refused = symbols.iter().copied().collect();
    }

    /// From now on the quotes of these symbols are heard without a hole.
    pub(super) fn resumed(&self, symbols: &[Symbol], at: Timestamp) {
        for symbol in symbols {
            (self.board.resumed)(*symbol, at);
        }
    }

    /// Tells the operator once per change, not once per retry.
    pub(super) fn problem(&self, problem: Option<String>) {
        self.board.problem.send_if_modified(|current| {
            if *current == problem {
                return false;
            }
            if let Some(problem) = &problem {
                tracing::error!(problem, "the feed needs attention");
            }
            *current = problem;
            true
        });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(10);

    fn symbol(name: &str) -> Symbol {
        Symbol::parse(name).unwrap()
    }

    fn board(hub: Hub) -> (Arc<Board>, [Reporter; 2]) {
        let (problem, _) = watch::channel(None);
        let board = Arc::new(Board::new(hub, Arc::new(|_, _| {}), 2, problem));
        let reporters = [0, 1].map(|line| Reporter {
            board: Arc::clone(&board),
            line,
        });
        (board, reporters)
    }

    #[tokio::test]
    async fn the_worst_symbol_is_the_state_of_the_feed() {
        let hub = Hub::new();
        let status = hub.status();
        let (board, lines) = board(hub);
        board.assign(0, [symbol("EURUSD")].into());
        board.assign(1, [symbol("GBPUSD")].into());
        lines[0].status(FeedStatus::Live);
        assert_eq!(*status.borrow(), FeedStatus::Stale);
        lines[1].status(FeedStatus::Polling);
        assert_eq!(*status.borrow(), FeedStatus::Polling);
        lines[1].status(FeedStatus::Live);
        assert_eq!(*status.borrow(), FeedStatus::Live);
        // What carries nothing counts for nothing.
        lines[1].status(FeedStatus::Stale);
        board.assign(1, BTreeSet::new());
        assert_eq!(*status.borrow(), FeedStatus::Live);
    }

    #[tokio::test]
    async fn a_symbol_that_two_carry_is_as_well_as_the_better_of_them() {
        let hub = Hub::new();
        let status = hub.status();
        let (board, lines) = board(hub);
        board.assign(0, [symbol("BTCUSD")].into());
        board.assign(1, [symbol("BTCUSD")].into());
        lines[1].status(FeedStatus::Live);
        assert_eq!(*status.borrow(), FeedStatus::Live);
    }

    #[tokio::test(start_paused = true)]
    async fn a_provider_is_waited_for_and_then_given_up() {
        let (board, lines) = board(Hub::new());
        let bitcoin = symbol("BTCUSD");
        board.assign(0, [bitcoin].into());
        let serves = || board.serves(0, bitcoin, PATIENCE);
        assert_eq!(serves(), Service::Awaited);
        tokio::time::advance(PATIENCE).await;
        assert_eq!(serves(), Service::Absent);
        lines[0].status(FeedStatus::Live);
        assert_eq!(serves(), Service::Present);
        lines[0].status(FeedStatus::Stale);
        tokio::time::advance(PATIENCE / 2).await;
        assert_eq!(serves(), Service::Awaited);
        lines[0].status(FeedStatus::Polling);
        tokio::time::advance(PATIENCE / 2).await;
        assert_eq!(serves(), Service::Absent, "polling is not delivering");
        lines[0].status(FeedStatus::Live);
        lines[0].refused(&[bitcoin]);
        assert_eq!(serves(), Service::Absent);
    }
}
