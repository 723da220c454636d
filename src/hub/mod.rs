//! Open documents: who holds which, opened on demand, retired when idle, drained on shutdown. Knows no JSON and no socket.

mod authority;
mod branch;
mod follow;
mod follower;
mod live;
mod located;
mod past;
mod presence;
mod prune;
mod restore;
mod signal;
mod world;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Notify, OnceCell, Semaphore};

pub use authority::Outcome;
pub use branch::{Branched, Merged, NotMerged};
pub use follow::{Body, CatchUp, Delivery, Follow, Following, Reply, taken_as};
pub use live::{Ended, Live, Reset};
pub use located::Located;
pub use past::{SearchError, beside};
pub use presence::{PresenceChange, PresenceState};
pub use restore::{Restore, Unplanned};
pub use signal::{Signal, Token};
pub use world::{System, World};

use crate::document::{
    Author, ChainKey, Decision, Document, DocumentId, Edit, EditLimits, Epoch, Identity, Kind, Refusal, Revision,
    Snapshot, Version,
};
use crate::limits::named;
use crate::metrics::Metrics;
use crate::ot::TextOpBuilder;
use crate::store::{Created, Found, SnapshotPace, Store, StoreError};

/// Searches of histories at once: each keeps a core busy for up to seconds.
const SEARCHES: usize = 2;

/// How the hub behaves; see `limits.rs` for the reasons of the bounds.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What one edit may bring.
    pub edit_limits: EditLimits,
    /// How long a document stays in memory that nobody has open.
    pub idle_timeout: Duration,
    /// Most documents in memory.
    pub open_documents: usize,
    /// Where edits and deliveries are counted.
    pub metrics: Metrics,
}

/// All open documents of this process.
pub struct Hub {
    store: Arc<dyn Store>,
    world: Arc<dyn World>,
    settings: Settings,
    /// Who may search a history now.
    searches: Semaphore,
    /// Documents in memory or on their way there. An entry is taken out when its document retires.
    entries: Mutex<HashMap<DocumentId, Arc<Entry>>>,
    /// No document is opened any more.
    draining: AtomicBool,
    /// Authorities that have not ended yet, and a call when one ends.
    running: AtomicU64,
    ended: Notify,
}

/// A document's place in the hub: filled by whoever asks first, shared by all who ask meanwhile.
#[derive(Default)]
struct Entry {
    live: OnceCell<Arc<Live>>,
    /// Who is asking for it now. Changed under the lock of the map only.
    claims: AtomicUsize,
}

/// Someone's interest in an entry, for as long as they ask.
struct Claim<'a> {
    hub: &'a Hub,
    id: &'a DocumentId,
    entry: Arc<Entry>,
}

impl Drop for Claim<'_> {
    /// Takes out an entry that holds nothing of use. An empty one stays while others ask for it: one of them would fill it
    /// unseen, and whoever came next would open the document a second time, apart from them.
    fn drop(&mut self) {
        let mut entries = self.hub.entries.lock();
        let last = self.entry.claims.fetch_sub(1, Ordering::Relaxed) == 1;
        let same = entries.get(self.id).is_some_and(|there| Arc::ptr_eq(there, &self.entry));
        if same && self.entry.live.get().map_or(last, |live| live.has_ended()) {
            entries.remove(self.id);
        }
    }
}

/// How to make a document that is not there.
#[derive(Debug, Clone)]
pub struct Creation {
    /// Its kind.
    pub kind: Kind,
    /// What it begins with: revision 1, unless empty.
    pub content: String,
    /// Who makes it.
    pub author: Arc<Author>,
}

/// Why a document could not be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// There is none of this name.
    #[error("there is no document {0:?}")]
    Unknown(String),
    /// What it was to begin with was refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// It could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// As many are in memory as may be.
    #[error("{0} documents are open, as many as may be; one that nobody has open leaves after a while")]
    Full(usize),
    /// The server is going away.
    #[error("the server is shutting down")]
    Draining,
    /// It left memory a moment ago; asking again opens it anew.
    #[error("the document was retired a moment ago")]
    Retired,
    /// It was deleted a moment ago.
    #[error("the document was deleted")]
    Deleted,
    /// Its authority failed; asking again opens it anew.
    #[error("the document's authority failed")]
    Failed,
}

impl Hub {
    /// A hub over a store.
    pub fn new(store: Arc<dyn Store>, world: Arc<dyn World>, settings: Settings) -> Arc<Self> {
        Arc::new(Hub {
            store,
            world,
            settings,
            searches: Semaphore::new(SEARCHES),
            entries: Mutex::default(),
            draining: AtomicBool::new(false),
            running: AtomicU64::new(0),
            ended: Notify::new(),
        })
    }

    /// The store beneath.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// Clock and randomness.
    pub fn world(&self) -> &Arc<dyn World> {
        &self.world
    }

    /// Where the hub and its documents count.
    pub fn metrics(&self) -> &Metrics {
        &self.settings.metrics
    }

    /// How many documents are in memory.
    pub fn open_documents(&self) -> usize {
        self.entries.lock().len()
    }

    /// The document of this name, read into memory if it is not there; made if `creation` says how. Answers whether it was
    /// made by this call.
    pub async fn open(
        self: &Arc<Self>,
        id: &DocumentId,
        creation: Option<&Creation>,
    ) -> Result<(Arc<Live>, bool), OpenError> {
        loop {
            if self.draining.load(Ordering::Acquire) {
                return Err(OpenError::Draining);
            }
            let claim = self.claim(id)?;
            let mut made = false;
            let live = claim.entry.live.get_or_try_init(|| self.load(id, creation, &mut made)).await?;
            // One that retired meanwhile leaves its entry with the claim; the next round makes a new one.
            if !live.has_ended() {
                return Ok((live.clone(), made));
            }
        }
    }

    /// Takes a document away: durable when it returns. Whoever has it open learns it.
    pub async fn delete(self: &Arc<Self>, id: &DocumentId) -> Result<(), OpenError> {
        loop {
            // Through its authority, so that nothing is granted beside the deletion.
            let live = match self.open(id, None).await {
                Ok((live, _)) => live,
                // What cannot be read nobody has open. A branch may be unreadable by its parent's damage: what goes is
                // what the name stands for.
                Err(OpenError::Store(damage @ StoreError::Damaged { .. })) => {
                    let named = match self.store.find(id).await {
                        Ok(Some(found)) => found.incarnation,
                        Err(StoreError::Damaged { document, .. }) => document,
                        _ => return Err(damage.into()),
                    };
                    return match self.store.remove(named).await {
                        Err(StoreError::Unknown(_)) => Err(damage.into()),
                        removed => Ok(removed?),
                    };
                }
                Err(error) => return Err(error),
            };
            if let Some(deleted) = live.delete().await {
                return Ok(deleted?);
            }
        }
    }

    fn claim<'a>(&'a self, id: &'a DocumentId) -> Result<Claim<'a>, OpenError> {
        let mut entries = self.entries.lock();
        let most = self.settings.open_documents;
        if entries.len() >= most && !entries.contains_key(id) {
            self.settings.metrics.limit_hit(named::open_documents);
            return Err(OpenError::Full(most));
        }
        let entry = entries.entry(id.clone()).or_default().clone();
        entry.claims.fetch_add(1, Ordering::Relaxed);
        Ok(Claim { hub: self, id, entry })
    }

    async fn load(
        self: &Arc<Self>,
        id: &DocumentId,
        creation: Option<&Creation>,
        made: &mut bool,
    ) -> Result<Arc<Live>, OpenError> {
        let found = match (self.store.find(id).await?, creation) {
            (Some(found), _) => found,
            (None, None) => return Err(OpenError::Unknown(id.to_string())),
            (None, Some(creation)) => self.create(id, creation, made).await?,
        };
        let tail = self.store.tail(found.incarnation).await?;
        let snapshot = tail.snapshot.unwrap_or_else(|| Snapshot::genesis(&found.identity));
        let mut document = Document::new(found.identity.clone(), snapshot);
        let (mut unkept, mut snapshots) = (Vec::new(), SnapshotPace::default());
        for revision in tail.revisions {
            // Its checksum holds and it makes no sense here: written by a fault. Advancing over it would end this task.
            if let Some(reason) = document.misfit(&revision) {
                let (document, version) = (found.incarnation, document.head().next());
                return Err(StoreError::Damaged { document, version, reason }.into());
            }
            let due = snapshots.is_due_after(&revision);
            document.advance(revision);
            if due {
                unkept.push(document.now().clone());
            }
        }
        // What a client sent to the parent says nothing about what it sends here: another epoch.
        if let Some(begins) = &found.begins {
            document.forget_taken_to(begins.version);
        }
        Ok(authority::start(self.clone(), &found, document, tail.kept, (snapshots, unkept)))
    }

    async fn create(&self, id: &DocumentId, creation: &Creation, made: &mut bool) -> Result<Found, OpenError> {
        let mut epoch = [0; 16];
        let mut key = [0; 16];
        self.world.random(&mut epoch);
        self.world.random(&mut key);
        let identity = Identity {
            id: id.clone(),
            kind: creation.kind,
            epoch: Epoch(epoch),
            key: ChainKey(key),
            created: self.world.now(),
        };
        let first = self.first_revision(&identity, creation)?;
        match self.store.create(identity.clone(), first.map(Arc::new)).await? {
            Created::New(incarnation) => {
                *made = true;
                Ok(Found { incarnation, identity, begins: None })
            }
            Created::Existing(found) => Ok(found),
        }
    }

    /// The revision that gives a new document its content, decided like any other edit.
    fn first_revision(&self, identity: &Identity, creation: &Creation) -> Result<Option<Revision>, Refusal> {
        if creation.content.is_empty() {
            return Ok(None);
        }
        let mut op = TextOpBuilder::default();
        op.insert(&creation.content);
        let edit = Edit {
            base: Version::ZERO,
            origin: None,
            author: creation.author.clone(),
            may_write: true,
            op: Ok(op.finish().into()),
        };
        let document = Document::new(identity.clone(), Snapshot::genesis(identity));
        // A creation is bounded as a document is, not as one keystroke's op is.
        let limits = EditLimits { op_bytes: usize::MAX, ..self.settings.edit_limits };
        match document.rebase(&[], &edit, identity.created, &limits) {
            Ok(Decision::Granted(revision)) => Ok(Some(revision)),
            Ok(Decision::Refused(refusal)) => Err(refusal),
            Ok(Decision::Repeated(_)) | Err(_) => unreachable!("a new document has no history and no clients"),
        }
    }

    /// Refuses new openings, lets every authority finish what it was given, and returns when all have ended.
    pub async fn drain(&self) {
        self.draining.store(true, Ordering::Release);
        let mut open: Vec<_> = self.entries.lock().values().filter_map(|entry| entry.live.get().cloned()).collect();
        // In order, so that they stop in the same order in the same run.
        open.sort_by(|one, other| one.identity().id.cmp(&other.identity().id));
        open.iter().for_each(|live| live.stop());
        loop {
            let mut ended = std::pin::pin!(self.ended.notified());
            // Listening begins before the count is read, so an end in between is not missed.
            ended.as_mut().enable();
            if self.running.load(Ordering::Acquire) == 0 {
                return;
            }
            ended.await;
        }
    }
}
