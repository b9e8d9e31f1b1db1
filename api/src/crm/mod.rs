//! The service API of the broker's CRM. **Permission:** the CRM's service token, on every route.

pub(crate) mod accounts;
pub(crate) mod activity;
mod figures;
pub(crate) mod funding;
mod named;
pub(crate) mod sessions;
pub(crate) mod upsert;
pub(crate) mod users;
pub(crate) mod webhooks;
mod wishes;
