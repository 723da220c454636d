//! Taking back what was: a version brought back, a stretch of history undone, or one user's share of it.

use compact_str::CompactString;

use super::live::Live;
use crate::document::{SentOp, Stretch, Unclean, Undo, Version, runs};
use crate::ot::LengthMismatch;
use crate::store::StoreError;

/// What to take back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Restore {
    /// Everything since this version: its content comes back.
    To(Version),
    /// The revisions `(from, to]` alone, or what one user did in them.
    Stretch {
        /// The version before.
        from: Version,
        /// The version after.
        to: Version,
        /// Whose; everyone's if none.
        user: Option<CompactString>,
    },
}

impl Live {
    /// What is to be asked of the authority to take something back, based on the version `at`, and what cannot be taken back
    /// cleanly. Everything named lies at or before `at`, and that at or before the head.
    pub async fn plan_restore(&self, what: &Restore, at: Version) -> Result<(SentOp, Vec<Unclean>), StoreError> {
        match what {
            Restore::To(version) => {
                let content = self.snapshot_at(*version).await?.content;
                let away = match self.stretch(*version, at).await? {
                    Some(stretch) => stretch.op,
                    None => crate::ot::Op::identity(content.len()),
                };
                Ok((SentOp::back_to(content, away), Vec::new()))
            }
            Restore::Stretch { from, to, user } => {
                let mut undo = Undo::begin(self.snapshot_at(*from).await?.content);
                let pieces = match user {
                    None => self.stretch(*from, *to).await?.map(|whole| (true, whole)).into_iter().collect(),
                    Some(user) => {
                        let pieces = self.pieces_by_author(*from, *to).await?;
                        runs(pieces, |author| author.user.id == *user)
                    }
                };
                let damaged = |version| move |mismatch| self.damaged(version, mismatch);
                for (mine, piece) in &pieces {
                    let done = if *mine { undo.take_back(piece) } else { undo.leave(piece) };
                    done.map_err(damaged(piece.to))?;
                }
                if let Some(since) = self.stretch(*to, at).await? {
                    undo.leave(&since).map_err(damaged(since.to))?;
                }
                let (op, unclean) = undo.finish();
                Ok((SentOp::from(op), unclean))
            }
        }
    }

    /// `(from, to]` in stretches that are each of one person, as long as those at hand allow.
    pub(super) async fn pieces_by_author(&self, from: Version, to: Version) -> Result<Vec<Stretch>, StoreError> {
        let mut pieces = Vec::new();
        for stretch in self.stretches(from, to).await? {
            if stretch.author.is_some() {
                pieces.push(stretch);
                continue;
            }
            let singles = self.revisions(stretch.from, stretch.to).await?;
            pieces.extend(singles.iter().map(|revision| Stretch::of(revision)));
        }
        Ok(pieces)
    }

    /// A log whose own revisions do not fit one another.
    fn damaged(&self, version: Version, mismatch: LengthMismatch) -> StoreError {
        StoreError::Damaged { document: self.incarnation(), version, reason: mismatch.to_string() }
    }
}
