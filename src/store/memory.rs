//! The memory engine: the model that every other engine is held against. Nothing survives the process.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::Arc;

use parking_lot::Mutex;

use super::kept::{Needed, bounds, horizon, needed};
use super::lineage::Lineage;
use super::{
    APPEND_BYTES_MAX, AppendError, BranchPoint, Condition, Created, Found, Head, Incarnation, Kept, LABELS_MAX,
    Labelled, Listed, Pending, Pruned, PrunedPast, Store, StoreError, Tail, as_many_as_weigh,
};
use crate::document::{
    ClientKey, DocumentId, FAN_OUT, Identity, LEDGER_PAGE, Label, LabelName, LedgerPage, Revision, Snapshot, Step,
    Stretch, Taken, Time, Trail, Version,
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
    /// What is left of revisions that were pruned, and who made them.
    steps: Vec<Step>,
    pruned: BTreeMap<u64, LedgerPage>,
    /// Its own revisions: the first follows the version where it begins, or the horizon.
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
            steps: Vec::new(),
            pruned: BTreeMap::new(),
            revisions: Vec::new(),
            blocks: HashMap::new(),
            trails: HashMap::new(),
            snapshots: Vec::new(),
            taken: HashMap::new(),
            labels: BTreeMap::new(),
        }
    }

    /// The version before its own revisions: where it begins, or its horizon.
    fn start(&self) -> Version {
        match self.steps.last() {
            Some(last) => last.to(),
            None => self.begins.map_or(Version::ZERO, |begins| begins.version),
        }
    }

    fn kept(&self) -> Kept {
        let place = |step: &Step| {
            let Stretch { to, chain, time, .. } = step.stretch;
            Head { version: to, chain, time }
        };
        Kept::new(self.steps.iter().map(place).collect())
    }

    /// The steps within `(from, to]` of its own, both of which are kept, and where they end.
    fn steps(&self, from: Version, to: Version) -> (impl Iterator<Item = &Step>, Version) {
        let within = move |step: &&Step| from <= step.from() && step.to() <= to;
        let end = self.steps.iter().rfind(within).map_or(from, |step| step.to());
        (self.steps.iter().filter(within), end)
    }

    /// Squashes the revisions up to the last of these versions into steps that end at each.
    fn prune(&mut self, bounds: &[Version]) {
        let Some(horizon) = bounds.last().copied().filter(|horizon| *horizon >= self.start()) else { return };
        for page in self.start().0 / LEDGER_PAGE..horizon.0.div_ceil(LEDGER_PAGE) {
            let to = horizon.min(Version((page + 1) * LEDGER_PAGE));
            let mut kept = self.ledger_page(page, to);
            kept.cut(to);
            self.pruned.insert(page, kept);
        }
        let count = horizon.since(self.start()) as usize;
        let gone = self.revisions.drain(..count);
        let mut rest = self.steps.drain(..).chain(gone.map(|revision| Step::of(&revision))).peekable();
        let mut steps = Vec::new();
        for bound in bounds {
            let within = std::iter::from_fn(|| rest.next_if(|step| step.to() <= *bound)).collect();
            steps.push(Step::join_all(within).expect("something lies between two versions"));
        }
        drop(rest);
        self.steps = steps;
        self.blocks.retain(|(level, place), _| place * block_size(*level) >= horizon.0);
        self.trails.retain(|(level, place), _| place * block_size(level + 1) >= horizon.0);
        self.snapshots.retain(|snapshot| snapshot.version >= horizon);
    }

    /// A page of the ledger up to a version of its own.
    fn ledger_page(&self, number: u64, to: Version) -> LedgerPage {
        let from = Version(number * LEDGER_PAGE);
        let mut page = self.pruned.get(&number).cloned().unwrap_or_else(|| LedgerPage::of(from, &[]));
        page.cut(to);
        page.add(if page.to() < to { self.range(page.to(), to) } else { &[] });
        page
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
            let (kept, root) = self.kept(begins.parent)?;
            kept.check_whole(root, begins.version)?;
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

    fn adopt(&mut self, document: Incarnation, past: PrunedPast) -> Result<(), AppendError> {
        let log = self.log_mut(document)?;
        let head = log.head();
        if head > Version::ZERO {
            return Err(AppendError::Conflict { head });
        }
        log.steps = past.steps;
        log.pruned = (0..).zip(past.ledger).collect();
        log.taken = past.taken.into_iter().collect();
        Ok(())
    }

    fn lineage(&self, document: Incarnation) -> Result<Lineage, StoreError> {
        Lineage::of(document, |document| Ok(self.log(document)?.begins))
    }

    fn range(&self, document: Incarnation, from: Version, to: Version) -> Result<Vec<Arc<Revision>>, StoreError> {
        let mut range = Vec::new();
        for piece in self.lineage(document)?.split(from, to) {
            let log = self.log(piece.document)?;
            log.kept().check_whole(piece.document, piece.from)?;
            range.extend_from_slice(log.range(piece.from, piece.to));
        }
        Ok(range)
    }

    fn stretches(&self, document: Incarnation, from: Version, to: Version) -> Result<Vec<Stretch>, StoreError> {
        let mut stretches = Vec::new();
        for piece in self.lineage(document)?.split(from, to) {
            let log = self.log(piece.document)?;
            log.kept().check(piece.document, piece.from)?;
            log.kept().check(piece.document, piece.to)?;
            let (steps, at) = log.steps(piece.from, piece.to);
            stretches.extend(steps.map(|step| step.stretch.clone()));
            stretches.extend(log.cover(at, piece.to, usize::MAX));
        }
        Ok(stretches)
    }

    fn trail(&self, document: Incarnation, from: Version, to: Version) -> Result<Option<Trail>, StoreError> {
        let mut trails = Vec::new();
        for piece in self.lineage(document)?.split(from, to) {
            let log = self.log(piece.document)?;
            log.kept().check(piece.document, piece.from)?;
            log.kept().check(piece.document, piece.to)?;
            let (steps, at) = log.steps(piece.from, piece.to);
            trails.extend(steps.map(Step::trail));
            trails.extend(log.marked_cover(at, piece.to, usize::MAX));
        }
        Ok(Trail::join_all(trails))
    }

    fn ledger(&self, document: Incarnation, number: u64) -> Result<LedgerPage, StoreError> {
        let from = Version(number * LEDGER_PAGE);
        let to = Version(from.0 + LEDGER_PAGE).min(self.log(document)?.head());
        let mut pieces = self.lineage(document)?.split(from, to).into_iter();
        let first = pieces.next().expect("a page begins before the head");
        let mut page = self.log(first.document)?.ledger_page(number, first.to);
        for piece in pieces {
            page.add(self.log(piece.document)?.range(piece.from, piece.to));
        }
        Ok(page)
    }

    /// What is kept of a document's history, and of whose log that is.
    fn kept(&self, document: Incarnation) -> Result<(Kept, Incarnation), StoreError> {
        let root = self.lineage(document)?.root();
        Ok((self.log(root)?.kept(), root))
    }

    fn prune(&mut self, document: Incarnation, to: Version, preview: bool) -> Result<Pruned, StoreError> {
        self.open()?;
        let log = self.log(document)?;
        let before = log.steps.last().map_or(Version::ZERO, |step| step.to());
        if log.begins.is_some() {
            return Ok(Pruned { before, horizon: before, kept: Vec::new() });
        }
        let labels = |number| Ok(self.log(number)?.labels.values().map(|label| label.version).collect());
        let Needed { labelled, branches } = needed(document, labels, |number| self.branches(number))?;
        let kept = bounds(horizon(to, log.head(), branches).max(before), labelled);
        let horizon = kept.last().copied().unwrap_or_default();
        if !preview {
            self.log_mut(document)?.prune(&kept);
        }
        Ok(Pruned { before, horizon, kept })
    }

    fn head(&self, document: Incarnation) -> Result<Head, StoreError> {
        let version = self.log(document)?.head();
        if version == Version::ZERO {
            let genesis = Snapshot::genesis(&self.log(self.lineage(document)?.root())?.identity);
            return Ok(Head { version, chain: genesis.chain, time: genesis.time });
        }
        // As an import leaves it that was cut off there.
        if let Some(horizon) = self.log(document)?.kept().place(version) {
            return Ok(*horizon);
        }
        let last = self.range(document, Version(version.0 - 1), version)?;
        let last = last.first().expect("a range of one has one revision");
        Ok(Head { version, chain: last.chain, time: last.time })
    }

    fn snapshot_before(&self, document: Incarnation, version: Version) -> Result<Option<Snapshot>, StoreError> {
        let lineage = self.lineage(document)?;
        for piece in lineage.split(Version::ZERO, version).iter().rev() {
            let log = self.log(piece.document)?;
            let horizon = log.kept().horizon();
            let kept = log.snapshots.iter().rev().filter(|snapshot| snapshot.version >= horizon);
            if let Some(snapshot) = kept.clone().find(|snapshot| snapshot.version <= piece.to) {
                return Ok(Some(snapshot.clone()));
            }
            if Version::ZERO < horizon && horizon <= piece.to {
                let mut snapshot = Snapshot::genesis(&log.identity);
                log.steps.iter().for_each(|step| snapshot.forward(&step.stretch).expect("steps of one log fit"));
                return Ok(Some(snapshot));
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
            None if own == 0 => {
                let times = log.pruned.values().flat_map(|page| &page.times);
                Ok(Version(times.take_while(|then| **then <= time).count() as u64))
            }
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
        let (kept, root) = self.kept(document)?;
        let labels = &mut self.log_mut(document)?.labels;
        if let Some(existing) = labels.get(&label.name) {
            return Ok(Labelled::Existing(existing.clone()));
        }
        kept.check(root, label.version)?;
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
            let (kept, _) = state.kept(document)?;
            Ok(Tail { snapshot, revisions: state.range(document, from, log.head())?, kept })
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
        self.read(document, |state, _| state.trail(document, from, to))
    }

    fn ledger(&self, document: Incarnation, pages: Vec<u64>) -> Pending<'_, Result<Vec<Arc<LedgerPage>>, StoreError>> {
        self.read(document, |state, _| {
            pages.into_iter().map(|number| state.ledger(document, number).map(Arc::new)).collect()
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

    fn kept(&self, document: Incarnation) -> Pending<'_, Result<Kept, StoreError>> {
        self.read(document, |state, _| Ok(state.kept(document)?.0))
    }

    fn prune(&self, document: Incarnation, to: Version, preview: bool) -> Pending<'_, Result<Pruned, StoreError>> {
        let pruned = self.state.lock().prune(document, to, preview);
        Box::pin(std::future::ready(pruned))
    }

    fn adopt(&self, document: Incarnation, past: PrunedPast) -> Pending<'_, Result<(), AppendError>> {
        let adopted = self.state.lock().adopt(document, past);
        Box::pin(std::future::ready(adopted))
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
