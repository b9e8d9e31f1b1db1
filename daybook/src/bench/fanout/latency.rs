//! Latencies of millions of messages in a fixed space.

/// Up to 100 ms in steps of 10 µs, up to 60 s in steps of 1 ms.
const FINE: u64 = 10;
const FINE_MAX: u64 = 100_000;
const COARSE: u64 = 1_000;
const COARSE_MAX: u64 = 60_000_000;

/// Counts by latency.
#[derive(Clone, Debug)]
pub struct Latencies {
    fine: Vec<u64>,
    coarse: Vec<u64>,
    count: u64,
    max_us: u64,
}

impl Default for Latencies {
    fn default() -> Self {
        let steps = |max: u64, step: u64| vec![0; usize::try_from(max / step).unwrap_or(0) + 1];
        Self {
            fine: steps(FINE_MAX, FINE),
            coarse: steps(COARSE_MAX, COARSE),
            count: 0,
            max_us: 0,
        }
    }
}

impl Latencies {
    /// Counts one.
    pub fn add(&mut self, us: u64) {
        self.count += 1;
        self.max_us = self.max_us.max(us);
        let (counts, step) = if us < FINE_MAX {
            (&mut self.fine, FINE)
        } else {
            (&mut self.coarse, COARSE)
        };
        let place = usize::try_from(us / step).unwrap_or(usize::MAX);
        let last = counts.len() - 1;
        counts[place.min(last)] += 1;
    }

    /// How many were counted.
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// The largest, in microseconds.
    pub const fn max_us(&self) -> u64 {
        self.max_us
    }

    /// The latency that so many per thousand stay below, in microseconds.
    pub fn per_mille(&self, per_mille: u64) -> u64 {
        let mut left = self.count * per_mille / 1_000;
        for (counts, step) in [(&self.fine, FINE), (&self.coarse, COARSE)] {
            for (place, count) in (1_u64..).zip(counts) {
                if left < *count {
                    return (place * step).min(self.max_us);
                }
                left -= count;
            }
        }
        self.max_us
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_found_to_the_step() {
        let mut latencies = Latencies::default();
        for us in 1..=1_000 {
            latencies.add(us * 100);
        }
        assert_eq!(latencies.count(), 1_000);
        assert_eq!(latencies.per_mille(500), 50_110);
        assert_eq!(latencies.per_mille(990), 99_110);
        assert_eq!(latencies.max_us(), 100_000);
        assert_eq!(Latencies::default().per_mille(990), 0);
    }
}
