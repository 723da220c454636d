//! The document goes on: revisions that are durable are applied, whether this authority appended them or finds them in the log.

use std::sync::Arc;

use tokio::time::Instant;

use super::{Authority, SETTLE_EVERY};
use crate::document::{Revision, Version};
use crate::store::{Condition, StoreError};

/// Presence states are brought forward whenever the head passes a multiple of this, and before the ops since weigh this many
/// bytes: well within the history in memory.
const PRESENCE_FORWARD_EVERY: u64 = 256;
const PRESENCE_FORWARD_WEIGHT: usize = 4 << 20;
/// Clients remembered beyond those who have the document open; the others are looked up again when they come back.
const CLIENTS_KEPT: usize = 1024;

impl Authority {
    /// Takes durable revisions into the document and rings everyone's bell.
    pub(super) fn advance(&mut self, revisions: &[Arc<Revision>]) {
        if revisions.is_empty() {
            return;
        }
        let mut state = self.live.state.lock();
        let state = &mut *state;
        let before = state.document.head();
        for revision in revisions {
            let weight = revision.op.weight();
            if self.unforwarded + weight > PRESENCE_FORWARD_WEIGHT {
                // A heavy revision may push those before it out of memory.
                state.forward_presence();
                self.unforwarded = 0;
            }
            self.unforwarded += weight;
            state.document.advance(revision.clone());
            state.deliver_own(revision);
            self.snapshots.note(revision, &state.document);
        }
        let head = state.document.head();
        if before.0 / PRESENCE_FORWARD_EVERY != head.0 / PRESENCE_FORWARD_EVERY {
            state.forward_presence();
            self.unforwarded = 0;
        }
        if state.document.clients_known() > CLIENTS_KEPT + state.followers.len() {
            state.forget_clients();
        }
        state.followers.values_mut().for_each(|follower| follower.ring());
    }

    /// Once the store is good again, takes what a failed append may have left in the log: nobody was told of it, and the
    /// clients will find their edits taken. Answers whether it finds the document gone: a deletion that failed was done.
    pub(super) async fn settle(&mut self) -> bool {
        self.settle_due = Some(Instant::now() + SETTLE_EVERY);
        let live = self.live.clone();
        if live.hub.store.condition() != Condition::Good {
            return false;
        }
        match live.hub.store.head(live.incarnation).await {
            Ok(head) => {
                if head.version <= live.head() || self.catch_up(head.version).await.is_ok() {
                    self.settle_due = None;
                }
                false
            }
            Err(error) => matches!(error, StoreError::Unknown(_)),
        }
    }

    /// Takes what the log has beyond this document.
    pub(super) async fn catch_up(&mut self, head: Version) -> Result<(), StoreError> {
        let at = self.live.head();
        let missed = self.live.hub.store.revisions(self.live.incarnation, at, head).await?;
        self.advance(&missed);
        Ok(())
    }
}
