//! The account as a `cqrs_es::Aggregate`, so that any `cqrs-es` store can load it.
