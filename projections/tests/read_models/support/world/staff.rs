//! What staff do to an account: leverage, controls, corrections.

use daybook_domain::{
    AccountCommand, AccountEvent, Decimal,
    account::{Controls, Limits, event::DealRecord},
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

fn records(history: &[AccountEvent]) -> Vec<DealRecord> {
    let size = |wanted| {
        history.iter().find_map(|event| match event {
            AccountEvent::PositionOpened {
                position_id,
                contract_size,
                ..
            } if *position_id == wanted => Some(*contract_size),
            _other => None,
        })
    };
    let record = |event: &AccountEvent| match event {
        AccountEvent::OrderFilled {
            deal_id,
            position_id,
            symbol,
            side,
            volume,
            execution,
            funds,
            ..
        } => Some(DealRecord::Opening {
            deal_id: *deal_id,
            position_id: *position_id,
            symbol: *symbol,
            side: *side,
            volume: *volume,
            execution: execution.clone(),
            funds: *funds,
        }),
        AccountEvent::PositionReduced { deal, .. } | AccountEvent::PositionClosed { deal, .. } => {
            Some(DealRecord::Closing {
                contract_size: size(deal.position_id)?,
                deal: deal.clone(),
            })
        }
        _other => None,
    };
    history.iter().filter_map(record).collect()
}
