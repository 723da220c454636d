//! Pages: up to 256 consecutive revisions of one document in one row, and reading through them.

use std::borrow::Cow;
use std::sync::Arc;

use rusqlite::{OptionalExtension, params};

use super::fault;
use super::log::Log;
use super::readers::Reader;
use super::row::each_record;
use super::sealed::Tag;
use crate::document::{Author, ClientKey, Revision, Time, Version};
use crate::store::codec::decode_record;
use crate::store::{Incarnation, StoreError};

/// A page as it lies in its row.
pub struct Page {
    pub first: Version,
    pub last: Version,
    pub time: Time,
    pub body: Vec<u8>,
}

impl Page {
    /// What its body is sealed under.
    pub fn key(&self, document: Incarnation) -> [u64; 4] {
        [document.0, self.first.0, self.last.0, self.time.0]
    }

    /// Reads the columns first, last, time, body.
    pub fn of_row(row: &rusqlite::Row) -> rusqlite::Result<Page> {
        let number = |column| row.get::<_, i64>(column).map(|number| number as u64);
        Ok(Page { first: Version(number(0)?), last: Version(number(1)?), time: Time(number(2)?), body: row.get(3)? })
    }
}

impl Log<'_> {
    pub fn read_pages(&mut self, from: Version, to: Version, found: &mut Found) -> Result<(), StoreError> {
        let document = self.document;
        let Reader { conn, press, .. } = &mut *self.reader;
        let mut read = || -> Result<(), ReadError> {
            let mut select = conn.prepare_cached(
                "SELECT first, last, time, body FROM pages WHERE document = ?1 AND first <= ?3 AND first >= coalesce(
                    (SELECT max(first) FROM pages WHERE document = ?1 AND first <= ?2), 0) ORDER BY first",
            )?;
            let mut rows = select.query(params![document.0 as i64, from.0 as i64 + 1, to.0 as i64])?;
            while let Some(row) = rows.next()? {
                let page = Page::of_row(row)?;
                if page.last < found.next {
                    continue;
                }
                found.reach(page.first)?;
                let content = press.open(Tag::Page, &page.key(document), &page.body).map_err(|reason| {
                    StoreError::Damaged { document, version: found.next, reason: format!("its page: {reason}") }
                })?;
                found.take(&content)?;
                if found.is_full() {
                    break;
                }
            }
            Ok(())
        };
        match read() {
            Ok(()) => Ok(()),
            Err(ReadError::Store(error)) => Err(error),
            Err(ReadError::Sqlite(error)) => Err(fault(document, found.next, &error)),
        }
    }

    /// The newest page.
    pub fn newest_page(&mut self) -> Result<Option<Page>, StoreError> {
        let sql = "SELECT first, last, time, body FROM pages WHERE document = ?1 ORDER BY first DESC LIMIT 1";
        self.page(sql, u64::MAX >> 1)
    }

    /// The page that holds a version, or the last before it.
    pub fn page_at(&mut self, version: Version) -> Result<Option<Page>, StoreError> {
        let sql = "SELECT first, last, time, body FROM pages WHERE document = ?1 AND first <= ?2
            ORDER BY first DESC LIMIT 1";
        self.page(sql, version.0)
    }

    fn page(&mut self, sql: &str, version: u64) -> Result<Option<Page>, StoreError> {
        let page = self.reader.conn.prepare_cached(sql).and_then(|mut select| {
            match select.parameter_count() {
                1 => select.query_row([self.document.0 as i64], Page::of_row),
                _ => select.query_row([self.document.0 as i64, version as i64], Page::of_row),
            }
            .optional()
        });
        page.map_err(|error| self.fault(Version(version), error))
    }

    /// The records of a page.
    pub fn open_page<'p>(&mut self, page: &'p Page) -> Result<Cow<'p, [u8]>, StoreError> {
        let content = self.reader.press.open(Tag::Page, &page.key(self.document), &page.body);
        content.map_err(|reason| self.damaged(page.first, format!("its page: {reason}")))
    }
}

/// Which of some revisions are to be found.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    /// Only those that this client sent; the others are not decoded.
    pub of: Option<ClientKey>,
    /// As many as weigh so many bytes, and one at least.
    pub room: usize,
}

impl Wanted {
    /// Whoever sent them.
    pub fn any(room: usize) -> Self {
        Wanted { of: None, room }
    }
}

/// Revisions found so far, without a hole.
pub struct Found {
    document: Incarnation,
    to: Version,
    /// The version that is needed next.
    pub next: Version,
    /// Which of them are taken, and how much more.
    wanted: Wanted,
    pub revisions: Vec<Arc<Revision>>,
    /// The author of the last revision: neighbours share one.
    author: Option<Arc<Author>>,
}

impl Found {
    /// Nothing yet of `(from, to]`.
    pub fn new(document: Incarnation, from: Version, to: Version, wanted: Wanted) -> Self {
        let wanted = Wanted { room: wanted.room.max(1), ..wanted };
        // A record has more bytes than that.
        let most = if wanted.of.is_some() { 0 } else { wanted.room / 32 };
        let revisions = Vec::with_capacity((to.since(from) as usize).min(most));
        Found { document, to, next: from.next(), wanted, revisions, author: None }
    }

    /// Whether no more are taken.
    pub fn is_full(&self) -> bool {
        self.wanted.room == 0
    }

    /// What comes next must not begin later than what is needed next.
    pub fn reach(&self, first: Version) -> Result<(), StoreError> {
        if first <= self.next {
            return Ok(());
        }
        let reason = format!("versions {} to {} are missing", self.next, first.0 - 1);
        Err(StoreError::Damaged { document: self.document, version: self.next, reason })
    }

    pub fn take(&mut self, records: &[u8]) -> Result<(), StoreError> {
        let damaged = |version, reason: String| StoreError::Damaged { document: self.document, version, reason };
        for record in each_record(records) {
            let next = self.next;
            let (glance, bytes) = record.map_err(|error| damaged(next, error.to_string()))?;
            if glance.version < next {
                continue;
            }
            if glance.version > self.to || self.is_full() {
                break;
            }
            if self.wanted.of.is_some_and(|client| glance.origin.is_none_or(|origin| origin.client != client)) {
                if glance.version > next {
                    return Err(damaged(next, format!("found version {}", glance.version)));
                }
                self.next = next.next();
                continue;
            }
            let (document, mut revision, _) = decode_record(bytes).map_err(|error| damaged(next, error.to_string()))?;
            if (document, revision.version) != (self.document, next) {
                let found = format!("found version {} of document {}", revision.version, document.0);
                return Err(damaged(next, found));
            }
            match &self.author {
                Some(author) if *author == revision.author => revision.author = author.clone(),
                _ => self.author = Some(revision.author.clone()),
            }
            self.wanted.room = self.wanted.room.saturating_sub(revision.op.weight());
            self.revisions.push(Arc::new(revision));
            self.next = next.next();
        }
        Ok(())
    }
}

enum ReadError {
    Sqlite(rusqlite::Error),
    Store(StoreError),
}

impl From<rusqlite::Error> for ReadError {
    fn from(error: rusqlite::Error) -> Self {
        ReadError::Sqlite(error)
    }
}

impl From<StoreError> for ReadError {
    fn from(error: StoreError) -> Self {
        ReadError::Store(error)
    }
}
