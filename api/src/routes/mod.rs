//! The routes, by resource.

pub(crate) mod accounts;
pub(crate) mod export;
pub(crate) mod health;
pub(crate) mod kyc;
pub(crate) mod market;
pub(crate) mod trading;
pub(crate) mod user;
