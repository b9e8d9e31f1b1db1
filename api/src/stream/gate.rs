//! Who may hold a socket: origins that are ours, so many from one address, and nobody any more
//! once the end has been announced.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::http::{HeaderMap, HeaderValue, header};
use tokio::{sync::watch, time::timeout};

use crate::{
    problem::{Answered, Code, Problem},
    rate_limit::Caller,
    request::RequestInfo,
};

/// Counts the sockets that are open: WebSockets and streams of events alike.
pub(super) struct Gate {
    per_address_max: Option<u32>,
    held: Mutex<HashMap<Caller, Held>>,
    open: watch::Sender<usize>,
    closing: watch::Sender<bool>,
}

/// The right to one socket; given back when dropped.
pub(super) struct Permit {
    gate: Arc<Gate>,
    caller: Caller,
    cut: Cut,
}

/// What one caller holds.
struct Held {
    count: u32,
    address: IpAddr,
    cut: watch::Sender<bool>,
}

/// Tells of the end of a caller's sockets. Each waits with its own.
#[derive(Clone)]
pub(super) struct Cut(watch::Receiver<bool>);

impl Cut {
    /// Waits until the address is blocked; for ever, where it is not. Cancel-safe.
    pub(super) async fn off(&mut self) {
        if self.0.wait_for(|cut| *cut).await.is_err() {
            // Nobody can cut it any more.
            std::future::pending().await
        }
    }

    pub(super) fn is_off(&self) -> bool {
        *self.0.borrow()
    }
}

impl Permit {
    pub(super) fn cut(&self) -> Cut {
        self.cut.clone()
    }
}

impl Gate {
    pub(super) fn new(per_address_max: Option<u32>) -> Self {
        Self {
            per_address_max,
            held: Mutex::default(),
            open: watch::channel(0).0,
            closing: watch::channel(false).0,
        }
    }

    /// Takes one socket more from this address.
    pub(super) fn enter(self: &Arc<Self>, info: &RequestInfo) -> Answered<Permit> {
        if *self.closing.borrow() {
            return Err(Problem::new(Code::Unavailable));
        }
        let caller = Caller::of_address(info.address);
        let mut all = self.lock();
        let held = all.entry(caller).or_insert_with(|| Held {
            count: 0,
            address: info.address,
            cut: watch::channel(false).0,
        });
        if self.per_address_max.is_some_and(|max| held.count >= max) {
            metrics::counter!("daybook_sockets_refused_total").increment(1);
            return Err(Problem::new(Code::TooManyConnections));
        }
        held.count += 1;
        let cut = Cut(held.cut.subscribe());
        drop(all);
        self.moved(1);
        Ok(Permit {
            gate: Arc::clone(self),
            caller,
            cut,
        })
    }

    /// Ends the sockets of every address that is blocked.
    pub(super) fn cut_off(&self, is_blocked: impl Fn(IpAddr) -> bool) {
        let all = self.lock();
        for held in all.values().filter(|held| is_blocked(held.address)) {
            if !held.cut.send_replace(true) {
                tracing::info!(sockets = held.count, "sockets of a blocked address are cut");
            }
        }
    }

    /// Lets nobody in any more, and tells those who are in.
    pub(super) fn close(&self) {
        self.closing.send_replace(true);
    }

    /// Whether the end has been announced, and when it is.
    pub(super) fn closing(&self) -> watch::Receiver<bool> {
        self.closing.subscribe()
    }

    /// Waits until all have left, but not for ever; says how many have not.
    pub(super) async fn empty(&self, patience: Duration) -> usize {
        let mut open = self.open.subscribe();
        // The sender is ours: the wait fails only by running out of time.
        let _ = timeout(patience, open.wait_for(|open| *open == 0)).await;
        *self.open.borrow()
    }

    fn leave(&self, caller: Caller) {
        let mut all = self.lock();
        if let Some(held) = all.get_mut(&caller) {
            held.count -= 1;
            if held.count == 0 {
                all.remove(&caller);
            }
        }
        drop(all);
        self.moved(-1);
    }

    fn moved(&self, by: isize) {
        self.open
            .send_modify(|open| *open = open.saturating_add_signed(by));
        let gauge = metrics::gauge!("daybook_sockets_open");
        if by > 0 {
            gauge.increment(1);
        } else {
            gauge.decrement(1);
        }
    }

    /// Counts are whole at any moment: a panic elsewhere spoils nothing.
    fn lock(&self) -> MutexGuard<'_, HashMap<Caller, Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.gate.leave(self.caller);
    }
}

/// Browsers let any page open a WebSocket anywhere and send its `Origin` along, so it is compared
/// here: with the origins that may call, and with the host that was called. Programs send none.
pub(super) fn check_origin(headers: &HeaderMap, allowed: &[String]) -> Answered<()> {
    let Some(origin) = headers.get(header::ORIGIN) else {
        return Ok(());
    };
    let host = headers.get(header::HOST).map(HeaderValue::to_str);
    let refused = || Problem::new(Code::OriginRefused);
    let origin = origin.to_str().map_err(|_| refused())?;
    let listed = allowed
        .iter()
        .any(|allowed| allowed.eq_ignore_ascii_case(origin));
    let own = matches!(
        (origin.split_once("://"), host),
        (Some((_, authority)), Some(Ok(host))) if authority.eq_ignore_ascii_case(host)
    );
    if listed || own {
        Ok(())
    } else {
        Err(refused())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info() -> RequestInfo {
        let nobody = || Problem::new(Code::Unauthenticated);
        RequestInfo {
            id: "test".into(),
            address: std::net::Ipv4Addr::LOCALHOST.into(),
            user_agent: None,
            device: String::new(),
            identity: Err(nobody()),
            staff: Err(nobody()),
        }
    }

    fn checked(pairs: &[(header::HeaderName, &'static str)]) -> bool {
        let headers = pairs
            .iter()
            .map(|(name, value)| (name.clone(), HeaderValue::from_static(value)));
        let allowed = ["https://trade.example.com".to_owned()];
        check_origin(&headers.collect(), &allowed).is_ok()
    }

    #[test]
    fn an_address_holds_as_many_sockets_as_it_may() {
        let gate = Arc::new(Gate::new(Some(2)));
        let first = gate.enter(&info()).unwrap();
        let _second = gate.enter(&info()).unwrap();
        let refusal = gate.enter(&info()).err().unwrap();
        assert_eq!(refusal.code(), Code::TooManyConnections);
        drop(first);
        assert!(gate.enter(&info()).is_ok());
    }

    #[tokio::test]
    async fn a_closing_gate_lets_nobody_in_and_waits_for_those_who_are() {
        let gate = Arc::new(Gate::new(None));
        let permit = gate.enter(&info()).unwrap();
        gate.close();
        assert!(*gate.closing().borrow());
        assert_eq!(gate.enter(&info()).err().unwrap().code(), Code::Unavailable);
        assert_eq!(gate.empty(Duration::from_millis(1)).await, 1);
        drop(permit);
        assert_eq!(gate.empty(Duration::from_secs(20)).await, 0);
    }

    #[tokio::test]
    async fn only_a_blocked_address_is_cut_off_and_whoever_comes_back_begins_anew() {
        let gate = Arc::new(Gate::new(None));
        let permit = gate.enter(&info()).unwrap();
        let mut cut = permit.cut();
        gate.cut_off(|_| false);
        assert!(!cut.is_off());
        assert!(timeout(Duration::from_millis(20), cut.off()).await.is_err());
        gate.cut_off(|address| address == std::net::Ipv4Addr::LOCALHOST);
        timeout(Duration::from_secs(20), cut.off()).await.unwrap();
        assert!(cut.is_off());
        drop(permit);
        assert!(!gate.enter(&info()).unwrap().cut().is_off());
    }

    #[test]
    fn pages_of_strangers_open_no_sockets() {
        let (host, origin) = (header::HOST, header::ORIGIN);
        assert!(checked(&[(host.clone(), "api.example.com")]));
        assert!(checked(&[(origin.clone(), "https://trade.example.com")]));
        assert!(checked(&[
            (host.clone(), "localhost:8080"),
            (origin.clone(), "http://localhost:8080"),
        ]));
        for stranger in [
            "https://evil.example",
            "https://trade.example.com.evil.example",
            "null",
            "localhost:8080",
        ] {
            let pairs = [(host.clone(), "localhost:8080"), (origin.clone(), stranger)];
            assert!(!checked(&pairs), "{stranger}");
        }
    }
}
