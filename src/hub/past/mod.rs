//! Reading what was: revisions one by one, content at an older version, and who did what.

mod search;

use std::sync::Arc;

pub use search::SearchError;

use super::live::Live;
use crate::document::{
    Credit, Credits, LEDGER_PAGE, Mark, Revision, SITTING_MAX, Sitting, Sittings, Snapshot, Time, Trail, User, Version,
};
use crate::store::{StoreError, as_many_as_weigh};

/// Pages of the ledger read at a time: bounds what they take in memory.
const PAGES_AT_ONCE: usize = 64;
/// Revisions that one look for sittings goes over at most: far more than any sitting has.
const LOOK_MAX: u64 = 4 * SITTING_MAX;

/// Computes on a thread that sessions do not wait for.
pub async fn beside<T: Send + 'static>(compute: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(compute).await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is going away, and this task with it.
            Err(_) => std::future::pending().await,
        },
    }
}

impl Live {
    /// The revisions `(from, to]`, each by itself; `to` is at most the head.
    pub async fn revisions(&self, from: Version, to: Version) -> Result<Vec<Arc<Revision>>, StoreError> {
        self.kept().check_whole(self.incarnation, from)?;
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

    /// The first of the revisions `(from, to]`, as many as weigh `room` bytes and one at least; `to` is at most the head.
    pub async fn some_revisions(
        &self,
        from: Version,
        to: Version,
        room: usize,
    ) -> Result<Vec<Arc<Revision>>, StoreError> {
        // What memory holds weighs little altogether.
        if self.state.lock().document.history().start() <= from {
            return Ok(as_many_as_weigh(room, self.revisions(from, to).await?));
        }
        self.hub.store.some_revisions(self.incarnation, from, to, room).await
    }

    /// The document as it was at a version at or before the head: the snapshot kept before it, and what leads from there.
    pub async fn snapshot_at(&self, version: Version) -> Result<Snapshot, StoreError> {
        let now = self.now();
        if now.version == version {
            return Ok(now);
        }
        loop {
            let kept = self.hub.store.snapshot_before(self.incarnation, version).await?;
            let mut snapshot = kept.unwrap_or_else(|| Snapshot::genesis(self.identity()));
            let stretches = match self.hub.store.stretches(self.incarnation, snapshot.version, version).await {
                // A horizon passed it meanwhile, and left another.
                Err(StoreError::Pruned { version: at, .. }) if at == snapshot.version && at < version => continue,
                stretches => stretches?,
            };
            for stretch in stretches {
                let forward = snapshot.forward(&stretch);
                forward.map_err(|mismatch| StoreError::misfit(self.incarnation, stretch.to, mismatch))?;
            }
            return Ok(snapshot);
        }
    }

    /// The newest version at a time; version 0 if the first revision is later.
    pub async fn version_at(&self, time: Time) -> Result<Version, StoreError> {
        self.hub.store.version_at(self.incarnation, time).await
    }

    /// `(from, to]` as one op that knows which revision did what; none if there is nothing between. `to` is at most the
    /// head.
    pub async fn trail(&self, from: Version, to: Version) -> Result<Option<Trail>, StoreError> {
        self.hub.store.trail(self.incarnation, from, to).await
    }

    /// Who made the revisions of these marks, and when: everyone named, and one or more credits for each mark, in order.
    pub async fn credits(&self, marks: impl Iterator<Item = Mark>) -> Result<(Vec<User>, Vec<Credit>), StoreError> {
        let mut credits = Credits::new(marks);
        for numbers in credits.pages().chunks(PAGES_AT_ONCE) {
            let pages = self.hub.store.ledger(self.incarnation, numbers.to_vec()).await?;
            pages.iter().for_each(|page| credits.take(page));
        }
        Ok(credits.finish())
    }

    /// The sittings that end at or before a version, newest first, and the version before which to go on: 0 if there is
    /// nothing more.
    pub async fn sittings(
        &self,
        before: Version,
        mut sittings: Sittings,
    ) -> Result<(Vec<Sitting>, Version), StoreError> {
        let least = Version(before.0.saturating_sub(LOOK_MAX));
        let mut read = before;
        // Most people look at the newest only.
        let mut at_once = 1;
        while read > least {
            let last = (read.0 - 1) / LEDGER_PAGE;
            let first = (last + 1).saturating_sub(at_once);
            for page in self.hub.store.ledger(self.incarnation, (first..=last).rev().collect()).await? {
                while read > page.from {
                    if !sittings.take(&page.entry(read)) {
                        return Ok(sittings.finish(read));
                    }
                    read = Version(read.0 - 1);
                }
            }
            at_once = (at_once * 4).min(PAGES_AT_ONCE as u64);
        }
        Ok(sittings.finish(read))
    }
}
