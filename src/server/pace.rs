//! Slows a client that sends more than it should: reading pauses until the second is over, and nobody else notices.

use std::time::Duration;

use tokio::time::Instant;

use crate::limits::{Limits, named};
use crate::protocol::ClientMessage;

/// What one connection has sent in this second.
pub(super) struct Pace {
    second: Instant,
    edits: u32,
    presence: u32,
    checks: u32,
    controls: u32,
    bytes: usize,
    resumes: Option<Instant>,
}

impl Pace {
    pub(super) fn new(now: Instant) -> Self {
        Pace { second: now, edits: 0, presence: 0, checks: 0, controls: 0, bytes: 0, resumes: None }
    }

    /// Counts a message of so many bytes; answers the limit that is met by it, if reading pauses.
    pub(super) fn count(
        &mut self,
        message: Option<&ClientMessage>,
        bytes: usize,
        limits: &Limits,
    ) -> Option<&'static str> {
        self.bytes += bytes;
        match message {
            Some(ClientMessage::Edit(_)) => self.edits += 1,
            Some(ClientMessage::Presence(_)) => self.presence += 1,
            Some(ClientMessage::Check(_)) => self.checks += 1,
            _ => {}
        }
        self.look_at(limits)
    }

    /// Counts a ping or pong of so many bytes, likewise.
    pub(super) fn count_control(&mut self, bytes: usize, limits: &Limits) -> Option<&'static str> {
        self.bytes += bytes;
        self.controls += 1;
        self.look_at(limits)
    }

    /// The limit that is met, if reading pauses.
    fn look_at(&mut self, limits: &Limits) -> Option<&'static str> {
        let met = [
            (self.edits >= limits.edits_per_second, named::edits_per_second),
            (self.presence >= limits.presence_per_second, named::presence_per_second),
            (self.checks >= limits.checks_per_second, named::checks_per_second),
            (self.controls >= limits.controls_per_second, named::controls_per_second),
            (self.bytes >= limits.bytes_per_second, named::bytes_per_second),
        ];
        let (_, limit) = met.into_iter().find(|(met, _)| *met)?;
        // The clock is looked at only here: most connections never come so far.
        let now = Instant::now();
        let over = self.second + Duration::from_secs(1);
        if over <= now {
            *self = Pace::new(now);
            return None;
        }
        self.resumes = Some(over);
        Some(limit)
    }

    /// Lets reading go on if it is time.
    pub(super) fn look(&mut self, now: Instant) {
        if self.resumes.is_some_and(|resumes| resumes <= now) {
            *self = Pace::new(now);
        }
    }

    /// When reading goes on, if it is paused.
    pub(super) fn resumes(&self) -> Option<Instant> {
        self.resumes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_pauses_with_what_fills_the_second() {
        let limits = Limits { controls_per_second: 3, bytes_per_second: 100, ..Limits::default() };
        let counted = |sizes: [usize; 3]| {
            let mut pace = Pace::new(Instant::now());
            sizes.map(|bytes| pace.count_control(bytes, &limits))
        };
        assert_eq!(counted([1, 1, 1]), [None, None, Some(named::controls_per_second)]);
        assert_eq!(counted([50, 49, 0]), [None, None, Some(named::controls_per_second)]);
        assert_eq!(counted([50, 50, 0])[1], Some(named::bytes_per_second));
        let edit =
            ClientMessage::parse(r#"{"type":"edit","doc":"d","version":1,"seq":1,"op":[1]}"#).expect("it is an edit");
        let limits = Limits { edits_per_second: 2, ..Limits::default() };
        let mut pace = Pace::new(Instant::now());
        let met = [(); 2].map(|()| pace.count(Some(&edit), 9, &limits));
        assert_eq!((met, pace.resumes().is_some()), ([None, Some(named::edits_per_second)], true));
    }
}
