//! When presence is announced: at most once in a while, however often it changes.

use std::time::Duration;

use tokio::time::Instant;

use super::Authority;

/// Presence is announced at most once in this time.
const PRESENCE_EVERY: Duration = Duration::from_millis(50);

/// When presence was announced, and when it may be again.
pub(super) struct Announcing {
    /// When it may be announced next, if there is something to announce.
    pub(super) due: Option<Instant>,
    last: Instant,
}

impl Announcing {
    /// Of a document that is opened now.
    pub(super) fn new(now: Instant) -> Self {
        Announcing { due: None, last: now }
    }
}

impl Authority {
    pub(super) fn announce_presence(&mut self) {
        let now = Instant::now();
        let due = self.announcing.last + PRESENCE_EVERY;
        let mut state = self.live.state.lock();
        if state.presence.announced() == state.presence.last() {
            state.presence_told = false;
            self.announcing.due = None;
        } else if now < due {
            self.announcing.due = Some(due);
        } else {
            state.presence_told = false;
            state.presence.announce();
            state.followers.values_mut().for_each(|follower| follower.ring());
            self.announcing = Announcing::new(now);
        }
    }
}
