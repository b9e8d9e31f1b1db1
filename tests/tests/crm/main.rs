//! Webhooks against a receiver that behaves and misbehaves: every event once for each identifier, in
//! order for each client, signed; whatever fails, is killed, rebuilt, replayed or set aside. And the
//! service API: what the CRM may ask, and what it is asked; and the guide that tells of all that.

mod api;
mod calls;
mod changes;
mod desk;
mod endpoints;
mod failing;
mod guide;
mod killed;
mod linking;
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
