//! From an HTTP request to a bare socket. The library checks the handshake; its own stream type is
//! left out, because a writer of shared, framed bytes needs the socket itself.

use axum::{
    body::{Body, Bytes},
    extract::Request,
    response::Response,
};
use hyper::upgrade::OnUpgrade;
use hyper_util::{rt::TokioIo, server::conn::auto::upgrade::downcast};
use tokio::net::TcpStream;
use tungstenite::handshake::server::create_response_with_body;

use crate::problem::{Answered, Code, Problem};

/// A socket after its handshake.
pub(super) struct Raw {
    /// Not tied to any runtime.
    pub(super) stream: std::net::TcpStream,
    /// What the peer has sent behind its request.
    pub(super) read: Bytes,
}

/// The answer that accepts the upgrade, and what becomes of the connection.
pub(super) fn accept(mut request: Request) -> Answered<(Response, OnUpgrade)> {
    let refused = |detail: String| Problem::with_detail(Code::Malformed, detail);
    let response = create_response_with_body(&request, Body::empty)
        .map_err(|error| refused(error.to_string()))?;
    Ok((response, hyper::upgrade::on(&mut request)))
}

/// Waits for the answer to be sent; none when the connection ended before.
pub(super) async fn upgraded(upgrade: OnUpgrade) -> Option<Raw> {
    let upgraded = upgrade.await.ok()?;
    let Ok(parts) = downcast::<TokioIo<TcpStream>>(upgraded) else {
        tracing::error!("an upgraded connection is no plain socket and was dropped");
        return None;
    };
    let stream = parts.io.into_inner().into_std().ok()?;
    Some(Raw {
        stream,
        read: parts.read_buf,
    })
}
