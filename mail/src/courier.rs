//! One try of one mail: put together, delivered, and written down what became of it.

use std::{sync::Arc, time::Duration};

use chrono::Utc;
use daybook_domain::ClientId;
use rand::RngExt as _;
use sqlx::PgPool;
use tokio::time::{Instant, sleep};

use crate::{
    compose::{Composed, Composer, Letter},
    kept::KeptMails,
    outbox::Pace,
    rows::{self, Due, Outcome},
    smtp::{Smtp, Undelivered},
    telemetry,
};

const SETTLE_RETRY: Duration = Duration::from_secs(1);

/// Where mails go.
pub(crate) enum Post {
    /// To a mail server.
    Server(Smtp),
    /// Into the data directory.
    Directory(KeptMails),
}

/// Tries mails.
pub(crate) struct Courier {
    pub(crate) pool: PgPool,
    pub(crate) composer: Composer,
    pub(crate) post: Arc<Post>,
    pub(crate) pace: Pace,
}

impl Courier {
    /// Tries a mail that was claimed.
    pub(crate) async fn handle(self: Arc<Self>, due: Due) {
        let begun = Instant::now();
        let outcome = self.attempt(&due).await;
        tell(&due, &outcome);
        let still_there = self.settle(&due, &outcome, begun).await;
        if !still_there && outcome == Outcome::Sent {
            self.post.forget(due.client_id).await;
        }
    }

    async fn attempt(&self, due: &Due) -> Outcome {
        if due.age > due.template.good_for() {
            return Outcome::GivenUp("not sent in time".to_owned());
        }
        match self.composer.compose(due).await {
            Ok(Composed::Nothing(why)) => Outcome::Skipped(why),
            Ok(Composed::Letter(letter)) => match self.post.deliver(&letter).await {
                Ok(()) => Outcome::Sent,
                Err(Undelivered::Refused(why)) => Outcome::GivenUp(why),
                Err(Undelivered::Failed(why)) => self.again(due, why),
            },
            Err(error) => self.again(due, error.to_string()),
        }
    }

    /// Another try, if it comes while the mail still serves somebody.
    fn again(&self, due: &Due, why: String) -> Outcome {
        let pause = jittered(pause_after(due.attempt, self.pace));
        if due.age + pause > due.template.good_for() {
            return Outcome::GivenUp(why);
        }
        Outcome::Again(why, pause)
    }

    /// Writes the outcome down, however often it takes while the claim holds: a mail that was sent
    /// and is not known to be so would be sent again. False: its client was forgotten.
    async fn settle(&self, due: &Due, outcome: &Outcome, begun: Instant) -> bool {
        loop {
            match rows::settle(&self.pool, due, outcome).await {
                Ok(still_there) => return still_there,
                Err(error) if begun.elapsed() < self.pace.claim => {
                    tracing::warn!(mail = %due.id, %error, "a mail's outcome: trying again");
                    sleep(SETTLE_RETRY).await;
                }
                Err(error) => {
                    tracing::error!(mail = %due.id, %error, "a mail's outcome was not kept");
                    return true;
                }
            }
        }
    }
}

impl Post {
    async fn deliver(&self, letter: &Letter) -> Result<(), Undelivered> {
        match self {
            Self::Server(server) => server.deliver(letter).await,
            Self::Directory(kept) => {
                let (kept, letter) = (kept.clone(), letter.clone());
                let written =
                    tokio::task::spawn_blocking(move || kept.keep(&letter, Utc::now())).await;
                written
                    .map_err(std::io::Error::other)
                    .and_then(|outcome| outcome)
                    .map_err(|error| Undelivered::Failed(format!("the data directory: {error}")))
            }
        }
    }

    /// Takes back what was kept of a client.
    async fn forget(&self, client_id: ClientId) {
        let Self::Directory(kept) = self else {
            return;
        };
        let kept = kept.clone();
        let forgotten = tokio::task::spawn_blocking(move || kept.forget(client_id)).await;
        if let Err(error) = forgotten
            .map_err(std::io::Error::other)
            .and_then(|outcome| outcome)
        {
            tracing::error!(%client_id, %error, "an erased client's mails could not be deleted");
        }
    }

    /// Ends connections.
    pub(crate) async fn close(&self) {
        match self {
            Self::Server(server) => server.close().await,
            Self::Directory(_) => {}
        }
    }
}

/// Pause after the try of this number, from 1.
fn pause_after(attempt: i32, pace: Pace) -> Duration {
    let doubled = u32::try_from(attempt.saturating_sub(1)).unwrap_or(0);
    let factor = 2_u32.saturating_pow(doubled.min(20));
    pace.retry_first
        .saturating_mul(factor)
        .min(pace.retry_longest)
}

/// Up to a fifth longer, so that what failed together is not tried together.
fn jittered(pause: Duration) -> Duration {
    let most = u64::try_from(pause.as_millis() / 5).unwrap_or(u64::MAX);
    pause + Duration::from_millis(rand::rng().random_range(0..=most))
}

fn tell(due: &Due, outcome: &Outcome) {
    let (mail, template) = (due.id, due.template.as_str());
    match outcome {
        Outcome::Sent => {
            telemetry::sent(1);
            tracing::info!(%mail, template, "mail sent");
        }
        Outcome::Skipped(why) => {
            telemetry::skipped(1);
            tracing::info!(%mail, template, why, "mail not sent");
        }
        Outcome::GivenUp(why) => {
            telemetry::given_up(1);
            tracing::error!(%mail, template, why, attempt = due.attempt, "mail given up");
        }
        Outcome::Again(why, pause) => {
            telemetry::failed(1);
            let again_in_s = pause.as_secs();
            tracing::warn!(%mail, template, why, attempt = due.attempt, again_in_s, "mail failed");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_from_half_a_minute_to_six_hours() {
        let minutes = |attempt| pause_after(attempt, Pace::default()).as_secs() / 60;
        let pauses: Vec<u64> = (1..=12).map(minutes).collect();
        assert_eq!(pauses, [0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 360, 360]);
        assert_eq!(pause_after(1, Pace::default()).as_secs(), 30);
        assert_eq!(pause_after(i32::MAX, Pace::default()).as_secs(), 21_600);
    }

    #[test]
    fn jitter_only_adds_and_not_much() {
        let pause = Duration::from_secs(30);
        for _ in 0..100 {
            let jittered = jittered(pause);
            assert!(jittered >= pause && jittered <= pause + pause / 5);
        }
    }
}
