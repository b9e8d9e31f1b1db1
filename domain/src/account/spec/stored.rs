//! What is stored: names, forms and sizes, and streams that cannot be.

use std::{panic::catch_unwind, sync::Arc};

use cqrs_es::{CqrsFramework, EventStore, mem_store::MemStore};

use super::*;
use crate::account::AccountServices;

fn services() -> AccountServices {
    let desk = given(trader());
    AccountServices {
        at: desk.at,
        market: Arc::new(desk.market),
        rules: Arc::new(desk.rules),
    }
}

fn command(act: Act) -> AccountCommand {
    let Act::Ask(command) = act else {
        panic!("a request");
    };
    *command
}

#[test]
fn an_event_is_stored_under_its_name() {
    let desk = given(trader()).when(buy("EURUSD", "1").placed("o1"));
    for event in &desk.decision.events {
        let json = serde_json::to_value(event).unwrap();
        let object = json.as_object().unwrap();
        assert_eq!(object.keys().collect::<Vec<_>>(), [event.event_type()]);
        assert_eq!(event.at(), desk.at);
    }
}

#[test]
fn money_is_stored_as_text_with_the_decimals_of_its_currency() {
    given(trader())
        .when(buy("EURUSD", "1").placed("o1"))
        .when(quote("EURUSD", "1.10510", "1.10520"))
        .when(close("o1", None))
        .and(|desk| {
            let json = serde_json::to_value(&desk.decision.events[0]).unwrap();
            let deal = &json["PositionClosed"]["deal"];
            assert_eq!(deal["realised"], "500.00");
            assert_eq!(
                deal["funds"],
                serde_json::json!({"currency": "USD", "demo": "500.00"})
            );
        });
}

#[test]
fn an_account_and_its_orders_are_small() {
    assert!(
        size_of::<Order>() <= 300,
        "an order takes {} bytes",
        size_of::<Order>()
    );
    assert!(
        size_of::<Position>() <= 300,
        "a position takes {} bytes",
        size_of::<Position>()
    );
    assert!(
        size_of::<Account>() <= 512,
        "an account takes {} bytes",
        size_of::<Account>()
    );
    let desk = given(trader())
        .when(buy("EURUSD", "1").placed("o1"))
        .when(close("o1", None));
    assert_eq!(
        desk.account.orders.capacity(),
        0,
        "a flat account keeps no room"
    );
    assert_eq!(desk.account.positions.capacity(), 0);
}

#[test]
fn many_orders_take_little_more_room_than_they_need() {
    let mut desk = given(trader());
    for number in 0..100 {
        desk = desk.when(
            buy("EURUSD", "0.01")
                .limit("1.09")
                .placed(&format!("o{number}")),
        );
    }
    assert_eq!(desk.account.orders.len(), 100);
    assert!(
        desk.account.orders.capacity() <= 125,
        "{}",
        desk.account.orders.capacity()
    );
}

#[test]
fn a_stored_event_that_cannot_follow_is_corruption() {
    let desk = given(trader()).when(buy("EURUSD", "1").placed("o1"));
    let [placed, filled, position] = &desk.decision.events[..] else {
        panic!("three facts");
    };
    let closed = desk.account.decide(
        &command(close("o1", None)),
        &Context {
            at: desk.at,
            market: &desk.market,
            rules: &desk.rules,
        },
    );
    let funded = given([opened(), funded("1")]).account;
    let corrupt: [(&Account, &AccountEvent); 5] = [
        (&Account::default(), placed),
        (&funded, filled),
        (&desk.account, position),
        (&funded, &closed.events[0]),
        (&Account::default(), filled),
    ];
    for (state, event) in corrupt {
        let mut state = state.clone();
        let outcome = catch_unwind(move || state.evolve(event));
        let message = *outcome.unwrap_err().downcast::<String>().unwrap();
        assert!(message.contains("corrupt stream"), "{message}");
    }
}

#[test]
fn cqrs_es_runs_the_account_as_an_aggregate() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        let store = MemStore::<Account>::default();
        let framework = CqrsFramework::new(store.clone(), Vec::new(), services());
        let execute = |act| framework.execute("account-1", command(act));
        execute(opened()).await.unwrap();
        execute(funded("1000")).await.unwrap();
        execute(buy("EURUSD", "0.5").placed("o1")).await.unwrap();
        let refused = execute(cancel("o9")).await.unwrap_err();
        assert!(refused.to_string().contains("is not working"), "{refused}");
        // Refused, and the book says so: an `Ok` with an event.
        execute(buy("EURUSD", "50").placed("o2")).await.unwrap();
        let events = store.load_events("account-1").await.unwrap();
        let types: Vec<_> = events
            .iter()
            .map(|event| event.payload.event_type())
            .collect();
        assert_eq!(
            types,
            [
                "AccountOpened",
                "FundsAdjusted",
                "OrderPlaced",
                "OrderFilled",
                "PositionOpened",
                "OrderRejected"
            ]
        );
    });
}
