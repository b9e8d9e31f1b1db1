//! Extractors: what a handler's signature says about permission, shape and freshness.

mod body;
mod client;
mod command;
mod crm;
mod query;
mod reads;
mod sso;
mod staff;

pub(crate) use body::JsonBody;
pub(crate) use client::{InPerson, Info, SignedIn};
pub(crate) use command::{Command, answer, answered, done, json, refusal};
pub(crate) use crm::{Crm, CrmChange, CrmCommand};
pub(crate) use query::{Items, PathId, Query, page_of, parameter};
pub(crate) use reads::{Fresh, min_position};
pub(crate) use sso::SsoIssuer;
pub(crate) use staff::{Admin, Compliance, StaffCommand, StaffOf, Support};
