//! The authority's part in a merge: decide, persist, apply, announce, as for edits, but several revisions in one append.

use std::ops::Range;
use std::sync::Arc;

use tokio::sync::oneshot;
use tokio::time::Instant;
use tracing::warn;

use super::{Authority, SETTLE_EVERY};
use crate::document::{Merge, Missing, Refusal, Revision, Version};
use crate::hub::live::Ended;
use crate::hub::past::beside;
use crate::store::{APPEND_BYTES_MAX, AppendError, StoreError};

/// A merge, and who waits for its fate.
pub(in crate::hub) struct MergeSubmission {
    pub(in crate::hub) merge: Merge,
    pub(in crate::hub) reply: oneshot::Sender<MergeOutcome>,
}

/// What became of a merge.
#[derive(Debug, Clone)]
pub(in crate::hub) enum MergeOutcome {
    /// It is these versions, and durable.
    Merged(Range<Version>),
    /// Some of it was merged since it was planned.
    Outdated,
    /// It is not taken.
    Refused(Refusal),
    /// It is not known whether it is taken.
    Failed(StoreError),
    /// The document left memory before it was looked at.
    Ended(Ended),
}

impl Authority {
    /// Takes a merge to its end.
    pub(super) async fn take_merge(&mut self, submission: MergeSubmission) {
        let MergeSubmission { mut merge, reply } = submission;
        let outcome = self.decide_merge(&mut merge).await.unwrap_or_else(MergeOutcome::Failed);
        // Whoever asked may be gone; the merge stands all the same.
        drop(reply.send(outcome));
    }

    async fn decide_merge(&mut self, merge: &mut Merge) -> Result<MergeOutcome, StoreError> {
        let live = self.live.clone();
        let now = live.hub.world.now();
        loop {
            let place = live.state.lock().document.merge_place(merge);
            let place = match place {
                Ok(Some(place)) => place,
                Ok(None) => return Ok(MergeOutcome::Outdated),
                Err(Missing::Taken(client)) => {
                    let taken = live.hub.store.taken(live.incarnation, client).await?;
                    live.state.lock().document.learn(client, taken);
                    continue;
                }
                Err(Missing::History(base)) => {
                    let start = live.state.lock().document.history().start();
                    if let Some(since) = live.stretch(base, start).await? {
                        let misfit = |mismatch| StoreError::misfit(live.incarnation, base, mismatch);
                        merge.bring_forward(start, &since.op).map_err(misfit)?;
                    }
                    continue;
                }
            };
            // Readers and writers of presence go on meanwhile. The head stays: nobody but this task moves it.
            let (wanted, limits) = (merge.clone(), live.hub.settings.edit_limits);
            let granted: Vec<Arc<Revision>> = match beside(move || place.decide(wanted, now, &limits)).await {
                Ok(granted) => granted.into_iter().map(Arc::new).collect(),
                Err(refusal) => return Ok(MergeOutcome::Refused(refusal)),
            };
            let at = live.head();
            match live.hub.store.append(live.incarnation, at, granted.clone()).await {
                Ok(()) => {
                    self.advance(&granted);
                    return Ok(MergeOutcome::Merged(at..live.head()));
                }
                // As with edits: take what came, and decide again.
                Err(AppendError::Conflict { head }) => {
                    warn!(document = %live.identity().id, %at, %head, "the log went on elsewhere");
                    self.catch_up(head).await?;
                }
                Err(AppendError::TooLarge { bytes }) => {
                    let (found, most) = (bytes as u64, APPEND_BYTES_MAX as u64);
                    let refusal = Refusal::too_large("the merged revisions have", found, most, "bytes");
                    return Ok(MergeOutcome::Refused(refusal));
                }
                // The outcome is unknown. If it was done after all, its origin says so to whoever merges again.
                Err(AppendError::Store(error)) => {
                    self.settle_due = Some(Instant::now() + SETTLE_EVERY);
                    return Err(error);
                }
            }
        }
    }
}
