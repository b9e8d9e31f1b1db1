//! What stands between an attacker and the routes, as far as the nodes share it: rate limits,
//! sign-ins that fail, blocked addresses.
//!
//! Nothing here is of the book: losing any of it loses no money, only a memory of misbehaviour.

mod blocked;
mod rate_limits;
mod sign_ins;

use std::{
    net::{IpAddr, Ipv6Addr},
    time::Duration,
};

pub use blocked::{BlockedAddress, BlockedAddresses, BlockedList};
pub use rate_limits::{RateLimitTable, Spent};
pub use sign_ins::{Attempt, Reserved, SignInRules, SignInTable};

use crate::{error::StoreError, store::Store};

/// Whom an address stands for: itself, or of IPv6 its network of 64 bits, since a household is
/// given that many. IPv4 written as IPv6 counts as IPv4.
#[must_use]
pub fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
    }
}

/// Deletes what no longer counts; returns how many rows. Every node may, at any time.
///
/// # Errors
/// [`StoreError::Database`].
pub async fn sweep(store: &Store) -> Result<u64, StoreError> {
    let statements = [
        "delete from public.rate_limits \
         where full_at < (extract(epoch from clock_timestamp()) * 1000000)::bigint",
        "delete from public.sign_in_attempts where expires_at <= clock_timestamp()",
        "delete from public.sign_in_blocks where until <= clock_timestamp()",
        "delete from public.blocked_addresses where expires_at <= clock_timestamp()",
    ];
    let mut deleted = 0;
    for statement in statements {
        let done = sqlx::query(statement).execute(store.pool()).await?;
        deleted += done.rows_affected();
    }
    Ok(deleted)
}

/// Whole microseconds, as the statements count time.
fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

fn from_micros(micros: i64) -> Duration {
    Duration::from_micros(u64::try_from(micros).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_household_of_ipv6_is_one_network_and_ipv4_is_itself_however_it_is_written() {
        let network = |text: &str| network_of(text.parse().unwrap()).to_string();
        assert_eq!(network("2001:db8::ffff:1"), "2001:db8::");
        assert_eq!(network("2001:db8:0:1::1"), "2001:db8:0:1::");
        assert_eq!(network("::ffff:203.0.113.9"), "203.0.113.9");
        assert_eq!(network("203.0.113.9"), "203.0.113.9");
    }
}
