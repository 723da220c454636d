//! Why an edit is not taken, in a sentence with the numbers that disagree.

use super::{Seq, Version};
use crate::ot::{LengthMismatch, OpError};

/// How the sentences about the limits of an edit begin.
pub(super) const INSERTS: &str = "the op inserts";
pub(super) const PARTS: &str = "the op has";
pub(super) const LENGTH: &str = "the document would have";

/// Why an edit is not taken. Final: the same edit would be refused again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The op is not an op.
    #[error("{0}")]
    BadOp(OpError),
    /// The op does not cover its base version.
    #[error("the op covers {op} characters, the document has {found} at version {base}")]
    LengthMismatch {
        /// The length that the op covers.
        op: u64,
        /// The length of the document at the base.
        found: u64,
        /// The version the edit is based on.
        base: Version,
    },
    /// The base is a version that does not exist yet.
    #[error("the edit is based on version {base}, the document is at {head}")]
    VersionAhead {
        /// The version the edit is based on.
        base: Version,
        /// The newest version.
        head: Version,
    },
    /// The base is a version of which the history since is no longer kept.
    #[error("the edit is based on version {base}, which is no longer kept; the oldest from which all are is {oldest}")]
    VersionPruned {
        /// The version the edit is based on.
        base: Version,
        /// The oldest version from which on all are kept.
        oldest: Version,
    },
    /// The edit was taken before, as a revision that is no longer kept by itself.
    #[error("the edit was taken before, as version {version}, which is no longer kept; it is not taken again")]
    TakenAndPruned {
        /// The version that it became.
        version: Version,
    },
    /// A later edit of the same client was taken before.
    #[error("the edit has seq {seq}, but seq {last} of this client was already taken")]
    SeqOutOfOrder {
        /// The seq of the edit.
        seq: Seq,
        /// The last seq taken.
        last: Seq,
    },
    /// The author may read but not write.
    #[error("this access is to read only; the edit was not taken")]
    ReadOnly,
    /// More than a limit allows.
    #[error("{what} {found} {unit}, more than the {most} allowed")]
    TooLarge {
        /// What is too large, as the beginning of the sentence.
        what: &'static str,
        /// How large it is.
        found: u64,
        /// The limit.
        most: u64,
        /// What both count.
        unit: &'static str,
    },
}

impl Refusal {
    pub(super) fn length_mismatch(mismatch: LengthMismatch, base: Version) -> Self {
        Refusal::LengthMismatch { op: mismatch.op, found: mismatch.found, base }
    }

    /// More than a bound allows.
    pub fn too_large(what: &'static str, found: u64, most: u64, unit: &'static str) -> Self {
        Refusal::TooLarge { what, found, most, unit }
    }

    /// The name of the limit that was met, if it is one of [`EditLimits`](super::EditLimits).
    pub fn limit(&self) -> Option<&'static str> {
        match self {
            Refusal::TooLarge { what, .. } => match *what {
                INSERTS => Some("op_bytes"),
                PARTS => Some("op_parts"),
                LENGTH => Some("document_length"),
                _ => None,
            },
            _ => None,
        }
    }
}
