//! Where two concurrent ops meet: what both delete, and where both change the same place.

use std::ops::Range;

use super::algebra::{Sides, walk_both};
use super::{Part, TextOp, count};
use crate::ot::{LengthMismatch, Op};

/// A place that both of two concurrent ops changed.
///
/// # The laws
///
/// - **far_changes_commute**: two ops without a conflict give the same content whichever of them is the incoming side.
/// - **conflicts_cover_both_sides**: outside the conflicts, base text is as at most one of the two ops leaves it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// Where, in the content that both were made for.
    pub base: Range<u64>,
    /// Where, in the content after the incoming op alone.
    pub incoming: Range<u64>,
    /// Where, in the content after the history's op alone.
    pub history: Range<u64>,
    /// Where, in the content after both.
    pub both: Range<u64>,
}

impl TextOp {
    /// The stretches of base text that both ops delete, in order.
    pub fn both_delete(incoming: &TextOp, history: &TextOp) -> Result<Vec<Range<u64>>, LengthMismatch> {
        let mut both = BothDelete::default();
        walk_both(incoming, history, &mut both)?;
        Ok(both.found)
    }

    /// The places that both ops changed: the same text, or text side by side.
    pub fn conflicts(incoming: &TextOp, history: &TextOp) -> Result<Vec<Conflict>, LengthMismatch> {
        let moved = incoming.transform_incoming(history)?;
        let (mine, theirs) = (incoming.changes(), history.changes());
        let mut places: Vec<Range<u64>> = Vec::new();
        let (mut x, mut a) = (0, 0);
        while let (Some(left), Some(right)) = (mine.get(x), theirs.get(a)) {
            // Both ends count: an insert touches the text on either side of it.
            if left.start <= right.end && right.start <= left.end {
                let place = left.start.min(right.start)..left.end.max(right.end);
                match places.last_mut() {
                    Some(last) if place.start <= last.end => last.end = last.end.max(place.end),
                    _ => places.push(place),
                }
            }
            if left.end <= right.end { x += 1 } else { a += 1 }
        }
        let conflict = |base: Range<u64>| {
            let left = incoming.around(&base);
            let right = history.around(&base);
            let both = moved.around(&right);
            Conflict { base, incoming: left, history: right, both }
        };
        Ok(places.into_iter().map(conflict).collect())
    }

    /// The base text that each run of inserts and deletes stands for; empty where there are only inserts.
    fn changes(&self) -> Vec<Range<u64>> {
        let mut changes: Vec<Range<u64>> = Vec::new();
        let mut at = 0;
        let mut within = false;
        for part in self.parts() {
            match part {
                Part::Keep(len) => {
                    at += len;
                    within = false;
                }
                Part::Insert(_) | Part::Delete(_) => {
                    let deleted = if let Part::Delete(len) = part { len } else { 0 };
                    match changes.last_mut() {
                        Some(last) if within => last.end += deleted,
                        _ => changes.push(at..at + deleted),
                    }
                    at += deleted;
                    within = true;
                }
            }
        }
        changes
    }

    /// What becomes of a range of the base, with everything that is inserted within it or at its ends.
    fn around(&self, base: &Range<u64>) -> Range<u64> {
        let (mut at, mut target) = (0, 0);
        let (mut start, mut end) = (None, None);
        for part in self.parts() {
            let (len, left) = match part {
                Part::Keep(len) => (len, len),
                Part::Delete(len) => (len, 0),
                Part::Insert(text) => (0, count(text)),
            };
            if start.is_none() && at + len >= base.start {
                start = Some(target + left.min(base.start - at));
            }
            // The first part that begins behind the range ends it; an insert right behind belongs to it.
            if end.is_none() && len > 0 && at + len > base.end {
                end = Some(target + left.min(base.end - at));
            }
            at += len;
            target += left;
        }
        start.unwrap_or(target)..end.unwrap_or(target)
    }
}

#[derive(Default)]
struct BothDelete {
    at: u64,
    found: Vec<Range<u64>>,
}

impl Sides for BothDelete {
    fn incoming_inserts(&mut self, _: &str, _: u64) {}
    fn history_inserts(&mut self, _: &str, _: u64) {}
    fn both_keep(&mut self, len: u64) {
        self.at += len;
    }
    fn incoming_deletes(&mut self, len: u64) {
        self.at += len;
    }
    fn history_deletes(&mut self, len: u64) {
        self.at += len;
    }
    fn both_delete(&mut self, len: u64) {
        match self.found.last_mut() {
            Some(last) if last.end == self.at => last.end += len,
            _ => self.found.push(self.at..self.at + len),
        }
        self.at += len;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn op(json: &str) -> TextOp {
        TextOp::from_json(json).unwrap()
    }

    #[test]
    fn both_sides_find_the_text_that_they_both_delete() {
        let both = |x, a| TextOp::both_delete(&op(x), &op(a)).unwrap();
        assert_eq!(both("[1,-4,1,-1,1]", "[\"x\",3,-4,1]"), [3..5, 6..7]);
        assert_eq!(both("[1,-2,\"y\",-2,1,-1,1]", "[-8]"), [1..5, 6..7]);
        assert_eq!(both("[-2,2]", "[2,-2]"), []);
    }

    #[test]
    fn changes_side_by_side_are_a_conflict_and_changes_apart_are_not() {
        // "the quick fox": one writes "fast" for "quick", the other "brisk".
        let (branch, parent) = (op("[4,\"brisk\",-5,4]"), op("[4,\"fast\",-5,4]"));
        let found = TextOp::conflicts(&branch, &parent).unwrap();
        assert_eq!(found, [Conflict { base: 4..9, incoming: 4..9, history: 4..8, both: 4..13 }]);
        // A deletion of "the " and an insert right behind it.
        let found = TextOp::conflicts(&op("[-4,9]"), &op("[4,\"very \",9]")).unwrap();
        assert_eq!(found, [Conflict { base: 0..4, incoming: 0..0, history: 0..9, both: 0..5 }]);
        // One letter between them is enough.
        assert!(TextOp::conflicts(&op("[-4,9]"), &op("[5,\"x\",8]")).unwrap().is_empty());
        assert!(TextOp::conflicts(&op("[13]"), &op("[-13]")).unwrap().is_empty());
    }
}
