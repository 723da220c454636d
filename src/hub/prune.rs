//! Pruning a document, whether it is open or not: the store squashes, and whoever has it open goes on.

use super::{Hub, OpenError};
use crate::document::{DocumentId, Epoch, Keeping, Version};
use crate::store::{Found, HORIZON_EVERY, Pruned};

impl Hub {
    /// As [`Hub::prune`], but only if enough has grown old since the last time: what is asked of many documents, again and again.
    pub async fn prune_if_due(&self, id: &DocumentId, keeping: Keeping) -> Result<Option<Pruned>, OpenError> {
        let found = self.store.find(id).await?.ok_or_else(|| OpenError::Unknown(id.to_string()))?;
        let Some(time) = keeping.until(self.world.now()).filter(|_| found.begins.is_none()) else { return Ok(None) };
        let to = self.store.version_at(found.incarnation, time).await?;
        let horizon = self.store.kept(found.incarnation).await?.horizon();
        // Never the newest revision.
        let most = match keeping {
            Keeping::Labelled => to.0.saturating_sub(1),
            _ => to.0,
        };
        if most < horizon.0 + HORIZON_EVERY {
            return Ok(None);
        }
        Ok(Some(self.squash(&found, to, false).await?))
    }

    /// Squashes what of a document's history need not be kept, or says what that would be. Answers its epoch too.
    pub async fn prune(&self, id: &DocumentId, keeping: Keeping, preview: bool) -> Result<(Epoch, Pruned), OpenError> {
        let found = self.store.find(id).await?.ok_or_else(|| OpenError::Unknown(id.to_string()))?;
        let pruned = match keeping.until(self.world.now()) {
            // The version that was the newest then is needed; those before it are not.
            Some(time) => {
                let to = self.store.version_at(found.incarnation, time).await?;
                self.squash(&found, to, preview).await?
            }
            None => self.squash(&found, Version::ZERO, true).await?,
        };
        Ok((found.identity.epoch, pruned))
    }

    async fn squash(&self, found: &Found, to: Version, preview: bool) -> Result<Pruned, OpenError> {
        let pruned = self.store.prune(found.incarnation, to, preview).await;
        // Also what was cut short may have moved the horizon.
        if !preview {
            let open = self.entries.lock().get(&found.identity.id).and_then(|entry| entry.live.get().cloned());
            if let Some(live) = open.filter(|live| live.incarnation() == found.incarnation) {
                live.set_kept(self.store.kept(found.incarnation).await?);
            }
        }
        Ok(pruned?)
    }
}
