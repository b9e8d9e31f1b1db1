//! The book under fire: servers and backends killed, leaders frozen, connections cut, and what a
//! user finds after it.

mod connection_cut;
mod first_run;
mod killed;
mod listeners;
mod mutants;
mod outage;
mod rebuilt;
mod recorded_ticks;
mod takeover;
