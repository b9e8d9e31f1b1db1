//! The simulator's prices on a clock of one's own: a day of them in seconds, without a socket.

use std::sync::Arc;

use daybook_domain::{Decimal, Instrument, Timestamp};

use super::{replay::Replay, tape::Tape, world::World};
use crate::RelayError;

/// Generated prices of all instruments, as fast as they are asked for.
pub struct VirtualMarket {
    world: World,
    tape: Tape,
}

impl VirtualMarket {
    /// A market that opens at `start`.
    ///
    /// # Errors
    /// None of the generated market's own; the type is the simulator's.
    pub fn new(
        seed: u64,
        instruments: &[Arc<Instrument>],
        start: Timestamp,
    ) -> Result<Self, RelayError> {
        let replay = Replay::new(Vec::new(), Decimal::ONE, 0, false)?;
        let world = World::new(seed, instruments, replay);
        let mut tape = Tape::default();
        for instrument in instruments {
            tape.subscribe(&world, instrument.symbol, start.timestamp_micros());
        }
        Ok(Self { world, tape })
    }

    /// The messages that are due at `now`, in the provider's own words. At most a batch of them:
    /// ask again until there are none.
    pub fn due(&mut self, now: Timestamp) -> Vec<String> {
        let due = self.tape.due(&self.world, now.timestamp_micros());
        let words = due
            .iter()
            .map(|due| due.listed.event(due.sides, due.at_ms / 1_000));
        words.collect()
    }
}
