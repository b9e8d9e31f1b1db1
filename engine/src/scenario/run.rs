//! Runs a scenario: each tick as in a shard, then the commands that waited for it.

use daybook_domain::{
    Account, AccountCommand, AccountId, AccountRejection, ClientId, Decimal, Market, Quote, Symbol,
    Timestamp,
    account::{AccountKind, Bucket, PositionMode},
    margin::position_margin,
    profit::unrealised,
    session::next_rollover,
};

use super::{
    Scenario, ScenarioError, TickFilter,
    commands::{adjustment, refuse_unsupported, translate},
    file::{CommandIn, Settings, StopOut, Switch},
    number::Number,
    report::{PositionOut, Recorder, ScenarioReport},
    terms, ticks,
};
use crate::desk::Desk;

/// There is one account.
const ACCOUNT: AccountId = AccountId(uuid::Uuid::nil());
const DEFAULT_LEVERAGE: u32 = 100;
/// Margin level at which the stop-out would start where nothing is said.
const DEFAULT_STOP_OUT_LEVEL: Decimal = Decimal::from_parts(50, 0, 0, false, 0);

struct Run<'a> {
    desk: Desk,
    recorder: Recorder,
    settings: &'a Settings,
    /// Commands by time, not executed yet.
    waiting: Vec<&'a CommandIn>,
    next_rollover: Option<Timestamp>,
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
    for command in &file.commands {
        refuse_unsupported(command)?;
    }
    if file.account.mode == PositionMode::Netting {
        return Err(ScenarioError::Unsupported(
            "account.mode netting".to_owned(),
        ));
    }
    let ticks = ticks::read(&file.ticks)?;
    let mut waiting: Vec<&CommandIn> = file.commands.iter().collect();
    waiting.sort_by_key(|command| command.at_ms);
    let market = Market::new(terms::instruments(file)?);
    let mut run = Run {
        desk: Desk::new(market, terms::rules(&file.settings)),
        recorder: Recorder::default(),
        settings: &file.settings,
        waiting,
        next_rollover: None,
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
        for command in std::iter::once(open).chain(fund) {
            let refusal = self.execute(&command, None, at);
            if let Some(refusal) = refusal {
                return Err(ScenarioError::Invalid(format!("account: {refusal}")));
            }
        }
        Ok(())
    }

    fn tick(&mut self, tick: Quote) -> Result<(), ScenarioError> {
        let at = tick.at;
        self.look_for_missing_swap(at)?;
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
        self.look_for_missing_risk_rules()
    }

    fn command(&mut self, command: &CommandIn, at: Timestamp) -> Result<(), ScenarioError> {
        let ms = at.timestamp_millis();
        let name = command.id.clone().or_else(|| command.of.clone());
        let name = name.unwrap_or_default();
        match translate(command, &mut self.recorder)? {
            Ok(asked) => {
                if let Some(refusal) = self.execute(&asked, Some(&name), at) {
                    self.recorder.rejection(ms, name, refusal.code());
                }
            }
            Err(code) => self.recorder.rejection(ms, name, code),
        }
        Ok(())
    }

    fn execute(
        &mut self,
        command: &AccountCommand,
        closer: Option<&str>,
        at: Timestamp,
    ) -> Option<AccountRejection> {
        self.desk.expire(at, &mut self.recorder);
        let decision = self.desk.execute(ACCOUNT, command, at)?;
        self.recorder.events(&decision.events, closer);
        self.desk.settle(at, &mut self.recorder);
        decision.refusal
    }

    /// This version charges no swap: whoever asked for it must not get figures without.
    fn look_for_missing_swap(&mut self, at: Timestamp) -> Result<(), ScenarioError> {
        let due = self.next_rollover.is_some_and(|rollover| at >= rollover);
        if due || self.next_rollover.is_none() {
            self.next_rollover = Some(next_rollover(at));
        }
        if !due || self.settings.swap == Some(Switch::Off) {
            return Ok(());
        }
        let market = self.desk.market();
        let is_charged = |symbol: Symbol| {
            let terms = market.instrument(symbol);
            terms.is_some_and(|terms| !terms.swap_long.is_zero() || !terms.swap_short.is_zero())
        };
        let positions = self.desk.account(ACCOUNT).map(|account| &account.positions);
        let mut held = positions.into_iter().flatten();
        match held.find(|position| is_charged(position.symbol)) {
            None => Ok(()),
            Some(position) => {
                let what = format!("swap of {} over the rollover", position.symbol);
                self.miss(self.settings.swap.is_some(), what)
            }
        }
    }

    /// Nor does it know margin call, stop-out and negative balance protection.
    fn look_for_missing_risk_rules(&mut self) -> Result<(), ScenarioError> {
        let settings = self.settings;
        let Some(account) = self.desk.account(ACCOUNT) else {
            return Ok(());
        };
        if account.positions.is_empty() {
            let protects = settings.negative_balance_protection;
            let is_negative = account.funds.tradable(AccountKind::Live).is_sign_negative();
            return if is_negative && protects != Some(Switch::Off) {
                self.miss(protects.is_some(), "negative balance protection".to_owned())
            } else {
                Ok(())
            };
        }
        let figures = account.figures(self.desk.market(), self.desk.rules());
        let Some(level) = figures.and_then(|figures| figures.margin_level) else {
            return Ok(());
        };
        if settings
            .margin_call_level
            .is_some_and(|call| level <= call.0)
        {
            self.miss(false, "the margin call".to_owned())?;
        }
        let threshold = settings.stop_out_level.map(|threshold| threshold.0);
        let threshold = threshold.unwrap_or(DEFAULT_STOP_OUT_LEVEL);
        if level <= threshold && settings.stop_out != Some(StopOut::Off) {
            let what = format!("stop-out at a margin level of {threshold} %");
            return self.miss(settings.stop_out.is_some(), what);
        }
        Ok(())
    }

    /// A rule that this version lacks would act now: asked for, it is an error.
    fn miss(&mut self, is_asked_for: bool, what: String) -> Result<(), ScenarioError> {
        if is_asked_for {
            return Err(ScenarioError::Unsupported(what));
        }
        let warning = format!("{what}: this version does not apply it");
        let warnings = &mut self.recorder.report.warnings;
        if !warnings.contains(&warning) {
            warnings.push(warning);
        }
        Ok(())
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
