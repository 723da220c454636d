//! Who made each revision, when, and how much it changed, without its op: what history is read from, and names for blame.

use std::sync::Arc;

use super::{Revision, Time, User, Version};
use crate::ot::Span;

/// How many revisions a page of the ledger covers. Few enough that reading what no page covers yet costs little.
pub const LEDGER_PAGE: u64 = 2048;

/// Consecutive revisions, by column: page p covers the versions `(p * 2048, (p + 1) * 2048]`, the newest one maybe fewer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerPage {
    /// The version before its first revision.
    pub from: Version,
    /// Everyone who made any of them.
    pub users: Vec<User>,
    /// Who made which: up to which place, exclusive and rising, and the user's place in `users`.
    pub hands: Vec<(u32, u32)>,
    /// When, never decreasing.
    pub times: Vec<Time>,
    /// How many characters each one added and removed.
    pub changed: Vec<(u64, u64)>,
}

/// One revision's line of the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The version after it.
    pub version: Version,
    /// Who made it.
    pub user: &'a User,
    /// When.
    pub time: Time,
    /// How many characters it added.
    pub added: u64,
    /// How many it removed.
    pub removed: u64,
}

impl LedgerPage {
    /// The page of these revisions, which follow `from`.
    pub fn of(from: Version, revisions: &[Arc<Revision>]) -> Self {
        let mut page = LedgerPage::begin(from);
        page.add(revisions);
        page
    }

    /// An empty page of what follows `from`.
    pub fn begin(from: Version) -> Self {
        LedgerPage { from, users: Vec::new(), hands: Vec::new(), times: Vec::new(), changed: Vec::new() }
    }

    /// Adds the next revisions.
    pub fn add(&mut self, revisions: &[Arc<Revision>]) {
        for (revision, place) in revisions.iter().zip(self.times.len() as u32 + 1..) {
            let user = self.place_of(&revision.author.user);
            match self.hands.last_mut() {
                Some((until, last)) if *last == user => *until = place,
                _ => self.hands.push((place, user)),
            }
            self.times.push(revision.time);
            let (mut added, mut removed) = (0, 0);
            for span in revision.op.spans() {
                match span {
                    Span::Keep(_) => {}
                    Span::Insert(len) => added += len,
                    Span::Delete(len) => removed += len,
                }
            }
            self.changed.push((added, removed));
        }
    }

    /// Leaves out what is after a version within it.
    pub fn cut(&mut self, to: Version) {
        let count = to.since(self.from) as usize;
        if count >= self.times.len() {
            return;
        }
        self.times.truncate(count);
        self.changed.truncate(count);
        self.hands.truncate(if count == 0 { 0 } else { self.hand_at(count - 1) + 1 });
        if let Some((until, _)) = self.hands.last_mut() {
            *until = count as u32;
        }
        // They stand in the order in which they came.
        let users = self.hands.iter().map(|(_, user)| *user as usize + 1).max().unwrap_or(0);
        self.users.truncate(users);
    }

    /// The version after its last revision.
    pub fn to(&self) -> Version {
        Version(self.from.0 + self.times.len() as u64)
    }

    /// The line of a revision that it covers.
    pub fn entry(&self, version: Version) -> Entry<'_> {
        let place = (version.0 - self.from.0 - 1) as usize;
        let (_, user) = self.hands[self.hand_at(place)];
        let (added, removed) = self.changed[place];
        Entry { version, user: &self.users[user as usize], time: self.times[place], added, removed }
    }

    /// The lines of the versions `(from, to]`, cut where another person's begin: the version up to which each goes, who
    /// made it, as a place in `users`, and when that version was made. All of them lie in the page.
    pub fn hands(&self, from: Version, to: Version) -> impl Iterator<Item = (Version, u32, Time)> {
        let place = (from.0 - self.from.0) as usize;
        let end = (to.0 - self.from.0) as u32;
        self.hands[self.hand_at(place)..].iter().scan(from < to, move |more, (until, user)| {
            let until = (*until).min(end);
            let version = Version(self.from.0 + u64::from(until));
            let hand = (version, *user, self.times[until as usize - 1]);
            std::mem::replace(more, until < end).then_some(hand)
        })
    }

    /// Which of `hands` holds this place.
    fn hand_at(&self, place: usize) -> usize {
        self.hands.partition_point(|(until, _)| *until as usize <= place)
    }

    fn place_of(&mut self, user: &User) -> u32 {
        // Neighbours are mostly by the same few people.
        let there = self.users.iter().rposition(|there| there == user);
        there.unwrap_or_else(|| {
            self.users.push(user.clone());
            self.users.len() - 1
        }) as u32
    }
}
