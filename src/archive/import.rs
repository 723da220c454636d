//! Reading a document's file: all of it is checked before anything is stored, and then stored in a second reading.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::sync::Arc;

use serde::de::DeserializeOwned;

use super::line::{DocumentLine, EndLine, LabelLine, RevisionLine, Tagged};
use super::pruned::{ClientLine, LedgerLine, StepLine, check_whole, take_step};
use super::{FORMAT, FORMAT_PRUNED};
use crate::document::{
    ClientKey, DocumentId, Identity, Label, LedgerPage, Revision, Snapshot, Step, Stretch, Taken, Version,
};
use crate::store::{
    AppendError, Created, Incarnation, Labelled, PrunedPast, READ_WEIGHT, SnapshotPace, Store, StoreError,
};

/// Revisions appended at a time.
const CHUNK: usize = 512;
/// No line that an export writes is longer: room for the largest op with every character escaped.
const LINE_MAX: u64 = 256 << 20;

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
    let past = std::mem::take(&mut check.past);
    let (identity, head) = check.finish(id)?;
    let (document, had) = begin(store, &identity, &head, path).await?;
    let mut now = Snapshot::genesis(&identity);
    for step in &past.steps {
        now.forward(&step.stretch).expect("the first reading found that it fits");
    }
    if had < now.version {
        match store.adopt(document, past).await {
            Ok(()) => {}
            Err(AppendError::Store(error)) => return Err(error.into()),
            Err(conflict) => return Err(StoreError::Unavailable(conflict.to_string()).into()),
        }
    }
    let from = had.max(now.version);
    let mut writing =
        Writing { store, document, now, from, snapshots: SnapshotPace::default(), chunk: Vec::new(), weight: 0 };
    let mut lines = Lines::open(path)?;
    while let Some((number, line)) = lines.next()? {
        match parse(&line).map_err(|reason| ImportError::Line { line: number, reason })? {
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
    each_line(path, |(_, line)| {
        match parse(line) {
            Ok(Line::Revision(revision)) if revision.version == there.version => chain = revision.chain,
            Ok(Line::Step(step)) if step.to() == there.version => chain = step.stretch.chain,
            _ => {}
        }
        Ok(())
    })?;
    if chain == there.chain { Ok((found.incarnation, there.version)) } else { Err(exists()) }
}

/// The second reading: stores what was checked.
struct Writing<'s> {
    store: &'s dyn Store,
    document: Incarnation,
    now: Snapshot,
    /// What is stored already.
    from: Version,
    snapshots: SnapshotPace,
    chunk: Vec<Arc<Revision>>,
    /// What the ops in `chunk` weigh, in bytes.
    weight: usize,
}

impl Writing<'_> {
    async fn revision(&mut self, revision: Revision) -> Result<(), ImportError> {
        self.now.forward(&Stretch::of(&revision)).expect("the first reading found that it fits");
        let keep = self.snapshots.is_due_after(&revision);
        if revision.version > self.from {
            self.weight += revision.op.weight();
            self.chunk.push(Arc::new(revision));
        }
        if self.chunk.len() >= CHUNK || self.weight >= READ_WEIGHT || keep {
            self.flush().await?;
        }
        if keep {
            self.store.keep_snapshot(self.document, self.now.clone()).await?;
        }
        Ok(())
    }

    async fn label(&mut self, label: Label) -> Result<(), ImportError> {
        self.flush().await?;
        match self.store.put_label(self.document, label).await? {
            // One that is there is from an import that was cut off.
            Labelled::New | Labelled::Existing(_) => Ok(()),
            Labelled::Full => {
                Err(StoreError::Unavailable("the document has as many labels as it may have".into()).into())
            }
        }
    }

    async fn flush(&mut self) -> Result<(), ImportError> {
        let Some(first) = self.chunk.first() else { return Ok(()) };
        self.weight = 0;
        let at = Version(first.version.0 - 1);
        match self.store.append(self.document, at, std::mem::take(&mut self.chunk)).await {
            Ok(()) => Ok(()),
            Err(AppendError::Store(error)) => Err(error.into()),
            Err(conflict) => Err(StoreError::Unavailable(conflict.to_string()).into()),
        }
    }
}

/// The first reading: whether every line follows from those before it.
#[derive(Default)]
struct Check {
    document: Option<DocumentLine>,
    identity: Option<Identity>,
    now: Option<Snapshot>,
    /// What is left of pruned revisions.
    past: PrunedPast,
    /// Whether labels have begun: after them comes no revision.
    labels: Vec<Label>,
    lines: u64,
    ended: bool,
}

impl Check {
    fn take(&mut self, (_, line): (u64, &str)) -> Result<(), String> {
        if self.ended {
            return Err("there is a line behind the last one".into());
        }
        match parse(line)? {
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

    fn finish(self, id: Option<DocumentId>) -> Result<(Identity, Snapshot), ImportError> {
        let cut = |reason: &str| ImportError::Line { line: self.lines + 1, reason: reason.to_owned() };
        match (&self.document, self.now.clone(), self.ended) {
            (Some(document), Some(now), true) => {
                let identity = document.identity(id).map_err(|reason| ImportError::Line { line: 1, reason })?;
                Ok((identity, now))
            }
            _ => Err(cut("the file ends before its last line, \"end\"")),
        }
    }
}

enum Line {
    Document(DocumentLine),
    Step(Step),
    Ledger(LedgerPage),
    Client(ClientKey, Taken),
    Revision(Revision),
    Label(Label),
    End(EndLine),
}

fn parse(line: &str) -> Result<Line, String> {
    fn read<T: DeserializeOwned>(line: &str) -> Result<T, String> {
        serde_json::from_str(line).map_err(|error| format!("it is not what it should be: {error}"))
    }
    let Tagged { sort } = read(line)?;
    match sort.as_str() {
        "document" => {
            // Asked first: the line of another format may have other fields.
            #[derive(serde::Deserialize)]
            struct Format {
                format: u64,
            }
            match read(line)? {
                Format { format: FORMAT | FORMAT_PRUNED } => Ok(Line::Document(read(line)?)),
                Format { format } => {
                    Err(format!("the file has format {format}, this program reads formats {FORMAT} to {FORMAT_PRUNED}"))
                }
            }
        }
        "step" => read::<StepLine>(line)?.step().map(Line::Step),
        "ledger" => read::<LedgerLine>(line)?.page().map(Line::Ledger),
        "client" => {
            let (client, taken) = read::<ClientLine>(line)?.taken();
            Ok(Line::Client(client, taken))
        }
        "revision" => read::<RevisionLine>(line)?.revision().map(Line::Revision),
        "label" => read::<LabelLine>(line)?.label().map(Line::Label),
        "end" => Ok(Line::End(read(line)?)),
        other => Err(format!("there is no line of type {other:?}")),
    }
}

/// Reads a file line by line: one is in memory at a time.
struct Lines {
    path: String,
    file: BufReader<File>,
    number: u64,
}

impl Lines {
    fn open(path: &Path) -> Result<Self, ImportError> {
        let name = path.display().to_string();
        match File::open(path) {
            Ok(file) => Ok(Lines { path: name, file: BufReader::new(file), number: 0 }),
            Err(source) => Err(ImportError::Io { path: name, source }),
        }
    }

    fn next(&mut self) -> Result<Option<(u64, String)>, ImportError> {
        let mut line = String::new();
        let read = (&mut self.file).take(LINE_MAX).read_line(&mut line);
        match read {
            Ok(0) => Ok(None),
            Ok(_) => {
                self.number += 1;
                Ok(Some((self.number, line)))
            }
            Err(error) if error.kind() == std::io::ErrorKind::InvalidData => {
                Err(ImportError::Line { line: self.number + 1, reason: "it is not UTF-8".into() })
            }
            Err(source) => Err(ImportError::Io { path: self.path.clone(), source }),
        }
    }
}

fn each_line(path: &Path, mut take: impl FnMut((u64, &str)) -> Result<(), String>) -> Result<(), ImportError> {
    let mut lines = Lines::open(path)?;
    while let Some((number, line)) = lines.next()? {
        take((number, &line)).map_err(|reason| ImportError::Line { line: number, reason })?;
    }
    Ok(())
}
