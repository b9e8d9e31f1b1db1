//! Committed events on their way to private sockets: one subscription per process, fanned out by
//! account, and only while somebody listens.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use daybook_domain::{AccountEvent, AccountId, FundingId, OrderId, PositionId};
use daybook_store::{Recorded, Store};
use tokio::sync::mpsc::{self, error::TrySendError};

const EVENTS_PER_READ: i64 = 1_000;
/// Batches of events a socket may lag behind before it is disconnected.
const NOTICES_MAX: usize = 256;

/// What an event changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Changed {
    Order(OrderId),
    Position(PositionId),
    /// A deposit or withdrawal.
    Funding(FundingId),
    /// Something that the client is told by itself.
    Notification(Arc<AccountEvent>),
    /// Money or terms alone.
    Funds,
}

/// One account's part of a batch of events, in order.
#[derive(Clone, Debug)]
pub(super) struct Notice {
    pub(super) account_id: AccountId,
    /// What changed, and at which position.
    pub(super) changes: Vec<(Changed, i64)>,
}

impl Notice {
    /// Position of its last event.
    pub(super) fn position(&self) -> i64 {
        self.changes.last().map_or(0, |(_, position)| *position)
    }
}

/// Fans committed events out.
pub(crate) struct Live {
    store: Store,
    desk: Arc<Mutex<Desk>>,
}

#[derive(Default)]
struct Desk {
    running: bool,
    /// Everything up to here has been fanned out.
    position: i64,
    listeners: HashMap<AccountId, Vec<mpsc::Sender<Arc<Notice>>>>,
}

/// One socket's ear on any number of accounts.
pub(super) struct Ear {
    /// The desk holds the strong ends: once it lets go of all of them, this ear is cut off.
    sender: mpsc::WeakSender<Arc<Notice>>,
    receiver: mpsc::Receiver<Arc<Notice>>,
    /// Held until the first account is listened to.
    unused: Option<mpsc::Sender<Arc<Notice>>>,
}

/// The socket has fallen too far behind, or pushing has stopped: reconnect and catch up.
#[derive(Debug)]
pub(super) struct CutOff;

impl Live {
    pub(crate) fn new(store: Store) -> Self {
        Self {
            store,
            desk: Arc::default(),
        }
    }

    /// From now on the ear hears of the account everything after the returned position.
    pub(super) fn listen(&self, ear: &mut Ear, account_id: AccountId) -> Result<i64, CutOff> {
        let sender = ear.sender.upgrade().ok_or(CutOff)?;
        let mut desk = lock(&self.desk);
        let listeners = desk.listeners.entry(account_id).or_default();
        if !listeners
            .iter()
            .any(|listener| listener.same_channel(&sender))
        {
            listeners.push(sender);
        }
        ear.unused = None;
        if !desk.running {
            desk.running = true;
            desk.position = *self.store.committed().borrow();
            let (store, shared) = (self.store.clone(), Arc::clone(&self.desk));
            tokio::spawn(fan_out(store, shared, desk.position));
        }
        Ok(desk.position)
    }
}

impl Ear {
    /// An ear that hears nothing yet.
    pub(super) fn new() -> Self {
        let (sender, receiver) = mpsc::channel(NOTICES_MAX);
        Self {
            sender: sender.downgrade(),
            receiver,
            unused: Some(sender),
        }
    }

    /// The next notice. Cancel-safe.
    pub(super) async fn next(&mut self) -> Result<Arc<Notice>, CutOff> {
        self.receiver.recv().await.ok_or(CutOff)
    }
}

async fn fan_out(store: Store, desk: Arc<Mutex<Desk>>, after: i64) {
    let mut subscription = store.subscribe(after);
    loop {
        let events = match subscription.next_batch(EVENTS_PER_READ).await {
            Ok(events) => events,
            Err(error) => {
                tracing::error!(%error, "pushes to private sockets stopped");
                let mut desk = lock(&desk);
                desk.listeners.clear();
                desk.running = false;
                return;
            }
        };
        let mut desk = lock(&desk);
        deliver(&mut desk, &events);
        if desk.listeners.is_empty() {
            desk.running = false;
            return;
        }
    }
}

fn deliver(desk: &mut Desk, events: &[Recorded]) {
    let mut behind = Vec::new();
    for notice in notices(desk, events) {
        let notice = Arc::new(notice);
        for listener in desk.listeners.get(&notice.account_id).into_iter().flatten() {
            match listener.try_send(Arc::clone(&notice)) {
                Ok(()) | Err(TrySendError::Closed(_)) => {}
                Err(TrySendError::Full(_)) => behind.push(listener.clone()),
            }
        }
    }
    // Cut off from all its accounts, so that the socket ends instead of missing some of them.
    let keeps_up = |listener: &mpsc::Sender<Arc<Notice>>| {
        !listener.is_closed() && !behind.iter().any(|slow| slow.same_channel(listener))
    };
    desk.listeners.retain(|_, listeners| {
        listeners.retain(keeps_up);
        !listeners.is_empty()
    });
    if let Some(last) = events.last() {
        desk.position = last.position;
    }
}

fn notices(desk: &Desk, events: &[Recorded]) -> Vec<Notice> {
    let mut notices: Vec<Notice> = Vec::new();
    for recorded in events
        .iter()
        .filter(|event| &*event.aggregate_type == "account")
    {
        let Ok(account_id) = recorded.aggregate_id.parse::<AccountId>() else {
            continue;
        };
        if !desk.listeners.contains_key(&account_id) {
            continue;
        }
        let changes = changes_of(recorded);
        match notices
            .iter_mut()
            .find(|notice| notice.account_id == account_id)
        {
            Some(notice) => notice.changes.extend(changes),
            None => notices.push(Notice {
                account_id,
                changes,
            }),
        }
    }
    notices
}

/// What a recorded account event changed, and where in the book.
pub(super) fn changes_of(recorded: &Recorded) -> Vec<(Changed, i64)> {
    match recorded.decode::<AccountEvent>() {
        Ok(event) => {
            let changes = changed(event).into_iter();
            changes.map(|change| (change, recorded.position)).collect()
        }
        Err(error) => {
            tracing::error!(%error, "an event cannot be pushed");
            Vec::new()
        }
    }
}

fn changed(event: AccountEvent) -> Vec<Changed> {
    if let Some((request_id, _)) = event.funding() {
        return vec![Changed::Funding(request_id)];
    }
    let thing = match &event {
        AccountEvent::OrderPlaced { order_id, .. }
        | AccountEvent::OrderRejected { order_id, .. }
        | AccountEvent::OrderModified { order_id, .. }
        | AccountEvent::OrderCancelled { order_id, .. }
        | AccountEvent::OrderExpired { order_id, .. }
        | AccountEvent::OrderTriggered { order_id, .. }
        | AccountEvent::OrderNetted { order_id, .. }
        | AccountEvent::OrderFilled { order_id, .. } => return vec![Changed::Order(*order_id)],
        AccountEvent::PositionOpened { position_id, .. }
        | AccountEvent::ProtectionChanged { position_id, .. } => {
            return vec![Changed::Position(*position_id)];
        }
        AccountEvent::PositionIncreased { increase, .. } => {
            return vec![Changed::Position(increase.position_id)];
        }
        AccountEvent::PositionReduced { deal, .. } | AccountEvent::PositionClosed { deal, .. } => {
            return vec![Changed::Position(deal.position_id)];
        }
        AccountEvent::SwapCharged { charge, .. } => {
            return vec![Changed::Position(charge.position_id)];
        }
        AccountEvent::AccountOpened { .. }
        | AccountEvent::FundsAdjusted { .. }
        | AccountEvent::DepositRequested { .. }
        | AccountEvent::DepositApproved { .. }
        | AccountEvent::DepositCompleted { .. }
        | AccountEvent::DepositRejected { .. }
        | AccountEvent::DepositCancelled { .. }
        | AccountEvent::WithdrawalRequested { .. }
        | AccountEvent::WithdrawalApproved { .. }
        | AccountEvent::WithdrawalCompleted { .. }
        | AccountEvent::WithdrawalRejected { .. }
        | AccountEvent::WithdrawalCancelled { .. }
        | AccountEvent::StopOutStep { .. } => return vec![Changed::Funds],
        // These a client is told by themselves, besides what they may do to a position.
        AccountEvent::DealBusted { bust, .. } => Changed::Position(bust.position_id),
        AccountEvent::DealRepriced { reprice, .. } => Changed::Position(reprice.position_id),
        AccountEvent::LeverageChanged { .. }
        | AccountEvent::ControlsChanged { .. }
        | AccountEvent::MarginCallRaised { .. }
        | AccountEvent::MarginCallCleared { .. }
        | AccountEvent::StopOutStarted { .. }
        | AccountEvent::StopOutFinished { .. }
        | AccountEvent::NegativeBalanceCompensated { .. }
        | AccountEvent::TradingDayStarted { .. }
        | AccountEvent::DailyLossLimitReached { .. } => Changed::Funds,
    };
    vec![thing, Changed::Notification(Arc::new(event))]
}

fn lock(desk: &Mutex<Desk>) -> MutexGuard<'_, Desk> {
    // Deliveries change the desk entry by entry: a panic leaves none half-changed.
    desk.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use daybook_domain::{
        ClientId, Currency,
        account::{AccountKind, PositionMode},
    };

    use super::*;

    fn opened(account_id: AccountId, position: i64) -> Recorded {
        let event = AccountEvent::AccountOpened {
            client_id: ClientId::default(),
            number: 100_001,
            kind: AccountKind::Demo,
            mode: PositionMode::Hedging,
            currency: Currency::USD,
            leverage: 100,
            at: chrono::Utc::now(),
        };
        Recorded {
            position,
            aggregate_type: "account".into(),
            aggregate_id: account_id.to_string().into(),
            sequence: 1,
            event_type: event.event_type().into(),
            event_version: "1.0".into(),
            payload: serde_json::to_string(&event).unwrap().into(),
            metadata: "{}".into(),
            recorded_at: chrono::Utc::now(),
            hash: [0; 32],
        }
    }

    fn account(number: u128) -> AccountId {
        AccountId(uuid::Uuid::from_u128(number))
    }

    fn desk_with(ear: &mut Ear, accounts: &[AccountId]) -> Desk {
        let mut desk = Desk::default();
        let sender = ear.unused.take().unwrap();
        for id in accounts {
            desk.listeners.entry(*id).or_default().push(sender.clone());
        }
        desk
    }

    #[tokio::test]
    async fn an_ear_hears_of_its_own_accounts_alone_in_order() {
        let mut ear = Ear::new();
        let mut desk = desk_with(&mut ear, &[account(1)]);
        deliver(
            &mut desk,
            &[
                opened(account(1), 1),
                opened(account(2), 2),
                opened(account(1), 3),
            ],
        );
        assert_eq!(desk.position, 3);
        let notice = ear.next().await.unwrap();
        assert_eq!(notice.account_id, account(1));
        assert_eq!(notice.changes, [(Changed::Funds, 1), (Changed::Funds, 3)]);
    }

    #[tokio::test]
    async fn an_ear_that_does_not_keep_up_is_cut_off_from_everything() {
        let mut ear = Ear::new();
        let mut desk = desk_with(&mut ear, &[account(1), account(2)]);
        for position in 1..=i64::try_from(NOTICES_MAX).unwrap() + 1 {
            deliver(&mut desk, &[opened(account(1), position)]);
        }
        assert!(desk.listeners.is_empty(), "of the second account too");
        for _ in 0..NOTICES_MAX {
            assert!(ear.next().await.is_ok(), "what was queued is still heard");
        }
        assert!(ear.next().await.is_err());
    }

    #[tokio::test]
    async fn a_socket_that_went_away_is_forgotten() {
        let mut ear = Ear::new();
        let mut desk = desk_with(&mut ear, &[account(1)]);
        drop(ear);
        deliver(&mut desk, &[opened(account(3), 1)]);
        assert!(desk.listeners.is_empty());
    }
}
