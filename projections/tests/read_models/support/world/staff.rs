//! What staff do to an account: leverage, controls, corrections.

use daybook_domain::{
    AccountCommand, AccountEvent, Decimal,
    account::{Controls, Limits, Position, event::DealRecord},
};

use super::World;

impl World {
    /// None where there is nothing to do.
    pub(super) fn staff(&mut self, trader: usize) -> Option<AccountCommand> {
        let by = "staff".to_owned();
        Some(match self.dice.below(4) {
            0 => AccountCommand::ChangeLeverage {
                leverage: self.dice.pick(&[50, 100, 200]),
                by,
            },
            1 => AccountCommand::SetControls {
                controls: Box::new(self.controls()),
                reason: Some("review".to_owned()),
                by,
            },
            2 => AccountCommand::BustDeal {
                deal: Box::new(self.deal(trader)?),
                reason: "off-market".to_owned(),
                by,
            },
            _corrects => {
                let deal = self.deal(trader)?;
                let dealt = match &deal {
                    DealRecord::Opening { execution, .. } => execution.price,
                    DealRecord::Closing { deal, .. } => deal.execution.price,
                };
                AccountCommand::RepriceDeal {
                    price: dealt + Decimal::new(3, dealt.scale()),
                    deal: Box::new(deal),
                    reason: "off-market".to_owned(),
                    by,
                }
            }
        })
    }

    fn controls(&mut self) -> Controls {
        Controls {
            close_only: self.dice.one_in(8),
            swap_free: self.dice.one_in(4),
            group: self.dice.one_in(3).then(|| "vip".into()),
            limits: Limits {
                max_leverage: self.dice.one_in(3).then_some(80),
                max_positions: self.dice.one_in(4).then_some(6),
                ..Limits::default()
            },
            ..Controls::default()
        }
    }

    /// One of the account's deals, as the book knows it.
    fn deal(&mut self, trader: usize) -> Option<DealRecord> {
        let deals: Vec<DealRecord> = records(&self.traders[trader].history);
        if deals.is_empty() {
            return None;
        }
        let index = self.dice.index(deals.len());
        deals.into_iter().nth(index)
    }
}

/// Every deal with the terms it was dealt under.
fn records(history: &[AccountEvent]) -> Vec<DealRecord> {
    history
        .iter()
        .filter_map(|event| record(event, history))
        .collect()
}

fn record(event: &AccountEvent, history: &[AccountEvent]) -> Option<DealRecord> {
    if let AccountEvent::OrderFilled {
        deal_id,
        position_id,
        symbol,
        side,
        volume,
        execution,
        funds,
        ..
    } = event
    {
        return Some(DealRecord::Opening {
            deal_id: *deal_id,
            position_id: *position_id,
            symbol: *symbol,
            side: *side,
            volume: *volume,
            execution: execution.clone(),
            funds: *funds,
        });
    }
    let (AccountEvent::PositionReduced { deal, .. } | AccountEvent::PositionClosed { deal, .. }) =
        event
    else {
        return None;
    };
    let mut opened = history.iter().filter_map(Position::opened);
    let opened = opened.find(|position| position.position_id == deal.position_id);
    Some(DealRecord::Closing {
        contract_size: opened?.contract_size,
        deal: deal.clone(),
    })
}
