//! When the fold works: the writer nudges it, an operator may ask for it, and it wakes by itself when edits pause.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;

use super::prune::Pruning;

/// A fold begins at this many bytes, if documents have enough of them each.
const FOLD_AT: usize = 1 << 20;
/// Revisions of each document that make a fold worth its while: rewriting a page for a single one costs more than it
/// saves.
const DEPTH: u64 = 32;
/// A fold begins at this many bytes, however thinly they are spread: more would cost memory, and time at start.
const FOLD_AT_MOST: usize = 16 << 20;
/// A fold begins when nothing was committed for this long.
const IDLE: Duration = Duration::from_secs(2);
/// After a fold that could not be finished, none begins for this long.
const REST: Duration = Duration::from_secs(1);
/// The write-ahead log is looked at when it has grown by about this much.
pub const GROWTH_UNTIL_LOOK: usize = 2 << 20;
/// What a commit adds to the write-ahead log beside its bytes: pages that are written as a whole.
const COMMIT_OVERHEAD: usize = 4 << 10;

/// Whether so much waits that it should be folded.
pub fn fold_is_due(bytes: usize, depth: u64) -> bool {
    bytes >= FOLD_AT_MOST || bytes >= FOLD_AT && depth >= DEPTH
}

/// Where the writer and the fold meet.
#[derive(Default)]
pub struct Pace {
    signal: Mutex<Signal>,
    changed: Condvar,
}

struct Signal {
    /// Something is to be looked at.
    nudged: bool,
    /// There may be something to fold.
    unfolded: bool,
    last_commit: Instant,
    /// No fold by itself before this.
    rest_until: Instant,
    /// Bytes of the write-ahead log since it was looked at.
    log_growth: usize,
    asked: Vec<oneshot::Sender<()>>,
    prunings: VecDeque<Pruning>,
    closing: Option<Closing>,
    /// Nothing is asked for any more.
    closed: bool,
}

impl Default for Signal {
    fn default() -> Self {
        let now = Instant::now();
        Signal {
            nudged: false,
            unfolded: true,
            last_commit: now,
            rest_until: now,
            log_growth: 0,
            asked: Vec::new(),
            prunings: VecDeque::new(),
            closing: None,
            closed: false,
        }
    }
}

/// The end of the fold.
pub struct Closing {
    /// No slice is begun after this.
    pub deadline: Instant,
    pub answer: Option<oneshot::Sender<()>>,
}

/// Why the fold woke up.
pub enum Wake {
    /// It was nudged: enough may wait, or the log has grown.
    Look,
    /// Nothing was committed for a while.
    Idle,
    /// Someone wants everything folded.
    Asked(Vec<oneshot::Sender<()>>),
    /// Someone wants a document pruned.
    Prune(Pruning),
    /// The store closes.
    Close(Closing),
}

impl Pace {
    /// Notes a commit of so many bytes, after which a fold may be due.
    pub fn committed(&self, bytes: usize, due: bool) {
        let mut signal = self.signal.lock();
        signal.last_commit = Instant::now();
        signal.log_growth += bytes + COMMIT_OVERHEAD;
        let first = !std::mem::replace(&mut signal.unfolded, true);
        if first || (!signal.nudged && (due || signal.log_growth >= GROWTH_UNTIL_LOOK)) {
            signal.nudged = true;
            self.changed.notify_one();
        }
    }

    /// Wakes the fold to look around.
    pub fn nudge(&self) {
        self.signal.lock().nudged = true;
        self.changed.notify_one();
    }

    /// Asks for everything to be folded.
    pub fn ask(&self, answer: oneshot::Sender<()>) {
        self.signal.lock().asked.push(answer);
        self.changed.notify_one();
    }

    /// Asks for a document to be pruned. Once the store closes, that is dropped and with it the answer.
    pub fn prune(&self, pruning: Pruning) {
        let mut signal = self.signal.lock();
        if !signal.closed {
            signal.prunings.push_back(pruning);
            self.changed.notify_one();
        }
    }

    /// Ends the fold.
    pub fn close(&self, closing: Closing) {
        let mut signal = self.signal.lock();
        signal.closing = Some(closing);
        signal.closed = true;
        signal.prunings.clear();
        self.changed.notify_one();
    }

    /// Whether the store closes: a fold that is under way makes room.
    pub fn is_closing(&self) -> bool {
        self.signal.lock().closed
    }

    /// Notes how a fold ended: whether it was finished, and whether there is more.
    pub fn folded(&self, finished: bool, more: impl FnOnce() -> bool) {
        let mut signal = self.signal.lock();
        signal.unfolded = more();
        if !finished {
            signal.rest_until = Instant::now() + REST;
        }
    }

    /// Waits until there is something to do.
    pub fn wait(&self) -> Wake {
        let mut signal = self.signal.lock();
        loop {
            if let Some(closing) = signal.closing.take() {
                return Wake::Close(closing);
            }
            if !signal.asked.is_empty() {
                return Wake::Asked(std::mem::take(&mut signal.asked));
            }
            if let Some(pruning) = signal.prunings.pop_front() {
                return Wake::Prune(pruning);
            }
            let now = Instant::now();
            if std::mem::take(&mut signal.nudged) && now >= signal.rest_until {
                signal.log_growth = 0;
                return Wake::Look;
            }
            if !signal.unfolded {
                self.changed.wait(&mut signal);
                continue;
            }
            let due = (signal.last_commit + IDLE).max(signal.rest_until);
            if now >= due {
                return Wake::Idle;
            }
            self.changed.wait_until(&mut signal, due);
        }
    }
}
