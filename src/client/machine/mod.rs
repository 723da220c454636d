//! The client's side of one document: a pure state machine between an editor, a connection and the protocol.
//!
//! Three states, by what the server is not known to have taken:
//!
//! | `in_flight` | `buffer` | |
//! |---|---|---|
//! | none | none | **synchronized**: the screen shows the server's text at `place` |
//! | an edit | none | **awaiting** its ack |
//! | an edit | an op | **awaiting with buffer**: what is typed meanwhile is composed, and sent on the ack |
//!
//! An op typed while the document is not open waits in the buffer alone, and leaves as soon as it is. An op once sent is
//! only ever changed by rebasing: nothing is composed into it, because the server may have it already.

mod keep;
mod receive;
#[cfg(test)]
mod tests;

pub use keep::Kept;

use super::event::{Closed, Event, Unsent, Why};
use crate::document::{Chain, DocumentId, Seq, Version};
use crate::ot::{Content, LengthMismatch, Op, TextOp};
use crate::protocol::{Access, Check, ClientMessage, Create, EditMessage, Open, Place};

/// A document as its client holds it.
#[derive(Debug, Clone)]
pub struct Machine {
    doc: DocumentId,
    /// How to make the document if it is not there; said until it was opened once, so that a deleted one stays deleted.
    create: Option<Create>,
    link: Link,
    /// Where the client is: the last revision or ack it took. None until the document was opened once.
    place: Option<Here>,
    access: Access,
    /// The text at `place`, then the op in flight, then the buffer.
    screen: Content,
    in_flight: Option<InFlight>,
    /// Covers the text that the op in flight leaves.
    buffer: Option<TextOp>,
    /// The last seq given to an edit of this client, or known to have been taken from it. Rises only.
    last_seq: Seq,
    /// Why the text must be taken anew: said to the server as an `open` without `from`.
    afresh: Option<Why>,
    /// How often what was typed was handed back to the application. Rises only.
    handed_back: u64,
    /// Failures in a row that the server asked to try again after.
    failures: u32,
}

/// How the document stands on the connection.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Link {
    /// Not open: there is no connection, or the server closed the document for now.
    Closed,
    /// `open` was said; all before its answer is of the stream before, and not for this one.
    Opening,
    /// Revisions and acks come in version order.
    Open,
    /// Never again.
    Ended(Closed),
}

/// A place in the history of one incarnation.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Here {
    epoch: String,
    version: Version,
    chain: Chain,
}

/// The edit whose ack is awaited.
#[derive(Debug, Clone, PartialEq, Eq)]
struct InFlight {
    seq: Seq,
    /// Covers the text at the client's place: rebased with each revision that comes before its ack.
    op: TextOp,
}

/// What is to be done after an input.
#[derive(Debug, Default)]
pub struct Step {
    /// A message for the server.
    pub send: Option<ClientMessage>,
    /// What the application is told, in order.
    pub events: Vec<Event>,
    /// Call [`Machine::retry`] after this many milliseconds.
    pub retry_ms: Option<u64>,
}

/// Why an op of the user is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// It does not cover the text on the screen.
    #[error(transparent)]
    Length(#[from] LengthMismatch),
    /// The document may only be read.
    #[error("this document may only be read")]
    ReadOnly,
    /// The document was not opened yet.
    #[error("the document is not open yet")]
    NotYetOpen,
    /// The document is no longer open.
    #[error("the document is closed: {0}")]
    Closed(Closed),
}

impl Machine {
    /// A document that was never open.
    pub fn new(doc: DocumentId, create: Option<Create>) -> Self {
        Machine {
            doc,
            create,
            link: Link::Closed,
            place: None,
            access: Access::Read,
            screen: Content::default(),
            in_flight: None,
            buffer: None,
            last_seq: Seq(0),
            afresh: None,
            handed_back: 0,
            failures: 0,
        }
    }

    /// The text on the screen.
    pub fn text(&self) -> &Content {
        &self.screen
    }

    /// The version that the server's part of the text is of.
    pub fn version(&self) -> Version {
        self.place.as_ref().map_or(Version::ZERO, |place| place.version)
    }

    /// The place in the document's history that the server's part of the text is of; none before it was opened once.
    pub fn place(&self) -> Option<Place> {
        let Here { epoch, version, chain } = self.place.as_ref()?;
        Some(Place { epoch: epoch.clone(), version: *version, chain: chain.to_string() })
    }

    /// Whether everything typed is a revision: the text on the screen is that of [`Machine::version`].
    pub fn is_synchronized(&self) -> bool {
        self.in_flight.is_none() && self.buffer.is_none()
    }

    /// Whether the document is open on the connection.
    pub fn is_open(&self) -> bool {
        self.link == Link::Open
    }

    /// Why the document is no longer open, if it is not and will not be.
    pub fn ended(&self) -> Option<&Closed> {
        match &self.link {
            Link::Ended(closed) => Some(closed),
            _ => None,
        }
    }

    /// The seq that the newest typing has or will have: once nothing up to it is unsettled, all of it is durable.
    pub fn newest_seq(&self) -> Seq {
        Seq(self.last_seq.0 + u64::from(self.buffer.is_some()))
    }

    /// Whether this edit is no longer in flight or waiting.
    pub fn is_settled(&self, seq: Seq) -> bool {
        // What is held while the text is taken anew may be a refused edit: it is settled when it was handed back.
        let waiting = self.buffer.is_some() && (seq > self.last_seq || self.afresh.is_some());
        !waiting && self.in_flight.as_ref().is_none_or(|in_flight| seq < in_flight.seq)
    }

    /// How often unsent text was handed back to the application.
    pub fn handed_back(&self) -> u64 {
        self.handed_back
    }

    /// The user changed the text on the screen.
    pub fn edit(&mut self, op: &TextOp) -> Result<Step, EditError> {
        match (&self.link, &self.place) {
            (Link::Ended(closed), _) => return Err(EditError::Closed(closed.clone())),
            (_, None) => return Err(EditError::NotYetOpen),
            _ if self.access == Access::Read => return Err(EditError::ReadOnly),
            _ => {}
        }
        op.apply(&mut self.screen)?;
        let typed = match &self.buffer {
            None => op.clone(),
            Some(buffer) => buffer.compose_typing(op)?,
        };
        self.hold(Some(typed));
        match self.in_flight {
            None if self.is_open() => Ok(self.send(Vec::new())),
            _ => Ok(Step::default()),
        }
    }

    /// There is a connection: opens the document on it.
    pub fn connected(&mut self) -> Step {
        match self.link {
            Link::Ended(_) => Step::default(),
            _ => self.open(Vec::new()),
        }
    }

    /// The connection is gone.
    pub fn disconnected(&mut self) -> Step {
        if self.ended().is_some() || self.link == Link::Closed {
            return Step::default();
        }
        self.link = Link::Closed;
        Step { events: vec![Event::Disconnected], ..Step::default() }
    }

    /// The time of [`Step::retry_ms`] is over and the connection still stands.
    pub fn retry(&mut self) -> Step {
        match self.link {
            Link::Closed => self.open(Vec::new()),
            Link::Open => self.send(Vec::new()),
            Link::Opening | Link::Ended(_) => Step::default(),
        }
    }

    /// The document is no longer served, for good.
    pub fn end(&mut self, closed: Closed) -> Step {
        if self.ended().is_some() {
            return Step::default();
        }
        self.link = Link::Ended(closed.clone());
        let typed = self.take_all_typed();
        let unsent = self.hand_back(typed);
        Step { events: vec![Event::Closed { closed, unsent }], ..Step::default() }
    }

    /// Asks the server whether the text is right; says nothing while an edit is unsettled.
    pub fn check(&self) -> Step {
        let quiet = self.is_open() && self.is_synchronized();
        let sum = || format!("{:08x}", self.screen.crc32());
        let check = quiet.then(|| Check { doc: self.doc.clone(), version: self.version(), sum: sum() });
        Step { send: check.map(ClientMessage::Check), ..Step::default() }
    }

    /// Opens the document on the connection: from where the client is, unless the text must be taken anew.
    fn open(&mut self, events: Vec<Event>) -> Step {
        self.link = Link::Opening;
        let open = Open {
            doc: self.doc.clone(),
            create: self.create.clone(),
            from: self.place().filter(|_| self.afresh.is_none()),
            pending: self.in_flight.as_ref().map(|in_flight| in_flight.seq),
        };
        Step { send: Some(ClientMessage::Open(open)), events, ..Step::default() }
    }

    /// Sends what is in flight again, or what is typed if nothing is.
    fn send(&mut self, events: Vec<Event>) -> Step {
        if self.in_flight.is_none()
            && let Some(op) = self.buffer.take()
        {
            self.last_seq = Seq(self.last_seq.0 + 1);
            self.in_flight = Some(InFlight { seq: self.last_seq, op });
        }
        let base = self.version();
        let edit = self.in_flight.as_ref().map(|InFlight { seq, op }| {
            ClientMessage::Edit(EditMessage { doc: self.doc.clone(), version: base, seq: *seq, op: Ok(op.clone()) })
        });
        Step { send: edit, events, ..Step::default() }
    }

    /// Holds what was typed until it can be sent; what changes nothing is not worth a revision.
    fn hold(&mut self, typed: Option<TextOp>) {
        self.buffer = typed.filter(|op| !op.is_identity());
    }

    /// Takes out what the server is not known to have taken, as one op.
    fn take_all_typed(&mut self) -> Option<TextOp> {
        match (self.in_flight.take(), self.buffer.take()) {
            (Some(sent), Some(buffer)) => {
                Some(sent.op.compose_typing(&buffer).expect("the buffer covers what the op in flight leaves"))
            }
            (Some(sent), None) => Some(sent.op),
            (None, buffer) => buffer,
        }
    }

    /// Hands what was typed back to the application, with the text on the screen that it belongs to.
    fn hand_back(&mut self, typed: Option<TextOp>) -> Option<Unsent> {
        let op = typed.filter(|op| !op.is_identity())?;
        self.handed_back += 1;
        Some(Unsent { op, screen: self.screen.clone() })
    }
}
