//! Branches: documents that begin at a version of another, and the merging of what was written on them.

use std::ops::Range;
use std::sync::Arc;

use tokio::sync::oneshot;

use super::authority::{Input, MergeOutcome, MergeSubmission};
use super::live::{Ended, Live};
use super::past::beside;
use super::restore::Unplanned;
use super::{Hub, OpenError};
use crate::document::{
    Author, ChainKey, ClientKey, DocumentId, Epoch, Identity, Merge, MergeRun, Origin, Refusal, Seq, Stretch, Version,
};
use crate::ot::{Conflict, LengthMismatch, Op, TextOp};
use crate::store::{BranchPoint, Created, Found, READ_WEIGHT, StoreError};

/// Runs of one author that one merge may have: they are appended in one step, and the authority moves each.
pub const MERGE_RUNS_MAX: usize = 20_000;
/// Conflicts that are told of one merge.
pub const CONFLICTS_MAX: usize = 1_000;
/// Revisions that are gone over at once when the merges of the past are looked for: some tens of milliseconds of a reader.
const LOOK: u64 = 65_536;
/// Branches of one open document whose last merge is remembered: each takes up to some three times the text.
const REMEMBERED: usize = 8;

/// What became of a wish to make a branch.
#[derive(Debug, Clone)]
pub enum Branched {
    /// It was made.
    New(Found),
    /// That very branch is there.
    Existing(Found),
    /// The name is another document's.
    Taken,
}

/// What was merged, or would be, or was the last time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merged {
    /// The parent's version that the merge before left, or where the branch begins.
    pub base: Version,
    /// The parent's versions before and after the branch's edits.
    pub parent: Range<Version>,
    /// The branch's versions before and after them.
    pub branch: Range<Version>,
    /// Where both sides had changed the same. `base` is the parent as the merge before left it, `history` the parent before
    /// this merge, `incoming` what the branch's edits alone make of the base, `both` the parent after.
    pub conflicts: Vec<Conflict>,
    /// The branch's edits alone, on the base.
    pub alone: TextOp,
}

/// Why nothing was merged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotMerged {
    /// The other document does not begin at a version of this one.
    #[error("document {branch} does not begin at a version of document {parent}")]
    NotABranch {
        /// The other.
        branch: DocumentId,
        /// This one.
        parent: DocumentId,
    },
    /// More revisions than one step takes.
    #[error(
        "the branch's edits alternate between people {runs} times, more than the {MERGE_RUNS_MAX} that one merge takes"
    )]
    TooMany {
        /// How many.
        runs: usize,
    },
    /// The parent cannot take them.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Its outcome is unknown, or something cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The parent is no longer open.
    #[error("the document is no longer open")]
    Ended(Ended),
}

impl From<Unplanned> for NotMerged {
    fn from(unplanned: Unplanned) -> Self {
        match unplanned {
            Unplanned::TooLarge(refusal) => NotMerged::Refused(refusal),
            Unplanned::Store(error) => NotMerged::Store(error),
        }
    }
}

/// Where two histories were last made one.
#[derive(Debug, Clone)]
struct Bridge {
    /// The branch's version, all of which the parent has.
    branch: Version,
    /// The parent's version that has it.
    parent: Version,
    /// Leads from the branch's content there to the parent's.
    across: TextOp,
}

/// What the logs say of the merges of a branch.
#[derive(Debug, Clone)]
pub(super) struct Bridges {
    /// The bridge before the last merge, and the parent's version that the merge was appended to; none if there was no merge.
    before: Option<(Bridge, Version)>,
    /// The bridge that the last merge left; where the branch begins if there was none.
    last: Bridge,
    /// The parent's version up to which there is no other merge.
    looked: Version,
}

/// A merge that can be asked for, and what it does if nothing comes in between.
struct Plan {
    /// Everything up to here was merged before.
    bridge: Bridge,
    merge: Merge,
    branch_to: Version,
}

impl Hub {
    /// Makes a branch of a document: one that begins at a version at or before its head.
    pub async fn branch(&self, parent: &Live, id: &DocumentId, version: Version) -> Result<Branched, OpenError> {
        let (mut epoch, mut key) = ([0; 16], [0; 16]);
        self.world.random(&mut epoch);
        self.world.random(&mut key);
        let identity = Identity {
            id: id.clone(),
            kind: parent.identity().kind,
            epoch: Epoch(epoch),
            key: ChainKey(key),
            created: self.world.now(),
        };
        let begins = BranchPoint { parent: parent.incarnation(), version };
        match self.store.create_branch(identity.clone(), begins).await? {
            Created::New(incarnation) => Ok(Branched::New(Found { incarnation, identity, begins: Some(begins) })),
            Created::Existing(found) if found.begins == Some(begins) => Ok(Branched::Existing(found)),
            Created::Existing(_) => Ok(Branched::Taken),
        }
    }
}

impl Live {
    /// Merges what was written on a branch of this document since the last merge, up to the branch's head. None if that is
    /// nothing.
    pub async fn merge(self: &Arc<Self>, branch: &Live) -> Result<Option<Merged>, NotMerged> {
        loop {
            let Some(plan) = self.plan(branch).await? else { return Ok(None) };
            let (reply, outcome) = oneshot::channel();
            let submission = MergeSubmission { merge: plan.merge.clone(), reply };
            // A send to an authority that ended drops the reply, and that is the answer.
            let _ = self.inbox.send(Input::Merge(submission)).await;
            let ended = || MergeOutcome::Ended(self.state.lock().ended.clone().unwrap_or(Ended::Failed));
            match outcome.await.unwrap_or_else(|_| ended()) {
                MergeOutcome::Merged(parent) => {
                    return Ok(Some(self.told(branch, plan.bridge, plan.branch_to, parent).await?));
                }
                // Someone else merged the same branch meanwhile.
                MergeOutcome::Outdated => continue,
                MergeOutcome::Refused(refusal) => return Err(refusal.into()),
                MergeOutcome::Failed(error) => return Err(error.into()),
                MergeOutcome::Ended(ended) => return Err(NotMerged::Ended(ended)),
            }
        }
    }

    /// What a merge would do now. None if there is nothing to merge.
    pub async fn preview_merge(&self, branch: &Live) -> Result<Option<(Merged, TextOp)>, NotMerged> {
        let Some(plan) = self.plan(branch).await? else { return Ok(None) };
        let mismatch = |mismatch| self.misfit(plan.merge.base, mismatch);
        let merge = plan.merge.clone();
        let (ops, _) = beside(move || merge.moved()).await?;
        let after = Version(plan.merge.base.0 + ops.len() as u64);
        let op = beside(move || crate::ot::compose_all(ops)).await.map_err(mismatch)?.expect("a plan has runs");
        let parent = plan.merge.base..after;
        Ok(Some((self.told(branch, plan.bridge, plan.branch_to, parent).await?, op)))
    }

    /// What the last merge of a branch did. None if it was never merged. Merges with nothing between them are told as one.
    pub async fn last_merge(&self, branch: &Live) -> Result<Option<Merged>, NotMerged> {
        let Bridges { before, last, .. } = self.bridges(branch).await?;
        let Some((before, from)) = before else { return Ok(None) };
        Ok(Some(self.told(branch, before, last.branch, from..last.parent).await?))
    }

    /// What is to be merged now.
    async fn plan(&self, branch: &Live) -> Result<Option<Plan>, NotMerged> {
        let (branch_to, base) = (branch.head(), self.head());
        let bridge = self.bridges(branch).await?.last;
        if bridge.branch >= branch_to {
            return Ok(None);
        }
        let runs = self.runs(branch, bridge.branch, branch_to).await?;
        if runs.len() > MERGE_RUNS_MAX {
            return Err(NotMerged::TooMany { runs: runs.len() });
        }
        let across = self.across(&bridge, base).await?;
        Ok(Some(Plan { bridge, merge: Merge { base, across, runs }, branch_to }))
    }

    /// From the branch's content at a bridge to the parent's at a later version.
    async fn across(&self, bridge: &Bridge, to: Version) -> Result<TextOp, StoreError> {
        match self.stretch(bridge.parent, to).await? {
            None => Ok(bridge.across.clone()),
            Some(since) => bridge.across.compose(&since.op).map_err(|mismatch| self.misfit(to, mismatch)),
        }
    }

    /// `(from, to]` of a branch by author, each run as its revision of the parent is to be.
    async fn runs(&self, branch: &Live, from: Version, to: Version) -> Result<Vec<MergeRun>, Unplanned> {
        let mut runs: Vec<Vec<Stretch>> = Vec::new();
        for piece in branch.pieces_by_author(from, to).await? {
            let user = |stretch: &Stretch| stretch.author.as_ref().map(|author| author.user.clone());
            match runs.last_mut() {
                Some(run) if user(&run[0]) == user(&piece) => run.push(piece),
                _ => runs.push(vec![piece]),
            }
        }
        let client = ClientKey::of_branch(branch.identity().epoch);
        let run = |run: Vec<Stretch>| {
            let run = Stretch::join_all(run).expect("a run is not empty");
            let user = run.author.expect("a run is of one person").user.clone();
            let author = Arc::new(Author { session: None, user });
            MergeRun { op: run.op, author, origin: Origin { client, seq: Seq(run.to.0) } }
        };
        Ok(runs.into_iter().map(run).collect())
    }

    /// The bridges around the last merge of a branch.
    ///
    /// They are told from the logs alone: a merged revision carries, as its origin, the branch and the version up to which
    /// it has it, and is what that much of the branch becomes over the bridge before it. So a merge is never known without
    /// being there, nor there without being known, whatever fails in between. What they told once is remembered while the
    /// document is open: a log does not change, so the next look goes on behind it.
    async fn bridges(&self, branch: &Live) -> Result<Bridges, NotMerged> {
        let not_a_branch =
            || NotMerged::NotABranch { branch: branch.identity().id.clone(), parent: self.identity().id.clone() };
        let begins = branch.begins().filter(|begins| begins.parent == self.incarnation());
        let begins = begins.ok_or_else(not_a_branch)?.version;
        let known = self.bridges.lock().get(&branch.incarnation()).cloned();
        let Bridges { mut before, mut last, mut looked } = match known {
            Some(known) => known,
            None => {
                let length = self.snapshot_at(begins).await?.content.len();
                let last = Bridge { branch: begins, parent: begins, across: TextOp::identity(length) };
                Bridges { before: None, last, looked: begins }
            }
        };
        let client = ClientKey::of_branch(branch.identity().epoch);
        // Asked for first: what is taken from the branch by then is known.
        let head = self.head();
        let taken = self.taken(client).await?.map(|taken| taken.version);
        while let Some(until) = taken.filter(|until| looked < *until) {
            let to = until.min(Version(looked.0 + LOOK));
            let revisions = self.hub.store.sent_by(client, self.incarnation(), looked, to, READ_WEIGHT).await?;
            // If they weigh so much that there may be more, it goes on behind them.
            let weight: usize = revisions.iter().map(|revision| revision.op.weight()).sum();
            looked = revisions.last().filter(|_| weight >= READ_WEIGHT).map_or(to, |last| last.version);
            for revision in revisions {
                let Some(origin) = revision.origin else { continue };
                let at = Version(revision.version.0 - 1);
                // Revisions of one merge follow one another.
                if at > last.parent || before.is_none() {
                    before = Some((last.clone(), at));
                }
                let across = self.across(&last, at).await?;
                let merged = branch.stretch(last.branch, Version(origin.seq.0)).await?;
                let merged = merged.ok_or_else(|| self.unlike(revision.version))?;
                let moved = TextOp::transform(&merged.op, &across);
                let (op, across) = moved.map_err(|mismatch| self.misfit(at, mismatch))?;
                if op != revision.op {
                    return Err(self.unlike(revision.version).into());
                }
                last = Bridge { branch: Version(origin.seq.0), parent: revision.version, across };
            }
        }
        let bridges = Bridges { before, last, looked: looked.max(taken.unwrap_or(head)) };
        let mut known = self.bridges.lock();
        if known.len() >= REMEMBERED && !known.contains_key(&branch.incarnation()) {
            known.clear();
        }
        known.insert(branch.incarnation(), bridges.clone());
        Ok(bridges)
    }

    /// A merge over a bridge that is these versions of the parent, as it is told.
    async fn told(
        &self,
        branch: &Live,
        bridge: Bridge,
        branch_to: Version,
        parent: Range<Version>,
    ) -> Result<Merged, NotMerged> {
        let misfit = |mismatch| self.misfit(parent.start, mismatch);
        // Composed as typing is: then it falls where its runs fell, one by one.
        let mut runs = self.runs(branch, bridge.branch, branch_to).await?.into_iter().map(|run| run.op);
        let first = runs.next().expect("something was merged");
        let edits = runs.try_fold(first, |edits, run| edits.compose_typing(&run)).map_err(misfit)?;
        let alone = edits.transform_incoming(&bridge.across).map_err(misfit)?;
        let since = match self.stretch(bridge.parent, parent.start).await? {
            Some(since) => since.op,
            None => TextOp::identity(bridge.across.target_len()),
        };
        let mut conflicts = TextOp::conflicts(&alone, &since).map_err(misfit)?;
        conflicts.truncate(CONFLICTS_MAX);
        Ok(Merged { base: bridge.parent, parent, branch: bridge.branch..branch_to, conflicts, alone })
    }

    fn misfit(&self, version: Version, mismatch: LengthMismatch) -> StoreError {
        StoreError::misfit(self.incarnation(), version, mismatch)
    }

    fn unlike(&self, version: Version) -> StoreError {
        let reason = "it is not what the branch's edits that it names become here".to_owned();
        StoreError::Damaged { document: self.incarnation(), version, reason }
    }
}
