//! What the CRM may ask to change about a client, as it is written.

use daybook_domain::{
    ClientCommand, Decimal,
    account::Change,
    client::{FlagsChange, LimitsChange},
};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::number::{Patch, Positive};

/// Flags of all the client's accounts; what is left out stays.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct FlagsBody {
    /// New risk is refused with `close_only`.
    close_only: Option<bool>,
    /// Nothing may be done, closing included.
    read_only: Option<bool>,
    /// No swap is charged.
    swap_free: Option<bool>,
}

/// Limits of each of the client's accounts; what is left out stays, null takes a limit away.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct LimitsBody {
    #[serde(default)]
    #[schema(value_type = Option<u32>, example = 100)]
    max_leverage: Patch<u32>,
    /// Lots of one order.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "10.00")]
    max_volume: Patch<Positive>,
    /// Of all positions of an account, in its currency.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "1000000.00")]
    max_notional: Patch<Positive>,
    #[serde(default)]
    #[schema(value_type = Option<u32>, example = 20)]
    max_open_orders: Patch<u32>,
    #[serde(default)]
    #[schema(value_type = Option<u32>, example = 20)]
    max_positions: Patch<u32>,
    /// Of a trading day, in the account's currency.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "500.00")]
    daily_loss: Patch<Positive>,
    #[serde(default)]
    #[schema(value_type = Option<u32>, example = 30)]
    orders_per_minute: Patch<u32>,
}

/// The command that flags and limits are; none where neither was given.
pub(super) fn limits(
    flags: Option<FlagsBody>,
    limits: Option<LimitsBody>,
    by: &str,
) -> Option<ClientCommand> {
    if flags.is_none() && limits.is_none() {
        return None;
    }
    Some(ClientCommand::ChangeLimits {
        flags: flags.map_or_else(FlagsChange::default, FlagsBody::change),
        limits: Box::new(limits.map_or_else(LimitsChange::default, LimitsBody::change)),
        by: by.to_owned(),
    })
}

impl FlagsBody {
    const fn change(self) -> FlagsChange {
        FlagsChange {
            close_only: self.close_only,
            read_only: self.read_only,
            swap_free: self.swap_free,
        }
    }
}

impl LimitsBody {
    fn change(self) -> LimitsChange {
        let amount = |patch: Patch<Positive>| -> Change<Decimal> { patch.into_change(|it| it.0) };
        let count = |patch: Patch<u32>| -> Change<u32> { patch.into_change(|it| it) };
        LimitsChange {
            max_leverage: count(self.max_leverage),
            max_volume: amount(self.max_volume),
            max_notional: amount(self.max_notional),
            max_open_orders: count(self.max_open_orders),
            max_positions: count(self.max_positions),
            daily_loss: amount(self.daily_loss),
            orders_per_minute: count(self.orders_per_minute),
        }
    }
}
