//! Group commit: gathers what was submitted and appends it in one statement.

use tokio::sync::mpsc;

use crate::submission::Submission;

/// The way into the book for the one writer. Cheap to clone.
#[derive(Clone)]
pub struct Writer {
    pub(crate) queue: mpsc::Sender<Submission>,
}

impl Writer {
    /// Hands a submission over without waiting. When the queue is full or the committer has
    /// stopped, `on_outcome` is called at once with `Overloaded` or `Fenced`.
    pub fn submit(&self, submission: Submission) {
        let _ = (&self.queue, submission);
        todo!("store")
    }
}
