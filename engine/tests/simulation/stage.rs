//! Plays one seed: quotes, commands, crashes, jumps of the clock, changes of terms.

use std::sync::Arc;

use chrono::Duration;
use daybook_domain::{
    Account, AccountId, Decimal, Instrument, Market, Rules, Timestamp,
    instrument::{
        Availability, Commission, CommissionBasis, GroupTerms, LeverageTier, SwapMode, seed,
    },
    rules::{ConversionRule, LimitFill, StopOutRule, TradingState},
};
use daybook_engine::desk::{Decider, Desk};

use crate::{
    asking::{Asker, opening},
    coverage::Coverage,
    dice::Dice,
    laws,
    tape::{SYMBOLS, Tape},
    witness::{Shadow, Witness},
};

/// Accounts at the desk at once.
const ACCOUNTS: usize = 24;
/// Positions and orders of an account beyond which it only lessens them: checks cost by their number.
const BUSY: usize = 14;

pub struct Stage {
    dice: Dice,
    tape: Tape,
    desk: Desk,
    decider: Decider,
    witness: Witness,
    accounts: Vec<AccountId>,
    at: Timestamp,
    ticks: u64,
}

/// Plays a seed until it has seen so many events.
pub fn play(seed: u64, events: u64, decider: Decider) -> Coverage {
    let mut stage = Stage::new(seed, decider);
    while stage.witness.coverage.events < events {
        stage.step();
    }
    stage.finish()
}

impl Stage {
    fn new(seed: u64, decider: Decider) -> Self {
        let mut dice = Dice::new(seed);
        let rules = rules(&mut dice);
        let market = Market::new(instruments(&mut dice));
        // A Tuesday in July, or the days around both changes of the clock in New York.
        let starts = [1_784_030_400, 1_772_841_600, 1_793_404_800];
        let start = Timestamp::from_timestamp(dice.pick(&starts), 0).unwrap();
        let mut stage = Self {
            tape: Tape::new(&mut dice),
            desk: Desk::new(market.clone(), rules.clone()).with_decider(decider),
            decider,
            witness: Witness::new(market, rules),
            accounts: Vec::new(),
            at: start,
            dice,
            ticks: 0,
        };
        for _ in 0..ACCOUNTS {
            stage.open();
        }
        stage
    }

    fn step(&mut self) {
        match self.dice.below(1_000) {
            0..560 => self.tick(),
            560..972 => self.command(),
            972..984 => self.jump(),
            984..986 => self.crash(),
            986..992 => self.change_terms(),
            _ => self.renew(),
        }
    }

    fn open(&mut self) {
        let id = AccountId(self.dice.id());
        self.witness.shadows.insert(id, Shadow::default());
        self.desk.seat(id, Account::default());
        self.accounts.push(id);
        if self.dice.happens(10) {
            self.ask(id);
        }
        for command in opening(&mut self.dice) {
            self.execute(id, &command);
        }
    }

    fn tick(&mut self) {
        let (quote, at) = self.tape.next(&mut self.dice, self.at);
        self.at = at.max(self.at);
        self.ticks += 1;
        self.witness.quote(quote);
        self.desk.quote(quote, self.at, &mut self.witness);
        self.desk.evaluate(self.at, &mut self.witness);
        let everybody = self.ticks.is_multiple_of(16);
        let looked_at = if everybody { self.accounts.len() } else { 2 };
        for _ in 0..looked_at {
            let id = self.accounts[self.dice.index(self.accounts.len())];
            let witness = &self.witness;
            let account = witness.account(id);
            laws::standing(
                account,
                quote.symbol,
                &witness.market,
                &witness.rules,
                self.at,
            );
        }
    }

    fn command(&mut self) {
        let id = self.accounts[self.dice.index(self.accounts.len())];
        self.ask(id);
    }

    fn ask(&mut self, id: AccountId) {
        let shadow = &self.witness.shadows[&id];
        let is_busy = shadow.account.positions.len() + shadow.account.orders.len() > BUSY;
        let mut asker = Asker {
            dice: &mut self.dice,
            account: &shadow.account,
            deals: &shadow.deals,
            market: &self.witness.market,
            at: self.at,
        };
        let command = if is_busy { asker.lessen() } else { asker.ask() };
        self.execute(id, &command);
    }

    fn execute(&mut self, id: AccountId, command: &daybook_domain::AccountCommand) {
        self.desk.advance(self.at, &mut self.witness);
        self.desk.prepare(id, self.at, &mut self.witness);
        let decision = self.desk.execute(id, command, self.at).unwrap();
        self.witness.coverage.command(&decision);
        self.witness.take_down(id, command, &decision, self.at);
        self.desk.settle(self.at, &mut self.witness);
        self.desk.evaluate(self.at, &mut self.witness);
    }

    /// Time passes without a quote: minutes, a night, a weekend.
    fn jump(&mut self) {
        let minutes = match self.dice.below(10) {
            0 => self.dice.between(2_000, 4_500),
            1..4 => self.dice.between(300, 1_600),
            _ => self.dice.between(1, 120),
        };
        self.at += Duration::minutes(minutes);
        self.desk.advance(self.at, &mut self.witness);
        self.desk.evaluate(self.at, &mut self.witness);
    }

    /// The process dies. What is in the book comes back, quotes do not.
    fn crash(&mut self) {
        self.witness.coverage.crashes += 1;
        let terms: Vec<Arc<Instrument>> = self.witness.market.instruments().cloned().collect();
        let market = Market::new(terms);
        let rules = self.witness.rules.clone();
        self.witness.market = market.clone();
        self.desk = Desk::new(market, rules)
            .with_history(self.witness.history(), None)
            .with_decider(self.decider);
        for id in self.accounts.clone() {
            let account = self.witness.replayed(id);
            self.desk.seat(id, account);
            self.desk.prepare(id, self.at, &mut self.witness);
        }
        self.desk.settle(self.at, &mut self.witness);
        self.desk.evaluate(self.at, &mut self.witness);
    }

    /// An instrument's terms change under open positions and resting orders.
    fn change_terms(&mut self) {
        let (name, ..) = self.dice.pick(&SYMBOLS);
        let now = self
            .witness
            .market
            .instrument(crate::tape::symbol(name))
            .unwrap();
        let mut terms = Instrument::clone(now);
        vary(&mut self.dice, &mut terms);
        let terms = Arc::new(terms);
        self.witness.change_terms(terms.clone(), self.at);
        self.desk.set_instrument(&terms, self.witness.history());
        self.desk.settle(self.at, &mut self.witness);
        self.desk.evaluate(self.at, &mut self.witness);
    }

    /// An account leaves with its history compared; another one comes.
    fn renew(&mut self) {
        let place = self.dice.index(self.accounts.len());
        let id = self.accounts.swap_remove(place);
        self.witness.replayed(id);
        self.desk.unseat(id);
        self.witness.shadows.remove(&id);
        self.open();
    }

    fn finish(mut self) -> Coverage {
        for id in std::mem::take(&mut self.accounts) {
            self.witness.replayed(id);
            let live = self.desk.account(id).unwrap();
            laws::law("replay", live == self.witness.account(id), || {
                format!("{live:?}")
            });
        }
        self.witness.coverage
    }
}

fn rules(dice: &mut Dice) -> Rules {
    let stop_outs = [StopOutRule::Mt5, StopOutRule::Fair, StopOutRule::Smart];
    Rules {
        limit_fill: dice.pick(&[LimitFill::Improve, LimitFill::AtLimit]),
        conversion: dice.pick(&[ConversionRule::Worse, ConversionRule::ByDeal]),
        stop_out: dice.pick(&stop_outs),
        stop_out_level: dice.pick(&[Decimal::from(50), Decimal::from(20), Decimal::from(80)]),
        orders_max: 10,
        positions_max: 10,
        funding_max: 2,
        orders_per_minute: dice.pick(&[None, None, Some(40)]),
        daily_loss_limit: dice.pick(&[None, None, Some(Decimal::from(300))]),
        daily_loss_closes_all: dice.happens(30),
        confirm_triggers: dice.happens(10),
        trading_state: dice.pick(&[TradingState::Active; 1]),
        ..Rules::default()
    }
}

fn instruments(dice: &mut Dice) -> Vec<Arc<Instrument>> {
    let traded = seed().into_iter().filter(|terms| {
        SYMBOLS
            .iter()
            .any(|(name, ..)| *name == terms.symbol.as_str())
    });
    traded
        .map(|mut terms| {
            vary(dice, &mut terms);
            Arc::new(terms)
        })
        .collect()
}

/// Terms as a house might set them.
fn vary(dice: &mut Dice, terms: &mut Instrument) {
    terms.availability = match dice.below(14) {
        0 => Availability::CloseOnly,
        1 => Availability::Disabled,
        _ => Availability::Enabled,
    };
    terms.spread_markup = dice.decimal(0, 5, 0);
    terms.slippage = dice.decimal(0, 2, 0);
    terms.slippage_per_lot = dice.decimal(0, 10, 1);
    terms.hedged_contract_size = dice.pick(&[Decimal::ZERO, terms.contract_size]);
    terms.margin_rate_sell = dice.happens(20).then_some(Decimal::TWO);
    terms.max_exposure = dice
        .happens(15)
        .then(|| terms.volume_step * Decimal::from(60));
    terms.leverage_tiers = if dice.happens(20) {
        vec![LeverageTier {
            from_notional: Decimal::from(100_000),
            max_leverage: 50,
        }]
    } else {
        Vec::new()
    };
    terms.commission = Commission {
        basis: dice.pick(&[
            CommissionBasis::None,
            CommissionBasis::PerLot,
            CommissionBasis::PerMillion,
            CommissionBasis::PerMille,
        ]),
        rate: dice.decimal(1, 40, 1),
        minimum: dice.decimal(0, 5, 1),
        currency: None,
    };
    terms.swap_mode = dice.pick(&[SwapMode::Points, SwapMode::Money, SwapMode::Percent]);
    terms.groups.insert(
        Box::from("vip"),
        GroupTerms {
            spread_markup: Some(Decimal::ZERO),
            slippage: Some(Decimal::ONE),
            ..GroupTerms::default()
        },
    );
}
