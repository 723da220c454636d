//! One open document, as everyone who has it open shares it: the authority changes it, readers take from it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use parking_lot::Mutex;
use smallvec::SmallVec;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Duration, Instant};

use super::authority::{Input, Outcome, ReplyTo, Submission};
use super::branch::Bridges;
use super::follower::{Arrival, Follower, FollowerId};
use super::presence::Presence;
use super::{Hub, OpenError};
use crate::document::{Chain, ClientKey, Document, Edit, Identity, Place, Revision, Snapshot, Stretch, Taken, Version};
use crate::store::{BranchPoint, Found, Incarnation, Kept, StoreError};

/// Clients remembered for whoever asks, beyond those who have the document open.
const CLIENTS_ASKED_MAX: usize = 4096;

/// An open document.
pub struct Live {
    pub(super) hub: Arc<Hub>,
    pub(super) incarnation: Incarnation,
    begins: Option<BranchPoint>,
    identity: Identity,
    /// Which versions are kept.
    kept: Mutex<Arc<Kept>>,
    /// What is remembered of the merges of branches.
    pub(super) bridges: Mutex<HashMap<Incarnation, Bridges>>,
    /// Held for microseconds and never across an await: the authority changes the document in it, readers copy from it.
    pub(super) state: Mutex<State>,
    /// To the authority. Bounded: a session that meets a full inbox waits, and reads nothing meanwhile.
    pub(super) inbox: mpsc::Sender<Input>,
}

pub(super) struct State {
    /// Holds committed revisions only.
    pub(super) document: Document,
    /// In order of arrival.
    pub(super) followers: BTreeMap<FollowerId, Follower>,
    next_follower: u64,
    /// The followers of each client: one, and for a moment two when it reconnects.
    by_client: HashMap<ClientKey, SmallVec<[FollowerId; 1]>>,
    pub(super) presence: Presence,
    /// Whether the authority knows that presence has changed.
    pub(super) presence_told: bool,
    /// Set when the authority ended; nothing changes afterwards.
    pub(super) ended: Option<Ended>,
}

/// Why a document is no longer open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// Nobody had it open.
    Retired,
    /// The server is going away.
    Draining,
    /// It was deleted. Edits that were not answered are not taken.
    Deleted,
    /// The authority failed.
    Failed,
    /// The log cannot be read.
    Store(StoreError),
}

impl Live {
    pub(super) fn new(
        hub: Arc<Hub>,
        found: &Found,
        document: Document,
        kept: Kept,
        inbox: mpsc::Sender<Input>,
    ) -> Arc<Self> {
        let identity = document.identity().clone();
        let state = State {
            document,
            followers: BTreeMap::new(),
            next_follower: 0,
            by_client: HashMap::new(),
            presence: Presence::default(),
            presence_told: false,
            ended: None,
        };
        let Found { incarnation, begins, .. } = *found;
        let kept = Mutex::new(Arc::new(kept));
        let bridges = Mutex::default();
        Arc::new(Live { hub, incarnation, begins, identity, kept, bridges, state: Mutex::new(state), inbox })
    }

    /// Which versions are kept.
    pub fn kept(&self) -> Arc<Kept> {
        self.kept.lock().clone()
    }

    /// Notes which versions are kept from now on.
    pub(super) fn set_kept(&self, kept: Kept) {
        *self.kept.lock() = Arc::new(kept);
    }

    /// What never changes about the document.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Its number in the store: unlike its id, never given to another document.
    pub fn incarnation(&self) -> Incarnation {
        self.incarnation
    }

    /// Where it begins, if it is a branch.
    pub fn begins(&self) -> Option<BranchPoint> {
        self.begins
    }

    /// Content, chain and time at the head.
    pub fn now(&self) -> Snapshot {
        self.state.lock().document.now().clone()
    }

    /// The newest version.
    pub fn head(&self) -> Version {
        self.state.lock().document.head()
    }

    /// Whether it left memory, so that it must be opened anew.
    pub fn has_ended(&self) -> bool {
        self.state.lock().ended.is_some()
    }

    /// The last edit taken from a client, from memory or the log.
    pub async fn taken(&self, client: ClientKey) -> Result<Option<Taken>, StoreError> {
        if let Ok(taken) = self.state.lock().document.taken(client) {
            return Ok(taken);
        }
        let taken = self.hub.store.taken(self.incarnation, client).await?;
        let mut state = self.state.lock();
        // Strangers can ask about any number of clients; beyond a bound they are looked up each time.
        if state.document.clients_known() < CLIENTS_ASKED_MAX + state.followers.len() {
            state.document.learn(client, taken);
        }
        Ok(state.document.taken(client).unwrap_or(taken))
    }

    /// Asks for an edit that no follower waits for, and waits for what became of it.
    pub async fn submit(&self, mut edit: Edit) -> Outcome {
        let base = edit.base;
        match self.bring_forward(&mut edit, base).await {
            // Of what is no longer kept the authority decides: it may be a repeat.
            Ok(()) | Err(StoreError::Pruned { .. }) => {}
            Err(error) => return Outcome::Failed(error),
        }
        let (reply, outcome) = oneshot::channel();
        let submission = Submission::new(edit, ReplyTo::Waiter(reply));
        // A send to an authority that ended drops the reply, and that is the answer.
        let _ = self.inbox.send(Input::Edit(submission)).await;
        outcome.await.unwrap_or_else(|_| Outcome::Ended(self.state.lock().ended.clone().unwrap_or(Ended::Failed)))
    }

    /// Moves an edit from a base that is older than memory up to where memory begins.
    pub async fn bring_forward(&self, edit: &mut Edit, base: Version) -> Result<(), StoreError> {
        let start = self.state.lock().document.history().start();
        if base < start {
            let stretches = self.stretches(base, start).await?;
            edit.bring_forward(&stretches, &self.hub.settings.edit_limits);
        }
        Ok(())
    }

    /// Whether a place that a client names is one of this history, and why not.
    pub(super) async fn check(&self, place: &Place) -> Result<Result<(), Reset>, StoreError> {
        if place.epoch != Some(self.identity.epoch) {
            return Ok(Err(Reset::Epoch));
        }
        if place.version > self.head() {
            return Ok(Err(Reset::Ahead));
        }
        if place.version < self.kept().horizon() {
            return Ok(Err(Reset::Pruned));
        }
        let chain = match self.chain_at(place.version).await {
            Err(StoreError::Pruned { .. }) => return Ok(Err(Reset::Pruned)),
            chain => chain?,
        };
        Ok(if place.chain == Some(chain) { Ok(()) } else { Err(Reset::Chain) })
    }

    /// The chain of a version at or before the head.
    pub async fn chain_at(&self, version: Version) -> Result<Chain, StoreError> {
        if version == Version::ZERO {
            // A branch begins where the document without a parent does.
            let root = match self.begins {
                Some(_) => self.hub.store.snapshot_before(self.incarnation, version).await?,
                None => None,
            };
            return Ok(root.map_or_else(|| self.identity.key.genesis(self.identity.epoch), |root| root.chain));
        }
        let kept = self.kept();
        kept.check(self.incarnation, version)?;
        if let Some(chain) = kept.chain(version) {
            return Ok(chain);
        }
        match self.revision(version).await {
            // Pruned while the document was being opened.
            Err(pruned @ StoreError::Pruned { .. }) => {
                self.set_kept(self.hub.store.kept(self.incarnation).await?);
                self.kept().chain(version).ok_or(pruned)
            }
            revision => Ok(revision?.chain),
        }
    }

    /// The revision that leads to `version`, which is at or before the head and not 0.
    pub async fn revision(&self, version: Version) -> Result<Arc<Revision>, StoreError> {
        if let Some(revision) = self.state.lock().document.history().get(version) {
            return Ok(revision.clone());
        }
        let before = Version(version.0 - 1);
        let found = self.hub.store.revisions(self.incarnation, before, version).await?;
        Ok(found.into_iter().next().expect("a store answers a range of one with one revision"))
    }

    /// `(from, to]` as one, from memory and the store; `to` is at most the head. None if there is nothing between.
    pub async fn stretch(&self, from: Version, to: Version) -> Result<Option<Stretch>, StoreError> {
        Ok(Stretch::join_all(self.stretches(from, to).await?))
    }

    /// `(from, to]` in few consecutive stretches, from memory and the store; `to` is at most the head.
    pub(super) async fn stretches(&self, from: Version, to: Version) -> Result<Vec<Stretch>, StoreError> {
        self.kept().check(self.incarnation, from)?;
        let (middle, newer) = {
            let state = self.state.lock();
            let history = state.document.history();
            // What ends before the window of single revisions is read as a whole: `to` may lie within a block.
            if history.start() <= to {
                let middle = history.reached_from(from);
                (middle, history.pieces(middle, to))
            } else {
                (to, Vec::new())
            }
        };
        let mut stretches = Vec::new();
        if from < middle {
            stretches = match self.hub.store.stretches(self.incarnation, from, middle).await {
                // Of two versions that are kept, the one between them where memory begins need not be.
                Err(StoreError::Pruned { version, .. }) if version == middle && middle < to => {
                    return self.hub.store.stretches(self.incarnation, from, to).await;
                }
                older => older?,
            };
        }
        stretches.extend(newer.iter().map(|piece| piece.stretch()));
        Ok(stretches)
    }

    pub(super) fn arrive(
        &self,
        arrival: Arrival,
    ) -> Result<(FollowerId, parking_lot::MutexGuard<'_, State>), OpenError> {
        let mut state = self.state.lock();
        if let Some(ended) = &state.ended {
            return Err(ended.clone().into());
        }
        let id = state.next_follower;
        state.next_follower += 1;
        state.by_client.entry(arrival.client).or_default().push(id);
        state.presence.join(&arrival.author);
        state.followers.insert(id, Follower::new(arrival));
        self.tell_presence(&mut state);
        Ok((id, state))
    }

    pub(super) fn depart(&self, id: FollowerId) {
        let now = Instant::now();
        let mut state = self.state.lock();
        let Some(follower) = state.followers.remove(&id) else { return };
        if let Some(ids) = state.by_client.get_mut(&follower.client) {
            ids.retain(|other| *other != id);
            if ids.is_empty() {
                state.by_client.remove(&follower.client);
            }
        }
        if let Some(session) = &follower.author.session {
            state.presence.leave(session, now);
        }
        self.tell_presence(&mut state);
    }

    /// Lets the authority know, once, that there is presence to announce.
    pub(super) fn tell_presence(&self, state: &mut State) {
        if !state.presence_told {
            // A full inbox means that the authority is about to look anyway; it looks after every batch.
            state.presence_told = self.inbox.try_send(Input::Presence).is_ok();
        }
    }

    /// Takes the document away: every edit that was not answered before is not taken. None if it left memory before.
    pub(super) async fn delete(&self) -> Option<Result<(), StoreError>> {
        let (answer, deleted) = oneshot::channel();
        // A send to an authority that ended drops the answer.
        let _ = self.inbox.send(Input::Delete(answer)).await;
        deleted.await.ok()
    }

    /// Asks the authority to finish what it was given and end.
    pub(super) fn stop(self: &Arc<Self>) {
        let live = self.clone();
        // The task ends when the authority has room in its inbox or has ended.
        tokio::spawn(async move { live.inbox.send(Input::Stop).await });
    }
}

impl State {
    /// Moves everyone's presence to the head.
    pub(super) fn forward_presence(&mut self) {
        let history = self.document.history();
        self.presence.forward(|from| history.stretch(from.clamp(history.start(), history.head()), history.head()));
    }

    /// Hands a committed revision to the followers of its own client.
    pub(super) fn deliver_own(&mut self, revision: &Arc<Revision>) {
        let Some(origin) = revision.origin else { return };
        let Some(ids) = self.by_client.get(&origin.client) else { return };
        for id in ids {
            if let Some(follower) = self.followers.get_mut(id) {
                follower.own.push_back(revision.clone());
            }
        }
    }

    /// Until when edits are likely to come of those who have none under way, if any are.
    pub(super) fn awaits(&self, now: Instant, window: Duration) -> Option<Instant> {
        let awaited = self.followers.values().filter_map(|follower| follower.awaited_until(window));
        awaited.filter(|until| *until > now).max()
    }

    /// Forgets what was taken from clients who no longer have the document open.
    pub(super) fn forget_clients(&mut self) {
        let State { document, by_client, .. } = self;
        document.forget_clients(|client| by_client.contains_key(client));
    }
}

/// Why a client's place cannot be continued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reset {
    /// Another incarnation of the document.
    Epoch,
    /// A version that does not exist.
    Ahead,
    /// A version whose history is no longer kept.
    Pruned,
    /// Another history up to the version.
    Chain,
}

impl From<Ended> for OpenError {
    fn from(ended: Ended) -> Self {
        match ended {
            Ended::Store(error) => OpenError::Store(error),
            Ended::Draining => OpenError::Draining,
            Ended::Deleted => OpenError::Deleted,
            Ended::Retired => OpenError::Retired,
            Ended::Failed => OpenError::Failed,
        }
    }
}
