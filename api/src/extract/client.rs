//! Who asks.

use std::sync::Arc;

use axum::{extract::FromRequestParts, http::request::Parts};
use daybook_domain::ClientId;

use crate::{
    auth::token::Identity,
    problem::{Code, Problem},
    request::RequestInfo,
};

/// What is known of the request.
#[derive(Clone, Debug)]
pub(crate) struct Info(pub(crate) Arc<RequestInfo>);

/// A client with a valid access token. **Permission:** any signed-in client, for what is their own.
#[derive(Clone, Debug)]
pub(crate) struct SignedIn(pub(crate) Identity);

impl SignedIn {
    pub(crate) const fn client_id(&self) -> ClientId {
        self.0.client_id
    }
}

/// A client who is signed in and in whose place nobody acts. **Permission:** the client in person.
#[derive(Clone, Debug)]
pub(crate) struct InPerson(pub(crate) Identity);

impl InPerson {
    pub(crate) const fn client_id(&self) -> ClientId {
        self.0.client_id
    }
}

impl<S: Sync> FromRequestParts<S> for Info {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let info = parts.extensions.get::<Arc<RequestInfo>>();
        info.cloned().map(Self).ok_or_else(|| {
            tracing::error!("a route was reached around the outermost layer");
            Problem::new(Code::Internal)
        })
    }
}

impl<S: Sync> FromRequestParts<S> for SignedIn {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Info(info) = Info::from_request_parts(parts, state).await?;
        info.identity.clone().map(Self)
    }
}

impl<S: Sync> FromRequestParts<S> for InPerson {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let SignedIn(identity) = SignedIn::from_request_parts(parts, state).await?;
        if identity.impersonated_by.is_some() {
            return Err(Problem::new(Code::ImpersonationRestricted));
        }
        Ok(Self(identity))
    }
}
