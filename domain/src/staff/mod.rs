//! One person of the broker's: role, sign-ins and what guards them, and what they looked at.
//!
//! Nobody of staff signs in without a code of the authenticator. The address is plain here and
//! ciphertext wherever it rests: `StaffEvent::personal_fields` names it for the store.

mod command;
mod cqrs;
mod decide;
mod event;
mod evolve;
mod look;
mod rejection;
mod role;
#[cfg(test)]
mod spec;

pub use command::StaffCommand;
pub use cqrs::StaffServices;
pub use event::StaffEvent;
pub use look::{Look, Looked, Looks};
pub use rejection::StaffRejection;
pub use role::{RoleError, StaffRole};
use serde::{Deserialize, Serialize};

use crate::{Timestamp, client::TwoFactor};

/// The state of one stream of staff: a fold of its events.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Staff {
    /// None until created.
    pub member: Option<Member>,
}

/// A member of staff.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Normalised address.
    pub email: String,
    /// What they may do.
    pub role: StaffRole,
    /// May not sign in.
    pub disabled: bool,
    /// The authenticator: always asked for.
    pub two_factor: TwoFactor,
    /// When.
    pub created_at: Timestamp,
    /// What they looked at lately.
    pub looks: Looks,
}
