//! What a document is over time: how an edit becomes a revision, and how a revision becomes content. Pure.

mod credit;
mod diff;
mod history;
mod keeping;
mod label;
mod ledger;
mod marks;
mod merge;
mod names;
mod refusal;
mod revision;
mod search;
mod sitting;
mod step;
mod stretch;
mod trail;
mod undo;

use std::collections::HashMap;
use std::sync::Arc;

pub use credit::{Credit, Credits};
pub use diff::{Change, Run};
pub use history::{History, Piece};
pub use keeping::{BadKeeping, Keeping};
pub use label::{BadLabelName, Label, LabelName};
pub use ledger::{Entry, LEDGER_PAGE, LedgerPage};
pub use marks::{Mark, Marks, MarksReader};
pub use merge::{MERGE_WEIGHT_MAX, Merge, MergePlace, MergeRun, check_weight};
pub use names::{
    BadDocumentId, Chain, ChainKey, ClientKey, DocumentId, Epoch, Kind, Seq, Time, UnsupportedKind, Version, public_id,
};
pub use refusal::Refusal;
pub use revision::{Author, Edit, Origin, Revision, SentOp, User};
pub use search::{Appearance, Search};
pub use sitting::{SITTING_MAX, Sitting, Sittings};
pub use step::Step;
pub use stretch::{Consecutive, FAN_OUT, Gathered, Stretch};
pub use trail::Trail;
pub use undo::{Unclean, Undo, runs};

use crate::ot::{Content, LengthMismatch, Op, TextOp};

/// What never changes about one incarnation of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Its name.
    pub id: DocumentId,
    /// Its kind.
    pub kind: Kind,
    /// Which incarnation of the name it is.
    pub epoch: Epoch,
    /// The key of its chain.
    pub key: ChainKey,
    /// When it was made.
    pub created: Time,
}

/// A document's content at a version.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The version.
    pub version: Version,
    /// The chain of that version.
    pub chain: Chain,
    /// The time of its last revision; of the creation at version 0.
    pub time: Time,
    /// The content.
    pub content: Content,
}

impl Snapshot {
    /// Where every document begins.
    pub fn genesis(identity: &Identity) -> Self {
        Snapshot {
            version: Version::ZERO,
            chain: identity.key.genesis(identity.epoch),
            time: identity.created,
            content: Content::default(),
        }
    }

    /// Moves the snapshot forward over a stretch that begins at its version.
    pub fn forward(&mut self, stretch: &Stretch) -> Result<(), LengthMismatch> {
        assert_eq!(self.version, stretch.from, "a snapshot goes forward over what follows it");
        stretch.op.apply(&mut self.content)?;
        self.version = stretch.to;
        self.chain = stretch.chain;
        self.time = stretch.time;
        Ok(())
    }
}

/// A place in a document's history as someone outside names it. What cannot be an epoch or a chain is none, and differs
/// from every one there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The incarnation.
    pub epoch: Option<Epoch>,
    /// The version.
    pub version: Version,
    /// The chain of that version.
    pub chain: Option<Chain>,
}

/// The last edit taken from a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    /// Its seq.
    pub seq: Seq,
    /// The revision it became.
    pub version: Version,
}

/// Bounds on what one edit may bring; see `limits.rs` for their reasons.
#[derive(Debug, Clone, Copy)]
pub struct EditLimits {
    /// Most bytes of UTF-8 that one op may insert.
    pub op_bytes: usize,
    /// Most parts of one op.
    pub op_parts: usize,
    /// Longest document, in the kind's unit (scalar values for text).
    pub document_length: u64,
}

/// What the authority decided about an edit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// It is the next revision, once it is durable.
    Granted(Revision),
    /// It was taken before, as this version.
    Repeated(Version),
    /// It is not taken, and would be refused again.
    Refused(Refusal),
}

/// An edit could not be decided from memory: something older must be read from the store first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// Whether and as what this client's last edit was taken: call [`Document::learn`].
    Taken(ClientKey),
    /// The history from this base on: call [`Edit::bring_forward`].
    History(Version),
}

/// An open document: its newest content and history, and who was last taken at what.
pub struct Document {
    identity: Identity,
    /// Content, chain and time at the head.
    now: Snapshot,
    history: History,
    /// What was last taken from each client asked about since the document was opened; `None` for a client that nothing
    /// was ever taken from. A client that is absent has not been looked up.
    taken: HashMap<ClientKey, Option<Taken>>,
}

impl Document {
    /// The document at a snapshot, with nothing after it known yet.
    ///
    /// The snapshot's version is a multiple of 64, as those that the store keeps are.
    pub fn new(identity: Identity, snapshot: Snapshot) -> Self {
        Document { identity, history: History::new(snapshot.version), now: snapshot, taken: HashMap::new() }
    }

    /// What never changes about it.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Its content, chain and time at the head.
    pub fn now(&self) -> &Snapshot {
        &self.now
    }

    /// The newest version.
    pub fn head(&self) -> Version {
        self.now.version
    }

    /// The newest part of its history.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// The last edit taken from a client; `Missing` if that has not been looked up.
    pub fn taken(&self, client: ClientKey) -> Result<Option<Taken>, Missing> {
        self.taken.get(&client).copied().ok_or(Missing::Taken(client))
    }

    /// Notes what the log says of a client. What was committed meanwhile is newer and stays.
    pub fn learn(&mut self, client: ClientKey, taken: Option<Taken>) {
        self.taken.entry(client).or_insert(taken);
    }

    /// Decides about an edit and changes nothing. `batch` holds what was granted before it and is not yet committed, from
    /// the head on; `now` is the time.
    pub fn rebase(&self, batch: &[Revision], edit: &Edit, now: Time, limits: &EditLimits) -> Result<Decision, Missing> {
        if let Some(origin) = edit.origin {
            let in_batch = batch.iter().rev().find_map(|revision| {
                let earlier = revision.origin.filter(|earlier| earlier.client == origin.client)?;
                Some(Taken { seq: earlier.seq, version: revision.version })
            });
            let last = match in_batch {
                Some(taken) => Some(taken),
                None => self.taken(origin.client)?,
            };
            match last {
                Some(last) if last.seq == origin.seq => return Ok(Decision::Repeated(last.version)),
                Some(last) if last.seq > origin.seq && edit.may_write => {
                    return refused(Refusal::SeqOutOfOrder { seq: origin.seq, last: last.seq });
                }
                _ => {}
            }
        }
        if !edit.may_write {
            return refused(Refusal::ReadOnly);
        }
        if edit.base > self.head() {
            return refused(Refusal::VersionAhead { base: edit.base, head: self.head() });
        }
        let sent = match &edit.op {
            Ok(sent) => sent,
            Err(refusal) => return refused(refusal.clone()),
        };
        // Looked at before moving, because moving costs as much as the op is large.
        if let Some(refusal) = sent.misfit(edit.base, self.length_at(edit.base)?, limits) {
            return refused(refusal);
        }
        let moved = match self
            .move_to_head(edit.base, sent)?
            .and_then(|op| batch.iter().try_fold(op, |op, revision| sent.past(&op, &revision.op)))
            .and_then(|op| sent.arrived(op))
        {
            Ok(op) => op,
            Err(mismatch) => return refused(Refusal::length_mismatch(mismatch, edit.base)),
        };
        // A document that is past the limit (it was lowered) may still be made shorter.
        let grows = moved.target_len() > moved.base_len();
        if grows && moved.target_len() > limits.document_length {
            let found = moved.target_len();
            return refused(Refusal::too_large(refusal::LENGTH, found, limits.document_length, "characters"));
        }
        let (previous, time) = batch.last().map_or((self.now.chain, self.now.time), |last| (last.chain, last.time));
        let mut revision = Revision {
            version: Version(self.head().0 + batch.len() as u64 + 1),
            op: moved,
            author: edit.author.clone(),
            origin: edit.origin,
            time: time.max(now),
            chain: previous,
        };
        revision.chain = revision.chain_after(previous, &self.identity.key);
        Ok(Decision::Granted(revision))
    }

    /// Why a revision cannot be the next one, if it cannot: for what comes from a log that a fault may have written.
    pub fn misfit(&self, revision: &Revision) -> Option<String> {
        let (next, length) = (self.head().next(), self.now.content.len());
        if revision.version != next {
            return Some(format!("the log has version {} where version {next} belongs", revision.version));
        }
        let covers = revision.op.base_len();
        (covers != length).then(|| format!("its op covers {covers} characters, the document has {length}"))
    }

    /// Takes a granted revision into content and history, once it is durable. The next one, decided by this document or
    /// read from its log: it cannot fail.
    pub fn advance(&mut self, revision: Arc<Revision>) {
        revision.op.apply(&mut self.now.content).expect("a revision fits the document it was granted for");
        self.now.version = revision.version;
        self.now.chain = revision.chain;
        self.now.time = revision.time;
        if let Some(origin) = revision.origin {
            self.taken.insert(origin.client, Some(Taken { seq: origin.seq, version: revision.version }));
        }
        self.history.push(revision);
    }

    /// Forgets what was taken up to a version: clients are then looked up again.
    pub fn forget_taken_to(&mut self, version: Version) {
        self.taken.retain(|_, taken| taken.is_none_or(|taken| taken.version > version));
    }

    /// Forgets what was taken from clients that `keep` does not name; they are looked up again when they come back.
    pub fn forget_clients(&mut self, keep: impl Fn(&ClientKey) -> bool) {
        self.taken.retain(|client, _| keep(client));
    }

    /// How many clients [`Document::taken`] can answer for.
    pub fn clients_known(&self) -> usize {
        self.taken.len()
    }

    /// How long the document was at a version at or before the head.
    fn length_at(&self, version: Version) -> Result<u64, Missing> {
        if version < self.history.start() {
            return Err(Missing::History(version));
        }
        Ok(self.history.get(version.next()).map_or_else(|| self.now.content.len(), |next| next.op.base_len()))
    }

    /// The op moved past everything committed since its base, which it fits.
    fn move_to_head(&self, base: Version, sent: &SentOp) -> Result<Result<TextOp, LengthMismatch>, Missing> {
        if base < self.history.start() {
            return Err(Missing::History(base));
        }
        if base == self.head() {
            return Ok(Ok(sent.op().clone()));
        }
        let pieces = self.history.pieces(base, self.head());
        let (first, rest) = pieces.split_first().expect("the base is before the head");
        let moved = sent.past(sent.op(), first.op());
        Ok(moved.and_then(|op| rest.iter().try_fold(op, |op, piece| sent.past(&op, piece.op()))))
    }
}

fn refused(refusal: Refusal) -> Result<Decision, Missing> {
    Ok(Decision::Refused(refusal))
}
