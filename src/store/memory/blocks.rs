//! Composed blocks of a log: what makes a long way through it a few pieces rather than thousands.

use std::collections::HashMap;

use super::log::Own;
use crate::document::{Consecutive, FAN_OUT, Gathered, Revision, Version};

/// Blocks of a log's own revisions, as stretches or as trails. One of level n covers `smallest * 8^n` revisions and begins at
/// a multiple of that.
pub(super) struct Blocks<T> {
    smallest: u64,
    /// A single revision as one of them.
    single: fn(&Revision) -> T,
    /// By level and beginning.
    blocks: HashMap<(u32, Version), T>,
}

impl<T: Consecutive + Clone> Blocks<T> {
    pub(super) fn new(smallest: u64, single: fn(&Revision) -> T) -> Self {
        Blocks { smallest, single, blocks: HashMap::new() }
    }

    /// How many revisions a block of a level covers.
    fn size(&self, level: u32) -> u64 {
        self.smallest * FAN_OUT.pow(level)
    }

    /// Composes the blocks that end at the head, each of smaller ones.
    pub(super) fn grow(&mut self, own: &Own) {
        let head = own.head().0;
        for level in 0.. {
            let size = self.size(level);
            if !head.is_multiple_of(size) || own.start().0 + size > head {
                return;
            }
            let from = Version(head - size);
            let mut parts = Gathered::default();
            self.cover(own, from, own.head(), level).into_iter().for_each(|part| parts.push(part));
            self.blocks.insert((level, from), parts.join().expect("a block is not empty"));
        }
    }

    /// `(from, to]` in few pieces.
    pub(super) fn pieces(&self, own: &Own, from: Version, to: Version) -> Vec<T> {
        self.cover(own, from, to, u32::MAX)
    }

    /// `(from, to]` by blocks of the lowest `levels` levels, each as large as fits, and single revisions.
    fn cover(&self, own: &Own, from: Version, to: Version, levels: u32) -> Vec<T> {
        let mut pieces = Vec::new();
        let mut at = from;
        while at < to {
            let fits = |level: &u32| at.0.is_multiple_of(self.size(*level)) && at.0 + self.size(*level) <= to.0;
            let level = (0..levels).take_while(fits).last();
            let block = level.and_then(|level| Some((self.size(level), self.blocks.get(&(level, at))?)));
            let (size, piece) = match block {
                Some((size, block)) => (size, block.clone()),
                None => (1, (self.single)(&own.range(at, at.next())[0])),
            };
            at = Version(at.0 + size);
            pieces.push(piece);
        }
        pieces
    }

    /// Drops the blocks that begin before the horizon.
    pub(super) fn prune(&mut self, horizon: Version) {
        self.blocks.retain(|(_, from), _| *from >= horizon);
    }
}
