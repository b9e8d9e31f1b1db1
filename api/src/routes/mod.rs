//! The routes, by resource.

pub(crate) mod accounts;
pub(crate) mod compliance;
pub(crate) mod export;
pub(crate) mod funding;
pub(crate) mod health;
pub(crate) mod kyc;
pub(crate) mod market;
pub(crate) mod sessions;
pub(crate) mod staff;
pub(crate) mod trading;
pub(crate) mod user;
