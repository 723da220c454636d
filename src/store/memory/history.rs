//! Reading a document's history: of a branch, through the logs of those that it descends from.

use std::sync::Arc;

use super::log::Log;
use super::state::State;
use crate::document::{LEDGER_PAGE, LedgerPage, Revision, Snapshot, Stretch, Time, Trail, Version};
use crate::store::lineage::Lineage;
use crate::store::{Head, Incarnation, Kept, StoreError, Tail};

impl State {
    fn lineage(&self, document: Incarnation) -> Result<Lineage, StoreError> {
        Lineage::of(document, |document| Ok(self.log(document)?.begins))
    }

    pub(super) fn range(
        &self,
        document: Incarnation,
        from: Version,
        to: Version,
    ) -> Result<Vec<Arc<Revision>>, StoreError> {
        let mut range = Vec::new();
        for piece in self.lineage(document)?.split(from, to) {
            let log = self.log(piece.document)?;
            log.kept().check_whole(piece.document, piece.from)?;
            range.extend_from_slice(log.own.range(piece.from, piece.to));
        }
        Ok(range)
    }

    pub(super) fn stretches(
        &self,
        document: Incarnation,
        from: Version,
        to: Version,
    ) -> Result<Vec<Stretch>, StoreError> {
        self.pieces(document, from, to, Log::stretches)
    }

    pub(super) fn trail(&self, document: Incarnation, from: Version, to: Version) -> Result<Option<Trail>, StoreError> {
        Ok(Trail::join_all(self.pieces(document, from, to, Log::trails)?))
    }

    /// `(from, to]`, of which both must be kept, as `of` tells it of each log.
    fn pieces<T>(
        &self,
        document: Incarnation,
        from: Version,
        to: Version,
        of: fn(&Log, Version, Version) -> Vec<T>,
    ) -> Result<Vec<T>, StoreError> {
        let mut pieces = Vec::new();
        for piece in self.lineage(document)?.split(from, to) {
            let log = self.log(piece.document)?;
            log.kept().check(piece.document, piece.from)?;
            log.kept().check(piece.document, piece.to)?;
            pieces.extend(of(log, piece.from, piece.to));
        }
        Ok(pieces)
    }

    pub(super) fn ledger(&self, document: Incarnation, pages: Vec<u64>) -> Result<Vec<Arc<LedgerPage>>, StoreError> {
        self.log(document)?;
        pages.into_iter().map(|number| self.ledger_page(document, number).map(Arc::new)).collect()
    }

    fn ledger_page(&self, document: Incarnation, number: u64) -> Result<LedgerPage, StoreError> {
        let from = Version(number * LEDGER_PAGE);
        let to = Version(from.0 + LEDGER_PAGE).min(self.log(document)?.head());
        let mut pieces = self.lineage(document)?.split(from, to).into_iter();
        let first = pieces.next().expect("a page begins before the head");
        let mut page = self.log(first.document)?.ledger_page(number, first.to);
        for piece in pieces {
            page.add(self.log(piece.document)?.own.range(piece.from, piece.to));
        }
        Ok(page)
    }

    /// What is kept of a document's history, and of whose log that is.
    pub(super) fn kept(&self, document: Incarnation) -> Result<(Kept, Incarnation), StoreError> {
        let root = self.lineage(document)?.root();
        Ok((self.log(root)?.kept(), root))
    }

    pub(super) fn head(&self, document: Incarnation) -> Result<Head, StoreError> {
        let version = self.log(document)?.head();
        if version == Version::ZERO {
            let genesis = Snapshot::genesis(&self.log(self.lineage(document)?.root())?.identity);
            return Ok(Head { version, chain: genesis.chain, time: genesis.time });
        }
        // As an import leaves it that was cut off there.
        if let Some(horizon) = self.log(document)?.kept().place(version) {
            return Ok(*horizon);
        }
        let last = self.range(document, Version(version.0 - 1), version)?;
        let last = last.first().expect("a range of one has one revision");
        Ok(Head { version, chain: last.chain, time: last.time })
    }

    pub(super) fn snapshot_before(
        &self,
        document: Incarnation,
        version: Version,
    ) -> Result<Option<Snapshot>, StoreError> {
        let lineage = self.lineage(document)?;
        for piece in lineage.split(Version::ZERO, version).iter().rev() {
            let log = self.log(piece.document)?;
            let horizon = log.kept().horizon();
            let kept = log.snapshots.iter().rev().filter(|snapshot| snapshot.version >= horizon);
            if let Some(snapshot) = kept.clone().find(|snapshot| snapshot.version <= piece.to) {
                return Ok(Some(snapshot.clone()));
            }
            if Version::ZERO < horizon && horizon <= piece.to {
                let mut snapshot = Snapshot::genesis(&log.identity);
                log.steps.iter().for_each(|step| snapshot.forward(&step.stretch).expect("steps of one log fit"));
                return Ok(Some(snapshot));
            }
        }
        match lineage.is_branch() {
            true => Ok(Some(Snapshot::genesis(&self.log(lineage.root())?.identity))),
            false => Ok(None),
        }
    }

    pub(super) fn tail(&self, document: Incarnation) -> Result<Tail, StoreError> {
        let head = self.log(document)?.head();
        let snapshot = self.snapshot_before(document, head)?;
        let from = snapshot.as_ref().map_or(Version::ZERO, |snapshot| snapshot.version);
        let (kept, _) = self.kept(document)?;
        Ok(Tail { snapshot, revisions: self.range(document, from, head)?, kept })
    }

    pub(super) fn version_at(&self, document: Incarnation, time: Time) -> Result<Version, StoreError> {
        let log = self.log(document)?;
        let own = log.own.all().partition_point(|revision| revision.time <= time) as u64;
        match log.begins {
            Some(begins) if own == 0 => Ok(self.version_at(begins.parent, time)?.min(begins.version)),
            None if own == 0 => {
                let times = log.pruned.values().flat_map(|page| &page.times);
                Ok(Version(times.take_while(|then| **then <= time).count() as u64))
            }
            _ => Ok(Version(log.own.start().0 + own)),
        }
    }
}
