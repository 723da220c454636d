//! One document: its revisions one by one from the first, and everything derived from them held against that.

use std::collections::{BTreeSet, HashMap};

use rusqlite::params;

use super::{Site, Verifier, reason};
use crate::document::{Chain, ClientKey, Identity, LEDGER_PAGE, Label, Snapshot, Stretch, Taken, Time, Version};
use crate::ot::{Content, Op};
use crate::store::codec::decode_record;
use crate::store::sqlite::block::{Place, open_block};
use crate::store::sqlite::client::open_client;
use crate::store::sqlite::log::start_of;
use crate::store::sqlite::page::Page;
use crate::store::sqlite::row::each_record;
use crate::store::sqlite::sealed::Tag;
use crate::store::sqlite::snapshot::{Unread, load};
use crate::store::sqlite::{fault, label, steps};
use crate::store::{Found, Incarnation, Kept, StoreError};

/// Revisions of a parent that are read at a time.
const READ_AT_ONCE: u64 = 1024;

/// A walk over a document's revisions.
struct Walk {
    document: Incarnation,
    name: Option<String>,
    identity: Option<Identity>,
    /// The version that is due.
    next: Version,
    /// What is left of what was pruned before the first.
    kept: Kept,
    time: Time,
    /// Unknown behind a revision that cannot be read, until the next is.
    chain: Option<Chain>,
    /// Unknown for good behind a revision that cannot be read: what is derived is then not held against it.
    content: Option<Content>,
    taken: HashMap<ClientKey, Taken>,
    /// The revisions since the last multiple of 64, and the blocks of each level since the last of the next.
    singles: Vec<Stretch>,
    composed: Vec<Vec<Stretch>>,
    /// The keys of what is stored, until it was met.
    blocks: BTreeSet<(u32, u64)>,
    snapshots: BTreeSet<u64>,
}

impl Walk {
    fn at(&self, from: Version, to: Version) -> Site {
        Site::Document(self.document, self.name.clone(), Some((from, to)))
    }

    fn here(&self) -> Site {
        Site::Document(self.document, self.name.clone(), None)
    }

    /// Goes on behind revisions that cannot be read.
    fn skip(&mut self, next: Version) {
        self.next = next;
        (self.chain, self.content) = (None, None);
    }
}

impl Verifier<'_> {
    pub(super) fn document(&mut self, document: Incarnation) -> rusqlite::Result<()> {
        self.verified.documents += 1;
        let (name, row) = self.row(document)?;
        let begin = row.as_ref().and_then(|row| self.begin(row));
        let kept = match steps::kept(&self.view.reader.conn, document) {
            Ok(kept) => kept,
            Err(error) => {
                self.tell(Site::Document(document, name, None), reason(error));
                return Ok(());
            }
        };
        let mut walk = Walk {
            document,
            name,
            next: start_of(row.as_ref().and_then(|row| row.begins)).max(kept.horizon()).next(),
            kept,
            time: begin.as_ref().map_or(Time(0), |begin| begin.time),
            chain: begin.as_ref().map(|begin| begin.chain),
            content: begin.map(|begin| begin.content),
            identity: row.map(|row| row.identity),
            taken: HashMap::new(),
            singles: Vec::new(),
            composed: Vec::new(),
            blocks: BTreeSet::new(),
            snapshots: BTreeSet::new(),
        };
        if let Err(error) = self.walk(&mut walk) {
            let sentence = reason(fault(document, walk.next, &error));
            self.tell(walk.here(), format!("what is stored of it cannot be read: {sentence}"));
        }
        Ok(())
    }

    /// Where a document's own revisions begin: empty, or with what its parent had at the version it begins at. None if that
    /// cannot be read, which is told of the parent.
    fn begin(&mut self, row: &Found) -> Option<Snapshot> {
        let mut begin = Snapshot::genesis(&row.identity);
        let until = start_of(row.begins);
        for step in self.view.steps(row.incarnation).ok()? {
            begin.forward(&step.stretch).ok()?;
        }
        while begin.version < until {
            let next = Version(until.0.min(begin.version.0 + READ_AT_ONCE));
            let read = self.view.revisions(row.incarnation, begin.version, next).ok()?;
            read.iter().try_for_each(|revision| begin.forward(&Stretch::of(revision))).ok()?;
        }
        Some(begin)
    }

    fn walk(&mut self, walk: &mut Walk) -> rusqlite::Result<()> {
        let document = walk.document.0 as i64;
        let keys = |sql: &str| -> rusqlite::Result<Vec<(i64, i64)>> {
            let mut select = self.view.reader.conn.prepare_cached(sql)?;
            select.query_map([document], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
        };
        let blocks = keys("SELECT level, place FROM blocks WHERE document = ?1")?;
        walk.blocks = blocks.into_iter().map(|(level, place)| (level as u32, place as u64)).collect();
        let snapshots = keys("SELECT DISTINCT version, 0 FROM snapshots WHERE document = ?1")?;
        walk.snapshots = snapshots.into_iter().map(|(version, _)| version as u64).collect();
        let horizon = walk.kept.horizon();
        // What a horizon left behind and was not removed yet.
        walk.blocks.retain(|(level, place)| Place { level: *level, place: *place }.from() >= horizon);
        walk.snapshots.retain(|version| *version >= horizon.0);
        self.pruned(walk);

        let mut first = horizon.next();
        while let Some(page) = self.next_page(walk.document, first)? {
            first = page.first.next();
            self.page(walk, &page)?;
        }
        let folded = walk.next.0 - 1;
        self.clients(walk)?;
        for run in self.view.journal.tails.runs(walk.document, Version::ZERO, Version(u64::MAX)) {
            if run.last() < walk.next {
                continue;
            }
            match run.bytes() {
                Ok(bytes) => self.records(walk, bytes, run.last())?,
                Err(error) => {
                    self.tell(walk.at(run.first, run.last()), reason(error));
                    walk.skip(run.last().next());
                }
            }
        }
        let head = walk.next.0 - 1;
        for (level, place) in std::mem::take(&mut walk.blocks) {
            let block = Place { level, place };
            // Of a document that is damaged, what could not be held against it is read all the same.
            if block.to().0 > folded {
                let sentence = format!("there is a block of them, but the document ends at {head}");
                self.tell(walk.at(block.from().next(), block.to()), sentence);
            } else {
                self.block(walk, block, None)?;
            }
        }
        for version in std::mem::take(&mut walk.snapshots) {
            let version = Version(version);
            if version.0 > head {
                self.tell(
                    walk.at(version, version),
                    format!("there is a snapshot of it, but the document ends at {head}"),
                );
            } else {
                self.snapshot(walk, version);
            }
        }
        self.labels(walk, Version(head));
        Ok(())
    }

    /// What is left of what was pruned: steps that lead from one to the next, and who made it.
    fn pruned(&mut self, walk: &Walk) {
        let horizon = walk.kept.horizon();
        let mut length = 0;
        match self.view.own_steps(walk.document) {
            Ok(steps) => {
                for step in steps {
                    let covers = step.stretch.op.base_len();
                    if covers != length {
                        let sentence = format!("what is left of them covers {covers} characters, there were {length}");
                        self.tell(walk.at(step.from().next(), step.to()), sentence);
                    }
                    length = step.stretch.op.target_len();
                }
            }
            Err(error) => self.tell(walk.at(Version(1), horizon), reason(error)),
        }
        for number in 0..horizon.0.div_ceil(LEDGER_PAGE) {
            if let Err(error) = self.view.ledger_page(walk.document, number, horizon) {
                let from = Version(number * LEDGER_PAGE);
                let to = horizon.min(Version(from.0 + LEDGER_PAGE));
                self.tell(walk.at(from.next(), to), reason(error));
            }
        }
    }

    fn next_page(&self, document: Incarnation, from: Version) -> rusqlite::Result<Option<Page>> {
        let mut select = self.view.reader.conn.prepare_cached(
            "SELECT first, last, time, body FROM pages WHERE document = ?1 AND first >= ?2 ORDER BY first LIMIT 1",
        )?;
        let mut rows = select.query_map(params![document.0 as i64, from.0 as i64], Page::of_row)?;
        rows.next().transpose()
    }

    fn page(&mut self, walk: &mut Walk, page: &Page) -> rusqlite::Result<()> {
        let key = page.key(walk.document);
        match self.view.reader.press.open(Tag::Page, &key, &page.body).map(|content| content.into_owned()) {
            Ok(content) => self.records(walk, &content, page.last),
            Err(reason) => {
                self.tell(walk.at(page.first, page.last), format!("their page: {reason}"));
                walk.skip(page.last.next());
                Ok(())
            }
        }
    }

    /// Takes consecutive records, which end with version `last`.
    fn records(&mut self, walk: &mut Walk, records: &[u8], last: Version) -> rusqlite::Result<()> {
        for record in each_record(records) {
            let record = record.and_then(|(_, bytes)| decode_record(bytes));
            let (whose, revision, _) = match record {
                Ok(decoded) => decoded,
                Err(error) => {
                    self.tell(walk.at(walk.next, last), error.to_string());
                    walk.skip(last.next());
                    return Ok(());
                }
            };
            let version = revision.version;
            if version < walk.next {
                continue;
            }
            if whose != walk.document {
                self.tell(walk.at(version, version), format!("the record is of document number {}", whose.0));
            }
            if version > walk.next {
                self.tell(walk.at(walk.next, Version(version.0 - 1)), "they are missing");
                walk.skip(version);
            }
            self.verified.revisions += 1;
            walk.next = version.next();
            let here = walk.at(version, version);
            if let (Some(before), Some(identity)) = (walk.chain, &walk.identity) {
                let due = revision.chain_after(before, &identity.key);
                if due != revision.chain {
                    let sentence = format!("its chain is {}, its history gives {due}", revision.chain);
                    self.tell(here.clone(), sentence);
                }
            }
            if revision.time < walk.time {
                let sentence = format!("its time is {}, before {} of the one before", revision.time.0, walk.time.0);
                self.tell(here.clone(), sentence);
            }
            (walk.chain, walk.time) = (Some(revision.chain), revision.time);
            if let Some(origin) = revision.origin {
                walk.taken.insert(origin.client, Taken { seq: origin.seq, version });
            }
            if let Some(content) = &mut walk.content {
                if let Err(mismatch) = revision.op.apply(content) {
                    self.tell(here, format!("its op does not fit: {mismatch}"));
                    walk.content = None;
                } else {
                    walk.singles.push(Stretch::of(&revision));
                }
            }
            if walk.content.is_some() {
                self.derived(walk, version)?;
            }
        }
        Ok(())
    }

    /// Holds against the content and the revisions what is stored of them at a version.
    fn derived(&mut self, walk: &mut Walk, version: Version) -> rusqlite::Result<()> {
        let mut level = 0;
        while version.0.is_multiple_of((Place { level, place: 0 }).size()) {
            let below = match level {
                0 => std::mem::take(&mut walk.singles),
                level => std::mem::take(&mut walk.composed[level as usize - 1]),
            };
            let composed = Stretch::join_all(below).expect("a block is not empty");
            let place = Place { level, place: version.0 / (Place { level, place: 0 }).size() - 1 };
            if walk.blocks.remove(&(level, place.place)) {
                self.block(walk, place, Some(&composed))?;
            }
            if walk.composed.len() <= level as usize {
                walk.composed.push(Vec::new());
            }
            walk.composed[level as usize].push(composed);
            level += 1;
        }
        if walk.snapshots.remove(&version.0) {
            self.snapshot(walk, version);
        }
        Ok(())
    }

    fn block(&mut self, walk: &Walk, place: Place, due: Option<&Stretch>) -> rusqlite::Result<()> {
        self.verified.blocks += 1;
        let key = params![walk.document.0 as i64, place.level, place.place as i64];
        let body: Vec<u8> = self
            .view
            .reader
            .conn
            .prepare_cached("SELECT body FROM blocks WHERE document = ?1 AND level = ?2 AND place = ?3")?
            .query_row(key, |row| row.get(0))?;
        let found = open_block(&mut self.view.reader.press, walk.document, place, &body);
        let here = walk.at(place.from().next(), place.to());
        match found {
            Err(reason) => self.tell(here, format!("their block: {reason}")),
            Ok(found) if due.is_some_and(|due| *due != found) => {
                self.tell(here, "their block is not what they give when they are composed");
            }
            Ok(_) => {}
        }
        Ok(())
    }

    /// Holds a snapshot against the content, if that is known and at its version.
    fn snapshot(&mut self, walk: &Walk, version: Version) {
        self.verified.snapshots += 1;
        let here = walk.at(version, version);
        let found = match load(&mut self.view.reader, walk.document, version) {
            Ok(found) => found,
            // Cut off while it was written; it does not count.
            Err(Unread::Incomplete) => return,
            Err(Unread::Damaged(reason)) => return self.tell(here, format!("its snapshot: {reason}")),
            Err(Unread::Unavailable(error)) => return self.tell(here, format!("its snapshot: {}", reason(error))),
        };
        let Some(content) = walk.content.as_ref().filter(|_| walk.next == version.next()) else { return };
        if found.content != *content {
            let lengths = format!("{} and {} characters", found.content.len(), content.len());
            self.tell(here, format!("its snapshot is not the content that its revisions give ({lengths})"));
        } else if Some(found.chain) != walk.chain || found.time != walk.time {
            self.tell(here, "its snapshot has another chain or time than its revision");
        }
    }

    /// The last edit taken from each client, as of the revisions that are in pages.
    fn clients(&mut self, walk: &Walk) -> rusqlite::Result<()> {
        let rows: Vec<(Vec<u8>, Vec<u8>)> = self
            .view
            .reader
            .conn
            .prepare_cached("SELECT client, body FROM clients WHERE document = ?1")?
            .query_map([walk.document.0 as i64], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<rusqlite::Result<_>>()?;
        let whole = walk.content.is_some();
        let mut missing: HashMap<ClientKey, Taken> = walk.taken.clone();
        for (client, body) in rows {
            let Ok(client) = client.try_into().map(ClientKey) else {
                self.tell(walk.here(), "a client's row is damaged: its key has not 16 bytes");
                continue;
            };
            let due = missing.remove(&client);
            match open_client(walk.document, client, &body) {
                Err(reason) => self.tell(walk.here(), format!("a client's row is damaged: {reason}")),
                // Of what was pruned there is nothing else to hold it against.
                Ok(found) if due.is_none() && found.version <= walk.kept.horizon() => {}
                Ok(found) if whole && due != Some(found) => {
                    let due = due.map_or("nothing".into(), |due| format!("seq {} as version {}", due.seq, due.version));
                    let found = format!("seq {} as version {}", found.seq, found.version);
                    self.tell(
                        walk.here(),
                        format!("a client's row says that {found} was last taken from it, it was {due}"),
                    );
                }
                Ok(_) => {}
            }
        }
        if whole {
            for (_, Taken { seq, version }) in missing {
                let sentence =
                    format!("the row of its client is missing: its seq {seq}, sent again, would be taken twice");
                self.tell(walk.at(version, version), sentence);
            }
        }
        Ok(())
    }

    fn labels(&mut self, walk: &Walk, head: Version) {
        let labels: Result<Vec<Label>, StoreError> = label::all(&self.view.reader.conn, walk.document);
        match labels {
            Err(error) => self.tell(walk.here(), reason(error)),
            Ok(labels) => {
                for label in labels {
                    let why = match label.version {
                        version if version > head => format!("the document ends at {head}"),
                        version if !walk.kept.holds(version) => "it was pruned".to_owned(),
                        _ => continue,
                    };
                    let sentence = format!("the label {:?} names it, but {why}", label.name.as_str());
                    self.tell(walk.at(label.version, label.version), sentence);
                }
            }
        }
    }
}
