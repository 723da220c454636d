//! A batch of edits, taken to its end: decide, persist, apply, announce.

use std::sync::Arc;

use tokio::time::Instant;
use tracing::warn;

use super::{Authority, Outcome, ReplyTo, SETTLE_EVERY, Submission};
use crate::document::{Decision, Edit, Missing, Refusal, Revision, Version};
use crate::hub::follow::Reply;
use crate::hub::live::{Ended, Live};
use crate::store::{AppendError, StoreError};

/// The authority's verdict on one submission of a batch, before the batch is durable.
enum Verdict {
    /// The revision of the batch at this place.
    Granted(usize),
    /// A repeat of this version, committed or in the batch.
    Repeated(Version),
    Refused(Refusal),
    Failed(StoreError),
}

impl Authority {
    /// Takes a batch of edits to its end. Answers false if the document is gone, and the edits unanswered.
    pub(super) async fn take_batch(&mut self, mut submissions: Vec<Submission>) -> bool {
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
}
