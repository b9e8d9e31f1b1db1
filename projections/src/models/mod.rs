//! The read models, one file each: tables, fold, and bulk writing.

pub(crate) mod accounts;
pub(crate) mod audit;
pub(crate) mod clients;
pub(crate) mod deals;
pub(crate) mod funding;
pub(crate) mod journal;
pub(crate) mod orders;
pub(crate) mod positions;
