//! Who may take new risk: states and flags, then limits, in the order in which they are reported.
//!
//! What only lessens what is open is refused for a halt alone; everything else passes all of it,
//! when it is placed and again when it triggers.

use chrono::Duration;
use chrono_tz::America::New_York;
use rust_decimal::Decimal;

use super::{Book, entry::total_notional, netting::Effect, shape};
use crate::{
    AccountEvent, AccountRejection, Instrument, Money, account::Position, instrument::Availability,
    margin, profit, rules::TradingState, session::next_rollover,
};

type Checked = Result<(), AccountRejection>;

impl Book<'_> {
    /// Nothing may be asked of an account that is halted or read-only, not even to close.
    pub(super) fn check_acting(&self) -> Checked {
        let controls = self.account.controls();
        match controls.state_under(self.context.rules.trading_state) {
            TradingState::Active | TradingState::Reducing => Ok(()),
            TradingState::Halted => Err(AccountRejection::TradingDisabled),
        }
    }

    /// Whether the house or the account has come to a halt, so that what stands in the book waits.
    /// A read-only client may ask nothing, but its stop losses go on protecting it.
    pub(super) fn is_halted(&self) -> bool {
        let state = self.account.controls().state;
        match state.max(self.context.rules.trading_state) {
            TradingState::Active | TradingState::Reducing => false,
            TradingState::Halted => true,
        }
    }

    /// Whether an order may do this in the instrument at all: availability, states and flags.
    pub(super) fn check_permitted(&self, effect: Effect<'_>, instrument: &Instrument) -> Checked {
        if !effect.adds_risk() {
            return self.check_acting();
        }
        match instrument.availability {
            Availability::Enabled => {}
            Availability::CloseOnly => return Err(AccountRejection::CloseOnly(instrument.symbol)),
            Availability::Disabled => {
                return Err(AccountRejection::InstrumentDisabled(instrument.symbol));
            }
        }
        self.check_acting()?;
        let controls = self.account.controls();
        let state = controls.state.max(self.context.rules.trading_state);
        let disabled = controls.trading_disabled
            || match state {
                TradingState::Active => false,
                TradingState::Reducing | TradingState::Halted => true,
            };
        if disabled {
            return Err(AccountRejection::TradingDisabled);
        }
        if controls.close_only {
            return Err(AccountRejection::CloseOnly(instrument.symbol));
        }
        Ok(())
    }

    /// Volume within the instrument's range and steps and the account's limit. What is left of a
    /// position may always be closed whole.
    pub(super) fn check_volume(
        &self,
        volume: Decimal,
        effect: Effect<'_>,
        instrument: &Instrument,
    ) -> Checked {
        match effect {
            Effect::Reduces(position) => shape::check_part(volume, position.volume, instrument),
            Effect::Opens | Effect::Increases(_) | Effect::Reverses(_) => {
                shape::check_volume(volume, instrument)?;
                self.check_max_volume(volume, instrument)
            }
        }
    }

    /// The most lots that the account may order at once.
    pub(super) fn check_max_volume(&self, volume: Decimal, instrument: &Instrument) -> Checked {
        let max = self.account.controls().limits.max_volume;
        max.map_or(Ok(()), |max| {
            shape::check_range(volume, instrument.min_volume.min(max), max)
        })
    }

    /// The rate of orders, room among those that work, and the daily loss limit. An order that
    /// lessens what is open at once meets none of them.
    pub(super) fn check_pace(&self, effect: Effect<'_>, rests: bool) -> Checked {
        if effect.adds_risk() || rests {
            self.check_rate()?;
        }
        if rests {
            self.check_working()?;
        }
        self.check_day(effect)
    }

    fn check_rate(&self) -> Checked {
        let limits = self.account.controls().limits;
        let both = [
            limits.orders_per_minute,
            self.context.rules.orders_per_minute,
        ];
        let Some(per_minute) = both.into_iter().flatten().min() else {
            return Ok(());
        };
        let at = self.context.at;
        let window = self.account.risk.orders;
        let running = window.filter(|window| window.is_running(at));
        if running.map_or(0, |window| window.count) < per_minute {
            return Ok(());
        }
        let wait = running.map_or(Duration::minutes(1), |window| window.ends_at() - at);
        Err(AccountRejection::OrderRate {
            per_minute,
            retry_after_ms: u64::try_from(wait.num_milliseconds()).unwrap_or(0),
        })
    }

    fn check_working(&self) -> Checked {
        let working = self.account.orders.len();
        let own = self.account.controls().limits.max_open_orders;
        let most = lesser(self.context.rules.orders_max, own);
        if working >= most {
            return Err(AccountRejection::TooManyOrders(working));
        }
        Ok(())
    }

    /// No new risk for the rest of a day whose loss has reached its limit.
    pub(super) fn check_day(&self, effect: Effect<'_>) -> Checked {
        let until = self.account.risk.day.and_then(|day| day.blocked_until);
        match until {
            Some(until) if effect.adds_risk() && self.context.at < until => {
                Err(AccountRejection::DailyLossLimit { until })
            }
            Some(_) | None => Ok(()),
        }
    }

    /// The start of the trading day, where a loss limit needs one and the account lay flat when it
    /// began: nobody rolls a flat account over, so its first order starts the day.
    pub(super) fn first_of_the_day(&self) -> Option<AccountEvent> {
        self.account.daily_loss_limit(self.context.rules)?;
        if !self.account.positions.is_empty() {
            return None;
        }
        let ends_at = next_rollover(self.context.at).with_timezone(&New_York);
        let today = ends_at.date_naive();
        let is_started = self.account.risk.day.is_some_and(|day| day.day >= today);
        (!is_started).then(|| AccountEvent::TradingDayStarted {
            day: today,
            equity: self.account.funds.tradable(self.terms.kind),
            at: self.context.at,
        })
    }

    /// Number of positions, lots in one direction, and notional of all, as they would be with
    /// `position`.
    pub(super) fn check_room_for(
        &self,
        effect: Effect<'_>,
        instrument: &Instrument,
        position: &Position,
    ) -> Checked {
        let limits = self.account.controls().limits;
        let open = self.account.positions.len();
        let most = lesser(self.context.rules.positions_max, limits.max_positions);
        if effect.replaced().is_none() && open >= most {
            return Err(AccountRejection::MaxPosition(open));
        }
        let replaced = effect.replaced().map(|position| position.position_id);
        let others = self.account.positions.iter();
        let others = others.filter(|other| Some(other.position_id) != replaced);
        let after = || others.clone().chain([position]);
        if let Some(max) = instrument.max_exposure {
            let same =
                |other: &&Position| (other.symbol, other.side) == (position.symbol, position.side);
            let mut lots = after().filter(same).map(|position| position.volume);
            let lots = lots.try_fold(Decimal::ZERO, |sum, lots| sum.checked_add(lots));
            let volume = lots.ok_or(AccountRejection::Overflow)?;
            if volume > max {
                return Err(AccountRejection::MaxExposure { volume, max });
            }
        }
        let Some(max) = limits.max_notional else {
            return Ok(());
        };
        let notional = total_notional(after()).ok_or(AccountRejection::Overflow)?;
        if notional > max {
            let money = |amount| Money::rounded(amount, self.terms.currency);
            return Err(AccountRejection::MaxNotional {
                notional: money(notional),
                max: money(max),
            });
        }
        Ok(())
    }

    /// Whether free margin covers margin and commission.
    pub(super) fn check_covered(&self, required: Decimal) -> Checked {
        let currency = self.terms.currency;
        let free = self.free_margin()?;
        if required > free {
            return Err(AccountRejection::InsufficientMargin {
                required: Money::rounded(required, currency),
                free: Money::rounded(free, currency),
            });
        }
        Ok(())
    }

    /// The leverage that margin in use rests on.
    pub(super) fn leverage_in_force(&self) -> u32 {
        self.account.leverage().unwrap_or(self.terms.leverage)
    }

    /// `tradable + unrealised − held − used margin`. Unknown while a position has no quote.
    fn free_margin(&self) -> Result<Decimal, AccountRejection> {
        let (market, rules) = (self.context.market, self.context.rules);
        let (account, currency) = (self.account, self.terms.currency);
        let mut equity = account.funds.tradable(self.terms.kind);
        for position in &account.positions {
            let profit = profit::value(position, currency, account.group(), market, rules)?;
            equity = equity
                .checked_add(profit)
                .ok_or(AccountRejection::Overflow)?;
        }
        let used = margin::used_margin(&account.positions, self.leverage_in_force(), currency);
        equity
            .checked_sub(account.funds.held)
            .and_then(|usable| usable.checked_sub(used))
            .ok_or(AccountRejection::Overflow)
    }
}

/// The house's limit, or the account's own where that is lower.
fn lesser(house: usize, own: Option<u32>) -> usize {
    let own = own.and_then(|own| usize::try_from(own).ok());
    own.map_or(house, |own| own.min(house))
}
