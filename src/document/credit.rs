//! Names and times for marks, from the ledger.

use std::collections::{HashMap, VecDeque};

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
    /// What is still to be found: the place in the list of marks, and what is left of the mark; by revision.
    wanted: VecDeque<(usize, Mark)>,
    users: Vec<User>,
    places: HashMap<User, u32>,
    found: Vec<(usize, Credit)>,
}

impl Credits {
    /// Credits for these marks.
    pub fn new(marks: impl Iterator<Item = Mark>) -> Self {
        let mut wanted: Vec<_> = marks.enumerate().collect();
        wanted.sort_by_key(|(_, mark)| mark.first);
        let found = Vec::with_capacity(wanted.len());
        Credits { wanted: wanted.into(), users: Vec::new(), places: HashMap::new(), found }
    }

    /// The numbers of the ledger's pages that are needed, in order.
    pub fn pages(&self) -> Vec<u64> {
        let page = |version: u64| (version - 1) / LEDGER_PAGE;
        let mut pages: Vec<u64> = Vec::new();
        for (_, mark) in &self.wanted {
            let first = pages.last().map_or(0, |last| last + 1);
            pages.extend(first.max(page(mark.first.0))..=page(mark.last().0));
        }
        pages
    }

    /// Takes the next page that is needed.
    pub fn take(&mut self, page: &LedgerPage) {
        let mut spilled = Vec::new();
        while let Some((place, mark)) = self.wanted.pop_front_if(|(_, mark)| mark.first <= page.to()) {
            let mut rest = Some(mark);
            for (until, user, time) in page.hands(mark.from(), mark.last().min(page.to())) {
                let Some(mark) = rest.take() else { break };
                let user = *self.places.entry(user.clone()).or_insert_with(|| {
                    self.users.push(user.clone());
                    self.users.len() as u32 - 1
                });
                let len = if mark.rising { until.0 - mark.from().0 } else { mark.len };
                let done = if len < mark.len { mark.head(len) } else { mark };
                self.found.push((place, Credit { mark: done, user, time }));
                rest = (len < mark.len).then(|| mark.tail(len));
            }
            spilled.extend(rest.map(|rest| (place, rest)));
        }
        spilled.into_iter().rev().for_each(|rest| self.wanted.push_front(rest));
    }

    /// Everyone who is named, and the credits in the order of the marks: one or more for each, as people took turns.
    pub fn finish(mut self) -> (Vec<User>, Vec<Credit>) {
        // Stable: the parts of one mark were found in order.
        self.found.sort_by_key(|(place, _)| *place);
        (self.users, self.found.into_iter().map(|(_, credit)| credit).collect())
    }
}
