//! Changes of an instrument's terms, and what terms have to be. What was dealt keeps the terms it
//! was dealt under: symbol, currencies, class and digits never change.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::{
    Availability, Commission, CommissionBasis, GroupTerms, Instrument, LeverageTier, SwapMode,
    SwapWeights,
};
use crate::{Currency, Symbol, account::Change, session::SessionPlan};

/// Nothing in the terms is larger: what is computed from them has to fit 28 digits.
const MAX: Decimal = Decimal::from_parts(1_000_000_000, 0, 0, false, 0);

/// Terms that change; those that are not named stay.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct InstrumentChange {
    /// The name for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Units of the base in one lot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contract_size: Option<Decimal>,
    /// Smallest volume, in lots.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_volume: Option<Decimal>,
    /// Largest volume of one order, in lots.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_volume: Option<Decimal>,
    /// Volumes are multiples of this, in lots.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volume_step: Option<Decimal>,
    /// Largest leverage.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_leverage: Option<u32>,
    /// Leverage by notional, all tiers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leverage_tiers: Option<Vec<LeverageTier>>,
    /// Factor R of the required margin.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub margin_rate: Option<Decimal>,
    /// Factor R of short positions.
    #[serde(skip_serializing_if = "Change::is_keep")]
    pub margin_rate_sell: Change<Decimal>,
    /// Contract size of hedged volume.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hedged_contract_size: Option<Decimal>,
    /// Most lots in one direction.
    #[serde(skip_serializing_if = "Change::is_keep")]
    pub max_exposure: Change<Decimal>,
    /// Mark-up, in points.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spread_markup: Option<Decimal>,
    /// Fixed slippage, in points.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slippage: Option<Decimal>,
    /// Slippage in points per lot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slippage_per_lot: Option<Decimal>,
    /// Commission per side.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commission: Option<Commission>,
    /// Swap of a long position for one night.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub swap_long: Option<Decimal>,
    /// Swap of a short position for one night.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub swap_short: Option<Decimal>,
    /// What the two are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub swap_mode: Option<SwapMode>,
    /// Currency of a swap in money.
    #[serde(skip_serializing_if = "Change::is_keep")]
    pub swap_currency: Change<Currency>,
    /// Nights that each weekday's rollover charges.
    #[serde(skip_serializing_if = "Change::is_keep")]
    pub swap_weights: Change<SwapWeights>,
    /// Step of trailing stops, in points.
    #[serde(skip_serializing_if = "Change::is_keep")]
    pub trailing_step: Change<Decimal>,
    /// Trading hours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionPlan>,
    /// Days on which the market stays closed, all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub holidays: Option<Vec<NaiveDate>>,
    /// What is different for groups, all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub groups: Option<BTreeMap<Box<str>, GroupTerms>>,
    /// Whether it may be traded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub availability: Option<Availability>,
}

/// Why terms are refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InstrumentRejection {
    /// No such instrument is listed.
    #[error("{0} is not an instrument")]
    UnknownSymbol(Symbol),
    /// A term makes no sense.
    #[error("{term}: {reason}")]
    InvalidTerm {
        /// Its name.
        term: &'static str,
        /// What it has to be.
        reason: String,
    },
}

impl InstrumentRejection {
    /// Stable slug.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::UnknownSymbol(_) => "unknown_symbol",
            Self::InvalidTerm { .. } => "invalid_terms",
        }
    }

    fn of(term: &'static str, reason: &str) -> Self {
        Self::InvalidTerm {
            term,
            reason: reason.to_owned(),
        }
    }
}

impl Instrument {
    /// The terms after a change, and the names of those that are other than before; no name when
    /// it is already so. `known` are the currencies that quotes can convert.
    ///
    /// # Errors
    /// [`InstrumentRejection`] when the new terms make no sense.
    pub fn changed(
        &self,
        change: &InstrumentChange,
        known: &BTreeSet<Currency>,
    ) -> Result<(Self, Vec<String>), InstrumentRejection> {
        let after = self.with(change.clone());
        after.check(known)?;
        let names = differences(self, &after);
        Ok((after, names))
    }

    fn with(&self, change: InstrumentChange) -> Self {
        let base = self.clone();
        Self {
            name: change.name.unwrap_or(base.name),
            contract_size: change.contract_size.unwrap_or(base.contract_size),
            min_volume: change.min_volume.unwrap_or(base.min_volume),
            max_volume: change.max_volume.unwrap_or(base.max_volume),
            volume_step: change.volume_step.unwrap_or(base.volume_step),
            max_leverage: change.max_leverage.unwrap_or(base.max_leverage),
            leverage_tiers: change.leverage_tiers.unwrap_or(base.leverage_tiers),
            margin_rate: change.margin_rate.unwrap_or(base.margin_rate),
            margin_rate_sell: change.margin_rate_sell.apply(base.margin_rate_sell),
            hedged_contract_size: change
                .hedged_contract_size
                .unwrap_or(base.hedged_contract_size),
            max_exposure: change.max_exposure.apply(base.max_exposure),
            spread_markup: change.spread_markup.unwrap_or(base.spread_markup),
            slippage: change.slippage.unwrap_or(base.slippage),
            slippage_per_lot: change.slippage_per_lot.unwrap_or(base.slippage_per_lot),
            commission: change.commission.unwrap_or(base.commission),
            swap_long: change.swap_long.unwrap_or(base.swap_long),
            swap_short: change.swap_short.unwrap_or(base.swap_short),
            swap_mode: change.swap_mode.unwrap_or(base.swap_mode),
            swap_currency: change.swap_currency.apply(base.swap_currency),
            swap_weights: change.swap_weights.apply(base.swap_weights),
            trailing_step: change.trailing_step.apply(base.trailing_step),
            session: change.session.unwrap_or(base.session),
            holidays: change.holidays.unwrap_or(base.holidays),
            groups: change.groups.unwrap_or(base.groups),
            availability: change.availability.unwrap_or(base.availability),
            symbol: base.symbol,
            class: base.class,
            base: base.base,
            quote: base.quote,
            digits: base.digits,
        }
    }

    /// Whether these terms can be dealt under.
    ///
    /// # Errors
    /// [`InstrumentRejection`] names the first term that cannot.
    pub fn check(&self, known: &BTreeSet<Currency>) -> Result<(), InstrumentRejection> {
        positive("contract_size", self.contract_size)?;
        positive("volume_step", self.volume_step)?;
        positive("min_volume", self.min_volume)?;
        positive("max_volume", self.max_volume)?;
        if self.min_volume > self.max_volume {
            return Err(InstrumentRejection::of("min_volume", "exceeds max_volume"));
        }
        if !(self.min_volume % self.volume_step).is_zero() {
            let reason = "is not a multiple of volume_step";
            return Err(InstrumentRejection::of("min_volume", reason));
        }
        leverage("max_leverage", self.max_leverage)?;
        self.check_tiers()?;
        positive("margin_rate", self.margin_rate)?;
        self.margin_rate_sell
            .map_or(Ok(()), |rate| positive("margin_rate_sell", rate))?;
        not_negative("hedged_contract_size", self.hedged_contract_size)?;
        self.max_exposure
            .map_or(Ok(()), |lots| positive("max_exposure", lots))?;
        not_negative("spread_markup", self.spread_markup)?;
        not_negative("slippage", self.slippage)?;
        not_negative("slippage_per_lot", self.slippage_per_lot)?;
        self.trailing_step
            .map_or(Ok(()), |points| positive("trailing_step", points))?;
        bounded("swap_long", self.swap_long)?;
        bounded("swap_short", self.swap_short)?;
        commission(&self.commission, known)?;
        if let Some(currency) = self.swap_currency {
            known_currency("swap_currency", currency, known)?;
        }
        if self.swap_weights().0.iter().any(|nights| *nights > 31) {
            let reason = "a rollover charges at most 31 nights";
            return Err(InstrumentRejection::of("swap_weights", reason));
        }
        let mut groups = self.groups.values();
        groups.try_for_each(|terms| group(terms, known))
    }

    fn check_tiers(&self) -> Result<(), InstrumentRejection> {
        let ascend = |pair: &[LeverageTier]| pair[0].from_notional < pair[1].from_notional;
        if !self.leverage_tiers.windows(2).all(ascend) {
            let reason = "come by ascending notional";
            return Err(InstrumentRejection::of("leverage_tiers", reason));
        }
        self.leverage_tiers.iter().try_for_each(|tier| {
            not_negative("leverage_tiers", tier.from_notional)?;
            leverage("leverage_tiers", tier.max_leverage)
        })
    }
}

fn group(terms: &GroupTerms, known: &BTreeSet<Currency>) -> Result<(), InstrumentRejection> {
    let points = [terms.spread_markup, terms.slippage];
    for value in points.into_iter().flatten() {
        not_negative("groups", value)?;
    }
    for value in [terms.swap_long, terms.swap_short].into_iter().flatten() {
        bounded("groups", value)?;
    }
    if let Some(max_leverage) = terms.max_leverage {
        leverage("groups", max_leverage)?;
    }
    terms
        .commission
        .map_or(Ok(()), |own| commission(&own, known))
}

fn commission(terms: &Commission, known: &BTreeSet<Currency>) -> Result<(), InstrumentRejection> {
    not_negative("commission", terms.rate)?;
    not_negative("commission", terms.minimum)?;
    let is_charged = terms.basis != CommissionBasis::None;
    match terms.currency {
        Some(currency) if is_charged => known_currency("commission", currency, known),
        Some(_) | None => Ok(()),
    }
}

fn positive(term: &'static str, value: Decimal) -> Result<(), InstrumentRejection> {
    if value <= Decimal::ZERO {
        return Err(InstrumentRejection::of(term, "has to be positive"));
    }
    bounded(term, value)
}

fn not_negative(term: &'static str, value: Decimal) -> Result<(), InstrumentRejection> {
    if value < Decimal::ZERO {
        return Err(InstrumentRejection::of(term, "must not be negative"));
    }
    bounded(term, value)
}

fn bounded(term: &'static str, value: Decimal) -> Result<(), InstrumentRejection> {
    if value.abs() > MAX || value.normalize().scale() > 12 {
        let reason = "has to be below a billion, with 12 decimals at most";
        return Err(InstrumentRejection::of(term, reason));
    }
    Ok(())
}

fn leverage(term: &'static str, value: u32) -> Result<(), InstrumentRejection> {
    if value == 0 {
        return Err(InstrumentRejection::of(term, "has to be at least 1"));
    }
    Ok(())
}

fn known_currency(
    term: &'static str,
    currency: Currency,
    known: &BTreeSet<Currency>,
) -> Result<(), InstrumentRejection> {
    if known.contains(&currency) {
        return Ok(());
    }
    let reason = format!("no instrument quotes {currency}");
    Err(InstrumentRejection::of(term, &reason))
}

/// Names of the terms that differ.
fn differences(before: &Instrument, after: &Instrument) -> Vec<String> {
    macro_rules! differing {
        ($($term:ident),* $(,)?) => {
            [$((stringify!($term), before.$term != after.$term)),*]
        };
    }
    let terms = differing![
        name,
        contract_size,
        min_volume,
        max_volume,
        volume_step,
        max_leverage,
        leverage_tiers,
        margin_rate,
        margin_rate_sell,
        hedged_contract_size,
        max_exposure,
        spread_markup,
        slippage,
        slippage_per_lot,
        commission,
        swap_long,
        swap_short,
        swap_mode,
        swap_currency,
        swap_weights,
        trailing_step,
        session,
        holidays,
        groups,
        availability,
    ];
    let differing = terms.into_iter().filter(|(_, differs)| *differs);
    differing.map(|(name, _)| name.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instrument::seed;

    fn eurusd() -> Instrument {
        seed().into_iter().next().unwrap()
    }

    fn known() -> BTreeSet<Currency> {
        [Currency::EUR, Currency::USD].into()
    }

    fn refused(change: InstrumentChange) -> &'static str {
        match eurusd().changed(&change, &known()).unwrap_err() {
            InstrumentRejection::InvalidTerm { term, .. } => term,
            InstrumentRejection::UnknownSymbol(symbol) => panic!("{symbol} is listed"),
        }
    }

    #[test]
    fn what_is_not_named_stays_and_what_changes_is_named() {
        let change = InstrumentChange {
            spread_markup: Some(Decimal::from(7)),
            max_leverage: Some(500),
            trailing_step: Change::Set(Decimal::from(20)),
            ..InstrumentChange::default()
        };
        let (after, names) = eurusd().changed(&change, &known()).unwrap();
        // The leverage was that already.
        assert_eq!(names, ["spread_markup", "trailing_step"]);
        assert_eq!(after.spread_markup, Decimal::from(7));
        assert_eq!(after.contract_size, eurusd().contract_size);
        let (again, names) = after.changed(&change, &known()).unwrap();
        assert_eq!((again, names), (after, Vec::new()));
    }

    #[test]
    fn terms_that_make_no_sense_are_refused_by_name() {
        let some = |value: i64| Some(Decimal::from(value));
        let none = InstrumentChange::default;
        #[rustfmt::skip]
        let cases = [
            (InstrumentChange { contract_size: some(0), ..none() }, "contract_size"),
            (InstrumentChange { min_volume: some(101), ..none() }, "min_volume"),
            (InstrumentChange { min_volume: some(0), ..none() }, "min_volume"),
            (InstrumentChange { volume_step: Some(Decimal::new(3, 2)), ..none() }, "min_volume"),
            (InstrumentChange { margin_rate: some(-1), ..none() }, "margin_rate"),
            (InstrumentChange { max_leverage: Some(0), ..none() }, "max_leverage"),
            (InstrumentChange { spread_markup: some(-1), ..none() }, "spread_markup"),
            (InstrumentChange { swap_long: some(10_000_000_000), ..none() }, "swap_long"),
            (InstrumentChange { swap_currency: Change::Set(Currency::JPY), ..none() }, "swap_currency"),
        ];
        for (change, term) in cases {
            assert_eq!(refused(change), term);
        }
        let tier = |from_notional: i64| LeverageTier {
            from_notional: Decimal::from(from_notional),
            max_leverage: 100,
        };
        let tiers = Some(vec![tier(5), tier(5)]);
        let change = InstrumentChange {
            leverage_tiers: tiers,
            ..none()
        };
        assert_eq!(refused(change), "leverage_tiers");
    }

    #[test]
    fn every_seed_passes_its_own_check() {
        let listed = seed();
        let of_all = listed.iter().flat_map(|terms| [terms.base, terms.quote]);
        let known = of_all.collect();
        for terms in listed {
            assert_eq!(terms.check(&known), Ok(()), "{}", terms.symbol);
        }
    }

    #[test]
    fn a_change_is_written_as_what_it_changes() {
        let change: InstrumentChange =
            serde_json::from_str(r#"{"swap_long":"-3.5","max_exposure":{"set":"50"}}"#).unwrap();
        assert_eq!(change.max_exposure, Change::Set(Decimal::from(50)));
        assert_eq!(
            serde_json::to_string(&change).unwrap(),
            r#"{"max_exposure":{"set":"50"},"swap_long":"-3.5"}"#
        );
        assert!(serde_json::from_str::<InstrumentChange>(r#"{"digits":3}"#).is_err());
    }
}
