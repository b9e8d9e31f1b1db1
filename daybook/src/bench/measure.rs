//! Callers, clocks and percentiles.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use serde::Serialize;

/// What a number of callers achieved.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Measured {
    /// Concurrent callers, each waiting for its answer before it asks again.
    pub callers: usize,
    /// Operations finished a second.
    pub per_second: f64,
    /// Median latency, microseconds.
    pub p50_us: u64,
    /// 99th percentile of latency, microseconds.
    pub p99_us: u64,
    /// Share of operations that were refused, in percent.
    pub refused_percent: f64,
}

/// What one operation came to.
pub type Operation = anyhow::Result<Done>;

/// An operation was carried out, or refused by the program under test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    /// Carried out and durable.
    Accepted,
    /// Refused, a conflict for example.
    Refused,
}

/// Runs `callers` closed loops for `time`. `operation` is given the caller's number and a number
/// that is unique in this run.
///
/// # Errors
/// The first error that an operation returns.
pub async fn closed_loop<F, Fut>(
    callers: usize,
    time: Duration,
    operation: F,
) -> anyhow::Result<Measured>
where
    F: Fn(usize, u64) -> Fut + Clone + Send + 'static,
    Fut: Future<Output = Operation> + Send + 'static,
{
    let unique = Arc::new(AtomicU64::new(0));
    let start = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for caller in 0..callers {
        let (operation, unique) = (operation.clone(), unique.clone());
        tasks.spawn(async move {
            let mut samples = Samples::default();
            while start.elapsed() < time {
                let asked = Instant::now();
                let done = operation(caller, unique.fetch_add(1, Ordering::Relaxed)).await?;
                samples.add(asked.elapsed(), done);
            }
            anyhow::Ok(samples)
        });
    }
    let mut all = Samples::default();
    while let Some(samples) = tasks.join_next().await {
        all.merge(samples??);
    }
    Ok(all.measured(callers, start.elapsed()))
}

/// Starts operations at `per_second`, whatever the answers take, for `time`: latency at a load
/// below saturation.
///
/// # Errors
/// The first error that an operation returns.
pub async fn paced<F, Fut>(
    per_second: f64,
    time: Duration,
    operation: F,
) -> anyhow::Result<Measured>
where
    F: Fn(usize, u64) -> Fut + Clone + Send + 'static,
    Fut: Future<Output = Operation> + Send + 'static,
{
    let start = Instant::now();
    let mut pace = tokio::time::interval(Duration::from_millis(1));
    pace.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Burst);
    let mut tasks = tokio::task::JoinSet::new();
    let mut asked_in_all = 0_u64;
    while start.elapsed() < time {
        pace.tick().await;
        while (asked_in_all as f64) < start.elapsed().as_secs_f64() * per_second {
            let (operation, number) = (operation.clone(), asked_in_all);
            asked_in_all += 1;
            let asked = Instant::now();
            tasks.spawn(async move {
                let done = operation(0, number).await?;
                anyhow::Ok((asked.elapsed(), done))
            });
        }
    }
    let mut all = Samples::default();
    while let Some(sample) = tasks.join_next().await {
        let (latency, done) = sample??;
        all.add(latency, done);
    }
    Ok(all.measured(0, start.elapsed()))
}

/// Latencies that somebody else has measured, over `elapsed`.
#[must_use]
pub fn of_latencies(latencies: Vec<Duration>, elapsed: Duration) -> Measured {
    let samples = Samples {
        latencies,
        refused: 0,
    };
    samples.measured(0, elapsed)
}

/// The best of several numbers of callers.
#[must_use]
pub fn best(all: &[Measured]) -> Option<Measured> {
    all.iter()
        .copied()
        .max_by(|a, b| a.per_second.total_cmp(&b.per_second))
}

#[derive(Default)]
struct Samples {
    latencies: Vec<Duration>,
    refused: u64,
}

impl Samples {
    fn add(&mut self, latency: Duration, done: Done) {
        match done {
            Done::Accepted => self.latencies.push(latency),
            Done::Refused => self.refused += 1,
        }
    }

    fn merge(&mut self, other: Self) {
        self.latencies.extend(other.latencies);
        self.refused += other.refused;
    }

    fn measured(mut self, callers: usize, elapsed: Duration) -> Measured {
        self.latencies.sort_unstable();
        let accepted = self.latencies.len();
        let all = accepted as f64 + self.refused as f64;
        Measured {
            callers,
            per_second: accepted as f64 / elapsed.as_secs_f64(),
            p50_us: percentile(&self.latencies, 50),
            p99_us: percentile(&self.latencies, 99),
            refused_percent: if all > 0.0 {
                self.refused as f64 / all * 100.0
            } else {
                0.0
            },
        }
    }
}

fn percentile(sorted: &[Duration], percent: usize) -> u64 {
    let index = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
    sorted.get(index).map_or(0, |latency| {
        u64::try_from(latency.as_micros()).unwrap_or(u64::MAX)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_closed_loop_counts_what_was_accepted_and_what_was_refused() {
        let measured = closed_loop(2, Duration::from_millis(50), |_, number| async move {
            tokio::task::yield_now().await;
            Ok(if number % 4 == 0 {
                Done::Refused
            } else {
                Done::Accepted
            })
        })
        .await
        .unwrap();
        assert!(measured.per_second > 0.0);
        assert!(
            (20.0..30.0).contains(&measured.refused_percent),
            "{measured:?}"
        );
    }

    #[test]
    fn the_99th_percentile_is_near_the_largest_and_the_median_in_the_middle() {
        let sorted: Vec<_> = (1..=100).map(Duration::from_micros).collect();
        assert_eq!(
            (percentile(&sorted, 50), percentile(&sorted, 99)),
            (51, 100)
        );
        assert_eq!(percentile(&[], 99), 0);
    }
}
