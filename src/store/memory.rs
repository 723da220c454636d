//! The memory engine: the model that every other engine is held against. Nothing survives the process.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::Arc;

use parking_lot::Mutex;

use super::lineage::Lineage;
use super::{
    APPEND_BYTES_MAX, AppendError, BranchPoint, Condition, Created, Found, Head, Incarnation, LABELS_MAX, Labelled,
    Listed, Pending, Store, StoreError, Tail, as_many_as_weigh,
};
use crate::document::{
    ClientKey, DocumentId, FAN_OUT, Identity, LEDGER_PAGE, Label, LabelName, LedgerPage, Revision, Snapshot, Stretch,
    Taken, Time, Trail, Version,
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
    begins: Option<BranchPoint>,
    /// Its own revisions: the first follows the version where it begins.
    revisions: Vec<Arc<Revision>>,
    /// Composed blocks of 64, 512, ...: `(level, i)` covers `8^(level+2)` revisions from `i` times that.
    blocks: HashMap<(usize, u64), Stretch>,
    /// The same from 512 on, with marks: `(level, i)` covers `8^(level+3)` revisions.
    trails: HashMap<(usize, u64), Trail>,
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
    fn new(identity: Identity, begins: Option<BranchPoint>) -> Self {
        Log {
            identity,
            begins,
            revisions: Vec::new(),
            blocks: HashMap::new(),
            trails: HashMap::new(),
            snapshots: Vec::new(),
            taken: HashMap::new(),
            labels: BTreeMap::new(),
        }
    }

    /// The version before its own revisions.
    fn start(&self) -> Version {
        self.begins.map_or(Version::ZERO, |begins| begins.version)
    }

    fn head(&self) -> Version {
        Version(self.start().0 + self.revisions.len() as u64)
    }

    fn push(&mut self, revision: Arc<Revision>) {
        if let Some(origin) = revision.origin {
            self.taken.insert(origin.client, Taken { seq: origin.seq, version: revision.version });
        }
        self.revisions.push(revision);
        let (start, head) = (self.start().0, self.head().0);
        let whole = |level: &usize| {
            let size = block_size(*level);
            head.is_multiple_of(size) && start + size <= head
        };
        for level in (0..).take_while(whole).collect::<Vec<_>>() {
            let size = block_size(level);
            let parts = self.cover(Version(head - size), Version(head), level);
            self.blocks.insert((level, head / size - 1), Stretch::join_all(parts).expect("a block is not empty"));
        }
        for level in (0..).take_while(|level| whole(&(level + 1))).collect::<Vec<_>>() {
            let size = block_size(level + 1);
            let parts = self.marked_cover(Version(head - size), Version(head), level);
            self.trails.insert((level, head / size - 1), Trail::join_all(parts).expect("a block is not empty"));
        }
    }

    /// `(from, to]` of its own by marked blocks of the lowest `levels` levels.
    fn marked_cover(&self, from: Version, to: Version, levels: usize) -> Vec<Trail> {
        let mut pieces = Vec::new();
        let mut at = from.0;
        while at < to.0 {
            let fits = |level: &usize| at.is_multiple_of(block_size(level + 1)) && at + block_size(level + 1) <= to.0;
            let block = (0..levels).take_while(fits).last();
            let block = block.and_then(|level| self.trails.get(&(level, at / block_size(level + 1))));
            let single = || Trail::of(&self.revisions[(at - self.start().0) as usize]);
            let piece = block.cloned().unwrap_or_else(single);
            at = piece.to.0;
            pieces.push(piece);
        }
        pieces
    }

    /// `(from, to]` of its own by blocks of the lowest `levels` levels.
    fn cover(&self, from: Version, to: Version, levels: usize) -> Vec<Stretch> {
        let mut pieces = Vec::new();
        let mut at = from.0;
        while at < to.0 {
            let fits = |level: &usize| at.is_multiple_of(block_size(*level)) && at + block_size(*level) <= to.0;
            let block = (0..levels).take_while(fits).last();
            let block = block.and_then(|level| self.blocks.get(&(level, at / block_size(level))));
            let single = || Stretch::of(&self.revisions[(at - self.start().0) as usize]);
            let piece = block.cloned().unwrap_or_else(single);
            at = piece.to.0;
            pieces.push(piece);
        }
        pieces
    }

    /// `(from, to]` of its own.
    fn range(&self, from: Version, to: Version) -> &[Arc<Revision>] {
        let start = self.start().0;
        &self.revisions[(from.0 - start) as usize..(to.0 - start) as usize]
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
        read: impl FnOnce(&State, &Log) -> Result<T, StoreError>,
    ) -> Pending<'_, Result<T, StoreError>> {
        let state = self.state.lock();
        let answer = state.log(document).and_then(|log| read(&state, log));
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
        Some(Found { incarnation, identity: log.identity.clone(), begins: log.begins })
    }

    fn create(
        &mut self,
        identity: Identity,
        begins: Option<BranchPoint>,
        first: Option<Arc<Revision>>,
    ) -> Result<Created, StoreError> {
        self.open()?;
        if let Some(found) = self.find(&identity.id) {
            return Ok(Created::Existing(found));
        }
        if let Some(begins) = begins {
            self.log(begins.parent)?;
        }
        let incarnation = Incarnation(self.logs.len() as u64 + 1);
        self.names.insert(identity.id.clone(), incarnation);
        let mut log = Log::new(identity, begins);
        first.into_iter().for_each(|revision| log.push(revision));
        self.logs.push(Some(log));
        Ok(Created::New(incarnation))
    }

    fn append(&mut self, document: Incarnation, at: Version, revisions: Vec<Arc<Revision>>) -> Result<(), AppendError> {
        self.open()?;
        let log = self.log_mut(document)?;
        let head = log.head();
        if head != at {
            return Err(AppendError::Conflict { head });
        }
        revisions.into_iter().for_each(|revision| log.push(revision));
        Ok(())
    }

    fn lineage(&self, document: Incarnation) -> Result<Lineage, StoreError> {
        Lineage::of(document, |document| Ok(self.log(document)?.begins))
    }

    fn range(&self, document: Incarnation, from: Version, to: Version) -> Result<Vec<Arc<Revision>>, StoreError> {
        let mut range = Vec::new();
        for piece in self.lineage(document)?.split(from, to) {
            range.extend_from_slice(self.log(piece.document)?.range(piece.from, piece.to));
        }
        Ok(range)
    }

    fn stretches(&self, document: Incarnation, from: Version, to: Version) -> Result<Vec<Stretch>, StoreError> {
        let mut stretches = Vec::new();
        for piece in self.lineage(document)?.split(from, to) {
            stretches.extend(self.log(piece.document)?.cover(piece.from, piece.to, usize::MAX));
        }
        Ok(stretches)
    }

    fn head(&self, document: Incarnation) -> Result<Head, StoreError> {
        let version = self.log(document)?.head();
        if version == Version::ZERO {
            let genesis = Snapshot::genesis(&self.log(self.lineage(document)?.root())?.identity);
            return Ok(Head { version, chain: genesis.chain, time: genesis.time });
        }
        let last = self.range(document, Version(version.0 - 1), version)?;
        let last = last.first().expect("a range of one has one revision");
        Ok(Head { version, chain: last.chain, time: last.time })
    }

    fn snapshot_before(&self, document: Incarnation, version: Version) -> Result<Option<Snapshot>, StoreError> {
        let lineage = self.lineage(document)?;
        for piece in lineage.split(Version::ZERO, version).iter().rev() {
            let kept = self.log(piece.document)?.snapshots.iter().rev();
            if let Some(snapshot) = kept.clone().find(|snapshot| snapshot.version <= piece.to) {
                return Ok(Some(snapshot.clone()));
            }
        }
        match lineage.is_branch() {
            true => Ok(Some(Snapshot::genesis(&self.log(lineage.root())?.identity))),
            false => Ok(None),
        }
    }

    fn version_at(&self, document: Incarnation, time: Time) -> Result<Version, StoreError> {
        let log = self.log(document)?;
        let own = log.revisions.partition_point(|revision| revision.time <= time) as u64;
        match log.begins {
            Some(begins) if own == 0 => Ok(self.version_at(begins.parent, time)?.min(begins.version)),
            _ => Ok(Version(log.start().0 + own)),
        }
    }

    fn branches(&self, document: Incarnation) -> Result<Vec<Found>, StoreError> {
        self.log(document)?;
        let branches = self.names.keys().filter_map(|id| self.find(id));
        let mut branches: Vec<Found> =
            branches.filter(|found| found.begins.is_some_and(|begins| begins.parent == document)).collect();
        branches.sort_by(|a, b| a.identity.id.cmp(&b.identity.id));
        Ok(branches)
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
            Some(Listed { id: id.clone(), found: self.head(*number).map(|head| (log.identity.clone(), head)) })
        });
        told.collect()
    }

    fn remove(&mut self, document: Incarnation) -> Result<(), StoreError> {
        self.open()?;
        let branches = self.branches(document)?;
        if !branches.is_empty() {
            let branches = branches.iter().map(|branch| branch.identity.id.to_string()).collect();
            return Err(StoreError::HasBranches { document, branches });
        }
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
        let created = self.state.lock().create(identity, None, first);
        Box::pin(std::future::ready(created))
    }

    fn create_branch(&self, identity: Identity, begins: BranchPoint) -> Pending<'_, Result<Created, StoreError>> {
        let created = self.state.lock().create(identity, Some(begins), None);
        Box::pin(std::future::ready(created))
    }

    fn branches(&self, document: Incarnation) -> Pending<'_, Result<Vec<Found>, StoreError>> {
        self.read(document, |state, _| state.branches(document))
    }

    fn append(
        &self,
        document: Incarnation,
        at: Version,
        revisions: Vec<Arc<Revision>>,
    ) -> Pending<'_, Result<(), AppendError>> {
        // As much as their records have, or a little more.
        let bytes = revisions.iter().map(|revision| revision.op.weight()).sum();
        if bytes > APPEND_BYTES_MAX {
            return Box::pin(std::future::ready(Err(AppendError::TooLarge { bytes })));
        }
        let appended = self.state.lock().append(document, at, revisions);
        Box::pin(std::future::ready(appended))
    }

    fn head(&self, document: Incarnation) -> Pending<'_, Result<Head, StoreError>> {
        self.read(document, |state, _| state.head(document))
    }

    fn tail(&self, document: Incarnation) -> Pending<'_, Result<Tail, StoreError>> {
        self.read(document, |state, log| {
            let snapshot = state.snapshot_before(document, log.head())?;
            let from = snapshot.as_ref().map_or(Version::ZERO, |snapshot| snapshot.version);
            Ok(Tail { snapshot, revisions: state.range(document, from, log.head())? })
        })
    }

    fn revisions(
        &self,
        document: Incarnation,
        from: Version,
        to: Version,
    ) -> Pending<'_, Result<Vec<Arc<Revision>>, StoreError>> {
        self.read(document, |state, _| state.range(document, from, to))
    }

    fn some_revisions(
        &self,
        document: Incarnation,
        from: Version,
        to: Version,
        room: usize,
    ) -> Pending<'_, Result<Vec<Arc<Revision>>, StoreError>> {
        self.read(document, |state, _| Ok(as_many_as_weigh(room, state.range(document, from, to)?)))
    }

    fn stretches(
        &self,
        document: Incarnation,
        from: Version,
        to: Version,
    ) -> Pending<'_, Result<Vec<Stretch>, StoreError>> {
        self.read(document, |state, _| state.stretches(document, from, to))
    }

    fn trail(
        &self,
        document: Incarnation,
        from: Version,
        to: Version,
    ) -> Pending<'_, Result<Option<Trail>, StoreError>> {
        self.read(document, |state, _| {
            let mut trails = Vec::new();
            for piece in state.lineage(document)?.split(from, to) {
                trails.extend(state.log(piece.document)?.marked_cover(piece.from, piece.to, usize::MAX));
            }
            Ok(Trail::join_all(trails))
        })
    }

    fn ledger(&self, document: Incarnation, pages: Vec<u64>) -> Pending<'_, Result<Vec<Arc<LedgerPage>>, StoreError>> {
        self.read(document, |state, log| {
            let page = |number: u64| {
                let from = Version(number * LEDGER_PAGE);
                let to = Version(from.0 + LEDGER_PAGE).min(log.head());
                Ok(Arc::new(LedgerPage::of(from, &state.range(document, from, to)?)))
            };
            pages.into_iter().map(page).collect()
        })
    }

    fn snapshot_before(
        &self,
        document: Incarnation,
        version: Version,
    ) -> Pending<'_, Result<Option<Snapshot>, StoreError>> {
        self.read(document, |state, _| state.snapshot_before(document, version))
    }

    fn keep_snapshot(&self, document: Incarnation, snapshot: Snapshot) -> Pending<'_, Result<(), StoreError>> {
        let mut state = self.state.lock();
        let kept = state.log_mut(document).map(|log| {
            // What is at or below a branch's beginning is its parent's to keep.
            let own = log.start() < snapshot.version;
            let snapshots = &mut log.snapshots;
            let place = snapshots.partition_point(|kept| kept.version < snapshot.version);
            if own && snapshots.get(place).is_none_or(|there| there.version != snapshot.version) {
                snapshots.insert(place, snapshot);
            }
        });
        Box::pin(std::future::ready(kept))
    }

    fn taken(&self, document: Incarnation, client: ClientKey) -> Pending<'_, Result<Option<Taken>, StoreError>> {
        self.read(document, |_, log| Ok(log.taken.get(&client).copied()))
    }

    fn version_at(&self, document: Incarnation, time: Time) -> Pending<'_, Result<Version, StoreError>> {
        self.read(document, |state, _| state.version_at(document, time))
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
        self.read(document, |_, log| {
            let mut labels: Vec<Label> = log.labels.values().cloned().collect();
            // By version; those of one version stay in order of name.
            labels.sort_by_key(|label| label.version);
            Ok(labels)
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
