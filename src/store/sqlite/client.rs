//! What was last taken from each client: a row per document and client, derived from its revisions.

use rusqlite::{Connection, OptionalExtension, params};

use super::log::Log;
use super::row::each_record;
use super::sealed::{Tag, open_plain, seal_plain};
use crate::document::{ClientKey, Seq, Taken, Version};
use crate::store::codec::{Reader, put_number};
use crate::store::{Incarnation, StoreError};

/// The sealed body of a client's row.
pub fn seal_client(document: Incarnation, client: ClientKey, taken: Taken) -> Vec<u8> {
    let mut content = Vec::with_capacity(12);
    put_number(&mut content, taken.seq.0);
    put_number(&mut content, taken.version.0);
    seal_plain(Tag::Client, &client_key(document, client), &content)
}

impl Log<'_> {
    /// The last edit taken from a client.
    pub fn taken(&mut self, client: ClientKey) -> Result<Option<Taken>, StoreError> {
        for run in self.tail.iter().rev() {
            if let Some(taken) = self.taken_in(run.bytes()?, run.first, client)? {
                return Ok(Some(taken));
            }
        }
        let body =
            self.reader.conn.prepare_cached("SELECT body FROM clients WHERE document = ?1 AND client = ?2").and_then(
                |mut select| {
                    let key = params![self.document.0 as i64, &client.0[..]];
                    select.query_row(key, |row| row.get::<_, Vec<u8>>(0)).optional()
                },
            );
        let body = body.map_err(|error| self.fault(Version(1), error))?;
        let Some(body) = body else { return Ok(None) };
        match open_client(self.document, client, &body) {
            Ok(taken) => Ok(Some(taken)),
            Err(reason) => {
                tracing::warn!(
                    document = self.document.0,
                    reason,
                    "a client's row is damaged; its edits are looked up"
                );
                self.taken_in_pages(client)
            }
        }
    }

    /// Looks through all pages, newest first.
    fn taken_in_pages(&mut self, client: ClientKey) -> Result<Option<Taken>, StoreError> {
        let mut page = self.newest_page()?;
        while let Some(at) = page {
            let content = self.open_page(&at)?;
            if let Some(taken) = self.taken_in(&content, at.first, client)? {
                return Ok(Some(taken));
            }
            page = match at.first.0 {
                0 | 1 => None,
                first => self.page_at(Version(first - 1))?,
            };
        }
        if self.kept.horizon() > Version::ZERO {
            return Err(self.damaged(Version(1), "a client's row is damaged, and what it sent was pruned"));
        }
        Ok(None)
    }

    fn taken_in(&self, records: &[u8], first: Version, client: ClientKey) -> Result<Option<Taken>, StoreError> {
        let mut last = None;
        for record in each_record(records) {
            let (glance, _) = record.map_err(|error| self.damaged(first, error))?;
            let origin = glance.origin.filter(|origin| origin.client == client);
            last = origin.map(|origin| Taken { seq: origin.seq, version: glance.version }).or(last);
        }
        Ok(last)
    }
}

/// What was last taken from each client, as of the revisions that are in pages.
pub fn all(conn: &Connection, document: Incarnation) -> Result<Vec<(ClientKey, Taken)>, StoreError> {
    let rows = conn.prepare_cached("SELECT client, body FROM clients WHERE document = ?1 ORDER BY client").and_then(
        |mut select| {
            let rows = select.query_map([document.0 as i64], |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows.collect::<rusqlite::Result<Vec<([u8; 16], Vec<u8>)>>>()
        },
    );
    let opened = |(client, body): ([u8; 16], Vec<u8>)| {
        let client = ClientKey(client);
        let taken = open_client(document, client, &body);
        let damaged = |reason| StoreError::Damaged { document, version: Version(1), reason };
        Ok((client, taken.map_err(|reason| damaged(format!("a client's row: {reason}")))?))
    };
    rows.map_err(|error| super::fault(document, Version(1), &error))?.into_iter().map(opened).collect()
}

/// What the row is sealed under.
fn client_key(document: Incarnation, client: ClientKey) -> [u64; 3] {
    let number = u128::from_le_bytes(client.0);
    [document.0, number as u64, (number >> 64) as u64]
}

/// The last edit taken from a client, as its row says.
pub fn open_client(document: Incarnation, client: ClientKey, body: &[u8]) -> Result<Taken, String> {
    let mut content = Reader(open_plain(Tag::Client, &client_key(document, client), body)?);
    let mut number = || content.number().map_err(|error| error.to_string());
    Ok(Taken { seq: Seq(number()?), version: Version(number()?) })
}
