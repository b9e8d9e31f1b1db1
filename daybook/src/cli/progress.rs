//! A progress bar on a terminal, nothing elsewhere.

use indicatif::{ProgressBar, ProgressStyle};

/// A bar for `what`; hidden where standard error is no terminal.
pub fn bar(what: &str) -> ProgressBar {
    let bar = ProgressBar::new(0);
    let style =
        ProgressStyle::with_template("{prefix} {bar:32} {pos}/{len} events, {per_sec}, {eta} left");
    bar.set_style(style.expect("invariant: the template is well-formed"));
    bar.set_prefix(what.to_owned());
    bar
}

/// Moves the bar; the end may move too.
pub fn moved(bar: &ProgressBar, done: i64, total: i64) {
    bar.set_length(u64::try_from(total).unwrap_or(0));
    bar.set_position(u64::try_from(done).unwrap_or(0));
}
