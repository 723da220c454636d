//! What the engine counts, for metrics: read at any time, from any thread.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Counters since the store was opened.
#[derive(Default)]
pub(super) struct Counters {
    pub commits: AtomicU64,
    pub revisions: AtomicU64,
    pub bytes: AtomicU64,
    pub commit_ns: AtomicU64,
    pub failures: AtomicU64,
    pub slices: AtomicU64,
    pub folded: AtomicU64,
    pub slice_ns: AtomicU64,
    pub checkpoints: AtomicU64,
    pub log_bytes: AtomicU64,
}

/// The counters at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stats {
    /// Commits, each with one sync.
    pub commits: u64,
    /// Revisions committed.
    pub revisions: u64,
    /// Bytes of journal rows committed.
    pub journal_bytes: u64,
    /// Time spent in commits, their syncs included.
    pub commit_time: Duration,
    /// Commits that failed.
    pub failures: u64,
    /// Slices of derived rows written.
    pub slices: u64,
    /// Revisions folded into pages.
    pub folded: u64,
    /// Time the writer spent on slices.
    pub slice_time: Duration,
    /// Checkpoints of the write-ahead log.
    pub checkpoints: u64,
    /// Bytes of the write-ahead log when last looked at.
    pub log_bytes: u64,
    /// Bytes of records that are in the journal and not yet in pages; in memory too.
    pub unfolded_bytes: u64,
}

pub(super) fn add(counter: &AtomicU64, more: u64) {
    counter.fetch_add(more, Ordering::Relaxed);
}

impl Counters {
    pub fn read(&self, unfolded_bytes: usize) -> Stats {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Stats {
            commits: get(&self.commits),
            revisions: get(&self.revisions),
            journal_bytes: get(&self.bytes),
            commit_time: Duration::from_nanos(get(&self.commit_ns)),
            failures: get(&self.failures),
            slices: get(&self.slices),
            folded: get(&self.folded),
            slice_time: Duration::from_nanos(get(&self.slice_ns)),
            checkpoints: get(&self.checkpoints),
            log_bytes: get(&self.log_bytes),
            unfolded_bytes: unfolded_bytes as u64,
        }
    }
}
