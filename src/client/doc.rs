//! A document of a client, as an application uses it.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::core::{Handle, Sheet};
use super::event::{Closed, Event};
use super::machine::{EditError, Kept, Machine};
use crate::document::{DocumentId, Version};
use crate::ot::{Content, LengthMismatch, TextOp};
use crate::protocol::Create;

/// An open document. Edits show at once and reach the server as soon as may be; others' edits show as they come. Dropping it
/// closes the document.
pub struct Doc {
    client: Arc<Handle>,
    sheet: Arc<Sheet>,
}

/// Why what was typed is not known to be durable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotFlushed {
    /// It was handed back to the application: [`Event::Reset`] says why.
    #[error("the server did not take the edit, and the text was taken anew")]
    HandedBack,
    /// The document is no longer open.
    #[error("the document is closed: {0}")]
    Closed(Closed),
}

impl Doc {
    pub(super) async fn open(client: Arc<Handle>, id: DocumentId, create: Option<Create>) -> Result<Self, Closed> {
        let sheet = client.0.enter(id.clone(), Machine::new(id, create))?;
        // Made before the wait: whoever gives up waiting drops it, and so closes the document.
        let doc = Doc { client, sheet };
        let opened = doc.sheet.until(|machine| match machine.ended() {
            Some(closed) => Some(Err(closed.clone())),
            None => machine.is_open().then_some(Ok(())),
        });
        opened.await?;
        Ok(doc)
    }

    pub(super) fn resume(client: Arc<Handle>, id: DocumentId, kept: Kept) -> Result<Self, Closed> {
        let machine = Machine::resume(id.clone(), kept).map_err(|mismatch| {
            Closed::new(None, format!("what was kept of document {id} does not fit together: {mismatch}"))
        })?;
        let sheet = client.0.enter(id, machine)?;
        Ok(Doc { client, sheet })
    }

    /// What to keep of it over a restart of the program; [`Client::resume`](super::Client::resume) goes on with it.
    pub fn keep(&self) -> Option<Kept> {
        self.look(Machine::keep)
    }

    /// The document's name.
    pub fn id(&self) -> &DocumentId {
        &self.sheet.id
    }

    /// The text on the screen. It shares its memory with the document's.
    pub fn text(&self) -> Content {
        self.look(|machine| machine.text().clone())
    }

    /// The newest version that came from the server.
    pub fn version(&self) -> Version {
        self.look(Machine::version)
    }

    /// Looks at the document; nothing changes meanwhile.
    pub fn look<T>(&self, look: impl FnOnce(&Machine) -> T) -> T {
        look(&self.sheet.state.lock().machine)
    }

    /// Changes the text on the screen by an op made from what is there; nothing changes in between. None makes no change.
    pub fn edit(&self, make: impl FnOnce(&Machine) -> Option<TextOp>) -> Result<(), EditError> {
        let mut state = self.sheet.state.lock();
        let Some(op) = make(&state.machine) else { return Ok(()) };
        let step = state.machine.edit(&op)?;
        // An edit is never asked to be tried again before it was answered.
        let _ = self.client.0.perform(&mut state, step);
        Ok(())
    }

    /// Inserts text at a position in scalar values.
    pub fn insert(&self, position: u64, text: &str) -> Result<(), EditError> {
        self.replace(position, 0, text)
    }

    /// Deletes `len` scalar values at a position.
    pub fn delete(&self, position: u64, len: u64) -> Result<(), EditError> {
        self.replace(position, len, "")
    }

    /// Replaces `len` scalar values at a position.
    pub fn replace(&self, position: u64, len: u64, text: &str) -> Result<(), EditError> {
        let mut state = self.sheet.state.lock();
        let found = state.machine.text().len();
        let op = TextOp::splice(found, position, len, text)
            .ok_or(LengthMismatch { op: position.saturating_add(len), found })?;
        let step = state.machine.edit(&op)?;
        let _ = self.client.0.perform(&mut state, step);
        Ok(())
    }

    /// Waits until everything typed so far is durable on the server.
    pub async fn flushed(&self) -> Result<(), NotFlushed> {
        let (seq, handed_back) = self.look(|machine| (machine.newest_seq(), machine.handed_back()));
        let flushed = self.sheet.until(|machine| {
            if let Some(closed) = machine.ended() {
                return Some(Err(NotFlushed::Closed(closed.clone())));
            }
            if machine.handed_back() != handed_back {
                return Some(Err(NotFlushed::HandedBack));
            }
            machine.is_settled(seq).then_some(Ok(()))
        });
        flushed.await
    }

    /// Waits until the document has reached a version.
    pub async fn reached(&self, version: Version) -> Result<(), Closed> {
        let reached = self.sheet.until(|machine| match machine.ended() {
            Some(closed) => Some(Err(closed.clone())),
            None => (machine.version() >= version).then_some(Ok(())),
        });
        reached.await
    }

    /// Asks the server whether the text is right, if nothing is unsettled. If it is not, the text is taken anew.
    pub fn check(&self) {
        self.client.0.change(&self.sheet, |machine| machine.check());
    }

    /// The text on the screen, and all that happens to it from now on other than by [`Doc::edit`]. Events wait for their
    /// listener without bound: one that no longer listens drops the receiver.
    pub fn events(&self) -> (Content, mpsc::UnboundedReceiver<Event>) {
        let (listener, events) = mpsc::unbounded_channel();
        let mut state = self.sheet.state.lock();
        state.listeners.push(listener);
        (state.machine.text().clone(), events)
    }
}

impl Drop for Doc {
    fn drop(&mut self) {
        self.client.0.leave(&self.sheet);
    }
}
