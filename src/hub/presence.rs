//! Who is here and where they are: changes are stamped, and a reader is a place among the stamps, as in the log.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use compact_str::CompactString;
use tokio::time::Instant;

use crate::document::{Author, Stretch, User, Version};
use crate::ot::Side;

/// People listed by name; beyond that only their number is told.
const LISTED_MAX: usize = 256;

/// How long a departure is remembered for readers who are behind. A reader that takes nothing for this long has been cut.
const LEFT_KEPT: Duration = Duration::from_secs(60);

/// Where a reader is among the changes.
pub type Stamp = u64;

/// A user's state, as others get it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PresenceState {
    /// The version that the cursors refer to.
    pub version: Version,
    /// The state as its owner sent it; the hub does not look inside.
    pub opaque: Arc<str>,
    /// Positions in it that follow the text: `[anchor, head]`.
    pub cursors: Vec<[u64; 2]>,
    /// Whether `cursors` are no longer those in `opaque`.
    pub moved: bool,
}

impl PresenceState {
    /// Moves the cursors over a stretch that begins at or before the state's version and ends after it.
    fn forward(&mut self, stretch: &Stretch) {
        for position in self.cursors.iter_mut().flatten() {
            *position = stretch.op.move_position(*position, Side::Before);
        }
        self.moved |= !self.cursors.is_empty();
        self.version = stretch.to;
    }
}

/// A change of presence, or everyone as a change from nobody.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PresenceChange {
    /// Distinct people here.
    pub count: usize,
    /// Connections that came, with who it is.
    pub joined: Vec<(CompactString, User)>,
    /// Connections that left.
    pub left: Vec<CompactString>,
    /// States that changed, by connection; none if cleared.
    pub states: Vec<(CompactString, Version, Option<PresenceState>)>,
}

/// The people of one document.
#[derive(Default)]
pub(super) struct Presence {
    /// The stamp of the last change.
    last: Stamp,
    /// Changes up to here have been announced.
    announced: Stamp,
    /// Distinct people as of what was announced: a reader is not told a number that runs ahead of the names.
    announced_count: usize,
    /// In order of arrival, by a number that only rises.
    people: BTreeMap<u64, Person>,
    by_session: HashMap<CompactString, u64>,
    next_person: u64,
    listed: usize,
    /// Connections per user id: people are counted once.
    users: HashMap<CompactString, usize>,
    left: VecDeque<Departure>,
}

struct Person {
    session: CompactString,
    user: User,
    /// When they became visible; none while too many are before them.
    listed_at: Option<Stamp>,
    state: Option<PresenceState>,
    state_version: Version,
    state_at: Stamp,
}

struct Departure {
    session: CompactString,
    listed_at: Stamp,
    at: Stamp,
    /// Not the time of day, which may jump.
    time: Instant,
}

impl Presence {
    /// The place of a reader who has seen everything so far.
    pub(super) fn last(&self) -> Stamp {
        self.last
    }

    /// The place that readers may be brought to.
    pub(super) fn announced(&self) -> Stamp {
        self.announced
    }

    /// Makes all changes so far visible to readers; whether there are any.
    pub(super) fn announce(&mut self) -> bool {
        let new = self.announced < self.last;
        self.announced = self.last;
        self.announced_count = self.users.len();
        new
    }

    /// A connection came.
    pub(super) fn join(&mut self, author: &Author) {
        let Some(session) = author.session.clone() else { return };
        let at = self.change();
        let listed_at = (self.listed < LISTED_MAX).then_some(at);
        self.listed += usize::from(listed_at.is_some());
        *self.users.entry(author.user.id.clone()).or_default() += 1;
        let person = Person {
            session: session.clone(),
            user: author.user.clone(),
            listed_at,
            state: None,
            state_version: Version::ZERO,
            state_at: 0,
        };
        self.by_session.insert(session, self.next_person);
        self.people.insert(self.next_person, person);
        self.next_person += 1;
    }

    /// A connection left.
    pub(super) fn leave(&mut self, session: &str, now: Instant) {
        let Some(person) = self.by_session.remove(session).and_then(|number| self.people.remove(&number)) else {
            return;
        };
        let at = self.change();
        if let Some(tabs) = self.users.get_mut(&person.user.id) {
            *tabs -= 1;
            if *tabs == 0 {
                self.users.remove(&person.user.id);
            }
        }
        if let Some(listed_at) = person.listed_at {
            self.left.push_back(Departure { session: person.session, listed_at, at, time: now });
            self.listed -= 1;
            // The first of those who had no place in the list gets the one that became free.
            if let Some(next) = self.people.values_mut().find(|person| person.listed_at.is_none()) {
                next.listed_at = Some(at);
                next.state_at = at;
                self.listed += 1;
            }
        }
        while self.left.front().is_some_and(|left| left.time + LEFT_KEPT < now) {
            self.left.pop_front();
        }
    }

    /// A connection says where its user is.
    pub(super) fn set(&mut self, session: &str, version: Version, state: Option<PresenceState>) {
        let at = self.last + 1;
        let number = self.by_session.get(session).copied();
        if let Some(person) = number.and_then(|number| self.people.get_mut(&number)) {
            person.state = state;
            person.state_version = version;
            person.state_at = at;
            self.last = at;
        }
    }

    /// Everyone, as a newcomer gets it.
    pub(super) fn everyone(&self) -> PresenceChange {
        let listed = || self.people.values().filter(|person| person.listed_at.is_some());
        let state = |person: &Person| {
            person.state.clone().map(|state| (person.session.clone(), person.state_version, Some(state)))
        };
        PresenceChange {
            count: self.users.len(),
            joined: listed().map(|person| (person.session.clone(), person.user.clone())).collect(),
            left: Vec::new(),
            states: listed().filter_map(state).collect(),
        }
    }

    /// What changed between a reader's place and what has been announced.
    pub(super) fn since(&self, from: Stamp) -> PresenceChange {
        let new = |stamp: Stamp| from < stamp && stamp <= self.announced;
        let joined = self.people.values().filter(|person| person.listed_at.is_some_and(new));
        // Departures are in order of their stamps, and most readers are near the newest.
        let left = self.left.range(self.left.partition_point(|left| left.at <= from)..);
        // Who came and went since `from` was never seen.
        let left = left.filter(|left| new(left.at) && left.listed_at <= from);
        // Who left and came back by now (opened anew) is here, with nothing of the state that was seen before.
        let (back, left): (Vec<_>, Vec<_>) = left.partition(|left| self.is_listed(&left.session, new));
        let states = self.people.values().filter(|person| person.listed_at.is_some() && new(person.state_at));
        let mut states: Vec<_> = states
            .filter(|person| person.state.is_some() || person.listed_at.is_none_or(|listed| listed <= from))
            .map(|person| (person.session.clone(), person.state_version, person.state.clone()))
            .collect();
        for Departure { session, .. } in back {
            if states.iter().all(|(told, ..)| told != session) {
                states.push((session.clone(), Version::ZERO, None));
            }
        }
        PresenceChange {
            count: self.announced_count,
            joined: joined.map(|person| (person.session.clone(), person.user.clone())).collect(),
            left: left.into_iter().map(|left| left.session.clone()).collect(),
            states,
        }
    }

    /// Whether a connection is among those listed since a time that `new` tells.
    fn is_listed(&self, session: &str, new: impl Fn(Stamp) -> bool) -> bool {
        let person = self.by_session.get(session).and_then(|number| self.people.get(number));
        person.is_some_and(|person| person.listed_at.is_some_and(new))
    }

    /// Brings states forward to the head, so that a newcomer finds them where the text is now. `stretch` gives the history
    /// from a version to the head; none if there is none between.
    pub(super) fn forward(&mut self, stretch: impl Fn(Version) -> Option<Stretch>) {
        let mut known: HashMap<Version, Option<Stretch>> = HashMap::new();
        for person in self.people.values_mut() {
            let Some(state) = &mut person.state else { continue };
            if let Some(stretch) = known.entry(person.state_version).or_insert_with(|| stretch(person.state_version)) {
                state.forward(stretch);
                person.state_version = stretch.to;
            }
        }
    }

    fn change(&mut self) -> Stamp {
        self.last += 1;
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(name: &str) -> Author {
        Author { session: Some(name.into()), user: User { id: name.into(), name: name.into() } }
    }

    #[test]
    fn a_reader_is_not_told_a_number_that_runs_ahead_of_the_names() {
        let mut presence = Presence::default();
        ["ana", "ben"].iter().for_each(|name| presence.join(&person(name)));
        presence.announce();
        let place = presence.announced();
        presence.join(&person("eva"));
        presence.announce();
        presence.leave("ben", Instant::now());
        let change = presence.since(place);
        assert_eq!((change.count, change.joined.len(), change.left.len()), (3, 1, 0));
        let place = presence.announced();
        presence.announce();
        let change = presence.since(place);
        assert_eq!((change.count, change.left), (2, vec!["ben".into()]));
    }

    #[test]
    fn who_is_a_minute_behind_is_told_of_every_departure() {
        let mut presence = Presence::default();
        let begun = Instant::now();
        ["ana", "ben", "eva"].iter().for_each(|name| presence.join(&person(name)));
        presence.announce();
        let place = presence.announced();
        presence.leave("ben", begun);
        presence.leave("eva", begun + Duration::from_secs(59));
        presence.announce();
        assert_eq!(presence.since(place).left, ["ben", "eva"]);
    }

    #[test]
    fn who_came_and_went_since_is_never_told() {
        let mut presence = Presence::default();
        let now = Instant::now();
        ["ana", "ben"].iter().for_each(|name| presence.join(&person(name)));
        presence.announce();
        let place = presence.announced();
        presence.join(&person("eva"));
        presence.leave("ben", now);
        presence.leave("eva", now);
        presence.announce();
        let change = presence.since(place);
        assert_eq!((change.joined, change.left), (Vec::new(), vec!["ben".into()]));
    }

    #[test]
    fn who_gets_a_place_in_the_list_comes_with_the_state_of_before() {
        let mut presence = Presence::default();
        let names: Vec<_> = (0..=LISTED_MAX).map(|n| format!("p{n}")).collect();
        names.iter().for_each(|name| presence.join(&person(name)));
        let last = &names[LISTED_MAX];
        let state = PresenceState { version: Version(4), opaque: "{}".into(), cursors: Vec::new(), moved: false };
        presence.set(last, Version(4), Some(state));
        presence.announce();
        let place = presence.announced();
        presence.leave("p0", Instant::now());
        presence.announce();
        let change = presence.since(place);
        let joined: Vec<_> = change.joined.iter().map(|(session, _)| session.as_str()).collect();
        let states: Vec<_> = change.states.iter().map(|(session, version, _)| (session.as_str(), *version)).collect();
        assert_eq!((joined, states), (vec![last.as_str()], vec![(last.as_str(), Version(4))]));
    }
}
