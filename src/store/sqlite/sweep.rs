//! Removing what documents consisted of that were deleted: on the fold's thread, in its slices. A crash at any point leaves
//! the document marked as not swept, and the next start goes on.

use rusqlite::{Connection, OptionalExtension};

use super::fold::{Fold, Halt, SLICE_WEIGHT};
use super::slice::Put;
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
}

impl Table {
    const ALL: [Table; 7] =
        [Table::Pages, Table::Blocks, Table::Clients, Table::Snapshots, Table::Labels, Table::Marks, Table::Ledger];

    /// How many bytes each of the first rows of a document has.
    fn look(self) -> &'static str {
        match self {
            Table::Pages => "SELECT length(body) FROM pages WHERE document = ?1 ORDER BY first LIMIT ?2",
            Table::Blocks => "SELECT length(body) FROM blocks WHERE document = ?1 ORDER BY level, place LIMIT ?2",
            Table::Clients => "SELECT length(body) FROM clients WHERE document = ?1 ORDER BY client LIMIT ?2",
            Table::Snapshots => {
                "SELECT length(body) FROM snapshots WHERE document = ?1 ORDER BY version, part LIMIT ?2"
            }
            Table::Labels => "SELECT length(body) FROM labels WHERE document = ?1 ORDER BY name LIMIT ?2",
            Table::Marks => "SELECT length(body) FROM marks WHERE document = ?1 ORDER BY level, place LIMIT ?2",
            Table::Ledger => "SELECT length(body) FROM ledger WHERE document = ?1 ORDER BY page LIMIT ?2",
        }
    }

    /// Removes the first rows of a document.
    pub fn sweep(self) -> &'static str {
        match self {
            Table::Pages => {
                "DELETE FROM pages WHERE document = ?1 AND first IN
                    (SELECT first FROM pages WHERE document = ?1 ORDER BY first LIMIT ?2)"
            }
            Table::Blocks => {
                "DELETE FROM blocks WHERE document = ?1 AND (level, place) IN
                    (SELECT level, place FROM blocks WHERE document = ?1 ORDER BY level, place LIMIT ?2)"
            }
            Table::Clients => {
                "DELETE FROM clients WHERE document = ?1 AND client IN
                    (SELECT client FROM clients WHERE document = ?1 ORDER BY client LIMIT ?2)"
            }
            Table::Snapshots => {
                "DELETE FROM snapshots WHERE document = ?1 AND (version, part) IN
                    (SELECT version, part FROM snapshots WHERE document = ?1 ORDER BY version, part LIMIT ?2)"
            }
            Table::Labels => {
                "DELETE FROM labels WHERE document = ?1 AND name IN
                    (SELECT name FROM labels WHERE document = ?1 ORDER BY name LIMIT ?2)"
            }
            Table::Marks => {
                "DELETE FROM marks WHERE document = ?1 AND (level, place) IN
                    (SELECT level, place FROM marks WHERE document = ?1 ORDER BY level, place LIMIT ?2)"
            }
            Table::Ledger => {
                "DELETE FROM ledger WHERE document = ?1 AND page IN
                    (SELECT page FROM ledger WHERE document = ?1 ORDER BY page LIMIT ?2)"
            }
        }
    }
}

impl Fold {
    /// Removes what is left of every document that was deleted.
    pub(super) fn sweep(&mut self) -> Result<(), Halt> {
        while let Some(document) = self.ask(next_unswept)? {
            for table in Table::ALL {
                while let Some((rows, bytes)) = self.ask(|conn| first_rows(conn, document, table))? {
                    self.slice.puts.push(Put::Sweep { document, table, rows, bytes });
                    self.hand_over()?;
                }
            }
            self.slice.puts.push(Put::Swept { document });
            self.hand_over()?;
        }
        Ok(())
    }
}

fn next_unswept(conn: &Connection) -> rusqlite::Result<Option<Incarnation>> {
    let next = conn
        .prepare_cached("SELECT number FROM removed WHERE swept = 0 ORDER BY number LIMIT 1")?
        .query_row([], |row| row.get::<_, i64>(0))
        .optional()?;
    Ok(next.map(|number| Incarnation(number as u64)))
}

/// How many of the first rows of a document make a slice, and their bytes; none if there is no row.
fn first_rows(conn: &Connection, document: Incarnation, table: Table) -> rusqlite::Result<Option<(u64, usize)>> {
    let mut select = conn.prepare_cached(table.look())?;
    let mut sizes = select.query([document.0 as i64, SLICE_WEIGHT as i64])?;
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
