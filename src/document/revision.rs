//! What a client asks for (an edit) and what the authority grants (a revision).

use std::hash::Hasher;
use std::sync::Arc;

use compact_str::CompactString;

use super::refusal::{INSERTS, PARTS};
use super::{Chain, ChainKey, ClientKey, EditLimits, Refusal, Seq, Stretch, Time, Version};
use crate::ot::{Content, LengthMismatch, Op, Part, TextOp};

/// Who made an edit, as everyone may see it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Author {
    /// The public id of the connection it came over; none for HTTP, and for a stretch over several connections.
    pub session: Option<CompactString>,
    /// The person.
    pub user: User,
}

/// A person, as everyone may see them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct User {
    /// Stable public id.
    pub id: CompactString,
    /// The name to show; may be empty.
    pub name: CompactString,
}

/// The identity of an edit within its document's epoch: what makes it be taken once, however often it is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Origin {
    /// The client that made it.
    pub client: ClientKey,
    /// The client's count of its edits.
    pub seq: Seq,
}

/// An op that a client asks for, against the base version it had.
#[derive(Debug, Clone)]
pub struct Edit {
    /// The version whose content the op covers.
    pub base: Version,
    /// Its identity; none for an edit that may be taken as often as it is sent.
    pub origin: Option<Origin>,
    /// Who asks.
    pub author: Arc<Author>,
    /// Whether the author may write. Asked only after a repeat has been answered.
    pub may_write: bool,
    /// The op, or why what was sent cannot be taken: a repeat is answered even then.
    pub op: Result<SentOp, Refusal>,
}

/// An op as a client sent it, moved forward since; or the wish to go back to what was, which becomes an op where it is
/// granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentOp {
    op: TextOp,
    /// How many parts it was sent with: moving cuts parts apart and takes them away, and neither is its client's doing.
    parts: usize,
    /// The content to go back to. `op` then leads from it to the base, and what comes later is composed to it: so the
    /// inverse, taken where it is granted, leads back from whatever is there, and touches nothing that was not changed.
    back_to: Option<Content>,
}

impl SentOp {
    /// The wish to go back to `content`, from which `away` has led to the edit's base. The revision that grants it has this
    /// very content, whatever else is granted before it.
    pub fn back_to(content: Content, away: TextOp) -> Self {
        SentOp { parts: 0, op: away, back_to: Some(content) }
    }

    /// The op where it is now.
    pub fn op(&self) -> &TextOp {
        &self.op
    }

    /// The op that would be granted if nothing had come since the base.
    pub fn granted_at_base(&self) -> Result<TextOp, LengthMismatch> {
        self.arrived(self.op.clone())
    }

    /// What `op`, this one moved up to some place, is past what comes next there.
    pub(super) fn past(&self, op: &TextOp, next: &TextOp) -> Result<TextOp, LengthMismatch> {
        match &self.back_to {
            None => op.transform_incoming(next),
            Some(_) => op.compose(next),
        }
    }

    /// The op to grant, once this one was moved to where it is granted.
    pub(super) fn arrived(&self, op: TextOp) -> Result<TextOp, LengthMismatch> {
        match &self.back_to {
            None => Ok(op),
            Some(content) => op.invert(content),
        }
    }

    /// Why it cannot be taken, whatever came after its base: it does not fit the document of `length` there, or is past the
    /// limits. These come last: an op that fits nowhere is told so, however large it is.
    pub(super) fn misfit(&self, base: Version, length: u64, limits: &EditLimits) -> Option<Refusal> {
        let covered = if self.back_to.is_some() { self.op.target_len() } else { self.op.base_len() };
        if covered != length {
            let mismatch = LengthMismatch { op: covered, found: length };
            return Some(Refusal::length_mismatch(mismatch, base));
        }
        // What was there once may come back, however large it is.
        if self.back_to.is_some() {
            return None;
        }
        // Moving keeps all that is inserted.
        let inserted = self.op.inserted_bytes();
        if inserted > limits.op_bytes {
            return Some(Refusal::too_large(INSERTS, inserted as u64, limits.op_bytes as u64, "bytes"));
        }
        if self.parts > limits.op_parts {
            return Some(Refusal::too_large(PARTS, self.parts as u64, limits.op_parts as u64, "parts"));
        }
        None
    }
}

impl From<TextOp> for SentOp {
    fn from(op: TextOp) -> Self {
        SentOp { parts: op.parts_len(), op, back_to: None }
    }
}

impl Edit {
    /// Moves an edit from an old base forward over stretches of history that begin there, as far as they go. By exact
    /// composition it is the edit that its client would hold, had it received them. One that cannot be taken is not
    /// moved: that would cost as much as it is large.
    pub fn bring_forward(&mut self, stretches: &[Stretch], limits: &EditLimits) {
        if let (Some(first), Ok(sent)) = (stretches.first(), &self.op)
            && let Some(refusal) = sent.misfit(self.base, first.op.base_len(), limits)
        {
            self.op = Err(refusal);
        }
        for stretch in stretches {
            assert_eq!(self.base, stretch.from, "an edit is brought forward over what follows its base");
            if let Ok(sent) = &mut self.op {
                match sent.past(&sent.op, &stretch.op) {
                    Ok(moved) => sent.op = moved,
                    Err(mismatch) => self.op = Err(Refusal::length_mismatch(mismatch, self.base)),
                }
            }
            self.base = stretch.to;
        }
    }
}

/// An op that the authority granted: it leads from `version - 1` to `version`, and never changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revision {
    /// The version after it.
    pub version: Version,
    /// The op, as moved past everything before it.
    pub op: TextOp,
    /// Who made it.
    pub author: Arc<Author>,
    /// Its identity, if it had one.
    pub origin: Option<Origin>,
    /// When it was granted.
    pub time: Time,
    /// Fingerprint of the history up to and with this revision.
    pub chain: Chain,
}

impl Revision {
    /// The chain that this revision has after `previous` under `key`: a keyed hash of everything in it but the chain.
    /// Every field is written with its length or in fixed width, so no two revisions write the same bytes.
    pub fn chain_after(&self, previous: Chain, key: &ChainKey) -> Chain {
        let mut hash = key.hasher();
        hash.write(&previous.0.to_le_bytes());
        hash.write(&self.version.0.to_le_bytes());
        hash.write(&self.time.0.to_le_bytes());
        write_text(&mut hash, self.author.session.as_deref());
        write_text(&mut hash, Some(&self.author.user.id));
        write_text(&mut hash, Some(&self.author.user.name));
        match &self.origin {
            None => hash.write(&[0]),
            Some(origin) => {
                hash.write(&[1]);
                hash.write(&origin.client.0);
                hash.write(&origin.seq.0.to_le_bytes());
            }
        }
        for part in self.op.parts() {
            match part {
                Part::Keep(len) => write_part(&mut hash, 0, len),
                Part::Delete(len) => write_part(&mut hash, 1, len),
                Part::Insert(text) => {
                    write_part(&mut hash, 2, text.len() as u64);
                    hash.write(text.as_bytes());
                }
            }
        }
        Chain(hash.finish())
    }
}

fn write_part(hash: &mut impl Hasher, tag: u8, len: u64) {
    hash.write(&[tag]);
    hash.write(&len.to_le_bytes());
}

fn write_text(hash: &mut impl Hasher, text: Option<&str>) {
    match text {
        None => hash.write(&[0]),
        Some(text) => {
            hash.write(&[1]);
            hash.write(&(text.len() as u64).to_le_bytes());
            hash.write(text.as_bytes());
        }
    }
}
