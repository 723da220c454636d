//! Taking a stretch of history back, or one author's share of it, while everything since stays. Pure.

use super::{Author, Stretch};
use crate::ot::{Content, LengthMismatch, Op, Side, TextOp};

/// The op that takes changes back, as it grows along the history.
///
/// ```text
///                r, another's or later
///        S ──────────────▶ Sr          S: content at a version
///        │                 │           U: what was undone up to there, as one op on S
///      U │                 │ T(U, r)
///        ▼                 ▼           r to be undone too: U becomes invert(r) composed with U
///        S' ─────────────▶ S''
/// ```
///
/// # The laws
///
/// - **undoing_everything_leaves_what_was_before**: a stretch that was taken back with nothing after it leaves the content
///   before the stretch.
/// - **undoing_nothing_of_others**: what others did in the stretch and after it is in the result as if it were alone,
///   except text that both sides have deleted, which [`Undo::finish`] reports.
pub struct Undo {
    /// The content where the history has been followed to, with nothing undone.
    content: Content,
    /// Leads from there to the content with the changes taken back.
    op: TextOp,
    /// Where they were in `content`.
    unclean: Vec<Unclean>,
}

/// Text that the changes taken back had inserted and that was deleted since: deleted by both sides, so that putting the
/// changes back does not bring it back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unclean {
    /// Where it was.
    pub at: u64,
    /// What it said.
    pub text: String,
}

impl Undo {
    /// Begins at the content before the stretch, with nothing undone.
    pub fn begin(content: Content) -> Self {
        Undo { op: TextOp::identity(content.len()), content, unclean: Vec::new() }
    }

    /// Follows the history over a piece that is to be taken back.
    pub fn take_back(&mut self, piece: &Stretch) -> Result<(), LengthMismatch> {
        let inverse = piece.op.invert(&self.content)?;
        self.op = inverse.compose(&self.op)?;
        self.follow(&piece.op)
    }

    /// Follows the history over a piece that stays.
    pub fn leave(&mut self, piece: &Stretch) -> Result<(), LengthMismatch> {
        self.leave_op(&piece.op)
    }

    /// As [`Undo::leave`], for an op alone.
    pub fn leave_op(&mut self, op: &TextOp) -> Result<(), LengthMismatch> {
        for range in TextOp::both_delete(&self.op, op)? {
            self.unclean.push(Unclean { at: range.start, text: self.content.text(range) });
        }
        self.op = self.op.transform_incoming(op)?;
        self.follow(op)
    }

    fn follow(&mut self, op: &TextOp) -> Result<(), LengthMismatch> {
        op.apply(&mut self.content)?;
        for unclean in &mut self.unclean {
            unclean.at = op.move_position(unclean.at, Side::Before);
        }
        Ok(())
    }

    /// The op, and what it could not take back cleanly, where it was in the content after it.
    pub fn finish(self) -> (TextOp, Vec<Unclean>) {
        let Undo { op, mut unclean, .. } = self;
        for unclean in &mut unclean {
            unclean.at = op.move_position(unclean.at, Side::Before);
        }
        unclean.sort_by_key(|unclean| unclean.at);
        (op, unclean)
    }
}

/// Consecutive pieces as runs that are alike: whether each is `mine`, and all of it as one stretch. Fewer and longer pieces
/// are moved past in less time, and by exact composition it comes out the same.
pub fn runs(pieces: Vec<Stretch>, mine: impl Fn(Option<&Author>) -> bool) -> Vec<(bool, Stretch)> {
    let mut runs: Vec<(bool, Vec<Stretch>)> = Vec::new();
    for piece in pieces {
        let is_mine = mine(piece.author.as_deref());
        match runs.last_mut() {
            Some((of, run)) if *of == is_mine => run.push(piece),
            _ => runs.push((is_mine, vec![piece])),
        }
    }
    let joined = |(mine, run)| (mine, Stretch::join_all(run).expect("a run is not empty"));
    runs.into_iter().map(joined).collect()
}
