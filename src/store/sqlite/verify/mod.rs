//! Reads everything that a store holds and says what is wrong with it: nothing that was derived is believed, all of it is
//! computed anew from the revisions, one by one.

mod document;
mod journal;

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

use rusqlite::OptionalExtension;

use super::directory::OpenError;
use super::documents;
use super::view::View;
use crate::document::{DocumentId, Version};
use crate::store::{Found, Incarnation, StoreError};

/// Something that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub place: Site,
    /// What, in a sentence.
    pub sentence: String,
}

/// Where something is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Site {
    /// In the database as such, or beside it.
    Database,
    /// In a row of the journal.
    Journal(u64),
    /// In a document: its name, if that is known, and the first and last version that it is about.
    Document(Incarnation, Option<String>, Option<(Version, Version)>),
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match &self.place {
            Site::Database => write!(f, "database")?,
            Site::Journal(row) => write!(f, "journal row {row}")?,
            Site::Document(number, name, versions) => {
                match name {
                    Some(name) => write!(f, "document {name}")?,
                    None => write!(f, "document number {}", number.0)?,
                }
                match versions {
                    Some((from, to)) if from == to => write!(f, ", version {from}")?,
                    Some((from, to)) => write!(f, ", versions {from} to {to}")?,
                    None => {}
                }
            }
        }
        write!(f, ": {}", self.sentence)
    }
}

/// What was looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Verified {
    /// Documents.
    pub documents: u64,
    /// Revisions.
    pub revisions: u64,
    /// Composed blocks.
    pub blocks: u64,
    /// Snapshots.
    pub snapshots: u64,
    /// Problems found.
    pub problems: u64,
}

/// Reads everything in a store's directory as it is now, also beside a running server. Each problem is told as it is found.
pub fn verify(path: &Path, tell: &mut dyn FnMut(Problem)) -> Result<Verified, OpenError> {
    let view = View::open(path)?;
    let mut verifier = Verifier { view, tell, verified: Verified::default() };
    verifier.database()?;
    verifier.journal()?;
    let numbers = verifier.numbers()?;
    for document in &numbers {
        verifier.document(*document)?;
    }
    verifier.strays(&numbers)?;
    Ok(verifier.verified)
}

struct Verifier<'t> {
    view: View,
    tell: &'t mut dyn FnMut(Problem),
    verified: Verified,
}

impl Verifier<'_> {
    fn tell(&mut self, place: Site, sentence: impl Into<String>) {
        self.verified.problems += 1;
        (self.tell)(Problem { place, sentence: sentence.into() });
    }

    /// What SQLite itself finds: its pages, and whether its indexes say what its tables say.
    fn database(&mut self) -> rusqlite::Result<()> {
        let found: rusqlite::Result<Vec<String>> = self
            .view
            .reader
            .conn
            .prepare("PRAGMA integrity_check")
            .and_then(|mut check| check.query_map([], |row| row.get(0))?.collect());
        match found {
            Ok(found) => {
                for sentence in found.into_iter().filter(|sentence| sentence != "ok") {
                    self.tell(Site::Database, sentence);
                }
            }
            Err(error) => self.tell(Site::Database, format!("it cannot be checked: {error}")),
        }
        Ok(())
    }

    /// The numbers of all documents, each of which has to be there, or deleted.
    fn numbers(&mut self) -> rusqlite::Result<Vec<Incarnation>> {
        let conn = &self.view.reader.conn;
        let numbers = |sql: &str| -> rusqlite::Result<BTreeSet<u64>> {
            conn.prepare(sql)?.query_map([], |row| row.get::<_, i64>(0).map(|number| number as u64))?.collect()
        };
        let (there, removed) = match (numbers("SELECT number FROM documents"), numbers("SELECT number FROM removed")) {
            (Ok(there), Ok(removed)) => (there, removed),
            (Err(error), _) | (_, Err(error)) => {
                self.tell(Site::Database, format!("its documents cannot be listed: {error}"));
                return Ok(Vec::new());
            }
        };
        let given: Option<i64> = conn
            .query_row("SELECT seq FROM sqlite_sequence WHERE name = 'documents'", [], |row| row.get(0))
            .optional()?;
        let given = given.unwrap_or(0) as u64;
        let highest = there.last().max(removed.last()).copied().unwrap_or(0);
        if highest > given {
            let sentence = format!("it says that {given} document numbers were given, but there is number {highest}");
            self.tell(Site::Database, sentence);
        }
        for number in 1..=highest.max(given) {
            let place = Site::Document(Incarnation(number), None, None);
            match (there.contains(&number), removed.contains(&number)) {
                (true, true) => self.tell(place, "it is there, and also among those that were deleted"),
                (false, false) => self.tell(place, "its row is lost: it is neither there nor among those deleted"),
                _ => {}
            }
        }
        Ok(there.into_iter().map(Incarnation).collect())
    }

    /// What belongs to no document.
    fn strays(&mut self, there: &[Incarnation]) -> rusqlite::Result<()> {
        for table in ["pages", "blocks", "clients", "snapshots", "labels", "marks", "ledger", "steps"] {
            let sql = format!(
                "SELECT DISTINCT document FROM {table} WHERE document NOT IN (SELECT number FROM documents)
                    AND document NOT IN (SELECT number FROM removed WHERE swept = 0)"
            );
            let found: rusqlite::Result<Vec<i64>> = self
                .view
                .reader
                .conn
                .prepare(&sql)
                .and_then(|mut strays| strays.query_map([], |row| row.get(0))?.collect());
            match found {
                Ok(found) => {
                    for number in found {
                        let place = Site::Document(Incarnation(number as u64), None, None);
                        self.tell(place, format!("there is no such document, but {table} of it"));
                    }
                }
                Err(error) => self.tell(Site::Database, format!("its {table} cannot be read: {error}")),
            }
        }
        for document in self.view.journal.tails.documents() {
            if there.binary_search(&document).is_err() {
                let place = Site::Document(document, None, None);
                self.tell(place, "there is no such document, but revisions of it in the journal");
            }
        }
        Ok(())
    }

    /// A document's row, and the name under which it is found.
    fn row(&mut self, document: Incarnation) -> rusqlite::Result<(Option<String>, Option<Found>)> {
        let conn = &self.view.reader.conn;
        let name: Option<String> = conn
            .query_row("SELECT id FROM documents WHERE number = ?1", [document.0 as i64], |row| row.get(0))
            .optional()
            .unwrap_or_default();
        let found = documents::of_number(conn, document);
        let place = || Site::Document(document, name.clone(), None);
        let row = match found {
            Ok(found) => found,
            Err(error) => {
                self.tell(place(), reason(error));
                return Ok((name, None));
            }
        };
        if name.as_deref() != Some(row.identity.id.as_str()) {
            self.tell(place(), format!("its row says that its name is {}", row.identity.id));
        }
        if let Some(id) = name.as_ref().and_then(|name| name.parse::<DocumentId>().ok()) {
            match documents::find(&self.view.reader.conn, &id) {
                Ok(Some(found)) if found.incarnation == document => {}
                Ok(found) => {
                    let found = found.map_or("nothing".into(), |found| format!("number {}", found.incarnation.0));
                    self.tell(place(), format!("it is number {}, but the index of names has {found}", document.0));
                }
                Err(error) => self.tell(place(), reason(error)),
            }
        }
        self.branch(&row, &place());
        Ok((name, Some(row)))
    }
}

impl Verifier<'_> {
    /// Whether a branch begins at a version that there is, and is among its parent's branches.
    fn branch(&mut self, row: &Found, place: &Site) {
        let indexed: rusqlite::Result<Option<i64>> = self
            .view
            .reader
            .conn
            .query_row("SELECT parent FROM branches WHERE document = ?1", [row.incarnation.0 as i64], |row| row.get(0))
            .optional();
        match indexed {
            Ok(indexed) => {
                let due = row.begins.map(|begins| begins.parent.0);
                let indexed = indexed.map(|parent| parent as u64);
                if due != indexed {
                    let number =
                        |number: Option<u64>| number.map_or("none".into(), |number| format!("number {number}"));
                    let (due, indexed) = (number(due), number(indexed));
                    let sentence =
                        format!("the document that it is a branch of is {due}, the index of branches has {indexed}");
                    self.tell(place.clone(), sentence);
                }
            }
            Err(error) => self.tell(place.clone(), format!("the index of branches cannot be read: {error}")),
        }
        if let Some(begins) = row.begins {
            match self.view.head(begins.parent) {
                Ok(head) if begins.version <= head.version => {}
                Ok(head) => {
                    let sentence =
                        format!("it begins at version {}, but its parent ends at {}", begins.version, head.version);
                    self.tell(place.clone(), sentence);
                }
                Err(error) => {
                    self.tell(place.clone(), format!("the document that it is a branch of: {}", reason(error)))
                }
            }
        }
    }
}

/// What is wrong, without the place that the error names: a problem names its own.
fn reason(error: StoreError) -> String {
    match error {
        StoreError::Damaged { reason, .. } => reason,
        error => error.to_string(),
    }
}
