//! The whole engine in one seeded, deterministic run after another: many accounts, random commands,
//! recorded and hostile ticks, crashes, jumps of the clock, changing terms. Every decision is judged
//! by laws that are written from the rule book and not from the engine's code.
//!
//! `DAYBOOK_SIMULATION_SEED=7` plays one seed, `DAYBOOK_SIMULATION_EVENTS=50000000` far more events.

#![allow(
    clippy::unwrap_used,
    reason = "a simulation that cannot go on has failed"
)]
#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "laws look at the events they are about"
)]

mod asking;
mod coverage;
mod dice;
mod laws;
mod mutants;
mod paying;
mod stage;
mod sums;
mod tape;
mod witness;

use std::{
    env,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use daybook_domain::Account;

use self::{coverage::Coverage, mutants::MUTANTS, stage::play};

/// Events of a seed: long enough for margin calls, short enough to be debugged.
const EVENTS_A_SEED: u64 = 20_000;
const EVENTS: u64 = 1_000_000;
/// How often every event and every rejection has to be seen.
const OFTEN: u64 = 100;
/// Seeds within which each mutant has to be caught.
const MUTANT_SEEDS: u64 = 6;

fn number(name: &str) -> Option<u64> {
    env::var(name).ok()?.parse().ok()
}

/// What a failed seed says, or what it has seen.
fn attempt(
    seed: u64,
    events: u64,
    decider: daybook_engine::desk::Decider,
) -> Result<Coverage, String> {
    catch_unwind(AssertUnwindSafe(|| play(seed, events, decider))).map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
            .unwrap_or_else(|| "a panic without words".to_owned())
    })
}

#[test]
fn the_engine_keeps_its_laws_through_a_million_events() {
    if let Some(seed) = number("DAYBOOK_SIMULATION_SEED") {
        let told = attempt(seed, EVENTS_A_SEED, Account::decide);
        println!("seed {seed}: {told:#?}");
        assert!(told.is_ok(), "seed {seed} fails");
        return;
    }
    let wanted = number("DAYBOOK_SIMULATION_EVENTS").unwrap_or(EVENTS);
    let seeds = wanted.div_ceil(EVENTS_A_SEED);
    let next = AtomicU64::new(0);
    let (seen, failures) = (Mutex::new(Coverage::default()), Mutex::new(Vec::new()));
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds || !failures.lock().unwrap().is_empty() {
                        return;
                    }
                    match attempt(seed, EVENTS_A_SEED, Account::decide) {
                        Ok(coverage) => seen.lock().unwrap().add(&coverage),
                        Err(told) => failures.lock().unwrap().push((seed, told)),
                    }
                }
            });
        }
    });
    if let Some((seed, told)) = failures.into_inner().unwrap().pop() {
        panic!(
            "seed {seed}: {told}\nplay it again: DAYBOOK_SIMULATION_SEED={seed} cargo test \
             -p daybook-engine --test simulation -- --nocapture"
        );
    }
    let seen = seen.into_inner().unwrap();
    println!("{seen:#?}");
    assert!(seen.events >= wanted);
    seen.assert_enough(OFTEN);
}

#[test]
fn every_mutant_is_caught_by_the_law_it_breaks() {
    for (name, decider, law) in MUTANTS {
        let caught = (0..MUTANT_SEEDS).find_map(|seed| attempt(seed, EVENTS_A_SEED, decider).err());
        let told = caught.unwrap_or_else(|| panic!("nobody noticed {name}"));
        assert!(
            told.contains(law),
            "{name} was noticed for something else: {told}"
        );
    }
}
