//! Which connection carries which symbol: what is wanted, given to the providers in their order of
//! preference, packed into as many connections as each allows.
//!
//! A symbol is subscribed to once at a provider. Where its provider does not deliver, the next one
//! carries it too, until the preferred one is back.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use daybook_domain::Symbol;
use tokio::{
    sync::watch,
    time::{self, Duration},
};

use super::{
    board::{Board, Service},
    provider::{Limits, Provider},
};
use crate::Interest;

/// Interest is looked at so often: soon enough for whoever has just begun to watch.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// The connections of one provider.
pub(super) struct Lines {
    /// Number of the first on the board.
    pub(super) first: usize,
    pub(super) limits: Limits,
    /// What each is meant to carry.
    pub(super) wanted: Vec<watch::Sender<BTreeSet<Symbol>>>,
}

/// Keeps every connection's symbols up to date.
pub(super) struct Planner {
    pub(super) interest: Interest,
    pub(super) symbols_max: usize,
    /// What is wanted beyond those, to be polled.
    pub(super) polled: watch::Sender<BTreeSet<Symbol>>,
    pub(super) providers: Vec<Arc<dyn Provider>>,
    /// Providers of each symbol, the preferred one first.
    pub(super) routes: HashMap<Symbol, Vec<usize>>,
    pub(super) lines: Vec<Lines>,
    pub(super) board: Arc<Board>,
    pub(super) patience: Duration,
}

impl Planner {
    /// Works until it is dropped.
    pub(super) async fn run(mut self) {
        loop {
            self.plan();
            time::sleep(LOOK_EVERY).await;
        }
    }

    /// Looks once at who wants what and who delivers.
    pub(super) fn plan(&mut self) {
        let mut further = self.interest.wanted(usize::MAX);
        let wanted = self.interest.wanted(self.symbols_max);
        further.retain(|symbol| !wanted.contains(symbol));
        self.polled.send_if_modified(|polled| {
            let changed = *polled != further;
            *polled = further;
            changed
        });
        let mut by_provider: BTreeMap<usize, BTreeSet<Symbol>> = BTreeMap::new();
        for symbol in wanted {
            for provider in self.carriers(symbol) {
                by_provider.entry(provider).or_default().insert(symbol);
            }
        }
        for (provider, lines) in self.lines.iter_mut().enumerate() {
            let symbols = by_provider.remove(&provider).unwrap_or_default();
            let current: Vec<_> = lines
                .wanted
                .iter()
                .map(|line| line.borrow().clone())
                .collect();
            let packed = pack(&current, symbols, lines.limits);
            for (line, (now, next)) in current.into_iter().zip(packed).enumerate() {
                if now != next {
                    self.board.assign(lines.first + line, next.clone());
                    lines.wanted[line].send_replace(next);
                }
            }
        }
    }

    /// The preferred provider, and each one after it while those before do not deliver.
    fn carriers(&self, symbol: Symbol) -> Vec<usize> {
        let mut carriers = Vec::new();
        for &provider in self.routes.get(&symbol).into_iter().flatten() {
            if !self.providers[provider].sells(symbol) {
                continue;
            }
            carriers.push(provider);
            match self.service(provider, symbol) {
                Service::Present | Service::Awaited => break,
                Service::Absent => {}
            }
        }
        carriers
    }

    fn service(&self, provider: usize, symbol: Symbol) -> Service {
        let lines = &self.lines[provider];
        let carrying = |line: &watch::Sender<BTreeSet<Symbol>>| line.borrow().contains(&symbol);
        match lines.wanted.iter().position(carrying) {
            Some(line) => self.board.serves(lines.first + line, symbol, self.patience),
            None => Service::Awaited, // It is not carried yet.
        }
    }
}

/// Symbols by connection. One that is carried stays where it is, so that a change of interest
/// costs no resubscription; the others go where there is room, to as few connections as possible.
fn pack(
    current: &[BTreeSet<Symbol>],
    mut symbols: BTreeSet<Symbol>,
    limits: Limits,
) -> Vec<BTreeSet<Symbol>> {
    let connections = current.len().max(1);
    // As asked for, but never more connections than the provider allows.
    let smallest = symbols.len().div_ceil(connections).max(1);
    let size = limits
        .symbols_per_connection
        .unwrap_or(usize::MAX)
        .max(smallest);
    let mut packs: Vec<BTreeSet<Symbol>> = current
        .iter()
        .map(|carried| {
            let kept: BTreeSet<_> = carried.intersection(&symbols).take(size).copied().collect();
            kept.iter().for_each(|symbol| {
                symbols.remove(symbol);
            });
            kept
        })
        .collect();
    for symbol in symbols {
        if let Some(pack) = packs.iter_mut().find(|pack| pack.len() < size) {
            pack.insert(symbol);
        }
    }
    packs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn symbols(range: std::ops::Range<usize>) -> BTreeSet<Symbol> {
        range
            .map(|index| format!("S{index:03}").parse().unwrap())
            .collect()
    }

    fn limits(symbols_per_connection: Option<usize>) -> Limits {
        Limits {
            connections_max: 3,
            symbols_per_connection,
        }
    }

    fn sizes(count: usize, per_connection: Option<usize>) -> Vec<usize> {
        let packs = pack(
            &vec![BTreeSet::new(); 3],
            symbols(0..count),
            limits(per_connection),
        );
        packs.iter().map(BTreeSet::len).collect()
    }

    #[test]
    fn symbols_are_packed_within_the_providers_connection_limit() {
        assert_eq!(sizes(21, None), [21, 0, 0]);
        assert_eq!(sizes(21, Some(8)), [8, 8, 5]);
        assert_eq!(sizes(21, Some(1)), [7, 7, 7]);
        assert_eq!(sizes(2, Some(1)), [1, 1, 0]);
        assert_eq!(sizes(2, Some(0)), [1, 1, 0]);
        assert_eq!(sizes(0, None), [0, 0, 0]);
    }

    #[test]
    fn a_change_of_interest_moves_no_symbol_that_stays() {
        let limits = limits(Some(4));
        let first = pack(&vec![BTreeSet::new(); 3], symbols(0..8), limits);
        let fewer = pack(&first, symbols(2..6), limits);
        assert_eq!(fewer, [symbols(2..4), symbols(4..6), symbols(0..0)]);
        let more = pack(&fewer, symbols(2..10), limits);
        assert_eq!(
            more.iter().map(BTreeSet::len).collect::<Vec<_>>(),
            [4, 4, 0]
        );
        assert!(more[0].is_superset(&fewer[0]) && more[1].is_superset(&fewer[1]));
    }

    proptest::proptest! {
        #[test]
        fn every_symbol_is_carried_once(
            before in 0_usize..60, from in 0_usize..60, count in 0_usize..60,
            per_connection in proptest::option::of(1_usize..20),
        ) {
            let limits = limits(per_connection);
            let first = pack(&vec![BTreeSet::new(); 3], symbols(0..before), limits);
            let wanted = symbols(from..from + count);
            let packs = pack(&first, wanted.clone(), limits);
            let carried: usize = packs.iter().map(BTreeSet::len).sum();
            proptest::prop_assert_eq!(carried, wanted.len());
            let all: BTreeSet<_> = packs.into_iter().flatten().collect();
            proptest::prop_assert_eq!(all, wanted);
        }
    }
}
