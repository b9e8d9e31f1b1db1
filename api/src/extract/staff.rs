//! Which member of staff asks. What they may do is stated in the type: [`StaffOf`] a permission.

use std::{marker::PhantomData, sync::Arc};

use axum::{extract::FromRequestParts, http::request::Parts};
use daybook_domain::{StaffId, StaffRole};
use daybook_engine::IdempotencyRequest;

use super::command::Keyed;
use crate::{
    app::{App, Shared},
    auth::{staff_act::StaffAct, token::StaffIdentity},
    extract::Info,
    problem::{Answered, Code, Problem},
    request::RequestInfo,
};

/// What a route asks of whoever uses it.
pub(crate) trait Permission: Send + Sync + 'static {
    /// The least role that may.
    const LEAST: StaffRole;
}

/// Admins alone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Admin;

/// Compliance and admins.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Compliance;

/// Anybody of staff.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Support;

impl Permission for Admin {
    const LEAST: StaffRole = StaffRole::Admin;
}

impl Permission for Compliance {
    const LEAST: StaffRole = StaffRole::Compliance;
}

impl Permission for Support {
    const LEAST: StaffRole = StaffRole::Support;
}

/// A member of staff with a valid access token and at least this role. **Permission:** `P`.
pub(crate) struct StaffOf<P> {
    pub(crate) identity: StaffIdentity,
    pub(crate) info: Arc<RequestInfo>,
    permission: PhantomData<P>,
}

impl<P> StaffOf<P> {
    pub(crate) const fn staff_id(&self) -> StaffId {
        self.identity.staff_id
    }

    /// To act in their name.
    pub(crate) async fn act<'a>(&'a self, app: &'a App) -> Answered<StaffAct<'a>> {
        StaffAct::of(app, &self.info, self.identity.staff_id).await
    }
}

impl<P: Permission> FromRequestParts<Shared> for StaffOf<P> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Shared) -> Result<Self, Problem> {
        let Info(info) = Info::from_request_parts(parts, app).await?;
        let identity = info.staff.clone()?;
        if identity.role < P::LEAST {
            let detail = format!("this is for {} or above", P::LEAST);
            return Err(Problem::with_detail(Code::Forbidden, detail));
        }
        Ok(Self {
            identity,
            info,
            permission: PhantomData,
        })
    }
}

/// The same for a request to change something.
pub(crate) struct StaffCommand<P> {
    pub(crate) staff: StaffOf<P>,
    keyed: Keyed,
}

impl<P> StaffCommand<P> {
    /// The key of the answer.
    pub(crate) fn idempotency(&self, body: &[u8]) -> Option<IdempotencyRequest> {
        let caller = format!("staff:{}", self.staff.staff_id());
        self.keyed.idempotency(&caller, "", body)
    }
}

impl<P: Permission> FromRequestParts<Shared> for StaffCommand<P> {
    type Rejection = Problem;

    /// A standby takes no commands, whatever they are.
    async fn from_request_parts(parts: &mut Parts, app: &Shared) -> Result<Self, Problem> {
        let staff = StaffOf::from_request_parts(parts, app).await?;
        app.engine()?;
        let keyed = Keyed::of(parts)?;
        Ok(Self { staff, keyed })
    }
}
