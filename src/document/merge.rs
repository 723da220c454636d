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

use super::refusal::LENGTH;
use super::{Author, Chain, ChainKey, Document, EditLimits, Missing, Origin, Piece, Refusal, Revision, Time, Version};
use crate::ot::{LengthMismatch, Op, TextOp};

/// What the ops of one merge may weigh, in bytes, as they were made and as they are moved: they are one append, which a store
/// takes as a whole. It is as much as a document of the greatest length written anew.
pub const MERGE_WEIGHT_MAX: usize = 64 << 20;

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
    ///
    /// # Errors
    /// [`Refusal::TooLarge`] beyond [`MERGE_WEIGHT_MAX`], and [`Refusal::LengthMismatch`] if they do not fit one another.
    pub fn moved(&self) -> Result<(Vec<TextOp>, TextOp), Refusal> {
        let mut across = self.across.clone();
        let mut moved = Vec::with_capacity(self.runs.len());
        let mut weight = 0;
        for run in &self.runs {
            let transformed = TextOp::transform(&run.op, &across);
            let (op, rest) = transformed.map_err(|mismatch| Refusal::length_mismatch(mismatch, self.base))?;
            weight += op.weight();
            check_weight(weight)?;
            moved.push(op);
            across = rest;
        }
        Ok((moved, across))
    }
}

/// Refuses to merge what weighs more than a merge may, in bytes.
pub fn check_weight(weight: usize) -> Result<(), Refusal> {
    match weight > MERGE_WEIGHT_MAX {
        true => Err(Refusal::too_large("the merged edits take", weight as u64, MERGE_WEIGHT_MAX as u64, "bytes")),
        false => Ok(()),
    }
}

/// The place in a document where a merge is decided: what has to be known of the document for that.
#[derive(Debug)]
pub struct MergePlace {
    head: Version,
    time: Time,
    chain: Chain,
    key: ChainKey,
    /// What the document has had since the merge's base.
    since: Vec<Piece>,
}

impl Document {
    /// Where a merge is to be decided; none if some of it was merged since it was planned.
    pub fn merge_place(&self, merge: &Merge) -> Result<Option<MergePlace>, Missing> {
        if let Some(first) = merge.runs.first()
            && self.taken(first.origin.client)?.is_some_and(|taken| taken.seq >= first.origin.seq)
        {
            return Ok(None);
        }
        if merge.base < self.history.start() {
            return Err(Missing::History(merge.base));
        }
        let since = self.history.pieces(merge.base, self.head());
        Ok(Some(MergePlace {
            head: self.head(),
            time: self.now.time,
            chain: self.now.chain,
            key: self.identity.key,
            since,
        }))
    }
}

impl MergePlace {
    /// The revisions that a merge becomes here. It may take seconds, and needs the document no more.
    pub fn decide(self, mut merge: Merge, now: Time, limits: &EditLimits) -> Result<Vec<Revision>, Refusal> {
        for piece in &self.since {
            let brought = merge.bring_forward(self.head, piece.op());
            brought.map_err(|mismatch| Refusal::length_mismatch(mismatch, merge.base))?;
        }
        let (ops, _) = merge.moved()?;
        let (first, last) = (ops.first().map_or(0, TextOp::base_len), ops.last().map_or(0, TextOp::target_len));
        if last > first && last > limits.document_length {
            return Err(Refusal::too_large(LENGTH, last, limits.document_length, "characters"));
        }
        let (mut chain, time) = (self.chain, self.time.max(now));
        let granted = (self.head.0 + 1..).zip(ops).zip(merge.runs).map(|((version, op), run)| {
            let MergeRun { author, origin, .. } = run;
            let mut revision = Revision { version: Version(version), op, author, origin: Some(origin), time, chain };
            chain = revision.chain_after(chain, &self.key);
            revision.chain = chain;
            revision
        });
        Ok(granted.collect())
    }
}
