//! History for people: what one person did without a longer pause, as one line.

use super::{Entry, Time, User, Version};

/// A sitting ends at the latest at a multiple of this, so that finding its beginning is bounded work.
pub const SITTING_MAX: u64 = 1 << 18;

/// Neighbouring revisions of one person, each soon after the one before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sitting {
    /// The version before its first revision.
    pub from: Version,
    /// The version after its last.
    pub to: Version,
    /// Who.
    pub user: User,
    /// When its first revision was made.
    pub began: Time,
    /// When its last was.
    pub ended: Time,
    /// How many characters its revisions added, in all.
    pub added: u64,
    /// How many they removed.
    pub removed: u64,
}

/// Gathers sittings from a ledger that is read backwards.
#[derive(Debug)]
pub struct Sittings {
    pause_ms: u64,
    limit: usize,
    /// Only those of the user with this id.
    only: Option<String>,
    /// Whole ones, newest first.
    whole: Vec<Sitting>,
    /// The one whose beginning is not yet known.
    open: Option<Sitting>,
}

impl Sittings {
    /// At most `limit` sittings, cut at pauses longer than `pause_ms`; only those of one user, if one is named.
    pub fn new(pause_ms: u64, limit: usize, only: Option<String>) -> Self {
        Sittings { pause_ms, limit, only, whole: Vec::new(), open: None }
    }

    /// Takes the revision before the one taken last. False if it is not needed: there are enough.
    pub fn take(&mut self, entry: &Entry) -> bool {
        if let Some(open) = &mut self.open {
            let joins = entry.user.id == open.user.id
                && open.began.0.saturating_sub(entry.time.0) <= self.pause_ms
                && !entry.version.0.is_multiple_of(SITTING_MAX);
            if joins {
                open.from = Version(entry.version.0 - 1);
                open.began = entry.time;
                open.added += entry.added;
                open.removed += entry.removed;
                return true;
            }
            self.whole.extend(self.open.take());
        }
        if self.whole.len() >= self.limit {
            return false;
        }
        if self.only.as_ref().is_none_or(|only| *only == *entry.user.id) {
            self.open = Some(Sitting {
                from: Version(entry.version.0 - 1),
                to: entry.version,
                user: entry.user.clone(),
                began: entry.time,
                ended: entry.time,
                added: entry.added,
                removed: entry.removed,
            });
        }
        true
    }

    /// What was gathered, newest first, and the version before which to go on, once every revision after `read` was taken.
    /// A sitting that may begin before is left to whoever goes on.
    pub fn finish(mut self, read: Version) -> (Vec<Sitting>, Version) {
        match self.open.take() {
            Some(open) if read > Version::ZERO => (self.whole, open.to),
            open => {
                self.whole.extend(open);
                (self.whole, read)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sitting_that_may_begin_earlier_is_left_to_whoever_goes_on() {
        let user = User { id: "a".into(), name: "A".into() };
        let gathered = |read: u64| {
            let mut sittings = Sittings::new(50, 9, None);
            for version in (read + 1..=20).rev() {
                let (version, time) = (Version(version), Time(10 * version));
                assert!(sittings.take(&Entry { version, user: &user, time, added: 1, removed: 0 }));
            }
            let (whole, before) = sittings.finish(Version(read));
            (whole.iter().map(|sitting| (sitting.from.0, sitting.to.0)).collect::<Vec<_>>(), before)
        };
        assert_eq!(gathered(7), (vec![], Version(20)));
        assert_eq!(gathered(0), (vec![(0, 20)], Version::ZERO));
    }
}
