//! A store that is late, fails, or fails though it did what was asked, as a test says: what a disk or a network does.

use std::sync::Arc;
use std::time::Duration;

use variorum::document::{
    ClientKey, DocumentId, Identity, Label, LabelName, LedgerPage, Revision, Snapshot, Stretch, Taken, Time, Trail,
    Version,
};
use variorum::store::{
    AppendError, BranchPoint, Condition, Created, Found, Head, Incarnation, Kept, Labelled, Listed, MemoryStore,
    Pending, Pruned, PrunedPast, Store, StoreError, Tail,
};

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is done at once.
    Done,
    /// It is done after this many milliseconds, and answered after as many more.
    Late(u64),
    /// It is not done, and its outcome is unknown to who asked.
    Failed,
    /// It is done, and its outcome is unknown to who asked.
    Lost,
}

/// The calls that a fate can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// `find`
    Find,
    /// `create`
    Create,
    /// `append`
    Append,
    /// `put_label`, `delete_label`
    Label,
    /// `remove`, `prune`
    Remove,
    /// A read of content, `tail` or `snapshot_before`.
    Content,
    /// Any other read.
    Read,
    /// `close`, which can only be late.
    Close,
}

/// A memory store with a fate for each call.
pub struct Faulty<F> {
    /// The store beneath, which never fails.
    pub sound: MemoryStore,
    fate: F,
}

impl<F: Fn(Call) -> Fate + Send + Sync + 'static> Faulty<F> {
    /// A new store whose calls go as `fate` says.
    pub fn new(fate: F) -> Arc<Self> {
        Arc::new(Faulty { sound: MemoryStore::new(), fate })
    }

    fn meet<'a, T, E>(
        &'a self,
        call: Call,
        done: impl FnOnce(&'a MemoryStore) -> Pending<'a, Result<T, E>> + Send + 'a,
    ) -> Pending<'a, Result<T, E>>
    where
        T: Send,
        E: From<StoreError> + Send,
    {
        let fate = (self.fate)(call);
        Box::pin(async move {
            match fate {
                Fate::Done => done(&self.sound).await,
                Fate::Late(ms) => {
                    let pause = Duration::from_millis(ms);
                    tokio::time::sleep(pause).await;
                    let answer = done(&self.sound).await;
                    tokio::time::sleep(pause).await;
                    answer
                }
                Fate::Failed => Err(StoreError::Unavailable("the test says so".into()).into()),
                Fate::Lost => {
                    drop(done(&self.sound).await);
                    Err(StoreError::Unavailable("the test says so, though it was done".into()).into())
                }
            }
        })
    }
}

impl<F: Fn(Call) -> Fate + Send + Sync + 'static> Store for Faulty<F> {
    fn find<'a>(&'a self, id: &'a DocumentId) -> Pending<'a, Result<Option<Found>, StoreError>> {
        self.meet(Call::Find, move |store| store.find(id))
    }

    fn create(&self, identity: Identity, first: Option<Arc<Revision>>) -> Pending<'_, Result<Created, StoreError>> {
        self.meet(Call::Create, |store| store.create(identity, first))
    }

    fn create_branch(&self, identity: Identity, begins: BranchPoint) -> Pending<'_, Result<Created, StoreError>> {
        self.meet(Call::Create, move |store| store.create_branch(identity, begins))
    }

    fn branches(&self, document: Incarnation) -> Pending<'_, Result<Vec<Found>, StoreError>> {
        self.meet(Call::Read, move |store| store.branches(document))
    }

    fn append(
        &self,
        document: Incarnation,
        at: Version,
        revisions: Vec<Arc<Revision>>,
    ) -> Pending<'_, Result<(), AppendError>> {
        self.meet(Call::Append, move |store| store.append(document, at, revisions))
    }

    fn head(&self, document: Incarnation) -> Pending<'_, Result<Head, StoreError>> {
        self.meet(Call::Read, move |store| store.head(document))
    }

    fn tail(&self, document: Incarnation) -> Pending<'_, Result<Tail, StoreError>> {
        self.meet(Call::Content, move |store| store.tail(document))
    }

    fn revisions(
        &self,
        document: Incarnation,
        from: Version,
        to: Version,
    ) -> Pending<'_, Result<Vec<Arc<Revision>>, StoreError>> {
        self.meet(Call::Read, move |store| store.revisions(document, from, to))
    }

    fn some_revisions(
        &self,
        document: Incarnation,
        from: Version,
        to: Version,
        room: usize,
    ) -> Pending<'_, Result<Vec<Arc<Revision>>, StoreError>> {
        self.meet(Call::Read, move |store| store.some_revisions(document, from, to, room))
    }

    fn sent_by(
        &self,
        client: ClientKey,
        document: Incarnation,
        from: Version,
        to: Version,
        room: usize,
    ) -> Pending<'_, Result<Vec<Arc<Revision>>, StoreError>> {
        self.meet(Call::Read, move |store| store.sent_by(client, document, from, to, room))
    }

    fn stretches(
        &self,
        document: Incarnation,
        from: Version,
        to: Version,
    ) -> Pending<'_, Result<Vec<Stretch>, StoreError>> {
        self.meet(Call::Read, move |store| store.stretches(document, from, to))
    }

    fn trail(
        &self,
        document: Incarnation,
        from: Version,
        to: Version,
    ) -> Pending<'_, Result<Option<Trail>, StoreError>> {
        self.meet(Call::Read, move |store| store.trail(document, from, to))
    }

    fn ledger(&self, document: Incarnation, pages: Vec<u64>) -> Pending<'_, Result<Vec<Arc<LedgerPage>>, StoreError>> {
        self.meet(Call::Read, move |store| store.ledger(document, pages))
    }

    fn snapshot_before(
        &self,
        document: Incarnation,
        version: Version,
    ) -> Pending<'_, Result<Option<Snapshot>, StoreError>> {
        self.meet(Call::Content, move |store| store.snapshot_before(document, version))
    }

    fn keep_snapshot(&self, document: Incarnation, snapshot: Snapshot) -> Pending<'_, Result<(), StoreError>> {
        self.sound.keep_snapshot(document, snapshot)
    }

    fn taken(&self, document: Incarnation, client: ClientKey) -> Pending<'_, Result<Option<Taken>, StoreError>> {
        self.meet(Call::Read, move |store| store.taken(document, client))
    }

    fn version_at(&self, document: Incarnation, time: Time) -> Pending<'_, Result<Version, StoreError>> {
        self.meet(Call::Read, move |store| store.version_at(document, time))
    }

    fn put_label(&self, document: Incarnation, label: Label) -> Pending<'_, Result<Labelled, StoreError>> {
        self.meet(Call::Label, move |store| store.put_label(document, label))
    }

    fn delete_label(&self, document: Incarnation, name: LabelName) -> Pending<'_, Result<bool, StoreError>> {
        self.meet(Call::Label, move |store| store.delete_label(document, name))
    }

    fn labels(&self, document: Incarnation) -> Pending<'_, Result<Vec<Label>, StoreError>> {
        self.meet(Call::Read, move |store| store.labels(document))
    }

    fn list<'a>(
        &'a self,
        prefix: &'a str,
        after: &'a str,
        most: usize,
    ) -> Pending<'a, Result<Vec<Listed>, StoreError>> {
        self.meet(Call::Read, move |store| store.list(prefix, after, most))
    }

    fn kept(&self, document: Incarnation) -> Pending<'_, Result<Kept, StoreError>> {
        self.meet(Call::Read, move |store| store.kept(document))
    }

    fn adopt(&self, document: Incarnation, past: PrunedPast) -> Pending<'_, Result<(), AppendError>> {
        self.meet(Call::Append, move |store| store.adopt(document, past))
    }

    fn prune(&self, document: Incarnation, to: Version, preview: bool) -> Pending<'_, Result<Pruned, StoreError>> {
        self.meet(Call::Remove, move |store| store.prune(document, to, preview))
    }

    fn remove(&self, document: Incarnation) -> Pending<'_, Result<(), StoreError>> {
        self.meet(Call::Remove, move |store| store.remove(document))
    }

    fn condition(&self) -> Condition {
        self.sound.condition()
    }

    fn close(&self) -> Pending<'_, ()> {
        let fate = (self.fate)(Call::Close);
        Box::pin(async move {
            if let Fate::Late(ms) = fate {
                tokio::time::sleep(Duration::from_millis(ms)).await;
            }
            self.sound.close().await;
        })
    }
}
