//! The ledger's pages as rows: who made each revision, when, and how much it changed. Derived: what cannot be read is made
//! again from revisions, unless those were pruned. A page that a horizon lies in may end there.
//!
//! ```text
//! page   = count, users, each user's id and name, hands, times, changes
//! hands  = count, then each: revisions, user         times = the first, then each less the one before
//! change = revisions, added, removed                 (all numbers varints; changes until every revision has one)
//! ```

use super::log::Log;
use super::sealed::{Press, Tag};
use crate::document::{LEDGER_PAGE, LedgerPage, Time, User, Version};
use crate::store::codec::{BadRecord, Reader, put_number, put_text};
use crate::store::{Incarnation, READ_WEIGHT, StoreError};

/// The sealed body of a page.
pub fn seal_page(press: &mut Press, document: Incarnation, page: &LedgerPage) -> Vec<u8> {
    let mut content = Vec::with_capacity(64 + 3 * page.times.len());
    put_number(&mut content, page.times.len() as u64);
    put_number(&mut content, page.users.len() as u64);
    for user in &page.users {
        put_text(&mut content, &user.id);
        put_text(&mut content, &user.name);
    }
    put_number(&mut content, page.hands.len() as u64);
    let mut before = 0;
    for (until, user) in &page.hands {
        put_number(&mut content, u64::from(until - before));
        put_number(&mut content, u64::from(*user));
        before = *until;
    }
    let mut before = 0;
    for time in &page.times {
        put_number(&mut content, time.0.wrapping_sub(before));
        before = time.0;
    }
    for alike in page.changed.chunk_by(|a, b| a == b) {
        put_number(&mut content, alike.len() as u64);
        put_number(&mut content, alike[0].0);
        put_number(&mut content, alike[0].1);
    }
    press.seal(Tag::Ledger, &[document.0, page.from.0 / LEDGER_PAGE], &content)
}

fn open_page(press: &mut Press, document: Incarnation, number: u64, body: &[u8]) -> Result<LedgerPage, String> {
    let content = press.open(Tag::Ledger, &[document.0, number], body)?;
    read_page(number, &content).map_err(|error| error.to_string())
}

fn read_page(number: u64, content: &[u8]) -> Result<LedgerPage, BadRecord> {
    let senseless = |what| BadRecord::Senseless(what);
    let mut content = Reader(content);
    let count = content.number()?;
    if !(1..=LEDGER_PAGE).contains(&count) {
        return Err(senseless("count"));
    }
    let mut page = LedgerPage {
        from: Version(number * LEDGER_PAGE),
        users: Vec::new(),
        hands: Vec::new(),
        times: Vec::with_capacity(count as usize),
        changed: Vec::with_capacity(count as usize),
    };
    for _ in 0..content.number()? {
        page.users.push(User { id: content.text("user id")?.into(), name: content.text("user name")?.into() });
    }
    let mut until = 0;
    for _ in 0..content.number()? {
        let (more, user) = (content.number()?, content.number()?);
        if more == 0 || more > count - until || user >= page.users.len() as u64 {
            return Err(senseless("hand"));
        }
        until += more;
        page.hands.push((until as u32, user as u32));
    }
    if until != count {
        return Err(senseless("hands"));
    }
    let mut time = 0u64;
    for _ in 0..count {
        time = time.wrapping_add(content.number()?);
        page.times.push(Time(time));
    }
    while (page.changed.len() as u64) < count {
        let (alike, change) = (content.number()?, (content.number()?, content.number()?));
        if alike == 0 || alike > count - page.changed.len() as u64 {
            return Err(senseless("change"));
        }
        page.changed.resize(page.changed.len() + alike as usize, change);
    }
    Ok(page)
}

impl Log<'_> {
    /// A page of the ledger, up to a version of this log: made from revisions if it is not stored.
    pub fn ledger_page(&mut self, number: u64, to: Version) -> Result<LedgerPage, StoreError> {
        if let Some(page) = self.ledger.get(&number).filter(|page| page.to() <= to) {
            return Ok(page.clone());
        }
        let (from, whole) = (Version(number * LEDGER_PAGE), Version((number + 1) * LEDGER_PAGE));
        let horizon = self.kept.horizon().min(to);
        let (mut page, was_whole) = match self.stored_page(number, horizon)? {
            Some(mut page) if page.to() == whole || from < horizon => {
                let was_whole = page.to() == whole;
                page.cut(to);
                (page, was_whole)
            }
            _ if from < horizon => {
                return Err(
                    self.damaged(from.next(), "who made it is lost: the ledger cannot be read, and it was pruned")
                );
            }
            _ => (LedgerPage::begin(from), false),
        };
        let until = whole.min(to);
        while page.to() < until {
            page.add(&self.some_revisions(page.to(), until, READ_WEIGHT)?);
        }
        if page.to() == whole && !was_whole {
            self.ledger.insert(number, page.clone());
        }
        Ok(page)
    }

    /// A page as it is stored, if it can be read.
    fn stored_page(&mut self, number: u64, horizon: Version) -> Result<Option<LedgerPage>, StoreError> {
        let (from, whole) = (number * LEDGER_PAGE, Version((number + 1) * LEDGER_PAGE));
        let sql = "SELECT body FROM ledger WHERE document = ?1 AND page = ?2";
        let key = [self.document.0 as i64, number as i64];
        // What of it was pruned is in no other place.
        let body = match from < horizon.0 {
            true => self.stored_row(whole, sql, key)?,
            false => self.derived_row(whole, sql, key)?,
        };
        let Some(body) = body else { return Ok(None) };
        match open_page(&mut self.reader.press, self.document, number, &body) {
            Ok(page) => Ok(Some(page)),
            Err(reason) => {
                tracing::warn!(document = self.document.0, number, reason, "a page of the ledger is damaged");
                Ok(None)
            }
        }
    }

    /// The newest version whose time is at or before `time`, where that is before the horizon.
    pub fn pruned_version_at(&mut self, time: Time) -> Result<Version, StoreError> {
        let horizon = self.kept.horizon();
        // Times never decrease along versions.
        let (mut low, mut high) = (0, horizon.0.div_ceil(LEDGER_PAGE));
        while low < high {
            let middle = low + (high - low) / 2;
            let page = self.ledger_page(middle, horizon)?;
            match page.times.partition_point(|then| *then <= time) {
                0 => high = middle,
                all if all == page.times.len() => low = middle + 1,
                some => return Ok(Version(page.from.0 + some as u64)),
            }
        }
        Ok(Version((low * LEDGER_PAGE).min(horizon.0)))
    }
}
