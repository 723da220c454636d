//! The second reading: stores what was checked.

use std::sync::Arc;

use super::ImportError;
use crate::document::{Label, Revision, Snapshot, Stretch, Version};
use crate::store::{Incarnation, Labelled, READ_WEIGHT, SnapshotPace, Store, StoreError};

/// Revisions appended at a time.
const CHUNK: usize = 512;

/// A document on its way into the store.
pub(super) struct Writing<'s> {
    store: &'s dyn Store,
    document: Incarnation,
    now: Snapshot,
    /// What is stored already.
    from: Version,
    snapshots: SnapshotPace,
    chunk: Vec<Arc<Revision>>,
    /// What the ops in `chunk` weigh, in bytes.
    weight: usize,
}

impl<'s> Writing<'s> {
    /// Goes on from `now`, or from the version `had` if that is stored already.
    pub(super) fn new(store: &'s dyn Store, document: Incarnation, now: Snapshot, had: Version) -> Self {
        let from = had.max(now.version);
        Writing { store, document, now, from, snapshots: SnapshotPace::default(), chunk: Vec::new(), weight: 0 }
    }

    /// Takes the next revision.
    pub(super) async fn revision(&mut self, revision: Revision) -> Result<(), ImportError> {
        self.now.forward(&Stretch::of(&revision)).expect("the first reading found that it fits");
        let keep = self.snapshots.is_due_after(&revision);
        if revision.version > self.from {
            self.weight += revision.op.weight();
            self.chunk.push(Arc::new(revision));
        }
        if self.chunk.len() >= CHUNK || self.weight >= READ_WEIGHT || keep {
            self.flush().await?;
        }
        if keep {
            self.store.keep_snapshot(self.document, self.now.clone()).await?;
        }
        Ok(())
    }

    /// Takes a label of what came before.
    pub(super) async fn label(&mut self, label: Label) -> Result<(), ImportError> {
        self.flush().await?;
        match self.store.put_label(self.document, label).await? {
            // One that is there is from an import that was cut off.
            Labelled::New | Labelled::Existing(_) => Ok(()),
            Labelled::Full => {
                Err(StoreError::Unavailable("the document has as many labels as it may have".into()).into())
            }
        }
    }

    /// Stores what was gathered.
    pub(super) async fn flush(&mut self) -> Result<(), ImportError> {
        let Some(first) = self.chunk.first() else { return Ok(()) };
        self.weight = 0;
        let at = Version(first.version.0 - 1);
        Ok(self.store.append(self.document, at, std::mem::take(&mut self.chunk)).await?)
    }
}
