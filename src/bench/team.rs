//! Those who have one document open: when each revision was sent, so that its way to the other screens can be timed, and the
//! newest frame, which is parsed once for all of them.

use std::collections::HashMap;
use std::time::Instant;

use crate::protocol::RevisionItem;

/// Sends of one writer that are remembered: more than can be under way.
const SENDS: usize = 256;

/// What the players of one document share.
#[derive(Default)]
pub(super) struct Team {
    /// When the edit that became a version was sent, by version. Known with its ack.
    sent: HashMap<u64, Instant>,
    /// Arrivals of versions whose ack has not come yet.
    early: HashMap<u64, Vec<Instant>>,
    /// The frame that came last, and what it says.
    newest: Option<(String, RevisionItem)>,
    /// On the floor: when each writer sent what, by writer and count.
    sends: HashMap<usize, Vec<Instant>>,
}

impl Team {
    /// What a frame says; parsed only if it is another than the one before.
    pub(super) fn parse(&mut self, frame: &str) -> Result<RevisionItem, String> {
        if let Some((text, item)) = &self.newest
            && text == frame
        {
            return Ok(item.clone());
        }
        let item: RevisionItem = serde_json::from_str(frame).map_err(|error| error.to_string())?;
        self.newest = Some((frame.to_owned(), item.clone()));
        Ok(item)
    }

    /// A version was acknowledged to its author, who had sent it then. `arrived` is told of those who saw it earlier.
    pub(super) fn acknowledged(&mut self, version: u64, sent: Instant, mut arrived: impl FnMut(Instant)) {
        self.early.remove(&version).into_iter().flatten().for_each(&mut arrived);
        self.sent.insert(version, sent);
    }

    /// A version came to a screen. Answers when it was sent, if that is known already.
    pub(super) fn arrived(&mut self, version: u64, now: Instant) -> Option<Instant> {
        let sent = self.sent.get(&version).copied();
        if sent.is_none() {
            self.early.entry(version).or_default().push(now);
        }
        sent
    }

    /// Forgets what was sent in an earlier window.
    pub(super) fn forget(&mut self) {
        self.sent.clear();
        self.early.clear();
    }

    /// On the floor: a writer sends its edit of this count.
    pub(super) fn sends(&mut self, writer: usize, count: u64, now: Instant) {
        self.sends.entry(writer).or_insert_with(|| vec![now; SENDS])[count as usize % SENDS] = now;
    }

    /// On the floor: when a writer sent its edit of this count.
    pub(super) fn sent_by(&self, writer: usize, count: u64) -> Option<Instant> {
        self.sends.get(&writer).map(|sends| sends[count as usize % SENDS])
    }
}
