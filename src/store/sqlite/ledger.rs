//! The ledger's pages as rows: who made each revision, when, and how much it changed. Derived: what cannot be read is made
//! again from revisions.
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
    // Stored pages are whole.
    let count = content.number()?;
    if count != LEDGER_PAGE {
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
    /// A page of the ledger, as far as the log goes: made from revisions if it is not stored.
    pub fn ledger_page(&mut self, number: u64, head: Version) -> Result<LedgerPage, StoreError> {
        let (from, whole) = (Version(number * LEDGER_PAGE), Version((number + 1) * LEDGER_PAGE));
        if whole <= head {
            if let Some(page) = self.ledger.get(&number) {
                return Ok(page.clone());
            }
            let sql = "SELECT body FROM ledger WHERE document = ?1 AND page = ?2";
            if let Some(body) = self.derived_row(whole, sql, [self.document.0 as i64, number as i64])? {
                match open_page(&mut self.reader.press, self.document, number, &body) {
                    Ok(page) => return Ok(page),
                    Err(reason) => {
                        tracing::warn!(document = self.document.0, number, reason, "a ledger page is made again");
                    }
                }
            }
        }
        let to = whole.min(head);
        let mut page = LedgerPage::begin(from);
        while page.to() < to {
            page.add(&self.some_revisions(page.to(), to, READ_WEIGHT)?);
        }
        if whole <= head {
            self.ledger.insert(number, page.clone());
        }
        Ok(page)
    }
}
