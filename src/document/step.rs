//! A stretch of which the single revisions are no longer kept: what a pruned part of a history consists of.

use super::{Marks, Revision, Stretch, Trail, Version};

/// The revisions `(from, to]`, composed, and which of them did what. Who those were, and when, the ledger still says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// All of its ops as one.
    pub stretch: Stretch,
    /// Of the characters that the op inserts or deletes, in the order of its parts.
    pub marks: Marks,
}

impl Step {
    /// A single revision as a step.
    pub fn of(revision: &Revision) -> Self {
        Step { stretch: Stretch::of(revision), marks: Trail::of(revision).marks }
    }

    /// The version before it.
    pub fn from(&self) -> Version {
        self.stretch.from
    }

    /// The version after it.
    pub fn to(&self) -> Version {
        self.stretch.to
    }

    /// It with its marks alone.
    pub fn trail(&self) -> Trail {
        let Stretch { from, to, op, .. } = &self.stretch;
        Trail { from: *from, to: *to, op: op.clone(), marks: self.marks.clone() }
    }

    /// Joins consecutive steps. `None` if there are none.
    pub fn join_all(steps: Vec<Step>) -> Option<Step> {
        let trails = steps.iter().map(Step::trail).collect();
        let stretch = Stretch::join_all(steps.into_iter().map(|step| step.stretch).collect())?;
        let marks = Trail::join_all(trails)?.marks;
        Some(Step { stretch, marks })
    }
}
