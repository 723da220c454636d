//! A reader's place in an open document's log: what it takes from there, and what it asks for.

use std::sync::Arc;

use super::OpenError;
use super::authority::{Input, ReplyTo, Submission};
use super::follower::{Arrival, FollowerId};
use super::live::{Ended, Live, Reset, State};
use super::presence::{PresenceChange, PresenceState, Stamp};
use super::signal::{Signal, Token};
use crate::document::{
    Author, Chain, ClientKey, Edit, Piece, Place, Refusal, Revision, Seq, Snapshot, Stretch, Taken, Version,
};
use crate::store::{Pending, StoreError};
use tokio::sync::mpsc::error::TrySendError;

/// A reader who is at most this many revisions behind gets each by itself, with its author; one further behind gets one
/// composed revision.
const SINGLES_MAX: u64 = 16;

/// What they may weigh together in one answer, in bytes; heavier ones are composed too.
const SINGLES_WEIGHT: usize = 4 << 20;

/// A place in a document's log. Dropping it leaves the document.
pub struct Follow {
    live: Arc<Live>,
    id: FollowerId,
    /// Everything up to here was taken.
    place: Version,
    presence_place: Stamp,
}

/// Something for a reader.
#[derive(Debug, Clone)]
pub enum Delivery {
    /// Someone else's revision.
    Revision(Arc<Revision>),
    /// This client's own revision: its ack.
    Own(Arc<Revision>),
    /// Others' revisions `(from, to]`, to be composed from these pieces.
    Stretch {
        /// The version before.
        from: Version,
        /// The version after.
        to: Version,
        /// What leads from one to the other.
        pieces: Vec<Piece>,
    },
    /// Others' revisions `(from, to]`, which are no longer in memory: read them with [`Follow::read`]. Nothing more can be
    /// taken before.
    Old {
        /// The version before.
        from: Version,
        /// The version after.
        to: Version,
    },
    /// An answer to an edit that is no new revision.
    Reply(Reply),
    /// People came, went or moved.
    Presence {
        /// The place before: with `to` it names the change.
        from: Stamp,
        /// The place after.
        to: Stamp,
        /// The change.
        change: PresenceChange,
    },
    /// The document is no longer open.
    Ended(Ended),
}

/// An answer to an edit that is no new revision.
#[derive(Debug, Clone)]
pub enum Reply {
    /// It was taken before.
    Repeated(Arc<Revision>),
    /// It is not taken, finally.
    Refused(Option<Seq>, Refusal),
    /// It is not known whether it is taken.
    Failed(Option<Seq>, StoreError),
}

/// The beginning of following: where the reader is after it has taken `body`.
pub struct Following {
    /// The place.
    pub follow: Follow,
    /// The version that `body` leads to.
    pub version: Version,
    /// The chain of that version.
    pub chain: Chain,
    /// This client's last revision.
    pub taken: Option<Taken>,
    /// Everyone who is here.
    pub presence: PresenceChange,
    /// How to get to `version`.
    pub body: Body,
}

/// How a reader gets to the version it begins to follow at.
pub enum Body {
    /// With the whole content; why, if it named a place that cannot be continued.
    Content(Snapshot, Option<Reset>),
    /// From the place it named.
    Revisions(Vec<CatchUp>),
}

/// A piece of what a reader missed.
#[derive(Debug, Clone)]
pub enum CatchUp {
    /// One revision.
    One(Arc<Revision>),
    /// The edit whose fate the client asked about.
    Pending(Arc<Revision>),
    /// Several revisions, composed.
    Composed(Stretch),
}

impl Live {
    /// Begins to follow: from `place` if it is one of this history, else with the content. `pending` is the seq of the edit
    /// whose fate the client does not know; its revision, if it became one, comes by itself.
    pub async fn follow(
        self: &Arc<Self>,
        author: Arc<Author>,
        client: ClientKey,
        bell: (Arc<Signal>, Token),
        place: Option<Place>,
        pending: Option<Seq>,
    ) -> Result<Following, OpenError> {
        let checked = match &place {
            None => Ok(None),
            Some(place) => self.check(place).await?.map(|()| Some(place.version)),
        };
        // Looked up before arriving, so that it is in memory: from then on it is exact under the lock.
        let looked_up = self.taken(client).await?;
        let arrival = Arrival { client, author, signal: bell.0, token: bell.1 };
        let (id, now, taken, everyone, presence_place) = {
            let (id, mut state) = self.arrive(arrival)?;
            state.forward_presence();
            let State { document, presence, .. } = &mut *state;
            let taken = document.taken(client).unwrap_or(looked_up);
            (id, document.now().clone(), taken, presence.everyone(), presence.last())
        };
        // From here on the reader misses nothing: what is committed now lies after its place.
        let follow = Follow { live: self.clone(), id, place: now.version, presence_place };
        let (version, chain) = (now.version, now.chain);
        let body = match checked {
            Ok(Some(from)) => match self.catch_up(from, version, taken_as(taken, pending), SINGLES_MAX).await {
                // The horizon passed it since it was checked.
                Err(StoreError::Pruned { .. }) => Body::Content(now, Some(Reset::Pruned)),
                missed => Body::Revisions(missed?),
            },
            Ok(None) => Body::Content(now, None),
            Err(reset) => Body::Content(now, Some(reset)),
        };
        Ok(Following { follow, version, chain, taken, presence: everyone, body })
    }

    /// `(from, to]` for a client that comes back: singles where it missed at most `singles_max` of no great weight, else
    /// composed, and apart around `pending`, the revision that the edit whose fate it asks about became.
    pub async fn catch_up(
        &self,
        from: Version,
        to: Version,
        pending: Option<Version>,
        singles_max: u64,
    ) -> Result<Vec<CatchUp>, StoreError> {
        let Some(pending) = pending.filter(|pending| from < *pending && *pending <= to) else {
            return self.missed(from, to, singles_max).await;
        };
        let mut pieces = self.missed(from, Version(pending.0 - 1), singles_max).await?;
        pieces.push(CatchUp::Pending(self.revision(pending).await?));
        pieces.extend(self.missed(pending, to, singles_max).await?);
        Ok(pieces)
    }

    async fn missed(&self, from: Version, to: Version, singles_max: u64) -> Result<Vec<CatchUp>, StoreError> {
        if to.since(from) <= singles_max {
            let singles = self.some_revisions(from, to, SINGLES_WEIGHT).await?;
            if singles.len() as u64 == to.since(from) {
                return Ok(singles.into_iter().map(CatchUp::One).collect());
            }
        }
        Ok(self.stretch(from, to).await?.into_iter().map(CatchUp::Composed).collect())
    }
}

/// The revision that the edit with this seq became, if it was the last taken from its client.
pub fn taken_as(taken: Option<Taken>, seq: Option<Seq>) -> Option<Version> {
    taken.filter(|taken| Some(taken.seq) == seq).map(|taken| taken.version)
}

impl Follow {
    /// The document.
    pub fn live(&self) -> &Arc<Live> {
        &self.live
    }

    /// Everything up to here was taken.
    pub fn place(&self) -> Version {
        self.place
    }

    /// Takes what is next, in order, until there is nothing more or about `most` deliveries were taken. Answers whether
    /// there is more. The bell rings again only after this was called.
    pub fn take(&mut self, out: &mut Vec<Delivery>, most: usize) -> bool {
        let most = out.len() + most;
        let mut state = self.live.state.lock();
        let state = &mut *state;
        let Some(follower) = state.followers.get_mut(&self.id) else { return false };
        follower.rung = false;
        let history = state.document.history();
        let head = state.document.head();
        while self.place < head {
            if out.len() >= most {
                return true;
            }
            while follower.own.front().is_some_and(|own| own.version <= self.place) {
                follower.own.pop_front();
            }
            if follower.own.front().is_some_and(|own| own.version == self.place.next()) {
                out.extend(follower.own.pop_front().map(Delivery::Own));
                self.place = self.place.next();
                continue;
            }
            let to = follower.own.front().map_or(head, |own| Version(own.version.0 - 1));
            if self.place < history.start() {
                out.push(Delivery::Old { from: self.place, to });
                return true;
            }
            if to.since(self.place) <= SINGLES_MAX {
                let next = history.get(self.place.next()).expect("the window reaches from its start to the head");
                out.push(Delivery::Revision(next.clone()));
                self.place = self.place.next();
            } else {
                out.push(Delivery::Stretch { from: self.place, to, pieces: history.pieces(self.place, to) });
                self.place = to;
            }
        }
        // Every repeat answered here lies at or before the place: a later one came as `Own` above.
        out.extend(follower.replies.drain(..).map(Delivery::Reply));
        let announced = state.presence.announced();
        if self.presence_place < announced {
            let change = state.presence.since(self.presence_place);
            out.push(Delivery::Presence { from: self.presence_place, to: announced, change });
            self.presence_place = announced;
        }
        out.extend(state.ended.clone().map(Delivery::Ended));
        false
    }

    /// Reads an [`Delivery::Old`] stretch.
    pub fn read(&self, from: Version, to: Version) -> impl Future<Output = Result<Stretch, StoreError>> + use<> {
        let live = self.live.clone();
        async move { Ok(live.stretch(from, to).await?.expect("an old stretch is not empty")) }
    }

    /// Moves the place over an old stretch that was read and handed on.
    pub fn passed(&mut self, to: Version) {
        self.place = self.place.max(to);
    }

    /// Edits submitted and not yet answered.
    pub fn outstanding(&self) -> usize {
        self.live.state.lock().followers.get(&self.id).map_or(0, |follower| follower.outstanding)
    }

    /// Asks for an edit; its answer comes through [`Follow::take`]. Answers how many edits are now outstanding, and what
    /// must be awaited before more is asked for: almost always nothing.
    pub fn submit(&self, edit: Edit) -> (usize, Option<Pending<'static, ()>>) {
        let (outstanding, start) = {
            let mut state = self.live.state.lock();
            let start = state.document.history().start();
            let Some(follower) = state.followers.get_mut(&self.id) else { return (0, None) };
            follower.submits();
            (follower.outstanding, start)
        };
        let base = edit.base;
        let input = Input::Edit(Submission::new(edit, ReplyTo::Follower(self.id)));
        if base >= start {
            match self.live.inbox.try_send(input) {
                Err(TrySendError::Full(input)) => (outstanding, Some(self.send(input))),
                // An authority that ended says so to every follower.
                Ok(()) | Err(TrySendError::Closed(_)) => (outstanding, None),
            }
        } else {
            (outstanding, Some(self.send(input)))
        }
    }

    /// Brings an old edit forward here, so that the authority need not wait for the store, and waits for room in the inbox.
    fn send(&self, mut input: Input) -> Pending<'static, ()> {
        let live = self.live.clone();
        Box::pin(async move {
            if let Input::Edit(Submission { edit, .. }) = &mut input {
                let base = edit.base;
                // If the store cannot be read, the authority meets the same error and answers with it.
                let _ = live.bring_forward(edit, base).await;
            }
            // An authority that ended says so to every follower.
            let _ = live.inbox.send(input).await;
        })
    }

    /// Says where this reader's user is. Answers the head if `version` is ahead of it.
    pub fn set_presence(&self, version: Version, state: Option<PresenceState>) -> Result<(), Version> {
        let mut shared = self.live.state.lock();
        let head = shared.document.head();
        if version > head {
            return Err(head);
        }
        let session = shared.followers.get(&self.id).and_then(|follower| follower.author.session.clone());
        if let Some(session) = session {
            shared.presence.set(&session, version, state);
            self.live.tell_presence(&mut shared);
        }
        Ok(())
    }
}

impl Drop for Follow {
    fn drop(&mut self) {
        self.live.depart(self.id);
    }
}
