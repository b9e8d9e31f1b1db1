//! Plays a history: quotes come in, triggers fire, commands are decided and their events applied.

use std::sync::Arc;

use chrono::Duration;
use uuid::Uuid;

use super::history::{History, Opening, SYMBOLS, Step};
use crate::{
    Account, AccountCommand, AccountEvent, ClientId, Currency, Decimal, Market, Quote, Rules,
    Symbol, Timestamp,
    account::{AccountKind, Bucket, Context, Decision},
    instrument::{self, Commission, CommissionBasis, GroupTerms},
    quote::QuoteSource,
    triggers::{Trigger, order_trigger, protection_triggers},
};

/// The one group of clients with terms of their own.
pub(super) const GROUP: &str = "gold";

/// One decision, with all that was known.
#[derive(Clone, Copy, Debug)]
pub struct Moment<'a> {
    /// The state it was made on.
    pub before: &'a Account,
    /// What was asked.
    pub command: &'a AccountCommand,
    /// What was decided.
    pub decision: &'a Decision,
    /// The state with its events applied.
    pub after: &'a Account,
    /// Terms and quotes.
    pub market: &'a Market,
    /// The rules in force.
    pub rules: &'a Rules,
    /// When.
    pub at: Timestamp,
}

/// How a history went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Every event, in order.
    pub events: Vec<AccountEvent>,
    /// Commands of the client that were decided.
    pub asked: usize,
    /// Those of them that left facts and no refusal.
    pub accepted: usize,
}

impl Tally {
    /// Whether at least 30 % of what was asked was accepted. Fewer prove nothing.
    #[must_use]
    pub const fn is_meaningful(&self) -> bool {
        self.accepted * 10 >= self.asked * 3
    }
}

/// An account, its market and its clock.
#[derive(Clone, Debug)]
pub struct World {
    /// The account.
    pub account: Account,
    /// Terms and quotes.
    pub market: Market,
    /// Rules.
    pub rules: Rules,
    /// Now.
    pub at: Timestamp,
    middles: Vec<Decimal>,
    pub(super) next_id: u128,
}

/// Plays a history to its end and shows every decision.
pub fn play(history: &History, mut observe: impl FnMut(&Moment<'_>)) -> Tally {
    let mut world = World::new(&history.opening);
    let mut tally = Tally::default();
    for command in world.opening_commands(&history.opening) {
        world.decide(&command, &mut tally, &mut observe);
    }
    for step in &history.steps {
        if world.advance(step) {
            world.settle(&mut tally, &mut observe);
        }
        if let Step::Ask(ask) = step
            && let Some(command) = world.command(ask)
        {
            tally.asked += 1;
            let accepted = world.decide(&command, &mut tally, &mut observe);
            tally.accepted += usize::from(accepted);
            world.settle(&mut tally, &mut observe);
        }
    }
    tally
}

impl World {
    /// A world in which nothing has happened: a Tuesday at noon, with a quote of each symbol.
    #[must_use]
    pub fn new(opening: &Opening) -> Self {
        let start = Timestamp::from_timestamp(1_784_030_400, 0).expect("invariant: a date in 2026");
        let instruments = instrument::seed().into_iter().map(|mut terms| {
            terms.spread_markup = Decimal::from(opening.markup_points);
            terms.slippage = Decimal::from(opening.slippage_points);
            terms.commission = Commission {
                basis: CommissionBasis::PerLot,
                rate: Decimal::new(opening.commission_cents, 2),
                minimum: Decimal::ZERO,
                currency: Some(Currency::USD),
            };
            let own = GroupTerms {
                spread_markup: Some(Decimal::from(opening.markup_points + 2)),
                slippage: Some(Decimal::ONE),
                max_leverage: Some(200),
                ..GroupTerms::default()
            };
            terms.groups.insert(GROUP.into(), own);
            Arc::new(terms)
        });
        let middles = [
            (108_500, 5),
            (155_200, 3),
            (84_500, 5),
            (235_000, 2),
            (128_400, 5),
        ];
        let mut world = Self {
            account: Account::default(),
            market: Market::new(instruments),
            rules: Rules {
                limit_fill: opening.limit_fill,
                conversion: opening.conversion,
                ..Rules::default()
            },
            at: start,
            middles: middles
                .iter()
                .map(|&(mantissa, scale)| Decimal::new(mantissa, scale))
                .collect(),
            next_id: 1,
        };
        world.take_in_quotes(8);
        world
    }

    /// The symbols of this world.
    #[must_use]
    pub fn symbols() -> Vec<Symbol> {
        let parse = |text| Symbol::parse(text).expect("invariant: a symbol of this module");
        SYMBOLS.into_iter().map(parse).collect()
    }

    /// The commands that open and fund the account.
    #[must_use]
    pub fn opening_commands(&mut self, opening: &Opening) -> Vec<AccountCommand> {
        let funded = |bucket, units| AccountCommand::AdjustFunds {
            bucket,
            amount: Decimal::from(units),
            notes: None,
            by: "history".to_owned(),
        };
        let open = AccountCommand::Open {
            client_id: ClientId(self.id()),
            number: 100_001,
            kind: opening.kind,
            mode: opening.mode,
            currency: opening.currency,
            leverage: opening.leverage,
        };
        let mut commands = vec![open, funded(traded_bucket(opening.kind), opening.funds)];
        if opening.bonus > 0 {
            commands.push(funded(Bucket::Bonus, opening.bonus));
        }
        commands
    }

    /// Lets time pass and takes in the quotes of a step. Says whether triggers are to be looked at.
    pub fn advance(&mut self, step: &Step) -> bool {
        match step {
            Step::Tick {
                after_ms,
                moves,
                spread,
            } => {
                self.at += Duration::milliseconds(*after_ms);
                let points = self.points();
                for ((middle, by), point) in self.middles.iter_mut().zip(moves).zip(points) {
                    let moved = *middle + Decimal::from(*by) * point;
                    *middle = moved.max(Decimal::ONE_HUNDRED * point);
                }
                self.take_in_quotes(*spread);
                true
            }
            Step::Pause { minutes } => {
                self.at += Duration::minutes(*minutes);
                true
            }
            Step::Ask(_) => false,
        }
    }

    /// The quotes in force, one per symbol.
    pub fn quotes(&self) -> impl Iterator<Item = Quote> {
        Self::symbols()
            .into_iter()
            .filter_map(|symbol| self.market.quote(symbol).copied())
    }

    /// What the clock and the trigger book would ask next, if anything.
    #[must_use]
    pub fn due(&mut self) -> Vec<AccountCommand> {
        let mut due = Vec::new();
        let (market, at, group) = (&self.market, self.at, self.account.group());
        for order in &self.account.orders {
            let order_id = order.order_id;
            if order.is_due(at) {
                due.push(AccountCommand::ExpireOrder { order_id });
                continue;
            }
            let symbol = order.ticket.symbol;
            let nominated = market
                .terms(symbol, group)
                .zip(market.quote(symbol))
                .and_then(|(terms, quote)| Some(order_trigger(order, terms)?.touched_by(quote)));
            if nominated == Some(true) {
                due.push(AccountCommand::TriggerOrder {
                    order_id,
                    deal_id: take_id(&mut self.next_id).into(),
                    position_id: take_id(&mut self.next_id).into(),
                });
            }
        }
        for position in &self.account.positions {
            let terms = market.terms(position.symbol, group);
            let Some((terms, quote)) = terms.zip(market.quote(position.symbol)) else {
                continue;
            };
            let triggers = protection_triggers(position, terms);
            let position_id = position.position_id;
            let touched =
                |trigger: Option<Trigger>| trigger.is_some_and(|trigger| trigger.touched_by(quote));
            if touched(triggers.stop_loss) || touched(triggers.take_profit) {
                due.push(AccountCommand::TriggerProtection {
                    position_id,
                    deal_id: take_id(&mut self.next_id).into(),
                });
            } else if touched(triggers.trailing) {
                due.push(AccountCommand::TrailStop { position_id });
            }
        }
        due
    }

    /// Triggers until none remains. Each leaves a fact that ends or moves it, or is not repeated.
    fn settle(&mut self, tally: &mut Tally, observe: &mut impl FnMut(&Moment<'_>)) {
        loop {
            let due = self.due();
            let mut moved = false;
            for command in due {
                moved |= self.decide(&command, tally, observe);
            }
            if !moved {
                return;
            }
        }
    }

    /// Decides, applies, shows. Says whether it was accepted and changed something.
    fn decide(
        &mut self,
        command: &AccountCommand,
        tally: &mut Tally,
        observe: &mut impl FnMut(&Moment<'_>),
    ) -> bool {
        let context = Context {
            at: self.at,
            market: &self.market,
            rules: &self.rules,
        };
        let before = self.account.clone();
        let decision = before.decide(command, &context);
        for event in &decision.events {
            self.account.evolve(event);
        }
        observe(&Moment {
            before: &before,
            command,
            decision: &decision,
            after: &self.account,
            market: &self.market,
            rules: &self.rules,
            at: self.at,
        });
        let accepted = decision.refusal.is_none() && !decision.events.is_empty();
        tally.events.extend(decision.events);
        accepted
    }

    fn take_in_quotes(&mut self, spread: i64) {
        let quoted: Vec<_> = Self::symbols().into_iter().zip(self.points()).collect();
        for ((symbol, point), middle) in quoted.into_iter().zip(self.middles.clone()) {
            let quote = Quote {
                symbol,
                bid: middle,
                ask: middle + Decimal::from(spread) * point,
                at: self.at,
                source: QuoteSource::Recorded,
            };
            self.market.take_in(quote, &self.rules);
        }
    }

    fn points(&self) -> Vec<Decimal> {
        let point = |symbol| self.market.instrument(symbol).map(|terms| terms.point());
        Self::symbols().into_iter().filter_map(point).collect()
    }

    pub(super) fn id(&mut self) -> Uuid {
        take_id(&mut self.next_id)
    }
}

pub(super) fn take_id(next: &mut u128) -> Uuid {
    *next += 1;
    Uuid::from_u128(*next)
}

pub(super) const fn traded_bucket(kind: AccountKind) -> Bucket {
    match kind {
        AccountKind::Live => Bucket::Real,
        AccountKind::Demo => Bucket::Demo,
    }
}
