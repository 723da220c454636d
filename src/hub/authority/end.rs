//! How an authority ends: its document is idle, or taken away, or its task is over; whichever it is, the followers learn it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::oneshot;
use tokio::time::Instant;
use tracing::error;

use super::{Authority, SETTLE_EVERY};
use crate::hub::live::{Ended, Live};
use crate::store::StoreError;

/// Says at the end of the task, also of one that panics, that the document is no longer open.
pub(super) struct EndOnDrop(pub(super) Arc<Live>);

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        let live = &self.0;
        {
            let mut state = live.state.lock();
            if state.ended.is_none() {
                error!(document = %live.identity().id, "the authority failed; the document is closed");
                state.ended = Some(Ended::Failed);
            }
            state.followers.values_mut().for_each(|follower| follower.ring());
        }
        let hub = &live.hub;
        let id = &live.identity().id;
        let mut entries = hub.entries.lock();
        // One that was opened anew meanwhile has an entry of its own.
        if entries.get(id).is_some_and(|entry| entry.live.get().is_some_and(|there| Arc::ptr_eq(there, live))) {
            entries.remove(id);
        }
        drop(entries);
        hub.running.fetch_sub(1, Ordering::AcqRel);
        hub.ended.notify_waiters();
    }
}

impl Authority {
    /// Whether the document may leave memory: nobody has it open and nobody waits. Decided under the lock that followers
    /// arrive under.
    pub(super) fn retire(&mut self) -> bool {
        let mut state = self.live.state.lock();
        let idle = state.followers.is_empty() && self.input.is_empty();
        if idle {
            state.ended = Some(Ended::Retired);
        } else {
            self.idle_since = Instant::now();
        }
        idle
    }

    /// Takes the document away. Answers whether it is gone; if not, that is unknown to who asked, and the document goes on
    /// until an append or a look at the log finds it gone.
    pub(super) async fn delete(&mut self, answer: oneshot::Sender<Result<(), StoreError>>) -> bool {
        let removed = match self.live.hub.store.remove(self.live.incarnation).await {
            // An earlier try, of which it was not known, or another server.
            Err(StoreError::Unknown(_)) => Ok(()),
            removed => removed,
        };
        let gone = removed.is_ok();
        if matches!(removed, Err(StoreError::Unavailable(_))) {
            self.settle_due = Some(Instant::now() + SETTLE_EVERY);
        }
        if gone {
            // Before who asked is told, so that what they ask next finds no document.
            self.live.state.lock().ended.get_or_insert(Ended::Deleted);
        }
        // Whoever asked may be gone.
        drop(answer.send(removed));
        gone
    }
}
