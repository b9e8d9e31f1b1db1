//! What the house, its clock and its margin watch do to an account.

use chrono::NaiveDate;
use daybook_domain::{
    AccountCommand, AccountEvent, DealId, Decimal,
    account::{Controls, event::DealRecord},
};

use super::Desk;

/// Swap at a rollover, a margin call that passes, a bad print that is corrected, and a gap through
/// everything.
pub(super) fn tell(desk: &mut Desk) {
    desk.ask(AccountCommand::ChangeLeverage {
        leverage: 200,
        by: "crm".to_owned(),
    });
    let mut controls = Controls::NONE;
    controls.limits.daily_loss = Some(Decimal::new(4_000, 0));
    desk.ask(AccountCommand::SetControls {
        controls: Box::new(controls),
        reason: Some("asked by the client".to_owned()),
        by: "crm".to_owned(),
    });
    // 17:00 New York.
    desk.seconds = 10 * 60 * 60;
    desk.quote(108_940);
    desk.ask(AccountCommand::RollOver {
        day: NaiveDate::from_ymd_opt(2026, 1, 7).unwrap(),
    });
    desk.buy("14", None, None);
    desk.quote(108_770);
    evaluate(desk);
    desk.quote(108_970);
    evaluate(desk);
    correct_the_last_deal(desk);
    desk.buy("15", None, None);
    desk.quote(108_000);
    evaluate(desk);
}

fn correct_the_last_deal(desk: &mut Desk) {
    let deal = last_opening(desk);
    desk.ask(AccountCommand::RepriceDeal {
        deal: Box::new(deal),
        price: Decimal::new(108_940, 5),
        reason: "bad print".to_owned(),
        by: "dealing desk".to_owned(),
    });
    let mut deal = last_opening(desk);
    if let DealRecord::Opening { execution, .. } = &mut deal {
        execution.price = Decimal::new(108_940, 5);
    }
    desk.ask(AccountCommand::BustDeal {
        deal: Box::new(deal),
        reason: "bad print".to_owned(),
        by: "dealing desk".to_owned(),
    });
}

fn evaluate(desk: &mut Desk) {
    let seed = DealId(desk.next_id());
    desk.ask(AccountCommand::Evaluate { seed });
}

fn last_opening(desk: &Desk) -> DealRecord {
    let told = desk.told.iter().rev();
    let mut deals = told.filter_map(|event| {
        let AccountEvent::OrderFilled {
            deal_id,
            position_id,
            symbol,
            side,
            volume,
            execution,
            funds,
            ..
        } = event
        else {
            return None;
        };
        Some(DealRecord::Opening {
            deal_id: *deal_id,
            position_id: *position_id,
            symbol: *symbol,
            side: *side,
            volume: *volume,
            execution: execution.clone(),
            funds: *funds,
        })
    });
    deals.next().unwrap()
}
