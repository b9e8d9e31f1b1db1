//! What guards a client's account, as far as it is a matter of rules: the second factor, links,
//! familiar devices. Secrets themselves stand elsewhere.

use std::collections::{BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// Devices and networks that are remembered, the newest ones.
const FAMILIAR_MAX: usize = 20;
/// Mails of one kind that may be asked for within an hour.
const ASKED_MAX: usize = 5;
const ASKED_WITHIN_S: i64 = 3600;

/// What was shown beside the password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Factor {
    /// Nothing.
    None,
    /// A code of the authenticator.
    Totp {
        /// Its time step (30 s since 1970, RFC 6238).
        step: i64,
    },
    /// A recovery code.
    RecoveryCode {
        /// Which.
        index: u8,
    },
}

/// Why a sign-in was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SignInFailure {
    /// The password was wrong.
    Password,
    /// The code was wrong or used before.
    SecondFactor,
    /// The client is suspended, or the member of staff disabled.
    Suspended,
}

/// Why sessions ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RevokeReason {
    /// The client signed out.
    SignedOut,
    /// The client ended it from the list of sessions.
    Revoked,
    /// The password changed.
    PasswordChanged,
    /// A refresh token came back after it had been replaced: somebody has a copy.
    RefreshReused,
    /// The client was suspended, or the member of staff disabled.
    Suspended,
    /// Somebody of the broker's ended them.
    ForceLogout,
    /// The person was erased.
    Erased,
    /// The member of staff has another role.
    RoleChanged,
}

/// Why what was shown beside the password does not do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FactorRefusal {
    /// Nothing was shown.
    Missing,
    /// It was accepted before.
    Used,
}

/// The second factor of whoever has one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TwoFactor {
    /// The newest time step that was accepted: a code works once, and none older than it.
    pub last_step: i64,
    /// Recovery codes that are left, by number.
    pub recovery_left: BTreeSet<u8>,
}

impl TwoFactor {
    /// With all its codes, and the one that proved it used up.
    #[must_use]
    pub fn new(step: i64, recovery_codes: u8) -> Self {
        Self {
            last_step: step,
            recovery_left: (0..recovery_codes).collect(),
        }
    }

    pub(crate) fn check(&self, factor: Factor) -> Result<(), FactorRefusal> {
        match factor {
            Factor::None => Err(FactorRefusal::Missing),
            Factor::Totp { step } if step > self.last_step => Ok(()),
            Factor::RecoveryCode { index } if self.recovery_left.contains(&index) => Ok(()),
            Factor::Totp { .. } | Factor::RecoveryCode { .. } => Err(FactorRefusal::Used),
        }
    }

    pub(crate) fn spend(&mut self, factor: Factor) {
        match factor {
            Factor::None => {}
            Factor::Totp { step } => self.last_step = self.last_step.max(step),
            Factor::RecoveryCode { index } => {
                self.recovery_left.remove(&index);
            }
        }
    }
}

/// Values seen before, the newest ones, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Familiar(VecDeque<String>);

impl Familiar {
    pub(super) fn knows(&self, value: &str) -> bool {
        self.0.iter().any(|known| known == value)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn meet(&mut self, value: &str) {
        self.0.retain(|known| known != value);
        if self.0.len() >= FAMILIAR_MAX {
            self.0.pop_front();
        }
        self.0.push_back(value.to_owned());
    }
}

/// When mails of one kind were asked for, or tokens refused, within the last hour.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked(Vec<Timestamp>);

impl Asked {
    /// Whether one more may go out: nobody's mailbox is flooded through us.
    pub(super) fn may(&self, at: Timestamp) -> bool {
        self.fewer_than(ASKED_MAX, at)
    }

    /// Whether it was so fewer times than this.
    pub(super) fn fewer_than(&self, max: usize, at: Timestamp) -> bool {
        let recent = self.0.iter().filter(|before| recent(**before, at));
        recent.count() < max
    }

    pub(super) fn note(&mut self, at: Timestamp) {
        self.0.retain(|before| recent(*before, at));
        self.0.push(at);
    }
}

fn recent(before: Timestamp, at: Timestamp) -> bool {
    (at - before).num_seconds() < ASKED_WITHIN_S
}

/// The guards' state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Security {
    /// None: the password alone is asked for.
    pub two_factor: Option<TwoFactor>,
    /// How many links for a new password were asked for.
    pub resets: u32,
    /// The newest of them is still good.
    pub reset_open: bool,
    /// Somebody else signed the person up, who has chosen no password yet.
    #[serde(default)]
    pub invited: bool,
    /// Devices that the client signed in on.
    pub devices: Familiar,
    /// Networks that the client signed in from.
    pub networks: Familiar,
    /// Mails with such links.
    pub resets_asked: Asked,
    /// Mails to verify the address.
    pub verifications_asked: Asked,
    /// Mails that somebody tried to sign up again.
    pub repeats_told: Asked,
}
