//! What is known of a request before its handler runs: its name, where it came from, who asks.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
};

use axum::{
    extract::{ConnectInfo, Request},
    http::{HeaderMap, header},
};
use daybook_domain::ClientId;
use uuid::Uuid;

use crate::{
    app::App,
    auth::token::{Identity, StaffIdentity},
    config::Network,
    layers::without_version,
    problem::{Answered, Code, Problem},
};

const REQUEST_ID_MAX: usize = 64;
const USER_AGENT_MAX: usize = 256;

/// Made once per request by the outermost layer, read by extractors.
#[derive(Debug)]
pub(crate) struct RequestInfo {
    /// Names the request in answers, logs and events.
    pub(crate) id: Arc<str>,
    /// The caller's address; from `X-Forwarded-For` only behind a trusted proxy.
    pub(crate) address: IpAddr,
    /// The caller's program, shortened.
    pub(crate) user_agent: Option<String>,
    /// What tells devices apart as far as a request shows it: program and languages.
    pub(crate) device: String,
    /// Which client asks, or why none does.
    pub(crate) identity: Answered<Identity>,
    /// Which member of staff asks, where only staff may; or why none does.
    pub(crate) staff: Answered<StaffIdentity>,
}

impl RequestInfo {
    pub(crate) fn of(request: &Request, app: &App) -> Self {
        let headers = request.headers();
        let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
        let peer = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |info| info.0.ip());
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let user_agent = text(header::USER_AGENT);
        let languages = text(header::ACCEPT_LANGUAGE).unwrap_or_default();
        Self {
            id: request_id(headers),
            address: caller_address(
                peer.to_canonical(),
                headers,
                &app.handles.config.trusted_proxies,
            ),
            device: format!("{}\n{languages}", user_agent.unwrap_or_default()),
            user_agent: user_agent.map(|text| text.chars().take(USER_AGENT_MAX).collect()),
            identity: bearer(headers).and_then(|token| app.identify(token)),
            staff: staff(request, app),
        }
    }
}

impl RequestInfo {
    /// Who acts in this client's place.
    pub(crate) fn impersonator(&self, client: ClientId) -> Option<&str> {
        let identity = self.identity.as_ref().ok()?;
        let own = identity.client_id == client;
        identity.impersonated_by.as_deref().filter(|_| own)
    }

    /// The network that the address lies in, as far as households and companies have one: /24 of
    /// IPv4, /48 of IPv6.
    pub(crate) fn network(&self) -> String {
        match self.address {
            IpAddr::V4(address) => {
                let [a, b, c, _] = address.octets();
                format!("{a}.{b}.{c}.0/24")
            }
            IpAddr::V6(address) => {
                let [a, b, c, ..] = address.segments();
                format!("{a:x}:{b:x}:{c:x}::/48")
            }
        }
    }
}

/// The caller's own name for the request where it is sane, else one of ours.
fn request_id(headers: &HeaderMap) -> Arc<str> {
    let given = headers
        .get("x-request-id")
        .and_then(|value| value.to_str().ok());
    let sane = |text: &&str| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        (1..=REQUEST_ID_MAX).contains(&text.len()) && text.bytes().all(plain)
    };
    match given.filter(sane) {
        Some(text) => text.into(),
        None => Uuid::now_v7().to_string().into(),
    }
}

/// Nobody's token is looked at twice: where staff may ask, clients may not.
fn staff(request: &Request, app: &App) -> Answered<StaffIdentity> {
    let path = without_version(request.uri().path());
    if !path.starts_with("/staff/") && !path.starts_with("/compliance/") {
        return Err(Problem::new(Code::Unauthenticated));
    }
    bearer(request.headers()).and_then(|token| app.identify_staff(token))
}

fn bearer(headers: &HeaderMap) -> Answered<&str> {
    let value = headers.get(header::AUTHORIZATION);
    let value = value.ok_or_else(|| Problem::new(Code::Unauthenticated))?;
    let text = value
        .to_str()
        .map_err(|_| Problem::new(Code::Unauthenticated))?;
    let (scheme, token) = text.split_once(' ').unwrap_or((text, ""));
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Problem::new(Code::Unauthenticated));
    }
    Ok(token.trim())
}

/// Walks `X-Forwarded-For` from our side for as long as the hops are trusted: what stands further
/// to the left may have been made up by the caller.
fn caller_address(peer: IpAddr, headers: &HeaderMap, trusted: &[Network]) -> IpAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(address));
    let lines = headers.get_all("x-forwarded-for").iter();
    let lines: Vec<&str> = lines.filter_map(|line| line.to_str().ok()).collect();
    let hops = lines.iter().rev().flat_map(|line| line.rsplit(','));
    let mut address = peer;
    for hop in hops {
        if !is_trusted(address) {
            return address;
        }
        match hop.trim().parse::<IpAddr>() {
            Ok(hop) => address = hop.to_canonical(),
            Err(_) => return address,
        }
    }
    address
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn forwarded(lines: &[&'static str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append("x-forwarded-for", HeaderValue::from_static(line));
        }
        headers
    }

    fn address(peer: &str, lines: &[&'static str], trusted: &[&str]) -> String {
        let trusted: Vec<Network> = trusted.iter().map(|text| text.parse().unwrap()).collect();
        caller_address(peer.parse().unwrap(), &forwarded(lines), &trusted).to_string()
    }

    #[test]
    fn nobody_is_believed_unless_trusted() {
        assert_eq!(
            address("198.51.100.7", &["203.0.113.9"], &[]),
            "198.51.100.7"
        );
        assert_eq!(
            address("198.51.100.7", &["203.0.113.9"], &["10.0.0.0/8"]),
            "198.51.100.7"
        );
    }

    #[test]
    fn behind_a_trusted_proxy_the_last_untrusted_hop_is_the_caller() {
        let trusted = ["10.0.0.0/8"];
        assert_eq!(
            address("10.0.0.1", &["203.0.113.9"], &trusted),
            "203.0.113.9"
        );
        assert_eq!(
            address("10.0.0.1", &["1.2.3.4, 203.0.113.9"], &trusted),
            "203.0.113.9"
        );
        assert_eq!(
            address("10.0.0.1", &["1.2.3.4", "203.0.113.9, 10.0.0.2"], &trusted),
            "203.0.113.9"
        );
        assert_eq!(address("10.0.0.1", &["nonsense"], &trusted), "10.0.0.1");
    }

    #[test]
    fn a_request_id_is_kept_only_where_it_is_sane() {
        let id = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert("x-request-id", HeaderValue::from_static(text));
            request_id(&headers)
        };
        assert_eq!(&*id("trace-1.2_3"), "trace-1.2_3");
        for text in ["", "with space", "a\"b", &"x".repeat(65).leak()[..]] {
            assert_ne!(&*id(text), text);
        }
    }
}
