//! What is offered: so many connections, symbols and quotes a second.

use std::time::{Duration, Instant};

use super::herd::now_us;

/// One load.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Clients, each listening to every symbol.
    pub connections: usize,
    /// Symbols that are quoted in turn.
    pub symbols: usize,
    /// Quotes a second, of all symbols together.
    pub per_second: u64,
    /// For how long.
    pub seconds: u64,
}

impl Load {
    /// Quotes that are published.
    pub const fn published(&self) -> u64 {
        self.per_second * self.seconds
    }

    /// Messages a second that all clients together are due.
    pub fn offered(&self) -> f64 {
        self.per_second as f64 * self.connections as f64
    }

    /// Calls `quote` with the number of each quote when it is due, in steps of a millisecond.
    pub fn pace(&self, mut quote: impl FnMut(u64)) {
        let start = Instant::now();
        let mut done = 0;
        while done < self.published() {
            let elapsed_us = u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX);
            let due = elapsed_us.saturating_mul(self.per_second) / 1_000_000;
            while done < due.min(self.published()) {
                quote(done);
                done += 1;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// The moment of now, as a price: seconds, a point, microseconds.
pub fn stamp() -> i64 {
    i64::try_from(now_us()).unwrap_or(i64::MAX)
}
