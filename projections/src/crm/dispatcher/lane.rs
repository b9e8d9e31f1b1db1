//! One queue under way: its deliveries in order, until one has to wait.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use tokio::{
    sync::{mpsc, watch},
    time::Instant,
};
use uuid::Uuid;

use super::{
    courier::{Answer, Courier},
    desk::Target,
    lease::{Head, LEASE_S, Leased},
};
use crate::crm::{
    guard::TIMEOUT,
    retry::{self, Verdict, Why},
};

/// How long a queue waits when its client's key could not be read.
const UNREAD: Duration = Duration::from_secs(1);

/// What the clerk is told.
#[derive(Debug)]
pub(super) enum Report {
    /// A delivery was tried.
    Tried(Box<Try>),
    /// A queue is given back.
    Finished(Finished),
}

/// One try of one delivery.
#[derive(Debug)]
pub(super) struct Try {
    pub(super) endpoint: String,
    pub(super) id: Uuid,
    pub(super) event: String,
    pub(super) at: DateTime<Utc>,
    /// Whether it left this house.
    pub(super) sent: bool,
    /// HTTP; none: no answer.
    pub(super) status: Option<u16>,
    pub(super) latency: Duration,
    /// What was answered or went wrong, sealed.
    pub(super) answer: Option<String>,
    pub(super) retry_after: Option<Duration>,
    pub(super) verdict: Verdict,
}

/// A queue is given back.
#[derive(Debug)]
pub(super) struct Finished {
    pub(super) endpoint: String,
    pub(super) lane: Uuid,
    /// Its head is not due before; none: at once.
    pub(super) pause: Option<Duration>,
}

/// A leased queue with all it takes to send it.
pub(super) struct Lane {
    pub(super) target: Arc<Target>,
    pub(super) courier: Arc<Courier>,
    pub(super) leased: Leased,
    pub(super) reporter: mpsc::Sender<Report>,
    pub(super) stopping: watch::Receiver<bool>,
}

impl Lane {
    /// Sends in order. It ends early when a delivery has to wait, the lease grows old, or the
    /// dispatcher stops.
    pub(super) async fn run(self) {
        let give_back = Instant::now() + Duration::from_secs(LEASE_S.into()) - TIMEOUT * 2;
        let mut pause = None;
        for head in &self.leased.heads {
            if *self.stopping.borrow() || Instant::now() > give_back {
                break;
            }
            let Some(tried) = self.deliver(head).await else {
                pause = Some(UNREAD);
                break;
            };
            pause = match tried.verdict {
                Verdict::Delivered | Verdict::Parked(_) => None,
                Verdict::Again(pause) => Some(pause),
                Verdict::Gone => Some(retry::first_pause()),
            };
            self.tell(Report::Tried(Box::new(tried))).await;
            if pause.is_some() {
                break;
            }
        }
        self.tell(Report::Finished(Finished {
            endpoint: self.target.endpoint.clone(),
            lane: self.leased.lane,
            pause,
        }))
        .await;
    }

    /// Nobody listens any more only when the whole dispatcher has ended.
    async fn tell(&self, report: Report) {
        let _gone = self.reporter.send(report).await;
    }

    /// One try; none where it is not known what to send, because a key cannot be read now.
    async fn deliver(&self, head: &Head) -> Option<Try> {
        let tries = head.tries + 1;
        let key = match self.courier.key(head.client_id).await {
            Ok(key) => key,
            Err(error) => {
                tracing::warn!(%error, "webhooks: a client's key could not be read");
                return None;
            }
        };
        let at = Utc::now();
        let rendered = match &head.row {
            Some(row) => crate::crm::body::render(row, key.as_ref()),
            None => Err(daybook_store::StoreError::Corrupt {
                place: format!("delivery {}", head.id),
                detail: "the outbox has it no longer".to_owned(),
            }),
        };
        let (answer, sent) = match rendered {
            Ok(body) => (self.courier.send(&self.target, head, body).await, true),
            Err(error) => (Answer::none(error.to_string(), Duration::ZERO), false),
        };
        let verdict = if sent {
            let asked = answer.retry_after;
            retry::judge(answer.status, asked, tries, rand::random())
        } else {
            Verdict::Parked(Why::Unreadable)
        };
        let text = answer.text.filter(|text| !text.is_empty());
        Some(Try {
            endpoint: self.target.endpoint.clone(),
            id: head.id,
            event: head.event.clone(),
            at,
            sent,
            status: answer.status,
            latency: answer.latency,
            answer: text.and_then(|text| Some(key.as_ref()?.seal("answer", &text))),
            retry_after: answer.retry_after,
            verdict,
        })
    }
}
