//! One client id, one connection: a newer one ends the older.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use compact_str::CompactString;
use parking_lot::Mutex;

use super::Server;
use crate::document::ClientKey;
use crate::hub::{Signal, Token};

/// The token under which a session's bell rings for itself rather than for a document.
pub(super) const SELF: Token = Token::MAX;

/// The connected clients.
#[derive(Default)]
pub(super) struct Clients {
    /// In order, so that all are told in the same order in the same run.
    connected: Mutex<BTreeMap<ClientKey, (CompactString, Arc<Standing>)>>,
}

/// A connected client's standing: shared between its session and whoever ends it.
#[derive(Default)]
pub(super) struct Standing {
    /// The session's bell.
    pub(super) signal: Arc<Signal>,
    superseded: AtomicBool,
}

impl Standing {
    /// Whether a newer connection of the same client took over. Nothing unread is taken afterwards.
    pub(super) fn is_superseded(&self) -> bool {
        self.superseded.load(Ordering::Acquire)
    }
}

/// A connected client's place among them. Dropping it leaves, also when its session ends in a panic.
pub(super) struct Entered {
    server: Arc<Server>,
    pub(super) client: ClientKey,
    pub(super) standing: Arc<Standing>,
}

impl Entered {
    pub(super) fn new(server: Arc<Server>, client: ClientKey, standing: Arc<Standing>) -> Self {
        Entered { server, client, standing }
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.server.clients.leave(self.client, &self.standing);
    }
}

/// Another user's client is connected under this id.
pub(super) struct Taken;

impl Clients {
    /// Enters a client; an older connection of it is told to end.
    pub(super) fn enter(
        self: &Clients,
        client: ClientKey,
        user: &CompactString,
        standing: &Arc<Standing>,
    ) -> Result<(), Taken> {
        let mut connected = self.connected.lock();
        if let Some((other, older)) = connected.get(&client) {
            if other != user {
                return Err(Taken);
            }
            older.superseded.store(true, Ordering::Release);
            older.signal.ring(SELF);
        }
        connected.insert(client, (user.clone(), standing.clone()));
        Ok(())
    }

    /// Takes a client out, unless a newer connection stands in its place.
    fn leave(&self, client: ClientKey, standing: &Arc<Standing>) {
        let mut connected = self.connected.lock();
        if connected.get(&client).is_some_and(|(_, there)| Arc::ptr_eq(there, standing)) {
            connected.remove(&client);
        }
    }

    /// How many are connected.
    pub(super) fn count(&self) -> usize {
        self.connected.lock().len()
    }

    /// Rings every session's own bell: the server's phase has changed.
    pub(super) fn ring_all(&self) {
        self.connected.lock().values().for_each(|(_, standing)| standing.signal.ring(SELF));
    }
}
