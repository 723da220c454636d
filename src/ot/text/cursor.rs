//! Where a position goes when an op is applied: cursors and selections.

use super::{Part, TextOp, count};
use crate::ot::Side;

impl TextOp {
    /// Where `position` (a place between scalar values of this op's base) is after the op. A position within deleted text
    /// goes to where that text was; one past the end stays past the end by as much.
    pub fn move_position(&self, position: u64, side: Side) -> u64 {
        let mut base = 0;
        let mut target = 0;
        for part in self.parts() {
            match part {
                Part::Keep(len) => {
                    // At the very end of the kept text an insert may follow, and then `side` decides.
                    if position < base + len {
                        return target + (position - base);
                    }
                    base += len;
                    target += len;
                }
                Part::Delete(len) => {
                    if position < base + len {
                        // Inside deleted text: an insert beside it that is still to come lies after this place.
                        return target;
                    }
                    base += len;
                }
                Part::Insert(text) => {
                    if position == base && side == Side::Before {
                        return target;
                    }
                    target += count(text);
                }
            }
        }
        target + (position - base)
    }
}
