//! Sign-in of staff: password and code, always both. **Permission:** public, unless a route says
//! otherwise. Tokens of staff have an audience of their own, and no cookie carries them.

pub(crate) mod login;
pub(crate) mod password;
pub(crate) mod refresh;

use daybook_domain::{StaffId, staff::Member};
use daybook_engine::staff_member;
use secrecy::ExposeSecret;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{app::App, auth::session::Issued, problem::Answered};

/// A session of staff.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StaffSessionBody {
    /// Sent as `Authorization: Bearer …`.
    access_token: String,
    /// Seconds that it lives.
    #[schema(example = 900)]
    expires_in: u64,
    /// Good for one `POST /staff/auth/refresh`.
    refresh_token: String,
    staff: StaffBody,
}

/// A member of staff.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StaffBody {
    #[schema(example = "01997d0a-5a3e-7d31-9a53-0a4f2f1c7a20")]
    staff_id: String,
    #[schema(example = "ines@broker.example")]
    email: String,
    /// `admin`, `compliance` or `support`.
    #[schema(example = "compliance")]
    role: &'static str,
}

impl StaffBody {
    pub(crate) fn of(staff_id: StaffId, member: &Member) -> Self {
        Self {
            staff_id: staff_id.to_string(),
            email: member.email.clone(),
            role: member.role.as_str(),
        }
    }
}

impl StaffSessionBody {
    fn of(staff_id: StaffId, member: &Member, issued: &Issued) -> Self {
        Self {
            access_token: issued.access_token.clone(),
            expires_in: issued.expires_in,
            refresh_token: issued.refresh_token.expose_secret().to_owned(),
            staff: StaffBody::of(staff_id, member),
        }
    }
}

/// A member of staff, as the book has them at this moment.
pub(crate) async fn member_of(app: &App, staff_id: StaffId) -> Answered<Member> {
    let store = &app.handles.store;
    let key = store.keys().get(staff_id.0).await?;
    Ok(staff_member(store, staff_id, &key).await?)
}
