//! What the authority is told, and what it takes of that at a time.

use std::sync::Arc;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::merging::MergeSubmission;
use crate::document::{Edit, Refusal, Revision};
use crate::hub::follower::FollowerId;
use crate::hub::live::Ended;
use crate::store::StoreError;

/// What the ops of one batch may weigh, in bytes, and be more than one: more than people paste at a time, little beside what
/// a store takes in one append.
const BATCH_WEIGHT: usize = 16 << 20;

/// What the authority is told.
pub(in crate::hub) enum Input {
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
pub(in crate::hub) struct Submission {
    pub(in crate::hub) edit: Edit,
    /// When it arrived.
    pub(in crate::hub) arrived: Instant,
    pub(in crate::hub) reply: ReplyTo,
}

impl Submission {
    /// An edit that arrives now.
    pub(in crate::hub) fn new(edit: Edit, reply: ReplyTo) -> Self {
        Submission { edit, arrived: Instant::now(), reply }
    }
}

/// Who waits.
pub(in crate::hub) enum ReplyTo {
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

/// What is taken at a time, apart by what is to be done about it.
pub(super) struct Round {
    /// Edits told before a deletion, if there is one; else none.
    pub(super) before: Vec<Submission>,
    /// Who asks for the document to be taken away.
    pub(super) deletion: Option<oneshot::Sender<Result<(), StoreError>>>,
    /// All other edits.
    pub(super) edits: Vec<Submission>,
    pub(super) merges: Vec<MergeSubmission>,
    /// Whether to end.
    pub(super) stop: bool,
}

impl Round {
    /// Takes from the front of `inputs` as much as one batch may weigh.
    pub(super) fn take(inputs: &mut Vec<Input>) -> Self {
        let mut weight = 0;
        let heavy = inputs.iter().position(|input| (weight += input.weight(), weight > BATCH_WEIGHT).1);
        let batch = heavy.map_or(inputs.len(), |place| place.max(1));
        let edits = Vec::with_capacity(batch);
        let mut round = Round { before: Vec::new(), deletion: None, edits, merges: Vec::new(), stop: false };
        for input in inputs.drain(..batch) {
            match input {
                Input::Edit(submission) => round.edits.push(submission),
                Input::Merge(merge) => round.merges.push(merge),
                Input::Presence => {}
                Input::Stop => round.stop = true,
                Input::Delete(answer) if round.deletion.is_none() => {
                    round.before = std::mem::take(&mut round.edits);
                    round.deletion = Some(answer);
                }
                // Who asks beside another learns nothing here, and asks again.
                Input::Delete(_) => {}
            }
        }
        round
    }
}
