//! What a client's connection and its documents share.
//!
//! Locks are taken in this order and never held across an await: `documents`, then a sheet's `state`, then `outgoing`. A
//! message is queued under the lock of the state that produced it, and the queue is emptied after every document has
//! learnt of a lost connection: so no message of one connection is ever sent on the next.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc};
use tokio_tungstenite::tungstenite::Utf8Bytes;

use super::event::{Closed, Event};
use super::machine::{Machine, Step};
use crate::document::DocumentId;
use crate::protocol::{ClientMessage, Code, ServerMessage};

/// Shared by the connection's task and every handle.
#[derive(Default)]
pub(super) struct Core {
    documents: Mutex<Documents>,
    /// Frames to be sent, in order. Short: a document has one edit in flight.
    outgoing: Mutex<Vec<Utf8Bytes>>,
    /// Wakes the connection: there is something to send, or a wish.
    pub(super) wake: Notify,
    /// Called when the connection's task has ended.
    ended: Notify,
}

#[derive(Default)]
struct Documents {
    /// In order, so that the same run says the same messages in the same order.
    by_id: BTreeMap<DocumentId, Arc<Sheet>>,
    /// How many times `close` was said of a document on this connection and not answered: until then, what comes is for
    /// whoever had it open before.
    leaving: BTreeMap<DocumentId, u32>,
    /// Whether there is a connection on which `hello` was said.
    online: bool,
    wish: Option<Wish>,
    /// Why the client is no longer served, if it is not.
    ended: Option<Closed>,
}

/// What the application asks of the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    /// Cut it and make it anew.
    Reconnect,
    /// End it.
    Leave,
}

/// A document of this client.
pub(super) struct Sheet {
    pub(super) id: DocumentId,
    pub(super) state: Mutex<State>,
    /// Called after every change of the state that the server caused.
    changed: Notify,
}

/// A document's machine, and who listens to it.
pub(super) struct State {
    pub(super) machine: Machine,
    pub(super) listeners: Vec<mpsc::UnboundedSender<Event>>,
}

/// Keeps the connection: it ends when the last handle is gone.
pub(super) struct Handle(pub(super) Arc<Core>);

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.ask_leave();
    }
}

impl Core {
    /// Enters a document and opens it if there is a connection.
    pub(super) fn enter(&self, id: DocumentId, machine: Machine) -> Result<Arc<Sheet>, Closed> {
        let mut documents = self.documents.lock();
        if let Some(closed) = &documents.ended {
            return Err(closed.clone());
        }
        if documents.by_id.contains_key(&id) {
            return Err(Closed::new(None, format!("document {id} is already open on this client")));
        }
        let state = State { machine, listeners: Vec::new() };
        let sheet = Arc::new(Sheet { id: id.clone(), state: Mutex::new(state), changed: Notify::new() });
        if documents.online {
            self.change(&sheet, Machine::connected);
        }
        documents.by_id.insert(id, sheet.clone());
        Ok(sheet)
    }

    /// Takes a document out and closes it.
    pub(super) fn leave(&self, sheet: &Arc<Sheet>) {
        let mut documents = self.documents.lock();
        if documents.by_id.get(&sheet.id).is_some_and(|there| Arc::ptr_eq(there, sheet)) {
            documents.by_id.remove(&sheet.id);
            if documents.online {
                self.say(&ClientMessage::Close { doc: sheet.id.clone() });
                *documents.leaving.entry(sheet.id.clone()).or_default() += 1;
            }
        }
    }

    /// Whom a message about a document is for; nobody, if they have left.
    pub(super) fn addressee(&self, id: &DocumentId, message: &ServerMessage) -> Option<Arc<Sheet>> {
        let mut documents = self.documents.lock();
        let Some(left) = documents.leaving.get_mut(id) else { return documents.by_id.get(id).cloned() };
        let answers_close = match message {
            ServerMessage::Closed { code, .. } => *code == Code::Closed,
            // It was no longer open.
            ServerMessage::Error { reply_to, .. } => reply_to.as_deref() == Some("close"),
            _ => false,
        };
        *left -= u32::from(answers_close);
        if *left == 0 {
            documents.leaving.remove(id);
        }
        None
    }

    /// There is a connection: says `hello` on it, and opens every document.
    pub(super) fn online(&self, hello: &ClientMessage) {
        let mut documents = self.documents.lock();
        documents.online = true;
        self.say(hello);
        for sheet in documents.by_id.values() {
            self.change(sheet, Machine::connected);
        }
    }

    /// The connection is gone.
    pub(super) fn offline(&self) {
        let mut documents = self.documents.lock();
        documents.online = false;
        documents.leaving.clear();
        for sheet in documents.by_id.values() {
            self.change(sheet, Machine::disconnected);
        }
        self.outgoing.lock().clear();
    }

    /// The client is no longer served: every document ends.
    pub(super) fn end(&self, closed: Closed) {
        let mut documents = self.documents.lock();
        documents.online = false;
        for sheet in std::mem::take(&mut documents.by_id).into_values() {
            self.change(&sheet, |machine| machine.end(closed.clone()));
        }
        self.outgoing.lock().clear();
        documents.ended = Some(closed);
        self.ended.notify_waiters();
    }

    /// Gives a document's machine an input and does what it asks for. Answers after how many milliseconds it wants to try
    /// again, if it does.
    pub(super) fn change(&self, sheet: &Sheet, input: impl FnOnce(&mut Machine) -> Step) -> Option<u64> {
        let mut state = sheet.state.lock();
        let step = input(&mut state.machine);
        let retry_ms = self.perform(&mut state, step);
        drop(state);
        sheet.changed.notify_waiters();
        retry_ms
    }

    /// Does what a step asks for.
    pub(super) fn perform(&self, state: &mut State, step: Step) -> Option<u64> {
        if let Some(message) = step.send {
            self.say(&message);
        }
        if !state.listeners.is_empty() {
            for event in step.events {
                state.listeners.retain(|listener| listener.send(event.clone()).is_ok());
            }
        }
        step.retry_ms
    }

    fn say(&self, message: &ClientMessage) {
        let json = serde_json::to_string(message).expect("every message of ours is JSON");
        self.outgoing.lock().push(json.into());
        self.wake.notify_one();
    }

    /// Takes what is to be sent.
    pub(super) fn outgoing(&self) -> Vec<Utf8Bytes> {
        std::mem::take(&mut *self.outgoing.lock())
    }

    /// What the application wishes. A wish to connect anew is granted once.
    pub(super) fn wish(&self) -> Option<Wish> {
        let mut documents = self.documents.lock();
        documents.wish.take_if(|wish| *wish == Wish::Reconnect).or(documents.wish)
    }

    pub(super) fn ask_reconnect(&self) {
        self.documents.lock().wish.get_or_insert(Wish::Reconnect);
        self.wake.notify_one();
    }

    pub(super) fn ask_leave(&self) {
        self.documents.lock().wish = Some(Wish::Leave);
        self.wake.notify_one();
    }

    /// Waits until the connection's task has ended.
    pub(super) async fn left(&self) {
        let mut ended = std::pin::pin!(self.ended.notified());
        // Listening begins before looking, so an end in between is not missed.
        ended.as_mut().enable();
        if self.documents.lock().ended.is_none() {
            ended.await;
        }
    }
}

impl Sheet {
    /// Waits until `look` finds what it looks for; it looks again after every change that the server causes.
    pub(super) async fn until<T>(&self, mut look: impl FnMut(&Machine) -> Option<T>) -> T {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            // Listening begins before looking, so a change in between is not missed.
            changed.as_mut().enable();
            if let Some(found) = look(&self.state.lock().machine) {
                return found;
            }
            changed.await;
        }
    }
}
