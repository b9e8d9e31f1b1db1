//! Holds an append in flight for as long as a test needs.

use std::time::{Duration, Instant};

use daybook_store::Submission;

use super::{Node, PATIENCE, Stream, noted, submission};

/// Holds the committer on a locked head row, so that what is submitted next shares one batch.
pub struct Held(sqlx::Transaction<'static, sqlx::Postgres>);

impl Held {
    pub async fn hold(node: &Node, stream: &mut Stream) -> Self {
        let (mut first, _) = submission();
        first.appends.push(stream.append(vec![noted(0)]));
        Self::hold_with(node, first).await
    }

    /// `first` is what waits for the lock; the rest gathers behind it.
    pub async fn hold_with(node: &Node, first: Submission) -> Self {
        let mut lock = node.database.pool().await.begin().await.unwrap();
        sqlx::query("select from public.head for update")
            .execute(&mut *lock)
            .await
            .unwrap();
        node.writer.submit(first);
        let waiting = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' \
             and application_name = 'daybook writer' and datname = current_database()";
        let deadline = Instant::now() + PATIENCE;
        while sqlx::query_scalar::<_, i64>(waiting)
            .fetch_one(&mut *lock)
            .await
            .unwrap()
            == 0
        {
            assert!(Instant::now() < deadline, "the committer never waited");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        Self(lock)
    }

    pub async fn release(self) {
        self.0.rollback().await.unwrap();
    }
}
