//! All documents in memory: what they are called, and what changes them.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use super::log::Log;
use crate::document::{DocumentId, Identity, Label, LabelName, Revision, Snapshot, Version};
use crate::store::kept::{Needed, bounds, horizon, needed};
use crate::store::{
    APPEND_BYTES_MAX, AppendError, BranchPoint, Condition, Created, Found, Incarnation, LABELS_MAX, Labelled, Listed,
    Pruned, PrunedPast, StoreError,
};

#[derive(Default)]
pub(super) struct State {
    names: BTreeMap<DocumentId, Incarnation>,
    /// Document number n is at n - 1; none once it was removed.
    logs: Vec<Option<Log>>,
    pub(super) closed: bool,
}

impl State {
    pub(super) fn log(&self, document: Incarnation) -> Result<&Log, StoreError> {
        let place = document.0.checked_sub(1).ok_or(StoreError::Unknown(document))?;
        self.logs.get(place as usize).and_then(Option::as_ref).ok_or(StoreError::Unknown(document))
    }

    /// The document's log, to be changed.
    fn log_mut(&mut self, document: Incarnation) -> Result<&mut Log, StoreError> {
        self.open()?;
        let place = document.0.checked_sub(1).ok_or(StoreError::Unknown(document))?;
        self.logs.get_mut(place as usize).and_then(Option::as_mut).ok_or(StoreError::Unknown(document))
    }

    fn open(&self) -> Result<(), StoreError> {
        if self.closed { Err(StoreError::Unavailable("it is closed".into())) } else { Ok(()) }
    }

    pub(super) fn find(&self, id: &DocumentId) -> Option<Found> {
        let incarnation = *self.names.get(id)?;
        let log = self.log(incarnation).ok()?;
        Some(Found { incarnation, identity: log.identity.clone(), begins: log.begins })
    }

    pub(super) fn create(
        &mut self,
        identity: Identity,
        begins: Option<BranchPoint>,
        first: Option<Arc<Revision>>,
    ) -> Result<Created, StoreError> {
        self.open()?;
        if let Some(found) = self.find(&identity.id) {
            return Ok(Created::Existing(found));
        }
        if let Some(begins) = begins {
            let (kept, root) = self.kept(begins.parent)?;
            kept.check_whole(root, begins.version)?;
        }
        let incarnation = Incarnation(self.logs.len() as u64 + 1);
        self.names.insert(identity.id.clone(), incarnation);
        let mut log = Log::new(identity, begins);
        first.into_iter().for_each(|revision| log.push(revision));
        self.logs.push(Some(log));
        Ok(Created::New(incarnation))
    }

    pub(super) fn append(
        &mut self,
        document: Incarnation,
        at: Version,
        revisions: Vec<Arc<Revision>>,
    ) -> Result<(), AppendError> {
        // As much as their records have, or a little more.
        let bytes = revisions.iter().map(|revision| revision.op.weight()).sum();
        if bytes > APPEND_BYTES_MAX {
            return Err(AppendError::TooLarge { bytes });
        }
        let log = self.log_mut(document)?;
        let head = log.head();
        if head != at {
            return Err(AppendError::Conflict { head });
        }
        revisions.into_iter().for_each(|revision| log.push(revision));
        Ok(())
    }

    pub(super) fn adopt(&mut self, document: Incarnation, past: PrunedPast) -> Result<(), AppendError> {
        let log = self.log_mut(document)?;
        let head = log.head();
        if head > Version::ZERO {
            return Err(AppendError::Conflict { head });
        }
        log.adopt(past);
        Ok(())
    }

    pub(super) fn keep_snapshot(&mut self, document: Incarnation, snapshot: Snapshot) -> Result<(), StoreError> {
        self.log_mut(document)?.keep(snapshot);
        Ok(())
    }

    pub(super) fn prune(&mut self, document: Incarnation, to: Version, preview: bool) -> Result<Pruned, StoreError> {
        self.open()?;
        let log = self.log(document)?;
        let before = log.kept().horizon();
        if log.begins.is_some() {
            return Ok(Pruned { before, horizon: before, kept: Vec::new() });
        }
        let labels = |number| Ok(self.log(number)?.labels.values().map(|label| label.version).collect());
        let Needed { labelled, branches } = needed(document, labels, |number| self.branches(number))?;
        let kept = bounds(horizon(to, log.head(), branches).max(before), labelled);
        let horizon = kept.last().copied().unwrap_or_default();
        if !preview {
            self.log_mut(document)?.prune(&kept);
        }
        Ok(Pruned { before, horizon, kept })
    }

    pub(super) fn branches(&self, document: Incarnation) -> Result<Vec<Found>, StoreError> {
        self.log(document)?;
        let all = self.names.keys().filter_map(|id| self.find(id));
        Ok(all.filter(|found| found.begins.is_some_and(|begins| begins.parent == document)).collect())
    }

    /// By version; those of one version stay in order of name.
    pub(super) fn labels(&self, document: Incarnation) -> Result<Vec<Label>, StoreError> {
        let mut labels: Vec<Label> = self.log(document)?.labels.values().cloned().collect();
        labels.sort_by_key(|label| label.version);
        Ok(labels)
    }

    pub(super) fn delete_label(&mut self, document: Incarnation, name: &LabelName) -> Result<bool, StoreError> {
        Ok(self.log_mut(document)?.labels.remove(name).is_some())
    }

    pub(super) fn put_label(&mut self, document: Incarnation, label: Label) -> Result<Labelled, StoreError> {
        let (kept, root) = self.kept(document)?;
        let labels = &mut self.log_mut(document)?.labels;
        if let Some(existing) = labels.get(&label.name) {
            return Ok(Labelled::Existing(existing.clone()));
        }
        kept.check(root, label.version)?;
        if labels.len() >= LABELS_MAX {
            return Ok(Labelled::Full);
        }
        labels.insert(label.name.clone(), label);
        Ok(Labelled::New)
    }

    pub(super) fn list(&self, prefix: &str, after: &str, most: usize) -> Vec<Listed> {
        // A name that is no document id may stand between those that are.
        let from = if after >= prefix { Bound::Excluded(after) } else { Bound::Included(prefix) };
        let names = self.names.range::<str, _>((from, Bound::Unbounded));
        let named = names.take_while(|(id, _)| id.as_str().starts_with(prefix)).take(most);
        let told = named.filter_map(|(id, number)| {
            let log = self.log(*number).ok()?;
            Some(Listed { id: id.clone(), found: self.head(*number).map(|head| (log.identity.clone(), head)) })
        });
        told.collect()
    }

    pub(super) fn condition(&self) -> Condition {
        if self.closed { Condition::Failing("the store is closed".into()) } else { Condition::Good }
    }

    pub(super) fn remove(&mut self, document: Incarnation) -> Result<(), StoreError> {
        self.open()?;
        let branches = self.branches(document)?;
        if !branches.is_empty() {
            let branches = branches.iter().map(|branch| branch.identity.id.to_string()).collect();
            return Err(StoreError::HasBranches { document, branches });
        }
        let id = self.log(document)?.identity.id.clone();
        self.names.remove(&id);
        self.logs[document.0 as usize - 1] = None;
        Ok(())
    }
}
