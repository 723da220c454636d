//! The contract of [`Store`], put into requests for the writer and reads on blocking threads.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::oneshot;

use super::label::{Changed, LabelChange};
use super::pace::Closing;
use super::page::Wanted;
use super::prune::Pruning;
use super::requests::{Edit, Request};
use super::sealed::Press;
use super::shared::ALL;
use super::slice::Slice;
use super::{SqliteStore, documents, fold, hand_over, label, log, slice, snapshot, steps};
use crate::document::{
    ClientKey, DocumentId, Identity, LEDGER_PAGE, Label, LabelName, LedgerPage, Revision, Snapshot, Stretch, Taken,
    Time, Trail, Version,
};
use crate::store::codec::encode_record;
use crate::store::lineage::Piece;
use crate::store::{
    APPEND_BYTES_MAX, AppendError, BranchPoint, Condition, Created, Found, Head, Incarnation, Kept, Labelled, Listed,
    Pending, Pruned, PrunedPast, READ_WEIGHT, Store, StoreError, Tail,
};

/// Pages of ledgers that are remembered: each takes some 50 kB of memory, and reading it again 20 microseconds.
const LEDGER_PAGES: usize = 256;

impl Store for SqliteStore {
    fn find<'a>(&'a self, id: &'a DocumentId) -> Pending<'a, Result<Option<Found>, StoreError>> {
        let (shared, id) = (self.shared.clone(), id.clone());
        self.blocking(move || shared.lend(|reader| documents::find(&reader.conn, &id)))
    }

    fn create(&self, identity: Identity, first: Option<Arc<Revision>>) -> Pending<'_, Result<Created, StoreError>> {
        let (answer, created) = oneshot::channel();
        let request = Request::Edit(Edit::Create { identity: Box::new(identity), begins: None, first, answer });
        Box::pin(async move { self.ask(request, created).await? })
    }

    fn create_branch(&self, identity: Identity, begins: BranchPoint) -> Pending<'_, Result<Created, StoreError>> {
        let (answer, created) = oneshot::channel();
        let edit = Edit::Create { identity: Box::new(identity), begins: Some(begins), first: None, answer };
        Box::pin(async move { self.ask(Request::Edit(edit), created).await? })
    }

    fn branches(&self, document: Incarnation) -> Pending<'_, Result<Vec<Found>, StoreError>> {
        let shared = self.shared.clone();
        self.blocking(move || {
            shared.lend(|reader| match documents::exists(&reader.conn, document)? {
                true => documents::branches(&reader.conn, document),
                false => Err(StoreError::Unknown(document)),
            })
        })
    }

    fn append(
        &self,
        document: Incarnation,
        at: Version,
        revisions: Vec<Arc<Revision>>,
    ) -> Pending<'_, Result<(), AppendError>> {
        let (answer, appended) = oneshot::channel();
        // Encoded here, so that the one writer does not have to.
        let mut records = Vec::with_capacity(revisions.len() * 96);
        for (revision, version) in revisions.iter().zip(at.0 + 1..) {
            assert_eq!(revision.version, Version(version), "revisions follow the place where they are appended");
            encode_record(document, revision, &mut records);
        }
        if records.len() > APPEND_BYTES_MAX {
            return Box::pin(std::future::ready(Err(AppendError::TooLarge { bytes: records.len() })));
        }
        let count = revisions.len() as u64;
        let request = Request::Edit(Edit::Append { document, at, count, records, answer });
        Box::pin(async move { self.ask(request, appended).await? })
    }

    fn head(&self, document: Incarnation) -> Pending<'_, Result<Head, StoreError>> {
        let shared = self.shared.clone();
        self.blocking(move || shared.head(document))
    }

    fn tail(&self, document: Incarnation) -> Pending<'_, Result<Tail, StoreError>> {
        let shared = self.shared.clone();
        self.blocking(move || {
            loop {
                let head = shared.head(document)?.version;
                let snapshot = shared.snapshot_before(document, head)?;
                let from = snapshot.as_ref().map_or(Version::ZERO, |snapshot| snapshot.version);
                match shared.revisions(document, from, head) {
                    Ok(revisions) => return Ok(Tail { revisions, snapshot, kept: shared.kept(document)? }),
                    // The horizon passed the snapshot meanwhile, and leaves another.
                    Err(StoreError::Pruned { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
        })
    }

    fn revisions(
        &self,
        document: Incarnation,
        from: Version,
        to: Version,
    ) -> Pending<'_, Result<Vec<Arc<Revision>>, StoreError>> {
        let shared = self.shared.clone();
        self.blocking(move || shared.revisions(document, from, to))
    }

    fn some_revisions(
        &self,
        document: Incarnation,
        from: Version,
        to: Version,
        room: usize,
    ) -> Pending<'_, Result<Vec<Arc<Revision>>, StoreError>> {
        let shared = self.shared.clone();
        self.blocking(move || shared.some_revisions(document, from, to, Wanted::any(room)))
    }

    fn sent_by(
        &self,
        client: ClientKey,
        document: Incarnation,
        from: Version,
        to: Version,
        room: usize,
    ) -> Pending<'_, Result<Vec<Arc<Revision>>, StoreError>> {
        let shared = self.shared.clone();
        self.blocking(move || shared.some_revisions(document, from, to, Wanted { of: Some(client), room }))
    }

    fn stretches(
        &self,
        document: Incarnation,
        from: Version,
        to: Version,
    ) -> Pending<'_, Result<Vec<Stretch>, StoreError>> {
        let answer = self.read_and_heal(document, (from, to), |log, from, to| log.stretches(from, to));
        Box::pin(async { Ok(answer.await?.into_iter().flatten().collect()) })
    }

    fn trail(
        &self,
        document: Incarnation,
        from: Version,
        to: Version,
    ) -> Pending<'_, Result<Option<Trail>, StoreError>> {
        let trails = self.read_and_heal(document, (from, to), |log, from, to| log.trail(from, to));
        Box::pin(async { Ok(Trail::join_all(trails.await?.into_iter().flatten().collect())) })
    }

    fn ledger(&self, document: Incarnation, pages: Vec<u64>) -> Pending<'_, Result<Vec<Arc<LedgerPage>>, StoreError>> {
        let (shared, requests) = (self.shared.clone(), self.requests.clone());
        self.blocking(move || {
            let head = shared.head(document)?.version;
            let mut read = Vec::with_capacity(pages.len());
            for number in pages {
                let known = shared.ledgers.lock().get(&(document, number)).cloned();
                if let Some(page) = known {
                    read.push(page);
                    continue;
                }
                let from = Version(number * LEDGER_PAGE);
                let to = Version(from.0 + LEDGER_PAGE).min(head);
                let mut pieces = shared.pieces(document, from, to)?.into_iter();
                let first = pieces.next().expect("a page begins before the head");
                let mut page = shared.read(first.document, (from, first.to), |log| {
                    let page = log.ledger_page(number, first.to)?;
                    hand_over(&requests, log.healed_rows());
                    Ok(page)
                })?;
                // What of it is a branch's own.
                for Piece { document, to, .. } in pieces {
                    while page.to() < to {
                        page.add(&shared.some_revisions(document, page.to(), to, Wanted::any(READ_WEIGHT))?);
                    }
                }
                let page = Arc::new(page);
                if to.since(from) == LEDGER_PAGE {
                    let mut known = shared.ledgers.lock();
                    if known.len() >= LEDGER_PAGES {
                        known.clear();
                    }
                    known.insert((document, number), page.clone());
                }
                read.push(page);
            }
            Ok(read)
        })
    }

    fn snapshot_before(
        &self,
        document: Incarnation,
        version: Version,
    ) -> Pending<'_, Result<Option<Snapshot>, StoreError>> {
        let shared = self.shared.clone();
        self.blocking(move || shared.snapshot_before(document, version))
    }

    fn keep_snapshot(&self, document: Incarnation, snapshot: Snapshot) -> Pending<'_, Result<(), StoreError>> {
        let shared = self.shared.clone();
        Box::pin(async move {
            let known = move || {
                let found = shared.lend(|reader| documents::of_number(&reader.conn, document))?;
                // What is at or below a branch's beginning is its parent's to keep.
                match snapshot.version <= log::start_of(found.begins) {
                    true => Ok(Vec::new()),
                    false => Ok(snapshot::snapshot_parts(document, &snapshot)),
                }
            };
            for put in self.blocking(known).await? {
                let (answer, written) = oneshot::channel();
                let slice = Slice { puts: vec![put], answer: Some(answer), ..Slice::default() };
                let written = self.ask(Request::Slice(slice), written).await?;
                written.map_err(|slice::NotWritten(reason)| StoreError::Unavailable(reason))?;
            }
            Ok(())
        })
    }

    fn taken(&self, document: Incarnation, client: ClientKey) -> Pending<'_, Result<Option<Taken>, StoreError>> {
        self.read(document, ALL, move |log| log.taken(client))
    }

    fn version_at(&self, document: Incarnation, time: Time) -> Pending<'_, Result<Version, StoreError>> {
        let shared = self.shared.clone();
        self.blocking(move || shared.version_at(document, time))
    }

    fn put_label(&self, document: Incarnation, label: Label) -> Pending<'_, Result<Labelled, StoreError>> {
        Box::pin(async move {
            match self.change_label(document, LabelChange::Put(Box::new(label))).await? {
                Changed::Put(labelled) => Ok(labelled),
                Changed::Deleted(_) => unreachable!("a label that is given is not taken away"),
            }
        })
    }

    fn delete_label(&self, document: Incarnation, name: LabelName) -> Pending<'_, Result<bool, StoreError>> {
        Box::pin(async move {
            let changed = self.change_label(document, LabelChange::Delete(name)).await?;
            Ok(matches!(changed, Changed::Deleted(true)))
        })
    }

    fn labels(&self, document: Incarnation) -> Pending<'_, Result<Vec<Label>, StoreError>> {
        let shared = self.shared.clone();
        self.blocking(move || {
            shared.lend(|reader| match documents::exists(&reader.conn, document)? {
                true => label::all(&reader.conn, document),
                false => Err(StoreError::Unknown(document)),
            })
        })
    }

    fn list<'a>(
        &'a self,
        prefix: &'a str,
        after: &'a str,
        most: usize,
    ) -> Pending<'a, Result<Vec<Listed>, StoreError>> {
        // Behind every id that begins so: no id has a character above `~`.
        let to = format!("{prefix}\u{7f}");
        // The least text behind `after` is itself and the least character.
        let from = if after >= prefix { format!("{after}\0") } else { prefix.to_owned() };
        let shared = self.shared.clone();
        self.blocking(move || shared.list(&from, &to, most))
    }

    fn kept(&self, document: Incarnation) -> Pending<'_, Result<Kept, StoreError>> {
        let shared = self.shared.clone();
        self.blocking(move || shared.kept(document))
    }

    fn prune(&self, document: Incarnation, to: Version, preview: bool) -> Pending<'_, Result<Pruned, StoreError>> {
        Box::pin(async move {
            if let Condition::ReadOnly(sentence) = self.condition() {
                return Err(StoreError::Unavailable(sentence));
            }
            let (answer, pruned) = oneshot::channel();
            self.shared.pace.prune(Pruning { document, to, preview, answer });
            pruned.await.map_err(|_| StoreError::Unavailable("it is closed".into()))?
        })
    }

    fn adopt(&self, document: Incarnation, past: PrunedPast) -> Pending<'_, Result<(), AppendError>> {
        let (answer, adopted) = oneshot::channel();
        let horizon = past.horizon();
        let rows = steps::rows(&mut Press::default(), document, past);
        let request = Request::Edit(Edit::Adopt { document, horizon, rows, answer });
        Box::pin(async move { self.ask(request, adopted).await? })
    }

    fn remove(&self, document: Incarnation) -> Pending<'_, Result<(), StoreError>> {
        let (answer, removed) = oneshot::channel();
        let request = Request::Edit(Edit::Remove { document, answer });
        Box::pin(async move { self.ask(request, removed).await? })
    }

    fn condition(&self) -> Condition {
        self.shared.condition.lock().clone()
    }

    fn close(&self) -> Pending<'_, ()> {
        Box::pin(async move {
            let threads = std::mem::take(&mut *self.threads.lock());
            if !threads.is_empty() {
                let (answer, folded) = oneshot::channel();
                self.shared.pace.close(Closing { deadline: Instant::now() + fold::CLOSING, answer: Some(answer) });
                drop(folded.await);
                let (answer, closed) = oneshot::channel();
                if self.requests.send(Request::Close(answer)).await.is_ok() {
                    drop(closed.await);
                }
                drop(tokio::task::spawn_blocking(|| threads.into_iter().for_each(|thread| drop(thread.join()))).await);
            }
            self.shared.set_condition(Condition::Failing("the store is closed".into()));
            self.shared.readers.close();
            self.shared.lock.lock().take();
        })
    }
}
