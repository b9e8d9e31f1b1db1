//! What one connection has subscribed to, and which of its prices are due.

use std::collections::{BTreeMap, BTreeSet};

use daybook_domain::Symbol;

use super::world::{Listed, Sides, World};

/// Messages of one write; between two writes the connection listens to its client.
const BATCH_MAX: usize = 512;

/// After its recording has ended a symbol's last price is repeated, so that it does not go stale.
const KEEP_ALIVE_US: i64 = 1_000_000;

/// A price that is due.
pub(super) struct Due<'a> {
    pub(super) listed: &'a Listed,
    pub(super) sides: Sides,
    /// Its time, in milliseconds.
    pub(super) at_ms: i64,
}

/// A connection's place in every price series that it listens to.
#[derive(Debug, Default)]
pub(super) struct Tape {
    /// The next slot of each generated symbol.
    generated: BTreeMap<Symbol, i64>,
    /// The recorded symbols that are listened to.
    recorded: Vec<Symbol>,
    /// The number of the next recorded tick. Kept once set: a client that drops a symbol and takes
    /// another has still heard what went by.
    cursor: Option<usize>,
    /// When the last prices of ended recordings were sent.
    kept_alive_us: i64,
}

impl Tape {
    /// Listens to a symbol from now on. A recording starts when somebody first listens to it.
    pub(super) fn subscribe(&mut self, world: &World, symbol: Symbol, now_us: i64) {
        if world.replay.plays(symbol) {
            if !self.recorded.contains(&symbol) {
                self.recorded.push(symbol);
            }
            let joined = world.replay.join(now_us);
            self.cursor.get_or_insert(joined);
        } else if let Some(listed) = world.of(symbol) {
            let next = || listed.path.slot_after(now_us / 1_000);
            self.generated.entry(symbol).or_insert_with(next);
        }
    }

    /// Stops listening to a symbol.
    pub(super) fn unsubscribe(&mut self, symbol: Symbol) {
        self.generated.remove(&symbol);
        self.recorded.retain(|recorded| *recorded != symbol);
    }

    /// Stops listening to everything.
    pub(super) fn reset(&mut self) {
        self.generated.clear();
        self.recorded.clear();
    }

    /// What is listened to.
    pub(super) fn symbols(&self) -> BTreeSet<Symbol> {
        let recorded = self.recorded.iter().copied();
        recorded.chain(self.generated.keys().copied()).collect()
    }

    /// When the next price is due; none while nothing is listened to.
    pub(super) fn next_due_us(&self, world: &World) -> Option<i64> {
        let generated = self.generated.iter().filter_map(|(symbol, slot)| {
            let listed = world.of(*symbol)?;
            Some(listed.path.tick_ms(*slot) * 1_000)
        });
        let recorded = self.next_recorded_us(world);
        let kept_alive = self.kept_alive(world).next();
        let kept_alive = kept_alive.map(|_| self.kept_alive_us + KEEP_ALIVE_US);
        generated.chain(recorded).chain(kept_alive).min()
    }

    /// The prices that are due, in order, at most a batch of them.
    pub(super) fn due<'a>(&mut self, world: &'a World, now_us: i64) -> Vec<Due<'a>> {
        let mut prices = Vec::new();
        self.take_recorded(world, now_us, &mut prices);
        self.take_kept_alive(world, now_us, &mut prices);
        self.take_generated(world, now_us, &mut prices);
        prices
    }

    fn next_recorded_us(&self, world: &World) -> Option<i64> {
        if self.recorded.is_empty() {
            return None;
        }
        world.replay.tick(self.cursor?).map(|(_, due_us)| due_us)
    }

    fn take_recorded<'a>(&mut self, world: &'a World, now_us: i64, prices: &mut Vec<Due<'a>>) {
        let Some(cursor) = &mut self.cursor else {
            return;
        };
        while let Some((tick, due_us)) = world.replay.tick(*cursor)
            && due_us <= now_us
            && prices.len() < BATCH_MAX
        {
            *cursor += 1;
            if world.replay.is_over(tick.symbol, *cursor) {
                self.kept_alive_us = now_us; // Its last price is fresh enough for a while.
            }
            if self.recorded.contains(&tick.symbol)
                && let Some(listed) = world.of(tick.symbol)
            {
                let (bid, ask) = (tick.bid, tick.ask);
                prices.push(Due {
                    listed,
                    sides: Sides { bid, ask },
                    at_ms: due_us / 1_000,
                });
            }
        }
    }

    fn take_kept_alive<'a>(&mut self, world: &'a World, now_us: i64, prices: &mut Vec<Due<'a>>) {
        if now_us < self.kept_alive_us + KEEP_ALIVE_US || prices.len() == BATCH_MAX {
            return;
        }
        self.kept_alive_us = now_us;
        let released = self.cursor.unwrap_or_default();
        for symbol in self.kept_alive(world) {
            let last = world.replay.newest(symbol, released);
            if let Some((last, listed)) = last.zip(world.of(symbol)) {
                let (bid, ask) = (last.bid, last.ask);
                prices.push(Due {
                    listed,
                    sides: Sides { bid, ask },
                    at_ms: now_us / 1_000,
                });
            }
        }
    }

    fn kept_alive(&self, world: &World) -> impl Iterator<Item = Symbol> {
        let released = self.cursor.unwrap_or_default();
        let is_over = move |symbol: &&Symbol| world.replay.is_over(**symbol, released);
        self.recorded.iter().filter(is_over).copied()
    }

    fn take_generated<'a>(&mut self, world: &'a World, now_us: i64, prices: &mut Vec<Due<'a>>) {
        for (symbol, slot) in &mut self.generated {
            let Some(listed) = world.of(*symbol) else {
                continue;
            };
            while listed.path.tick_ms(*slot) * 1_000 <= now_us && prices.len() < BATCH_MAX {
                let tick = listed.path.tick(*slot);
                *slot += 1;
                prices.push(Due {
                    listed,
                    sides: listed.sides(tick),
                    at_ms: tick.at_ms,
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use daybook_domain::Decimal;

    use super::*;
    use crate::{
        simulator::{recorded::RecordedTick, replay::Replay},
        testing::instrument,
    };

    const NOW: i64 = 1_767_268_800_000_000;

    fn symbol(name: &str) -> Symbol {
        Symbol::parse(name).unwrap()
    }

    /// EURUSD is recorded (a tick each second), NZDUSD ends early, GBPUSD is generated.
    fn world(looping: bool) -> World {
        let tick = |(at_ms, name, bid): (i64, &str, &str)| RecordedTick {
            at_ms,
            symbol: symbol(name),
            bid: bid.parse().unwrap(),
            ask: "2".parse().unwrap(),
        };
        let ticks = [
            (0, "EURUSD", "1.1"),
            (0, "NZDUSD", "0.1"),
            (1_000, "EURUSD", "1.2"),
            (1_000, "EURUSD", "1.3"),
            (2_000, "EURUSD", "1.4"),
        ];
        let instruments = ["EURUSD", "NZDUSD", "GBPUSD"].map(|name| Arc::new(instrument(name)));
        let replay = Replay::new(ticks.map(tick).into(), Decimal::ONE, 5_000, looping);
        World::new(1, &instruments, replay.unwrap())
    }

    fn event(due: &Due<'_>) -> String {
        due.listed.event(due.sides, due.at_ms / 1_000)
    }

    /// Walks from one due moment to the next, as a connection does.
    fn play(tape: &mut Tape, world: &World, until_us: i64) -> Vec<String> {
        let mut messages = Vec::new();
        while let Some(due_us) = tape.next_due_us(world)
            && due_us <= until_us
        {
            messages.extend(tape.due(world, due_us).iter().map(event));
        }
        messages
    }

    fn bids(messages: &[String], name: &str) -> Vec<String> {
        let of_name = messages.iter().filter(|message| message.contains(name));
        let bid = |message: &String| {
            let (_, tail) = message.split_once(r#""bid":"#).unwrap();
            tail.split_once(',').unwrap().0.to_owned()
        };
        of_name.map(bid).collect()
    }

    #[test]
    fn nothing_is_due_before_a_subscription_or_after_a_reset() {
        let world = world(false);
        let mut tape = Tape::default();
        assert_eq!(tape.next_due_us(&world), None);
        tape.subscribe(&world, symbol("GBPUSD"), NOW);
        tape.subscribe(&world, symbol("EURUSD"), NOW);
        assert!(tape.next_due_us(&world).is_some());
        tape.reset();
        assert_eq!(tape.next_due_us(&world), None);
        assert!(tape.due(&world, NOW + 9_000_000).is_empty());
    }

    #[test]
    fn every_recorded_tick_comes_in_order_also_many_of_one_moment() {
        let world = world(false);
        let mut tape = Tape::default();
        tape.subscribe(&world, symbol("EURUSD"), NOW);
        let messages = play(&mut tape, &world, NOW + 2_500_000);
        assert_eq!(bids(&messages, "EUR/USD"), ["1.1", "1.2", "1.3", "1.4"]);
        assert_eq!(messages.len(), 4); // NZDUSD is played but was not asked for.
    }

    #[test]
    fn the_last_price_is_repeated_with_a_fresh_time_once_a_recording_is_over() {
        let world = world(false);
        let mut tape = Tape::default();
        tape.subscribe(&world, symbol("EURUSD"), NOW);
        tape.subscribe(&world, symbol("NZDUSD"), NOW);
        let messages = play(&mut tape, &world, NOW + 10_300_000);
        let euro = bids(&messages, "EUR/USD");
        assert!(
            euro.len() >= 10 && euro[4..].iter().all(|bid| bid == "1.4"),
            "{euro:?}"
        );
        let kiwi = bids(&messages, "NZD/USD");
        assert!(kiwi.len() >= 9, "{kiwi:?}"); // Its own recording ended at once.
        let last = messages.last().unwrap();
        assert!(
            last.contains(&format!(r#""timestamp":{}"#, NOW / 1_000_000 + 10)),
            "{last}"
        );
    }

    #[test]
    fn a_loop_begins_again_with_later_times() {
        let world = world(true);
        let mut tape = Tape::default();
        tape.subscribe(&world, symbol("EURUSD"), NOW);
        let messages = play(&mut tape, &world, NOW + 6_000_000);
        let expected = ["1.1", "1.2", "1.3", "1.4", "1.1", "1.2", "1.3", "1.4"];
        assert_eq!(bids(&messages, "EUR/USD"), expected);
        assert!(messages[4].contains(&format!(r#""timestamp":{}"#, NOW / 1_000_000 + 3)));
    }

    #[test]
    fn generated_symbols_are_played_beside_the_recorded_and_alike_for_everybody() {
        let world = world(false);
        let (mut one, mut late) = (Tape::default(), Tape::default());
        one.subscribe(&world, symbol("GBPUSD"), NOW);
        late.subscribe(&world, symbol("GBPUSD"), NOW + 5_000_000);
        let first = play(&mut one, &world, NOW + 10_000_000);
        let second = play(&mut late, &world, NOW + 10_000_000);
        assert!(first.len() > 20, "{}", first.len());
        assert!(second.len() > 8 && first.ends_with(&second));
    }

    #[test]
    fn a_flood_is_cut_into_batches_and_loses_nothing() {
        let world = world(false);
        let mut tape = Tape::default();
        tape.subscribe(&world, symbol("GBPUSD"), NOW);
        let late = NOW + 3_600_000_000;
        let mut counts = Vec::new();
        while tape.next_due_us(&world).is_some_and(|due| due <= late) {
            counts.push(tape.due(&world, late).len());
        }
        assert!(counts.len() > 1 && counts.iter().all(|count| *count <= BATCH_MAX));
        assert!(
            (11_900..12_100).contains(&counts.iter().sum::<usize>()),
            "{counts:?}"
        );
    }
}
