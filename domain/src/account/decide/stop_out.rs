//! Which positions a stop-out closes, and in which order.
