//! Which symbols a line listens to. Lines with the same symbols share one audience, so that what
//! they are sent is put together once.

/// A set of symbols by their numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Audience(Box<[u64]>);

const WORD: u32 = u64::BITS;

impl Audience {
    pub(super) fn of(symbols: &[u32]) -> Self {
        Self::default().with(symbols)
    }

    pub(super) fn has(&self, symbol: u32) -> bool {
        let word = self.0.get((symbol / WORD) as usize);
        word.is_some_and(|word| word >> (symbol % WORD) & 1 == 1)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn with(&self, symbols: &[u32]) -> Self {
        let mut words = self.0.to_vec();
        for symbol in symbols {
            let word = (symbol / WORD) as usize;
            if words.len() <= word {
                words.resize(word + 1, 0);
            }
            words[word] |= 1 << (symbol % WORD);
        }
        Self(words.into())
    }

    pub(super) fn without(&self, symbols: &[u32]) -> Self {
        let mut words = self.0.to_vec();
        for symbol in symbols {
            if let Some(word) = words.get_mut((symbol / WORD) as usize) {
                *word &= !(1 << (symbol % WORD));
            }
        }
        // Equal sets have to be equal values.
        while words.last() == Some(&0) {
            words.pop();
        }
        Self(words.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_holds_what_was_put_in_and_nothing_else() {
        let audience = Audience::of(&[0, 63, 64, 200]);
        for symbol in [0, 63, 64, 200] {
            assert!(audience.has(symbol));
        }
        for symbol in [1, 62, 65, 199, 201, 100_000] {
            assert!(!audience.has(symbol));
        }
    }

    #[test]
    fn equal_sets_are_equal_however_they_came_about() {
        let few = Audience::of(&[1]);
        assert_eq!(few.with(&[500]).without(&[500]), few);
        assert_eq!(few.without(&[1]), Audience::default());
        assert!(few.without(&[1, 7]).is_empty());
    }
}
