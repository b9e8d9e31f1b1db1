//! Trading histories as the decider decides them, without a running engine.

use std::sync::Arc;

use chrono::Utc;
use daybook_domain::{
    Account, AccountCommand, ClientId, Currency, DealId, Decimal, Market, Quote, Rules, Symbol,
    account::{AccountKind, Bucket, Context, Decision, OrderType, PositionMode},
    instrument,
    quote::QuoteSource,
    rules::SessionRule,
};
use daybook_store::NewEvent;
use uuid::Uuid;

use super::ours;

/// Events that [`history`] makes.
pub const EVENTS_OF_AN_ACCOUNT: usize = 100;

/// An account that opens, is funded, and then buys and closes.
///
/// # Errors
/// When a command is refused: the benchmark would measure refusals.
pub fn history(number: usize) -> anyhow::Result<Vec<NewEvent>> {
    let mut desk = Desk::try_new(number)?;
    let mut events = Vec::new();
    while events.len() < EVENTS_OF_AN_ACCOUNT {
        for decision in desk.advance()? {
            for event in &decision.events {
                events.push(ours::new_event(event)?);
            }
        }
    }
    Ok(events)
}

/// One account, a market and the house's rules.
pub struct Desk {
    /// The account.
    pub account: Account,
    /// EURUSD quoted, everything listed.
    pub market: Market,
    /// Always open, quotes of any age.
    pub rules: Rules,
    number: usize,
}

impl Desk {
    /// An account that is not open yet.
    ///
    /// # Errors
    /// Never, but for a seed without EURUSD.
    pub fn try_new(number: usize) -> anyhow::Result<Self> {
        let mut market = Market::new(instrument::seed().into_iter().map(Arc::new));
        market.set_quote(Quote {
            symbol: Symbol::parse("EURUSD")?,
            bid: Decimal::new(108_720, 5),
            ask: Decimal::new(108_725, 5),
            at: Utc::now(),
            source: QuoteSource::Simulator,
        });
        let rules = Rules {
            sessions: SessionRule::Always,
            max_quote_age_ms: None,
            ..Rules::default()
        };
        Ok(Self {
            account: Account::default(),
            market,
            rules,
            number,
        })
    }

    /// Decides and applies what comes next in this account's life.
    ///
    /// # Errors
    /// When it is refused.
    pub fn advance(&mut self) -> anyhow::Result<Vec<Decision>> {
        let mut decisions = Vec::new();
        for command in self.next_commands()? {
            let context = Context {
                at: Utc::now(),
                market: &self.market,
                rules: &self.rules,
            };
            let decision = self.account.decide(&command, &context);
            anyhow::ensure!(
                decision.refusal.is_none(),
                "refused: {:?}",
                decision.refusal
            );
            for event in &decision.events {
                self.account.evolve(event);
            }
            decisions.push(decision);
        }
        Ok(decisions)
    }

    /// A market order of 0.01 lots EURUSD.
    #[must_use]
    pub fn buy(&self) -> AccountCommand {
        ours::place(OrderType::Market, None)
    }

    fn next_commands(&self) -> anyhow::Result<Vec<AccountCommand>> {
        if self.account.terms.is_none() {
            return Ok(vec![self.open()?, fund()]);
        }
        let Some(position) = self.account.positions.first() else {
            return Ok(vec![self.buy()]);
        };
        Ok(vec![AccountCommand::ClosePosition {
            position_id: position.position_id,
            deal_id: DealId(Uuid::now_v7()),
            volume: None,
        }])
    }

    fn open(&self) -> anyhow::Result<AccountCommand> {
        Ok(AccountCommand::Open {
            client_id: ClientId(Uuid::now_v7()),
            number: 100_001 + u64::try_from(self.number)?,
            kind: AccountKind::Demo,
            mode: PositionMode::Hedging,
            currency: Currency::USD,
            leverage: 100,
        })
    }
}

fn fund() -> AccountCommand {
    AccountCommand::AdjustFunds {
        bucket: Bucket::Demo,
        amount: Decimal::new(1_000_000, 2),
        notes: None,
        by: "bench".to_owned(),
    }
}
