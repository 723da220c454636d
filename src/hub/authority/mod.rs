//! The authority: the one task that decides a document's next revisions.
//!
//! Decide, persist, apply, announce. What arrives while an append is under way is the next batch. The task ends when the
//! document is idle, when the hub drains, or by failing; whichever it is, the followers learn it.

mod advance;
mod announcing;
mod batch;
mod company;
mod end;
mod input;
mod merging;
mod snapshots;

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use tracing::{Instrument, debug_span};

use self::announcing::Announcing;
use self::end::EndOnDrop;
use self::input::Round;
use self::snapshots::Snapshots;
use super::Hub;
use super::live::{Ended, Live};
use crate::document::{Document, Snapshot};
use crate::store::{Found, Kept, SnapshotPace};

pub use self::input::Outcome;
pub(super) use self::input::{Input, ReplyTo, Submission};
pub(super) use self::merging::{MergeOutcome, MergeSubmission};

/// Edits waiting for the authority before those who send more must wait too.
const INBOX: usize = 1024;
/// Edits decided in one batch: bounds the time between two announcements.
const BATCH_MAX: usize = 256;
/// How often to look whether a failed append was done after all.
const SETTLE_EVERY: Duration = Duration::from_millis(250);

struct Authority {
    live: Arc<Live>,
    input: mpsc::Receiver<Input>,
    idle_since: Instant,
    /// When to look whether an append that failed was done after all, if one failed.
    settle_due: Option<Instant>,
    /// What an append takes, smoothed: as long as it is worth waiting for a writer, who would else have to wait for the append
    /// after this one.
    append_time: Duration,
    announcing: Announcing,
    /// What was committed since presence was last brought forward weighs this many bytes.
    unforwarded: usize,
    snapshots: Snapshots,
}

/// Starts the authority of a document: with which of its versions are kept, the snapshots that are to be kept of it, and since
/// when there is none.
pub(super) fn start(
    hub: Arc<Hub>,
    found: &Found,
    document: Document,
    kept: Kept,
    (pace, unkept): (SnapshotPace, Vec<Snapshot>),
) -> Arc<Live> {
    let (inbox, input) = mpsc::channel(INBOX);
    hub.running.fetch_add(1, Ordering::AcqRel);
    let live = Live::new(hub, found, document, kept, inbox);
    let now = Instant::now();
    let authority = Authority {
        live: live.clone(),
        input,
        idle_since: now,
        settle_due: None,
        append_time: Duration::ZERO,
        announcing: Announcing::new(now),
        unforwarded: 0,
        snapshots: Snapshots::new(pace, unkept),
    };
    tokio::spawn(authority.run());
    live
}

impl Authority {
    async fn run(mut self) {
        let guard = EndOnDrop(self.live.clone());
        let mut inputs = Vec::with_capacity(8);
        let idle_timeout = self.live.hub.settings.idle_timeout;
        // Moved only when it rings: a busy document puts off its end with every batch.
        let mut idle = pin!(sleep_until(self.idle_since + idle_timeout));
        let ended = loop {
            self.snapshots.keep_next(&self.live);
            tokio::select! {
                biased;
                // Before the inbox, which on a busy document is never empty.
                () = self.snapshots.kept() => {}
                // What the batch before had no room for comes first.
                () = std::future::ready(()), if !inputs.is_empty() => {}
                received = self.input.recv_many(&mut inputs, BATCH_MAX) => {
                    debug_assert!(received > 0, "the authority's own Live keeps the inbox open");
                }
                () = at(self.announcing.due) => {}
                () = at(self.settle_due) => if self.settle().await { break Ended::Deleted },
                () = &mut idle => {
                    if self.idle_since + idle_timeout <= Instant::now() && self.retire() { break Ended::Retired }
                    idle.as_mut().reset(self.idle_since + idle_timeout);
                }
            }
            if inputs.iter().any(|input| matches!(input, Input::Edit(_))) {
                self.let_writers_come(&mut inputs).await;
            }
            if let Err(ended) = self.take_round(Round::take(&mut inputs)).await {
                break ended;
            }
        };
        self.live.state.lock().ended.get_or_insert(ended);
        drop(guard);
    }

    /// Does what it was told. Fails with why the document is no longer open, if that is so.
    async fn take_round(&mut self, round: Round) -> Result<(), Ended> {
        let Round { before, deletion, edits, merges, stop } = round;
        if !before.is_empty() && !self.take_batch(before).await {
            return Err(Ended::Deleted);
        }
        // What comes behind a deletion is not looked at any more, unless that fails.
        if let Some(answer) = deletion
            && self.delete(answer).await
        {
            return Err(Ended::Deleted);
        }
        if !edits.is_empty() {
            self.idle_since = Instant::now();
            let span = debug_span!("batch", document = %self.live.identity().id, edits = edits.len());
            if !self.take_batch(edits).instrument(span).await {
                return Err(Ended::Deleted);
            }
        }
        for merge in merges {
            self.idle_since = Instant::now();
            self.take_merge(merge).await;
        }
        self.announce_presence();
        if stop { Err(Ended::Draining) } else { Ok(()) }
    }
}

/// Returns at a time; never, if there is none.
async fn at(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}
