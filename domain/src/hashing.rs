//! A fast hash for short names that we choose ourselves: symbols and currencies.
//!
//! It resists nobody who may choose the keys of a map; keys here come from the house's own terms.

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
};

/// A map keyed by symbols or currencies.
pub(crate) type NameMap<K, V> = HashMap<K, V, BuildHasherDefault<NameHasher>>;

/// Multiplies and rotates word by word, as Firefox and rustc do.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct NameHasher(u64);

const SEED: u64 = 0x517c_c1b7_2722_0a95;

impl NameHasher {
    const fn add(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(SEED);
    }
}

impl Hasher for NameHasher {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.add(u64::from_le_bytes(word));
        }
    }

    fn write_u8(&mut self, byte: u8) {
        self.add(u64::from(byte));
    }

    fn write_usize(&mut self, number: usize) {
        self.add(number as u64);
    }

    fn finish(&self) -> u64 {
        // The table looks at the low bits first, where a product is weakest.
        self.0.rotate_left(26)
    }
}
