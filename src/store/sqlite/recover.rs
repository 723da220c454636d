//! Reading the journal at start, and after a failed commit: what is in it, and whether it is all that was written.

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension};

use super::directory::{Directory, OpenError};
use super::fault;
use super::log::Log;
use super::mark::{Mark, MarkFile};
use super::readers::Reader;
use super::row::read_row;
use super::tails::Tails;
use crate::document::Version;
use crate::store::{Incarnation, Kept, StoreError};

/// What the journal holds.
pub struct Journal {
    pub tails: Tails,
    /// The id of the next row: above every one that was ever written.
    pub next_row: u64,
    /// The number of the next document: above every one that was ever given.
    pub next_number: u64,
    /// The newest row.
    pub newest: Option<Mark>,
    /// The sentence that says what is lost, if something is.
    pub lost: Option<String>,
    /// Rows that cannot be read.
    pub unreadable: Vec<u64>,
}

/// Reads the journal and holds it against the mark. Writes nothing.
pub fn read_journal(reader: &mut Reader, mark: Option<Mark>) -> rusqlite::Result<Journal> {
    let mut journal = Journal {
        tails: Tails::default(),
        next_row: mark.map_or(1, |mark| mark.row + 1),
        next_number: next_number(&reader.conn)?,
        newest: None,
        lost: None,
        unreadable: Vec::new(),
    };
    let mut marked = None;
    let mut at = 0;
    while let Some(row) = next_row(&reader.conn, at) {
        at = match row {
            Ok(row) => row,
            Err(error) if is_damage(&error) => {
                journal.lost = Some(format!("the journal cannot be read after row {at}: {error}"));
                break;
            }
            Err(error) => return Err(error),
        };
        journal.next_row = journal.next_row.max(at + 1);
        let body = match row_body(&reader.conn, at) {
            Ok(body) => Ok(Bytes::from(body)),
            Err(error) if is_damage(&error) => Err(error.to_string()),
            Err(error) => return Err(error),
        };
        let read = body.and_then(|body| {
            let read =
                read_row(at, &body).ok_or_else(|| "neither its footer nor all of its records are whole".to_owned())?;
            Ok((read, body.len()))
        });
        match read {
            Ok((read, len)) => {
                if read.sums.0 != read.sums.1 {
                    tracing::warn!(row = at, "a journal row is damaged; its footer says what is in it");
                }
                if mark.is_some_and(|mark| mark.row == at) {
                    marked = Some(read.sums);
                }
                journal.newest = Some(Mark { row: at, sum: read.sums.0 });
                journal.tails.push(at, len, read.runs);
            }
            Err(reason) => {
                journal.unreadable.push(at);
                journal.lost.get_or_insert_with(|| format!("journal row {at} cannot be read: {reason}"));
            }
        }
    }
    if journal.lost.is_none() {
        journal.lost = mark.and_then(|mark| missing(mark, marked, at));
    }
    match mark {
        None if at > 0 => tracing::warn!("there is no high-water mark: loss of the newest commits would go unnoticed"),
        _ => {}
    }
    settle(reader, &mut journal.tails)?;
    Ok(journal)
}

/// Goes on from what is there: rows that cannot be read leave, and the mark names the newest that can.
pub fn accept_loss(conn: &Connection, directory: &Directory, journal: &Journal) -> Result<(), OpenError> {
    for row in &journal.unreadable {
        conn.execute("DELETE FROM journal WHERE id = ?1", [*row as i64])?;
    }
    // A snapshot of what is lost must not pass for one of what is written in its place.
    conn.execute(
        "DELETE FROM snapshots WHERE version >
            coalesce((SELECT max(last) FROM pages WHERE pages.document = snapshots.document), 0)",
        [],
    )?;
    let mark_error = |error| directory.mark_error(error);
    match journal.newest {
        Some(mark) => MarkFile::open(&directory.mark).and_then(|mut file| file.write(mark)).map_err(mark_error),
        None => match std::fs::remove_file(&directory.mark) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(mark_error(error)),
            _ => Ok(()),
        },
    }
}

/// The next row's id, read without its body.
fn next_row(conn: &Connection, after: u64) -> Option<rusqlite::Result<u64>> {
    let next = conn
        .prepare_cached("SELECT id FROM journal WHERE id > ?1 ORDER BY id LIMIT 1")
        .and_then(|mut select| select.query_row([after as i64], |row| row.get::<_, i64>(0)).optional());
    next.map(|next| next.map(|id| id as u64)).transpose()
}

fn row_body(conn: &Connection, row: u64) -> rusqlite::Result<Vec<u8>> {
    conn.prepare_cached("SELECT body FROM journal WHERE id = ?1")?.query_row([row as i64], |row| row.get(0))
}

fn next_number(conn: &Connection) -> rusqlite::Result<u64> {
    let highest = "SELECT max(coalesce((SELECT max(number) FROM documents), 0),
        coalesce((SELECT max(seq) FROM sqlite_sequence WHERE name = 'documents'), 0))";
    conn.query_row(highest, [], |row| row.get::<_, i64>(0)).map(|highest| highest as u64 + 1)
}

fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(fault(Incarnation(0), Version::ZERO, error), StoreError::Damaged { .. })
}

/// Whether the journal ends before the mark, or the marked row is another one.
fn missing(mark: Mark, marked: Option<(u32, u32)>, newest: u64) -> Option<String> {
    match marked {
        // A damaged row still carries one of the two: its records are then damaged by name, and nothing is lost.
        Some((stored, computed)) if stored == mark.sum || computed == mark.sum => None,
        Some((_, computed)) => Some(format!(
            "journal row {} has checksum {computed:08x}, but the row that was written has {:08x}",
            mark.row, mark.sum
        )),
        None if newest < mark.row => Some(format!(
            "the journal ends at row {newest}, but row {} was written: the newest commits of all documents are lost",
            mark.row
        )),
        None => None,
    }
}

/// Takes out what is in pages already, and finds the documents whose tail is damaged.
fn settle(reader: &mut Reader, tails: &mut Tails) -> rusqlite::Result<()> {
    for document in tails.documents() {
        if super::documents::was_removed(&reader.conn, document)? {
            tails.remove(document);
        }
    }
    // Rows leave the journal from its beginning, so what is left of each document is the end of its log, and records
    // that are in pages too do no harm. With holes between the rows an old record could pass for a document's newest.
    if tails.rows_have_holes() {
        for document in tails.documents() {
            match Log::new(document, Version::ZERO, Kept::default(), reader, Vec::new()).newest_page() {
                Ok(Some(page)) => tails.folded(document, page.last),
                Ok(None) => {}
                Err(error) => tails.damage(document, error),
            }
        }
    }
    for document in tails.documents() {
        let mut next = None;
        let damage = tails.all(document).find_map(|run| {
            let due = next.replace(run.last().next()).unwrap_or(run.first);
            let hole = || StoreError::Damaged {
                document,
                version: due,
                reason: format!("versions {due} to {} are not in the journal", run.first.0.saturating_sub(1)),
            };
            run.bytes().err().or_else(|| (due != run.first).then(hole))
        });
        if let Some(damage) = damage {
            tails.damage(document, damage);
        }
    }
    Ok(())
}
