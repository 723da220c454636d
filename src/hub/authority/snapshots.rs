//! The snapshots that an open document leaves in the store on its way. Derived data: nothing waits for it.

use std::sync::Arc;

use tracing::warn;

use crate::document::{Document, Revision, Snapshot};
use crate::hub::live::Live;
use crate::store::{Pending, SnapshotPace};

/// Snapshots that may wait to be kept: more are made only by edits that are faster than the disk, and then one of them less
/// is one that reading the past does without.
const UNKEPT_MAX: usize = 8;

/// Snapshots to keep, and the one being kept.
pub(super) struct Snapshots {
    pace: SnapshotPace,
    unkept: Vec<Snapshot>,
    keeping: Option<Pending<'static, ()>>,
}

impl Snapshots {
    /// With those that opening the document found due.
    pub(super) fn new(pace: SnapshotPace, unkept: Vec<Snapshot>) -> Self {
        Snapshots { pace, unkept, keeping: None }
    }

    /// Notes that the document went on by `revision`.
    pub(super) fn note(&mut self, revision: &Revision, document: &Document) {
        if self.pace.is_due_after(revision) {
            self.unkept.push(document.now().clone());
        }
        if self.unkept.len() > UNKEPT_MAX {
            self.unkept.drain(..self.unkept.len() - UNKEPT_MAX);
        }
    }

    /// Hands the next snapshot to the store, one at a time.
    pub(super) fn keep_next(&mut self, live: &Arc<Live>) {
        if self.keeping.is_none()
            && let Some(snapshot) = self.unkept.pop()
        {
            let live = live.clone();
            self.keeping = Some(Box::pin(async move {
                let version = snapshot.version;
                if let Err(error) = live.hub.store.keep_snapshot(live.incarnation, snapshot).await {
                    warn!(document = %live.identity().id, %version, %error, "a snapshot was not kept");
                }
            }));
        }
    }

    /// Returns when the one being kept is; never, if there is none.
    pub(super) async fn kept(&mut self) {
        match &mut self.keeping {
            Some(keeping) => keeping.await,
            None => std::future::pending().await,
        }
        self.keeping = None;
    }
}
