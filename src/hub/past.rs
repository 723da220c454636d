//! Reading what was: revisions one by one, and content at an older version.

use std::sync::Arc;

use super::live::Live;
use crate::document::{Revision, Snapshot, Time, Version};
use crate::store::StoreError;

impl Live {
    /// The revisions `(from, to]`, each by itself; `to` is at most the head.
    pub async fn revisions(&self, from: Version, to: Version) -> Result<Vec<Arc<Revision>>, StoreError> {
        let in_memory = {
            let state = self.state.lock();
            let history = state.document.history();
            (history.start() <= from)
                .then(|| (from.0 + 1..=to.0).filter_map(|version| history.get(Version(version)).cloned()).collect())
        };
        match in_memory {
            Some(revisions) => Ok(revisions),
            None => self.hub.store.revisions(self.incarnation, from, to).await,
        }
    }

    /// The document as it was at a version at or before the head: the snapshot kept before it, and what leads from there.
    pub async fn snapshot_at(&self, version: Version) -> Result<Snapshot, StoreError> {
        let now = self.now();
        if now.version == version {
            return Ok(now);
        }
        let kept = self.hub.store.snapshot_before(self.incarnation, version).await?;
        let mut snapshot = kept.unwrap_or_else(|| Snapshot::genesis(self.identity()));
        for stretch in self.hub.store.stretches(self.incarnation, snapshot.version, version).await? {
            snapshot.forward(&stretch).map_err(|mismatch| StoreError::Damaged {
                document: self.incarnation,
                version: stretch.to,
                reason: mismatch.to_string(),
            })?;
        }
        Ok(snapshot)
    }

    /// The newest version at a time; version 0 if the first revision is later.
    pub async fn version_at(&self, time: Time) -> Result<Version, StoreError> {
        self.hub.store.version_at(self.incarnation, time).await
    }
}
