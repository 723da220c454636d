//! Apply, transform, compose and invert for text, written from the laws on [`Op`].
//!
//! The walk over two ops side by side is the classic one (Ellis and Gibbs 1989 for the idea, Google Wave for ops that cover
//! the whole document); what differs from ot.js and its ports is that the order of inserts and deletes is kept.

use super::walk::Walk;
use super::{Content, Part, Sort, TextOp, TextOpBuilder};
use crate::ot::{LengthMismatch, Op};

impl Op for TextOp {
    type Content = Content;

    fn identity(len: u64) -> Self {
        let mut op = TextOpBuilder::default();
        op.keep(len);
        op.finish()
    }

    fn base_len(&self) -> u64 {
        self.base_len
    }

    fn target_len(&self) -> u64 {
        self.target_len
    }

    fn apply(&self, content: &mut Content) -> Result<(), LengthMismatch> {
        check(self.base_len, content.len())?;
        let mut at = 0;
        let mut text = self.inserted.as_str();
        for part in &self.parts {
            match part.sort() {
                Sort::Keep => at += part.len(),
                Sort::Delete => content.remove(at, part.len()),
                Sort::Insert => {
                    let (head, tail) = text.split_at(part.bytes());
                    content.insert(at, head);
                    at += part.len();
                    text = tail;
                }
            }
        }
        Ok(())
    }

    fn transform(incoming: &Self, history: &Self) -> Result<(Self, Self), LengthMismatch> {
        let mut sides = (TextOpBuilder::default(), TextOpBuilder::default());
        walk_both(incoming, history, &mut sides)?;
        Ok((sides.0.finish(), sides.1.finish()))
    }

    fn transform_incoming(&self, history: &Self) -> Result<Self, LengthMismatch> {
        let mut side = Incoming(TextOpBuilder::default());
        walk_both(self, history, &mut side)?;
        Ok(side.0.finish())
    }

    fn transform_history(&self, incoming: &Self) -> Result<Self, LengthMismatch> {
        let mut side = History(TextOpBuilder::default());
        walk_both(incoming, self, &mut side)?;
        Ok(side.0.finish())
    }

    fn compose(&self, next: &Self) -> Result<Self, LengthMismatch> {
        compose(self, next, First::Delete)
    }

    fn compose_typing(&self, next: &Self) -> Result<Self, LengthMismatch> {
        compose(self, next, First::Insert)
    }

    fn invert(&self, base: &Content) -> Result<Self, LengthMismatch> {
        check(self.base_len, base.len())?;
        let mut at = 0;
        let mut inverse = TextOpBuilder::default();
        // Part by part, in the order written: then inverting twice gives the op itself, not only its effect.
        for part in self.parts() {
            match part {
                Part::Keep(len) => {
                    inverse.keep(len);
                    at += len;
                }
                Part::Insert(text) => inverse.delete(super::count(text)),
                Part::Delete(len) => {
                    for chunk in base.slice(at, len) {
                        inverse.insert(chunk);
                    }
                    at += len;
                }
            }
        }
        Ok(inverse.finish())
    }
}

fn check(op: u64, found: u64) -> Result<(), LengthMismatch> {
    if op == found { Ok(()) } else { Err(LengthMismatch { op, found }) }
}

/// What a walk over two concurrent ops reports, in order. `T` is what becomes of the incoming op, `T'` of the history's.
pub(super) trait Sides {
    /// The incoming side inserts: in `T` an insert, in `T'` text to keep.
    fn incoming_inserts(&mut self, text: &str, len: u64);
    /// The history inserted: in `T` text to keep, in `T'` an insert.
    fn history_inserts(&mut self, text: &str, len: u64);
    /// Both keep.
    fn both_keep(&mut self, len: u64);
    /// The incoming side deletes what the history keeps.
    fn incoming_deletes(&mut self, len: u64);
    /// The history deleted what the incoming side keeps.
    fn history_deletes(&mut self, len: u64);
    /// Deleted by both: gone on either side.
    fn both_delete(&mut self, _: u64) {}
}

pub(super) fn walk_both(incoming: &TextOp, history: &TextOp, sides: &mut impl Sides) -> Result<(), LengthMismatch> {
    check(incoming.base_len, history.base_len)?;
    let (mut x, mut a) = (Walk::new(incoming), Walk::new(history));
    loop {
        // The incoming side is asked first: it goes left at a tie.
        if let Some(insert) = x.take_if(Sort::Insert) {
            sides.incoming_inserts(insert.text, insert.len);
            continue;
        }
        if let Some(insert) = a.take_if(Sort::Insert) {
            sides.history_inserts(insert.text, insert.len);
            continue;
        }
        // Both now keep or delete base text, as much as the shorter of them says; equal base lengths end them together.
        let (Some(mine), Some(theirs)) = (x.current(), a.current()) else { return Ok(()) };
        let len = mine.len.min(theirs.len);
        match (mine.sort, theirs.sort) {
            (Sort::Keep, Sort::Keep) => sides.both_keep(len),
            (Sort::Delete, Sort::Keep) => sides.incoming_deletes(len),
            (Sort::Keep, Sort::Delete) => sides.history_deletes(len),
            _ => sides.both_delete(len),
        }
        x.take(len);
        a.take(len);
    }
}

/// `T` alone: most of what an authority does.
struct Incoming(TextOpBuilder);

impl Sides for Incoming {
    fn incoming_inserts(&mut self, text: &str, len: u64) {
        self.0.insert_counted(text, len);
    }
    fn history_inserts(&mut self, _: &str, len: u64) {
        self.0.keep(len);
    }
    fn both_keep(&mut self, len: u64) {
        self.0.keep(len);
    }
    fn incoming_deletes(&mut self, len: u64) {
        self.0.delete(len);
    }
    fn history_deletes(&mut self, _: u64) {}
}

/// `T'` alone.
struct History(TextOpBuilder);

impl Sides for History {
    fn incoming_inserts(&mut self, _: &str, len: u64) {
        self.0.keep(len);
    }
    fn history_inserts(&mut self, text: &str, len: u64) {
        self.0.insert_counted(text, len);
    }
    fn both_keep(&mut self, len: u64) {
        self.0.keep(len);
    }
    fn incoming_deletes(&mut self, _: u64) {}
    fn history_deletes(&mut self, len: u64) {
        self.0.delete(len);
    }
}

/// Both at once: what a client does with each revision it receives.
impl Sides for (TextOpBuilder, TextOpBuilder) {
    fn incoming_inserts(&mut self, text: &str, len: u64) {
        self.0.insert_counted(text, len);
        self.1.keep(len);
    }
    fn history_inserts(&mut self, text: &str, len: u64) {
        self.0.keep(len);
        self.1.insert_counted(text, len);
    }
    fn both_keep(&mut self, len: u64) {
        self.0.keep(len);
        self.1.keep(len);
    }
    fn incoming_deletes(&mut self, len: u64) {
        self.0.delete(len);
    }
    fn history_deletes(&mut self, len: u64) {
        self.1.delete(len);
    }
}

/// What comes first where the first op deleted and the second inserts at the same place.
#[derive(Clone, Copy, PartialEq)]
enum First {
    Delete,
    Insert,
}

fn compose(a: &TextOp, b: &TextOp, first: First) -> Result<TextOp, LengthMismatch> {
    check(b.base_len, a.target_len)?;
    let (mut a, mut b) = (Walk::new(a), Walk::new(b));
    let mut op = TextOpBuilder::default();
    loop {
        if first == First::Insert
            && let Some(insert) = b.take_if(Sort::Insert)
        {
            op.insert_counted(insert.text, insert.len);
            continue;
        }
        if let Some(delete) = a.take_if(Sort::Delete) {
            op.delete(delete.len);
            continue;
        }
        if let Some(insert) = b.take_if(Sort::Insert) {
            op.insert_counted(insert.text, insert.len);
            continue;
        }
        // Both now stand on text that lies between them: a left it, b meets it.
        let (Some(left), Some(met)) = (a.current(), b.current()) else { return Ok(op.finish()) };
        let len = left.len.min(met.len);
        let text = a.take(len);
        b.take(len);
        match (left.sort, met.sort) {
            (Sort::Keep, Sort::Keep) => op.keep(len),
            (Sort::Keep, Sort::Delete) => op.delete(len),
            (Sort::Insert, Sort::Keep) => op.insert_counted(text, len),
            // Inserted by a and deleted by b: never was.
            _ => {}
        }
    }
}
