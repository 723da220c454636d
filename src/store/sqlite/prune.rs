//! Pruning: on the fold's thread, a step at a time. A slice writes a step in place of what it squashes, and with it the horizon
//! moves; what then lies behind the horizon is swept. Whatever is cut short leaves a whole document.

use tokio::sync::oneshot;

use super::documents;
use super::fold::{Fold, Halt};
use super::ledger::seal_page;
use super::log::{Log, start_of};
use super::slice::{Put, Slice};
use super::steps::{self, StepRow};
use crate::document::{LEDGER_PAGE, Step, Version};
use crate::ot::Op;
use crate::store::kept::{Needed, bounds, horizon, horizon_after};
use crate::store::{Incarnation, Kept, Pruned, READ_WEIGHT, StoreError};

/// Revisions that are read and composed at a time: bounds what they take in memory.
const READ_AT_ONCE: u64 = 4096;

/// A wish to prune a document.
pub struct Pruning {
    pub document: Incarnation,
    pub to: Version,
    pub preview: bool,
    pub answer: oneshot::Sender<Result<Pruned, StoreError>>,
}

/// What is to be done with a document.
struct Plan {
    head: Version,
    kept: Kept,
    bounds: Vec<Version>,
}

impl Fold {
    /// Prunes what of a document is in pages.
    pub(super) fn prune(&mut self, document: Incarnation, to: Version, preview: bool) -> Result<Pruned, StoreError> {
        let life = {
            let tails = self.shared.tails.lock();
            if let Some(damage) = tails.damage_of(document) {
                return Err(damage.clone());
            }
            tails.life
        };
        self.slice = Slice { life: Some(life), ..Slice::default() };
        let Plan { head, kept, bounds } = self.plan(document, to)?;
        let horizon = bounds.last().copied().unwrap_or_default();
        let pruned = Pruned { before: kept.horizon(), horizon, kept: bounds.clone() };
        if !preview && horizon > Version::ZERO {
            self.keep_ledger(document, &kept, horizon, head)?;
            self.squash(document, kept, bounds)?;
            self.sweep_behind(document, horizon).map_err(|halt| self.halted(halt))?;
        }
        Ok(pruned)
    }

    /// Makes steps that end at these versions of all that lies before the last of them.
    fn squash(&mut self, document: Incarnation, mut kept: Kept, bounds: Vec<Version>) -> Result<(), StoreError> {
        let (mut at, mut bounds) = (Version::ZERO, bounds.into_iter().peekable());
        while let Some(mut bound) = bounds.next() {
            let before = kept.horizon();
            if kept.is_step(at, bound) {
                at = bound;
                continue;
            }
            self.put_step(document, &kept, at, bound)?;
            // A horizon does not lie everywhere: up to the next place for one a step of its own, which the next takes up.
            let end = if bound <= before { bound } else { horizon_after(bound) };
            while let Some(next) = bounds.next_if(|next| *next <= end) {
                self.put_step(document, &kept, bound, next)?;
                bound = next;
            }
            if bound < end {
                self.put_step(document, &kept, bound, end)?;
            }
            self.hand_over().map_err(|halt| self.halted(halt))?;
            kept = steps::kept(&self.reader()?.conn, document)?;
            self.shared.metrics.store.pruned.inc_by(kept.horizon().since(before));
            at = bound;
        }
        Ok(())
    }

    fn put_step(&mut self, document: Incarnation, kept: &Kept, from: Version, to: Version) -> Result<(), StoreError> {
        let step = self.compose(document, kept, from, to)?;
        let step = StepRow::seal(&mut self.reader()?.press, document, &step);
        self.slice.puts.push(Put::Step { document, step });
        Ok(())
    }

    /// What pruning up to a version comes to.
    fn plan(&mut self, document: Incarnation, to: Version) -> Result<Plan, StoreError> {
        let conn = &self.reader()?.conn;
        if !documents::exists(conn, document)? {
            return Err(StoreError::Unknown(document));
        }
        let kept = steps::kept(conn, document)?;
        let Needed { labelled, branches } = steps::needed(conn, document)?;
        let begins = start_of(documents::of_number(conn, document)?.begins);
        let head = self.log(document, &kept)?.newest_page()?.map_or(begins, |page| page.last);
        // A branch keeps everything of its own, and has nothing else.
        let most = if begins > Version::ZERO { Version::ZERO } else { horizon(to, head, branches) };
        let bounds = bounds(most.max(kept.horizon()), labelled);
        Ok(Plan { head, kept, bounds })
    }

    /// Makes sure that the ledger's pages up to a horizon are stored: they can be made from revisions for the last time.
    fn keep_ledger(
        &mut self,
        document: Incarnation,
        kept: &Kept,
        horizon: Version,
        head: Version,
    ) -> Result<(), StoreError> {
        for number in kept.horizon().0 / LEDGER_PAGE..horizon.0.div_ceil(LEDGER_PAGE) {
            let mut log = self.log(document, kept)?;
            let mut page = log.ledger_page(number, head)?;
            let made = log.made_rows(head);
            self.slice.puts.extend(made);
            if page.to().0 < (number + 1) * LEDGER_PAGE {
                page.cut(horizon);
                let body = seal_page(&mut self.reader()?.press, document, &page);
                self.slice.puts.push(Put::Ledger { document, page: number, body });
            }
            self.hand_over().map_err(|halt| self.halted(halt))?;
        }
        Ok(())
    }

    /// `(from, to]` as one step, from the steps and the single revisions that there are: what is derived of them is not
    /// relied on for what will be all that is left.
    fn compose(&mut self, document: Incarnation, kept: &Kept, from: Version, to: Version) -> Result<Step, StoreError> {
        let mut log = self.log(document, kept)?;
        let (mut parts, mut at) = log.steps_between(from, kept.horizon().min(to))?;
        while at < to {
            let next = to.min(Version(at.0 + READ_AT_ONCE));
            let singles = log.some_revisions(at, next, READ_WEIGHT)?;
            parts.extend(join(document, singles.iter().map(|revision| Step::of(revision)).collect())?);
            at = parts.last().map_or(next, Step::to);
        }
        Ok(join(document, parts)?.expect("something lies between two versions"))
    }

    /// The document's log as far as it is in pages. It is no branch, or nothing is done with it.
    fn log(&mut self, document: Incarnation, kept: &Kept) -> Result<Log<'_>, StoreError> {
        Ok(Log::new(document, Version::ZERO, kept.clone(), self.reader()?, Vec::new()))
    }

    fn halted(&self, halt: Halt) -> StoreError {
        match halt {
            Halt::NotWritten(reason) => StoreError::Unavailable(reason),
            Halt::Late => StoreError::Unavailable("it is being closed".into()),
            Halt::Unavailable => self.shared.unavailable(),
        }
    }
}

/// Joins consecutive steps, if each fits the one before: a log that a fault has written is left as it is.
fn join(document: Incarnation, steps: Vec<Step>) -> Result<Option<Step>, StoreError> {
    for (before, next) in steps.iter().zip(steps.iter().skip(1)) {
        let (length, covers) = (before.stretch.op.target_len(), next.stretch.op.base_len());
        if length != covers {
            let reason = format!("its op covers {covers} characters, the document has {length}");
            return Err(StoreError::Damaged { document, version: next.from().next(), reason });
        }
    }
    Ok(Step::join_all(steps))
}
