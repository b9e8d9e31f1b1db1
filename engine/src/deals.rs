//! Deals as the book knows them, for whoever corrects one.

use std::collections::HashMap;

use daybook_domain::{
    AccountEvent, AccountId, ClientId, DealId, Decimal, PositionId, account::event::DealRecord,
};
use daybook_store::Store;

use crate::{error::EngineError, shared::account_stream};

/// A deal, and whose account it is of.
pub(crate) struct FoundDeal {
    pub client_id: ClientId,
    pub deal: DealRecord,
}

/// Reads an account's stream for one of its deals.
///
/// # Errors
/// [`EngineError::NotFound`] where there is no such account or deal.
pub(crate) async fn find(
    store: &Store,
    account_id: AccountId,
    deal_id: DealId,
) -> Result<FoundDeal, EngineError> {
    let stream = account_stream(account_id);
    let events = store.read_stream(&stream, 0, i64::from(i32::MAX)).await?;
    let mut search = Search::new(deal_id);
    for recorded in &events {
        search.take(recorded.decode()?);
    }
    match (search.client_id, search.found) {
        (Some(client_id), Some(deal)) => Ok(FoundDeal { client_id, deal }),
        (_, _) => Err(EngineError::NotFound),
    }
}

/// Whose account it is.
///
/// # Errors
/// [`EngineError::NotFound`] where there is no such account.
pub(crate) async fn owner(store: &Store, account_id: AccountId) -> Result<ClientId, EngineError> {
    let stream = account_stream(account_id);
    let first = store.read_stream(&stream, 0, 1).await?;
    let mut search = Search::new(DealId(uuid::Uuid::nil()));
    for recorded in &first {
        search.take(recorded.decode()?);
    }
    search.client_id.ok_or(EngineError::NotFound)
}

struct Search {
    deal_id: DealId,
    client_id: Option<ClientId>,
    /// Units of the base in one lot of each position.
    contract_sizes: HashMap<PositionId, Decimal>,
    found: Option<DealRecord>,
}

impl Search {
    fn new(deal_id: DealId) -> Self {
        Self {
            deal_id,
            client_id: None,
            contract_sizes: HashMap::new(),
            found: None,
        }
    }

    fn take(&mut self, event: AccountEvent) {
        use AccountEvent as Event;
        match event {
            Event::AccountOpened { client_id, .. } => self.client_id = Some(client_id),
            Event::PositionOpened {
                position_id,
                contract_size,
                ..
            } => {
                self.contract_sizes.insert(position_id, contract_size);
            }
            Event::OrderFilled { deal_id, .. } if deal_id == self.deal_id => {
                self.found = opening(event);
            }
            Event::PositionReduced { deal, .. } | Event::PositionClosed { deal, .. }
                if deal.deal_id == self.deal_id =>
            {
                let size = self.contract_sizes.get(&deal.position_id).copied();
                self.found = Some(DealRecord::Closing {
                    contract_size: size.unwrap_or(Decimal::ONE),
                    deal,
                });
            }
            Event::OrderFilled { .. }
            | Event::PositionReduced { .. }
            | Event::PositionClosed { .. }
            | Event::FundsAdjusted { .. }
            | Event::DepositRequested { .. }
            | Event::DepositApproved { .. }
            | Event::DepositCompleted { .. }
            | Event::DepositRejected { .. }
            | Event::DepositCancelled { .. }
            | Event::WithdrawalRequested { .. }
            | Event::WithdrawalApproved { .. }
            | Event::WithdrawalCompleted { .. }
            | Event::WithdrawalRejected { .. }
            | Event::WithdrawalCancelled { .. }
            | Event::OrderPlaced { .. }
            | Event::OrderRejected { .. }
            | Event::OrderModified { .. }
            | Event::OrderCancelled { .. }
            | Event::OrderExpired { .. }
            | Event::OrderTriggered { .. }
            | Event::OrderNetted { .. }
            | Event::PositionIncreased { .. }
            | Event::ProtectionChanged { .. }
            | Event::LeverageChanged { .. }
            | Event::ControlsChanged { .. }
            | Event::SwapCharged { .. }
            | Event::MarginCallRaised { .. }
            | Event::MarginCallCleared { .. }
            | Event::StopOutStarted { .. }
            | Event::StopOutStep { .. }
            | Event::StopOutFinished { .. }
            | Event::NegativeBalanceCompensated { .. }
            | Event::TradingDayStarted { .. }
            | Event::DailyLossLimitReached { .. }
            | Event::DealBusted { .. }
            | Event::DealRepriced { .. } => {}
        }
    }
}

fn opening(filled: AccountEvent) -> Option<DealRecord> {
    let AccountEvent::OrderFilled {
        deal_id,
        position_id,
        symbol,
        side,
        volume,
        execution,
        funds,
        ..
    } = filled
    else {
        return None;
    };
    Some(DealRecord::Opening {
        deal_id,
        position_id,
        symbol,
        side,
        volume,
        execution,
        funds,
    })
}
