//! One position per symbol.
