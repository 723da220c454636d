//! A reader of an open document, as the document knows it.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::time::{Duration, Instant};

use super::follow::Reply;
use super::signal::{Signal, Token};
use crate::document::{Author, ClientKey, Revision};

/// Which follower of a document.
pub(super) type FollowerId = u64;

/// What a reader brings when it begins to follow.
pub(super) struct Arrival {
    pub(super) client: ClientKey,
    pub(super) author: Arc<Author>,
    pub(super) signal: Arc<Signal>,
    pub(super) token: Token,
}

/// What a document keeps for one reader: a bell and what is for this reader alone. Its place in the log is its own.
pub(super) struct Follower {
    pub(super) client: ClientKey,
    pub(super) author: Arc<Author>,
    signal: Arc<Signal>,
    token: Token,
    /// Whether the bell was rung since the reader last took. Keeps the bell's list short.
    pub(super) rung: bool,
    /// Revisions of this client not yet taken by the reader, so that each comes as an ack of its own. Bounded by the edits
    /// in flight that a session allows.
    pub(super) own: VecDeque<Arc<Revision>>,
    /// Answers that are no revisions. Bounded likewise.
    pub(super) replies: Vec<Reply>,
    /// Edits submitted and not yet answered.
    pub(super) outstanding: usize,
    /// When the last of them was answered, and how long the reader thought about the next one the last time.
    answered: Option<Instant>,
    thought: Duration,
}

impl Follower {
    /// Of a reader who arrives.
    pub(super) fn new(arrival: Arrival) -> Self {
        let Arrival { client, author, signal, token } = arrival;
        Follower {
            client,
            author,
            signal,
            token,
            rung: false,
            own: VecDeque::new(),
            replies: Vec::new(),
            outstanding: 0,
            answered: None,
            thought: Duration::MAX,
        }
    }

    /// The reader asks for an edit.
    pub(super) fn submits(&mut self) {
        if self.outstanding == 0 {
            self.thought = self.answered.map_or(Duration::MAX, |answered| answered.elapsed());
        }
        self.outstanding += 1;
    }

    /// An edit was answered.
    pub(super) fn answered(&mut self, now: Instant) {
        self.outstanding -= 1;
        self.answered = Some(now);
    }

    /// Until when the next edit is likely to come, if it is within `window` of the last answer.
    pub(super) fn awaited_until(&self, window: Duration) -> Option<Instant> {
        let prompt = self.outstanding == 0 && self.thought <= window;
        self.answered.filter(|_| prompt).map(|answered| answered + window)
    }

    /// Rings the reader's bell, once until it takes.
    pub(super) fn ring(&mut self) {
        if !self.rung {
            self.rung = true;
            self.signal.ring(self.token);
        }
    }
}
