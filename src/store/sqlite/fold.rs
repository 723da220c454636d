//! The fold: moves revisions from the journal into pages, in slices so small that no edit waits for one.
//!
//! Everything that costs (reading, composing, compressing) happens on the fold's own thread; the writer is handed
//! finished rows. The journal's rows leave only after all slices of what they hold are written.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::Shared;
use super::log::{self, Log};
use super::pace::{Closing, Wake, fold_is_due};
use super::prepare::{Prepared, prepare};
use super::prune::Pruning;
use super::readers::Reader;
use super::requests::Request;
use super::row::Run;
use super::schema::{Checkpoint, checkpoint};
use super::slice::{NotWritten, Put, Slice};
use super::steps;
use super::tails::Unfolded;
use crate::document::Version;
use crate::store::{Incarnation, StoreError};

/// Revisions of one document that one step folds.
const STEP: u64 = 1024;
/// What the records of one step may have, in bytes, and be of more than one commit.
const STEP_BYTES: usize = 16 << 20;
/// Database pages that one slice touches: a few hundred microseconds of the writer's time.
pub const SLICE_WEIGHT: usize = 32;
/// During a fold, the write-ahead log is looked at when slices of this weight were written.
const LOOK_AT_LOG: usize = 512;
/// The write-ahead log is copied into the database when this much of it waits.
const CHECKPOINT_AT: u64 = 4 << 20;
/// The log is made to begin again at this length. A sync costs half as much where the file need not grow, so the log is
/// kept shorter than space alone would ask for.
pub const RESTART_AT: u64 = 8 << 20;

/// How long closing may spend on folding: the journal is durable, so what is left is folded after the next start.
pub const CLOSING: Duration = Duration::from_millis(300);

/// Why a fold ended early.
pub enum Halt {
    /// The store cannot write or read at present.
    Unavailable,
    /// What was prepared no longer holds.
    NotWritten(String),
    /// There is no time left.
    Late,
}

/// The fold's state. It lives on its own thread until it is told to end.
pub struct Fold {
    pub(super) shared: Arc<Shared>,
    writer: mpsc::Sender<Request>,
    reader: Option<Reader>,
    pub(super) slice: Slice,
    /// Weight of the slices since the write-ahead log was looked at.
    weight_since_look: usize,
    deadline: Option<Instant>,
    /// Something may be left of what was pruned when the store was last open.
    pruned_before: bool,
}

impl Fold {
    pub fn new(shared: Arc<Shared>, writer: mpsc::Sender<Request>) -> Self {
        let slice = Slice::default();
        Fold { shared, writer, reader: None, slice, weight_since_look: 0, deadline: None, pruned_before: true }
    }

    /// Folds until it is told to end.
    pub fn run(mut self) {
        loop {
            let shared = self.shared.clone();
            match shared.pace.wait() {
                Wake::Look => {
                    let due = {
                        let tails = shared.tails.lock();
                        fold_is_due(tails.foldable_bytes(), tails.foldable_depth())
                    };
                    if due {
                        self.fold_all();
                    }
                    self.sweep_all();
                    self.care_for_log();
                }
                Wake::Idle => {
                    self.fold_all();
                    self.sweep_all();
                    self.care_for_log();
                    // Nothing is to be read for a while: the connection's memory is given back.
                    self.reader = None;
                }
                Wake::Asked(answers) => {
                    self.fold_all();
                    self.sweep_all();
                    self.care_for_log();
                    answers.into_iter().for_each(|answer| _ = answer.send(()));
                }
                Wake::Prune(Pruning { document, to, preview, answer }) => {
                    self.fold_all();
                    let pruned = self.prune(document, to, preview);
                    self.slice = Slice::default();
                    if pruned.is_err() {
                        self.reader = None;
                    }
                    self.care_for_log();
                    // Whoever asked may be gone.
                    drop(answer.send(pruned));
                }
                Wake::Close(Closing { deadline, answer }) => {
                    self.deadline = Some(deadline);
                    self.fold_all();
                    self.reader = None;
                    if let Some(answer) = answer {
                        let _ = answer.send(());
                    }
                    return;
                }
            }
        }
    }

    /// Folds everything that is in the journal now.
    fn fold_all(&mut self) {
        // While the writer cannot write, nothing is prepared for it, and no connection is in its way.
        let finished = self.shared.is_good() && self.try_fold_all().is_ok();
        self.slice = Slice::default();
        if !finished {
            self.reader = None;
        }
        let shared = &self.shared;
        shared.pace.folded(finished, || shared.tails.lock().foldable_bytes() > 0);
    }

    /// Removes what is left of deleted documents. What cannot be done now is done at the next occasion.
    fn sweep_all(&mut self) {
        if self.shared.is_good() && self.sweep().is_err() {
            self.reader = None;
        }
        if self.pruned_before && self.shared.is_good() {
            self.pruned_before = self.sweep_pruned().is_err();
        }
        self.slice = Slice::default();
    }

    fn try_fold_all(&mut self) -> Result<(), Halt> {
        let Unfolded { life, mut documents, newest_row } = self.shared.tails.lock().unfolded();
        let Some(newest_row) = newest_row else { return Ok(()) };
        documents.sort_unstable();
        self.slice = Slice { life: Some(life), ..Slice::default() };
        for document in documents {
            let runs = self.shared.tails.lock().runs(document, Version::ZERO, Version(u64::MAX));
            self.fold_document(document, runs)?;
        }
        self.hand_over()?;
        let spent = self.shared.tails.lock().spent_rows(newest_row);
        for (row, bytes) in spent {
            self.slice.puts.push(Put::DropRow { row, bytes });
            if self.slice.weight() >= SLICE_WEIGHT {
                self.hand_over()?;
            }
        }
        self.hand_over()
    }

    fn fold_document(&mut self, document: Incarnation, mut runs: Vec<Run>) -> Result<(), Halt> {
        while !runs.is_empty() {
            let (mut count, mut bytes) = (0, 0);
            let fits = |run: &&Run| (count < STEP && bytes < STEP_BYTES, count += run.count, bytes += run.len()).0;
            let step = runs.iter().take_while(fits).count();
            let rest = runs.split_off(step);
            match self.prepare(document, runs) {
                Ok(Prepared { puts, to, count }) => {
                    self.shared.metrics.store.folded.inc_by(count);
                    self.slice.puts.extend(puts);
                    self.slice.folded.push((document, to));
                }
                Err(error @ StoreError::Damaged { .. }) => {
                    self.slice.damaged.push((document, error));
                    return Ok(());
                }
                Err(error) => {
                    tracing::warn!(%error, document = document.0, "a document cannot be folded at present");
                    return Err(Halt::Unavailable);
                }
            }
            // The next step reads what this one wrote.
            if !rest.is_empty() || self.slice.weight() >= SLICE_WEIGHT {
                self.hand_over()?;
            }
            runs = rest;
        }
        Ok(())
    }

    /// Hands the slice to the writer and waits until it is written: so there is never more than one for an edit to wait
    /// for.
    pub(super) fn hand_over(&mut self) -> Result<(), Halt> {
        // What is read next is what this slice leaves, and the log cannot begin again while anyone reads from it.
        if let Some(reader) = &self.reader
            && !reader.conn.is_autocommit()
        {
            reader.conn.execute_batch("COMMIT").map_err(|_| Halt::Unavailable)?;
        }
        if self.weight_since_look >= LOOK_AT_LOG {
            self.weight_since_look = 0;
            self.care_for_log();
        }
        let next = Slice { life: self.slice.life, ..Slice::default() };
        let mut slice = std::mem::replace(&mut self.slice, next);
        if slice.is_empty() {
            return Ok(());
        }
        if self.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return Err(Halt::Late);
        }
        if self.deadline.is_none() && self.shared.pace.is_closing() {
            return Err(Halt::Late);
        }
        self.weight_since_look += slice.weight();
        let (answer, written) = oneshot::channel();
        slice.answer = Some(answer);
        self.writer.blocking_send(Request::Slice(slice)).map_err(|_| Halt::Unavailable)?;
        match written.blocking_recv() {
            Ok(Ok(())) => Ok(()),
            Ok(Err(NotWritten(reason))) => {
                tracing::info!(reason, "a slice of the fold was not written; it is made again later");
                Err(Halt::NotWritten(reason))
            }
            Err(_) => Err(Halt::Unavailable),
        }
    }

    pub(super) fn reader(&mut self) -> Result<&mut Reader, StoreError> {
        match &mut self.reader {
            Some(reader) => Ok(reader),
            none => {
                let opened = self.shared.readers.connect();
                Ok(none.insert(opened.map_err(|error| StoreError::Unavailable(error.to_string()))?))
            }
        }
    }

    /// Asks the database something.
    pub(super) fn ask<T>(&mut self, ask: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, Halt> {
        let reader = self.reader().map_err(|_| Halt::Unavailable)?;
        ask(&reader.conn).map_err(|error| {
            tracing::warn!(%error, "the rest of a deleted document cannot be removed at present");
            Halt::Unavailable
        })
    }

    fn prepare(&mut self, document: Incarnation, runs: Vec<Run>) -> Result<Prepared, StoreError> {
        let shared = self.shared.clone();
        let reader = self.reader()?;
        if reader.conn.is_autocommit() {
            // One transaction for all documents of a slice: they share what SQLite has read.
            let begun = reader.conn.execute_batch("BEGIN");
            begun.map_err(|error| StoreError::Unavailable(error.to_string()))?;
        }
        let start = log::start_of(shared.begins(&reader.conn, document)?);
        let kept = steps::kept(&reader.conn, document)?;
        prepare(&mut Log::new(document, start, kept, reader, runs))
    }

    /// Keeps the write-ahead log short.
    fn care_for_log(&mut self) {
        if !self.shared.is_good() {
            self.reader = None;
            return;
        }
        let conn = match &self.reader {
            Some(reader) => &reader.conn,
            None => match self.shared.readers.connect() {
                Ok(reader) => &self.reader.insert(reader).conn,
                Err(_) => return,
            },
        };
        let mut look = checkpoint(conn, Checkpoint::Look);
        if look.as_ref().is_ok_and(|look| look.pending_bytes >= CHECKPOINT_AT) {
            self.shared.metrics.store.checkpoints.inc();
            look = checkpoint(conn, Checkpoint::Passive);
        }
        let look = match look {
            Ok(look) => look,
            Err(error) => {
                tracing::warn!(%error, "the write-ahead log cannot be copied into the database");
                self.reader = None;
                return;
            }
        };
        self.shared.metrics.store.log_bytes.set(look.log_bytes as i64);
        if look.log_bytes >= RESTART_AT && look.pending_bytes > 0 {
            // The log begins again only if nothing is added between the end of a checkpoint and the next commit, which
            // the writer alone can see to. Almost everything was copied just now, so it is short.
            let (answer, done) = oneshot::channel();
            if self.writer.blocking_send(Request::Checkpoint(answer)).is_ok() {
                drop(done.blocking_recv());
            }
        }
    }
}
