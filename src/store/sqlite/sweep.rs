//! Removing what documents consisted of that were deleted, and revisions that were pruned: on the fold's thread, in its
//! slices. A crash at any point leaves the document marked as not swept, or pages behind its horizon, and the next start goes
//! on.

use rusqlite::{Connection, OptionalExtension};

use super::fold::{Fold, Halt, SLICE_WEIGHT};
use super::slice::Put;
use crate::document::Version;
use crate::store::Incarnation;

/// A table that holds parts of documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Table {
    Pages,
    Blocks,
    Clients,
    Snapshots,
    Labels,
    Marks,
    Ledger,
    Steps,
}

impl Table {
    const ALL: [Table; 8] = [
        Table::Pages,
        Table::Blocks,
        Table::Clients,
        Table::Snapshots,
        Table::Labels,
        Table::Marks,
        Table::Ledger,
        Table::Steps,
    ];

    /// What a horizon leaves behind; pages last, because by them is known that something is left.
    const PRUNED: [Table; 4] = [Table::Blocks, Table::Marks, Table::Snapshots, Table::Pages];

    /// Its name, and the columns that with the document make up its key.
    fn key(self) -> (&'static str, &'static str) {
        match self {
            Table::Pages => ("pages", "first"),
            Table::Blocks => ("blocks", "level, place"),
            Table::Clients => ("clients", "client"),
            Table::Snapshots => ("snapshots", "version, part"),
            Table::Labels => ("labels", "name"),
            Table::Marks => ("marks", "level, place"),
            Table::Ledger => ("ledger", "page"),
            Table::Steps => ("steps", "first"),
        }
    }

    /// What of it a horizon, which is ?3, leaves behind.
    fn behind(self) -> &'static str {
        match self {
            Table::Pages => "first <= ?3",
            // A block of level 0 begins at 64 times its place.
            Table::Blocks | Table::Marks => "(place << (6 + 3 * level)) < ?3",
            Table::Snapshots => "version < ?3",
            Table::Clients | Table::Labels | Table::Ledger | Table::Steps => "?3 = ?3",
        }
    }

    /// How many bytes each of the first rows of a document has.
    fn look(self) -> String {
        let ((table, key), behind) = (self.key(), self.behind());
        format!("SELECT length(body) FROM {table} WHERE document = ?1 AND {behind} ORDER BY {key} LIMIT ?2")
    }

    /// Removes the first rows of a document.
    pub fn sweep(self) -> String {
        let ((table, key), behind) = (self.key(), self.behind());
        format!(
            "DELETE FROM {table} WHERE document = ?1 AND ({key}) IN
                (SELECT {key} FROM {table} WHERE document = ?1 AND {behind} ORDER BY {key} LIMIT ?2)"
        )
    }
}

/// The horizon as a row's number is held against it; without one, everything is behind it.
pub fn below(horizon: Option<Version>) -> i64 {
    horizon.map_or(i64::MAX, |horizon| horizon.0 as i64)
}

impl Fold {
    /// Removes what is left of every document that was deleted.
    pub(super) fn sweep(&mut self) -> Result<(), Halt> {
        while let Some(document) = self.ask(next_unswept)? {
            self.sweep_tables(document, &Table::ALL, None)?;
            self.slice.puts.push(Put::Swept { document });
            self.hand_over()?;
        }
        Ok(())
    }

    /// Removes what is left of revisions that were pruned when the store was last open.
    pub(super) fn sweep_pruned(&mut self) -> Result<(), Halt> {
        for (document, horizon) in self.ask(left_by_pruning)? {
            self.sweep_behind(document, horizon)?;
        }
        Ok(())
    }

    /// Removes what a horizon leaves behind.
    pub(super) fn sweep_behind(&mut self, document: Incarnation, horizon: Version) -> Result<(), Halt> {
        self.sweep_tables(document, &Table::PRUNED, Some(horizon))
    }

    fn sweep_tables(&mut self, document: Incarnation, tables: &[Table], horizon: Option<Version>) -> Result<(), Halt> {
        for table in tables.iter().copied() {
            while let Some((rows, bytes)) = self.ask(|conn| first_rows(conn, document, table, horizon))? {
                self.slice.puts.push(Put::Sweep { document, table, horizon, rows, bytes });
                self.hand_over()?;
            }
        }
        Ok(())
    }
}

/// Documents of which pages are left behind their horizon.
fn left_by_pruning(conn: &Connection) -> rusqlite::Result<Vec<(Incarnation, Version)>> {
    let mut select = conn.prepare(
        "SELECT document, horizon FROM (SELECT document, max(last) AS horizon FROM steps GROUP BY document) AS pruned
            WHERE EXISTS (SELECT 1 FROM pages WHERE pages.document = pruned.document AND first <= horizon)",
    )?;
    let left = select
        .query_map([], |row| Ok((Incarnation(row.get::<_, i64>(0)? as u64), Version(row.get::<_, i64>(1)? as u64))))?;
    left.collect()
}

fn next_unswept(conn: &Connection) -> rusqlite::Result<Option<Incarnation>> {
    let next = conn
        .prepare_cached("SELECT number FROM removed WHERE swept = 0 ORDER BY number LIMIT 1")?
        .query_row([], |row| row.get::<_, i64>(0))
        .optional()?;
    Ok(next.map(|number| Incarnation(number as u64)))
}

/// How many of the first rows of a document make a slice, and their bytes; none if there is no row.
fn first_rows(
    conn: &Connection,
    document: Incarnation,
    table: Table,
    horizon: Option<Version>,
) -> rusqlite::Result<Option<(u64, usize)>> {
    let mut select = conn.prepare_cached(&table.look())?;
    let mut sizes = select.query([document.0 as i64, SLICE_WEIGHT as i64, below(horizon)])?;
    let (mut rows, mut bytes) = (0, 0);
    while let Some(row) = sizes.next()? {
        let more = bytes + row.get::<_, i64>(0)?.max(0) as usize;
        if rows > 0 && rows as usize + more / 4096 > SLICE_WEIGHT {
            break;
        }
        (rows, bytes) = (rows + 1, more);
    }
    Ok((rows > 0).then_some((rows, bytes)))
}
