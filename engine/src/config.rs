//! How the engine is run.

use std::time::Duration;

use daybook_domain::Rules;

/// Settings of the engine.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// Tasks that own accounts. A client's accounts live in one.
    pub shards: usize,
    /// Commands that may wait for one shard, and submissions that one may have in flight.
    pub queue_max: usize,
    /// House rules.
    pub rules: Rules,
    /// How long answers are kept for repeats.
    pub idempotency_ttl: Duration,
    /// Accounts held in memory; those with orders or positions always are.
    pub hot_accounts_max: usize,
    /// Events of a stream between its snapshots.
    pub snapshot_every: i64,
    /// Time between two sweeps that snapshot what has changed and move the floor of recovery.
    pub sweep_every: Duration,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            shards: 4,
            queue_max: 2_048,
            rules: Rules::default(),
            idempotency_ttl: Duration::from_hours(24),
            hot_accounts_max: 100_000,
            snapshot_every: 500,
            sweep_every: Duration::from_mins(1),
        }
    }
}
