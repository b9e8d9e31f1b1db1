//! The checkpoints of this process's runners, for those who wait on them.
//!
//! A place on the board is filled while a runner of this process feeds it; empty places send the
//! waiting to the database.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::watch;

/// A projection's place: its checkpoint while a runner feeds it.
type Place = watch::Sender<Option<i64>>;

/// Checkpoints by projection. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Board(Arc<Mutex<HashMap<Box<str>, Place>>>);

/// A runner's hold on its place; dropping it empties the place.
pub(crate) struct Feeder(Place);

impl Board {
    /// A projection's place.
    pub(crate) fn watch(&self, name: &str) -> watch::Receiver<Option<i64>> {
        self.place(name).subscribe()
    }

    /// Takes a projection's place, to feed it.
    pub(crate) fn feed(&self, name: &str) -> Feeder {
        Feeder(self.place(name))
    }

    fn place(&self, name: &str) -> Place {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = places.get(name) {
            return place.clone();
        }
        let place = watch::Sender::new(None);
        places.insert(name.into(), place.clone());
        place
    }
}

impl Feeder {
    /// Tells the committed checkpoint, lower than before too: a server that crashed may have lost
    /// its last, not yet flushed transactions, checkpoint and rows together.
    pub(crate) fn set(&self, position: i64) {
        self.0.send_replace(Some(position));
    }
}

impl Drop for Feeder {
    fn drop(&mut self) {
        self.0.send_replace(None);
    }
}

#[cfg(test)]
mod tests {
    use super::Board;

    #[test]
    fn a_place_is_filled_as_long_as_it_is_fed() {
        let board = Board::default();
        let seen = board.watch("accounts");
        assert_eq!(*seen.borrow(), None);
        let feeder = board.feed("accounts");
        feeder.set(7);
        assert_eq!(*seen.borrow(), Some(7));
        feeder.set(3);
        assert_eq!(*board.watch("accounts").borrow(), Some(3));
        drop(feeder);
        assert_eq!(*seen.borrow(), None);
    }
}
