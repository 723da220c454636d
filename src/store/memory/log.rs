//! One document in memory: its own revisions, what is derived from them, and what is left of those that were pruned.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::blocks::Blocks;
use crate::document::{
    ClientKey, Identity, LEDGER_PAGE, Label, LabelName, LedgerPage, Revision, Snapshot, Step, Stretch, Taken, Trail,
    Version,
};
use crate::store::{BranchPoint, Head, Kept, PrunedPast};

/// Blocks of 8 are not kept: composing a few singles costs less than keeping them for ever. Of marks, neither are those of 64.
const SMALLEST_BLOCK: u64 = 64;
const SMALLEST_MARKED_BLOCK: u64 = 512;

pub(super) struct Log {
    pub(super) identity: Identity,
    pub(super) begins: Option<BranchPoint>,
    /// What is left of revisions that were pruned, and who made them.
    pub(super) steps: Vec<Step>,
    pub(super) pruned: BTreeMap<u64, LedgerPage>,
    pub(super) own: Own,
    blocks: Blocks<Stretch>,
    marked: Blocks<Trail>,
    /// In rising order of version.
    pub(super) snapshots: Vec<Snapshot>,
    pub(super) taken: HashMap<ClientKey, Taken>,
    pub(super) labels: BTreeMap<LabelName, Label>,
}

/// A document's own revisions, without those that a branch has of its parent, and without those that were pruned.
pub(super) struct Own {
    /// The version before the first: where it begins, or its horizon.
    start: Version,
    revisions: Vec<Arc<Revision>>,
}

impl Own {
    pub(super) fn start(&self) -> Version {
        self.start
    }

    pub(super) fn head(&self) -> Version {
        Version(self.start.0 + self.revisions.len() as u64)
    }

    /// `(from, to]`.
    pub(super) fn range(&self, from: Version, to: Version) -> &[Arc<Revision>] {
        &self.revisions[(from.0 - self.start.0) as usize..(to.0 - self.start.0) as usize]
    }

    pub(super) fn all(&self) -> &[Arc<Revision>] {
        &self.revisions
    }
}

impl Log {
    pub(super) fn new(identity: Identity, begins: Option<BranchPoint>) -> Self {
        let start = begins.map_or(Version::ZERO, |begins| begins.version);
        Log {
            identity,
            begins,
            steps: Vec::new(),
            pruned: BTreeMap::new(),
            own: Own { start, revisions: Vec::new() },
            blocks: Blocks::new(SMALLEST_BLOCK, Stretch::of),
            marked: Blocks::new(SMALLEST_MARKED_BLOCK, Trail::of),
            snapshots: Vec::new(),
            taken: HashMap::new(),
            labels: BTreeMap::new(),
        }
    }

    pub(super) fn head(&self) -> Version {
        self.own.head()
    }

    pub(super) fn push(&mut self, revision: Arc<Revision>) {
        if let Some(origin) = revision.origin {
            self.taken.insert(origin.client, Taken { seq: origin.seq, version: revision.version });
        }
        self.own.revisions.push(revision);
        self.blocks.grow(&self.own);
        self.marked.grow(&self.own);
    }

    /// Takes the pruned beginning of another; it has nothing yet.
    pub(super) fn adopt(&mut self, past: PrunedPast) {
        self.own.start = past.horizon();
        self.steps = past.steps;
        self.pruned = (0..).zip(past.ledger).collect();
        self.taken = past.taken.into_iter().collect();
    }

    /// Keeps a snapshot, if there is none of its version.
    pub(super) fn keep(&mut self, snapshot: Snapshot) {
        // What is at or below a branch's beginning is its parent's to keep.
        let own = self.own.start < snapshot.version;
        let place = self.snapshots.partition_point(|kept| kept.version < snapshot.version);
        if own && self.snapshots.get(place).is_none_or(|there| there.version != snapshot.version) {
            self.snapshots.insert(place, snapshot);
        }
    }

    pub(super) fn kept(&self) -> Kept {
        let place = |step: &Step| {
            let Stretch { to, chain, time, .. } = step.stretch;
            Head { version: to, chain, time }
        };
        Kept::new(self.steps.iter().map(place).collect())
    }

    /// `(from, to]` of its own in few pieces, steps first; both are kept.
    pub(super) fn stretches(&self, from: Version, to: Version) -> Vec<Stretch> {
        let (steps, at) = self.steps(from, to);
        steps.map(|step| step.stretch.clone()).chain(self.blocks.pieces(&self.own, at, to)).collect()
    }

    /// The same with marks.
    pub(super) fn trails(&self, from: Version, to: Version) -> Vec<Trail> {
        let (steps, at) = self.steps(from, to);
        steps.map(Step::trail).chain(self.marked.pieces(&self.own, at, to)).collect()
    }

    /// The steps within `(from, to]` of its own, both of which are kept, and where they end.
    fn steps(&self, from: Version, to: Version) -> (impl Iterator<Item = &Step>, Version) {
        let within = move |step: &&Step| from <= step.from() && step.to() <= to;
        let end = self.steps.iter().rfind(within).map_or(from, |step| step.to());
        (self.steps.iter().filter(within), end)
    }

    /// A page of the ledger up to a version of its own.
    pub(super) fn ledger_page(&self, number: u64, to: Version) -> LedgerPage {
        let from = Version(number * LEDGER_PAGE);
        let mut page = self.pruned.get(&number).cloned().unwrap_or_else(|| LedgerPage::of(from, &[]));
        page.cut(to);
        page.add(if page.to() < to { self.own.range(page.to(), to) } else { &[] });
        page
    }

    /// Squashes the revisions up to the last of these versions into steps that end at each.
    pub(super) fn prune(&mut self, bounds: &[Version]) {
        let start = self.own.start;
        let Some(horizon) = bounds.last().copied().filter(|horizon| *horizon >= start) else { return };
        for page in start.0 / LEDGER_PAGE..horizon.0.div_ceil(LEDGER_PAGE) {
            let to = horizon.min(Version((page + 1) * LEDGER_PAGE));
            let mut kept = self.ledger_page(page, to);
            kept.cut(to);
            self.pruned.insert(page, kept);
        }
        let gone = self.own.revisions.drain(..horizon.since(start) as usize);
        let mut rest = self.steps.drain(..).chain(gone.map(|revision| Step::of(&revision))).peekable();
        let mut steps = Vec::new();
        for bound in bounds {
            let within = std::iter::from_fn(|| rest.next_if(|step| step.to() <= *bound)).collect();
            steps.push(Step::join_all(within).expect("something lies between two versions"));
        }
        drop(rest);
        self.steps = steps;
        self.own.start = horizon;
        self.blocks.prune(horizon);
        self.marked.prune(horizon);
        self.snapshots.retain(|snapshot| snapshot.version >= horizon);
    }
}
