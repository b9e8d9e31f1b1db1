//! Rate limits: a token bucket per caller in its GCRA form, in memory or shared by all nodes.
//!
//! A caller may spend `max` at once and regains them evenly over the window. A refused request
//! costs nothing, so that a caller who hammers is let in again as soon as one who waits.

mod shared;

use std::{
    hash::Hash,
    net::IpAddr,
    time::{Duration, Instant},
};

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use daybook_domain::{ClientId, StaffId};
use daybook_store::{Store, perimeter::network_of};

use self::shared::Shared;
use crate::{
    bounded::Bounded,
    config::{LimitStore, Limits},
    problem::{Code, Problem},
};

const CALLERS_MAX: usize = 100_000;

/// Who a limit counts for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Caller {
    Client(ClientId),
    Staff(StaffId),
    Address(IpAddr),
}

impl Caller {
    /// One address; of IPv6 the network, since a household is given 2^64 of them.
    pub(crate) fn of_address(address: IpAddr) -> Self {
        Self::Address(network_of(address))
    }
}

/// Which limit a request falls under: exactly one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Class {
    /// `/auth/*` and whatever else proves who somebody is, by address.
    Auth,
    /// Trading commands, by client.
    Orders,
    /// `/crm/*`, by address.
    Crm,
    /// Everything else that is limited.
    Requests,
    /// Health, documents.
    Free,
}

/// What is left after a request, for the headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Allowance {
    pub(crate) limit: u32,
    pub(crate) remaining: u32,
    /// Until the whole limit is there again; after a refusal, until the next request passes.
    pub(crate) reset: Duration,
    pub(crate) allowed: bool,
}

/// One limit over all callers.
pub(crate) struct Limit<K> {
    max: u32,
    interval: Duration,
    /// When the caller's bucket will be full again.
    full_at: Bounded<K, Instant>,
}

impl<K: Eq + Hash + Clone> Limit<K> {
    pub(crate) fn new(max: u32, window: Duration) -> Self {
        assert!(max > 0, "a limit of nothing is switched off instead");
        Self {
            max,
            interval: window / max,
            full_at: Bounded::new(CALLERS_MAX),
        }
    }

    /// Spends one request of `caller` at `now`, if there is one.
    pub(crate) fn spend(&self, caller: K, now: Instant) -> Allowance {
        self.full_at.update(caller, now, |full_at| {
            let debt = full_at.saturating_duration_since(now);
            let after = debt + self.interval;
            if after > self.burst() {
                return self.refused(debt);
            }
            *full_at = now + after;
            self.passed(after)
        })
    }

    /// How long it takes to regain all.
    fn burst(&self) -> Duration {
        self.interval * self.max
    }

    /// A request that passes, and after which it takes `debt` to regain all.
    fn passed(&self, debt: Duration) -> Allowance {
        let left = self.burst().saturating_sub(debt);
        let left = left.as_nanos() / self.interval.as_nanos().max(1);
        Allowance {
            limit: self.max,
            remaining: u32::try_from(left).unwrap_or(self.max).min(self.max),
            reset: debt,
            allowed: true,
        }
    }

    /// A request that does not, while it takes `debt` to regain all.
    fn refused(&self, debt: Duration) -> Allowance {
        Allowance {
            limit: self.max,
            remaining: 0,
            reset: (debt + self.interval).saturating_sub(self.burst()),
            allowed: false,
        }
    }
}

/// The limits in force.
pub(crate) struct RateLimits {
    requests: Option<Limit<Caller>>,
    auth: Option<Limit<Caller>>,
    orders: Option<Limit<Caller>>,
    crm: Option<Limit<Caller>>,
    shared: Option<Shared>,
}

impl RateLimits {
    pub(crate) fn new(limits: &Limits, store: &Store) -> Self {
        let shared = match limits.store {
            LimitStore::Memory => None,
            LimitStore::Postgres => Some(Shared::new(store)),
        };
        Self {
            shared,
            ..Self::in_memory(limits)
        }
    }

    fn in_memory(limits: &Limits) -> Self {
        let limit = |max: Option<u32>, window| {
            max.filter(|max| *max > 0)
                .map(|max| Limit::new(max, window))
        };
        Self {
            requests: limit(limits.requests_max, limits.window),
            auth: limit(limits.auth_max, limits.window),
            orders: limit(limits.orders_max, Duration::from_secs(1)),
            crm: limit(limits.crm_max, limits.window),
            shared: None,
        }
    }

    /// Spends one request; none where its class is not limited. While the shared store is away
    /// this node counts for itself.
    pub(crate) async fn spend(&self, class: Class, caller: Caller) -> Option<Allowance> {
        let limit = match class {
            Class::Auth => self.auth.as_ref(),
            Class::Orders => self.orders.as_ref(),
            Class::Crm => self.crm.as_ref(),
            Class::Requests => self.requests.as_ref(),
            Class::Free => None,
        }?;
        if let Some(shared) = &self.shared
            && let Some(allowance) = shared.spend(class, caller, limit).await
        {
            return Some(allowance);
        }
        Some(limit.spend(caller, Instant::now()))
    }
}

impl Allowance {
    /// The refusal.
    pub(crate) fn problem(self) -> Problem {
        Problem::new(Code::RateLimited).retry_after(whole_seconds(self.reset))
    }

    /// `RateLimit-Limit`, `RateLimit-Remaining` and `RateLimit-Reset`.
    pub(crate) fn write(self, headers: &mut HeaderMap) {
        let mut set = |name: &'static str, value: u64| {
            headers.insert(HeaderName::from_static(name), HeaderValue::from(value));
        };
        set("ratelimit-limit", self.limit.into());
        set("ratelimit-remaining", self.remaining.into());
        set("ratelimit-reset", whole_seconds(self.reset));
    }
}

/// Rounded up, so that whoever waits that long has waited long enough.
pub(crate) fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_one_more_does_not() {
        let limit = Limit::new(5, Duration::from_secs(60));
        let start = Instant::now();
        for left in (0..5).rev() {
            let allowance = limit.spend('a', start);
            assert!(allowance.allowed);
            assert_eq!(allowance.remaining, left);
        }
        let refused = limit.spend('a', start);
        assert!(!refused.allowed);
        assert_eq!(whole_seconds(refused.reset), 12);
        assert!(
            limit.spend('b', start).allowed,
            "another caller has a bucket of his own"
        );
    }

    #[test]
    fn waiting_as_long_as_told_is_enough_and_hammering_costs_nothing() {
        let limit = Limit::new(5, Duration::from_secs(60));
        let start = Instant::now();
        for _ in 0..5 {
            limit.spend((), start);
        }
        for _ in 0..100 {
            assert!(!limit.spend((), start).allowed);
        }
        let reset = limit.spend((), start).reset;
        assert!(
            !limit
                .spend((), start + reset - Duration::from_millis(1))
                .allowed
        );
        assert!(limit.spend((), start + reset).allowed);
        assert!(!limit.spend((), start + reset).allowed);
        assert_eq!(
            limit.spend((), start + Duration::from_secs(600)).remaining,
            4
        );
    }

    #[test]
    fn a_network_of_ipv6_is_one_caller() {
        let caller = |text: &str| Caller::of_address(text.parse().unwrap());
        assert_eq!(caller("2001:db8::1"), caller("2001:db8::ffff:1"));
        assert_ne!(caller("2001:db8::1"), caller("2001:db8:0:1::1"));
        assert_eq!(caller("::ffff:203.0.113.9"), caller("203.0.113.9"));
        assert_ne!(caller("203.0.113.9"), caller("203.0.113.8"));
    }

    #[tokio::test]
    async fn a_limit_of_zero_or_none_is_off() {
        let limits = Limits {
            requests_max: Some(0),
            auth_max: None,
            ..Limits::default()
        };
        let limits = RateLimits::in_memory(&limits);
        let caller = Caller::Client(ClientId::default());
        for class in [Class::Requests, Class::Auth, Class::Free] {
            assert_eq!(limits.spend(class, caller).await, None);
        }
        for class in [Class::Orders, Class::Crm] {
            assert!(limits.spend(class, caller).await.is_some());
        }
    }
}
