//! A map that forgets: at most about twice `generation_max` entries, the least recently used go
//! first. Two generations instead of a list, so that nothing is relinked on a hit.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// A bounded, shared cache. What it forgets must be found again elsewhere.
pub(crate) struct Bounded<K, V> {
    generation_max: usize,
    generations: Mutex<Generations<K, V>>,
}

struct Generations<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
}

impl<K: Eq + Hash + Clone, V: Clone> Bounded<K, V> {
    pub(crate) fn new(generation_max: usize) -> Self {
        assert!(generation_max > 0, "a cache of nothing is a bug");
        let generations = Generations {
            young: HashMap::new(),
            old: HashMap::new(),
        };
        Self {
            generation_max,
            generations: Mutex::new(generations),
        }
    }

    pub(crate) fn get(&self, key: &K) -> Option<V> {
        let mut generations = self.lock();
        if let Some(value) = generations.young.get(key) {
            return Some(value.clone());
        }
        let value = generations.old.remove(key)?;
        self.put(&mut generations, key.clone(), value.clone());
        Some(value)
    }

    pub(crate) fn insert(&self, key: K, value: V) {
        let mut generations = self.lock();
        generations.old.remove(&key);
        self.put(&mut generations, key, value);
    }

    /// Changes an entry in place, made by `default` where there is none.
    pub(crate) fn update<R>(&self, key: K, default: V, change: impl FnOnce(&mut V) -> R) -> R {
        let mut generations = self.lock();
        let mut value = generations
            .young
            .remove(&key)
            .or_else(|| generations.old.remove(&key))
            .unwrap_or(default);
        let result = change(&mut value);
        self.put(&mut generations, key, value);
        result
    }

    fn put(&self, generations: &mut Generations<K, V>, key: K, value: V) {
        if generations.young.len() >= self.generation_max && !generations.young.contains_key(&key) {
            generations.old = std::mem::take(&mut generations.young);
        }
        generations.young.insert(key, value);
    }

    fn lock(&self) -> MutexGuard<'_, Generations<K, V>> {
        // Nothing panics while the lock is held, but a cache survives it anyway.
        self.generations
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_never_holds_more_than_two_generations_and_keeps_what_is_used() {
        let map = Bounded::new(10);
        map.insert(0, 0);
        for key in 1..1_000 {
            map.insert(key, key);
            assert_eq!(map.get(&0), Some(0), "used after each insert");
        }
        let generations = map.lock();
        assert!(generations.young.len() + generations.old.len() <= 20);
        drop(generations);
        assert_eq!(map.get(&500), None);
        assert_eq!(map.get(&999), Some(999));
    }

    #[test]
    fn an_update_sees_what_an_older_generation_holds() {
        let map = Bounded::new(1);
        map.insert('a', 1);
        map.insert('b', 1);
        assert_eq!(
            map.update('a', 0, |count| {
                *count += 1;
                *count
            }),
            2
        );
    }
}
