//! The memory engine: the model that every other engine is held against. Nothing survives the process.

mod blocks;
mod history;
mod log;
mod state;

use std::sync::Arc;

use parking_lot::Mutex;

use self::state::State;
use super::{
    AppendError, BranchPoint, Condition, Created, Found, Head, Incarnation, Kept, Labelled, Listed, Pending, Pruned,
    PrunedPast, Store, StoreError, Tail, as_many_as_weigh,
};
use crate::document::{
    ClientKey, DocumentId, Identity, Label, LabelName, LedgerPage, Revision, Snapshot, Stretch, Taken, Time, Trail,
    Version,
};

/// A log per document, in memory.
#[derive(Default)]
pub struct MemoryStore {
    state: Mutex<State>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// Does at once what others wait for.
    fn at_once<'a, T: Send + 'a>(&self, what: impl FnOnce(&mut State) -> T) -> Pending<'a, T> {
        let done = what(&mut self.state.lock());
        Box::pin(std::future::ready(done))
    }
}

impl Store for MemoryStore {
    fn find<'a>(&'a self, id: &'a DocumentId) -> Pending<'a, Result<Option<Found>, StoreError>> {
        self.at_once(|state| Ok(state.find(id)))
    }

    fn create(&self, identity: Identity, first: Option<Arc<Revision>>) -> Pending<'_, Result<Created, StoreError>> {
        self.at_once(|state| state.create(identity, None, first))
    }

    fn create_branch(&self, identity: Identity, begins: BranchPoint) -> Pending<'_, Result<Created, StoreError>> {
        self.at_once(|state| state.create(identity, Some(begins), None))
    }

    fn branches(&self, document: Incarnation) -> Pending<'_, Result<Vec<Found>, StoreError>> {
        self.at_once(|state| state.branches(document))
    }

    fn append(
        &self,
        document: Incarnation,
        at: Version,
        revisions: Vec<Arc<Revision>>,
    ) -> Pending<'_, Result<(), AppendError>> {
        self.at_once(|state| state.append(document, at, revisions))
    }

    fn head(&self, document: Incarnation) -> Pending<'_, Result<Head, StoreError>> {
        self.at_once(|state| state.head(document))
    }

    fn tail(&self, document: Incarnation) -> Pending<'_, Result<Tail, StoreError>> {
        self.at_once(|state| state.tail(document))
    }

    fn revisions(
        &self,
        document: Incarnation,
        from: Version,
        to: Version,
    ) -> Pending<'_, Result<Vec<Arc<Revision>>, StoreError>> {
        self.at_once(|state| state.range(document, from, to))
    }

    fn some_revisions(
        &self,
        document: Incarnation,
        from: Version,
        to: Version,
        room: usize,
    ) -> Pending<'_, Result<Vec<Arc<Revision>>, StoreError>> {
        self.at_once(|state| Ok(as_many_as_weigh(room, state.range(document, from, to)?)))
    }

    fn sent_by(
        &self,
        client: ClientKey,
        document: Incarnation,
        from: Version,
        to: Version,
        room: usize,
    ) -> Pending<'_, Result<Vec<Arc<Revision>>, StoreError>> {
        self.at_once(|state| {
            let mut revisions = state.range(document, from, to)?;
            revisions.retain(|revision| revision.origin.is_some_and(|origin| origin.client == client));
            Ok(as_many_as_weigh(room, revisions))
        })
    }

    fn stretches(
        &self,
        document: Incarnation,
        from: Version,
        to: Version,
    ) -> Pending<'_, Result<Vec<Stretch>, StoreError>> {
        self.at_once(|state| state.stretches(document, from, to))
    }

    fn trail(
        &self,
        document: Incarnation,
        from: Version,
        to: Version,
    ) -> Pending<'_, Result<Option<Trail>, StoreError>> {
        self.at_once(|state| state.trail(document, from, to))
    }

    fn ledger(&self, document: Incarnation, pages: Vec<u64>) -> Pending<'_, Result<Vec<Arc<LedgerPage>>, StoreError>> {
        self.at_once(|state| state.ledger(document, pages))
    }

    fn snapshot_before(
        &self,
        document: Incarnation,
        version: Version,
    ) -> Pending<'_, Result<Option<Snapshot>, StoreError>> {
        self.at_once(|state| state.snapshot_before(document, version))
    }

    fn keep_snapshot(&self, document: Incarnation, snapshot: Snapshot) -> Pending<'_, Result<(), StoreError>> {
        self.at_once(|state| state.keep_snapshot(document, snapshot))
    }

    fn taken(&self, document: Incarnation, client: ClientKey) -> Pending<'_, Result<Option<Taken>, StoreError>> {
        self.at_once(|state| Ok(state.log(document)?.taken.get(&client).copied()))
    }

    fn version_at(&self, document: Incarnation, time: Time) -> Pending<'_, Result<Version, StoreError>> {
        self.at_once(|state| state.version_at(document, time))
    }

    fn put_label(&self, document: Incarnation, label: Label) -> Pending<'_, Result<Labelled, StoreError>> {
        self.at_once(|state| state.put_label(document, label))
    }

    fn delete_label(&self, document: Incarnation, name: LabelName) -> Pending<'_, Result<bool, StoreError>> {
        self.at_once(|state| state.delete_label(document, &name))
    }

    fn labels(&self, document: Incarnation) -> Pending<'_, Result<Vec<Label>, StoreError>> {
        self.at_once(|state| state.labels(document))
    }

    fn list<'a>(
        &'a self,
        prefix: &'a str,
        after: &'a str,
        most: usize,
    ) -> Pending<'a, Result<Vec<Listed>, StoreError>> {
        self.at_once(|state| Ok(state.list(prefix, after, most)))
    }

    fn kept(&self, document: Incarnation) -> Pending<'_, Result<Kept, StoreError>> {
        self.at_once(|state| Ok(state.kept(document)?.0))
    }

    fn prune(&self, document: Incarnation, to: Version, preview: bool) -> Pending<'_, Result<Pruned, StoreError>> {
        self.at_once(|state| state.prune(document, to, preview))
    }

    fn adopt(&self, document: Incarnation, past: PrunedPast) -> Pending<'_, Result<(), AppendError>> {
        self.at_once(|state| state.adopt(document, past))
    }

    fn remove(&self, document: Incarnation) -> Pending<'_, Result<(), StoreError>> {
        self.at_once(|state| state.remove(document))
    }

    fn condition(&self) -> Condition {
        self.state.lock().condition()
    }

    fn close(&self) -> Pending<'_, ()> {
        self.at_once(|state| state.closed = true)
    }
}
