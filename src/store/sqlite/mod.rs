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
mod engine;
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
mod remembered;
mod requests;
mod room;
mod row;
mod schema;
mod sealed;
mod shared;
mod slice;
mod snapshot;
mod stats;
mod steps;
mod sweep;
mod tails;
mod verify;
mod view;
mod writer;

use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

use parking_lot::Mutex;
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
use self::readers::{Reader, Readers};
use self::requests::{Edit, Request};
use self::shared::{Shared, fault};
use self::slice::Slice;
use self::writer::Writer;
use super::lineage::Piece;
use super::{Condition, Incarnation, Pending, Store, StoreError};
use crate::document::Version;
use crate::metrics::Metrics;

/// Requests that may wait for the writer; whoever comes later waits to be let in.
const QUEUE: usize = 1024;

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
        let mut reader = Reader::alone(conn);
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
