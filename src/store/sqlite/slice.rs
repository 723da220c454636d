//! Derived rows on their way to the database: prepared by anyone, written by the writer in a transaction of their own.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, params};
use tokio::sync::oneshot;

use super::block::Place;
use super::documents::exists;
use super::page::Page;
use super::steps::{self, StepRow};
use super::sweep::{self, Table};
use crate::document::{ClientKey, Version};
use crate::store::{Incarnation, StoreError};

/// One change of one row.
pub enum Put {
    Page {
        document: Incarnation,
        page: Page,
    },
    /// The page that begins at `first` is part of another now.
    DropPage {
        document: Incarnation,
        first: Version,
    },
    Block {
        document: Incarnation,
        place: Place,
        body: Vec<u8>,
    },
    Marks {
        document: Incarnation,
        place: Place,
        body: Vec<u8>,
    },
    Ledger {
        document: Incarnation,
        page: u64,
        body: Vec<u8>,
    },
    Client {
        document: Incarnation,
        client: ClientKey,
        body: Vec<u8>,
    },
    /// A step, in place of every step and single revision in its span.
    Step {
        document: Incarnation,
        step: StepRow,
    },
    Snapshot {
        document: Incarnation,
        version: Version,
        part: u64,
        body: Vec<u8>,
    },
    /// The first `rows` rows that a table still has of a document that was removed, or pruned up to `horizon`, of so many
    /// bytes.
    Sweep {
        document: Incarnation,
        table: Table,
        horizon: Option<Version>,
        rows: u64,
        bytes: usize,
    },
    /// Nothing of a document that was removed is left.
    Swept {
        document: Incarnation,
    },
    /// A journal row, of so many bytes, of which everything is in pages.
    DropRow {
        row: u64,
        bytes: usize,
    },
}

/// Rows that are written together, without a sync of their own: a later commit's sync covers them, because SQLite's log
/// keeps their order. Until then the journal still holds what they hold.
#[derive(Default)]
pub struct Slice {
    /// The [`Tails::life`](super::tails::Tails) in which they were prepared; none if they rest on nothing that could be
    /// undone.
    pub life: Option<u64>,
    pub puts: Vec<Put>,
    /// Documents whose log is in pages up to a version once this is written.
    pub folded: Vec<(Incarnation, Version)>,
    /// Documents that turned out to be damaged.
    pub damaged: Vec<(Incarnation, StoreError)>,
    pub answer: Option<oneshot::Sender<Result<(), NotWritten>>>,
}

/// The slice was not written.
#[derive(Debug, Clone)]
pub struct NotWritten(pub String);

impl Put {
    /// About how many database pages the change touches.
    pub fn weight(&self) -> usize {
        match self {
            Put::Page { page, .. } => 2 + page.body.len() / 4096,
            Put::DropPage { .. } => 2,
            Put::Block { body, .. }
            | Put::Marks { body, .. }
            | Put::Ledger { body, .. }
            | Put::Client { body, .. }
            | Put::Snapshot { body, .. } => 1 + body.len() / 4096,
            Put::Step { step, .. } => 2 + step.body.len() / 4096,
            Put::DropRow { bytes, .. } => 1 + bytes / 4096,
            Put::Sweep { rows, bytes, .. } => *rows as usize + bytes / 4096,
            Put::Swept { .. } => 1,
        }
    }

    /// Makes the change, in a transaction of the caller's.
    pub fn write(&self, conn: &Connection) -> rusqlite::Result<usize> {
        match self {
            Put::Page { document, page } => conn
                .prepare_cached(
                    "INSERT OR REPLACE INTO pages(document, first, last, time, body) VALUES(?1, ?2, ?3, ?4, ?5)",
                )?
                .execute(params![
                    document.0 as i64,
                    page.first.0 as i64,
                    page.last.0 as i64,
                    page.time.0 as i64,
                    page.body
                ]),
            Put::DropPage { document, first } => conn
                .prepare_cached("DELETE FROM pages WHERE document = ?1 AND first = ?2")?
                .execute(params![document.0 as i64, first.0 as i64]),
            Put::Block { document, place, body } => conn
                .prepare_cached("INSERT OR REPLACE INTO blocks(document, level, place, body) VALUES(?1, ?2, ?3, ?4)")?
                .execute(params![document.0 as i64, place.level, place.place as i64, body]),
            Put::Marks { document, place, body } => conn
                .prepare_cached("INSERT OR REPLACE INTO marks(document, level, place, body) VALUES(?1, ?2, ?3, ?4)")?
                .execute(params![document.0 as i64, place.level, place.place as i64, body]),
            Put::Ledger { document, page, body } => conn
                .prepare_cached("INSERT OR REPLACE INTO ledger(document, page, body) VALUES(?1, ?2, ?3)")?
                .execute(params![document.0 as i64, *page as i64, body]),
            Put::Client { document, client, body } => conn
                .prepare_cached("INSERT OR REPLACE INTO clients(document, client, body) VALUES(?1, ?2, ?3)")?
                .execute(params![document.0 as i64, &client.0[..], body]),
            Put::Snapshot { document, version, part, body } => conn
                .prepare_cached(
                    "INSERT OR REPLACE INTO snapshots(document, version, part, body) VALUES(?1, ?2, ?3, ?4)",
                )?
                .execute(params![document.0 as i64, version.0 as i64, *part as i64, body]),
            Put::Step { document, step } => step.write(conn, *document),
            Put::Sweep { document, table, horizon, rows, .. } => conn.prepare_cached(&table.sweep())?.execute(params![
                document.0 as i64,
                *rows as i64,
                sweep::below(*horizon)
            ]),
            Put::Swept { document } => {
                conn.prepare_cached("UPDATE removed SET swept = 1 WHERE number = ?1")?.execute([document.0 as i64])
            }
            Put::DropRow { row, .. } => {
                conn.prepare_cached("DELETE FROM journal WHERE id = ?1")?.execute([*row as i64])
            }
        }
    }
}

impl Put {
    /// The document whose log the row is a part of.
    fn part_of(&self) -> Option<Incarnation> {
        match self {
            Put::Page { document, .. }
            | Put::DropPage { document, .. }
            | Put::Block { document, .. }
            | Put::Marks { document, .. }
            | Put::Ledger { document, .. }
            | Put::Client { document, .. }
            | Put::Step { document, .. }
            | Put::Snapshot { document, .. } => Some(*document),
            Put::Sweep { .. } | Put::Swept { .. } | Put::DropRow { .. } => None,
        }
    }
}

impl Slice {
    /// Leaves out what is of documents that were removed since it was prepared.
    pub fn leave_out_removed(&mut self, conn: &Connection) -> Result<(), StoreError> {
        let mut documents: BTreeMap<Incarnation, bool> =
            self.puts.iter().filter_map(Put::part_of).map(|document| (document, true)).collect();
        documents.extend(self.damaged.iter().map(|(document, _)| (*document, true)));
        for (document, there) in &mut documents {
            *there = match exists(conn, *document) {
                Ok(there) => there,
                // What is damaged is not for that reason gone.
                Err(StoreError::Damaged { .. }) => true,
                Err(error) => return Err(error),
            };
        }
        self.puts.retain(|put| put.part_of().is_none_or(|document| documents[&document]));
        self.damaged.retain(|(document, _)| documents[document]);
        Ok(())
    }

    /// Why the steps in it must not be written after all: a version within one was labelled since they were planned, or has
    /// a branch.
    pub fn hindrance(&self, conn: &Connection) -> Result<Option<String>, StoreError> {
        for put in &self.puts {
            if let Put::Step { document, step } = put
                && let Some(version) = steps::hindrance(conn, *document, step.from(), step.last)?
            {
                let (document, from, to) = (document.0, step.from(), step.last);
                return Ok(Some(format!(
                    "version {version} of document number {document} is needed, between {from} and {to}"
                )));
            }
        }
        Ok(None)
    }

    /// About how many database pages it touches: what an edit that arrives meanwhile has to wait for.
    pub fn weight(&self) -> usize {
        self.puts.iter().map(Put::weight).sum()
    }

    /// Whether there is nothing to be done.
    pub fn is_empty(&self) -> bool {
        self.puts.is_empty() && self.folded.is_empty() && self.damaged.is_empty()
    }

    /// The journal rows that leave with it.
    pub fn dropped_rows(&self) -> BTreeSet<u64> {
        let row = |put: &Put| if let Put::DropRow { row, .. } = put { Some(*row) } else { None };
        self.puts.iter().filter_map(row).collect()
    }

    /// Writes the rows. The connection is back at `synchronous = FULL` if this succeeds, and must not be used again if
    /// it does not.
    pub fn write(&self, conn: &Connection) -> rusqlite::Result<()> {
        conn.execute_batch("PRAGMA synchronous = NORMAL")?;
        conn.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        for put in &self.puts {
            put.write(conn)?;
        }
        conn.prepare_cached("COMMIT")?.execute([])?;
        conn.execute_batch("PRAGMA synchronous = FULL")
    }
}
