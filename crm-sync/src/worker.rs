//! One try of one call: put together, made, what came of it taken into the book, and written down.

use std::{sync::Arc, time::Duration};

use daybook_domain::{Client, ClientCommand, ClientId, client::KycStatus};
use daybook_store::{Store, StoreError};
use futures::future::BoxFuture;
use tokio::time::{Instant, sleep};

use crate::{
    cause::{ACTOR, Kind},
    matter::{Matter, MatterError},
    rows::{self, Due},
    service::{Known, Service},
    telemetry,
    verdict::{Failure, Outcome, judge, ours},
};

const SETTLE_RETRY: Duration = Duration::from_secs(1);
/// A call that is under way for so long was lost with its node, and is made again.
pub(crate) const CLAIM: Duration = Duration::from_secs(120);

/// The book, as far as the CRM's answers go into it.
pub trait Book: Send + Sync {
    /// Decides a command about a client, in the name of [`ACTOR`].
    fn decide(
        &self,
        client_id: ClientId,
        command: ClientCommand,
    ) -> BoxFuture<'static, Result<(), Undecided>>;
}

/// A command came to nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Undecided {
    /// A rule refuses it, and will again.
    #[error("refused: {0}")]
    Refused(String),
    /// Not now.
    #[error("not now: {0}")]
    Later(String),
}

/// Whether the CRM lets us in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    Open,
    Shut,
    /// Nobody was asked, or nobody has answered.
    Unknown,
}

/// Makes calls.
pub(crate) struct Worker {
    pub(crate) store: Store,
    pub(crate) service: Service,
    pub(crate) book: Arc<dyn Book>,
}

impl Worker {
    /// Tries a call that was claimed.
    pub(crate) async fn handle(self: Arc<Self>, due: Due) -> Door {
        let begun = Instant::now();
        let (outcome, door) = self.attempt(&due).await;
        tell(&due, &outcome);
        self.settle(&due, &outcome, begun).await;
        door
    }

    async fn attempt(&self, due: &Due) -> (Outcome, Door) {
        let matter = match Matter::read(&self.store, due).await {
            Ok(Some(matter)) => matter,
            Ok(None) => return (Outcome::Skipped("the client was erased"), Door::Unknown),
            Err(MatterError::Store(error @ StoreError::Database(_))) => {
                return (ours(error.to_string()), Door::Unknown);
            }
            Err(error) => return failed(Failure::failed(error.to_string()), due),
        };
        match due.kind {
            Kind::Link => match self.service.look_up(&matter.email).await {
                Ok(known) => {
                    let taken = self.take_over(due.client_id, &matter.client, &known).await;
                    (taken.unwrap_or_else(undecided), Door::Open)
                }
                Err(failure) => failed(failure, due),
            },
            Kind::Kyc => match matter.kyc() {
                Some(body) => {
                    let told = self.service.tell_kyc(&matter.email, due.key(), &body);
                    done(told.await, due)
                }
                None => (Outcome::Skipped("something newer is said"), Door::Unknown),
            },
            Kind::Note => match matter.note() {
                Some(body) => {
                    let told = self.service.tell_note(&matter.email, due.key(), &body);
                    done(told.await, due)
                }
                None => (Outcome::GivenUp("no note".to_owned()), Door::Unknown),
            },
        }
    }

    /// Takes into the book what the CRM says of a client. A second time changes nothing.
    async fn take_over(
        &self,
        client_id: ClientId,
        client: &Client,
        known: &Known,
    ) -> Result<Outcome, Undecided> {
        match &client.standing.external_id {
            Some(linked) if *linked != known.external_id => {
                return Ok(Outcome::Skipped("linked to another name already"));
            }
            Some(_) => {}
            None => {
                let command = ClientCommand::LinkExternalId {
                    external_id: known.external_id.clone(),
                    by: ACTOR.to_owned(),
                };
                self.book.decide(client_id, command).await?;
            }
        }
        if let Some(to) = decided_there(client.kyc.status, known.kyc) {
            let command = ClientCommand::ChangeKycStatus {
                to,
                notes: None,
                by: ACTOR.to_owned(),
            };
            self.book.decide(client_id, command).await?;
        }
        Ok(Outcome::Done)
    }

    /// Writes the outcome down, however often it takes while the claim holds.
    async fn settle(&self, due: &Due, outcome: &Outcome, begun: Instant) {
        while let Err(error) = rows::settle(self.store.pool(), due, outcome).await {
            let position = due.position;
            if begun.elapsed() > CLAIM {
                tracing::error!(position, %error, "the outcome of a call to the CRM was not kept");
                return;
            }
            tracing::warn!(position, %error, "the outcome of a call to the CRM: trying again");
            sleep(SETTLE_RETRY).await;
        }
    }
}

/// What the CRM has decided where nobody here has.
const fn decided_there(ours: KycStatus, theirs: Option<KycStatus>) -> Option<KycStatus> {
    match (ours, theirs) {
        (
            KycStatus::None | KycStatus::Pending,
            Some(decided @ (KycStatus::Approved | KycStatus::Rejected)),
        ) => Some(decided),
        (KycStatus::None | KycStatus::Pending, _)
        | (KycStatus::Approved | KycStatus::Rejected | KycStatus::Expired, _) => None,
    }
}

fn done(told: Result<(), Failure>, due: &Due) -> (Outcome, Door) {
    match told {
        Ok(()) => (Outcome::Done, Door::Open),
        Err(failure) => failed(failure, due),
    }
}

fn failed(failure: Failure, due: &Due) -> (Outcome, Door) {
    let door = match failure {
        Failure::Shut(_) => Door::Shut,
        Failure::Unknown | Failure::Refused(_) => Door::Open,
        Failure::Failed { .. } => Door::Unknown,
    };
    (judge(failure, due.attempt, rand::random()), door)
}

fn undecided(undecided: Undecided) -> Outcome {
    match undecided {
        Undecided::Refused(why) => Outcome::GivenUp(why),
        Undecided::Later(why) => ours(why),
    }
}

fn tell(due: &Due, outcome: &Outcome) {
    let (position, call, client) = (due.position, due.kind.as_str(), due.client_id);
    let attempt = due.attempt;
    telemetry::came_to(outcome);
    match outcome {
        Outcome::Done => tracing::info!(position, call, %client, "the CRM was called"),
        Outcome::Skipped(why) => {
            tracing::info!(position, call, %client, why, "the CRM was not called");
        }
        Outcome::GivenUp(why) => {
            tracing::error!(position, call, %client, why, attempt, "a call to the CRM is given up");
        }
        Outcome::Again { why, pause, .. } => {
            let again_in_s = pause.as_secs();
            tracing::warn!(position, call, %client, why, attempt, again_in_s, "the CRM failed");
        }
        Outcome::Shut(why) => tracing::error!("configuration: {why}; calls to the CRM wait"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decision_made_here_is_not_replaced_by_the_crms() {
        let approved = Some(KycStatus::Approved);
        assert_eq!(decided_there(KycStatus::None, approved), approved);
        let rejected = Some(KycStatus::Rejected);
        assert_eq!(decided_there(KycStatus::Pending, rejected), rejected);
        for ours in [KycStatus::Approved, KycStatus::Rejected, KycStatus::Expired] {
            assert_eq!(decided_there(ours, approved), None);
        }
        for theirs in [KycStatus::None, KycStatus::Pending, KycStatus::Expired] {
            assert_eq!(decided_there(KycStatus::None, Some(theirs)), None);
        }
        assert_eq!(decided_there(KycStatus::None, None), None);
    }
}
