//! Writing a document's file.

use std::io::Write;

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::line::{DocumentLine, EndLine, LabelLine, RevisionLine};
use super::pruned::{ClientLine, LedgerLine, StepLine};
use crate::document::{ChainKey, DocumentId, Epoch, Identity, LEDGER_PAGE, Revision, Snapshot, Step, Time, Version};
use crate::store::{Found, StoreError, View};

/// Revisions read at a time: what an export holds in memory, however long the history is.
const CHUNK: u64 = 1024;

/// Why a document was not written.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// There is none of this name.
    #[error("there is no document \"{0}\"")]
    Unknown(DocumentId),
    /// It cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The file cannot be written.
    #[error("the export cannot be written: {0}")]
    Io(#[from] std::io::Error),
}

/// Writes a document with all that is kept of its history. Answers how many revisions it has.
///
/// A branch is written as a document of its own: its chains and its epoch follow from the branch.
pub fn export(view: &mut View, id: &DocumentId, to: &mut impl Write) -> Result<Version, ExportError> {
    let found = view.find(id)?.ok_or_else(|| ExportError::Unknown(id.clone()))?;
    let mut head = view.head(found.incarnation)?;
    let mut lines = Lines { to, written: 0 };
    let steps = view.steps(found.incarnation)?;
    match &found.begins {
        None => {
            lines.write(&DocumentLine::of(&found.identity, head, !steps.is_empty()))?;
            pruned(view, &found, &steps, &mut lines)?;
            for (client, taken) in view.taken_to(found.incarnation, steps.last().map_or(Version::ZERO, Step::to))? {
                lines.write(&ClientLine::of(client, taken))?;
            }
            each_revision(view, &found, &steps, head.version, |revision| lines.write(&RevisionLine::of(revision)))?;
        }
        Some(begins) => {
            let root = view.root(found.incarnation)?;
            let identity = of_its_own(&found.identity, root.identity.created);
            let own = |revision: &Revision, chain| {
                let origin = revision.origin.filter(|_| revision.version > begins.version);
                let chain = Revision { origin, ..revision.clone() }.chain_after(chain, &identity.key);
                Revision { origin, chain, ..revision.clone() }
            };
            // Its end stands in the first line: it is gone over twice. What was pruned keeps the chain that it had.
            let genesis = Snapshot::genesis(&identity).chain;
            let first = steps.last().map_or(genesis, |step| step.stretch.chain);
            head.chain = first;
            each_revision(view, &found, &steps, head.version, |revision| {
                head.chain = own(revision, head.chain).chain;
                Ok(())
            })?;
            lines.write(&DocumentLine::of(&identity, head, !steps.is_empty()))?;
            pruned(view, &root, &steps, &mut lines)?;
            let mut chain = first;
            each_revision(view, &found, &steps, head.version, |revision| {
                let revision = own(revision, chain);
                chain = revision.chain;
                lines.write(&RevisionLine::of(&revision))
            })?;
        }
    }
    for label in view.labels(found.incarnation)? {
        lines.write(&LabelLine::of(&label))?;
    }
    lines.write(&EndLine::after(lines.written))?;
    lines.to.flush()?;
    Ok(head.version)
}

/// What a branch is without its parent: all of its history is its own, so it has chains, and an epoch, of its own. They follow
/// from those of the branch, so that a later export goes on where an earlier one ended. Whoever sent an edit to the parent has
/// sent none to this one: those edits lose their origin.
fn of_its_own(branch: &Identity, created: Time) -> Identity {
    let derived = |what: &str| {
        let hash = Sha256::new().chain_update(what).chain_update(branch.epoch.0).chain_update(branch.key.0).finalize();
        let mut sixteen = [0; 16];
        sixteen.copy_from_slice(&hash[..16]);
        sixteen
    };
    let (epoch, key) = (Epoch(derived("an export's epoch")), ChainKey(derived("an export's key")));
    Identity { epoch, key, created, ..branch.clone() }
}

/// Writes what is left of what was pruned of a document that is no branch.
fn pruned<W: Write>(view: &mut View, found: &Found, steps: &[Step], lines: &mut Lines<W>) -> Result<(), ExportError> {
    let horizon = steps.last().map_or(Version::ZERO, Step::to);
    for step in steps {
        lines.write(&StepLine::of(step))?;
    }
    for number in 0..horizon.0.div_ceil(LEDGER_PAGE) {
        lines.write(&LedgerLine::of(&view.ledger_page(found.incarnation, number, horizon)?))?;
    }
    Ok(())
}

/// Goes over every single revision, those before a branch begins included.
fn each_revision(
    view: &mut View,
    found: &Found,
    steps: &[Step],
    head: Version,
    mut look: impl FnMut(&Revision) -> std::io::Result<()>,
) -> Result<(), ExportError> {
    let mut at = steps.last().map_or(Version::ZERO, Step::to);
    while at < head {
        let next = Version(head.0.min(at.0 + CHUNK));
        for revision in view.revisions(found.incarnation, at, next)? {
            look(&revision)?;
            at = revision.version;
        }
    }
    Ok(())
}

struct Lines<'w, W> {
    to: &'w mut W,
    written: u64,
}

impl<W: Write> Lines<'_, W> {
    fn write(&mut self, line: &impl Serialize) -> std::io::Result<()> {
        serde_json::to_writer(&mut *self.to, line)?;
        self.written += 1;
        self.to.write_all(b"\n")
    }
}
