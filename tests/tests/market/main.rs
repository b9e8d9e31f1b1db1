//! Market data when its provider misbehaves: the real program against the simulated provider, with
//! one fault after the other switched on and off again.

mod candles;
mod faults;
mod interest;
mod providers;
mod soak;
mod support;
mod watching;
