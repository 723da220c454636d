//! Writing a document's file.

use std::io::Write;

use serde::Serialize;

use super::line::{DocumentLine, EndLine, LabelLine, RevisionLine};
use crate::document::{DocumentId, Version};
use crate::store::{StoreError, View};

/// Revisions read at a time: what an export holds in memory, however long the history is.
const CHUNK: u64 = 1024;

/// Why a document was not written.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// There is none of this name.
    #[error("there is no document \"{0}\"")]
    Unknown(DocumentId),
    /// Its beginning is another document's, and so are the chains of that.
    #[error("document \"{0}\" is a branch: its beginning belongs to another document; export that one")]
    Branch(DocumentId),
    /// It cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The file cannot be written.
    #[error("the export cannot be written: {0}")]
    Io(#[from] std::io::Error),
}

/// Writes a document with all its history. Answers how many revisions it has.
pub fn export(view: &mut View, id: &DocumentId, to: &mut impl Write) -> Result<Version, ExportError> {
    let found = view.find(id)?.ok_or_else(|| ExportError::Unknown(id.clone()))?;
    if found.begins.is_some() {
        return Err(ExportError::Branch(id.clone()));
    }
    let head = view.head(found.incarnation)?;
    let mut lines = Lines { to, written: 0 };
    lines.write(&DocumentLine::of(&found.identity, head))?;
    let mut at = Version::ZERO;
    while at < head.version {
        let next = Version(head.version.0.min(at.0 + CHUNK));
        for revision in view.revisions(found.incarnation, at, next)? {
            lines.write(&RevisionLine::of(&revision))?;
            at = revision.version;
        }
    }
    for label in view.labels(found.incarnation)? {
        lines.write(&LabelLine::of(&label))?;
    }
    lines.write(&EndLine::after(lines.written))?;
    lines.to.flush()?;
    Ok(head.version)
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
