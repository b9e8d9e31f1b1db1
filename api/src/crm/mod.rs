//! The service API of the broker's CRM.

pub(crate) mod webhooks;
