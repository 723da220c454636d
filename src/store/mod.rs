//! The log: where a document's revisions become durable, and where everything older than memory is read from.
//!
//! One primitive carries the correctness of the whole: [`Store::append`] takes revisions only if the log ends exactly
//! where their author believes it does, all or nothing, and they are durable when it returns.

mod codec;
mod kept;
mod lineage;
mod memory;
mod sqlite;

use std::pin::Pin;
use std::sync::Arc;

pub use codec::{BadRecord, decode_record, encode_record};
pub use kept::{HORIZON_EVERY, Kept, Pruned, PrunedPast};
pub use memory::MemoryStore;
pub use sqlite::{BackupError, Problem, Site, Verified, View, backup, verify};
pub use sqlite::{OpenError, SqliteOptions, SqliteStore, Stats};

use crate::document::{
    ClientKey, DocumentId, Identity, Label, LabelName, LedgerPage, Revision, Snapshot, Stretch, Taken, Time, Trail,
    Version,
};
use crate::ot::LengthMismatch;

/// The number of one incarnation of a document: given once, never again. With a version it is the key of a revision; the
/// document's id is no part of the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Incarnation(pub u64);

/// An answer that may have to wait for a disk.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A log per document. Every engine passes `proptests/tests/store/suite.rs`.
///
/// A read never returns less than was asked for: a revision that is missing or damaged is [`StoreError::Damaged`], so a
/// failed load cannot be taken for an empty document.
///
/// Of a document that was pruned ([`Store::prune`]) every version from its horizon on is kept, and of those before it
/// version 0 and the labelled ones ([`Kept`]). Whatever is asked from or to another version is [`StoreError::Pruned`]; so are
/// single revisions before the horizon. Stretches and trails between kept versions, and the ledger, are as they were.
pub trait Store: Send + Sync + 'static {
    /// The document of this name, if there is one.
    fn find<'a>(&'a self, id: &'a DocumentId) -> Pending<'a, Result<Option<Found>, StoreError>>;

    /// Makes a document, with its first revision if one is given, in one durable step. If the name is taken, answers with
    /// who has it and changes nothing.
    fn create(&self, identity: Identity, first: Option<Arc<Revision>>) -> Pending<'_, Result<Created, StoreError>>;

    /// Makes a branch: a document that begins at a version of another, which exists, at or after its horizon. Versions at or
    /// below that are read from the parent. If the name is taken, answers with who has it and changes nothing. Durable when it returns.
    fn create_branch(&self, identity: Identity, begins: BranchPoint) -> Pending<'_, Result<Created, StoreError>>;

    /// The documents that begin at a version of this one, in order of their ids.
    fn branches(&self, document: Incarnation) -> Pending<'_, Result<Vec<Found>, StoreError>>;

    /// Appends revisions `at+1, at+2, ...` if the log's head is exactly `at`, all or none. Durable when it returns.
    /// After any error but `Conflict` and `TooLarge` the outcome is unknown, and is settled by reading the tail.
    fn append(
        &self,
        document: Incarnation,
        at: Version,
        revisions: Vec<Arc<Revision>>,
    ) -> Pending<'_, Result<(), AppendError>>;

    /// The newest version of a document.
    fn head(&self, document: Incarnation) -> Pending<'_, Result<Head, StoreError>>;

    /// What is needed to go on with a document: its newest kept snapshot (none: it begins empty, as its own identity says)
    /// and every revision after that.
    fn tail(&self, document: Incarnation) -> Pending<'_, Result<Tail, StoreError>>;

    /// The revisions `(from, to]`. `to` is at most the head.
    fn revisions(
        &self,
        document: Incarnation,
        from: Version,
        to: Version,
    ) -> Pending<'_, Result<Vec<Arc<Revision>>, StoreError>>;

    /// The first of the revisions `(from, to]`, as many as weigh about `room` bytes ([`TextOp::weight`]) and one at least:
    /// for whoever goes over many, some of which may be as large as a document. `to` is at most the head.
    ///
    /// [`TextOp::weight`]: crate::ot::TextOp::weight
    fn some_revisions(
        &self,
        document: Incarnation,
        from: Version,
        to: Version,
        room: usize,
    ) -> Pending<'_, Result<Vec<Arc<Revision>>, StoreError>>;

    /// Those of the revisions `(from, to]` that a client sent: the first of them, as many as weigh about `room` bytes, and one
    /// at least if there are any. The others are not looked at closer. `to` is at most the head.
    fn sent_by(
        &self,
        client: ClientKey,
        document: Incarnation,
        from: Version,
        to: Version,
        room: usize,
    ) -> Pending<'_, Result<Vec<Arc<Revision>>, StoreError>>;

    /// `(from, to]` in consecutive stretches, as few as composed blocks allow. `to` is at most the head.
    fn stretches(
        &self,
        document: Incarnation,
        from: Version,
        to: Version,
    ) -> Pending<'_, Result<Vec<Stretch>, StoreError>>;

    /// `(from, to]` as one op that knows which revision did what; none if there is nothing between. `to` is at most the
    /// head.
    fn trail(
        &self,
        document: Incarnation,
        from: Version,
        to: Version,
    ) -> Pending<'_, Result<Option<Trail>, StoreError>>;

    /// Pages of the ledger by their numbers, each as far as the log goes. All of them begin before the head.
    fn ledger(&self, document: Incarnation, pages: Vec<u64>) -> Pending<'_, Result<Vec<Arc<LedgerPage>>, StoreError>>;

    /// The newest kept snapshot at or before a version; none if there is none. Of a branch there always is one, at least
    /// that of version 0. At or after the horizon of a pruned document there is one at or after the horizon.
    fn snapshot_before(
        &self,
        document: Incarnation,
        version: Version,
    ) -> Pending<'_, Result<Option<Snapshot>, StoreError>>;

    /// Keeps a snapshot, so that opening and reading old versions begin there. Derived: may be lost, and then a longer tail
    /// is read. [`SnapshotPace`] says when.
    fn keep_snapshot(&self, document: Incarnation, snapshot: Snapshot) -> Pending<'_, Result<(), StoreError>>;

    /// The last edit taken from a client, also if its revision was pruned.
    fn taken(&self, document: Incarnation, client: ClientKey) -> Pending<'_, Result<Option<Taken>, StoreError>>;

    /// The newest version whose time is at or before `time`; version 0 if the first revision is later. Exact also where it is
    /// pruned.
    fn version_at(&self, document: Incarnation, time: Time) -> Pending<'_, Result<Version, StoreError>>;

    /// Gives a version that is kept a name, unless the document has a label of that name. Durable when it returns.
    fn put_label(&self, document: Incarnation, label: Label) -> Pending<'_, Result<Labelled, StoreError>>;

    /// Takes a label away; answers whether there was one. Durable when it returns.
    fn delete_label(&self, document: Incarnation, name: LabelName) -> Pending<'_, Result<bool, StoreError>>;

    /// Every label of a document, in order of version and then of name.
    fn labels(&self, document: Incarnation) -> Pending<'_, Result<Vec<Label>, StoreError>>;

    /// Documents whose id begins with `prefix` and comes after `after`, by their ids in byte order, at most `most`. One that
    /// is damaged stands there with its damage, and hides no other.
    fn list<'a>(&'a self, prefix: &'a str, after: &'a str, most: usize)
    -> Pending<'a, Result<Vec<Listed>, StoreError>>;

    /// Which versions are kept: of a branch, what is kept of its parent's before it begins.
    fn kept(&self, document: Incarnation) -> Pending<'_, Result<Kept, StoreError>>;

    /// Squashes the history up to a version, as far as it can be: to a multiple of [`HORIZON_EVERY`], not past where a branch
    /// begins, never the newest revision, and nothing of a document that is itself a branch. Labelled versions stay readable,
    /// those of its branches too; what was kept for a label that is gone is squashed. Revisions are squashed for good; what a
    /// client last sent stays known. Each step of it is durable by itself and leaves a whole document; appends go on
    /// meanwhile. With `preview`, says what would be done and does nothing.
    fn prune(&self, document: Incarnation, to: Version, preview: bool) -> Pending<'_, Result<Pruned, StoreError>>;

    /// Gives a document that has no revision yet the pruned beginning of another, as an export tells it: all of it, in one
    /// durable step, or nothing.
    fn adopt(&self, document: Incarnation, past: PrunedPast) -> Pending<'_, Result<(), AppendError>>;

    /// Takes a document away in one durable step: from then on there is none of its number, and its name is free. What it
    /// consisted of is removed in the background. Not while another begins at a version of it.
    fn remove(&self, document: Incarnation) -> Pending<'_, Result<(), StoreError>>;

    /// Whether new revisions can be taken at present.
    fn condition(&self) -> Condition;

    /// Finishes what was begun and closes the log. Nothing is taken afterwards.
    fn close(&self) -> Pending<'_, ()>;
}

/// A snapshot is kept at least at each multiple of this, which is a multiple of a composed block's size too: with blocks, any older
/// version is then read in about a millisecond, and opening a document never reads more revisions than this.
pub const SNAPSHOT_EVERY: u64 = 8192;

/// A snapshot is kept too when the ops since the last one weigh this much, in bytes: what opening a document reads and holds
/// is bounded also where every op is as large as a document.
pub const SNAPSHOT_WEIGHT: usize = 64 << 20;

/// Says after which revisions a snapshot is to be kept.
#[derive(Debug, Clone, Copy, Default)]
pub struct SnapshotPace {
    /// What the ops since the last one weigh, in bytes.
    weight: usize,
}

impl SnapshotPace {
    /// Whether one is to be kept of the version after this revision, the next one.
    pub fn is_due_after(&mut self, revision: &Revision) -> bool {
        self.weight += revision.op.weight();
        let due = revision.version.0.is_multiple_of(SNAPSHOT_EVERY) || self.weight >= SNAPSHOT_WEIGHT;
        if due {
            self.weight = 0;
        }
        due
    }
}

/// What the records of one append may have, in bytes. A commit is one value of the database, which holds less than 1 GB, and
/// one that is refused there would be taken for a failing disk.
pub const APPEND_BYTES_MAX: usize = 256 << 20;

/// What revisions that are read at once may weigh, in bytes: for whoever goes over many of them.
pub const READ_WEIGHT: usize = 16 << 20;

/// The first of these revisions, as many as weigh `room` bytes and one at least.
pub fn as_many_as_weigh(room: usize, mut revisions: Vec<Arc<Revision>>) -> Vec<Arc<Revision>> {
    let mut weight = 0;
    let full = revisions.iter().position(|revision| {
        weight += revision.op.weight();
        weight >= room
    });
    if let Some(last) = full {
        revisions.truncate(last + 1);
    }
    revisions
}

/// A document that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its number.
    pub incarnation: Incarnation,
    /// What never changes about it.
    pub identity: Identity,
    /// Where it begins, if it is a branch.
    pub begins: Option<BranchPoint>,
}

/// Where a branch begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BranchPoint {
    /// The document that it is a branch of.
    pub parent: Incarnation,
    /// The version of both with which they part.
    pub version: Version,
}

/// What became of a request to make a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Created {
    /// It was made.
    New(Incarnation),
    /// The name was taken.
    Existing(Found),
}

/// Most labels of one document: they are read as a whole.
pub const LABELS_MAX: usize = 1000;

/// What became of a wish to name a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Labelled {
    /// It has the name now.
    New,
    /// The name was given before: to what this says.
    Existing(Label),
    /// The document has [`LABELS_MAX`] labels.
    Full,
}

/// The newest place of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The newest version.
    pub version: Version,
    /// Its chain.
    pub chain: crate::document::Chain,
    /// The time of its revision; of the creation at version 0.
    pub time: Time,
}

/// A document as [`Store::list`] tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub id: DocumentId,
    /// What it is and where its log ends, or why that cannot be read.
    pub found: Result<(Identity, Head), StoreError>,
}

/// The newest snapshot of a log and what follows it.
#[derive(Debug, Clone)]
pub struct Tail {
    /// The newest kept snapshot.
    pub snapshot: Option<Snapshot>,
    /// Every revision after it.
    pub revisions: Vec<Arc<Revision>>,
    /// Which versions are kept.
    pub kept: Kept,
}

/// Whether a store takes new revisions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// It does.
    Good,
    /// It does not at present, and tries to by itself: a disk that is full or failed.
    Failing(String),
    /// It does not until an operator decides: what it found at start is not what it had acknowledged.
    ReadOnly(String),
}

/// Why the store cannot answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// It cannot write or read at present. What was asked may have happened or not.
    #[error("the store is not available: {0}")]
    Unavailable(String),
    /// What it holds of this document is not what was written.
    #[error("document number {} is damaged at version {version}: {reason}", document.0)]
    Damaged {
        /// Which.
        document: Incarnation,
        /// The first version that cannot be read.
        version: Version,
        /// What was found.
        reason: String,
    },
    /// What was asked for is no longer kept.
    #[error("version {version} is no longer kept; the oldest from which all are is {oldest}")]
    Pruned {
        /// Which.
        document: Incarnation,
        /// The version that was asked for.
        version: Version,
        /// The oldest version from which on all are kept.
        oldest: Version,
    },
    /// It cannot be removed: others begin at versions of it.
    #[error("{} of the document: {}", if branches.len() == 1 { "there is a branch" } else { "there are branches" }, branches.join(", "))]
    HasBranches {
        /// Which.
        document: Incarnation,
        /// The names of the others.
        branches: Vec<String>,
    },
    /// No incarnation of this number exists (any more).
    #[error("there is no document number {}", .0.0)]
    Unknown(Incarnation),
}

impl StoreError {
    /// A log whose own revisions do not fit one another, at this version.
    pub fn misfit(document: Incarnation, version: Version, mismatch: LengthMismatch) -> Self {
        StoreError::Damaged { document, version, reason: mismatch.to_string() }
    }
}

/// Why an append was not made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// Someone else was first; nothing was appended.
    #[error("the log ends at version {head}, not where the append began")]
    Conflict {
        /// Where the log ends.
        head: Version,
    },
    /// More than is taken at once; nothing was appended.
    #[error("the append has {bytes} bytes, more than the {APPEND_BYTES_MAX} that are taken at once")]
    TooLarge {
        /// What its records have.
        bytes: usize,
    },
    /// Anything else: the outcome is unknown.
    #[error(transparent)]
    Store(#[from] StoreError),
}
