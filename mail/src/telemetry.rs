//! Counts of mails.

/// Makes the counters known before there is anything to count.
pub(crate) fn begin() {
    sent(0);
    failed(0);
    given_up(0);
    skipped(0);
}

/// Delivered: to the mail server, or to the data directory.
pub(crate) fn sent(mails: u64) {
    metrics::counter!("daybook_mails_sent_total").increment(mails);
}

/// Tries that failed and are repeated.
pub(crate) fn failed(tries: u64) {
    metrics::counter!("daybook_mails_failed_total").increment(tries);
}

/// Mails that will never be sent.
pub(crate) fn given_up(mails: u64) {
    metrics::counter!("daybook_mails_given_up_total").increment(mails);
}

/// Mails that there was no more reason for.
pub(crate) fn skipped(mails: u64) {
    metrics::counter!("daybook_mails_skipped_total").increment(mails);
}
