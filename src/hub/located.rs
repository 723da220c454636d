//! Where a document is, told without reading its content: from memory if it is open there, else from the store.

use std::sync::Arc;

use super::{Hub, Live, OpenError};
use crate::document::{Chain, DocumentId, Identity, Time, Version};
use crate::store::{Found, Head, StoreError};

/// A document that exists.
pub enum Located {
    /// In memory.
    Open(Arc<Live>),
    /// In the store only.
    Stored(Arc<Hub>, Found, Head),
}

impl Hub {
    /// Where a document is. It is not opened for that.
    pub async fn locate(self: &Arc<Self>, id: &DocumentId) -> Result<Located, OpenError> {
        let open = self.entries.lock().get(id).and_then(|entry| entry.live.get().cloned());
        if let Some(live) = open.filter(|live| !live.has_ended()) {
            return Ok(Located::Open(live));
        }
        let found = self.store.find(id).await?.ok_or_else(|| OpenError::Unknown(id.to_string()))?;
        let head = self.store.head(found.incarnation).await?;
        Ok(Located::Stored(self.clone(), found, head))
    }
}

impl Located {
    /// What never changes about it.
    pub fn identity(&self) -> &Identity {
        match self {
            Located::Open(live) => live.identity(),
            Located::Stored(_, found, _) => &found.identity,
        }
    }

    /// The newest version.
    pub fn head(&self) -> Version {
        match self {
            Located::Open(live) => live.head(),
            Located::Stored(_, _, head) => head.version,
        }
    }

    /// The newest version at a time; version 0 if the first revision is later.
    pub async fn version_at(&self, time: Time) -> Result<Version, StoreError> {
        match self {
            Located::Open(live) => live.version_at(time).await,
            Located::Stored(hub, found, _) => hub.store.version_at(found.incarnation, time).await,
        }
    }

    /// The chain of a version at or before the head.
    pub async fn chain_at(&self, version: Version) -> Result<Chain, StoreError> {
        match self {
            Located::Open(live) => live.chain_at(version).await,
            Located::Stored(_, _, head) if version == head.version => Ok(head.chain),
            Located::Stored(hub, found, _) if version == Version::ZERO => {
                // Of a branch there always is one, that of the document without a parent.
                let root = hub.store.snapshot_before(found.incarnation, version).await?;
                Ok(root.map_or_else(|| found.identity.key.genesis(found.identity.epoch), |root| root.chain))
            }
            Located::Stored(hub, found, _) => {
                let before = Version(version.0 - 1);
                match hub.store.revisions(found.incarnation, before, version).await {
                    Err(pruned @ StoreError::Pruned { .. }) => {
                        hub.store.kept(found.incarnation).await?.chain(version).ok_or(pruned)
                    }
                    found => Ok(found?.first().expect("a store answers a range of one with one revision").chain),
                }
            }
        }
    }
}
