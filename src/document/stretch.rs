//! A stretch of history as one op: what a reader who is behind is handed, and what an old edit is moved past.

use std::sync::Arc;

use super::{Author, Chain, Revision, Time, Version};
use crate::ot::{Op, TextOp};

/// The fan-out of composed blocks: a block covers 8, 64, 512, ... revisions and begins at a multiple of that.
pub const FAN_OUT: u64 = 8;

/// The revisions `(from, to]`, composed. Exact composition makes it stand for them everywhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stretch {
    /// The version before it.
    pub from: Version,
    /// The version after it.
    pub to: Version,
    /// All of its ops as one.
    pub op: TextOp,
    /// Who made it, if one person did; `session` only if over one connection.
    pub author: Option<Arc<Author>>,
    /// The time of its last revision.
    pub time: Time,
    /// The chain of its last revision.
    pub chain: Chain,
}

impl Stretch {
    /// A single revision as a stretch.
    pub fn of(revision: &Revision) -> Self {
        Stretch {
            from: Version(revision.version.0 - 1),
            to: revision.version,
            op: revision.op.clone(),
            author: Some(revision.author.clone()),
            time: revision.time,
            chain: revision.chain,
        }
    }

    /// This stretch and the one that follows it, as one.
    ///
    /// # Panics
    /// If `next` does not begin where this ends: stretches come from one log, in order.
    pub fn join(&self, next: &Stretch) -> Stretch {
        assert_eq!(self.to, next.from, "stretches are joined in order");
        Stretch {
            from: self.from,
            to: next.to,
            op: self.op.compose(&next.op).expect("consecutive ops of one log fit"),
            author: common_author(self.author.as_ref(), next.author.as_ref()),
            time: next.time,
            chain: next.chain,
        }
    }

    /// Joins consecutive stretches. `None` if there are none.
    pub fn join_all(stretches: Vec<Stretch>) -> Option<Stretch> {
        join_neighbours(stretches)
    }
}

/// What the parts may weigh together, in bytes, before [`Gathered`] joins them.
const GATHERED_WEIGHT: usize = 64 << 20;

/// What can be joined with the one that follows it.
pub trait Consecutive {
    /// About how many bytes it takes in memory.
    fn weight(&self) -> usize;

    /// It and the one that follows it, as one.
    fn joined(&self, next: &Self) -> Self;
}

impl<T: Consecutive> Consecutive for Arc<T> {
    fn weight(&self) -> usize {
        T::weight(self)
    }

    fn joined(&self, next: &Self) -> Self {
        Arc::new(T::joined(self, next))
    }
}

impl Consecutive for Stretch {
    fn weight(&self) -> usize {
        self.op.weight()
    }

    fn joined(&self, next: &Self) -> Self {
        self.join(next)
    }
}

/// Consecutive stretches or trails, joined whenever they have come to weigh much: as one they are hardly larger than the
/// document was, however large each of many is.
#[derive(Debug)]
pub struct Gathered<T> {
    parts: Vec<T>,
    weight: usize,
    /// What those that were joined came to.
    joined: usize,
}

impl<T> Default for Gathered<T> {
    fn default() -> Self {
        Gathered { parts: Vec::new(), weight: 0, joined: 0 }
    }
}

impl<T: Consecutive> Gathered<T> {
    /// Adds the next one.
    pub fn push(&mut self, next: T) {
        self.weight += next.weight();
        self.parts.push(next);
        if self.weight >= self.joined + GATHERED_WEIGHT {
            self.parts = join_neighbours(std::mem::take(&mut self.parts)).into_iter().collect();
            self.weight = self.parts.iter().map(T::weight).sum();
            self.joined = self.weight;
        }
    }

    /// As many as came, or fewer.
    pub fn into_parts(self) -> Vec<T> {
        self.parts
    }

    /// All of them as one; `None` if there are none.
    pub fn join(self) -> Option<T> {
        join_neighbours(self.parts)
    }
}

/// Rows longer than this are joined by pairs first: in a short one, looking for the lightest costs less than it saves.
const SHORT_ROW: usize = 256;

/// Joins neighbours, the lightest first. Joining copies both: so what is heavy is copied as rarely as may be, and a result
/// never grows by one light part at a time.
pub(super) fn join_neighbours<T: Consecutive>(mut row: Vec<T>) -> Option<T> {
    while row.len() > SHORT_ROW {
        let mut joined = Vec::with_capacity(row.len().div_ceil(2));
        let mut pairs = row.into_iter();
        while let Some(first) = pairs.next() {
            joined.push(match pairs.next() {
                Some(second) => first.joined(&second),
                None => first,
            });
        }
        row = joined;
    }
    let mut weights: Vec<usize> = row.iter().map(T::weight).collect();
    while let Some((at, _)) = weights.windows(2).enumerate().min_by_key(|(_, pair)| pair[0] + pair[1]) {
        row[at] = row[at].joined(&row[at + 1]);
        row.remove(at + 1);
        weights[at] = row[at].weight();
        weights.remove(at + 1);
    }
    row.pop()
}

fn common_author(a: Option<&Arc<Author>>, b: Option<&Arc<Author>>) -> Option<Arc<Author>> {
    let (a, b) = (a?, b?);
    if Arc::ptr_eq(a, b) || a == b {
        return Some(a.clone());
    }
    (a.user == b.user).then(|| Arc::new(Author { session: None, user: b.user.clone() }))
}
