//! Metrics of the projections, by name.

use std::time::Duration;

/// Events applied by a live projection.
pub(crate) fn applied(name: &'static str, events: usize) {
    let events = u64::try_from(events).unwrap_or(u64::MAX);
    metrics::counter!("daybook_projection_events_total", "projection" => name).increment(events);
}

/// One transaction of a live projection.
pub(crate) fn batch_took(name: &'static str, took: Duration) {
    metrics::histogram!("daybook_projection_batch_seconds", "projection" => name).record(took);
}

/// A session broke off and is tried again.
pub(crate) fn retried(name: &'static str) {
    metrics::counter!("daybook_projection_retries_total", "projection" => name).increment(1);
}

/// Whether a projection has stopped at an event.
pub(crate) fn stopped(name: &'static str, stopped: bool) {
    let value = if stopped { 1.0 } else { 0.0 };
    metrics::gauge!("daybook_projection_stopped", "projection" => name).set(value);
}

/// How far a projection has come and how far it is behind the book.
pub(crate) fn lag(name: &'static str, position: i64, committed: i64) {
    let behind = (committed - position).max(0);
    metrics::gauge!("daybook_projection_position", "projection" => name).set(position as f64);
    metrics::gauge!("daybook_projection_lag_events", "projection" => name).set(behind as f64);
}
