//! The memory engine: the model that every other engine is held against. Nothing survives the process.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::Arc;

use parking_lot::Mutex;

use super::{
    AppendError, Condition, Created, Found, Head, Incarnation, LABELS_MAX, Labelled, Listed, Pending, Store,
    StoreError, Tail,
};
use crate::document::{
    ClientKey, DocumentId, FAN_OUT, Identity, Label, LabelName, Revision, Snapshot, Stretch, Taken, Time, Version,
};

/// A log per document, in memory.
#[derive(Default)]
pub struct MemoryStore {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    names: BTreeMap<DocumentId, Incarnation>,
    /// Document number n is at n - 1; none once it was removed.
    logs: Vec<Option<Log>>,
    closed: bool,
}

struct Log {
    identity: Identity,
    /// Revision n is at n - 1.
    revisions: Vec<Arc<Revision>>,
    /// Composed blocks of 64, 512, ...: `blocks[level][i]` covers `8^(level+2)` revisions from `i` times that.
    blocks: Vec<Vec<Stretch>>,
    /// In rising order of version.
    snapshots: Vec<Snapshot>,
    taken: HashMap<ClientKey, Taken>,
    labels: BTreeMap<LabelName, Label>,
}

/// Blocks of 8 are not kept: composing a few singles costs less than keeping them for ever.
fn block_size(level: usize) -> u64 {
    FAN_OUT.pow(level as u32 + 2)
}

impl Log {
    fn push(&mut self, revision: Arc<Revision>) {
        if let Some(origin) = revision.origin {
            self.taken.insert(origin.client, Taken { seq: origin.seq, version: revision.version });
        }
        self.revisions.push(revision);
        let head = self.revisions.len() as u64;
        let mut level = 0;
        while head.is_multiple_of(block_size(level)) {
            let parts = self.cover(head - block_size(level), head, level);
            if self.blocks.len() == level {
                self.blocks.push(Vec::new());
            }
            self.blocks[level].push(Stretch::join_all(parts).expect("a block is not empty"));
            level += 1;
        }
    }

    /// `(from, to]` by blocks of the lowest `levels` levels.
    fn cover(&self, from: u64, to: u64, levels: usize) -> Vec<Stretch> {
        let mut pieces = Vec::new();
        let mut at = from;
        while at < to {
            let block = (0..levels.min(self.blocks.len())).rev().find_map(|level| {
                let size = block_size(level);
                (at.is_multiple_of(size) && at + size <= to)
                    .then(|| self.blocks[level].get((at / size) as usize))
                    .flatten()
            });
            let piece = block.cloned().unwrap_or_else(|| Stretch::of(&self.revisions[at as usize]));
            at = piece.to.0;
            pieces.push(piece);
        }
        pieces
    }

    fn head(&self) -> Head {
        match self.revisions.last() {
            Some(last) => Head { version: last.version, chain: last.chain, time: last.time },
            None => {
                let genesis = Snapshot::genesis(&self.identity);
                Head { version: genesis.version, chain: genesis.chain, time: genesis.time }
            }
        }
    }

    fn range(&self, from: Version, to: Version) -> Vec<Arc<Revision>> {
        self.revisions[from.0 as usize..to.0 as usize].to_vec()
    }
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    fn read<T: Send + 'static>(
        &self,
        document: Incarnation,
        read: impl FnOnce(&Log) -> T,
    ) -> Pending<'_, Result<T, StoreError>> {
        let state = self.state.lock();
        let answer = state.log(document).map(read);
        Box::pin(std::future::ready(answer))
    }
}

impl State {
    fn log(&self, document: Incarnation) -> Result<&Log, StoreError> {
        let place = document.0.checked_sub(1).ok_or(StoreError::Unknown(document))?;
        self.logs.get(place as usize).and_then(Option::as_ref).ok_or(StoreError::Unknown(document))
    }

    /// The document's log, to be changed.
    fn log_mut(&mut self, document: Incarnation) -> Result<&mut Log, StoreError> {
        self.open()?;
        let place = document.0.checked_sub(1).ok_or(StoreError::Unknown(document))?;
        self.logs.get_mut(place as usize).and_then(Option::as_mut).ok_or(StoreError::Unknown(document))
    }

    fn open(&self) -> Result<(), StoreError> {
        if self.closed { Err(StoreError::Unavailable("it is closed".into())) } else { Ok(()) }
    }

    fn find(&self, id: &DocumentId) -> Option<Found> {
        let incarnation = *self.names.get(id)?;
        let log = self.log(incarnation).ok()?;
        Some(Found { incarnation, identity: log.identity.clone() })
    }

    fn create(&mut self, identity: Identity, first: Option<Arc<Revision>>) -> Result<Created, StoreError> {
        self.open()?;
        if let Some(found) = self.find(&identity.id) {
            return Ok(Created::Existing(found));
        }
        let incarnation = Incarnation(self.logs.len() as u64 + 1);
        self.names.insert(identity.id.clone(), incarnation);
        let mut log = Log {
            identity,
            revisions: Vec::new(),
            blocks: Vec::new(),
            snapshots: Vec::new(),
            taken: HashMap::new(),
            labels: BTreeMap::new(),
        };
        first.into_iter().for_each(|revision| log.push(revision));
        self.logs.push(Some(log));
        Ok(Created::New(incarnation))
    }

    fn append(&mut self, document: Incarnation, at: Version, revisions: Vec<Arc<Revision>>) -> Result<(), AppendError> {
        self.open()?;
        let log = self.log_mut(document)?;
        let head = log.head().version;
        if head != at {
            return Err(AppendError::Conflict { head });
        }
        revisions.into_iter().for_each(|revision| log.push(revision));
        Ok(())
    }

    fn put_label(&mut self, document: Incarnation, label: Label) -> Result<Labelled, StoreError> {
        let labels = &mut self.log_mut(document)?.labels;
        if let Some(existing) = labels.get(&label.name) {
            return Ok(Labelled::Existing(existing.clone()));
        }
        if labels.len() >= LABELS_MAX {
            return Ok(Labelled::Full);
        }
        labels.insert(label.name.clone(), label);
        Ok(Labelled::New)
    }

    fn list(&self, prefix: &str, after: &str, most: usize) -> Vec<Listed> {
        // A name that is no document id may stand between those that are.
        let from = if after >= prefix { Bound::Excluded(after) } else { Bound::Included(prefix) };
        let names = self.names.range::<str, _>((from, Bound::Unbounded));
        let named = names.take_while(|(id, _)| id.as_str().starts_with(prefix)).take(most);
        let told = named.filter_map(|(id, number)| {
            let log = self.log(*number).ok()?;
            Some(Listed { id: id.clone(), found: Ok((log.identity.clone(), log.head())) })
        });
        told.collect()
    }

    fn remove(&mut self, document: Incarnation) -> Result<(), StoreError> {
        self.open()?;
        let id = self.log(document)?.identity.id.clone();
        self.names.remove(&id);
        self.logs[document.0 as usize - 1] = None;
        Ok(())
    }
}

impl Store for MemoryStore {
    fn find<'a>(&'a self, id: &'a DocumentId) -> Pending<'a, Result<Option<Found>, StoreError>> {
        let found = self.state.lock().find(id);
        Box::pin(std::future::ready(Ok(found)))
    }

    fn create(&self, identity: Identity, first: Option<Arc<Revision>>) -> Pending<'_, Result<Created, StoreError>> {
        let created = self.state.lock().create(identity, first);
        Box::pin(std::future::ready(created))
    }

    fn append(
        &self,
        document: Incarnation,
        at: Version,
        revisions: Vec<Arc<Revision>>,
    ) -> Pending<'_, Result<(), AppendError>> {
        let appended = self.state.lock().append(document, at, revisions);
        Box::pin(std::future::ready(appended))
    }

    fn head(&self, document: Incarnation) -> Pending<'_, Result<Head, StoreError>> {
        self.read(document, Log::head)
    }

    fn tail(&self, document: Incarnation) -> Pending<'_, Result<Tail, StoreError>> {
        self.read(document, |log| {
            let snapshot = log.snapshots.last().cloned();
            let from = snapshot.as_ref().map_or(Version::ZERO, |snapshot| snapshot.version);
            Tail { snapshot, revisions: log.range(from, log.head().version) }
        })
    }

    fn revisions(
        &self,
        document: Incarnation,
        from: Version,
        to: Version,
    ) -> Pending<'_, Result<Vec<Arc<Revision>>, StoreError>> {
        self.read(document, |log| log.range(from, to))
    }

    fn stretches(
        &self,
        document: Incarnation,
        from: Version,
        to: Version,
    ) -> Pending<'_, Result<Vec<Stretch>, StoreError>> {
        self.read(document, |log| log.cover(from.0, to.0, usize::MAX))
    }

    fn snapshot_before(
        &self,
        document: Incarnation,
        version: Version,
    ) -> Pending<'_, Result<Option<Snapshot>, StoreError>> {
        self.read(document, |log| log.snapshots.iter().rev().find(|snapshot| snapshot.version <= version).cloned())
    }

    fn keep_snapshot(&self, document: Incarnation, snapshot: Snapshot) -> Pending<'_, Result<(), StoreError>> {
        let mut state = self.state.lock();
        let kept = state.log_mut(document).map(|log| {
            let snapshots = &mut log.snapshots;
            let place = snapshots.partition_point(|kept| kept.version < snapshot.version);
            if snapshots.get(place).is_none_or(|there| there.version != snapshot.version) {
                snapshots.insert(place, snapshot);
            }
        });
        Box::pin(std::future::ready(kept))
    }

    fn taken(&self, document: Incarnation, client: ClientKey) -> Pending<'_, Result<Option<Taken>, StoreError>> {
        self.read(document, |log| log.taken.get(&client).copied())
    }

    fn version_at(&self, document: Incarnation, time: Time) -> Pending<'_, Result<Version, StoreError>> {
        self.read(document, |log| Version(log.revisions.partition_point(|revision| revision.time <= time) as u64))
    }

    fn put_label(&self, document: Incarnation, label: Label) -> Pending<'_, Result<Labelled, StoreError>> {
        let labelled = self.state.lock().put_label(document, label);
        Box::pin(std::future::ready(labelled))
    }

    fn delete_label(&self, document: Incarnation, name: LabelName) -> Pending<'_, Result<bool, StoreError>> {
        let mut state = self.state.lock();
        let deleted = state.log_mut(document).map(|log| log.labels.remove(&name).is_some());
        Box::pin(std::future::ready(deleted))
    }

    fn labels(&self, document: Incarnation) -> Pending<'_, Result<Vec<Label>, StoreError>> {
        self.read(document, |log| {
            let mut labels: Vec<Label> = log.labels.values().cloned().collect();
            // By version; those of one version stay in order of name.
            labels.sort_by_key(|label| label.version);
            labels
        })
    }

    fn list<'a>(
        &'a self,
        prefix: &'a str,
        after: &'a str,
        most: usize,
    ) -> Pending<'a, Result<Vec<Listed>, StoreError>> {
        let listed = self.state.lock().list(prefix, after, most);
        Box::pin(std::future::ready(Ok(listed)))
    }

    fn remove(&self, document: Incarnation) -> Pending<'_, Result<(), StoreError>> {
        let removed = self.state.lock().remove(document);
        Box::pin(std::future::ready(removed))
    }

    fn condition(&self) -> Condition {
        if self.state.lock().closed { Condition::Failing("the store is closed".into()) } else { Condition::Good }
    }

    fn close(&self) -> Pending<'_, ()> {
        self.state.lock().closed = true;
        Box::pin(std::future::ready(()))
    }
}
