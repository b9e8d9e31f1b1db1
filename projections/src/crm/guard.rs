//! Where requests to a CRM may go: not into networks that a receiver on the internet has no business
//! in.
//!
//! Names are resolved here, and the address that was looked at is the one that is used: a name that
//! means another address a moment later gains nothing.

use std::{
    error::Error,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use reqwest::{
    Client, Url,
    dns::{Addrs, Name, Resolve, Resolving},
    redirect::Policy,
};

/// Longest exchange, connecting included.
pub(super) const TIMEOUT: Duration = Duration::from_secs(10);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const IDLE: Duration = Duration::from_secs(60);
const IDLE_MAX: usize = 128;

/// The address is not one of the public internet.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not a public address; WEBHOOK_ALLOW_PRIVATE allows it")]
pub struct NotPublic(String);

/// Resolves names, and keeps private addresses out where they are not allowed.
#[derive(Clone, Copy, Debug)]
pub struct Guard {
    /// Private addresses are reached too.
    pub allow_private: bool,
}

impl Guard {
    /// Looks at an address that is written as a number: no name is resolved for it.
    ///
    /// # Errors
    /// [`NotPublic`].
    pub fn check(self, url: &Url) -> Result<(), NotPublic> {
        let host = url.host_str().unwrap_or_default();
        let literal = host.trim_start_matches('[').trim_end_matches(']');
        match literal.parse::<IpAddr>() {
            Ok(address) if !self.allows(address) => Err(NotPublic(host.to_owned())),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// A client that goes nowhere else, follows no redirect, and waits ten seconds at most. Addresses
    /// written as numbers are to be looked at with [`Guard::check`] before.
    ///
    /// # Panics
    /// Never: these settings make a client.
    #[must_use]
    pub fn client(self) -> Client {
        // Whoever installed one before has the same one.
        let _installed = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder()
            .user_agent(concat!("Daybook/", env!("CARGO_PKG_VERSION")))
            .redirect(Policy::none())
            .no_proxy()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TIMEOUT)
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(IDLE_MAX)
            .tcp_nodelay(true)
            .dns_resolver(Arc::new(self))
            .build();
        client.expect("invariant: these settings make a client")
    }

    fn allows(self, address: IpAddr) -> bool {
        self.allow_private || is_public(address)
    }
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = *self;
        Box::pin(async move {
            let host = name.as_str().to_owned();
            let found: Vec<SocketAddr> =
                tokio::net::lookup_host((host.as_str(), 0)).await?.collect();
            let allowed: Vec<SocketAddr> = found
                .into_iter()
                .filter(|address| guard.allows(address.ip()))
                .collect();
            if allowed.is_empty() {
                let refused: Box<dyn Error + Send + Sync> = Box::new(NotPublic(host));
                return Err(refused);
            }
            let addresses: Addrs = Box::new(allowed.into_iter());
            Ok(addresses)
        })
    }
}

/// Whether an address belongs to the public internet.
fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [first, second, third, _] = address.octets();
    let special = address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_unspecified()
        || address.is_broadcast()
        || address.is_documentation()
        || address.is_multicast();
    let reserved = first == 0
        || first >= 240
        // Shared by carriers.
        || (first == 100 && (64..128).contains(&second))
        // Protocol assignments.
        || (first == 192 && second == 0 && third == 0)
        // Benchmarks.
        || (first == 198 && (18..20).contains(&second));
    !special && !reserved
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    let embedded = |high: u16, low: u16| {
        let bits = (u32::from(high) << 16) | u32::from(low);
        is_public_v4(Ipv4Addr::from_bits(bits))
    };
    match segments {
        // Translated to IPv4 (64:ff9b::/96), and tunnelled in it (2002::/16).
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => embedded(high, low),
        [0x2002, high, low, ..] => embedded(high, low),
        // Documentation, Teredo and other assignments of 2001::/23.
        [0x2001, 0x0db8, ..] => false,
        [0x2001, second, ..] if second < 0x0200 => false,
        // What is assigned to the internet.
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

#[cfg(test)]
mod tests {
    use std::str::FromStr;

    use super::*;

    #[test]
    fn only_public_addresses_are_reached() {
        for text in [
            "127.0.0.1",
            "127.9.9.9",
            "10.1.2.3",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "192.0.0.8",
            "198.18.0.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "192.0.2.1",
            "::1",
            "::",
            "fe80::1",
            "fc00::1",
            "fd12:3456::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::1",
            "2001:db8::1",
            "2001::1",
        ] {
            assert!(!is_public(text.parse().unwrap()), "{text}");
        }
        for text in [
            "1.1.1.1",
            "8.8.8.8",
            "100.63.0.1",
            "100.128.0.1",
            "172.32.0.1",
            "2606:4700:4700::1111",
            "64:ff9b::808:808",
        ] {
            assert!(is_public(text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn an_address_written_as_a_number_is_looked_at_too() {
        let strict = Guard {
            allow_private: false,
        };
        for text in [
            "http://127.0.0.1:80/x",
            "http://[::1]/",
            "http://2130706433/",
            "http://0x7f.1/",
            "http://[::ffff:7f00:1]/",
        ] {
            let url = Url::parse(text).unwrap();
            assert!(strict.check(&url).is_err(), "{text}");
            let lenient = Guard {
                allow_private: true,
            };
            assert!(lenient.check(&url).is_ok());
        }
        let public = Url::parse("https://crm.example.com/hooks").unwrap();
        assert_eq!(strict.check(&public), Ok(()));
    }

    #[tokio::test]
    async fn a_name_that_means_a_private_address_is_refused() {
        let name = || Name::from_str("localhost").unwrap();
        let strict = Guard {
            allow_private: false,
        };
        assert!(strict.resolve(name()).await.is_err());
        let lenient = Guard {
            allow_private: true,
        };
        assert!(lenient.resolve(name()).await.unwrap().count() >= 1);
    }
}
