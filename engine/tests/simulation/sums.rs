//! The account's arithmetic once more, written from the rule book alone and not from the engine's
//! code, so that the two can disagree.

use std::collections::BTreeMap;

use daybook_domain::{
    Account, Currency, Decimal, Instrument, Market, Quote, Rules, Symbol,
    account::{AccountKind, Position},
    quote::Side,
    rules::ConversionRule,
};
use rust_decimal::RoundingStrategy;

/// Half away from zero, to the currency's minor unit.
pub fn money(currency: Currency, amount: Decimal) -> Decimal {
    let digits = match currency.as_str() {
        "JPY" => 0,
        _ => 2,
    };
    amount.round_dp_with_strategy(digits, RoundingStrategy::MidpointAwayFromZero)
}

/// A fraction: what one unit of `from` is worth in `to`, for whoever gives `from` away (`sells`) or
/// has to buy it.
fn fraction(market: &Market, from: &str, to: &str, sells: bool) -> Option<(Decimal, Decimal)> {
    let quote =
        |base: &str, term: &str| market.quote(Symbol::parse(&format!("{base}{term}")).ok()?);
    if let Some(quote) = quote(from, to) {
        let price = if sells { quote.bid } else { quote.ask };
        return Some((price, Decimal::ONE));
    }
    let quote = quote(to, from)?;
    Some((Decimal::ONE, if sells { quote.ask } else { quote.bid }))
}

/// An amount in another currency, unrounded.
pub fn converted(
    market: &Market,
    amount: Decimal,
    from: Currency,
    to: Currency,
    sells: bool,
) -> Option<Decimal> {
    if from == to {
        return Some(amount);
    }
    let (from, to) = (from.as_str(), to.as_str());
    let (over, under) = match fraction(market, from, to, sells) {
        Some(direct) => direct,
        None => {
            let (over, under) = fraction(market, from, "USD", sells)?;
            let (more, less) = fraction(market, "USD", to, sells)?;
            (over * more, under * less)
        }
    };
    Some(amount * over / under)
}

/// Whether the amount is converted as if its currency were sold.
pub fn sells(amount: Decimal, deal: Side, rules: &Rules) -> bool {
    match rules.conversion {
        ConversionRule::Worse => amount >= Decimal::ZERO,
        ConversionRule::ByDeal => deal == Side::Sell,
    }
}

/// The price at which the house deals: the quote and its part of the mark-up.
pub fn dealing(quote: &Quote, terms: &Instrument, side: Side) -> Decimal {
    let point = Decimal::new(1, terms.digits);
    let on_bid = (terms.spread_markup / Decimal::TWO).floor();
    match side {
        Side::Buy => quote.ask + (terms.spread_markup - on_bid) * point,
        Side::Sell => quote.bid - on_bid * point,
    }
}

/// The price of a deal at the market.
pub fn at_market(quote: &Quote, terms: &Instrument, side: Side, volume: Decimal) -> Decimal {
    let points = (terms.slippage + terms.slippage_per_lot * volume)
        .round_dp_with_strategy(0, RoundingStrategy::MidpointAwayFromZero);
    let slippage = points * Decimal::new(1, terms.digits);
    let price = match side {
        Side::Buy => dealing(quote, terms, side) + slippage,
        Side::Sell => dealing(quote, terms, side) - slippage,
    };
    price.round_dp_with_strategy(terms.digits, RoundingStrategy::MidpointAwayFromZero)
}

/// Price profit of some lots of a position, in quote currency.
pub fn price_profit(position: &Position, volume: Decimal, price: Decimal) -> Decimal {
    let paid = match position.cost {
        Some(cost) => cost * volume / position.volume,
        None => position.open_price * volume,
    };
    let sign = match position.side {
        Side::Buy => Decimal::ONE,
        Side::Sell => -Decimal::ONE,
    };
    sign * (price * volume - paid) * position.contract_size
}

/// What a close at a price is worth in the account's currency, rounded.
pub fn realised(
    position: &Position,
    volume: Decimal,
    price: Decimal,
    currency: Currency,
    (market, rules): (&Market, &Rules),
) -> Option<Decimal> {
    let profit = price_profit(position, volume, price);
    let quote = market.instrument(position.symbol)?.quote;
    let sells = sells(profit, opposite(position.side), rules);
    let amount = converted(market, profit, quote, currency, sells)?;
    Some(money(currency, amount))
}

/// Tradable balance and unrealised profit.
pub fn equity(account: &Account, market: &Market, rules: &Rules) -> Option<Decimal> {
    let terms = account.terms.as_ref()?;
    let tradable = match terms.kind {
        AccountKind::Live => account.funds.real + account.funds.bonus,
        AccountKind::Demo => account.funds.demo,
    };
    let mut equity = tradable;
    for position in &account.positions {
        let dealt = market.terms(position.symbol, account.group())?;
        let quote = market.quote(position.symbol)?;
        let closing = opposite(position.side);
        let price = at_market(quote, dealt, closing, position.volume);
        let outside = (market, rules);
        equity += realised(position, position.volume, price, terms.currency, outside)?;
        equity += money(terms.currency, position.swap);
    }
    Some(equity)
}

#[derive(Default)]
struct Leg {
    volume: Decimal,
    /// Each position's margin, unrounded and rounded.
    margin: Decimal,
    rounded: Decimal,
    hedged: Decimal,
    rate: Decimal,
    leverage: Option<u32>,
}

/// Margin in use: MetaTrader 5's basic rule for hedged volume, symbol by symbol.
pub fn used_margin(account: &Account) -> Decimal {
    let Some(terms) = &account.terms else {
        return Decimal::ZERO;
    };
    let most = account.controls().limits.max_leverage.unwrap_or(u32::MAX);
    let mut symbols: BTreeMap<Symbol, [Leg; 2]> = BTreeMap::new();
    for position in &account.positions {
        let legs = symbols.entry(position.symbol).or_default();
        let leg = &mut legs[usize::from(position.side == Side::Sell)];
        let basis = &position.margin;
        let leverage = terms.leverage.min(most).min(basis.max_leverage);
        let margin =
            position.volume * basis.notional_per_lot * basis.margin_rate / Decimal::from(leverage);
        leg.volume += position.volume;
        leg.margin += margin;
        leg.rounded += money(terms.currency, margin);
        leg.hedged += position.volume * basis.notional_per_lot / position.contract_size
            * basis.hedged_contract_size;
        leg.rate += position.volume * basis.margin_rate;
        leg.leverage = Some(leg.leverage.map_or(leverage, |least| least.min(leverage)));
    }
    let of_symbol = |[long, short]: &[Leg; 2]| {
        let (larger, smaller) = if long.volume >= short.volume {
            (long, short)
        } else {
            (short, long)
        };
        if smaller.volume.is_zero() {
            return larger.rounded;
        }
        let uncovered = (larger.volume - smaller.volume) * larger.margin / larger.volume;
        let price = (long.hedged + short.hedged) / (long.volume + short.volume);
        let rate = (long.rate / long.volume + short.rate / short.volume) / Decimal::TWO;
        let leverage = long.leverage.min(short.leverage).unwrap_or(1);
        let covered = smaller.volume * price * rate / Decimal::from(leverage);
        money(terms.currency, uncovered) + money(terms.currency, covered)
    };
    symbols.values().map(of_symbol).sum()
}

pub const fn opposite(side: Side) -> Side {
    match side {
        Side::Buy => Side::Sell,
        Side::Sell => Side::Buy,
    }
}
