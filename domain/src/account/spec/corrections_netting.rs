//! Corrections of one of the deals that a netting position is made of.

use super::{
    super::event::{DealRecord, FundsChange, PositionIncrease},
    corrections::{busted, dealer, last_record, repriced},
    house::{bust, reprice},
    *,
};

/// A netting position of two deals: 1 lot at 1.10000 and 2 lots at 1.13000.
fn netted() -> (Desk, DealRecord) {
    let desk = dealer();
    let DealRecord::Opening { mut execution, .. } = last_record(&desk) else {
        panic!("no opening deal");
    };
    let mut desk = desk;
    let first = desk.only_position().clone();
    let increase = PositionIncrease {
        position_id: first.position_id,
        order_id: id("o2"),
        deal_id: id("o2"),
        symbol: first.symbol,
        side: first.side,
        volume: dec("2"),
        price: dec("1.13000"),
        commission: dec("7"),
        total_volume: dec("3"),
        cost: dec("3.36000"),
        margin: first.margin,
        stop_loss: None,
        take_profit: None,
        trailing_distance: None,
    };
    desk.account.evolve(&AccountEvent::PositionIncreased {
        increase: Box::new(increase),
        at: desk.at,
    });
    execution.price = dec("1.13000");
    execution.commission = dec("7");
    let second = DealRecord::Opening {
        deal_id: id("o2"),
        position_id: first.position_id,
        symbol: first.symbol,
        side: first.side,
        volume: dec("2"),
        execution,
        funds: FundsChange::of_bucket(Currency::USD, Bucket::Real, dec("-7")),
    };
    (desk, second)
}

#[test]
fn of_a_position_of_several_deals_the_busted_one_takes_its_own_price_with_it() {
    let (mut desk, second) = netted();
    desk.account.positions[0].swap = dec("-3.00");
    desk.when(bust(&second)).and(|desk| {
        assert_eq!(busted(desk).cost_removed, dec("2.26"));
        let position = desk.only_position();
        assert_eq!(
            (position.volume, position.open_price),
            (dec("1"), dec("1.10000"))
        );
        assert_eq!(
            (position.swap, position.commission),
            (dec("-1.00"), dec("3.5"))
        );
        assert_eq!(desk.figures().unrealised, Some(dec("-1.00")));
    });
}

#[test]
fn of_a_position_of_several_deals_the_sum_moves_with_one_of_them() {
    let (desk, second) = netted();
    desk.when(reprice(&second, "1.12000")).and(|desk| {
        assert!(repriced(desk).moves_position);
        assert_eq!(desk.only_position().cost, Some(dec("3.34")));
        // 2 lots · 0.01 better.
        assert_eq!(desk.figures().unrealised, Some(dec("-4000")));
    });
}
