//! Terms over time: what is in force now, and what was on former days.

use std::{collections::HashMap, sync::Arc};

use daybook_domain::{Instrument, Market, Symbol, Timestamp};

use super::Desk;

/// Dated terms of every instrument, oldest first.
#[derive(Clone, Debug, Default)]
pub struct TermsHistory(HashMap<Symbol, Vec<(Timestamp, Arc<Instrument>)>>);

impl TermsHistory {
    /// Instruments that always had these terms.
    #[must_use]
    pub fn of(instruments: impl IntoIterator<Item = Arc<Instrument>>) -> Self {
        let mut history = Self::default();
        for terms in instruments {
            history.push(Timestamp::MIN_UTC, terms);
        }
        history
    }

    /// Terms that come into force, at or after all that are known of the instrument.
    pub fn push(&mut self, at: Timestamp, terms: Arc<Instrument>) {
        self.0.entry(terms.symbol).or_default().push((at, terms));
    }

    /// Terms in force at an instant; before an instrument was listed its first.
    #[must_use]
    pub fn at(&self, symbol: Symbol, instant: Timestamp) -> Option<&Arc<Instrument>> {
        let dated = self.0.get(&symbol)?;
        let begun = dated.partition_point(|(since, _)| *since <= instant);
        Some(&dated.get(begun.saturating_sub(1))?.1)
    }

    /// The newest terms of every instrument, by name.
    #[must_use]
    pub fn newest(&self) -> Vec<Arc<Instrument>> {
        let newest = self.0.values().filter_map(|dated| dated.last());
        let mut newest: Vec<_> = newest.map(|(_, terms)| terms.clone()).collect();
        newest.sort_unstable_by_key(|terms| terms.symbol);
        newest
    }

    /// The market of an instant: its terms and the newest quotes. None where that is `now` as it
    /// stands.
    pub(super) fn market_at(&self, instant: Timestamp, now: &Market) -> Option<Market> {
        let mut then: Option<Market> = None;
        for terms in now.instruments() {
            let Some(before) = self.at(terms.symbol, instant) else {
                continue;
            };
            if !Arc::ptr_eq(before, terms) && before != terms {
                then.get_or_insert_with(|| now.clone())
                    .set_instrument(before.clone());
            }
        }
        then
    }
}

impl Desk {
    /// Puts other terms in force, for whatever is decided from now on. Mark-ups shift levels and
    /// values: call [`Desk::settle`] and [`Desk::evaluate`] afterwards.
    pub fn set_instrument(&mut self, terms: &Arc<Instrument>, history: Arc<TermsHistory>) {
        let symbol = terms.symbol;
        let numbers = self.concerned_by(symbol);
        for number in &numbers {
            if let Some(Some(seated)) = self.seats.get(*number as usize) {
                self.watches
                    .unwatch_symbol(*number, &seated.account, symbol, &self.market);
            }
        }
        self.market.set_instrument(terms.clone());
        self.history = history;
        for number in numbers {
            if let Some(Some(seated)) = self.seats.get(number as usize) {
                self.watches
                    .watch_symbol(number, &seated.account, symbol, &self.market);
                self.margin.mark(number);
            }
        }
    }

    /// Accounts with orders or positions in an instrument.
    fn concerned_by(&self, symbol: Symbol) -> Vec<u32> {
        let is_concerned = |number: &u32| {
            self.seated(*number).is_some_and(|seated| {
                let account = &seated.account;
                let mut positions = account.positions.iter();
                let mut orders = account.orders.iter();
                positions.any(|position| position.symbol == symbol)
                    || orders.any(|order| order.ticket.symbol == symbol)
            })
        };
        let numbers = self.numbers.values().copied();
        let mut concerned: Vec<u32> = numbers.filter(is_concerned).collect();
        concerned.sort_unstable();
        concerned
    }
}
