//! What a tick costs a desk full of accounts: levels that it does not touch, many that it touches
//! at once, and the way from a quote to the fill that it brings.

use std::{
    hint::black_box,
    sync::Arc,
    time::{Duration, Instant},
};

use chrono::Utc;
use daybook_domain::{
    Account, AccountCommand, AccountEvent, AccountId, ClientId, Currency, DealId, Decimal,
    Instrument, Market, OrderId, PositionId, Quote, Rules, Symbol,
    account::{AccountKind, Bucket, OrderType, PositionMode, Ticket, TimeInForce},
    instrument::seed,
    quote::{QuoteSource, Side},
    rules::SessionRule,
};
use daybook_engine::desk::{Act, Desk, Ledger};
use uuid::Uuid;

use super::report::Report;

const HOLDERS: usize = 100_000;
const TICKS: usize = 20_000;
const TRIGGERED_AT_ONCE: usize = 10_000;
const SYMBOLS: usize = 100;
const QUOTES_PER_S: u32 = 5_000;
const SECONDS: u32 = 10;
const ORDERS_PER_SYMBOL: usize = 400;
/// Opening bid of every symbol, in points.
const BID: i64 = 108_720;

/// Measures ticks on a desk of its own.
///
/// # Errors
/// When something that should be accepted is refused.
pub fn run(report: &mut Report) -> anyhow::Result<()> {
    let median = tick_on_holders(HOLDERS, TICKS)?;
    let name = format!("a tick on a symbol that {HOLDERS} accounts hold, none near a call");
    report.at_most(&name, median, 20.0, "µs, median");
    let each = triggers_at_once(TRIGGERED_AT_ONCE)?;
    let name = format!("{TRIGGERED_AT_ONCE} stop losses that one gap touches, decided");
    let all_ms = each * TRIGGERED_AT_ONCE as f64 / 1_000.0;
    report.at_most(&name, all_ms, 50.0, "ms");
    let (p50, p99, fills) = tick_to_fill(SECONDS)?;
    let name = format!(
        "from a quote to the {fills} fills it brings, {QUOTES_PER_S} quotes/s, {SYMBOLS} symbols"
    );
    report.figure(&format!("{name}, median"), p50, "µs");
    report.at_most(&format!("{name}, p99"), p99, 200.0, "µs");
    Ok(())
}

/// Counts what the desk decides by itself, and when.
#[derive(Default)]
struct Counting {
    acts: usize,
    /// When the quote of the current tick was due, and how long its fills took from then.
    due: Option<Instant>,
    fills: Vec<Duration>,
}

impl Ledger for Counting {
    fn next_id(&mut self) -> Uuid {
        Uuid::now_v7()
    }

    fn record(&mut self, act: Act<'_>) {
        self.acts += 1;
        let is_fill = |event: &AccountEvent| matches!(event, AccountEvent::OrderFilled { .. });
        if let Some(due) = self.due
            && act.decision.events.iter().any(is_fill)
        {
            self.fills.push(due.elapsed());
        }
    }

    fn quarantined(&mut self, account_id: AccountId, command: &AccountCommand) {
        unreachable!("{} on {account_id} panicked", command.name());
    }
}

struct Floor {
    desk: Desk,
    ledger: Counting,
}

impl Floor {
    fn new(instruments: impl IntoIterator<Item = Instrument>) -> Self {
        let rules = Rules {
            sessions: SessionRule::Always,
            max_quote_age_ms: None,
            ..Rules::default()
        };
        let market = Market::new(instruments.into_iter().map(Arc::new));
        Self {
            desk: Desk::new(market, rules),
            ledger: Counting::default(),
        }
    }

    /// An account of 10,000 USD at 1:100.
    fn open(&mut self) -> anyhow::Result<AccountId> {
        let id = AccountId(Uuid::now_v7());
        self.desk.seat(id, Account::default());
        self.execute(
            id,
            &AccountCommand::Open {
                client_id: ClientId(id.0),
                number: 100_001,
                kind: AccountKind::Live,
                mode: PositionMode::Hedging,
                currency: Currency::USD,
                leverage: 100,
            },
        )?;
        let fund = AccountCommand::AdjustFunds {
            bucket: Bucket::Real,
            amount: Decimal::from(10_000),
            notes: None,
            by: "bench".to_owned(),
        };
        self.execute(id, &fund)?;
        Ok(id)
    }

    fn execute(&mut self, id: AccountId, command: &AccountCommand) -> anyhow::Result<()> {
        let at = Utc::now();
        let decision = self.desk.execute(id, command, at).unwrap_or_default();
        anyhow::ensure!(decision.refusal.is_none(), "{:?}", decision.refusal);
        self.desk.settle(at, &mut self.ledger);
        self.desk.evaluate(at, &mut self.ledger);
        Ok(())
    }

    fn place(&mut self, id: AccountId, ticket: Ticket) -> anyhow::Result<()> {
        let place = AccountCommand::PlaceOrder {
            order_id: OrderId(Uuid::now_v7()),
            deal_id: DealId(Uuid::now_v7()),
            position_id: PositionId(Uuid::now_v7()),
            ticket: Box::new(ticket),
        };
        self.execute(id, &place)
    }

    fn tick(&mut self, symbol: Symbol, bid: i64) {
        let quote = Quote {
            symbol,
            bid: Decimal::new(bid, 5),
            ask: Decimal::new(bid + 5, 5),
            at: Utc::now(),
            source: QuoteSource::Simulator,
        };
        self.desk.quote(quote, quote.at, &mut self.ledger);
        self.desk.evaluate(quote.at, &mut self.ledger);
    }
}

fn tick_on_holders(holders: usize, ticks: usize) -> anyhow::Result<f64> {
    let symbol = Symbol::parse("EURUSD")?;
    let mut floor = Floor::new(seed());
    floor.tick(symbol, BID);
    for number in 0..holders {
        let id = floor.open()?;
        let side = if number % 2 == 0 {
            Side::Buy
        } else {
            Side::Sell
        };
        floor.place(id, market_order(symbol, side, None))?;
    }
    let levels = floor.desk.margin_levels();
    anyhow::ensure!(levels >= holders, "everybody's margin is to be watched");
    let mut walk = Walk::new(BID, 30);
    let mut times = Vec::with_capacity(ticks);
    for _ in 0..ticks {
        let bid = walk.step();
        let start = Instant::now();
        floor.tick(symbol, black_box(bid));
        times.push(start.elapsed());
    }
    anyhow::ensure!(floor.ledger.acts == 0, "nobody was to be near a call");
    Ok(percentile_us(&mut times, 50))
}

fn triggers_at_once(count: usize) -> anyhow::Result<f64> {
    let symbol = Symbol::parse("EURUSD")?;
    let mut floor = Floor::new(seed());
    floor.tick(symbol, BID);
    for number in 0..count {
        let id = floor.open()?;
        let level = BID - 100 - i64::try_from(number % 500)?;
        let stop_loss = Some(Decimal::new(level, 5));
        floor.place(id, market_order(symbol, Side::Buy, stop_loss))?;
    }
    let start = Instant::now();
    floor.tick(symbol, BID - 1_000);
    let elapsed = start.elapsed();
    anyhow::ensure!(floor.ledger.acts == count, "every stop loss was touched");
    Ok(elapsed.as_secs_f64() * 1e6 / count as f64)
}

/// Limit orders along the way of random walks. The time counts from when a quote was due: a desk
/// that falls behind is not forgiven.
fn tick_to_fill(seconds: u32) -> anyhow::Result<(f64, f64, usize)> {
    let symbols = (0..SYMBOLS).map(|number| Symbol::parse(&format!("PAIR{number:03}")));
    let symbols: Vec<Symbol> = symbols.collect::<Result<_, _>>()?;
    let mut terms = seed().swap_remove(0);
    let instruments = symbols.iter().map(|symbol| {
        terms.symbol = *symbol;
        terms.clone()
    });
    let mut floor = Floor::new(instruments.collect::<Vec<_>>());
    for symbol in &symbols {
        floor.tick(*symbol, BID);
        for number in 0..ORDERS_PER_SYMBOL {
            // Each account has few positions in the end, as most accounts have.
            let id = floor.open()?;
            let below = BID - 3 - i64::try_from(number / 2)?;
            floor.place(id, limit_order(*symbol, below))?;
        }
    }
    let mut walks: Vec<Walk> = symbols.iter().map(|_| Walk::new(BID, 300)).collect();
    let pause = Duration::from_secs(1) / QUOTES_PER_S;
    let start = Instant::now();
    for number in 0..QUOTES_PER_S * seconds {
        let due = start + pause * number;
        while Instant::now() < due {
            std::hint::spin_loop();
        }
        let index = usize::try_from(number)? % SYMBOLS;
        floor.ledger.due = Some(due);
        floor.tick(symbols[index], walks[index].step());
    }
    let mut fills = std::mem::take(&mut floor.ledger.fills);
    anyhow::ensure!(!fills.is_empty(), "no order was reached");
    let count = fills.len();
    let p50 = percentile_us(&mut fills, 50);
    Ok((p50, percentile_us(&mut fills, 99), count))
}

/// A walk by a few points at a time that stays within a band: the same in every run.
struct Walk {
    middle: i64,
    band: i64,
    at: i64,
    state: u64,
}

impl Walk {
    const fn new(middle: i64, band: i64) -> Self {
        Self {
            middle,
            band,
            at: middle,
            state: 0x9E37_79B9_7F4A_7C15,
        }
    }

    fn step(&mut self) -> i64 {
        // xorshift64
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        let by = i64::try_from(self.state % 7).unwrap_or(3) - 3;
        let (least, most) = (self.middle - self.band, self.middle + self.band);
        self.at = (self.at + by).clamp(least, most);
        self.at
    }
}

fn market_order(symbol: Symbol, side: Side, stop_loss: Option<Decimal>) -> Ticket {
    Ticket {
        symbol,
        side,
        order_type: OrderType::Market,
        volume: Decimal::new(10, 2),
        limit_price: None,
        stop_price: None,
        stop_loss,
        take_profit: None,
        trailing_distance: None,
        time_in_force: TimeInForce::Gtc,
        expires_at: None,
        oco_group: None,
        client_order_id: None,
    }
}

fn limit_order(symbol: Symbol, level: i64) -> Ticket {
    Ticket {
        order_type: OrderType::Limit,
        limit_price: Some(Decimal::new(level, 5)),
        ..market_order(symbol, Side::Buy, None)
    }
}

fn percentile_us(times: &mut [Duration], percent: usize) -> f64 {
    times.sort_unstable();
    let index = (times.len() * percent / 100).min(times.len().saturating_sub(1));
    times
        .get(index)
        .map_or(0.0, |time| time.as_secs_f64() * 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_measured_on_accounts_that_hold_and_trigger() {
        assert!(tick_on_holders(50, 100).unwrap() > 0.0);
        assert!(triggers_at_once(50).unwrap() > 0.0);
    }
}
