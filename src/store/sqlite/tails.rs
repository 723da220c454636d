//! What is in the journal and not yet in pages, in memory: shared by the writer, the fold and every reader.

use std::collections::{BTreeSet, HashMap, VecDeque};

use super::row::Run;
use crate::document::Version;
use crate::store::{Incarnation, StoreError};

/// The unfolded tail of each document that has one.
///
/// A reader takes what it needs from here *before* it reads pages, and the fold commits pages *before* it takes runs
/// out of here: so no revision is ever in neither.
#[derive(Default)]
pub struct Tails {
    /// Never an empty queue. Versions of one document are consecutive.
    runs: HashMap<Incarnation, VecDeque<Run>>,
    /// Documents that can neither be folded nor appended to, and why.
    damaged: HashMap<Incarnation, StoreError>,
    /// All rows of the journal, rising: id and size.
    rows: VecDeque<(u64, usize)>,
    /// Bytes that the next fold would take up.
    foldable_bytes: usize,
    foldable_revisions: u64,
    /// Raised when the journal was read anew: what was prepared before is void, because it may rest on a commit that
    /// did not last.
    pub life: u64,
}

/// What a fold begins with.
pub struct Unfolded {
    pub life: u64,
    /// The documents that have something to fold, in order: neighbours lie side by side in the database.
    pub documents: Vec<Incarnation>,
    /// The newest row of the journal at that moment.
    pub newest_row: Option<u64>,
}

impl Tails {
    /// Adds the runs of a row that was committed or is read at start, in order of rows.
    pub fn push(&mut self, row: u64, bytes: usize, runs: Vec<Run>) {
        self.rows.push_back((row, bytes));
        for run in runs {
            self.count(&run, true);
            self.runs.entry(run.document).or_default().push_back(run);
        }
    }

    /// Takes out what is now in pages.
    pub fn folded(&mut self, document: Incarnation, to: Version) {
        let Some(mut runs) = self.runs.remove(&document) else { return };
        while let Some(run) = runs.pop_front_if(|run| run.last() <= to) {
            self.count(&run, false);
        }
        if !runs.is_empty() {
            self.runs.insert(document, runs);
        }
    }

    fn count(&mut self, run: &Run, more: bool) {
        if self.damaged.contains_key(&run.document) {
            return;
        }
        if more {
            self.foldable_bytes += run.len();
            self.foldable_revisions += run.count;
        } else {
            self.foldable_bytes -= run.len();
            self.foldable_revisions -= run.count;
        }
    }

    /// Notes that a document can neither be folded nor appended to.
    pub fn damage(&mut self, document: Incarnation, error: StoreError) {
        tracing::error!(document = document.0, %error, "a document is damaged");
        let runs = self.runs.remove(&document);
        runs.iter().flatten().for_each(|run| self.count(run, false));
        self.damaged.insert(document, error);
        runs.and_then(|runs| self.runs.insert(document, runs));
    }

    /// Takes out a document that was removed.
    pub fn remove(&mut self, document: Incarnation) {
        let runs = self.runs.remove(&document);
        runs.iter().flatten().for_each(|run| self.count(run, false));
        self.damaged.remove(&document);
    }

    /// Why a document takes no more revisions, if it does not.
    pub fn damage_of(&self, document: Incarnation) -> Option<&StoreError> {
        self.damaged.get(&document)
    }

    /// The runs that hold anything of `(from, to]`.
    pub fn runs(&self, document: Incarnation, from: Version, to: Version) -> Vec<Run> {
        let Some(runs) = self.runs.get(&document) else { return Vec::new() };
        let start = runs.partition_point(|run| run.last() <= from);
        let end = runs.partition_point(|run| run.first <= to);
        runs.range(start..end.max(start)).cloned().collect()
    }

    /// The newest run of a document.
    pub fn newest(&self, document: Incarnation) -> Option<&Run> {
        self.runs.get(&document)?.back()
    }

    /// Everything that can be folded now. Only names, because the writer waits meanwhile.
    pub fn unfolded(&self) -> Unfolded {
        let foldable = self.runs.keys().filter(|document| !self.damaged.contains_key(document));
        Unfolded {
            life: self.life,
            documents: foldable.copied().collect(),
            newest_row: self.rows.back().map(|row| row.0),
        }
    }

    /// The rows up to `newest` that nothing refers to any more, with their sizes. The newest row of all stays: the mark
    /// names it.
    pub fn spent_rows(&self, newest: u64) -> Vec<(u64, usize)> {
        let old =
            |runs: &VecDeque<Run>| runs.iter().map(|run| run.row).take_while(|row| *row <= newest).collect::<Vec<_>>();
        let needed: BTreeSet<u64> = self.runs.values().flat_map(old).collect();
        let kept = self.rows.len().saturating_sub(1);
        let spent = self.rows.range(..kept).take_while(|(row, _)| *row <= newest);
        spent.filter(|(row, _)| !needed.contains(row)).copied().collect()
    }

    /// Notes that rows have left the journal.
    pub fn forget_rows(&mut self, spent: &BTreeSet<u64>) {
        self.rows.retain(|(row, _)| !spent.contains(row));
    }

    /// Whether rows are missing between those of the journal.
    pub fn rows_have_holes(&self) -> bool {
        self.rows.iter().zip(self.rows.iter().skip(1)).any(|(row, next)| row.0 + 1 != next.0)
    }

    /// The documents with a tail.
    pub fn documents(&self) -> Vec<Incarnation> {
        self.runs.keys().copied().collect()
    }

    /// All runs of a document, to be looked through at start.
    pub fn all(&self, document: Incarnation) -> impl Iterator<Item = &Run> {
        self.runs.get(&document).into_iter().flatten()
    }

    /// Bytes that the next fold would take up.
    pub fn foldable_bytes(&self) -> usize {
        self.foldable_bytes
    }

    /// Revisions that the next fold would take up, for each document.
    pub fn foldable_depth(&self) -> u64 {
        self.foldable_revisions / (self.runs.len() as u64).max(1)
    }
}
