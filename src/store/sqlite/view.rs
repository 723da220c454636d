//! A store as it is at one moment, for reading only, also beside a running server: what backup, verification and export look
//! at. Everything is read in one transaction of SQLite's, which sees no later commit.

use std::path::Path;
use std::sync::Arc;

use super::client;
use super::directory::{Directory, OpenError};
use super::documents;
use super::label;
use super::log::{Log, start_of};
use super::mark::Mark;
use super::readers::Reader;
use super::recover::{Journal, read_journal};
use super::schema::{self, Role};
use super::steps;
use crate::document::{
    ClientKey, DocumentId, LEDGER_PAGE, Label, LedgerPage, Revision, Snapshot, Step, Taken, Version,
};
use crate::store::lineage::{Lineage, Piece};
use crate::store::{Found, Head, Incarnation, READ_WEIGHT, StoreError};

/// A store at one moment.
pub struct View {
    pub(super) reader: Reader,
    pub(super) journal: Journal,
    /// The high-water mark as it was just before.
    pub(super) mark: Option<Mark>,
}

impl View {
    /// Looks at the store in a directory. Nothing in it is changed.
    pub fn open(path: &Path) -> Result<View, OpenError> {
        let directory = Directory::at(path);
        if !directory.has_database() {
            return Err(OpenError::Missing(directory.database));
        }
        // Before the database: a mark that is read later may name a commit that this view does not see.
        let mark = Mark::read(&directory.mark).map_err(|error| directory.mark_error(error))?;
        let conn = schema::connect(&directory.database, Role::Reader)?;
        conn.execute_batch("BEGIN")?;
        schema::check_format(&conn, &directory)?;
        let mut reader = Reader::alone(conn);
        let journal = read_journal(&mut reader, mark)?;
        Ok(View { reader, journal, mark })
    }

    /// What was lost of the newest commits, in a sentence, if something was.
    pub fn lost(&self) -> Option<&str> {
        self.journal.lost.as_deref()
    }

    /// The document of this name.
    pub fn find(&self, id: &DocumentId) -> Result<Option<Found>, StoreError> {
        documents::find(&self.reader.conn, id)
    }

    /// The newest place of a document.
    pub fn head(&mut self, document: Incarnation) -> Result<Head, StoreError> {
        let found = documents::of_number(&self.reader.conn, document)?;
        if let Some(head) = self.log(document, Version::ZERO, Version(u64::MAX))?.head()? {
            return Ok(head);
        }
        let start = start_of(found.begins);
        // A branch without a revision of its own is where it begins.
        if start > Version::ZERO
            && let Some(last) = self.revisions(document, Version(start.0 - 1), start)?.pop()
        {
            return Ok(Head { version: last.version, chain: last.chain, time: last.time });
        }
        let genesis = Snapshot::genesis(&found.identity);
        Ok(Head { version: genesis.version, chain: genesis.chain, time: genesis.time })
    }

    /// The document in which a document's history begins: itself, unless it is a branch.
    pub fn root(&self, document: Incarnation) -> Result<Found, StoreError> {
        documents::of_number(&self.reader.conn, self.lineage(document)?.root())
    }

    fn lineage(&self, document: Incarnation) -> Result<Lineage, StoreError> {
        Lineage::of(document, |document| documents::of_number(&self.reader.conn, document).map(|found| found.begins))
    }

    /// The first of the revisions `(from, to]`, as many as weigh about [`READ_WEIGHT`] bytes and one at least; those before a
    /// branch begins are its parent's.
    pub fn revisions(
        &mut self,
        document: Incarnation,
        from: Version,
        to: Version,
    ) -> Result<Vec<Arc<Revision>>, StoreError> {
        let lineage = self.lineage(document)?;
        // Of one log at a time: whoever goes over many comes again.
        match lineage.split(from, to).first() {
            None => Ok(Vec::new()),
            Some(&Piece { document, from, to }) => self.log(document, from, to)?.some_revisions(from, to, READ_WEIGHT),
        }
    }

    /// What was last taken from each client that sent nothing after a version.
    pub fn taken_to(&self, document: Incarnation, horizon: Version) -> Result<Vec<(ClientKey, Taken)>, StoreError> {
        let mut taken = client::all(&self.reader.conn, document)?;
        taken.retain(|(_, taken)| taken.version <= horizon);
        Ok(taken)
    }

    /// Every label of a document, in order of version and then of name.
    pub fn labels(&self, document: Incarnation) -> Result<Vec<Label>, StoreError> {
        label::all(&self.reader.conn, document)
    }

    /// What is left of the pruned part of a document's history, or of that which it is a branch of.
    pub fn steps(&mut self, document: Incarnation) -> Result<Vec<Step>, StoreError> {
        let root = self.lineage(document)?.root();
        self.own_steps(root)
    }

    /// What is left of the pruned part of a document's own log.
    pub(super) fn own_steps(&mut self, document: Incarnation) -> Result<Vec<Step>, StoreError> {
        let mut log = self.log(document, Version::ZERO, Version::ZERO)?;
        let horizon = log.kept.horizon();
        Ok(log.steps_between(Version::ZERO, horizon)?.0)
    }

    /// A page of the ledger of a document that is no branch, up to a version.
    pub fn ledger_page(&mut self, document: Incarnation, number: u64, to: Version) -> Result<LedgerPage, StoreError> {
        self.log(document, Version(number * LEDGER_PAGE), to)?.ledger_page(number, to)
    }

    fn log(&mut self, document: Incarnation, from: Version, to: Version) -> Result<Log<'_>, StoreError> {
        let tail = self.journal.tails.runs(document, from, to);
        let kept = steps::kept(&self.reader.conn, document)?;
        // Where a branch's own revisions begin matters only to a fold and to a search by time.
        Ok(Log::new(document, Version::ZERO, kept, &mut self.reader, tail))
    }
}
