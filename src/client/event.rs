//! What a client tells its application about a document.

use crate::document::{Seq, Version};
use crate::ot::{Content, TextOp};
use crate::protocol::Code;

/// Something that happened to a document. An application that shows the text applies each [`Event::Changed`] in turn, and
/// takes the whole text anew at [`Event::Reset`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The document is open: for the first time, or again after the connection was lost.
    Opened {
        /// The version reached.
        version: Version,
    },
    /// Others changed the text.
    Changed {
        /// What was done to the text on the screen: their op, moved past what this client holds unsent.
        op: TextOp,
        /// The version reached.
        version: Version,
    },
    /// An edit of this client is a revision, and durable.
    Acknowledged {
        /// Which.
        seq: Seq,
        /// The revision it became.
        version: Version,
        /// The op as granted; none if it was only learnt that it was taken, because the text had to be taken anew.
        op: Option<TextOp>,
    },
    /// The text on the screen was replaced by the server's.
    Reset {
        /// The text that is there now: events that follow go on from it.
        text: Content,
        /// Why it could not be continued.
        why: Why,
        /// What the server has not taken and this client no longer sends: the application's to keep or to offer anew.
        unsent: Option<Unsent>,
    },
    /// The connection is lost; it is being made anew. Edits are still taken, and sent when it is.
    Disconnected,
    /// The document is no longer open, and is not opened again by itself.
    Closed {
        /// Why.
        closed: Closed,
        /// What the server is not known to have taken.
        unsent: Option<Unsent>,
    },
}

/// Why a text could not be continued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// The server cannot continue from the client's place: `epoch`, `ahead`, `pruned` or `chain`.
    Place(String),
    /// An edit was refused, finally.
    Refused {
        /// Which.
        seq: Seq,
        /// Why.
        code: Code,
        /// Why, in a sentence.
        message: String,
    },
    /// The text differed from the server's at this version.
    Diverged(Version),
    /// The server's messages did not follow on one another.
    Gap,
}

/// Edits that were not taken, as one op.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsent {
    /// The op.
    pub op: TextOp,
    /// The text on the screen with the op applied, as it was before it was replaced.
    pub screen: Content,
}

/// Why a document, or the whole client, is no longer served.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Closed {
    /// The code the server gave, if it gave one.
    pub code: Option<Code>,
    /// Why, in a sentence.
    pub message: String,
}

impl Closed {
    pub(super) fn new(code: Option<Code>, message: impl Into<String>) -> Self {
        Closed { code, message: message.into() }
    }
}
