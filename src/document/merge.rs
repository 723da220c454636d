//! Merging: what was written on a branch, moved past what was written on its parent meanwhile. Pure.
//!
//! ```text
//!            B1               B2
//!     b0 ────────▶ b1 ───────────────▶ b2        the branch
//!     │            │                   │
//!     │ X1 = A1    │ G1 = T'(X1, B1)   │ G2 = T'(X2, B2)
//!     ▼            ▼                   │
//!     p0 ────────▶ p1 ── A2 ──▶ q      │         X2 = G1∘A2: from b1 to q
//!      T(B1, X1)                │      ▼
//!                               └────▶ p2        the parent
//!                                T(B2, X2)
//! ```
//!
//! The first merge moves the branch's edits B1 past A1, what the parent has had since the branch began. What is left of A1
//! past B1, the *bridge* G1, leads from the branch's text to the parent's. The next merge goes on from there: the branch's
//! later edits B2 know nothing of G1 and nothing of what the parent has had since, A2, and are moved past both; what the
//! parent has of the branch already is on either side of the bridge, so nothing is moved past its own edits.

use std::sync::Arc;

use super::{Author, Document, EditLimits, Missing, Origin, Refusal, Revision, Time, Version};
use crate::ot::{LengthMismatch, Op, TextOp};

/// Consecutive edits of one person on a branch: one revision of the parent.
#[derive(Debug, Clone)]
pub struct MergeRun {
    /// The edits as one op.
    pub op: TextOp,
    /// The person.
    pub author: Arc<Author>,
    /// Says which branch it is of and, as its seq, up to which version: what makes it be merged once.
    pub origin: Origin,
}

/// What is to be merged.
#[derive(Debug, Clone)]
pub struct Merge {
    /// The version of the parent that `across` leads to.
    pub base: Version,
    /// Leads from the branch's content before the runs to the parent's at `base`.
    pub across: TextOp,
    /// In order; each covers the content that the one before leaves.
    pub runs: Vec<MergeRun>,
}

/// What the authority decided about a merge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MergeDecision {
    /// It is the next revisions, once they are durable.
    Granted(Vec<Revision>),
    /// Some of it was merged since it was planned: it has to be planned anew.
    Outdated,
    /// It is not taken.
    Refused(Refusal),
}

impl Merge {
    /// Moves the merge forward over what the parent has had since its base.
    pub fn bring_forward(&mut self, to: Version, since: &TextOp) -> Result<(), LengthMismatch> {
        self.across = self.across.compose(since)?;
        self.base = to;
        Ok(())
    }

    /// Moves the runs past `across`: each run's op on the parent, and the bridge that is left, from the branch's content
    /// after the runs to the parent's.
    ///
    /// # The laws
    ///
    /// - **merging_keeps_both_sides**: after the moved runs the parent has what either side typed, and nothing that either
    ///   deleted; and the bridge leads from the branch's content to that.
    /// - **two_merges_in_a_row_are_one**: merging some runs and then, over the bridge, the others gives the same ops as
    ///   merging all at once.
    pub fn moved(&self) -> Result<(Vec<TextOp>, TextOp), LengthMismatch> {
        let mut across = self.across.clone();
        let mut moved = Vec::with_capacity(self.runs.len());
        for run in &self.runs {
            let (op, rest) = TextOp::transform(&run.op, &across)?;
            moved.push(op);
            across = rest;
        }
        Ok((moved, across))
    }
}

impl Document {
    /// Decides about a merge and changes nothing.
    pub fn rebase_merge(&self, merge: &Merge, now: Time, limits: &EditLimits) -> Result<MergeDecision, Missing> {
        if let Some(first) = merge.runs.first()
            && self.taken(first.origin.client)?.is_some_and(|taken| taken.seq >= first.origin.seq)
        {
            return Ok(MergeDecision::Outdated);
        }
        let refused = |refusal| Ok(MergeDecision::Refused(refusal));
        let mut merge = merge.clone();
        if let Some(since) = self.since(merge.base)?
            && let Err(mismatch) = merge.bring_forward(self.head(), &since)
        {
            return refused(Refusal::length_mismatch(mismatch, merge.base));
        }
        let ops = match merge.moved() {
            Ok((ops, _)) => ops,
            Err(mismatch) => return refused(Refusal::length_mismatch(mismatch, merge.base)),
        };
        let (first, last) = (ops.first().map_or(0, TextOp::base_len), ops.last().map_or(0, TextOp::target_len));
        if last > first && last > limits.document_length {
            return refused(Refusal::too_large("the document would have", last, limits.document_length, "characters"));
        }
        let (mut chain, time) = (self.now.chain, self.now.time.max(now));
        let granted = (self.head().0 + 1..).zip(ops).zip(&merge.runs).map(|((version, op), run)| {
            let author = run.author.clone();
            let mut revision =
                Revision { version: Version(version), op, author, origin: Some(run.origin), time, chain };
            chain = revision.chain_after(chain, &self.identity.key);
            revision.chain = chain;
            revision
        });
        Ok(MergeDecision::Granted(granted.collect()))
    }
}
