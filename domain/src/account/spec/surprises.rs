//! Whatever can be asked: numbers of 28 digits, names that mean nothing, orders that contradict
//! themselves. Nothing panics; what does not fit is refused.

use std::collections::BTreeSet;

use proptest::{collection::vec, prelude::*, sample::select};

use super::{
    surprise::{SYMBOLS, Surprise, surprise, ticket, wild},
    *,
};

type Ticket = super::super::Ticket;

/// Rich enough to deal, in a market that never closes and whose quotes never grow stale: that is
/// refused elsewhere.
pub(super) fn live(mode: PositionMode, currency: &str, funds: &str) -> Desk {
    given([
        Act::Rules(|rules| {
            rules.sessions = crate::rules::SessionRule::Always;
            rules.max_quote_age_ms = None;
        }),
        ask(AccountCommand::Open {
            client_id: ClientId::default(),
            number: 1,
            kind: AccountKind::Live,
            mode,
            currency: Currency::parse(currency).unwrap(),
            leverage: 500,
        }),
        adjusted(Bucket::Real, funds),
        quote("EURUSD", "1.10000", "1.10010"),
        quote("USDJPY", "155.000", "155.010"),
        quote("XAUUSD", "2350.00", "2350.50"),
        quote("XRPUSD", "0.55000", "0.55010"),
    ])
}

/// Plays them, and says what they led to.
pub(super) fn play(
    mut desk: Desk,
    surprises: Vec<Surprise>,
) -> Result<BTreeSet<&'static str>, TestCaseError> {
    let mut reached = BTreeSet::new();
    for surprise in surprises {
        desk.decision = Decision::default();
        match surprise {
            Surprise::Later(seconds) => desk.at += chrono::Duration::seconds(seconds),
            Surprise::Quote(name, bid, spread) => {
                desk.market.set_quote(Quote {
                    symbol: symbol(SYMBOLS[name]),
                    bid,
                    ask: bid + spread,
                    at: desk.at,
                    source: QuoteSource::Recorded,
                });
                desk.nominate(symbol(SYMBOLS[name]));
            }
            Surprise::Command(command) => {
                let text = serde_json::to_string(&command).unwrap();
                let command: AccountCommand = serde_json::from_str(&text).unwrap();
                preview_of(&desk, &command)?;
                desk.ask(&command);
            }
        }
        let events = desk.decision.events.iter();
        reached.extend(events.map(AccountEvent::event_type));
        reached.extend(desk.decision.refusal.iter().map(AccountRejection::code));
        let stored = serde_json::to_string(&desk.account).unwrap();
        let read: Account = serde_json::from_str(&stored).unwrap();
        prop_assert_eq!(&read, &desk.account);
        let _figures = desk.figures();
    }
    Ok(reached)
}

fn preview_of(desk: &Desk, command: &AccountCommand) -> Result<(), TestCaseError> {
    let AccountCommand::PlaceOrder { ticket, .. } = command else {
        return Ok(());
    };
    let context = Context {
        at: desk.at,
        market: &desk.market,
        rules: &desk.rules,
    };
    let preview = desk.account.preview(ticket, &context);
    prop_assert_eq!(preview.accepted, preview.refusal.is_none());
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn whatever_is_asked_nothing_panics(
        mode in select(vec![PositionMode::Hedging, PositionMode::Netting]),
        currency in select(vec!["USD", "JPY", "EUR", "GBP"]),
        funds in select(vec!["1000", "1000000", "999999999999999999"]),
        surprises in vec(surprise(), 1..60),
    ) {
        play(live(mode, currency, funds), surprises)?;
    }

    #[test]
    fn no_price_a_limit_may_have_and_no_volume_panics(
        ticket in ticket(),
        limit in wild(),
        volume in wild(),
    ) {
        let extreme = Ticket { limit_price: Some(limit), order_type: OrderType::Limit, ..ticket };
        let desk = live(PositionMode::Netting, "USD", "999999999999999999");
        desk.when(extreme.clone().placed("o1"))
            .when(Ticket { volume, ..extreme }.placed("o2"))
            .when(close("o1", Some(&volume.to_string())))
            .when(ask(trigger_of(id("o1"))));
    }
}

#[test]
fn surprises_reach_what_there_is_to_reach() {
    use proptest::{strategy::ValueTree, test_runner::TestRunner};

    let mut runner = TestRunner::deterministic();
    let mut reached = BTreeSet::new();
    for mode in [PositionMode::Hedging, PositionMode::Netting] {
        for _ in 0..80 {
            let surprises = vec(surprise(), 40..60).new_tree(&mut runner).unwrap();
            reached.extend(play(live(mode, "USD", "1000000"), surprises.current()).unwrap());
        }
    }
    for fact in [
        "OrderFilled",
        "OrderNetted",
        "OrderTriggered",
        "OrderModified",
        "OrderCancelled",
        "PositionIncreased",
        "PositionReduced",
        "PositionClosed",
        "ProtectionChanged",
        "DepositCompleted",
        "WithdrawalCompleted",
        "WithdrawalRejected",
        "insufficient_funds",
        "funding_not_open",
        "insufficient_margin",
        "invalid_stops",
        "invalid_order",
        "volume_out_of_range",
        "volume_step",
        "overflow",
    ] {
        assert!(reached.contains(fact), "{fact}: {reached:?}");
    }
}

#[test]
fn numbers_beyond_28_digits_overflow() {
    // A lot of ten thousand million million of something at a thousand million apiece.
    let huge = |desk: Desk| {
        desk.when(Act::Terms("XAUUSD", |terms| {
            terms.contract_size = dec("10000000000000000");
            terms.max_volume = dec("1000000000000");
        }))
        .when(quote("XAUUSD", "1000000000", "1000000000"))
    };
    huge(live(PositionMode::Netting, "USD", "999999999999999999"))
        .when(buy("XAUUSD", "1000000000").placed("o1"))
        .then_refused("overflow");
    // What fits 28 digits, but is more than any account may hold, overflows as well.
    huge(live(PositionMode::Hedging, "USD", "999999999999999999"))
        .when(buy("XAUUSD", "0.01").placed("o1"))
        .then_refused("overflow");
}
