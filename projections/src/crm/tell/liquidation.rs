//! A stop-out is told once, at its end, with all that it closed.

use daybook_domain::{AccountEvent, Decimal, account::event::ClosingDeal};
use serde::{Deserialize, Serialize};

use super::{Message, account::Scene};
use crate::crm::{
    kind::Kind,
    number,
    payload::{LiquidatedDeal, LiquidationData, Write},
};

/// A stop-out that is under way.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Liquidation {
    level_before: Option<Decimal>,
    closed: Vec<LiquidatedDeal>,
}

/// Collects its deals, and tells of it when it is over.
pub(super) fn follow(
    under_way: &mut Option<Liquidation>,
    scene: &Scene<'_>,
    event: &AccountEvent,
) -> Option<Message> {
    if let AccountEvent::StopOutStarted { level, .. } = event {
        *under_way = Some(Liquidation {
            level_before: *level,
            closed: Vec::new(),
        });
    }
    if let AccountEvent::PositionReduced { deal, .. } | AccountEvent::PositionClosed { deal, .. } =
        event
        && let Some(liquidation) = under_way
    {
        liquidation.closed.push(told(scene, deal));
    }
    let AccountEvent::StopOutFinished { level, .. } = event else {
        return None;
    };
    let liquidation = under_way.take()?;
    let owner = scene.owner();
    let data = LiquidationData {
        client_id: owner.client_id.to_owned(),
        account_id: owner.account_id.to_owned(),
        level_before: liquidation.level_before.map(number::percent),
        level_after: level.map(number::percent),
        closed: liquidation.closed,
        currency: owner.currency.to_string(),
    };
    Some(Message::new(Kind::Liquidation, &data))
}

fn told(scene: &Scene<'_>, deal: &ClosingDeal) -> LiquidatedDeal {
    let write = Write::of(deal.symbol, scene.instruments());
    LiquidatedDeal {
        deal_id: deal.deal_id.to_string(),
        position_id: deal.position_id.to_string(),
        symbol: deal.symbol.to_string(),
        closed_volume: write.volume(deal.volume),
        remaining_volume: write.volume(deal.remaining),
        price: write.price(deal.execution.price),
        realised: number::money(deal.realised, scene.owner().currency),
    }
}
