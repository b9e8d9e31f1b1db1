//! Webhooks against a receiver that behaves and misbehaves: every event once for each identifier, in
//! order for each client, signed; whatever fails, is killed, rebuilt, replayed or set aside. And the
//! service API: what the CRM may ask.

mod api;
mod changes;
mod desk;
mod endpoints;
mod failing;
mod killed;
mod money;
mod payouts;
mod personal;
mod replaying;
mod signing;
mod simulated;
mod support;
mod syncing;
mod telling;
mod users;
