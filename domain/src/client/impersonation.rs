//! Somebody of the broker's in the client's place: one token lets them in, once.
//!
//! A grant is ours: it is good while it is open. The CRM's own tokens are known by a hash alone, so
//! a used one is remembered for longer than it could be good. Every refusal is a fact, as far as a
//! stream can be kept from being flooded with them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Client, ClientCommand, ClientEvent, ClientRejection, field, security::Asked};
use crate::{SessionId, Timestamp, id::GrantId};

/// A grant is good for so long, in seconds.
pub const GRANT_LIVES_S: i64 = 120;
/// Most that may lie between a CRM token's issue and its end, in seconds.
pub const CRM_TOKEN_LIVES_MAX_S: i64 = 15 * 60;
/// The CRM's clock may differ from ours by this much, in seconds.
pub const CRM_CLOCK_LEEWAY_S: i64 = 30;
/// Longest name of an administrator, in characters.
pub const ADMIN_MAX: usize = 100;
const REASON_MAX: usize = 500;
/// Ended tokens are remembered for so long after their end: a clock that is put back must not make
/// a used one good again, and one that comes back late is still told apart.
const REMEMBERED_S: i64 = 24 * 3600;
/// Refusals noted within an hour.
const REFUSALS_MAX: usize = 20;

/// What names a token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SsoToken {
    /// One of ours.
    Grant {
        /// The grant.
        grant_id: GrantId,
    },
    /// One that the CRM made.
    Crm {
        /// SHA-256 of what it signed, in hexadecimal.
        hash: String,
    },
}

/// What is shown to be let in; that it is genuine was checked before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Pass {
    /// A token of ours.
    Grant {
        /// The grant.
        grant_id: GrantId,
    },
    /// A token of the CRM's.
    Crm {
        /// SHA-256 of what it signed, in hexadecimal.
        hash: String,
        /// Who comes.
        admin_id: String,
        /// Why.
        reason: String,
        /// When it was made.
        issued_at: Timestamp,
        /// When it ends.
        expires_at: Timestamp,
    },
}

/// Why a genuine token does not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImpersonationRefusal {
    /// It let somebody in before: somebody may have a copy.
    Used,
    /// Its time is over.
    Expired,
    /// It is from the future.
    Early,
    /// It would live for longer than it may, or ends before it begins.
    Lifetime,
    /// The client may not sign in.
    Suspended,
}

/// One grant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// Who comes.
    pub admin_id: String,
    /// Why.
    pub reason: String,
    /// When it ends.
    pub expires_at: Timestamp,
    /// It let somebody in.
    pub used: bool,
}

/// Tokens that let in, or did so lately.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Impersonations {
    grants: BTreeMap<GrantId, Grant>,
    /// Used ones of the CRM's by their hash, with the time at which they would have ended.
    used: BTreeMap<String, Timestamp>,
    refusals: Asked,
}

/// Who is let in, and until when the token would have been good.
struct Admitted<'a> {
    admin_id: &'a str,
    reason: &'a str,
    good_until: Timestamp,
}

impl Impersonations {
    /// What was granted, while that is remembered.
    #[must_use]
    pub fn grant(&self, grant_id: GrantId) -> Option<&Grant> {
        self.grants.get(&grant_id)
    }

    fn admits<'a>(
        &'a self,
        pass: &'a Pass,
        at: Timestamp,
    ) -> Result<Admitted<'a>, ImpersonationRefusal> {
        match pass {
            Pass::Grant { grant_id } => match self.grants.get(grant_id) {
                Some(grant) if grant.used => Err(ImpersonationRefusal::Used),
                Some(grant) if at < grant.expires_at => Ok(Admitted {
                    admin_id: &grant.admin_id,
                    reason: &grant.reason,
                    good_until: grant.expires_at,
                }),
                // One that is remembered no longer ended long ago.
                Some(_) | None => Err(ImpersonationRefusal::Expired),
            },
            Pass::Crm { hash, .. } if self.used.contains_key(hash) => {
                Err(ImpersonationRefusal::Used)
            }
            Pass::Crm {
                hash: _,
                admin_id,
                reason,
                issued_at,
                expires_at,
            } => Ok(Admitted {
                admin_id,
                reason,
                good_until: crm_good_until(*issued_at, *expires_at, at)?,
            }),
        }
    }

    fn forget(&mut self, at: Timestamp) {
        let remembered = |end: &Timestamp| (at - *end).num_seconds() < REMEMBERED_S;
        self.grants.retain(|_, grant| remembered(&grant.expires_at));
        self.used.retain(|_, good_until| remembered(good_until));
    }
}

/// The end of a CRM token with the leeway that its clock is given.
fn crm_good_until(
    issued_at: Timestamp,
    expires_at: Timestamp,
    at: Timestamp,
) -> Result<Timestamp, ImpersonationRefusal> {
    let leeway = chrono::Duration::seconds(CRM_CLOCK_LEEWAY_S);
    let lives_s = (expires_at - issued_at).num_seconds();
    if !(1..=CRM_TOKEN_LIVES_MAX_S).contains(&lives_s) {
        return Err(ImpersonationRefusal::Lifetime);
    }
    if issued_at > at + leeway {
        return Err(ImpersonationRefusal::Early);
    }
    // Compared by what is ours: a time at the edge of the calendar must not overflow.
    if at - leeway >= expires_at {
        return Err(ImpersonationRefusal::Expired);
    }
    Ok(expires_at + leeway)
}

impl Pass {
    fn token(&self) -> SsoToken {
        match self {
            Self::Grant { grant_id } => SsoToken::Grant {
                grant_id: *grant_id,
            },
            Self::Crm { hash, .. } => SsoToken::Crm { hash: hash.clone() },
        }
    }
}

type Decided = Result<Vec<ClientEvent>, ClientRejection>;

impl Client {
    /// Decides the commands of this file.
    pub(super) fn decide_impersonation(&self, command: &ClientCommand, at: Timestamp) -> Decided {
        if let ClientCommand::GrantImpersonation {
            grant_id,
            grant,
            by,
        } = command
        {
            return self.grant_impersonation(*grant_id, grant, by, at);
        }
        if let ClientCommand::Impersonate { session_id, pass } = command {
            return self.impersonate(*session_id, pass, at);
        }
        Ok(Vec::new())
    }

    fn grant_impersonation(
        &self,
        grant_id: GrantId,
        grant: &Grant,
        by: &str,
        at: Timestamp,
    ) -> Decided {
        if self.suspended {
            return Err(ClientRejection::Suspended);
        }
        if self.impersonations.grants.contains_key(&grant_id) {
            return Ok(Vec::new());
        }
        field::check_text("adminId", &grant.admin_id, ADMIN_MAX)?;
        field::check_text("reason", &grant.reason, REASON_MAX)?;
        Ok(vec![ClientEvent::ImpersonationGranted {
            grant_id,
            admin_id: grant.admin_id.clone(),
            reason: grant.reason.clone(),
            by: by.to_owned(),
            expires_at: grant.expires_at,
            at,
        }])
    }

    /// Lets in, or notes that it does not. Nothing at all: refused, and noted often enough.
    fn impersonate(&self, session_id: SessionId, pass: &Pass, at: Timestamp) -> Decided {
        if let Pass::Crm {
            admin_id, reason, ..
        } = pass
        {
            field::check_text("adminId", admin_id, ADMIN_MAX)?;
            field::check_text("reason", reason, REASON_MAX)?;
        }
        let admitted = self.impersonations.admits(pass, at);
        let admitted = admitted.and_then(|admitted| {
            if self.suspended {
                return Err(ImpersonationRefusal::Suspended);
            }
            Ok(admitted)
        });
        let event = match admitted {
            Ok(admitted) => ClientEvent::ImpersonationConsumed {
                session_id,
                token: pass.token(),
                admin_id: admitted.admin_id.to_owned(),
                reason: admitted.reason.to_owned(),
                good_until: admitted.good_until,
                at,
            },
            Err(_) if !self.impersonations.refusals.fewer_than(REFUSALS_MAX, at) => {
                return Ok(Vec::new());
            }
            Err(refusal) => ClientEvent::ImpersonationRefused {
                token: pass.token(),
                admin_id: self.who_comes(pass),
                refusal,
                at,
            },
        };
        Ok(vec![event])
    }

    fn who_comes(&self, pass: &Pass) -> Option<String> {
        match pass {
            Pass::Grant { grant_id } => {
                let grant = self.impersonations.grant(*grant_id);
                grant.map(|grant| grant.admin_id.clone())
            }
            Pass::Crm { admin_id, .. } => Some(admin_id.clone()),
        }
    }
}

impl Impersonations {
    /// Applies the events of this file.
    pub(super) fn evolve(&mut self, event: &ClientEvent) {
        self.forget(event.at());
        if let ClientEvent::ImpersonationGranted {
            grant_id,
            admin_id,
            reason,
            expires_at,
            ..
        } = event
        {
            let grant = Grant {
                admin_id: admin_id.clone(),
                reason: reason.clone(),
                expires_at: *expires_at,
                used: false,
            };
            self.grants.insert(*grant_id, grant);
        }
        if let ClientEvent::ImpersonationConsumed {
            token, good_until, ..
        } = event
        {
            self.consumed(token, *good_until);
        }
        if let ClientEvent::ImpersonationRefused { at, .. } = event {
            self.refusals.note(*at);
        }
    }

    fn consumed(&mut self, token: &SsoToken, good_until: Timestamp) {
        match token {
            SsoToken::Grant { grant_id } => {
                let grant = self.grants.get_mut(grant_id);
                let grant = grant.expect("corrupt stream: a grant that was never made was used");
                assert!(!grant.used, "corrupt stream: a grant was used twice");
                grant.used = true;
            }
            SsoToken::Crm { hash } => {
                let before = self.used.insert(hash.clone(), good_until);
                assert!(before.is_none(), "corrupt stream: a token was used twice");
            }
        }
    }
}
