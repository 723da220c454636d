//! A stretch of history that remembers which revision did what: what blame and diff are read from.

use super::stretch::{Consecutive, join_neighbours};
use super::{Mark, Marks, Revision, Version};
use crate::ot::{Op, Span, TextOp};

/// The revisions `(from, to]` as one op, and for each character that the op inserts or deletes the revision that did.
///
/// Composition is exact for the marks as it is for the op: a trail of the whole is the same however it was joined. What
/// was inserted and deleted again in between is in neither.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trail {
    /// The version before it.
    pub from: Version,
    /// The version after it.
    pub to: Version,
    /// All of its ops as one.
    pub op: TextOp,
    /// Of the characters that the op inserts or deletes, in the order of its parts.
    pub marks: Marks,
}

impl Trail {
    /// An op whose marks were kept apart from it; none if they do not cover it.
    pub fn new(from: Version, to: Version, op: TextOp, marks: Marks) -> Option<Self> {
        let changed: u64 = op.spans().map(|span| if let Span::Keep(_) = span { 0 } else { span.length() }).sum();
        (changed == marks.characters()).then_some(Trail { from, to, op, marks })
    }

    /// A single revision as a trail.
    pub fn of(revision: &Revision) -> Self {
        let changed = revision.op.spans().filter(|span| !matches!(span, Span::Keep(_)));
        Trail {
            from: Version(revision.version.0 - 1),
            to: revision.version,
            op: revision.op.clone(),
            marks: changed.map(|span| Mark::of_one(span.length(), revision.version)).collect(),
        }
    }

    /// This trail and the one that follows it, as one.
    ///
    /// # Panics
    /// If `next` does not begin where this ends: trails come from one log, in order.
    pub fn join(&self, next: &Self) -> Self {
        assert_eq!(self.to, next.from, "trails are joined in order");
        let op = self.op.compose(&next.op).expect("consecutive ops of one log fit");
        Trail { from: self.from, to: next.to, op, marks: join_marks(self, next) }
    }

    /// Joins consecutive trails. `None` if there are none.
    pub fn join_all(trails: Vec<Trail>) -> Option<Trail> {
        join_neighbours(trails)
    }
}

impl Consecutive for Trail {
    fn weight(&self) -> usize {
        self.op.weight() + self.marks.weight()
    }

    fn joined(&self, next: &Self) -> Self {
        self.join(next)
    }
}

/// The marks of a composition: the walk of [`Op::compose`], delete first where both meet.
fn join_marks(a: &Trail, b: &Trail) -> Marks {
    let (mut mine, mut theirs) = (a.marks.reader(), b.marks.reader());
    let (mut left, mut met) = (Spans::new(a.op.spans()), Spans::new(b.op.spans()));
    let mut marks = Marks::default();
    loop {
        if let Some(Span::Delete(len)) = left.current {
            mine.append_to(len, &mut marks);
            left.pass(len);
            continue;
        }
        if let Some(Span::Insert(len)) = met.current {
            theirs.append_to(len, &mut marks);
            met.pass(len);
            continue;
        }
        // Both now stand on text that lies between them: a left it, b meets it.
        let (Some(there), Some(done)) = (left.current, met.current) else { return marks };
        let len = there.length().min(done.length());
        match (there, done) {
            (Span::Insert(_), Span::Keep(_)) => mine.append_to(len, &mut marks),
            (Span::Keep(_), Span::Delete(_)) => theirs.append_to(len, &mut marks),
            // Inserted by a and deleted by b: never was.
            (Span::Insert(_), Span::Delete(_)) => {
                mine.take(len, drop);
                theirs.take(len, drop);
            }
            _ => {}
        }
        left.pass(len);
        met.pass(len);
    }
}

/// A place within an op, by lengths alone.
struct Spans<I> {
    rest: I,
    current: Option<Span>,
}

impl<I: Iterator<Item = Span>> Spans<I> {
    fn new(mut rest: I) -> Self {
        let current = rest.next();
        Spans { rest, current }
    }

    /// Goes on by as much, within the current part.
    fn pass(&mut self, len: u64) {
        self.current = match self.current {
            Some(span) if span.length() > len => Some(span.shortened(len)),
            _ => self.rest.next(),
        };
    }
}
