//! What an order would do, decided by the same code.
