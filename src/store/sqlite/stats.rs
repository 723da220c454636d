//! What the engine has counted, at one moment: for its benchmark and for whoever embeds it.

use std::time::Duration;

use crate::metrics::StoreCounts;

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

impl Stats {
    pub(super) fn read(counts: &StoreCounts, unfolded_bytes: usize) -> Stats {
        Stats {
            commits: counts.commit_seconds.get_sample_count(),
            revisions: counts.commit_revisions.get_sample_sum() as u64,
            journal_bytes: counts.journal_bytes.get(),
            commit_time: Duration::from_secs_f64(counts.commit_seconds.get_sample_sum()),
            failures: counts.commit_failures.get(),
            slices: counts.slices.get(),
            folded: counts.folded.get(),
            slice_time: Duration::from_secs_f64(counts.slice_seconds.get()),
            checkpoints: counts.checkpoints.get(),
            log_bytes: counts.log_bytes.get() as u64,
            unfolded_bytes: unfolded_bytes as u64,
        }
    }
}
