//! Kept snapshots: compressed, and in parts, so that writing a large one never holds up an edit for long.
//!
//! ```text
//! whole  = parts 0, 1, ... joined
//! part 0 begins with the number of parts (varint) and is written last: it makes the rest count
//! whole  = chain, time, text, sealed under (document, version); each part is sealed under (document, version, part)
//! ```

use rusqlite::{OptionalExtension, params};

use super::readers::Reader as Connected;
use super::sealed::{Press, Tag, open_plain, seal_plain};
use super::slice::Put;
use crate::document::{Chain, Snapshot, Time, Version};
use crate::ot::Content;
use crate::store::codec::{BadRecord, Reader, put_number};
use crate::store::{Incarnation, StoreError};

/// Bytes of one part: about as much as a slice of the fold.
const PART: usize = 64 * 1024;
const MAX: u64 = u64::MAX;

/// The rows of a snapshot, in the order in which they are to be written.
pub fn snapshot_parts(document: Incarnation, snapshot: &Snapshot) -> Vec<Put> {
    let mut content = Vec::with_capacity(24 + snapshot.content.bytes_len());
    content.extend_from_slice(&snapshot.chain.0.to_le_bytes());
    put_number(&mut content, snapshot.time.0);
    snapshot.content.pieces().for_each(|piece| content.extend_from_slice(piece.as_bytes()));
    let version = snapshot.version;
    let whole = Press::default().seal(Tag::Snapshot, &[document.0, version.0, MAX], &content);
    let pieces: Vec<&[u8]> = whole.chunks(PART).collect();
    let part = |(part, piece): (usize, &&[u8])| {
        let mut content = Vec::with_capacity(piece.len() + 4);
        if part == 0 {
            put_number(&mut content, pieces.len() as u64);
        }
        content.extend_from_slice(piece);
        let part = part as u64;
        let body = seal_plain(Tag::Snapshot, &[document.0, version.0, part], &content);
        Put::Snapshot { document, version, part, body }
    };
    pieces.iter().enumerate().map(part).rev().collect()
}

/// The newest readable snapshot at or before a version. One that is damaged is passed over: it is derived.
pub fn snapshot_before(
    reader: &mut Connected,
    document: Incarnation,
    version: Version,
) -> Result<Option<Snapshot>, StoreError> {
    let mut version = version;
    loop {
        let newest = reader
            .conn
            .prepare_cached(
                "SELECT version FROM snapshots WHERE document = ?1 AND version <= ?2 ORDER BY version DESC LIMIT 1",
            )
            .and_then(|mut select| {
                let found = select.query_row(params![document.0 as i64, version.0 as i64], |row| row.get::<_, i64>(0));
                found.optional()
            });
        let newest = match newest {
            Ok(Some(newest)) => Version(newest as u64),
            Ok(None) => return Ok(None),
            Err(error) => match super::fault(document, version, &error) {
                StoreError::Damaged { reason, .. } => {
                    tracing::warn!(document = document.0, reason, "the document's snapshots cannot be read");
                    return Ok(None);
                }
                unavailable => return Err(unavailable),
            },
        };
        match load(reader, document, newest) {
            Ok(snapshot) => return Ok(Some(snapshot)),
            Err(Unread::Incomplete) => {}
            Err(Unread::Damaged(reason)) => {
                tracing::warn!(
                    document = document.0,
                    version = newest.0,
                    reason,
                    "a snapshot is damaged and passed over"
                );
            }
            Err(Unread::Unavailable(error)) => return Err(error),
        }
        version = match newest.0.checked_sub(1) {
            Some(earlier) => Version(earlier),
            None => return Ok(None),
        };
    }
}

/// Why a snapshot cannot be read.
pub enum Unread {
    /// Part 0 was never written.
    Incomplete,
    Damaged(String),
    Unavailable(StoreError),
}

/// A kept snapshot.
pub fn load(reader: &mut Connected, document: Incarnation, version: Version) -> Result<Snapshot, Unread> {
    let first = part(reader, document, version, 0)?.ok_or(Unread::Incomplete)?;
    let mut rest = Reader(&first);
    let parts = rest.number().map_err(|error| Unread::Damaged(error.to_string()))?;
    let mut whole = rest.0.to_vec();
    for number in 1..parts {
        let piece = part(reader, document, version, number)?;
        whole.extend_from_slice(&piece.ok_or_else(|| Unread::Damaged(format!("part {number} is missing")))?);
    }
    let content = reader.press.open(Tag::Snapshot, &[document.0, version.0, MAX], &whole).map_err(Unread::Damaged)?;
    read_content(version, &content).map_err(|error| Unread::Damaged(error.to_string()))
}

fn part(reader: &Connected, document: Incarnation, version: Version, part: u64) -> Result<Option<Vec<u8>>, Unread> {
    let key = params![document.0 as i64, version.0 as i64, part as i64];
    let body = reader
        .conn
        .prepare_cached("SELECT body FROM snapshots WHERE document = ?1 AND version = ?2 AND part = ?3")
        .and_then(|mut select| select.query_row(key, |row| row.get::<_, Vec<u8>>(0)).optional());
    let body = body.map_err(|error| match super::fault(document, version, &error) {
        StoreError::Damaged { reason, .. } => Unread::Damaged(reason),
        unavailable => Unread::Unavailable(unavailable),
    })?;
    let Some(body) = body else { return Ok(None) };
    let content = open_plain(Tag::Snapshot, &[document.0, version.0, part], &body).map_err(Unread::Damaged)?;
    Ok(Some(content.to_vec()))
}

fn read_content(version: Version, content: &[u8]) -> Result<Snapshot, BadRecord> {
    let mut content = Reader(content);
    let (chain, time) = (Chain(u64::from_le_bytes(content.array()?)), Time(content.number()?));
    let text = std::str::from_utf8(content.0).map_err(|_| BadRecord::Senseless("text"))?;
    Ok(Snapshot { version, chain, time, content: Content::from(text) })
}
