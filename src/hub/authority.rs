//! The authority: the one task that decides a document's next revisions.
//!
//! Decide, persist, apply, announce. What arrives while an append is under way is the next batch. The task ends when the
//! document is idle, when the hub drains, or by failing; whichever it is, the followers learn it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};
use tracing::{Instrument, debug_span, error, warn};

use super::Hub;
use super::follow::Reply;
use super::live::{Ended, FollowerId, Live};
use super::merging::MergeSubmission;
use crate::document::{Decision, Document, Edit, Missing, Refusal, Revision, Snapshot, Version};
use crate::store::{AppendError, Condition, Found, Kept, Pending, SnapshotPace, StoreError};

/// Edits waiting for the authority before those who send more must wait too.
const INBOX: usize = 1024;
/// Edits decided in one batch: bounds the time between two announcements.
const BATCH_MAX: usize = 256;
/// What the ops of one batch may weigh, in bytes, and be more than one: more than people paste at a time, little beside what
/// a store takes in one append.
const BATCH_WEIGHT: usize = 16 << 20;
/// Longest that a batch waits for writers who were just answered.
const COMPANY_MAX: Duration = Duration::from_millis(5);
/// Presence is announced at most once in this time.
const PRESENCE_EVERY: Duration = Duration::from_millis(50);
/// Presence states are brought forward whenever the head passes a multiple of this, and before the ops since weigh this many
/// bytes: well within the history in memory.
const PRESENCE_FORWARD_EVERY: u64 = 256;
const PRESENCE_FORWARD_WEIGHT: usize = 4 << 20;
/// Snapshots that may wait to be kept: more are made only by edits that are faster than the disk, and then one of them less
/// is one that reading the past does without.
const UNKEPT_MAX: usize = 8;
/// How often to look whether a failed append was done after all.
pub(super) const SETTLE_EVERY: Duration = Duration::from_millis(250);
/// Clients remembered beyond those who have the document open; the others are looked up again when they come back.
const CLIENTS_KEPT: usize = 1024;

/// What the authority is told.
pub(super) enum Input {
    /// Someone asks for an edit.
    Edit(Submission),
    /// Someone asks for a merge.
    Merge(MergeSubmission),
    /// Presence has changed.
    Presence,
    /// End, after everything told before.
    Stop,
    /// Take the document away, after everything told before.
    Delete(oneshot::Sender<Result<(), StoreError>>),
}

impl Input {
    /// What its op weighs, in bytes, of an edit.
    fn weight(&self) -> usize {
        match self {
            Input::Edit(Submission { edit: Edit { op: Ok(sent), .. }, .. }) => sent.op().weight(),
            _ => 0,
        }
    }
}

/// An edit and who waits for its fate.
pub(super) struct Submission {
    pub(super) edit: Edit,
    /// When it arrived.
    pub(super) arrived: Instant,
    pub(super) reply: ReplyTo,
}

impl Submission {
    /// An edit that arrives now.
    pub(super) fn new(edit: Edit, reply: ReplyTo) -> Self {
        Submission { edit, arrived: Instant::now(), reply }
    }
}

/// Who waits.
pub(super) enum ReplyTo {
    /// A follower: a granted edit reaches it through the log.
    Follower(FollowerId),
    /// Someone who reads no log.
    Waiter(oneshot::Sender<Outcome>),
}

/// What became of an edit.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// It is this revision, and durable.
    Granted(Arc<Revision>),
    /// It was taken before, as this revision.
    Repeated(Arc<Revision>),
    /// It is not taken, finally.
    Refused(Refusal),
    /// It is not known whether it is taken.
    Failed(StoreError),
    /// The document left memory before it was looked at; by failing, if [`Ended::Failed`], and then it is not known.
    Ended(Ended),
}

/// The authority's verdict on one submission of a batch, before the batch is durable.
enum Verdict {
    /// The revision of the batch at this place.
    Granted(usize),
    /// A repeat of this version, committed or in the batch.
    Repeated(Version),
    Refused(Refusal),
    Failed(StoreError),
}

pub(super) struct Authority {
    pub(super) live: Arc<Live>,
    input: mpsc::Receiver<Input>,
    /// When presence may be announced next, if there is something to announce.
    presence_due: Option<Instant>,
    presence_last: Instant,
    idle_since: Instant,
    /// When to look whether an append that failed was done after all, if one failed.
    pub(super) settle_due: Option<Instant>,
    /// What an append takes, smoothed: as long as it is worth waiting for a writer, who would else have to wait for the append
    /// after this one.
    append_time: Duration,
    /// What was committed since presence was last brought forward weighs this many bytes.
    unforwarded: usize,
    snapshots: SnapshotPace,
    /// Snapshots to keep, and the one being kept. Derived data: nothing waits for it.
    unkept: Vec<Snapshot>,
    keeping: Option<Pending<'static, ()>>,
}

/// Starts the authority of a document: with which of its versions are kept, the snapshots that are to be kept of it, and since
/// when there is none.
pub(super) fn start(
    hub: Arc<Hub>,
    found: &Found,
    document: Document,
    kept: Kept,
    (snapshots, unkept): (SnapshotPace, Vec<Snapshot>),
) -> Arc<Live> {
    let (inbox, input) = mpsc::channel(INBOX);
    hub.running.fetch_add(1, std::sync::atomic::Ordering::AcqRel);
    let live = Live::new(hub, found, document, kept, inbox);
    let now = Instant::now();
    let authority = Authority {
        live: live.clone(),
        input,
        presence_due: None,
        presence_last: now,
        idle_since: now,
        settle_due: None,
        append_time: Duration::ZERO,
        unforwarded: 0,
        snapshots,
        unkept,
        keeping: None,
    };
    tokio::spawn(authority.run());
    live
}

/// Says at the end of the task, also of one that panics, that the document is no longer open.
struct EndOnDrop(Arc<Live>);

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        let live = &self.0;
        {
            let mut state = live.state.lock();
            if state.ended.is_none() {
                error!(document = %live.identity().id, "the authority failed; the document is closed");
                state.ended = Some(Ended::Failed);
            }
            state.followers.values_mut().for_each(|follower| follower.ring());
        }
        let hub = &live.hub;
        let id = &live.identity().id;
        let mut entries = hub.entries.lock();
        // One that was opened anew meanwhile has an entry of its own.
        if entries.get(id).is_some_and(|entry| entry.live.get().is_some_and(|there| Arc::ptr_eq(there, live))) {
            entries.remove(id);
        }
        drop(entries);
        hub.running.fetch_sub(1, std::sync::atomic::Ordering::AcqRel);
        hub.ended.notify_waiters();
    }
}

impl Authority {
    async fn run(mut self) {
        let guard = EndOnDrop(self.live.clone());
        let mut inputs = Vec::with_capacity(8);
        let ended = loop {
            self.keep_snapshots();
            let idle_due = self.idle_since + self.live.hub.settings.idle_timeout;
            let (presence_due, settle_due) = (self.presence_due, self.settle_due);
            tokio::select! {
                biased;
                // Before the inbox, which on a busy document is never empty.
                () = async { self.keeping.as_mut().expect("guarded by the condition").await }, if self.keeping.is_some() => {
                    self.keeping = None;
                }
                // What the batch before had no room for comes first.
                () = std::future::ready(()), if !inputs.is_empty() => {}
                received = self.input.recv_many(&mut inputs, BATCH_MAX) => {
                    debug_assert!(received > 0, "the authority's own Live keeps the inbox open");
                }
                () = async { sleep_until(presence_due.unwrap_or(idle_due)).await }, if presence_due.is_some() => {}
                () = async { sleep_until(settle_due.unwrap_or(idle_due)).await }, if settle_due.is_some() => {
                    if self.settle().await { break Ended::Deleted }
                }
                () = sleep_until(idle_due) => if self.retire() { break Ended::Retired },
            }
            if inputs.iter().any(|input| matches!(input, Input::Edit(_))) {
                self.let_writers_come(&mut inputs).await;
            }
            let mut weight = 0;
            let heavy = inputs.iter().position(|input| (weight += input.weight(), weight > BATCH_WEIGHT).1);
            let batch = heavy.map_or(inputs.len(), |place| place.max(1));
            let mut submissions = Vec::with_capacity(inputs.len());
            let mut merges = Vec::new();
            let mut stop = false;
            let mut deletion = None;
            for input in inputs.drain(..batch) {
                match input {
                    // What comes behind a deletion is not looked at any more, unless that fails.
                    Input::Edit(submission) => submissions.push(submission),
                    Input::Merge(merge) => merges.push(merge),
                    Input::Presence => {}
                    Input::Stop => stop = true,
                    Input::Delete(answer) => deletion = deletion.or(Some((submissions.len(), answer))),
                }
            }
            if let Some((before, answer)) = deletion {
                let behind = submissions.split_off(before);
                let before = std::mem::replace(&mut submissions, behind);
                if !before.is_empty() && !self.take_batch(before).await {
                    break Ended::Deleted;
                }
                if self.delete(answer).await {
                    break Ended::Deleted;
                }
            }
            if !submissions.is_empty() {
                self.idle_since = Instant::now();
                let submitted = submissions.len();
                let span = debug_span!("batch", document = %self.live.identity().id, edits = submitted);
                if !self.take_batch(submissions).instrument(span).await {
                    break Ended::Deleted;
                }
            }
            for merge in merges {
                self.idle_since = Instant::now();
                self.take_merge(merge).await;
            }
            self.announce_presence();
            if stop {
                break Ended::Draining;
            }
        };
        self.live.state.lock().ended.get_or_insert(ended);
        drop(guard);
    }

    /// Waits for those who were just answered and have been answering at once: else the writers of a busy document fall into
    /// two halves that take turns, each with a sync of its own. One who does not come is not waited for again before having
    /// come quickly once more. People at a keyboard never do.
    async fn let_writers_come(&mut self, inputs: &mut Vec<Input>) {
        let window = self.append_time.min(COMPANY_MAX);
        while inputs.len() < BATCH_MAX {
            let Some(until) = self.live.state.lock().awaits(Instant::now(), window) else { break };
            let room = BATCH_MAX - inputs.len();
            tokio::select! {
                biased;
                _ = self.input.recv_many(inputs, room) => {}
                () = sleep_until(until) => {}
            }
        }
    }

    /// Whether the document may leave memory: nobody has it open and nobody waits. Decided under the lock that followers
    /// arrive under.
    fn retire(&mut self) -> bool {
        let mut state = self.live.state.lock();
        let idle = state.followers.is_empty() && self.input.is_empty();
        if idle {
            state.ended = Some(Ended::Retired);
        } else {
            self.idle_since = Instant::now();
        }
        idle
    }

    /// Takes the document away. Answers whether it is gone; if not, that is unknown to who asked, and the document goes on
    /// until an append or a look at the log finds it gone.
    async fn delete(&mut self, answer: oneshot::Sender<Result<(), StoreError>>) -> bool {
        let removed = match self.live.hub.store.remove(self.live.incarnation).await {
            // An earlier try, of which it was not known, or another server.
            Err(StoreError::Unknown(_)) => Ok(()),
            removed => removed,
        };
        let gone = removed.is_ok();
        if matches!(removed, Err(StoreError::Unavailable(_))) {
            self.settle_due = Some(Instant::now() + SETTLE_EVERY);
        }
        if gone {
            // Before who asked is told, so that what they ask next finds no document.
            self.live.state.lock().ended.get_or_insert(Ended::Deleted);
        }
        // Whoever asked may be gone.
        drop(answer.send(removed));
        gone
    }

    /// Takes a batch of edits to its end. Answers false if the document is gone, and the edits unanswered.
    async fn take_batch(&mut self, mut submissions: Vec<Submission>) -> bool {
        loop {
            let (granted, verdicts) = Self::decide(&self.live, &mut submissions).await;
            let granted: Vec<Arc<Revision>> = granted.into_iter().map(Arc::new).collect();
            let at = self.live.head();
            let appended = match granted.is_empty() {
                true => Ok(()),
                false => self.append(at, granted.clone()).await,
            };
            match appended {
                Ok(()) => {
                    self.commit(submissions, verdicts, granted).await;
                    return true;
                }
                // Someone else was first, or an append of ours that had failed was done after all: take what came, and
                // decide about the same edits again.
                Err(AppendError::Conflict { head }) => {
                    warn!(document = %self.live.identity().id, %at, %head, "the log went on elsewhere");
                    if let Err(error) = self.catch_up(head).await {
                        self.fail(submissions, verdicts, error).await;
                        return true;
                    }
                }
                Err(AppendError::Store(StoreError::Unknown(_))) => {
                    // Before the edits are dropped, so that whoever waits for one learns why.
                    self.live.state.lock().ended.get_or_insert(Ended::Deleted);
                    return false;
                }
                // No batch and no revision is so large.
                Err(error @ AppendError::TooLarge { .. }) => {
                    self.fail(submissions, verdicts, StoreError::Unavailable(error.to_string())).await;
                    return true;
                }
                // The outcome is unknown. The document in memory holds only what was committed before, so there is nothing
                // to take back: the clients send the edits again, and if the log has them by then, they are repeats.
                Err(AppendError::Store(error)) => {
                    self.fail(submissions, verdicts, error).await;
                    return true;
                }
            }
        }
    }

    async fn append(&mut self, at: Version, revisions: Vec<Arc<Revision>>) -> Result<(), AppendError> {
        let begun = Instant::now();
        let appended = self.live.hub.store.append(self.live.incarnation, at, revisions).await;
        self.append_time = (self.append_time * 3 + begun.elapsed()) / 4;
        appended
    }

    /// Decides about each submission in turn; reads what memory does not hold.
    async fn decide(live: &Live, submissions: &mut [Submission]) -> (Vec<Revision>, Vec<Verdict>) {
        let now = live.hub.world.now();
        let limits = &live.hub.settings.edit_limits;
        let mut granted = Vec::new();
        let mut verdicts = Vec::with_capacity(submissions.len());
        while verdicts.len() < submissions.len() {
            let missing = {
                let state = live.state.lock();
                loop {
                    let Some(next) = submissions.get(verdicts.len()) else { break None };
                    verdicts.push(match state.document.rebase(&granted, &next.edit, now, limits) {
                        Ok(Decision::Granted(revision)) => {
                            granted.push(revision);
                            Verdict::Granted(granted.len() - 1)
                        }
                        Ok(Decision::Repeated(version)) => Verdict::Repeated(version),
                        Ok(Decision::Refused(refusal)) => Verdict::Refused(refusal),
                        Err(missing) => break Some(missing),
                    });
                }
            };
            let Some(missing) = missing else { break };
            let edit = &mut submissions[verdicts.len()].edit;
            if let Err(error) = Self::read_missing(live, missing, edit).await {
                verdicts.push(match error {
                    StoreError::Pruned { oldest, .. } => {
                        Verdict::Refused(Refusal::VersionPruned { base: edit.base, oldest })
                    }
                    error => Verdict::Failed(error),
                });
            }
        }
        (granted, verdicts)
    }

    async fn read_missing(live: &Live, missing: Missing, edit: &mut Edit) -> Result<(), StoreError> {
        match missing {
            Missing::Taken(client) => {
                let taken = live.hub.store.taken(live.incarnation, client).await?;
                live.state.lock().document.learn(client, taken);
            }
            // The submitter brought it forward to what memory held then; memory has moved on since.
            Missing::History(base) => live.bring_forward(edit, base).await?,
        }
        Ok(())
    }

    /// Applies and announces what is durable, and answers everyone who waits.
    async fn commit(&mut self, submissions: Vec<Submission>, verdicts: Vec<Verdict>, granted: Vec<Arc<Revision>>) {
        let live = self.live.clone();
        // Repeats of what is no longer in memory are read before the lock is taken.
        let mut repeated = Vec::new();
        for verdict in &verdicts {
            if let Verdict::Repeated(version) = verdict {
                let in_batch = granted.iter().find(|revision| revision.version == *version);
                repeated.push(match in_batch {
                    Some(revision) => Ok(revision.clone()),
                    None => live.revision(*version).await,
                });
            }
        }
        let mut repeated = repeated.into_iter();
        let outcomes = verdicts.into_iter().map(|verdict| match verdict {
            Verdict::Granted(place) => Outcome::Granted(granted[place].clone()),
            Verdict::Refused(refusal) => Outcome::Refused(refusal),
            Verdict::Failed(error) => Outcome::Failed(error),
            Verdict::Repeated(version) => match repeated.next().expect("one was read for each repeat") {
                Ok(revision) => Outcome::Repeated(revision),
                Err(StoreError::Pruned { .. }) => Outcome::Refused(Refusal::TakenAndPruned { version }),
                Err(error) => Outcome::Failed(error),
            },
        });
        let outcomes: Vec<_> = outcomes.collect();
        self.advance(&granted);
        self.answer(submissions.into_iter().zip(outcomes));
    }

    /// Takes durable revisions into the document and rings everyone's bell.
    pub(super) fn advance(&mut self, revisions: &[Arc<Revision>]) {
        if revisions.is_empty() {
            return;
        }
        let mut state = self.live.state.lock();
        let state = &mut *state;
        let before = state.document.head();
        for revision in revisions {
            let weight = revision.op.weight();
            if self.unforwarded + weight > PRESENCE_FORWARD_WEIGHT {
                // A heavy revision may push those before it out of memory.
                state.forward_presence();
                self.unforwarded = 0;
            }
            self.unforwarded += weight;
            state.document.advance(revision.clone());
            state.deliver_own(revision);
            if self.snapshots.is_due_after(revision) {
                self.unkept.push(state.document.now().clone());
            }
        }
        if self.unkept.len() > UNKEPT_MAX {
            self.unkept.drain(..self.unkept.len() - UNKEPT_MAX);
        }
        let head = state.document.head();
        if before.0 / PRESENCE_FORWARD_EVERY != head.0 / PRESENCE_FORWARD_EVERY {
            state.forward_presence();
            self.unforwarded = 0;
        }
        if state.document.clients_known() > CLIENTS_KEPT + state.followers.len() {
            state.forget_clients();
        }
        state.followers.values_mut().for_each(|follower| follower.ring());
    }

    fn answer(&self, outcomes: impl Iterator<Item = (Submission, Outcome)>) {
        let metrics = self.live.hub.metrics();
        let now = Instant::now();
        let mut state = self.live.state.lock();
        for (submission, outcome) in outcomes {
            match &outcome {
                Outcome::Granted(_) => {
                    metrics.edits.granted.inc();
                    metrics.ack_seconds.observe((now - submission.arrived).as_secs_f64());
                }
                Outcome::Repeated(_) => metrics.edits.repeated.inc(),
                Outcome::Refused(refusal) => {
                    metrics.edits.refused.inc();
                    refusal.limit().into_iter().for_each(|limit| metrics.limit_hit(limit));
                }
                Outcome::Failed(_) | Outcome::Ended(_) => metrics.edits.failed.inc(),
            }
            let seq = submission.edit.origin.map(|origin| origin.seq);
            match submission.reply {
                // A waiter that went away does not need its answer.
                ReplyTo::Waiter(waiter) => drop(waiter.send(outcome)),
                ReplyTo::Follower(id) => {
                    let Some(follower) = state.followers.get_mut(&id) else { continue };
                    follower.answered(now);
                    match outcome {
                        Outcome::Granted(_) | Outcome::Ended(_) => {}
                        Outcome::Repeated(revision) => follower.replies.push(Reply::Repeated(revision)),
                        Outcome::Refused(refusal) => follower.replies.push(Reply::Refused(seq, refusal)),
                        Outcome::Failed(error) => follower.replies.push(Reply::Failed(seq, error)),
                    }
                    follower.ring();
                }
            }
        }
    }

    /// Answers a batch that is not durable: what was refused or taken before stays so, all else is unknown.
    async fn fail(&mut self, submissions: Vec<Submission>, verdicts: Vec<Verdict>, error: StoreError) {
        warn!(document = %self.live.identity().id, %error, "edits could not be made durable");
        self.settle_due = Some(Instant::now() + SETTLE_EVERY);
        let head = self.live.head();
        let verdicts = verdicts
            .into_iter()
            .map(|verdict| match verdict {
                Verdict::Granted(_) => Verdict::Failed(error.clone()),
                Verdict::Repeated(version) if version > head => Verdict::Failed(error.clone()),
                settled => settled,
            })
            .collect();
        self.commit(submissions, verdicts, Vec::new()).await;
    }

    /// Once the store is good again, takes what a failed append may have left in the log: nobody was told of it, and the
    /// clients will find their edits taken. Answers whether it finds the document gone: a deletion that failed was done.
    async fn settle(&mut self) -> bool {
        self.settle_due = Some(Instant::now() + SETTLE_EVERY);
        let live = self.live.clone();
        if live.hub.store.condition() != Condition::Good {
            return false;
        }
        match live.hub.store.head(live.incarnation).await {
            Ok(head) => {
                if head.version <= live.head() || self.catch_up(head.version).await.is_ok() {
                    self.settle_due = None;
                }
                false
            }
            Err(error) => matches!(error, StoreError::Unknown(_)),
        }
    }

    /// Takes what the log has beyond this document.
    pub(super) async fn catch_up(&mut self, head: Version) -> Result<(), StoreError> {
        let at = self.live.head();
        let missed = self.live.hub.store.revisions(self.live.incarnation, at, head).await?;
        self.advance(&missed);
        Ok(())
    }

    fn announce_presence(&mut self) {
        let now = Instant::now();
        let due = self.presence_last + PRESENCE_EVERY;
        let mut state = self.live.state.lock();
        if state.presence.announced() == state.presence.last() {
            state.presence_told = false;
            self.presence_due = None;
        } else if now < due {
            self.presence_due = Some(due);
        } else {
            state.presence_told = false;
            state.presence.announce();
            state.followers.values_mut().for_each(|follower| follower.ring());
            self.presence_last = now;
            self.presence_due = None;
        }
    }

    /// Hands the next snapshot to the store, one at a time.
    fn keep_snapshots(&mut self) {
        if self.keeping.is_none()
            && let Some(snapshot) = self.unkept.pop()
        {
            let live = self.live.clone();
            self.keeping = Some(Box::pin(async move {
                let version = snapshot.version;
                if let Err(error) = live.hub.store.keep_snapshot(live.incarnation, snapshot).await {
                    warn!(document = %live.identity().id, %version, %error, "a snapshot was not kept");
                }
            }));
        }
    }
}

impl Live {
    /// Moves an edit from a base that is older than memory up to where memory begins.
    pub async fn bring_forward(&self, edit: &mut Edit, base: Version) -> Result<(), StoreError> {
        let start = self.state.lock().document.history().start();
        if base < start {
            let stretches = self.hub.store.stretches(self.incarnation, base, start).await?;
            edit.bring_forward(&stretches, &self.hub.settings.edit_limits);
        }
        Ok(())
    }
}
