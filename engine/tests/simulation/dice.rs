//! The one source of chance: the same seed always plays the same run.

use daybook_domain::Decimal;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use uuid::Uuid;

pub struct Dice {
    chance: StdRng,
    ids: u128,
}

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self {
            chance: StdRng::seed_from_u64(seed),
            ids: u128::from(seed) << 64,
        }
    }

    /// Whether something happens that happens `percent` times in a hundred.
    pub fn happens(&mut self, percent: u32) -> bool {
        self.below(100) < u64::from(percent)
    }

    /// Whether something happens once in `count` times.
    pub fn once_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }

    /// 0 to `count` less one.
    pub fn below(&mut self, count: u64) -> u64 {
        self.chance.random_range(0..count.max(1))
    }

    /// From `least` to `most`, both possible.
    pub fn between(&mut self, least: i64, most: i64) -> i64 {
        self.chance.random_range(least..=most)
    }

    /// One of several.
    pub fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.index(of.len())]
    }

    /// A place in a list that is not empty.
    pub fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).unwrap()
    }

    /// A new identifier.
    pub fn id(&mut self) -> Uuid {
        self.ids += 1;
        Uuid::from_u128(self.ids)
    }

    /// `mantissa · 10^-scale` of a whole number between two.
    pub fn decimal(&mut self, least: i64, most: i64, scale: u32) -> Decimal {
        Decimal::new(self.between(least, most), scale)
    }
}
