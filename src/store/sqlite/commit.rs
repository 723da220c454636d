//! One group commit: what many edits become in one transaction.

use std::time::Instant;

use rusqlite::params;

use super::documents;
use super::label::{self, Changed, LabelChange};
use super::log::{self, Log};
use super::mark::Mark;
use super::pace::fold_is_due;
use super::readers::Reader;
use super::requests::{Answer, Edit};
use super::row::RowWriter;
use super::sealed::{Tag, verify};
use super::steps;
use super::writer::Writer;
use crate::document::{Identity, Label, Revision, Version};
use crate::store::codec::encode_record;
use crate::store::{AppendError, BranchPoint, Created, Incarnation, Kept, Labelled, StoreError};

impl Writer {
    /// One transaction. If it fails, whatever edits were not looked at are answered by dropping them.
    pub(super) fn write(
        &mut self,
        reader: &mut Reader,
        edits: Vec<Edit>,
        answers: &mut Vec<Answer>,
    ) -> rusqlite::Result<()> {
        let begun = Instant::now();
        let bytes = edits.iter().map(Edit::bytes).sum();
        // A single statement is a transaction of its own.
        let has_rows = edits.iter().any(Edit::has_rows);
        if has_rows {
            reader.conn.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        }
        let mut row = RowWriter::new(bytes);
        let mut changed = false;
        let mut removed = Vec::new();
        for edit in edits {
            match edit {
                Edit::Append { document, at, count, records, answer } => {
                    let placed = self.place(reader, document, at);
                    if placed.is_ok() && count > 0 {
                        self.heads.insert(document, Version(at.0 + count));
                        row.push(document, at.next(), count, &records);
                    }
                    answers.push(Answer::Append(answer, placed));
                }
                Edit::Create { identity, begins, first, answer } => {
                    let outcome = match documents::find(&reader.conn, &identity.id) {
                        Ok(Some(found)) => Ok(Created::Existing(found)),
                        Ok(None) => match self.may_begin(reader, begins) {
                            Ok(()) => {
                                changed = true;
                                Ok(Created::New(self.create(reader, &identity, begins, first.as_deref(), &mut row)?))
                            }
                            Err(error) => Err(error),
                        },
                        Err(error) => Err(error),
                    };
                    answers.push(Answer::Create(answer, outcome));
                }
                Edit::Label { document, change, answer } => {
                    let outcome = match self.may_label(reader, document, &change) {
                        Ok(None) => {
                            changed = true;
                            Ok(label::change(&reader.conn, document, &change)?)
                        }
                        Ok(Some(existing)) => Ok(Changed::Put(Labelled::Existing(existing))),
                        Err(error) => Err(error),
                    };
                    answers.push(Answer::Label(answer, outcome));
                }
                Edit::Adopt { document, horizon, rows, answer } => {
                    let placed = self.place(reader, document, Version::ZERO);
                    if placed.is_ok() {
                        changed = true;
                        for row in rows {
                            row.write(&reader.conn)?;
                        }
                        self.heads.insert(document, horizon);
                    }
                    answers.push(Answer::Append(answer, placed));
                }
                Edit::Remove { document, answer } => {
                    let outcome = documents::may_remove(&reader.conn, document);
                    if outcome.is_ok() {
                        changed = true;
                        documents::remove(&reader.conn, document)?;
                        self.heads.remove(&document);
                        removed.push(document);
                    }
                    answers.push(Answer::Remove(answer, outcome));
                }
            }
        }
        let revisions = row.revisions();
        if revisions == 0 && !changed {
            return if has_rows { reader.conn.execute_batch("ROLLBACK") } else { Ok(()) };
        }
        // A creation, label or removal without a revision is a row too: with the mark, its loss would be noticed.
        let row = row.finish(self.next_row);
        reader
            .conn
            .prepare_cached("INSERT INTO journal(id, body) VALUES(?1, ?2)")?
            .execute(params![self.next_row as i64, &row.body[..]])?;
        if has_rows {
            reader.conn.prepare_cached("COMMIT")?.execute([])?;
        }
        let mark = Mark { row: self.next_row, sum: row.sum };
        self.next_row += 1;
        if let Err(error) = self.mark.write(mark) {
            tracing::warn!(%error, "the high-water mark cannot be written; loss of newer commits would go unnoticed");
        }
        // Before the answers: whoever is told that an edit is durable finds it.
        let due = {
            let mut tails = self.shared.tails.lock();
            tails.push(mark.row, row.body.len(), row.runs);
            removed.iter().for_each(|document| tails.remove(*document));
            fold_is_due(tails.foldable_bytes(), tails.foldable_depth())
        };
        let counts = &self.shared.metrics.store;
        counts.commit_seconds.observe(begun.elapsed().as_secs_f64());
        counts.commit_revisions.observe(revisions as f64);
        counts.journal_bytes.inc_by(row.body.len() as u64);
        self.shared.pace.committed(row.body.len(), due);
        if !removed.is_empty() {
            self.shared.pace.nudge();
        }
        Ok(())
    }

    /// Whether a document's log ends at `at`.
    fn place(&mut self, reader: &mut Reader, document: Incarnation, at: Version) -> Result<(), AppendError> {
        let head = match self.heads.get(&document) {
            Some(head) => *head,
            None => {
                let head = self.look_up(reader, document)?;
                self.heads.insert(document, head);
                head
            }
        };
        if head == at { Ok(()) } else { Err(AppendError::Conflict { head }) }
    }

    fn look_up(&self, reader: &mut Reader, document: Incarnation) -> Result<Version, StoreError> {
        // Asked first: of a document that was removed, pages and records may be there for a while.
        if matches!(documents::exists(&reader.conn, document), Ok(false)) {
            return Err(StoreError::Unknown(document));
        }
        {
            let tails = self.shared.tails.lock();
            if let Some(damage) = tails.damage_of(document) {
                return Err(damage.clone());
            }
            if let Some(run) = tails.newest(document) {
                return Ok(run.last());
            }
        }
        let start = log::start_of(self.shared.begins(&reader.conn, document)?);
        match Log::new(document, start, Kept::default(), reader, Vec::new()).newest_page()? {
            Some(page) => {
                let sound = verify(Tag::Page, &page.key(document), &page.body);
                let damaged = |reason| StoreError::Damaged { document, version: page.first, reason };
                sound.map(|()| page.last).map_err(damaged)
            }
            // As an import leaves it that was cut off there.
            None => Ok(start.max(steps::kept(&reader.conn, document)?.horizon())),
        }
    }

    /// Whether a document can begin there.
    fn may_begin(&self, reader: &Reader, begins: Option<BranchPoint>) -> Result<(), StoreError> {
        match begins {
            Some(begins) if !documents::exists(&reader.conn, begins.parent)? => Err(StoreError::Unknown(begins.parent)),
            Some(begins) => {
                let (kept, root) = self.shared.kept_in(&reader.conn, begins.parent)?;
                kept.check_whole(root, begins.version)
            }
            None => Ok(()),
        }
    }

    /// The label that is in the way of a change, if one is.
    fn may_label(
        &self,
        reader: &Reader,
        document: Incarnation,
        change: &LabelChange,
    ) -> Result<Option<Label>, StoreError> {
        if !documents::exists(&reader.conn, document)? {
            return Err(StoreError::Unknown(document));
        }
        match change {
            LabelChange::Put(wanted) => {
                let existing = label::find(&reader.conn, document, &wanted.name)?;
                if existing.is_none() {
                    let (kept, root) = self.shared.kept_in(&reader.conn, document)?;
                    kept.check(root, wanted.version)?;
                }
                Ok(existing)
            }
            LabelChange::Delete(_) => Ok(None),
        }
    }

    fn create(
        &mut self,
        reader: &Reader,
        identity: &Identity,
        begins: Option<BranchPoint>,
        first: Option<&Revision>,
        row: &mut RowWriter,
    ) -> rusqlite::Result<Incarnation> {
        let number = Incarnation(self.next_number);
        reader.conn.prepare_cached("INSERT INTO documents(number, id, body) VALUES(?1, ?2, ?3)")?.execute(params![
            number.0 as i64,
            identity.id.as_str(),
            documents::seal_identity(number, identity, begins)
        ])?;
        if let Some(begins) = begins {
            let mut index = reader.conn.prepare_cached("INSERT INTO branches(parent, document) VALUES(?1, ?2)")?;
            index.execute([begins.parent.0 as i64, number.0 as i64])?;
        }
        self.next_number += 1;
        if let Some(first) = first {
            let mut record = Vec::new();
            encode_record(number, first, &mut record);
            row.push(number, first.version, 1, &record);
        }
        self.heads.insert(number, first.map_or(log::start_of(begins), |first| first.version));
        Ok(number)
    }
}
