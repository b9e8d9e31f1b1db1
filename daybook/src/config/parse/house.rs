//! The rules of the house.

use daybook_domain::{
    Decimal, Rules,
    rules::{ConversionRule, LimitFill, SessionRule, StopOutRule, TradingState},
};

use super::{count, positive};
use crate::config::reader::Reader;

pub fn rules(read: &mut Reader, simulated: bool) -> Rules {
    let dealing = dealing(read, simulated);
    risk(read, dealing)
}

/// What may be dealt, and at what price.
fn dealing(read: &mut Reader, simulated: bool) -> Rules {
    let default = Rules::default();
    let sessions = [
        ("terms", SessionRule::Terms),
        ("always", SessionRule::Always),
    ];
    let limit_fill = [
        ("improve", LimitFill::Improve),
        ("at_limit", LimitFill::AtLimit),
    ];
    let conversion = [
        ("worse", ConversionRule::Worse),
        ("by_deal", ConversionRule::ByDeal),
    ];
    let states = [
        ("active", TradingState::Active),
        ("reducing", TradingState::Reducing),
        ("halted", TradingState::Halted),
    ];
    let age = off_or(read, "DAYBOOK_MAX_QUOTE_AGE_MS", |text| {
        text.parse()
            .map_err(|_| "must be a number or off".to_owned())
    });
    let by_feed = if simulated {
        SessionRule::Always
    } else {
        SessionRule::Terms
    };
    Rules {
        limit_fill: read
            .choice("DAYBOOK_LIMIT_FILL", &limit_fill)
            .unwrap_or_default(),
        sessions: read
            .choice("DAYBOOK_SESSIONS", &sessions)
            .unwrap_or(by_feed),
        conversion: read
            .choice("DAYBOOK_CONVERSION", &conversion)
            .unwrap_or_default(),
        max_quote_age_ms: age.unwrap_or(default.max_quote_age_ms),
        orders_max: count(read, "DAYBOOK_ORDERS_MAX").unwrap_or(default.orders_max),
        positions_max: count(read, "DAYBOOK_POSITIONS_MAX").unwrap_or(default.positions_max),
        funding_max: count(read, "DAYBOOK_FUNDING_MAX").unwrap_or(default.funding_max),
        trading_state: read
            .choice("DAYBOOK_TRADING_STATE", &states)
            .unwrap_or_default(),
        orders_per_minute: read.limit("DAYBOOK_ORDERS_PER_MINUTE", default.orders_per_minute),
        swap: read.flag("DAYBOOK_SWAP", default.swap),
        confirm_triggers: read.flag("DAYBOOK_CONFIRM_TRIGGERS", default.confirm_triggers),
        ..default
    }
}

/// Margin call, stop-out, daily loss.
fn risk(read: &mut Reader, rules: Rules) -> Rules {
    let stop_out = [
        ("mt5", StopOutRule::Mt5),
        ("fair", StopOutRule::Fair),
        ("smart", StopOutRule::Smart),
        ("off", StopOutRule::Off),
    ];
    let call = off_or(read, "DAYBOOK_MARGIN_CALL_LEVEL", positive);
    let call = call.unwrap_or(rules.margin_call_level);
    let clear = read.parsed_with("DAYBOOK_MARGIN_CALL_CLEAR_LEVEL", positive);
    let clear = clear.unwrap_or(rules.margin_call_clear_level);
    if call.is_some_and(|call| call > clear) {
        let problem = "must not be below DAYBOOK_MARGIN_CALL_LEVEL";
        read.error("DAYBOOK_MARGIN_CALL_CLEAR_LEVEL", problem);
    }
    let daily_loss = off_or(read, "DAYBOOK_DAILY_LOSS_LIMIT", positive);
    Rules {
        margin_call_level: call,
        margin_call_clear_level: clear,
        stop_out: read
            .choice("DAYBOOK_STOP_OUT", &stop_out)
            .unwrap_or(rules.stop_out),
        stop_out_level: read
            .parsed_with("DAYBOOK_STOP_OUT_LEVEL", positive)
            .unwrap_or(rules.stop_out_level),
        hedged_stop_out_at: read
            .parsed::<Decimal>("DAYBOOK_HEDGED_STOP_OUT_AT")
            .unwrap_or(rules.hedged_stop_out_at),
        negative_balance_protection: read.flag(
            "DAYBOOK_NEGATIVE_BALANCE_PROTECTION",
            rules.negative_balance_protection,
        ),
        daily_loss_limit: daily_loss.unwrap_or(rules.daily_loss_limit),
        daily_loss_closes_all: read
            .flag("DAYBOOK_DAILY_LOSS_CLOSES_ALL", rules.daily_loss_closes_all),
        ..rules
    }
}

/// A value that `off` takes away.
fn off_or<T>(
    read: &mut Reader,
    name: &'static str,
    parse: impl FnOnce(&str) -> Result<T, String>,
) -> Option<Option<T>> {
    read.parsed_with(name, |text| match text {
        "off" => Ok(None),
        given => parse(given).map(Some),
    })
}
