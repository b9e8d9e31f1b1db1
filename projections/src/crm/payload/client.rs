//! `user.created` and `user.updated`.

use daybook_domain::{Currency, account::Controls, rules::TradingState};
use serde::{Deserialize, Serialize};

use crate::{crm::number, slug};

/// A person signed up.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct UserCreatedData {
    /// The client.
    pub(crate) client_id: String,
    /// Address; null once the client was erased.
    pub(crate) email: Option<String>,
    /// Given name; null once the client was erased.
    pub(crate) first_name: Option<String>,
    /// Family name; null once the client was erased.
    pub(crate) last_name: Option<String>,
    /// Phone, if given.
    pub(crate) phone: Option<String>,
}

/// Names, phone or country changed; these are the values from now on.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct ProfileChangedData {
    /// The client.
    pub(crate) client_id: String,
    /// Names of the fields below that changed.
    pub(crate) changed: Vec<String>,
    /// Given name; null once the client was erased.
    pub(crate) first_name: Option<String>,
    /// Family name; null once the client was erased.
    pub(crate) last_name: Option<String>,
    /// Phone, if known.
    pub(crate) phone: Option<String>,
    /// ISO 3166-1 alpha-2, if known.
    pub(crate) country: Option<String>,
}

/// Whether they may sign in, have a second factor, or were erased changed; so it is from now on.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct StandingData {
    /// The client.
    pub(crate) client_id: String,
    /// Names of the fields below that changed.
    pub(crate) changed: Vec<String>,
    /// May not sign in.
    pub(crate) suspended: bool,
    /// A second factor is asked for.
    pub(crate) two_factor_enabled: bool,
    /// The person's data are gone here, and what a receiver keeps should go too.
    pub(crate) erased: bool,
    /// Why, where somebody said.
    pub(crate) reason: Option<String>,
}

/// An address was shown to be the person's own.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct EmailVerifiedData {
    /// The client.
    pub(crate) client_id: String,
    /// Address; null once the client was erased.
    pub(crate) email: Option<String>,
}

/// Where the checks stand.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct KycData {
    /// The client.
    pub(crate) client_id: String,
    /// Before: `none`, `pending`, `approved`, `rejected` or `expired`.
    pub(crate) from: String,
    /// From now on; the same as `from` where a document was handed in.
    pub(crate) to: String,
    /// The same as `to`.
    pub(crate) kyc_status: String,
    /// The document that was handed in.
    pub(crate) document_id: Option<String>,
}

/// Flags, limits or state of one of the client's accounts changed; these are in force from now on.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct ControlsData {
    /// The client.
    pub(crate) client_id: String,
    /// Names of the fields below that changed.
    pub(crate) changed: Vec<String>,
    /// The account.
    pub(crate) account_id: String,
    /// `active`, `reducing` (no new risk) or `halted`.
    pub(crate) state: String,
    /// New risk is refused.
    pub(crate) trading_disabled: bool,
    /// Flags.
    pub(crate) flags: FlagsData,
    /// Limits; null: the house's or the instrument's alone.
    pub(crate) limits: LimitsData,
    /// Whose special terms it deals under; null: everybody's.
    pub(crate) group: Option<String>,
}

/// Flags of an account.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct FlagsData {
    /// New risk is refused.
    pub(crate) close_only: bool,
    /// Nothing may be done.
    pub(crate) read_only: bool,
    /// No swap is charged.
    pub(crate) swap_free: bool,
}

/// Limits of an account.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct LimitsData {
    /// Largest leverage.
    pub(crate) max_leverage: Option<u32>,
    /// Most lots of one order.
    pub(crate) max_volume: Option<String>,
    /// Largest notional of all positions, in the account's currency.
    pub(crate) max_notional: Option<String>,
    /// Most working orders.
    pub(crate) max_open_orders: Option<u32>,
    /// Most open positions.
    pub(crate) max_positions: Option<u32>,
    /// Loss of a trading day that blocks new risk, in the account's currency.
    pub(crate) daily_loss: Option<String>,
    /// Orders that may be placed in a minute.
    pub(crate) orders_per_minute: Option<u32>,
}

impl ControlsData {
    /// What changed between two sets of controls, and what holds now.
    pub(crate) fn of(
        client_id: String,
        account_id: String,
        currency: Currency,
        (before, after): (&Controls, &Controls),
    ) -> Self {
        let part = |controls: &Controls| {
            (
                slug::of(&controls.state_under(TradingState::Active)),
                FlagsData::of(controls),
                LimitsData::of(controls, currency),
            )
        };
        let (was_state, was_flags, was_limits) = part(before);
        let (state, flags, limits) = part(after);
        let fields = [
            ("state", was_state != state),
            (
                "tradingDisabled",
                before.trading_disabled != after.trading_disabled,
            ),
            ("flags", was_flags != flags),
            ("limits", was_limits != limits),
            ("group", before.group != after.group),
        ];
        let changed = fields.iter().filter(|(_, differs)| *differs);
        Self {
            client_id,
            changed: changed.map(|(name, _)| (*name).to_owned()).collect(),
            account_id,
            state,
            trading_disabled: after.trading_disabled,
            flags,
            limits,
            group: after.group.as_deref().map(str::to_owned),
        }
    }
}

impl FlagsData {
    const fn of(controls: &Controls) -> Self {
        Self {
            close_only: controls.close_only,
            read_only: controls.read_only,
            swap_free: controls.swap_free,
        }
    }
}

impl LimitsData {
    fn of(controls: &Controls, currency: Currency) -> Self {
        let limits = &controls.limits;
        let money = |amount| number::money(amount, currency);
        Self {
            max_leverage: limits.max_leverage,
            max_volume: limits.max_volume.map(|lots| number::at_least(lots, 2)),
            max_notional: limits.max_notional.map(money),
            max_open_orders: limits.max_open_orders,
            max_positions: limits.max_positions,
            daily_loss: limits.daily_loss.map(money),
            orders_per_minute: limits.orders_per_minute,
        }
    }
}
