//! What a session's documents have for its client, as frames.

use std::sync::Arc;

use compact_str::CompactString;
use serde_json::value::RawValue;

use super::frames::{FrameCache, Leads};
use super::session::{Ended, Session};
use crate::document::{DocumentId, Revision, Stretch, Version};
use crate::hub::{self, CatchUp, Delivery, Follow, OpenError, PresenceChange, Reply, Token};
use crate::protocol::{Code, PresenceView, Present, RevisionItem, ServerMessage, StateView, UserView, write_cursors};
use crate::store::StoreError;

/// Deliveries taken from a document at a time: little enough that the write-ahead is barely passed.
const TAKEN_AT_ONCE: usize = 8;

/// After how long to try again where the store or a document failed.
const RETRY_MS: u64 = 1_000;

/// A document open on a connection.
pub(super) struct OpenDocument {
    pub(super) id: DocumentId,
    /// Dropped before `follow`, with which the document may go: while a cache lives, the address that it is found by is not
    /// given to another document.
    pub(super) frames: Arc<FrameCache>,
    pub(super) follow: Follow,
    pub(super) may_write: bool,
    /// The client asked to close it; `closed` is said once its edits are answered.
    pub(super) closing: bool,
}

impl Session {
    /// Delivers what is due, as far as the socket has room.
    pub(super) fn deliver(&mut self) -> Result<(), Ended> {
        while self.outbox.has_room() {
            let Some(token) = self.todo.pop_front() else { break };
            // One whose old history is being read goes on when that is done.
            if self.reading.iter().any(|(reading, _)| *reading == token) {
                continue;
            }
            let Some(document) = self.documents.open.get_mut(&token) else { continue };
            // Asked before taking: an edit is answered only after its revision can be taken.
            let outstanding = (self.waiting_for == Some(token)).then(|| document.follow.outstanding());
            let mut taken = std::mem::take(&mut self.taken);
            let more = document.follow.take(&mut taken, TAKEN_AT_ONCE);
            if more {
                self.todo.push_back(token);
            }
            for delivery in taken.drain(..) {
                self.hand_over(token, delivery)?;
            }
            self.taken = taken;
            if !more && let Some(outstanding) = outstanding {
                self.settle(token, outstanding)?;
            }
        }
        Ok(())
    }

    /// Lets messages be read again once the document they waited for has its edits answered.
    fn settle(&mut self, token: Token, outstanding: usize) -> Result<(), Ended> {
        let closing = self.documents.open.get(&token).is_some_and(|document| document.closing);
        if closing && outstanding == 0 {
            self.end(token, Code::Closed, "closed as asked".into())?;
        } else if !closing
            && (outstanding == 0 || !self.waiting_for_all && outstanding < self.server.limits.edits_outstanding)
        {
            (self.waiting_for, self.waiting_for_all) = (None, false);
        }
        Ok(())
    }

    fn hand_over(&mut self, token: Token, delivery: Delivery) -> Result<(), Ended> {
        // A document that ended in the middle of what was taken has nothing more to say.
        let Some(document) = self.documents.open.get(&token) else { return Ok(()) };
        let doc = &document.id;
        let given = &self.server.metrics.deliveries;
        match delivery {
            Delivery::Revision(revision) => {
                given.single.inc();
                let leads = Leads::Revisions(revision.version.0 - 1, revision.version.0);
                let frame = document.frames.get(leads, || {
                    json(&ServerMessage::Revision { doc: doc.clone(), item: RevisionItem::of(&revision) })
                });
                self.outbox.gather(frame);
                Ok(())
            }
            Delivery::Stretch { from, to, pieces } => {
                given.composed.inc();
                let frame = document.frames.get(Leads::Revisions(from.0, to.0), || {
                    let stretch = Stretch::join_all(pieces.iter().map(|piece| piece.stretch()).collect());
                    json(&composed(doc, &stretch.expect("a stretch to deliver is not empty")))
                });
                self.outbox.gather(frame);
                Ok(())
            }
            Delivery::Own(revision) | Delivery::Reply(Reply::Repeated(revision)) => {
                self.say(&ack(doc.clone(), &revision))
            }
            Delivery::Reply(Reply::Refused(seq, refusal)) => {
                let seq = seq.expect("a session's edits have a seq");
                let (doc, code) = (doc.clone(), Code::from(&refusal));
                self.say(&ServerMessage::Refused { doc, seq, code, message: refusal.to_string() })
            }
            Delivery::Reply(Reply::Failed(seq, error)) => {
                let (code, message, retry_ms) = failure(doc, &OpenError::Store(error));
                let (doc, reply_to) = (Some(doc.to_string()), Some("edit".to_owned()));
                self.say(&ServerMessage::Error { code, message, doc, seq: seq.map(|seq| seq.0), reply_to, retry_ms })
            }
            Delivery::Presence { from, to, change } => {
                given.presence.inc();
                let frame = document.frames.get(Leads::Presence(from, to), || {
                    json(&ServerMessage::Presence { doc: doc.clone(), view: everyone(change) })
                });
                self.outbox.gather(frame);
                Ok(())
            }
            Delivery::Old { from, to } => {
                let reading = document.follow.read(from, to);
                self.reading.push((token, Box::pin(reading)));
                Ok(())
            }
            Delivery::Ended(ended) => {
                let (code, message, _) = failure(doc, &ended.into());
                self.end(token, code, message)
            }
        }
    }

    /// Hands over an old stretch that was read.
    pub(super) fn old(&mut self, token: Token, stretch: Result<Stretch, StoreError>) -> Result<(), Ended> {
        let Some(document) = self.documents.open.get_mut(&token) else { return Ok(()) };
        match stretch {
            Ok(stretch) => {
                document.follow.passed(stretch.to);
                self.server.metrics.deliveries.composed.inc();
                let message = composed(&document.id, &stretch);
                self.todo.push_back(token);
                self.say(&message)
            }
            Err(error) => {
                let error = match error {
                    StoreError::Unknown(_) => OpenError::Deleted,
                    error => OpenError::Store(error),
                };
                let (code, message, _) = failure(&document.id, &error);
                // Who fell so far behind begins anew, and is told then why.
                let code = if code == Code::VersionPruned { Code::StorageUnavailable } else { code };
                self.end(token, code, message)
            }
        }
    }

    /// Says that a document is no longer open, as the last word about it.
    fn end(&mut self, token: Token, code: Code, message: String) -> Result<(), Ended> {
        let Some(document) = self.documents.open.remove(&token) else { return Ok(()) };
        self.documents.by_id.remove(&document.id);
        if self.waiting_for == Some(token) {
            self.waiting_for = None;
        }
        self.say(&ServerMessage::Closed { doc: document.id, code, message })
    }
}

fn json(message: &ServerMessage) -> String {
    serde_json::to_string(message).expect("every message of ours is JSON")
}

fn composed(doc: &DocumentId, stretch: &Stretch) -> ServerMessage {
    ServerMessage::Revision { doc: doc.clone(), item: RevisionItem::composed(stretch) }
}

fn ack(doc: DocumentId, revision: &Revision) -> ServerMessage {
    let seq = revision.origin.expect("only an edit with an origin is acknowledged").seq;
    ServerMessage::Ack { doc, seq, version: revision.version, chain: revision.chain, time: revision.time }
}

/// An item of `opened.revisions`.
pub(super) fn item(missed: &CatchUp) -> RevisionItem {
    match missed {
        CatchUp::One(revision) => RevisionItem::of(revision),
        CatchUp::Pending(revision) => RevisionItem::own(revision),
        CatchUp::Composed(stretch) => RevisionItem::composed(stretch),
    }
}

/// A change of presence as it is said.
pub(super) fn everyone(change: PresenceChange) -> PresenceView {
    let joined = change.joined.into_iter();
    PresenceView {
        count: change.count,
        joined: joined.map(|(session, user)| Present { session, user: UserView::of(&user) }).collect(),
        left: change.left,
        states: change.states.into_iter().map(state).collect(),
    }
}

fn state((session, version, state): (CompactString, Version, Option<hub::PresenceState>)) -> StateView {
    let state = state.map(|state| {
        let json = if state.moved { write_cursors(&state.opaque, &state.cursors) } else { state.opaque.to_string() };
        RawValue::from_string(json).expect("a state was JSON when it came")
    });
    StateView { session, version, state }
}

/// A failure as it is said: code, sentence, and after how many milliseconds to try again.
pub(super) type Failure = (Code, String, Option<u64>);

/// A document that could not be opened or read.
pub(super) fn failure(doc: &DocumentId, error: &OpenError) -> Failure {
    let (code, retry) = match error {
        OpenError::Unknown(_) | OpenError::Store(StoreError::Unknown(_)) => (Code::UnknownDocument, None),
        OpenError::Deleted => (Code::Deleted, None),
        OpenError::Refused(refusal) => (Code::from(refusal), None),
        OpenError::Full(_) => (Code::TooManyDocuments, Some(RETRY_MS)),
        OpenError::Draining => (Code::ShuttingDown, Some(RETRY_MS)),
        OpenError::Store(StoreError::Damaged { .. }) => (Code::DocumentDamaged, Some(RETRY_MS)),
        OpenError::Store(StoreError::HasBranches { .. }) => (Code::HasBranches, None),
        OpenError::Store(StoreError::Pruned { .. }) => (Code::VersionPruned, None),
        OpenError::Store(_) => (Code::StorageUnavailable, Some(RETRY_MS)),
        OpenError::Retired | OpenError::Failed => (Code::Internal, Some(RETRY_MS)),
    };
    let message = match error {
        // The store knows numbers; people know names.
        OpenError::Store(StoreError::Unknown(_)) => format!("there is no document \"{doc}\""),
        OpenError::Deleted => format!("document {doc} was deleted"),
        OpenError::Store(StoreError::Damaged { version, reason, .. }) => {
            format!("document {doc} is damaged at version {version}: {reason}")
        }
        error => error.to_string(),
    };
    (code, message, retry)
}
