//! The newest part of a document's log, in memory: single revisions, and composed blocks of 8 and 64 over them.
//!
//! What is older is read from the store, as blocks of 64 and up. A block is composed once, when its last revision arrives.
//! Blocks of 64 stay for longer than the revisions under them: the store has to compose what is not in pages yet, so whoever
//! missed thousands of revisions is brought up to date from here. All of it is bounded by revisions, and by what they weigh:
//! some revisions are as large as a document.

use std::collections::VecDeque;
use std::sync::Arc;

use super::stretch::FAN_OUT;
use super::{Revision, Stretch, Version};

/// Levels of blocks kept here: 8 and 64.
const LEVELS: usize = 2;
/// The window is cut at multiples of the largest block, so that every block in it is whole, unless it grows too heavy.
const CUT: u64 = FAN_OUT.pow(LEVELS as u32);
/// How many revisions stay when the window is cut: enough for everyone who is only a moment behind.
const KEEP: u64 = 512;
/// How many revisions the blocks of 64 reach back: about as many keystrokes as the store's journal holds before it is folded.
const REACH: u64 = 16_384;
/// How much revisions and blocks may weigh together, in bytes: thousands of keystrokes, or some large pastes. The newest
/// revision is kept whatever it weighs.
const WEIGHT_MAX: usize = 32 << 20;

/// The revisions `(start, head]`, and the blocks of 64 that lead to them.
#[derive(Debug)]
pub struct History {
    /// Version before the first revision here.
    start: Version,
    /// Revision `start + 1 + i` is at `i`.
    revisions: VecDeque<Arc<Revision>>,
    /// `blocks[0]` of 8, which lie in the window as a whole, and `blocks[1]` of 64, some of them older than it; each in order
    /// and without a hole.
    blocks: [VecDeque<Arc<Stretch>>; LEVELS],
    /// What all of them weigh, in bytes.
    weight: usize,
}

impl History {
    /// An empty window that begins at `start`.
    pub fn new(start: Version) -> Self {
        History { start, revisions: VecDeque::new(), blocks: Default::default(), weight: 0 }
    }

    /// The version before the oldest single revision here.
    pub fn start(&self) -> Version {
        self.start
    }

    /// The version after the newest revision here.
    pub fn head(&self) -> Version {
        Version(self.start.0 + self.revisions.len() as u64)
    }

    /// What all of it weighs, in bytes.
    pub fn weight(&self) -> usize {
        self.weight
    }

    /// The revision that leads to `version`, if it is in the window.
    pub fn get(&self, version: Version) -> Option<&Arc<Revision>> {
        let place = version.0.checked_sub(self.start.0 + 1)?;
        self.revisions.get(place as usize)
    }

    /// Adds the next revision, composes the blocks it completes, and lets go of what is too old, or too heavy.
    pub fn push(&mut self, revision: Arc<Revision>) {
        assert_eq!(revision.version, self.head().next(), "revisions are pushed in order");
        self.weight += revision.op.weight();
        self.revisions.push_back(revision);
        let head = self.head();
        for level in 0..LEVELS {
            let size = FAN_OUT.pow(level as u32 + 1);
            if !head.0.is_multiple_of(size) || head.0 - size < self.start.0 {
                break;
            }
            let parts = self.cover(Version(head.0 - size), head, level);
            let block = Stretch::join_all(parts.iter().map(Piece::stretch).collect()).expect("a block is not empty");
            self.weight += block.op.weight();
            self.blocks[level].push_back(Arc::new(block));
        }
        if self.revisions.len() as u64 >= KEEP + CUT {
            self.begin_at(Version((self.start.0 / CUT + 1) * CUT));
        }
        self.forget_blocks(1, Version(head.0.saturating_sub(REACH)));
        while self.weight > WEIGHT_MAX && self.revisions.len() > 1 {
            // First what is older than the window: a window that is cut anywhere has no older blocks that lead to it.
            match self.oldest_block().map(|oldest| oldest.to) {
                Some(next) => self.forget_blocks(1, next),
                None => {
                    self.begin_at(self.start.next());
                    self.forget_blocks(1, self.start);
                }
            }
        }
    }

    /// Lets go of the revisions before a version, and of the blocks of 8 that begin before it.
    fn begin_at(&mut self, start: Version) {
        let gone = self.revisions.drain(..start.since(self.start) as usize);
        self.weight -= gone.map(|revision| revision.op.weight()).sum::<usize>();
        self.start = start;
        self.forget_blocks(0, start);
    }

    /// Lets go of a level's blocks that begin before a version.
    fn forget_blocks(&mut self, level: usize, before: Version) {
        while let Some(block) = self.blocks[level].pop_front_if(|block| block.from < before) {
            self.weight -= block.op.weight();
        }
    }

    /// The oldest of the blocks that begin before the window, if there is one.
    fn oldest_block(&self) -> Option<&Stretch> {
        self.blocks[1].front().map(Arc::as_ref).filter(|block| block.from < self.start)
    }

    /// The first version at or after `from` from which [`History::pieces`] lead on. Nothing here is after the head.
    pub fn reached_from(&self, from: Version) -> Version {
        if from >= self.start {
            return from;
        }
        self.oldest_block().map_or(self.start, |oldest| Version(from.max(oldest.from).0.next_multiple_of(CUT)))
    }

    /// The fewest pieces that lead from `from`, which [can be reached](History::reached_from), to `to` in the window.
    pub fn pieces(&self, from: Version, to: Version) -> Vec<Piece> {
        self.cover(from, to, LEVELS)
    }

    /// The [pieces](History::pieces) of `(from, to]` as one stretch; `None` if there are none.
    pub fn stretch(&self, from: Version, to: Version) -> Option<Stretch> {
        Stretch::join_all(self.pieces(from, to).iter().map(Piece::stretch).collect())
    }

    /// As [`History::pieces`], with blocks of the lowest `levels` levels only.
    fn cover(&self, from: Version, to: Version, levels: usize) -> Vec<Piece> {
        let here = self.reached_from(from) == from && self.start <= to && to <= self.head();
        assert!(here, "a place outside the window is read from the store");
        let mut pieces = Vec::new();
        let mut at = from.0;
        while at < to.0 {
            let block = (0..levels).rev().find_map(|level| {
                let size = FAN_OUT.pow(level as u32 + 1);
                let blocks = &self.blocks[level];
                let first = blocks.front()?.from.0;
                let fits = first <= at && at.is_multiple_of(size) && at + size <= to.0;
                fits.then(|| blocks.get(((at - first) / size) as usize)).flatten()
            });
            match block {
                Some(block) => {
                    at = block.to.0;
                    pieces.push(Piece::Block(block.clone()));
                }
                None => {
                    pieces.push(Piece::One(self.revisions[(at - self.start.0) as usize].clone()));
                    at += 1;
                }
            }
        }
        pieces
    }
}

/// A revision, or a composed block of them.
#[derive(Debug, Clone)]
pub enum Piece {
    /// One revision.
    One(Arc<Revision>),
    /// A composed block.
    Block(Arc<Stretch>),
}

impl Piece {
    /// Its op.
    pub fn op(&self) -> &crate::ot::TextOp {
        match self {
            Piece::One(revision) => &revision.op,
            Piece::Block(block) => &block.op,
        }
    }

    /// It as a stretch.
    pub fn stretch(&self) -> Stretch {
        match self {
            Piece::One(revision) => Stretch::of(revision),
            Piece::Block(block) => Stretch::clone(block),
        }
    }
}
