//! The rows of labels: names of versions, sealed under the document, the name beside the content.

use rusqlite::{Connection, OptionalExtension, params};

use super::sealed::{Tag, open_plain, seal_plain};
use crate::document::{Label, LabelName, Time, User, Version};
use crate::store::codec::{BadRecord, Reader, put_number, put_text};
use crate::store::{Incarnation, LABELS_MAX, Labelled, StoreError};

/// A change of a document's labels.
pub enum LabelChange {
    Put(Box<Label>),
    Delete(LabelName),
}

/// What became of it.
pub enum Changed {
    Put(Labelled),
    /// Whether there was one.
    Deleted(bool),
}

/// Makes a change within a transaction of the caller's.
pub fn change(conn: &Connection, document: Incarnation, change: &LabelChange) -> rusqlite::Result<Changed> {
    match change {
        LabelChange::Delete(name) => {
            let mut delete = conn.prepare_cached("DELETE FROM labels WHERE document = ?1 AND name = ?2")?;
            let rows = delete.execute(params![document.0 as i64, name.as_str()])?;
            Ok(Changed::Deleted(rows > 0))
        }
        LabelChange::Put(label) => {
            let mut count = conn.prepare_cached("SELECT count(*) FROM labels WHERE document = ?1")?;
            if count.query_row([document.0 as i64], |row| row.get::<_, i64>(0))? as usize >= LABELS_MAX {
                return Ok(Changed::Put(Labelled::Full));
            }
            conn.prepare_cached("INSERT INTO labels(document, name, body) VALUES(?1, ?2, ?3)")?.execute(params![
                document.0 as i64,
                label.name.as_str(),
                seal(document, label)
            ])?;
            Ok(Changed::Put(Labelled::New))
        }
    }
}

/// The label of this name.
pub fn find(conn: &Connection, document: Incarnation, name: &LabelName) -> Result<Option<Label>, StoreError> {
    let body = conn
        .prepare_cached("SELECT body FROM labels WHERE document = ?1 AND name = ?2")
        .and_then(|mut select| {
            select.query_row(params![document.0 as i64, name.as_str()], |row| row.get::<_, Vec<u8>>(0)).optional()
        })
        .map_err(|error| super::fault(document, Version::ZERO, &error))?;
    body.map(|body| open(document, name.as_str(), &body)).transpose()
}

/// Every label of a document, in order of version and then of name.
pub fn all(conn: &Connection, document: Incarnation) -> Result<Vec<Label>, StoreError> {
    let rows = conn
        .prepare_cached("SELECT name, body FROM labels WHERE document = ?1 ORDER BY name")
        .and_then(|mut select| {
            let rows = select.query_map([document.0 as i64], |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows.collect::<rusqlite::Result<Vec<(String, Vec<u8>)>>>()
        })
        .map_err(|error| super::fault(document, Version::ZERO, &error))?;
    let mut labels =
        rows.iter().map(|(name, body)| open(document, name, body)).collect::<Result<Vec<Label>, StoreError>>()?;
    labels.sort_by_key(|label| label.version);
    Ok(labels)
}

fn seal(document: Incarnation, label: &Label) -> Vec<u8> {
    let mut content = Vec::with_capacity(64 + label.note.len());
    put_text(&mut content, label.name.as_str());
    put_number(&mut content, label.version.0);
    put_number(&mut content, label.time.0);
    put_text(&mut content, &label.author.id);
    put_text(&mut content, &label.author.name);
    put_text(&mut content, &label.note);
    seal_plain(Tag::Label, &[document.0], &content)
}

fn open(document: Incarnation, name: &str, body: &[u8]) -> Result<Label, StoreError> {
    let damaged = |reason: String| StoreError::Damaged {
        document,
        version: Version::ZERO,
        reason: format!("its label {name:?}: {reason}"),
    };
    let content = open_plain(Tag::Label, &[document.0], body).map_err(damaged)?;
    let label = read(content).map_err(|error| damaged(error.to_string()))?;
    match label.name.as_str() == name {
        true => Ok(label),
        false => Err(damaged(format!("its row says that its name is {:?}", label.name.as_str()))),
    }
}

fn read(content: &[u8]) -> Result<Label, BadRecord> {
    let mut content = Reader(content);
    let name = content.text("name")?.parse().map_err(|_| BadRecord::Senseless("name"))?;
    let (version, time) = (Version(content.number()?), Time(content.number()?));
    let author = User { id: content.text("user id")?.into(), name: content.text("user name")?.into() };
    Ok(Label { name, version, author, time, note: content.text("note")?.to_owned() })
}
