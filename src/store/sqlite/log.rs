//! Reading one document's log: the newest part from memory, everything older from pages.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::block::{Place, open_block, seal_block};
use super::fault;
use super::ledger::seal_page;
use super::marks::seal_marks;
use super::page::{Found, Wanted};
use super::readers::Reader;
use super::row::{Run, each_record};
use super::slice::Put;
use crate::document::{Consecutive, Gathered, LEDGER_PAGE, LedgerPage, Revision, Stretch, Time, Trail, Version};
use crate::store::codec::decode_record;
use crate::store::{BranchPoint, Head, Incarnation, Kept, READ_WEIGHT, StoreError};

/// What revisions may weigh, in bytes, that are held for several reads.
const HELD_WEIGHT: usize = 64 << 20;

/// One document's log, for the length of one read.
pub struct Log<'a> {
    pub document: Incarnation,
    /// The version before its own revisions: where it begins, if it is a branch, or its horizon.
    pub start: Version,
    /// What is kept of revisions that were pruned.
    pub kept: Kept,
    pub reader: &'a mut Reader,
    /// What of the document is not yet in pages, taken *before* any page is read; at least what the read asks for.
    pub tail: Vec<Run>,
    /// Blocks that end before this may be stored; what begins here or later is in memory only.
    pub unfolded: Option<Version>,
    /// Revisions that are read more than once while rows are prepared, so that they are decoded once.
    held: Vec<Arc<Revision>>,
    /// Blocks that were missing and have been composed, in order of place.
    pub made: BTreeMap<Place, Stretch>,
    /// The same with marks.
    pub trails: BTreeMap<Place, Arc<Trail>>,
    /// Pages of the ledger that were missing and have been made.
    pub ledger: BTreeMap<u64, LedgerPage>,
}

/// The version before a log's own revisions.
pub fn start_of(begins: Option<BranchPoint>) -> Version {
    begins.map_or(Version::ZERO, |begins| begins.version)
}

impl<'a> Log<'a> {
    pub fn new(document: Incarnation, start: Version, kept: Kept, reader: &'a mut Reader, tail: Vec<Run>) -> Self {
        let unfolded = tail.first().map(|run| run.first);
        Log {
            document,
            start: start.max(kept.horizon()),
            kept,
            reader,
            tail,
            unfolded,
            held: Vec::new(),
            made: BTreeMap::new(),
            trails: BTreeMap::new(),
            ledger: BTreeMap::new(),
        }
    }

    pub fn damaged(&self, version: Version, reason: impl ToString) -> StoreError {
        StoreError::Damaged { document: self.document, version, reason: reason.to_string() }
    }

    pub fn fault(&self, version: Version, error: rusqlite::Error) -> StoreError {
        fault(self.document, version, &error)
    }

    /// Reads `(from, to]` now, for whatever asks for some of it later, unless it weighs too much to be held.
    pub fn hold(&mut self, from: Version, to: Version) -> Result<(), StoreError> {
        let held = self.some_revisions(from, to, HELD_WEIGHT)?;
        if held.last().is_some_and(|last| last.version == to) {
            self.held = held;
        }
        Ok(())
    }

    /// The first of the revisions `(from, to]`, as many as weigh `room` bytes and one at least.
    pub fn some_revisions(
        &mut self,
        from: Version,
        to: Version,
        room: usize,
    ) -> Result<Vec<Arc<Revision>>, StoreError> {
        if let (Some(first), Some(last)) = (self.held.first(), self.held.last())
            && first.version <= from.next()
            && to <= last.version
        {
            let place = |version: Version| (version.0 + 1 - first.version.0) as usize;
            return Ok(self.held[place(from)..place(to)].to_vec());
        }
        self.wanted_revisions(from, to, Wanted::any(room))
    }

    /// Those of the revisions `(from, to]` that are wanted.
    pub fn wanted_revisions(
        &mut self,
        from: Version,
        to: Version,
        wanted: Wanted,
    ) -> Result<Vec<Arc<Revision>>, StoreError> {
        self.kept.check_whole(self.document, from)?;
        let mut found = Found::new(self.document, from, to, wanted);
        let tail_first = self.tail.first().map(|run| run.first);
        let pages_to = tail_first.map_or(to, |first| to.min(Version(first.0.saturating_sub(1))));
        if from < pages_to {
            self.read_pages(from, pages_to, &mut found)?;
        }
        for run in &self.tail {
            if run.last() >= found.next && run.first <= to && !found.is_full() {
                found.reach(run.first)?;
                found.take(run.bytes()?)?;
            }
        }
        if found.next <= to && !found.is_full() {
            return Err(self.damaged(found.next, format!("the log ends before version {to}, which was asked for")));
        }
        Ok(found.revisions)
    }

    /// The newest place of the log; none if it has no revision of its own.
    pub fn head(&mut self) -> Result<Option<Head>, StoreError> {
        let head = |revision: &Revision| Head { version: revision.version, chain: revision.chain, time: revision.time };
        if let Some(run) = self.tail.last() {
            return Ok(Some(head(&self.last_of(run.bytes()?, run.last())?)));
        }
        if let Some(page) = self.newest_page()? {
            let content = self.open_page(&page)?;
            return Ok(Some(head(&self.last_of(&content, page.last)?)));
        }
        // As an import leaves it that was cut off there.
        Ok(self.kept.places().last().copied())
    }

    fn last_of(&self, records: &[u8], version: Version) -> Result<Revision, StoreError> {
        let mut last = Err(self.damaged(version, "there is no record"));
        for record in each_record(records) {
            last = record.map(|(_, bytes)| bytes).map_err(|error| self.damaged(version, error));
        }
        let (_, revision, _) = decode_record(last?).map_err(|error| self.damaged(version, error))?;
        Ok(revision)
    }

    /// `(from, to]` in as few stretches as whole blocks allow.
    pub fn stretches(&mut self, from: Version, to: Version) -> Result<Vec<Stretch>, StoreError> {
        let (steps, mut at) = self.steps_between(from, to)?;
        let mut pieces = Gathered::default();
        steps.into_iter().for_each(|step| pieces.push(step.stretch));
        while at < to {
            if let Some(place) = Place::largest(at, to) {
                pieces.push(self.block(place)?);
                at = place.to();
                continue;
            }
            let until = to.min(Place::next_after(at));
            at = self.gather((at, until), Stretch::of, &mut pieces)?;
        }
        Ok(pieces.into_parts())
    }

    /// Adds the revisions `(from, to]`, each by itself. Answers `to`.
    pub fn gather<T: Consecutive>(
        &mut self,
        (from, to): (Version, Version),
        of: impl Fn(&Revision) -> T,
        pieces: &mut Gathered<T>,
    ) -> Result<Version, StoreError> {
        let mut at = from;
        while at < to {
            for revision in self.some_revisions(at, to, READ_WEIGHT)? {
                pieces.push(of(&revision));
                at = revision.version;
            }
        }
        Ok(at)
    }

    /// A block, composed from what is below it if it is not stored.
    pub fn block(&mut self, place: Place) -> Result<Stretch, StoreError> {
        if let Some(block) = self.made.get(&place) {
            return Ok(block.clone());
        }
        if let Some(block) = self.stored_block(place)? {
            return Ok(block);
        }
        let mut parts = Gathered::default();
        match place.level.checked_sub(1) {
            None => {
                self.gather((place.from(), place.to()), Stretch::of, &mut parts)?;
            }
            Some(level) => {
                for child in 0..8 {
                    parts.push(self.block(Place { level, place: place.place * 8 + child })?);
                }
            }
        }
        let block = parts.join().expect("a block is not empty");
        self.made.insert(place, block.clone());
        Ok(block)
    }

    fn stored_block(&mut self, place: Place) -> Result<Option<Stretch>, StoreError> {
        let sql = "SELECT body FROM blocks WHERE document = ?1 AND level = ?2 AND place = ?3";
        let key = [self.document.0 as i64, i64::from(place.level), place.place as i64];
        let Some(body) = self.derived_row(place.to(), sql, key)? else { return Ok(None) };
        let block = open_block(&mut self.reader.press, self.document, place, &body);
        if let Err(reason) = &block {
            tracing::warn!(document = self.document.0, ?place, reason, "a block is damaged and composed again");
        }
        Ok(block.ok())
    }

    /// The rows of what was made and lies in pages as a whole.
    pub fn made_rows(&mut self, folded: Version) -> Vec<Put> {
        let document = self.document;
        let press = &mut self.reader.press;
        let mut rows = Vec::new();
        for (place, block) in std::mem::take(&mut self.made).into_iter().filter(|(place, _)| place.to() <= folded) {
            rows.push(Put::Block { document, place, body: seal_block(press, document, place, &block) });
        }
        for (place, trail) in std::mem::take(&mut self.trails).into_iter().filter(|(place, _)| place.to() <= folded) {
            rows.push(Put::Marks { document, place, body: seal_marks(press, document, place, &trail.marks) });
        }
        for (number, page) in std::mem::take(&mut self.ledger).into_iter().filter(|(_, page)| page.to() <= folded) {
            debug_assert_eq!(page.to().0, (number + 1) * LEDGER_PAGE, "only whole pages are kept");
            rows.push(Put::Ledger { document, page: number, body: seal_page(press, document, &page) });
        }
        rows
    }

    /// The rows that should have been stored and were not, or not whole.
    pub fn healed_rows(&mut self) -> Vec<Put> {
        self.made_rows(self.unfolded.map_or(Version(u64::MAX), |first| Version(first.0.saturating_sub(1))))
    }

    /// The newest version whose time is at or before `time`; where the log begins if its first revision is later.
    pub fn version_at(&mut self, time: Time) -> Result<Version, StoreError> {
        if self.kept.horizon_time().is_some_and(|horizon| time < horizon) {
            return self.pruned_version_at(time);
        }
        let mut newest = None;
        for run in self.tail.iter().rev() {
            newest = self.newest_at(run.bytes()?, run.first, time)?;
            if newest.is_some() {
                break;
            }
        }
        if let Some(version) = newest {
            return Ok(version);
        }
        // Times never decrease along versions, so the page is found by halving.
        let Some(last) = self.newest_page()? else { return Ok(self.start) };
        let first = self.start.next();
        let (mut low, mut high) = (first, last.last);
        let mut best = None;
        while low <= high {
            let middle = Version(low.0 + (high.0 - low.0) / 2);
            let page = self
                .page_at(middle)?
                .ok_or_else(|| self.damaged(low, format!("the log does not begin at version {first}")))?;
            if page.time <= time {
                low = page.last.max(middle).next();
                best = Some(page);
            } else if page.first <= first {
                break;
            } else {
                high = Version(page.first.0 - 1);
            }
        }
        let Some(page) = best else { return Ok(self.start) };
        let content = self.open_page(&page)?;
        Ok(self.newest_at(&content, page.first, time)?.unwrap_or(self.start))
    }

    fn newest_at(&self, records: &[u8], first: Version, time: Time) -> Result<Option<Version>, StoreError> {
        let mut newest = None;
        for record in each_record(records) {
            let (glance, _) = record.map_err(|error| self.damaged(first, error))?;
            if glance.time > time {
                break;
            }
            newest = Some(glance.version);
        }
        Ok(newest)
    }
}
