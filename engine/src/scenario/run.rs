//! Runs a scenario: each tick as in a shard, then the commands that waited for it.

use daybook_domain::{
    Account, AccountCommand, AccountId, ClientId, Market, Quote, Timestamp,
    account::{AccountKind, Bucket, Decision},
    margin::position_margin,
    profit::unrealised,
};

use super::{
    Scenario, ScenarioError, TickFilter,
    commands::{adjustment, set_controls, translate},
    file::CommandIn,
    number::Number,
    report::{PositionOut, Recorder, ScenarioReport},
    terms, ticks,
};
use crate::desk::Desk;

/// There is one account.
const ACCOUNT: AccountId = AccountId(uuid::Uuid::nil());
const DEFAULT_LEVERAGE: u32 = 100;

struct Run<'a> {
    desk: Desk,
    recorder: Recorder,
    /// Commands by time, not executed yet.
    waiting: Vec<&'a CommandIn>,
}

/// Runs a scenario. `filter` is asked only where the settings have the feed filter on.
///
/// # Errors
/// [`ScenarioError`] when a file cannot be read, or an operation or setting is unknown here.
pub fn run(
    scenario: &Scenario,
    filter: &mut TickFilter<'_>,
) -> Result<ScenarioReport, ScenarioError> {
    let file = &scenario.file;
    let ticks = ticks::read(&file.ticks)?;
    let mut waiting: Vec<&CommandIn> = file.commands.iter().collect();
    waiting.sort_by_key(|command| command.at_ms);
    let market = Market::new(terms::instruments(file)?);
    let mut run = Run {
        desk: Desk::new(market, terms::rules(&file.settings)),
        recorder: Recorder::default(),
        waiting,
    };
    let first = ticks.first().map(|tick| tick.at);
    run.open(scenario, first.unwrap_or(Timestamp::UNIX_EPOCH))?;
    for tick in ticks {
        if run.desk.market().instrument(tick.symbol).is_none() {
            let what = format!("ticks of {}, which is no instrument", tick.symbol);
            return Err(ScenarioError::Invalid(what));
        }
        if !scenario.feed_filter() || filter(&tick) {
            run.tick(tick)?;
        }
    }
    Ok(run.finish())
}

impl Run<'_> {
    fn open(&mut self, scenario: &Scenario, at: Timestamp) -> Result<(), ScenarioError> {
        let terms = &scenario.file.account;
        self.desk.seat(ACCOUNT, Account::default());
        let open = AccountCommand::Open {
            client_id: ClientId(ACCOUNT.0),
            number: 100_001,
            kind: AccountKind::Live,
            mode: terms.mode,
            currency: terms.currency,
            leverage: terms.leverage.unwrap_or(DEFAULT_LEVERAGE),
        };
        let Number(balance) = terms.balance;
        let fund = (!balance.is_zero()).then(|| adjustment(Bucket::Real, balance, None));
        let controls = terms.controls.as_ref();
        let controls = controls.map(|controls| set_controls(controls, None));
        for command in std::iter::once(open).chain(fund).chain(controls) {
            let decision = self.execute(&command, None, at)?;
            if let Some(refusal) = decision.refusal {
                return Err(ScenarioError::Invalid(format!("account: {refusal}")));
            }
        }
        Ok(())
    }

    /// One tick, in the order of a shard.
    fn tick(&mut self, tick: Quote) -> Result<(), ScenarioError> {
        let at = tick.at;
        self.desk.quote(tick, at, &mut self.recorder);
        let is_due = |command: &&CommandIn| {
            let symbol = command.symbol.is_none_or(|symbol| symbol == tick.symbol);
            symbol && command.at_ms <= at.timestamp_millis()
        };
        let (due, waiting) = std::mem::take(&mut self.waiting)
            .into_iter()
            .partition(is_due);
        self.waiting = waiting;
        for command in due {
            self.command(command, at)?;
        }
        self.desk.evaluate(at, &mut self.recorder);
        self.check()
    }

    fn command(&mut self, command: &CommandIn, at: Timestamp) -> Result<(), ScenarioError> {
        let ms = at.timestamp_millis();
        let name = command.id.clone().or_else(|| command.of.clone());
        let name = name.unwrap_or_default();
        let asked = match translate(command, &mut self.recorder)? {
            Ok(asked) => asked,
            Err(code) => {
                self.recorder.rejection(ms, name, code);
                return Ok(());
            }
        };
        let decision = self.execute(&asked, Some(&name), at)?;
        if let Some(refusal) = decision.refusal {
            self.recorder.rejection(ms, name, refusal.code());
        }
        for outcome in decision.outcomes {
            if let Err(refusal) = outcome.result {
                let position = self.recorder.opener(outcome.position_id);
                self.recorder.rejection(ms, position, refusal.code());
            }
        }
        Ok(())
    }

    fn execute(
        &mut self,
        command: &AccountCommand,
        closer: Option<&str>,
        at: Timestamp,
    ) -> Result<Decision, ScenarioError> {
        self.desk.advance(at, &mut self.recorder);
        self.desk.prepare(ACCOUNT, at, &mut self.recorder);
        self.check()?;
        let decision = self.desk.execute(ACCOUNT, command, at).unwrap_or_default();
        self.recorder.events(&decision.events, closer);
        self.desk.settle(at, &mut self.recorder);
        self.check()?;
        Ok(decision)
    }

    /// A bug of ours must not pass for a report.
    fn check(&self) -> Result<(), ScenarioError> {
        match self.recorder.panicked {
            None => Ok(()),
            Some(command) => Err(ScenarioError::Panicked(command)),
        }
    }

    fn finish(mut self) -> ScenarioReport {
        for command in std::mem::take(&mut self.waiting) {
            // No tick came that it could have been executed on.
            let name = command.id.clone().or_else(|| command.of.clone());
            self.recorder
                .rejection(command.at_ms, name.unwrap_or_default(), "no_quote");
        }
        let (market, rules) = (self.desk.market(), self.desk.rules());
        let mut report = std::mem::take(&mut self.recorder.report);
        let Some(account) = self.desk.account(ACCOUNT) else {
            return report;
        };
        let (Some(terms), Some(figures)) = (&account.terms, account.figures(market, rules)) else {
            return report;
        };
        let positions = account.positions.iter().map(|position| PositionOut {
            position: self.recorder.opener(position.position_id),
            position_id: position.position_id,
            symbol: position.symbol,
            side: position.side,
            volume: position.volume,
            open_price: position.open_price,
            open_time: position.opened_at,
            stop_loss: position.stop_loss,
            take_profit: position.take_profit,
            unrealised: unrealised(position, terms.currency, account.group(), market, rules),
            swap: position.swap,
            commission: position.commission,
            used_margin: position_margin(position, terms.leverage, terms.currency),
        });
        report.positions = positions.collect();
        report.balance = figures.balance;
        report.equity = figures.equity;
        report.margin = figures.used_margin;
        report
    }
}
