//! Numbers that look random and are the same for the same seed on every machine and for ever: a
//! seed in a report has to mean the same scenario next year.

use std::ops::Range;

/// SplitMix64.
pub struct Random(u64);

impl Random {
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, which is above zero.
    pub fn below(&mut self, bound: usize) -> usize {
        assert!(bound > 0, "there is something to choose from");
        let bound = u64::try_from(bound).expect("a small number");
        usize::try_from(self.next() % bound).expect("below a usize")
    }

    /// A number of the range; none when it is empty.
    pub fn within(&mut self, range: Range<usize>) -> Option<usize> {
        (!range.is_empty()).then(|| range.start + self.below(range.len()))
    }

    /// A number from `from` to `to`, both included.
    pub fn points(&mut self, from: i64, to: i64) -> i64 {
        let span = usize::try_from(to - from + 1).expect("from is not above to");
        from + i64::try_from(self.below(span)).expect("a small number")
    }

    pub fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}
