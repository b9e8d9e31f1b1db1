//! The desk against the domain's own laws, over random histories.

use std::collections::HashMap;

use daybook_domain::{
    Account, AccountCommand, AccountEvent, AccountId, Market, Timestamp,
    account::Context,
    session::trading_day,
    testing::{History, Step, World, histories},
    triggers::{order_trigger, protection_triggers},
};
use proptest::prelude::*;
use uuid::Uuid;

use super::{Act, Desk, Ledger};

const ID: AccountId = AccountId(Uuid::from_u128(7));

#[derive(Default)]
struct Book {
    ids: u128,
    events: Vec<AccountEvent>,
    acts: usize,
}

impl Ledger for Book {
    fn next_id(&mut self) -> Uuid {
        self.ids += 1;
        Uuid::from_u128(self.ids | 1 << 100)
    }

    fn record(&mut self, act: Act<'_>) {
        assert!(!act.decision.events.is_empty());
        self.acts += 1;
        self.events.extend(act.decision.events.iter().cloned());
    }

    fn quarantined(&mut self, account_id: AccountId, command: &AccountCommand) {
        panic!("deciding {command:?} on {account_id} panicked");
    }
}

struct Played {
    desk: Desk,
    book: Book,
    at: Timestamp,
    asked: usize,
    accepted: usize,
}

impl Played {
    fn execute(&mut self, command: &AccountCommand, at: Timestamp) -> bool {
        self.desk.advance(at, &mut self.book);
        self.desk.prepare(ID, at, &mut self.book);
        let decision = self.desk.execute(ID, command, at).unwrap();
        self.book.events.extend(decision.events.iter().cloned());
        self.desk.settle(at, &mut self.book);
        self.desk.evaluate(at, &mut self.book);
        decision.refusal.is_none() && !decision.events.is_empty()
    }

    fn account(&self) -> &Account {
        self.desk.account(ID).unwrap()
    }
}

/// Plays a history at a desk. The world makes the quotes and the commands; every decision is the
/// desk's. `look` sees the desk after each step.
fn play(history: &History, mut look: impl FnMut(&Played)) -> Played {
    let mut world = World::new(&history.opening);
    let market = Market::new(world.market.instruments().cloned());
    let mut played = Played {
        desk: Desk::new(market, world.rules.clone()),
        book: Book::default(),
        at: world.at,
        asked: 0,
        accepted: 0,
    };
    played.desk.seat(ID, Account::default());
    for quote in world.quotes().collect::<Vec<_>>() {
        played.desk.quote(quote, world.at, &mut played.book);
        played.desk.evaluate(world.at, &mut played.book);
    }
    for command in world.opening_commands(&history.opening) {
        played.execute(&command, world.at);
    }
    for step in &history.steps {
        world.account = played.account().clone();
        world.advance(step);
        played.at = world.at;
        match step {
            Step::Tick { .. } => {
                for quote in world.quotes().collect::<Vec<_>>() {
                    played.desk.quote(quote, world.at, &mut played.book);
                    played.desk.evaluate(world.at, &mut played.book);
                }
            }
            Step::Pause { .. } => {
                played.desk.advance(world.at, &mut played.book);
                played.desk.evaluate(world.at, &mut played.book);
            }
            Step::Ask(ask) => {
                if let Some(command) = world.command(ask) {
                    played.asked += 1;
                    let accepted = played.execute(&command, world.at);
                    played.accepted += usize::from(accepted);
                }
            }
        }
        look(&played);
    }
    played
}

fn replay(events: &[AccountEvent]) -> Account {
    let mut account = Account::default();
    events.iter().for_each(|event| account.evolve(event));
    account
}

/// What a naive scan finds that could act now.
fn left_over(played: &Played) -> Vec<AccountCommand> {
    let (account, market) = (played.account(), played.desk.market());
    let context = Context {
        at: played.at,
        market,
        rules: played.desk.rules(),
    };
    let orders = account.orders.iter().flat_map(|order| {
        let (order_id, id) = (order.order_id, Uuid::nil());
        let trigger = AccountCommand::TriggerOrder {
            order_id,
            deal_id: id.into(),
            position_id: id.into(),
        };
        [trigger, AccountCommand::ExpireOrder { order_id }]
    });
    let positions = account.positions.iter().flat_map(|position| {
        let position_id = position.position_id;
        let trigger = AccountCommand::TriggerProtection {
            position_id,
            deal_id: Uuid::nil().into(),
        };
        [trigger, AccountCommand::TrailStop { position_id }]
    });
    let evaluate = AccountCommand::Evaluate {
        seed: Uuid::nil().into(),
    };
    let days = account.positions.iter().map(|position| {
        let day = position.swap_day.and_then(|day| day.succ_opt());
        let day = day.unwrap_or_else(|| trading_day(position.opened_at));
        AccountCommand::RollOver { day }
    });
    orders
        .chain(positions)
        .chain([evaluate])
        .chain(days)
        .filter(|command| !account.decide(command, &context).events.is_empty())
        .collect()
}

/// Levels that should be watched: those of everything, less what the newest quote touches already
/// and could not act on it.
fn levels(played: &Played) -> std::ops::RangeInclusive<usize> {
    let (account, market) = (played.account(), played.desk.market());
    let mut all = 0;
    let mut touched = 0;
    let orders = account.orders.iter().filter_map(|order| {
        let symbol = order.ticket.symbol;
        Some((symbol, order_trigger(order, market.instrument(symbol)?)?))
    });
    let protections = account.positions.iter().flat_map(|position| {
        let instrument = market.instrument(position.symbol).unwrap();
        let triggers = protection_triggers(position, instrument);
        let all = [triggers.stop_loss, triggers.take_profit, triggers.trailing];
        all.into_iter()
            .flatten()
            .map(|trigger| (position.symbol, trigger))
    });
    for (symbol, trigger) in orders.chain(protections) {
        all += 1;
        let quote = market.quote(symbol);
        touched += usize::from(quote.is_some_and(|quote| trigger.touched_by(quote)));
    }
    all - touched..=all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn nothing_that_could_act_is_left_waiting_and_nothing_is_watched_in_vain(
        history in histories(10..120),
    ) {
        let mut failures = Vec::new();
        let played = play(&history, |played| {
            let left = left_over(played);
            if !left.is_empty() {
                failures.push(format!("left over: {left:?}"));
            }
            let (watched, levels) = (played.desk.levels(), levels(played));
            if !levels.contains(&watched) {
                failures.push(format!("{watched} levels watched, {levels:?} expected"));
            }
        });
        prop_assert!(failures.is_empty(), "{failures:#?}");
        prop_assert_eq!(&replay(&played.book.events), played.account());
        prop_assume!(played.asked > 0 && played.accepted * 10 >= played.asked * 3);
    }

    #[test]
    fn an_account_that_leaves_and_comes_back_is_as_it_was(history in histories(10..80)) {
        let mut played = play(&history, |_| {});
        let levels = played.desk.levels();
        let account = played.desk.unseat(ID).unwrap();
        prop_assert_eq!(played.desk.levels(), 0);
        let at = played.at;
        played.desk.seat(ID, account.clone());
        played.desk.settle(at, &mut played.book);
        prop_assert!(played.desk.levels() <= levels, "what was parked is parked again");
        prop_assert_eq!(played.account(), &account);
    }
}

#[test]
fn random_histories_make_the_desk_act_by_itself() {
    use proptest::{strategy::ValueTree, test_runner::TestRunner};
    let mut runner = TestRunner::deterministic();
    let mut acts = HashMap::from([("histories", 0), ("with acts", 0), ("acts", 0)]);
    for _ in 0..32 {
        let history = histories(40..120).new_tree(&mut runner).unwrap().current();
        let played = play(&history, |_| {});
        *acts.get_mut("histories").unwrap() += 1;
        *acts.get_mut("with acts").unwrap() += usize::from(played.book.acts > 0);
        *acts.get_mut("acts").unwrap() += played.book.acts;
    }
    assert!(acts["with acts"] * 2 > acts["histories"], "{acts:?}");
    assert!(acts["acts"] >= 100, "{acts:?}");
}
