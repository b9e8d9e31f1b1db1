//! From a file's terms and settings to the domain's, with the defaults of the contract.

use std::{collections::BTreeMap, sync::Arc};

use daybook_domain::{
    Currency, Decimal, Instrument, Rules, Symbol,
    instrument::{
        AssetClass, Commission, CommissionBasis, GroupTerms, LeverageTier, SwapWeights, seed,
    },
    session::SessionPlan,
};

use super::{
    ScenarioError,
    file::{File, GroupIn, InstrumentIn, Settings, Switch},
    number::{Field, Number},
};

/// Instruments of the file, then the seeded ones that it does not name.
pub(super) fn instruments(file: &File) -> Result<Vec<Arc<Instrument>>, ScenarioError> {
    let named = file.instruments.iter();
    let named = named.map(|(symbol, terms)| instrument(*symbol, terms).map(Arc::new));
    let mut instruments = named.collect::<Result<Vec<_>, _>>()?;
    let others = seed()
        .into_iter()
        .filter(|terms| !file.instruments.contains_key(&terms.symbol));
    instruments.extend(others.map(Arc::new));
    Ok(instruments)
}

fn instrument(symbol: Symbol, terms: &InstrumentIn) -> Result<Instrument, ScenarioError> {
    let text = symbol.as_str();
    let base = terms.base.or_else(|| Currency::parse(text.get(..3)?).ok());
    let quote = terms.quote.or_else(|| Currency::parse(text.get(3..)?).ok());
    let (Some(base), Some(quote)) = (base, quote) else {
        let what = format!("instruments.{symbol}: base and quote are needed");
        return Err(ScenarioError::Invalid(what));
    };
    let hundredth = Decimal::new(1, 2);
    Ok(Instrument {
        symbol,
        name: terms.name.clone().unwrap_or_else(|| text.to_owned()),
        class: terms.class,
        base,
        quote,
        digits: terms.digits.unwrap_or(5),
        contract_size: or(
            terms.contract_size,
            Decimal::ONE_HUNDRED * Decimal::ONE_THOUSAND,
        ),
        min_volume: or(terms.min_volume, hundredth),
        max_volume: or(terms.max_volume, Decimal::ONE_HUNDRED),
        volume_step: or(terms.volume_step, hundredth),
        // Nothing said: the account's leverage decides alone.
        max_leverage: terms.max_leverage.unwrap_or(u32::MAX),
        leverage_tiers: terms
            .leverage_tiers
            .iter()
            .map(|tier| LeverageTier {
                from_notional: tier.from_notional.0,
                max_leverage: tier.max_leverage,
            })
            .collect(),
        margin_rate_sell: number(terms.margin_rate_sell),
        max_exposure: number(terms.max_exposure),
        slippage_per_lot: or(terms.slippage_per_lot, Decimal::ZERO),
        swap_mode: terms.swap_mode,
        swap_currency: terms.swap_currency,
        swap_weights: terms.swap_weights.map(SwapWeights),
        trailing_step: number(terms.trailing_step),
        holidays: terms.holidays.clone(),
        groups: groups(symbol, terms)?,
        margin_rate: or(terms.margin_rate, Decimal::ONE),
        hedged_contract_size: or(terms.hedged_contract_size, Decimal::ZERO),
        spread_markup: or(terms.spread_markup, Decimal::ZERO),
        slippage: or(terms.slippage, Decimal::ZERO),
        commission: commission(symbol, terms.commission_rate)?,
        swap_long: or(terms.swap_long, Decimal::ZERO),
        swap_short: or(terms.swap_short, Decimal::ZERO),
        session: terms.session.unwrap_or(usual_session(terms.class)),
        availability: terms.availability,
    })
}

const fn usual_session(class: AssetClass) -> SessionPlan {
    match class {
        AssetClass::Fx => SessionPlan::Fx,
        AssetClass::Metal | AssetClass::Energy => SessionPlan::DailyBreak,
        AssetClass::Index => SessionPlan::IndexUs,
        AssetClass::Crypto => SessionPlan::Always,
    }
}

fn groups(
    symbol: Symbol,
    terms: &InstrumentIn,
) -> Result<BTreeMap<Box<str>, GroupTerms>, ScenarioError> {
    let own = |name: &str, terms: &GroupIn| {
        let commission = terms.commission_rate;
        let commission = commission.map(|rate| self::commission(symbol, Some(rate)));
        let terms = GroupTerms {
            spread_markup: number(terms.spread_markup),
            slippage: number(terms.slippage),
            commission: commission.transpose()?,
            swap_long: number(terms.swap_long),
            swap_short: number(terms.swap_short),
            max_leverage: terms.max_leverage,
        };
        Ok((name.into(), terms))
    };
    let groups = terms.groups.iter();
    groups.map(|(name, terms)| own(name, terms)).collect()
}

fn or(number: Option<Number>, default: Decimal) -> Decimal {
    number.map_or(default, |number| number.0)
}

fn is_on(switch: Option<Switch>, default: bool) -> bool {
    switch.map_or(default, |switch| switch.0)
}

fn number(number: Option<Number>) -> Option<Decimal> {
    number.map(|number| number.0)
}

/// `commissionRate` is a fraction of notional per side.
fn commission(symbol: Symbol, rate: Option<Number>) -> Result<Commission, ScenarioError> {
    let Some(Number(rate)) = rate else {
        return Ok(Commission::default());
    };
    let per_mille = rate.checked_mul(Decimal::ONE_THOUSAND);
    let rate = per_mille
        .filter(|rate| !rate.is_sign_negative())
        .ok_or_else(|| {
            ScenarioError::Invalid(format!("instruments.{symbol}.commissionRate: {rate}"))
        })?;
    Ok(Commission {
        basis: CommissionBasis::PerMille,
        rate,
        ..Commission::default()
    })
}

/// The house rules that the settings ask for.
pub(super) fn rules(settings: &Settings) -> Rules {
    let defaults = Rules::default();
    Rules {
        limit_fill: settings.limit_fill,
        sessions: settings.sessions,
        conversion: settings.conversion,
        max_quote_age_ms: match settings.max_quote_age_ms {
            Field::Absent => defaults.max_quote_age_ms,
            Field::Null => None,
            Field::Value(age) => Some(age),
        },
        orders_max: settings.orders_max.unwrap_or(defaults.orders_max),
        positions_max: settings.positions_max.unwrap_or(defaults.positions_max),
        funding_max: defaults.funding_max,
        trading_state: settings.trading_state,
        orders_per_minute: settings.orders_per_minute,
        margin_call_level: match settings.margin_call_level {
            Field::Absent => defaults.margin_call_level,
            Field::Null => None,
            Field::Value(level) => Some(level.0),
        },
        margin_call_clear_level: or(
            settings.margin_call_clear_level,
            defaults.margin_call_clear_level,
        ),
        stop_out: settings.stop_out,
        stop_out_level: or(settings.stop_out_level, defaults.stop_out_level),
        hedged_stop_out_at: or(settings.hedged_stop_out_at, defaults.hedged_stop_out_at),
        negative_balance_protection: is_on(
            settings.negative_balance_protection,
            defaults.negative_balance_protection,
        ),
        swap: is_on(settings.swap, defaults.swap),
        daily_loss_limit: number(settings.daily_loss_limit),
        daily_loss_closes_all: is_on(
            settings.daily_loss_closes_all,
            defaults.daily_loss_closes_all,
        ),
        confirm_triggers: is_on(settings.confirm_triggers, defaults.confirm_triggers),
        rule_version: defaults.rule_version,
    }
}
