//! `user.updated` about what holds for a client and all their accounts: tier, flags and limits.

use daybook_domain::{ClientId, account::Limits, client::Flags};
use serde::Serialize;

use super::client::{FlagsData, LimitsData};
use crate::crm::number;

/// The client is in another tier.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct TierData {
    /// The client.
    client_id: String,
    /// `tier`.
    changed: Vec<String>,
    /// From now on.
    tier: String,
}

/// The client may take new risk no more, or again.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct TradingData {
    /// The client.
    client_id: String,
    /// `tradingDisabled`.
    changed: Vec<String>,
    /// New risk is refused.
    trading_disabled: bool,
    /// Why, where somebody said.
    reason: Option<String>,
}

/// Flags or limits of all accounts of a client changed; these are in force from now on.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct ClientLimitsData {
    /// The client.
    client_id: String,
    /// Names of the fields below that changed.
    changed: Vec<String>,
    /// Flags.
    flags: FlagsData,
    /// Limits of each account, money in its currency; null: the house's or the instrument's alone.
    limits: LimitsData,
}

/// The CRM's own name for a person.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct ExternalIdData {
    /// The client.
    client_id: String,
    /// `externalId`.
    changed: Vec<String>,
    /// That name; null once the client was erased.
    external_id: Option<String>,
}

impl TierData {
    pub(crate) fn of(client: ClientId, tier: &str) -> Self {
        Self {
            client_id: client.to_string(),
            changed: vec!["tier".to_owned()],
            tier: tier.to_owned(),
        }
    }
}

impl TradingData {
    pub(crate) fn of(client: ClientId, trading_disabled: bool, reason: Option<String>) -> Self {
        Self {
            client_id: client.to_string(),
            changed: vec!["tradingDisabled".to_owned()],
            trading_disabled,
            reason,
        }
    }
}

impl ClientLimitsData {
    /// What changed, and what holds now.
    pub(crate) fn of(client: ClientId, before: (Flags, Limits), after: (Flags, Limits)) -> Self {
        let fields = [
            ("flags", before.0 != after.0),
            ("limits", before.1 != after.1),
        ];
        let changed = fields.iter().filter(|(_, differs)| *differs);
        let (flags, limits) = after;
        let money = |amount| number::at_least(amount, 2);
        Self {
            client_id: client.to_string(),
            changed: changed.map(|(name, _)| (*name).to_owned()).collect(),
            flags: FlagsData {
                close_only: flags.close_only,
                read_only: flags.read_only,
                swap_free: flags.swap_free,
            },
            limits: LimitsData {
                max_leverage: limits.max_leverage,
                max_volume: limits.max_volume.map(|lots| number::at_least(lots, 2)),
                max_notional: limits.max_notional.map(money),
                max_open_orders: limits.max_open_orders,
                max_positions: limits.max_positions,
                daily_loss: limits.daily_loss.map(money),
                orders_per_minute: limits.orders_per_minute,
            },
        }
    }
}

impl ExternalIdData {
    pub(crate) fn of(client: ClientId, sealed: &str) -> Self {
        Self {
            client_id: client.to_string(),
            changed: vec!["externalId".to_owned()],
            external_id: Some(sealed.to_owned()),
        }
    }
}
