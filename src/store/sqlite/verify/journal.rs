//! The journal and the high-water mark: every row is whole, and none that was written is missing.

use bytes::Bytes;

use super::{Site, Verifier};
use crate::store::sqlite::row::read_row;

impl Verifier<'_> {
    pub(super) fn journal(&mut self) -> rusqlite::Result<()> {
        if self.view.mark.is_none() {
            let newest = self.view.journal.newest.map_or(0, |newest| newest.row);
            // A store that was never written to has none yet.
            if newest > 0 {
                self.tell(
                    Site::Database,
                    "there is no high-water mark, or it cannot be read: a loss would not be noticed",
                );
            }
        }
        if self.view.journal.unreadable.is_empty()
            && let Some(lost) = self.view.journal.lost.clone()
        {
            self.tell(Site::Database, lost);
        }
        let ids: rusqlite::Result<Vec<i64>> = self
            .view
            .reader
            .conn
            .prepare("SELECT id FROM journal ORDER BY id")
            .and_then(|mut select| select.query_map([], |row| row.get(0))?.collect());
        // What cannot be listed was told above, or by SQLite itself.
        for id in ids.unwrap_or_default() {
            self.journal_row(id as u64);
        }
        Ok(())
    }

    fn journal_row(&mut self, id: u64) {
        let body = self
            .view
            .reader
            .conn
            .query_row("SELECT body FROM journal WHERE id = ?1", [id as i64], |row| row.get::<_, Vec<u8>>(0));
        let body = match body {
            Ok(body) => Bytes::from(body),
            Err(error) => return self.tell(Site::Journal(id), format!("it cannot be read: {error}")),
        };
        match read_row(id, &body) {
            None => self.tell(Site::Journal(id), "neither its footer nor all of its records are whole"),
            Some(row) => {
                let (stored, computed) = row.sums;
                if stored != computed {
                    let sentence = format!("its checksum is {stored:08x}, its content gives {computed:08x}");
                    self.tell(Site::Journal(id), sentence);
                }
            }
        }
    }
}
