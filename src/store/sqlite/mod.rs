//! The embedded engine: SQLite as a journal that is folded into pages. `docs/decisions/journal-and-pages.md` says why.
//!
//! ```text
//! append, create ──▶ writer ──▶ journal row (one commit, one sync) ──▶ mark, tails, answers
//!                      ▲                                                │
//!                      │ slices: finished rows, no sync                 ▼ when enough waits, or edits pause
//!                      └────────────────────────────────────────────── fold ──▶ pages, blocks, clients
//!
//! every read: what it needs of the tails (memory) first, then pages
//! ```

mod backup;
mod block;
mod client;
mod commit;
mod directory;
mod documents;
mod fold;
mod label;
mod ledger;
mod log;
mod mark;
mod marks;
mod pace;
mod page;
mod prepare;
mod prune;
mod readers;
mod recover;
mod requests;
mod room;
mod row;
mod schema;
mod sealed;
mod slice;
mod snapshot;
mod stats;
mod steps;
mod sweep;
mod tails;
mod verify;
mod view;
mod writer;

use std::collections::HashMap;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

use parking_lot::Mutex;
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

pub use backup::{BackupError, backup};
pub use directory::OpenError;
pub use stats::Stats;
pub use verify::{Problem, Site, Verified, verify};
pub use view::View;

use self::directory::Directory;
use self::label::{Changed, LabelChange};
use self::log::Log;
use self::mark::{Mark, MarkFile};
use self::pace::{Closing, Pace};
use self::prune::Pruning;
use self::readers::{Reader, Readers};
use self::requests::{Edit, Request};
use self::sealed::Press;
use self::slice::Slice;
use self::tails::Tails;
use self::writer::Writer;
use super::codec::encode_record;
use super::lineage::{Lineage, Piece};
use super::{
    APPEND_BYTES_MAX, AppendError, BranchPoint, Condition, Created, Found, Head, Incarnation, Kept, Labelled, Listed,
    Pending, Pruned, PrunedPast, READ_WEIGHT, Store, StoreError, Tail,
};
use crate::document::{
    ClientKey, DocumentId, Identity, LEDGER_PAGE, Label, LabelName, LedgerPage, Revision, Snapshot, Stretch, Taken,
    Time, Trail, Version,
};
use crate::metrics::Metrics;

/// Requests that may wait for the writer; whoever comes later waits to be let in.
const QUEUE: usize = 1024;

/// Documents whose beginning is remembered; reading it again costs microseconds.
const BEGINS: usize = 65_536;

/// Pages of ledgers that are remembered: each takes some 50 kB of memory, and reading it again 20 microseconds.
const LEDGER_PAGES: usize = 256;

/// What an operator decides about a directory.
#[derive(Debug, Clone, Default)]
pub struct SqliteOptions {
    /// Go on although something that was acknowledged is lost: from what is there. Copy the directory first.
    pub accept_loss: bool,
    /// Where the engine counts what it does.
    pub metrics: Metrics,
}

/// A log per document in one directory, which it has to itself.
pub struct SqliteStore {
    shared: Arc<Shared>,
    requests: mpsc::Sender<Request>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// What the writer, the fold and the readers share.
struct Shared {
    directory: Directory,
    readers: Readers,
    tails: Mutex<Tails>,
    /// Where documents begin, of those that were asked for: read from their rows, which never change.
    begins: Mutex<HashMap<Incarnation, Option<BranchPoint>>>,
    /// Whole pages of ledgers that were read: they never change, and every blame and diff asks for many.
    ledgers: Mutex<HashMap<(Incarnation, u64), Arc<LedgerPage>>>,
    pace: Pace,
    metrics: Metrics,
    condition: Mutex<Condition>,
    /// Let go of when the store is closed.
    lock: Mutex<Option<File>>,
}

impl Shared {
    fn set_condition(&self, condition: Condition) {
        *self.condition.lock() = condition;
    }

    fn is_good(&self) -> bool {
        *self.condition.lock() == Condition::Good
    }

    /// Why nothing can be written, or read.
    fn unavailable(&self) -> StoreError {
        match &*self.condition.lock() {
            Condition::Good => StoreError::Unavailable("the commit was not finished".into()),
            Condition::Failing(reason) | Condition::ReadOnly(reason) => StoreError::Unavailable(reason.clone()),
        }
    }

    /// One read of a document's log. `tail` picks what it needs from memory, before any page is read.
    fn read<T>(
        &self,
        document: Incarnation,
        (from, to): (Version, Version),
        read: impl Fn(&mut Log) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let tail = self.tails.lock().runs(document, from, to);
        self.lend(|reader| {
            if tail.is_empty() && !documents::exists(&reader.conn, document)? {
                return Err(StoreError::Unknown(document));
            }
            let start = log::start_of(self.begins(&reader.conn, document)?);
            let mut kept = steps::kept(&reader.conn, document)?;
            let mut tail = Some(tail);
            loop {
                let tail = tail.take().unwrap_or_else(|| self.tails.lock().runs(document, from, to));
                let answer = read(&mut Log::new(document, start, kept.clone(), reader, tail));
                if !matches!(answer, Err(StoreError::Damaged { .. })) {
                    return answer;
                }
                // One that is removed meanwhile may be read half, and so may one that is pruned.
                if matches!(documents::exists(&reader.conn, document), Ok(false)) {
                    return Err(StoreError::Unknown(document));
                }
                match steps::kept(&reader.conn, document) {
                    Ok(now) if now != kept => kept = now,
                    _ => return answer,
                }
            }
        })
    }

    /// What is kept of a document's history, and of whose log that is: only one without a parent is pruned.
    fn kept_in(&self, conn: &Connection, document: Incarnation) -> Result<(Kept, Incarnation), StoreError> {
        let root = Lineage::of(document, |document| self.begins(conn, document))?.root();
        Ok((steps::kept(conn, root)?, root))
    }

    fn kept(&self, document: Incarnation) -> Result<Kept, StoreError> {
        self.lend(|reader| match documents::exists(&reader.conn, document)? {
            true => Ok(self.kept_in(&reader.conn, document)?.0),
            false => Err(StoreError::Unknown(document)),
        })
    }

    /// Documents in the order of their ids, from `from` up to `to`.
    fn list(&self, from: &str, to: &str, most: usize) -> Result<Vec<Listed>, StoreError> {
        let rows = self.lend(|reader| {
            let rows = documents::list(&reader.conn, from, to, most);
            rows.map_err(|error| fault(Incarnation(0), Version::ZERO, &error))
        })?;
        let mut listed = Vec::with_capacity(rows.len());
        for documents::Row { number, id, identity } in rows {
            let Ok(id) = id.parse() else {
                tracing::error!(document = number.0, id, "a document's row is damaged: its name is no document id");
                continue;
            };
            let found = identity.and_then(|identity| Ok((identity, self.head(number)?)));
            match found {
                // Removed since the names were read.
                Err(StoreError::Unknown(_)) => {}
                found => listed.push(Listed { id, found }),
            }
        }
        Ok(listed)
    }

    /// Where a document begins, if it is a branch.
    fn begins(&self, conn: &Connection, document: Incarnation) -> Result<Option<BranchPoint>, StoreError> {
        if let Some(begins) = self.begins.lock().get(&document) {
            return Ok(*begins);
        }
        let begins = match documents::of_number(conn, document) {
            Ok(found) => found.begins,
            // What is not a branch can be read without its own row.
            Err(StoreError::Damaged { .. }) if !documents::is_branch(conn, document)? => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut known = self.begins.lock();
        if known.len() >= BEGINS {
            known.clear();
        }
        known.insert(document, begins);
        Ok(begins)
    }

    fn lineage(&self, document: Incarnation) -> Result<Lineage, StoreError> {
        self.lend(|reader| Lineage::of(document, |document| self.begins(&reader.conn, document)))
    }

    /// The newest place of a document's log.
    fn head(&self, document: Incarnation) -> Result<Head, StoreError> {
        let own = self.read(document, ALL, |log| Ok((log.head()?, log.start)))?;
        let at = match own {
            (Some(head), _) => return Ok(head),
            (None, Version::ZERO) => {
                let root = self.lineage(document)?.root();
                let genesis =
                    Snapshot::genesis(&self.lend(|reader| documents::of_number(&reader.conn, root))?.identity);
                return Ok(Head { version: Version::ZERO, chain: genesis.chain, time: genesis.time });
            }
            (None, at) => at,
        };
        let last = self.revisions(document, Version(at.0 - 1), at)?;
        let last = last.first().expect("a range of one has one revision");
        Ok(Head { version: at, chain: last.chain, time: last.time })
    }

    /// `(from, to]`, each from the log that it lies in.
    fn revisions(&self, document: Incarnation, from: Version, to: Version) -> Result<Vec<Arc<Revision>>, StoreError> {
        self.some_revisions(document, from, to, usize::MAX)
    }

    /// The first of `(from, to]`, as many as weigh `room` bytes and one at least.
    fn some_revisions(
        &self,
        document: Incarnation,
        from: Version,
        to: Version,
        mut room: usize,
    ) -> Result<Vec<Arc<Revision>>, StoreError> {
        let mut revisions = Vec::new();
        for Piece { document, from, to } in self.pieces(document, from, to)? {
            let more = self.read(document, (from, to), |log| log.some_revisions(from, to, room))?;
            room = room.saturating_sub(more.iter().map(|revision| revision.op.weight()).sum());
            match revisions.is_empty() {
                true => revisions = more,
                false => revisions.extend(more),
            }
            if room == 0 {
                break;
            }
        }
        Ok(revisions)
    }

    /// Where `(from, to]` of a document lies.
    fn pieces(&self, document: Incarnation, from: Version, to: Version) -> Result<Vec<Piece>, StoreError> {
        let pieces = self.lineage(document)?.split(from, to);
        // Nothing is read of nothing, but of a document that exists.
        if pieces.is_empty() && !self.lend(|reader| documents::exists(&reader.conn, document))? {
            return Err(StoreError::Unknown(document));
        }
        Ok(pieces)
    }

    fn snapshot_before(&self, document: Incarnation, version: Version) -> Result<Option<Snapshot>, StoreError> {
        let lineage = self.lineage(document)?;
        for piece in lineage.split(Version::ZERO, version).iter().rev() {
            let newest = self.lend(|reader| snapshot::snapshot_before(reader, piece.document, piece.to))?;
            let horizon = self.lend(|reader| steps::kept(&reader.conn, piece.document))?.horizon();
            // One that a horizon left behind is not of a version that is kept.
            if let Some(snapshot) = newest.filter(|snapshot| snapshot.version >= horizon) {
                return Ok(Some(snapshot));
            }
            if Version::ZERO < horizon && horizon <= piece.to {
                return self.snapshot_of_horizon(piece.document).map(Some);
            }
        }
        if !lineage.is_branch() {
            return Ok(None);
        }
        let root = self.lend(|reader| documents::of_number(&reader.conn, lineage.root()))?;
        Ok(Some(Snapshot::genesis(&root.identity)))
    }

    /// The content of a document's horizon, from the steps up to it.
    fn snapshot_of_horizon(&self, document: Incarnation) -> Result<Snapshot, StoreError> {
        let identity = self.lend(|reader| documents::of_number(&reader.conn, document))?.identity;
        self.read(document, ALL, |log| {
            let (mut snapshot, horizon) = (Snapshot::genesis(&identity), log.kept.horizon());
            for step in log.steps_between(Version::ZERO, horizon)?.0 {
                let fits = snapshot.forward(&step.stretch);
                fits.map_err(|mismatch| log.damaged(step.from().next(), mismatch))?;
            }
            Ok(snapshot)
        })
    }

    fn version_at(&self, document: Incarnation, time: Time) -> Result<Version, StoreError> {
        let (version, start) = self.read(document, ALL, |log| Ok((log.version_at(time)?, log.start)))?;
        let begins = self.lend(|reader| self.begins(&reader.conn, document))?;
        match begins {
            Some(begins) if version == start => Ok(self.version_at(begins.parent, time)?.min(start)),
            _ => Ok(version),
        }
    }

    fn lend<T>(&self, read: impl FnOnce(&mut Reader) -> Result<T, StoreError>) -> Result<T, StoreError> {
        match self.readers.lend(read) {
            Some(Ok(answer)) => answer,
            Some(Err(error)) => Err(StoreError::Unavailable(error.to_string())),
            None => Err(self.unavailable()),
        }
    }
}

/// The answer to an error of SQLite in reading something of a document: damage if the database is, else a failure.
fn fault(document: Incarnation, version: Version, error: &rusqlite::Error) -> StoreError {
    use rusqlite::{Error, ErrorCode};
    let damaged = match error {
        Error::SqliteFailure(failure, _) => {
            matches!(failure.code, ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
        }
        // A column holds something of another type than was written.
        Error::InvalidColumnType(..) | Error::FromSqlConversionFailure(..) | Error::IntegralValueOutOfRange(..) => true,
        _ => false,
    };
    let reason = error.to_string();
    if damaged { StoreError::Damaged { document, version, reason } } else { StoreError::Unavailable(reason) }
}

impl SqliteStore {
    /// Opens the store in a directory, or makes it.
    pub fn open(path: &Path, options: SqliteOptions) -> Result<SqliteStore, OpenError> {
        let (directory, lock) = Directory::lock(path)?;
        let mark = Mark::read(&directory.mark).map_err(|error| directory.mark_error(error))?;
        let may_create = match mark {
            Some(mark) if !options.accept_loss => {
                Err(OpenError::Vanished { path: directory.database.clone(), row: mark.row })
            }
            _ => Ok(()),
        };
        let conn = schema::open(&directory, may_create)?;
        let mut reader = Reader { conn, press: Press::default() };
        let mut journal = recover::read_journal(&mut reader, mark)?;
        let lost = journal.lost.take();
        let shared = Arc::new(Shared {
            readers: Readers::new(directory.database.clone()),
            directory,
            tails: Mutex::default(),
            begins: Mutex::default(),
            ledgers: Mutex::default(),
            pace: Pace::default(),
            metrics: options.metrics,
            condition: Mutex::new(Condition::Good),
            lock: Mutex::new(Some(lock)),
        });
        let (requests, inbox) = mpsc::channel(QUEUE);
        let mut store = SqliteStore { shared: shared.clone(), requests, threads: Mutex::default() };
        if let Some(sentence) = lost {
            if !options.accept_loss {
                tracing::error!(sentence, "the store is read-only");
                shared.set_condition(Condition::ReadOnly(sentence));
                *shared.tails.lock() = journal.tails;
                shared.readers.open();
                return Ok(store);
            }
            tracing::warn!(sentence, "the loss was accepted");
            recover::accept_loss(&reader.conn, &shared.directory, &journal)?;
        }
        let mark = MarkFile::open(&shared.directory.mark).map_err(|error| shared.directory.mark_error(error))?;
        let pen = writer::rewrite_log(&reader).map(|()| (reader, journal));
        let writer = Writer::new(shared.clone(), inbox, mark, pen);
        let fold = fold::Fold::new(shared, store.requests.clone());
        let spawn = |name: &str, run: Box<dyn FnOnce() + Send>| {
            std::thread::Builder::new()
                .name(name.into())
                .spawn(run)
                .map_err(|error| store.shared.directory.mark_error(error))
        };
        let threads =
            vec![spawn("store-writer", Box::new(|| writer.run()))?, spawn("store-fold", Box::new(|| fold.run()))?];
        store.threads = Mutex::new(threads);
        Ok(store)
    }

    /// Moves everything committed so far into pages, as happens by itself when edits pause: for a backup that should
    /// hold little journal.
    pub async fn fold_now(&self) {
        let (answer, done) = oneshot::channel();
        if !self.threads.lock().is_empty() {
            self.shared.pace.ask(answer);
            drop(done.await);
        }
    }

    /// What the engine has counted since it was opened.
    pub fn stats(&self) -> Stats {
        Stats::read(&self.shared.metrics.store, self.shared.tails.lock().foldable_bytes())
    }

    async fn ask<T>(&self, request: Request, answer: oneshot::Receiver<T>) -> Result<T, StoreError> {
        if let Condition::ReadOnly(sentence) = self.condition() {
            return Err(StoreError::Unavailable(sentence));
        }
        self.requests.send(request).await.map_err(|_| StoreError::Unavailable("it is closed".into()))?;
        answer.await.map_err(|_| self.shared.unavailable())
    }

    async fn change_label(&self, document: Incarnation, change: LabelChange) -> Result<Changed, StoreError> {
        let (answer, changed) = oneshot::channel();
        self.ask(Request::Edit(Edit::Label { document, change, answer }), changed).await?
    }

    /// Reads on a thread that may wait for the disk.
    fn read<T: Send + 'static>(
        &self,
        document: Incarnation,
        span: (Version, Version),
        read: impl Fn(&mut Log) -> Result<T, StoreError> + Send + 'static,
    ) -> Pending<'_, Result<T, StoreError>> {
        let shared = self.shared.clone();
        self.blocking(move || shared.read(document, span, read))
    }

    /// Reads `(from, to]` in each log that it lies in; derived rows that were missing and had to be made are handed to the
    /// writer.
    fn read_and_heal<T: Send + 'static>(
        &self,
        document: Incarnation,
        (from, to): (Version, Version),
        read: impl Fn(&mut Log, Version, Version) -> Result<T, StoreError> + Send + 'static,
    ) -> Pending<'_, Result<Vec<T>, StoreError>> {
        let (shared, requests) = (self.shared.clone(), self.requests.clone());
        self.blocking(move || {
            let mut answers = Vec::new();
            for Piece { document, from, to } in shared.pieces(document, from, to)? {
                answers.push(shared.read(document, (from, to), |log| {
                    let answer = read(log, from, to)?;
                    hand_over(&requests, log.healed_rows());
                    Ok(answer)
                })?);
            }
            Ok(answers)
        })
    }

    fn blocking<T: Send + 'static>(
        &self,
        read: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
    ) -> Pending<'_, Result<T, StoreError>> {
        Box::pin(async move {
            let permit = self.shared.readers.permits.acquire().await;
            let answer = tokio::task::spawn_blocking(read).await;
            drop(permit);
            answer.unwrap_or_else(|error| Err(StoreError::Unavailable(error.to_string())))
        })
    }
}

/// Hands derived rows to the writer, in slices.
fn hand_over(requests: &mpsc::Sender<Request>, rows: Vec<slice::Put>) {
    let mut rows = rows.into_iter().peekable();
    while rows.peek().is_some() {
        let mut slice = Slice::default();
        while slice.weight() < fold::SLICE_WEIGHT
            && let Some(row) = rows.next()
        {
            slice.puts.push(row);
        }
        // If the writer is busy they are made again by the next who needs them.
        if requests.try_send(Request::Slice(slice)).is_err() {
            break;
        }
    }
}

/// From the beginning to any end.
const ALL: (Version, Version) = (Version::ZERO, Version(u64::MAX));

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
        self.blocking(move || shared.some_revisions(document, from, to, room))
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
                        page.add(&shared.some_revisions(document, page.to(), to, READ_WEIGHT)?);
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

impl Drop for SqliteStore {
    /// Leaves everything as a crash would: what was acknowledged is in the journal.
    fn drop(&mut self) {
        let threads = std::mem::take(self.threads.get_mut());
        if threads.is_empty() {
            return;
        }
        self.shared.pace.close(Closing { deadline: Instant::now(), answer: None });
        // The writer ends when nobody is left who could ask: the fold is, as soon as it ends, and this store now.
        self.requests = mpsc::channel(1).0;
        threads.into_iter().for_each(|thread| drop(thread.join()));
    }
}
