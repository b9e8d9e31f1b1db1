//! The end of a trading day: swap, and the start of the next.

use chrono::NaiveDate;

use super::{Book, Found};
use crate::{
    AccountEvent, AccountRejection, Timestamp,
    account::{Position, event::SwapCharge},
    profit,
    session::rollover_of,
    swap,
};

impl Book<'_> {
    /// Ends the trading day `day`: charges swap on what was open at its rollover, and starts the
    /// next day where a loss limit counts from it. Idempotent; nothing before the day is over.
    ///
    /// One position that cannot be charged yet, for want of a quote, refuses the whole: a night
    /// that is skipped would never be charged.
    pub(super) fn roll_over(&self, day: NaiveDate) -> Found {
        let rollover = rollover_of(day);
        if self.context.at < rollover {
            return Ok(Vec::new());
        }
        let mut account = None;
        let mut events = Vec::new();
        for position in &self.account.positions {
            if let Some(charged) = self.charge(position, day, rollover)? {
                account
                    .get_or_insert_with(|| self.account.clone())
                    .evolve(&charged);
                events.push(charged);
            }
        }
        // The day begins with what the night has cost.
        let after = Book {
            account: account.as_ref().unwrap_or(self.account),
            ..*self
        };
        events.extend(after.next_day_started(day)?);
        Ok(events)
    }

    /// Swap of one position; none where it is charged nothing.
    fn charge(
        &self,
        position: &Position,
        day: NaiveDate,
        rollover: Timestamp,
    ) -> Result<Option<AccountEvent>, AccountRejection> {
        let charged_already = position.swap_day.is_some_and(|last| last >= day);
        let is_free = !self.context.rules.swap || self.account.controls().swap_free;
        if is_free || charged_already || position.opened_at >= rollover {
            return Ok(None);
        }
        let instrument = self.instrument(position.symbol)?;
        let nights = swap::nights(instrument, day);
        if nights == 0 || instrument.swap_of(position.side).is_zero() {
            return Ok(None);
        }
        let outside = (self.context.market, self.context.rules);
        let swap = swap::swap(position, instrument, nights, self.terms.currency, outside)?;
        let conversion = swap.conversion.conversion();
        let charge = Box::new(SwapCharge {
            position_id: position.position_id,
            symbol: position.symbol,
            day,
            days: nights,
            volume: position.volume,
            mode: instrument.swap_mode,
            rate: swap.rate,
            price: swap.price,
            conversion: conversion.ok_or(AccountRejection::Overflow)?,
            amount: swap.amount,
        });
        let at = self.context.at;
        Ok(Some(AccountEvent::SwapCharged { charge, at }))
    }

    /// The day after `day`, with the equity of now; none without a limit or when it runs already.
    fn next_day_started(&self, day: NaiveDate) -> Result<Option<AccountEvent>, AccountRejection> {
        let rules = self.context.rules;
        let running = self.account.risk.day.is_some_and(|last| last.day > day);
        if running || self.account.daily_loss_limit(rules).is_none() {
            return Ok(None);
        }
        let Some(next) = day.succ_opt() else {
            return Ok(None);
        };
        let (currency, group) = (self.terms.currency, self.account.group());
        let mut equity = self.account.funds.tradable(self.terms.kind);
        for position in &self.account.positions {
            let value = profit::value(position, currency, group, self.context.market, rules)?;
            equity = equity
                .checked_add(value)
                .ok_or(AccountRejection::Overflow)?;
        }
        Ok(Some(AccountEvent::TradingDayStarted {
            day: next,
            equity: currency.round(equity),
            at: self.context.at,
        }))
    }
}
