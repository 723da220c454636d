//! Taking back what was: a version brought back, a stretch of history undone, or one user's share of it.

use compact_str::CompactString;

use super::live::Live;
use super::past::beside;
use crate::document::{Author, Refusal, SentOp, Stretch, Unclean, Undo, Version, runs};
use crate::store::{READ_WEIGHT, StoreError};

/// What the edits that are told apart by who made them may weigh, in bytes: typing weighs some hundred bytes an edit, so it is
/// a million of them, or some documents' worth of large ones.
const PIECES_WEIGHT: usize = 256 << 20;

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

/// Why it cannot be said what to do with a part of history.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unplanned {
    /// It is more than is gone over at once.
    #[error(transparent)]
    TooLarge(#[from] Refusal),
    /// It cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Live {
    /// What is to be asked of the authority to take something back, based on the version `at`, and what cannot be taken back
    /// cleanly. Everything named lies at or before `at`, and that at or before the head.
    pub async fn plan_restore(&self, what: &Restore, at: Version) -> Result<(SentOp, Vec<Unclean>), Unplanned> {
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
                let content = self.snapshot_at(*from).await?.content;
                let whose = user.clone();
                let pieces = match &whose {
                    None => self.stretch(*from, *to).await?.into_iter().collect(),
                    Some(_) => self.pieces_by_author(*from, *to).await?,
                };
                let since = self.stretch(*to, at).await?;
                let document = self.incarnation();
                // However much it is, sessions go on meanwhile.
                let planned = beside(move || {
                    let misfit = |version, mismatch| StoreError::misfit(document, version, mismatch);
                    let mut undo = Undo::begin(content);
                    let mine = |author: Option<&Author>| {
                        whose.as_ref().is_none_or(|user| author.is_some_and(|author| author.user.id == *user))
                    };
                    for (mine, piece) in runs(pieces, mine) {
                        let done = if mine { undo.take_back(&piece) } else { undo.leave(&piece) };
                        done.map_err(|mismatch| misfit(piece.to, mismatch))?;
                    }
                    if let Some(since) = since {
                        undo.leave(&since).map_err(|mismatch| misfit(since.to, mismatch))?;
                    }
                    Ok::<_, StoreError>(undo.finish())
                });
                let (op, unclean) = planned.await?;
                Ok((SentOp::from(op), unclean))
            }
        }
    }

    /// `(from, to]` in stretches that are each of one person, as long as those at hand allow. They are held and moved one by
    /// one, so they are bounded.
    pub(super) async fn pieces_by_author(&self, from: Version, to: Version) -> Result<Vec<Stretch>, Unplanned> {
        let mut pieces = Vec::new();
        let mut weight = 0;
        let mut add = |stretch: Stretch| {
            weight += stretch.op.weight();
            pieces.push(stretch);
            match weight > PIECES_WEIGHT {
                true => {
                    let what = "the edits of those versions take";
                    Err(Refusal::too_large(what, weight as u64, PIECES_WEIGHT as u64, "bytes"))
                }
                false => Ok(()),
            }
        };
        for stretch in self.stretches(from, to).await? {
            if stretch.author.is_some() {
                add(stretch)?;
                continue;
            }
            let mut at = stretch.from;
            while at < stretch.to {
                for revision in self.some_revisions(at, stretch.to, READ_WEIGHT).await? {
                    add(Stretch::of(&revision))?;
                    at = revision.version;
                }
            }
        }
        Ok(pieces)
    }
}
