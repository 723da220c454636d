//! Reading a document's file: all of it is checked before anything is stored, and then stored in a second reading.

mod check;
mod lines;
mod writing;

use std::path::Path;

use self::check::Check;
use self::lines::{Line, Lines, each_line};
use self::writing::Writing;
use crate::document::{DocumentId, Identity, Snapshot, Version};
use crate::store::{AppendError, Created, Incarnation, Store, StoreError};

/// Why a document was not taken in.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file cannot be read.
    #[error("{path} cannot be read: {source}")]
    Io {
        /// Which.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// A line is not what it should be. Nothing was stored.
    #[error("line {line}: {reason}")]
    Line {
        /// Which, from 1.
        line: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// There is a document of this name with another history.
    #[error(
        "there is a document \"{0}\" already, and it is not this one at an earlier version; give it a new id with --as"
    )]
    Exists(DocumentId),
    /// The store cannot take it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<AppendError> for ImportError {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::Store(error) => error.into(),
            conflict => StoreError::Unavailable(conflict.to_string()).into(),
        }
    }
}

/// What was taken in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// The document.
    pub id: DocumentId,
    /// Its newest version.
    pub version: Version,
    /// The version that it had before: 0 unless an import that was cut off was gone on with.
    pub from: Version,
}

/// Takes in a document with all its history, under its own id or another. An import that was cut off is gone on with when
/// it is asked for again.
pub async fn import(store: &dyn Store, path: &Path, id: Option<DocumentId>) -> Result<Imported, ImportError> {
    let mut check = Check::default();
    each_line(path, |line| check.take(line))?;
    let (identity, past, head) = check.finish(id)?;
    let (document, had) = begin(store, &identity, &head, path).await?;
    let mut now = Snapshot::genesis(&identity);
    for step in &past.steps {
        now.forward(&step.stretch).expect("the first reading found that it fits");
    }
    if had < now.version {
        store.adopt(document, past).await?;
    }
    let mut writing = Writing::new(store, document, now, had);
    let mut lines = Lines::open(path)?;
    while let Some(line) = lines.next()? {
        match Line::parse(&line).map_err(|reason| lines.wrong(reason))? {
            Line::Revision(revision) => writing.revision(revision).await?,
            Line::Label(label) => writing.label(label).await?,
            Line::Document(_) | Line::Step(_) | Line::Ledger(_) | Line::Client(..) | Line::End(_) => {}
        }
    }
    writing.flush().await?;
    Ok(Imported { id: identity.id, version: head.version, from: had })
}

/// Makes the document, or finds it as an earlier import of the same file left it.
async fn begin(
    store: &dyn Store,
    identity: &Identity,
    head: &Snapshot,
    path: &Path,
) -> Result<(Incarnation, Version), ImportError> {
    let found = match store.create(identity.clone(), None).await? {
        Created::New(document) => return Ok((document, Version::ZERO)),
        Created::Existing(found) => found,
    };
    let exists = || ImportError::Exists(identity.id.clone());
    if found.identity != *identity {
        return Err(exists());
    }
    let there = store.head(found.incarnation).await?;
    if there.version > head.version {
        return Err(exists());
    }
    // Its chain vouches for all of its history.
    let mut chain = Snapshot::genesis(identity).chain;
    each_line(path, |line| {
        match Line::parse(line) {
            Ok(Line::Revision(revision)) if revision.version == there.version => chain = revision.chain,
            Ok(Line::Step(step)) if step.to() == there.version => chain = step.stretch.chain,
            _ => {}
        }
        Ok(())
    })?;
    if chain == there.chain { Ok((found.incarnation, there.version)) } else { Err(exists()) }
}
