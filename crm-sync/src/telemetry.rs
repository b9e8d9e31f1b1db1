//! Counts of calls to the CRM's service API.

use crate::verdict::Outcome;

const CALLS: &str = "daybook_crm_calls_total";

/// Makes the counters known before there is anything to count.
pub(crate) fn begin() {
    for outcome in ["done", "failed", "shut", "given_up", "skipped"] {
        metrics::counter!(CALLS, "outcome" => outcome).increment(0);
    }
    waiting(0);
    shut(false);
}

/// What a try came to.
pub(crate) fn came_to(outcome: &Outcome) {
    let outcome = match outcome {
        Outcome::Done => "done",
        Outcome::Again { .. } => "failed",
        Outcome::Shut(_) => "shut",
        Outcome::GivenUp(_) => "given_up",
        Outcome::Skipped(_) => "skipped",
    };
    metrics::counter!(CALLS, "outcome" => outcome).increment(1);
}

/// Calls that are still to be made.
pub(crate) fn waiting(calls: i64) {
    let calls = u32::try_from(calls).unwrap_or(u32::MAX);
    metrics::gauge!("daybook_crm_calls_waiting").set(calls);
}

/// Whether the CRM refuses our token.
pub(crate) fn shut(shut: bool) {
    metrics::gauge!("daybook_crm_calls_shut").set(u32::from(shut));
}
