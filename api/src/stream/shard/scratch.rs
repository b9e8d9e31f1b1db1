//! What lines are sent, put together once for all that are sent the same.

use std::{ops::Range, rc::Rc};

use super::{
    audience::Audience,
    board::{Board, Tally},
};

/// Beyond this the pieces put together so far are thrown away.
const BYTES_MAX: usize = 256 * 1024;
/// Looked through one by one, the newest first.
const PIECES_MAX: usize = 32;

/// Pieces that hold for one state of the board.
#[derive(Default)]
pub(super) struct Scratch {
    bytes: Vec<u8>,
    pieces: Vec<Piece>,
    end: u64,
}

struct Piece {
    /// Held, so that no other audience takes its place in memory.
    audience: Rc<Audience>,
    mark: u64,
    place: Range<usize>,
    tally: Tally,
}

impl Scratch {
    /// Lets go of every piece, and with it of audiences that nobody is in any more.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.pieces.clear();
    }

    /// The frames for an audience that has been served up to `mark`.
    pub(super) fn frames(
        &mut self,
        board: &Board,
        audience: &Rc<Audience>,
        mark: u64,
    ) -> (&[u8], Tally) {
        if self.end != board.end()
            || self.bytes.len() > BYTES_MAX
            || self.pieces.len() >= PIECES_MAX
        {
            self.clear();
            self.end = board.end();
        }
        let known = self
            .pieces
            .iter()
            .rposition(|piece| piece.mark == mark && Rc::ptr_eq(&piece.audience, audience));
        let known = known.unwrap_or_else(|| {
            let start = self.bytes.len();
            let tally = board.compose(audience, mark, &mut self.bytes);
            self.pieces.push(Piece {
                audience: Rc::clone(audience),
                mark,
                place: start..self.bytes.len(),
                tally,
            });
            self.pieces.len() - 1
        });
        let piece = &self.pieces[known];
        (&self.bytes[piece.place.clone()], piece.tally)
    }
}
