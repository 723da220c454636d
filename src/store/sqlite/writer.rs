//! The one thread that writes: it joins all waiting edits into one transaction with one sync, and only then answers.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};

use super::Shared;
use super::fold::RESTART_AT;
use super::mark::{Mark, MarkFile};
use super::pace::GROWTH_UNTIL_LOOK;
use super::readers::Reader;
use super::recover::{Journal, read_journal};
use super::requests::{Answer, Edit, Request};
use super::room::Room;
use super::schema::{Checkpoint, Role, checkpoint, connect};
use super::slice::{NotWritten, Slice};
use crate::document::Version;
use crate::store::{Condition, Incarnation};

/// Records that one transaction takes: more would make everyone in it wait for the largest.
const COMMIT_BYTES: usize = 4 << 20;
/// Heads remembered for documents that are not in the journal; looking one up costs microseconds.
const HEADS: usize = 65_536;
/// How long to wait before the database is opened anew after a failure: doubled up to the longest.
const RETRY: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));
/// An edit that asks meanwhile is worth a try at once, unless one was just made.
const RETRY_ASKED: Duration = Duration::from_millis(50);
/// How often a failing store looks whether anyone asks.
const LOOK: Duration = Duration::from_millis(10);

/// The writer's state. It lives on its own thread until it is told to close, or everyone who could ask is gone.
pub struct Writer {
    pub(super) shared: Arc<Shared>,
    requests: mpsc::Receiver<Request>,
    pen: Pen,
    pub(super) mark: MarkFile,
    /// Keeps the write-ahead log's file ahead of the log.
    room: Room,
    /// Where logs end, ahead of what is committed only while a transaction is built.
    pub(super) heads: HashMap<Incarnation, Version>,
    pub(super) next_row: u64,
    pub(super) next_number: u64,
    edits: Vec<Edit>,
    edit_bytes: usize,
    chores: VecDeque<Chore>,
    closing: Option<oneshot::Sender<()>>,
}

/// Whether and with what can be written.
enum Pen {
    Ready(Reader),
    /// A commit failed. Nothing is acknowledged until the database was opened anew and its log written anew and synced.
    Broken {
        reason: String,
        tried: Instant,
        wait: Duration,
    },
    /// Something that was acknowledged is lost. Only an operator can decide to go on.
    Lost(String),
}

/// What waits until no edit does.
enum Chore {
    Slice(Slice),
    Checkpoint(oneshot::Sender<()>),
}

impl Writer {
    /// A writer for a database whose journal was read. Without a connection it begins as after a failure.
    pub fn new(
        shared: Arc<Shared>,
        requests: mpsc::Receiver<Request>,
        mark: MarkFile,
        pen: Result<(Reader, Journal), String>,
    ) -> Self {
        // It grows past that length until it is looked at.
        let room = Room::new(&shared.directory.database, RESTART_AT + GROWTH_UNTIL_LOOK as u64);
        let mut writer = Writer {
            shared,
            requests,
            pen: Pen::Lost(String::new()),
            mark,
            room,
            heads: HashMap::new(),
            next_row: 0,
            next_number: 0,
            edits: Vec::new(),
            edit_bytes: 0,
            chores: VecDeque::new(),
            closing: None,
        };
        match pen {
            Ok((reader, journal)) => writer.take_over(reader, journal),
            Err(reason) => writer.fail(&reason),
        }
        writer
    }

    /// Writes until it is told to close.
    pub fn run(mut self) {
        while self.wait() {
            while self.edit_bytes < COMMIT_BYTES
                && let Ok(request) = self.requests.try_recv()
            {
                self.sort(request);
            }
            if let Pen::Broken { tried, wait, .. } = &self.pen {
                let asked = !self.edits.is_empty() && tried.elapsed() >= RETRY_ASKED;
                if asked || tried.elapsed() >= *wait {
                    self.revive();
                }
            }
            self.commit();
            if let Some(chore) = self.chores.pop_front() {
                self.run_chore(chore);
            }
        }
        self.end();
    }

    /// Waits for something to do; false when there is nothing and never will be.
    fn wait(&mut self) -> bool {
        let request = match &self.pen {
            _ if !self.chores.is_empty() || !self.edits.is_empty() => return true,
            Pen::Broken { .. } => match self.requests.try_recv() {
                Ok(request) => Some(request),
                Err(mpsc::error::TryRecvError::Disconnected) => None,
                Err(mpsc::error::TryRecvError::Empty) => {
                    std::thread::sleep(LOOK);
                    return true;
                }
            },
            _ => self.requests.blocking_recv(),
        };
        match request {
            Some(request) => self.sort(request),
            None => return false,
        }
        true
    }

    fn sort(&mut self, request: Request) {
        match request {
            Request::Edit(edit) => {
                self.edit_bytes += edit.bytes();
                self.edits.push(edit);
            }
            Request::Slice(slice) => self.chores.push_back(Chore::Slice(slice)),
            Request::Checkpoint(answer) => self.chores.push_back(Chore::Checkpoint(answer)),
            Request::Close(answer) => {
                // What was sent before is still received; what comes later is told that the store is closed.
                self.requests.close();
                self.closing = Some(answer);
            }
        }
    }

    /// Commits all edits that were received, and answers them.
    fn commit(&mut self) {
        let edits = std::mem::take(&mut self.edits);
        self.edit_bytes = 0;
        if edits.is_empty() {
            return;
        }
        let mut reader = match std::mem::replace(&mut self.pen, Pen::Lost(String::new())) {
            Pen::Ready(reader) => reader,
            other => {
                if let Pen::Broken { reason, .. } | Pen::Lost(reason) = &other {
                    edits.into_iter().for_each(|edit| edit.refuse(reason));
                }
                self.pen = other;
                return;
            }
        };
        if self.heads.len() > HEADS {
            self.heads.clear();
        }
        let mut answers = Vec::with_capacity(edits.len());
        match self.write(&mut reader, edits, &mut answers) {
            Ok(()) => {
                self.pen = Pen::Ready(reader);
                answers.into_iter().for_each(Answer::send);
                // While those who were answered think of what is next.
                self.room.look();
            }
            Err(error) => {
                drop(reader);
                let reason = format!("a commit failed: {error}");
                self.fail(&reason);
                answers.into_iter().for_each(|answer| answer.fail(&reason));
            }
        }
    }

    fn run_chore(&mut self, chore: Chore) {
        let reader = match &self.pen {
            Pen::Ready(reader) => reader,
            Pen::Broken { reason, .. } | Pen::Lost(reason) => {
                if let Chore::Slice(Slice { answer: Some(answer), .. }) = chore {
                    drop(answer.send(Err(NotWritten(reason.clone()))));
                }
                return;
            }
        };
        match chore {
            Chore::Checkpoint(answer) => {
                if let Err(error) = checkpoint(&reader.conn, Checkpoint::Passive) {
                    tracing::warn!(%error, "the write-ahead log cannot be copied into the database");
                }
                self.shared.metrics.store.checkpoints.inc();
                let _ = answer.send(());
            }
            Chore::Slice(mut slice) => {
                let answer = slice.answer.take();
                let written = self.write_slice(slice);
                if let Some(answer) = answer {
                    let _ = answer.send(written);
                }
            }
        }
    }

    fn write_slice(&mut self, mut slice: Slice) -> Result<(), NotWritten> {
        let Pen::Ready(reader) = &self.pen else { return Err(NotWritten("nothing can be written".into())) };
        let begun = Instant::now();
        if slice.life.is_some_and(|life| life != self.shared.tails.lock().life) {
            return Err(NotWritten("the journal was read anew since it was prepared".into()));
        }
        if let Err(error) = slice.leave_out_removed(&reader.conn) {
            return Err(NotWritten(error.to_string()));
        }
        match slice.hindrance(&reader.conn) {
            Ok(None) => {}
            Ok(Some(reason)) => return Err(NotWritten(reason)),
            Err(error) => return Err(NotWritten(error.to_string())),
        }
        if !slice.puts.is_empty()
            && let Err(error) = slice.write(&reader.conn)
        {
            let reason = format!("a commit failed: {error}");
            self.fail(&reason);
            return Err(NotWritten(reason));
        }
        let spent = slice.dropped_rows();
        let mut tails = self.shared.tails.lock();
        // After the commit: a reader that misses a run in memory finds it in pages.
        slice.folded.into_iter().for_each(|(document, to)| tails.folded(document, to));
        for (document, error) in slice.damaged {
            self.heads.remove(&document);
            tails.damage(document, error);
        }
        if !spent.is_empty() {
            tails.forget_rows(&spent);
        }
        drop(tails);
        self.shared.metrics.store.slices.inc();
        self.shared.metrics.store.slice_seconds.inc_by(begun.elapsed().as_secs_f64());
        Ok(())
    }

    /// Lets go of every connection and of everything that a failed commit may have made untrue.
    fn fail(&mut self, reason: &str) {
        tracing::error!(reason, "the store cannot write");
        self.shared.metrics.store.commit_failures.inc();
        self.shared.set_condition(Condition::Failing(reason.to_owned()));
        self.pen = Pen::Broken { reason: reason.to_owned(), tried: Instant::now(), wait: RETRY.0 };
        self.heads.clear();
        // A number that was not committed after all may be given again.
        self.shared.begins.lock().clear();
        self.shared.readers.drop_all();
        self.shared.tails.lock().life += 1;
    }

    /// Opens the database anew: its log is recovered, held against the mark, written anew into the database and synced.
    fn revive(&mut self) {
        let reopened = reopen(&self.shared);
        match reopened {
            Ok((_, Journal { lost: Some(lost), .. })) => {
                tracing::error!(lost, "the store is read-only");
                self.shared.set_condition(Condition::ReadOnly(lost.clone()));
                self.pen = Pen::Lost(lost);
            }
            Ok((reader, journal)) => {
                tracing::info!("the store can write again");
                self.take_over(reader, journal);
            }
            Err(error) => {
                if let Pen::Broken { reason, tried, wait } = &mut self.pen {
                    *reason = error;
                    *tried = Instant::now();
                    *wait = (*wait * 2).min(RETRY.1);
                    self.shared.set_condition(Condition::Failing(reason.clone()));
                }
            }
        }
    }

    fn take_over(&mut self, reader: Reader, journal: Journal) {
        let Journal { mut tails, next_row, next_number, .. } = journal;
        self.heads.clear();
        self.room.begin_again();
        self.next_row = next_row;
        self.next_number = next_number;
        {
            let mut old = self.shared.tails.lock();
            tails.life = old.life + 1;
            *old = tails;
        }
        self.pen = Pen::Ready(reader);
        self.shared.set_condition(Condition::Good);
        self.shared.readers.open();
        self.shared.pace.nudge();
    }

    fn end(mut self) {
        self.commit();
        if self.closing.is_some()
            && let Pen::Ready(reader) = &self.pen
            && let Err(error) = checkpoint(&reader.conn, Checkpoint::Truncate)
        {
            tracing::warn!(%error, "the write-ahead log stays beside the database");
        }
        self.pen = Pen::Lost("it is closed".into());
        self.shared.pace.nudge();
        if let Some(answer) = self.closing {
            let _ = answer.send(());
        }
    }
}

/// Opens the database anew and makes sure that everything read from it is on the disk.
fn reopen(shared: &Shared) -> Result<(Reader, Journal), String> {
    let conn = connect(&shared.directory.database, Role::Writer).map_err(|error| error.to_string())?;
    let mut reader = Reader::alone(conn);
    let mark = Mark::read(&shared.directory.mark).map_err(|error| error.to_string())?;
    let journal = read_journal(&mut reader, mark).map_err(|error| error.to_string())?;
    if journal.lost.is_none() {
        rewrite_log(&reader)?;
    }
    Ok((reader, journal))
}

/// Writes everything that is in the write-ahead log into the database, syncs it, and empties the log. A sync that
/// failed once may report success later without having written anything; the bytes have to be written again.
pub fn rewrite_log(reader: &Reader) -> Result<(), String> {
    match checkpoint(&reader.conn, Checkpoint::Truncate) {
        Ok(done) if done.busy => Err("another program holds the database".into()),
        Ok(_) => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}
