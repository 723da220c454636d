//! What every thread of the engine shares, and the reads that any of them may do: a document's own log, and what it has of
//! the logs that it branched from.

use std::collections::HashMap;
use std::fs::File;
use std::sync::Arc;

use parking_lot::Mutex;
use rusqlite::Connection;

use super::directory::Directory;
use super::log::Log;
use super::pace::Pace;
use super::page::Wanted;
use super::readers::{Reader, Readers};
use super::tails::Tails;
use super::{documents, log, snapshot, steps};
use crate::document::{LedgerPage, Revision, Snapshot, Time, Version};
use crate::metrics::Metrics;
use crate::store::lineage::{Lineage, Piece};
use crate::store::{BranchPoint, Condition, Head, Incarnation, Kept, Listed, StoreError};

/// Documents whose beginning is remembered; reading it again costs microseconds.
const BEGINS: usize = 65_536;

/// From the beginning to any end.
pub(super) const ALL: (Version, Version) = (Version::ZERO, Version(u64::MAX));

/// What the writer, the fold and the readers share.
pub(super) struct Shared {
    pub(super) directory: Directory,
    pub(super) readers: Readers,
    pub(super) tails: Mutex<Tails>,
    /// Where documents begin, of those that were asked for: read from their rows, which never change.
    pub(super) begins: Mutex<HashMap<Incarnation, Option<BranchPoint>>>,
    /// Whole pages of ledgers that were read: they never change, and every blame and diff asks for many.
    pub(super) ledgers: Mutex<HashMap<(Incarnation, u64), Arc<LedgerPage>>>,
    pub(super) pace: Pace,
    pub(super) metrics: Metrics,
    pub(super) condition: Mutex<Condition>,
    /// Let go of when the store is closed.
    pub(super) lock: Mutex<Option<File>>,
}

impl Shared {
    pub(super) fn set_condition(&self, condition: Condition) {
        *self.condition.lock() = condition;
    }

    pub(super) fn is_good(&self) -> bool {
        *self.condition.lock() == Condition::Good
    }

    /// Why nothing can be written, or read.
    pub(super) fn unavailable(&self) -> StoreError {
        match &*self.condition.lock() {
            Condition::Good => StoreError::Unavailable("the commit was not finished".into()),
            Condition::Failing(reason) | Condition::ReadOnly(reason) => StoreError::Unavailable(reason.clone()),
        }
    }

    /// One read of a document's log. `tail` picks what it needs from memory, before any page is read.
    pub(super) fn read<T>(
        &self,
        document: Incarnation,
        (from, to): (Version, Version),
        read: impl Fn(&mut Log) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let tail = self.tails.lock().runs(document, from, to);
        self.lend(|reader| {
            if tail.is_empty() && !documents::exists(&reader.conn, document)? {
                return Err(StoreError::Unknown(document));
            }
            let start = log::start_of(self.begins(&reader.conn, document)?);
            let mut kept = steps::kept(&reader.conn, document)?;
            let mut tail = Some(tail);
            loop {
                let tail = tail.take().unwrap_or_else(|| self.tails.lock().runs(document, from, to));
                let answer = read(&mut Log::new(document, start, kept.clone(), reader, tail));
                if !matches!(answer, Err(StoreError::Damaged { .. })) {
                    return answer;
                }
                // One that is removed meanwhile may be read half, and so may one that is pruned.
                if matches!(documents::exists(&reader.conn, document), Ok(false)) {
                    return Err(StoreError::Unknown(document));
                }
                match steps::kept(&reader.conn, document) {
                    Ok(now) if now != kept => kept = now,
                    _ => return answer,
                }
            }
        })
    }

    /// What is kept of a document's history, and of whose log that is: only one without a parent is pruned.
    pub(super) fn kept_in(&self, conn: &Connection, document: Incarnation) -> Result<(Kept, Incarnation), StoreError> {
        let root = Lineage::of(document, |document| self.begins(conn, document))?.root();
        Ok((steps::kept(conn, root)?, root))
    }

    pub(super) fn kept(&self, document: Incarnation) -> Result<Kept, StoreError> {
        self.lend(|reader| match documents::exists(&reader.conn, document)? {
            true => Ok(self.kept_in(&reader.conn, document)?.0),
            false => Err(StoreError::Unknown(document)),
        })
    }

    /// Documents in the order of their ids, from `from` up to `to`.
    pub(super) fn list(&self, from: &str, to: &str, most: usize) -> Result<Vec<Listed>, StoreError> {
        let rows = self.lend(|reader| {
            let rows = documents::list(&reader.conn, from, to, most);
            rows.map_err(|error| fault(Incarnation(0), Version::ZERO, &error))
        })?;
        let mut listed = Vec::with_capacity(rows.len());
        for documents::Row { number, id, identity } in rows {
            let Ok(id) = id.parse() else {
                tracing::error!(document = number.0, id, "a document's row is damaged: its name is no document id");
                continue;
            };
            let found = identity.and_then(|identity| Ok((identity, self.head(number)?)));
            match found {
                // Removed since the names were read.
                Err(StoreError::Unknown(_)) => {}
                found => listed.push(Listed { id, found }),
            }
        }
        Ok(listed)
    }

    /// Where a document begins, if it is a branch.
    pub(super) fn begins(&self, conn: &Connection, document: Incarnation) -> Result<Option<BranchPoint>, StoreError> {
        if let Some(begins) = self.begins.lock().get(&document) {
            return Ok(*begins);
        }
        let begins = match documents::of_number(conn, document) {
            Ok(found) => found.begins,
            // What is not a branch can be read without its own row.
            Err(StoreError::Damaged { .. }) if !documents::is_branch(conn, document)? => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut known = self.begins.lock();
        if known.len() >= BEGINS {
            known.clear();
        }
        known.insert(document, begins);
        Ok(begins)
    }

    pub(super) fn lineage(&self, document: Incarnation) -> Result<Lineage, StoreError> {
        self.lend(|reader| Lineage::of(document, |document| self.begins(&reader.conn, document)))
    }

    /// The newest place of a document's log.
    pub(super) fn head(&self, document: Incarnation) -> Result<Head, StoreError> {
        let own = self.read(document, ALL, |log| Ok((log.head()?, log.start)))?;
        let at = match own {
            (Some(head), _) => return Ok(head),
            (None, Version::ZERO) => {
                let root = self.lineage(document)?.root();
                let genesis =
                    Snapshot::genesis(&self.lend(|reader| documents::of_number(&reader.conn, root))?.identity);
                return Ok(Head { version: Version::ZERO, chain: genesis.chain, time: genesis.time });
            }
            (None, at) => at,
        };
        let last = self.revisions(document, Version(at.0 - 1), at)?;
        let last = last.first().expect("a range of one has one revision");
        Ok(Head { version: at, chain: last.chain, time: last.time })
    }

    /// `(from, to]`, each from the log that it lies in.
    pub(super) fn revisions(
        &self,
        document: Incarnation,
        from: Version,
        to: Version,
    ) -> Result<Vec<Arc<Revision>>, StoreError> {
        self.some_revisions(document, from, to, Wanted::any(usize::MAX))
    }

    /// Those of `(from, to]` that are wanted.
    pub(super) fn some_revisions(
        &self,
        document: Incarnation,
        from: Version,
        to: Version,
        mut wanted: Wanted,
    ) -> Result<Vec<Arc<Revision>>, StoreError> {
        let mut revisions = Vec::new();
        for Piece { document, from, to } in self.pieces(document, from, to)? {
            let more = self.read(document, (from, to), |log| log.wanted_revisions(from, to, wanted))?;
            wanted.room = wanted.room.saturating_sub(more.iter().map(|revision| revision.op.weight()).sum());
            match revisions.is_empty() {
                true => revisions = more,
                false => revisions.extend(more),
            }
            if wanted.room == 0 {
                break;
            }
        }
        Ok(revisions)
    }

    /// Where `(from, to]` of a document lies.
    pub(super) fn pieces(&self, document: Incarnation, from: Version, to: Version) -> Result<Vec<Piece>, StoreError> {
        let pieces = self.lineage(document)?.split(from, to);
        // Nothing is read of nothing, but of a document that exists.
        if pieces.is_empty() && !self.lend(|reader| documents::exists(&reader.conn, document))? {
            return Err(StoreError::Unknown(document));
        }
        Ok(pieces)
    }

    pub(super) fn snapshot_before(
        &self,
        document: Incarnation,
        version: Version,
    ) -> Result<Option<Snapshot>, StoreError> {
        let lineage = self.lineage(document)?;
        for piece in lineage.split(Version::ZERO, version).iter().rev() {
            let newest = self.lend(|reader| snapshot::snapshot_before(reader, piece.document, piece.to))?;
            let horizon = self.lend(|reader| steps::kept(&reader.conn, piece.document))?.horizon();
            // One that a horizon left behind is not of a version that is kept.
            if let Some(snapshot) = newest.filter(|snapshot| snapshot.version >= horizon) {
                return Ok(Some(snapshot));
            }
            if Version::ZERO < horizon && horizon <= piece.to {
                return self.snapshot_of_horizon(piece.document).map(Some);
            }
        }
        if !lineage.is_branch() {
            return Ok(None);
        }
        let root = self.lend(|reader| documents::of_number(&reader.conn, lineage.root()))?;
        Ok(Some(Snapshot::genesis(&root.identity)))
    }

    /// The content of a document's horizon, from the steps up to it.
    pub(super) fn snapshot_of_horizon(&self, document: Incarnation) -> Result<Snapshot, StoreError> {
        let identity = self.lend(|reader| documents::of_number(&reader.conn, document))?.identity;
        self.read(document, ALL, |log| {
            let (mut snapshot, horizon) = (Snapshot::genesis(&identity), log.kept.horizon());
            for step in log.steps_between(Version::ZERO, horizon)?.0 {
                let fits = snapshot.forward(&step.stretch);
                fits.map_err(|mismatch| log.damaged(step.from().next(), mismatch))?;
            }
            Ok(snapshot)
        })
    }

    pub(super) fn version_at(&self, document: Incarnation, time: Time) -> Result<Version, StoreError> {
        let (version, start) = self.read(document, ALL, |log| Ok((log.version_at(time)?, log.start)))?;
        let begins = self.lend(|reader| self.begins(&reader.conn, document))?;
        match begins {
            Some(begins) if version == start => Ok(self.version_at(begins.parent, time)?.min(start)),
            _ => Ok(version),
        }
    }

    pub(super) fn lend<T>(&self, read: impl FnOnce(&mut Reader) -> Result<T, StoreError>) -> Result<T, StoreError> {
        match self.readers.lend(read) {
            Some(Ok(answer)) => answer,
            Some(Err(error)) => Err(StoreError::Unavailable(error.to_string())),
            None => Err(self.unavailable()),
        }
    }
}

/// The answer to an error of SQLite in reading something of a document: damage if the database is, else a failure.
pub(super) fn fault(document: Incarnation, version: Version, error: &rusqlite::Error) -> StoreError {
    use rusqlite::{Error, ErrorCode};
    let damaged = match error {
        Error::SqliteFailure(failure, _) => {
            matches!(failure.code, ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
        }
        // A column holds something of another type than was written.
        Error::InvalidColumnType(..) | Error::FromSqlConversionFailure(..) | Error::IntegralValueOutOfRange(..) => true,
        _ => false,
    };
    let reason = error.to_string();
    if damaged { StoreError::Damaged { document, version, reason } } else { StoreError::Unavailable(reason) }
}
