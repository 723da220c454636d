//! Names and times for marks, from the ledger.

use std::collections::{BTreeMap, HashMap};

use super::{LEDGER_PAGE, LedgerPage, Mark, Time, User};

/// A mark of one person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Credit {
    /// Which characters, of which revisions.
    pub mark: Mark,
    /// Who: a place in the list of users.
    pub user: u32,
    /// When its last revision was made.
    pub time: Time,
}

/// Gathers credits while the pages of the ledger are read in order.
pub struct Credits {
    /// What is still to be found, by the page of the ledger that it lies in: the place in the list of marks, and as much of
    /// the mark.
    wanted: BTreeMap<u64, Vec<(u32, Mark)>>,
    users: Vec<User>,
    places: HashMap<User, u32>,
    found: Vec<(u32, Credit)>,
}

impl Credits {
    /// Credits for these marks.
    pub fn new(marks: impl Iterator<Item = Mark>) -> Self {
        let mut wanted: BTreeMap<u64, Vec<_>> = BTreeMap::new();
        let mut count = 0;
        for (place, mut mark) in (0..).zip(marks) {
            let mut page = mark.from().0 / LEDGER_PAGE;
            while mark.last().0 > (page + 1) * LEDGER_PAGE {
                let len = (page + 1) * LEDGER_PAGE - mark.from().0;
                wanted.entry(page).or_default().push((place, mark.head(len)));
                mark = mark.tail(len);
                page += 1;
            }
            wanted.entry(page).or_default().push((place, mark));
            count += 1;
        }
        Credits { wanted, users: Vec::new(), places: HashMap::new(), found: Vec::with_capacity(count) }
    }

    /// The numbers of the ledger's pages that are needed, in order.
    pub fn pages(&self) -> Vec<u64> {
        self.wanted.keys().copied().collect()
    }

    /// Takes the next page that is needed.
    pub fn take(&mut self, page: &LedgerPage) {
        let Some(wanted) = self.wanted.remove(&(page.from.0 / LEDGER_PAGE)) else { return };
        // Of most pages few people wrote much: each is looked up once.
        let mut places = vec![None; page.users.len()];
        for (place, mark) in wanted {
            let mut rest = Some(mark);
            for (until, user, time) in page.hands(mark.from(), mark.last()) {
                let Some(mark) = rest.take() else { break };
                let user = *places[user as usize].get_or_insert_with(|| self.place_of(&page.users[user as usize]));
                let len = if mark.rising { until.0 - mark.from().0 } else { mark.len };
                let done = if len < mark.len { mark.head(len) } else { mark };
                self.found.push((place, Credit { mark: done, user, time }));
                rest = (len < mark.len).then(|| mark.tail(len));
            }
        }
    }

    /// Everyone who is named, and the credits in the order of the marks: one or more for each, as people took turns.
    pub fn finish(mut self) -> (Vec<User>, Vec<Credit>) {
        // Stable: the parts of one mark were found in order.
        self.found.sort_by_key(|(place, _)| *place);
        (self.users, self.found.into_iter().map(|(_, credit)| credit).collect())
    }

    fn place_of(&mut self, user: &User) -> u32 {
        *self.places.entry(user.clone()).or_insert_with(|| {
            self.users.push(user.clone());
            self.users.len() as u32 - 1
        })
    }
}
