//! Where a position goes when an op is applied: cursors and selections.

use super::{Part, TextOp, count};
use crate::ot::Side;

impl TextOp {
    /// Where `position` (a place between scalar values of this op's base) is after the op. A position within deleted text
    /// goes to where that text was; one past the end stays past the end by as much.
    ///
    /// # The laws
    ///
    /// - **cursor_is_where_typing_lands**: [`Side::Before`] is where an insert at `position` lands as the incoming side,
    ///   [`Side::After`] where it lands as the history side.
    /// - **cursor_follows_composition**: moving over a composition is moving over its two parts in turn, for
    ///   `Side::Before` over [`Op::compose`](crate::ot::Op::compose) and for `Side::After` over
    ///   [`Op::compose_typing`](crate::ot::Op::compose_typing). Not the other way round, and no other reading could: `[-1]`
    ///   then `["b"]` and `[1,"b"]` then `[-1,1]` both compose to `[-1,"b"]`, and take the place before what they delete
    ///   to different sides of "b".
    /// - **positions_stay_in_order_and_in_bounds**: of two positions the one further left stays left of the other or meets
    ///   it, `Before` is never right of `After`, and a place within the base stays within the result.
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
        // Positions come from clients as they are: one far past the end must not overflow.
        target.saturating_add(position - base)
    }
}
