//! The first reading: whether every line follows from those before it. Nothing is stored.

use super::ImportError;
use super::lines::Line;
use crate::archive::line::DocumentLine;
use crate::archive::pruned::{check_whole, take_step};
use crate::document::{DocumentId, Identity, Label, Revision, Snapshot, Stretch, Version};
use crate::store::PrunedPast;

/// What the lines so far came to.
#[derive(Default)]
pub(super) struct Check {
    document: Option<DocumentLine>,
    identity: Option<Identity>,
    now: Option<Snapshot>,
    /// What is left of pruned revisions.
    past: PrunedPast,
    /// Those so far: after them comes no revision.
    labels: Vec<Label>,
    lines: u64,
    ended: bool,
}

impl Check {
    /// Takes the next line.
    pub(super) fn take(&mut self, line: &str) -> Result<(), String> {
        if self.ended {
            return Err("there is a line behind the last one".into());
        }
        match Line::parse(line)? {
            Line::Document(document) => self.begin(document)?,
            Line::Step(step) => {
                self.before_revisions()?;
                let now = self.now.as_mut().expect("that was asked just now");
                take_step(&mut self.past, now, step)?;
            }
            Line::Ledger(page) => {
                self.before_revisions()?;
                self.past.ledger.push(page);
            }
            Line::Client(client, taken) => {
                self.before_revisions()?;
                self.past.taken.push((client, taken));
            }
            Line::Revision(revision) => self.revision(revision)?,
            Line::Label(label) => self.label(label)?,
            Line::End(end) => {
                check_whole(&self.past)?;
                let now = self.now.as_ref().ok_or("the first line is no document")?;
                let document = self.document.as_ref().ok_or("the first line is no document")?;
                if (now.version, now.chain) != (document.version, document.chain) {
                    return Err(format!(
                        "the revisions end at version {} with chain {}, the first line says version {} with chain {}",
                        now.version, now.chain, document.version, document.chain
                    ));
                }
                if end.lines != self.lines {
                    return Err(format!("it says that {} lines came before it, there are {}", end.lines, self.lines));
                }
                self.ended = true;
            }
        }
        self.lines += 1;
        Ok(())
    }

    fn begin(&mut self, document: DocumentLine) -> Result<(), String> {
        if self.document.is_some() {
            return Err("there is a second document".into());
        }
        let identity = document.identity(None)?;
        self.now = Some(Snapshot::genesis(&identity));
        self.identity = Some(identity);
        self.document = Some(document);
        Ok(())
    }

    /// That what is left of pruned revisions comes before all others.
    fn before_revisions(&self) -> Result<(), String> {
        let now = self.now.as_ref().ok_or("the first line is no document")?;
        if now.version != self.past.horizon() || !self.labels.is_empty() {
            return Err("what is left of pruned revisions stands behind others".into());
        }
        Ok(())
    }

    fn revision(&mut self, revision: Revision) -> Result<(), String> {
        let (Some(now), Some(identity)) = (&mut self.now, &self.identity) else {
            return Err("the first line is no document".into());
        };
        if !self.labels.is_empty() {
            return Err("there is a revision behind labels".into());
        }
        if revision.version != now.version.next() {
            return Err(format!("version {} does not follow version {}", revision.version, now.version));
        }
        if revision.time < now.time {
            return Err(format!("its time is {}, before {} of the one before", revision.time.0, now.time.0));
        }
        let due = revision.chain_after(now.chain, &identity.key);
        if due != revision.chain {
            return Err(format!("its chain is {}, its history and key give {due}", revision.chain));
        }
        now.forward(&Stretch::of(&revision)).map_err(|mismatch| format!("its op does not fit: {mismatch}"))
    }

    fn label(&mut self, label: Label) -> Result<(), String> {
        let now = self.now.as_ref().ok_or("the first line is no document")?;
        let horizon = self.past.horizon();
        let kept = label.version == Version::ZERO || self.past.steps.iter().any(|step| step.to() == label.version);
        if label.version < horizon && !kept {
            return Err(format!("the label names version {}, which was pruned", label.version));
        }
        if label.version > now.version {
            return Err(format!("the label names version {}, the document ends at {}", label.version, now.version));
        }
        if self.labels.iter().any(|there| there.name == label.name) {
            return Err(format!("there is a label {:?} already", label.name.as_str()));
        }
        self.labels.push(label);
        Ok(())
    }

    /// What the document is, under its own id or another; what was pruned of it; and where it ends.
    pub(super) fn finish(self, id: Option<DocumentId>) -> Result<(Identity, PrunedPast, Snapshot), ImportError> {
        match (self.document, self.now, self.ended) {
            (Some(document), Some(now), true) => {
                let identity = document.identity(id).map_err(|reason| ImportError::Line { line: 1, reason })?;
                Ok((identity, self.past, now))
            }
            _ => {
                let reason = "the file ends before its last line, \"end\"".to_owned();
                Err(ImportError::Line { line: self.lines + 1, reason })
            }
        }
    }
}
