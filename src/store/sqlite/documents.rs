//! The row of a document: its identity, sealed under its number and name.

use rusqlite::{Connection, OptionalExtension, params};

use super::sealed::{Tag, open_plain, seal_plain};
use crate::document::{ChainKey, DocumentId, Epoch, Identity, Kind, Time, Version};
use crate::store::codec::{BadRecord, Reader, put_number, put_text};
use crate::store::{BranchPoint, Found, Incarnation, StoreError};

/// The sealed body of a document's row.
pub fn seal_identity(number: Incarnation, identity: &Identity, begins: Option<BranchPoint>) -> Vec<u8> {
    let mut content = Vec::with_capacity(64 + identity.id.as_str().len());
    put_text(&mut content, identity.id.as_str());
    put_text(&mut content, identity.kind.as_str());
    content.extend_from_slice(&identity.epoch.0);
    content.extend_from_slice(&identity.key.0);
    put_number(&mut content, identity.created.0);
    if let Some(begins) = begins {
        put_number(&mut content, begins.parent.0);
        put_number(&mut content, begins.version.0);
    }
    seal_plain(Tag::Document, &[number.0], &content)
}

/// The document of this name.
pub fn find(conn: &Connection, id: &DocumentId) -> Result<Option<Found>, StoreError> {
    let row = conn
        .prepare_cached("SELECT number, body FROM documents WHERE id = ?1")
        .and_then(|mut select| select.query_row([id.as_str()], number_and_body).optional())
        .map_err(|error| super::fault(Incarnation(0), Version::ZERO, &error))?;
    let Some((number, body)) = row else { return Ok(None) };
    let incarnation = Incarnation(number);
    let found = open_row(incarnation, &body)?;
    if found.identity.id != *id {
        return Err(damaged(incarnation, format!("its row says that its name is {}", found.identity.id)));
    }
    Ok(Some(found))
}

/// The document of this number.
pub fn of_number(conn: &Connection, document: Incarnation) -> Result<Found, StoreError> {
    let row = conn
        .prepare_cached("SELECT number, body FROM documents WHERE number = ?1")
        .and_then(|mut select| select.query_row([document.0 as i64], number_and_body).optional())
        .map_err(|error| super::fault(document, Version::ZERO, &error))?;
    let (_, body) = row.ok_or(StoreError::Unknown(document))?;
    open_row(document, &body)
}

/// Whether a document is a branch, where its own row cannot say so.
pub fn is_branch(conn: &Connection, document: Incarnation) -> Result<bool, StoreError> {
    conn.prepare_cached("SELECT 1 FROM branches WHERE document = ?1")
        .and_then(|mut select| select.exists([document.0 as i64]))
        .map_err(|error| super::fault(document, Version::ZERO, &error))
}

/// The documents that begin at a version of this one, in order of their ids.
pub fn branches(conn: &Connection, document: Incarnation) -> Result<Vec<Found>, StoreError> {
    let rows = conn
        .prepare_cached("SELECT document FROM branches WHERE parent = ?1")
        .and_then(|mut select| {
            let rows = select.query_map([document.0 as i64], |row| row.get::<_, i64>(0))?;
            rows.collect::<rusqlite::Result<Vec<i64>>>()
        })
        .map_err(|error| super::fault(document, Version::ZERO, &error))?;
    let found = rows.into_iter().map(|number| of_number(conn, Incarnation(number as u64)));
    let mut branches = found.collect::<Result<Vec<_>, _>>()?;
    branches.sort_by(|a, b| a.identity.id.cmp(&b.identity.id));
    Ok(branches)
}

/// Whether there is a document of this number.
pub fn exists(conn: &Connection, document: Incarnation) -> Result<bool, StoreError> {
    conn.prepare_cached("SELECT 1 FROM documents WHERE number = ?1")
        .and_then(|mut select| select.exists([document.0 as i64]))
        .map_err(|error| super::fault(document, Version::ZERO, &error))
}

/// Whether a document exists, and no other begins at a version of it.
pub fn may_remove(conn: &Connection, document: Incarnation) -> Result<(), StoreError> {
    if !exists(conn, document)? {
        return Err(StoreError::Unknown(document));
    }
    let branches: Vec<String> =
        branches(conn, document)?.into_iter().map(|branch| branch.identity.id.to_string()).collect();
    match branches.is_empty() {
        true => Ok(()),
        false => Err(StoreError::HasBranches { document, branches }),
    }
}

/// Moves a document from those that exist to those that did. In a transaction of the caller's.
pub fn remove(conn: &Connection, document: Incarnation) -> rusqlite::Result<()> {
    let id: String = conn
        .prepare_cached("SELECT id FROM documents WHERE number = ?1")?
        .query_row([document.0 as i64], |row| row.get(0))?;
    let body = seal_plain(Tag::Removed, &[document.0], id.as_bytes());
    conn.prepare_cached("DELETE FROM documents WHERE number = ?1")?.execute([document.0 as i64])?;
    conn.prepare_cached("DELETE FROM branches WHERE document = ?1")?.execute([document.0 as i64])?;
    conn.prepare_cached("INSERT INTO removed(number, swept, body) VALUES(?1, 0, ?2)")?
        .execute(params![document.0 as i64, body])?;
    Ok(())
}

/// Whether a document of this number was removed.
pub fn was_removed(conn: &Connection, document: Incarnation) -> rusqlite::Result<bool> {
    conn.prepare_cached("SELECT 1 FROM removed WHERE number = ?1")?.exists([document.0 as i64])
}

/// A row as it lies there.
pub struct Row {
    pub number: Incarnation,
    pub id: String,
    pub identity: Result<Identity, StoreError>,
}

/// The documents whose id lies in `[from, to)`, in byte order.
pub fn list(conn: &Connection, from: &str, to: &str, most: usize) -> rusqlite::Result<Vec<Row>> {
    let mut select =
        conn.prepare_cached("SELECT number, body, id FROM documents WHERE id >= ?1 AND id < ?2 ORDER BY id LIMIT ?3")?;
    let rows = select.query_map(params![from, to, most as i64], |row| {
        let (number, body) = number_and_body(row)?;
        let (number, id): (_, String) = (Incarnation(number), row.get(2)?);
        let identity = open_row(number, &body).map(|found| found.identity);
        let identity = identity.and_then(|identity| match identity.id.as_str() == id {
            true => Ok(identity),
            false => Err(damaged(number, format!("its row says that its name is {}", identity.id))),
        });
        Ok(Row { number, id, identity })
    })?;
    rows.collect()
}

fn number_and_body(row: &rusqlite::Row) -> rusqlite::Result<(u64, Vec<u8>)> {
    Ok((row.get::<_, i64>(0)? as u64, row.get(1)?))
}

fn open_row(document: Incarnation, body: &[u8]) -> Result<Found, StoreError> {
    let content = open_plain(Tag::Document, &[document.0], body).map_err(|reason| damaged(document, reason))?;
    read_row(document, content).map_err(|error| damaged(document, error.to_string()))
}

fn read_row(incarnation: Incarnation, content: &[u8]) -> Result<Found, BadRecord> {
    let mut content = Reader(content);
    let id = content.text("id")?.parse().map_err(|_| BadRecord::Senseless("id"))?;
    let kind: Kind = content.text("kind")?.parse().map_err(|_| BadRecord::Senseless("kind"))?;
    let (epoch, key) = (Epoch(content.array()?), ChainKey(content.array()?));
    let identity = Identity { id, kind, epoch, key, created: Time(content.number()?) };
    let begins = match content.0.is_empty() {
        true => None,
        false => Some(BranchPoint { parent: Incarnation(content.number()?), version: Version(content.number()?) }),
    };
    Ok(Found { incarnation, identity, begins })
}

fn damaged(document: Incarnation, reason: String) -> StoreError {
    StoreError::Damaged { document, version: Version::ZERO, reason: format!("the document's own row: {reason}") }
}
