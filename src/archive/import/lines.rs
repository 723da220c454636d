//! A file line by line: what each says, by itself. One is in memory at a time.

use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::ImportError;
use crate::archive::line::{DocumentLine, EndLine, LabelLine, RevisionLine, Tagged};
use crate::archive::pruned::{ClientLine, LedgerLine, StepLine};
use crate::archive::{FORMAT, FORMAT_PRUNED};
use crate::document::{ClientKey, Label, LedgerPage, Revision, Step, Taken};

/// No line that an export writes is longer: room for the largest op with every character escaped.
const LINE_MAX: u64 = 256 << 20;

/// What a line says.
pub(super) enum Line {
    Document(DocumentLine),
    Step(Step),
    Ledger(LedgerPage),
    Client(ClientKey, Taken),
    Revision(Revision),
    Label(Label),
    End(EndLine),
}

impl Line {
    pub(super) fn parse(line: &str) -> Result<Self, String> {
        fn read<T: DeserializeOwned>(line: &str) -> Result<T, String> {
            serde_json::from_str(line).map_err(|error| format!("it is not what it should be: {error}"))
        }
        let Tagged { sort } = read(line)?;
        match sort.as_str() {
            "document" => {
                // Asked first: the line of another format may have other fields.
                #[derive(Deserialize)]
                struct Format {
                    format: u64,
                }
                match read(line)? {
                    Format { format: FORMAT | FORMAT_PRUNED } => Ok(Line::Document(read(line)?)),
                    Format { format } => Err(format!(
                        "the file has format {format}, this program reads formats {FORMAT} to {FORMAT_PRUNED}"
                    )),
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
}

/// Reads a file.
pub(super) struct Lines {
    path: String,
    file: BufReader<File>,
    /// Of the line that was read last, from 1.
    number: u64,
}

impl Lines {
    pub(super) fn open(path: &Path) -> Result<Self, ImportError> {
        let name = path.display().to_string();
        match File::open(path) {
            Ok(file) => Ok(Lines { path: name, file: BufReader::new(file), number: 0 }),
            Err(source) => Err(ImportError::Io { path: name, source }),
        }
    }

    /// The next line; none at the end of the file.
    pub(super) fn next(&mut self) -> Result<Option<String>, ImportError> {
        self.number += 1;
        let mut line = String::new();
        match (&mut self.file).take(LINE_MAX).read_line(&mut line) {
            Ok(0) => Ok(None),
            Ok(_) => Ok(Some(line)),
            Err(error) if error.kind() == ErrorKind::InvalidData => Err(self.wrong("it is not UTF-8".into())),
            Err(source) => Err(ImportError::Io { path: self.path.clone(), source }),
        }
    }

    /// What is wrong with the line that was read last.
    pub(super) fn wrong(&self, reason: String) -> ImportError {
        ImportError::Line { line: self.number, reason }
    }
}

/// Hands over each line of a file, until one is wrong.
pub(super) fn each_line(path: &Path, mut take: impl FnMut(&str) -> Result<(), String>) -> Result<(), ImportError> {
    let mut lines = Lines::open(path)?;
    while let Some(line) = lines.next()? {
        take(&line).map_err(|reason| lines.wrong(reason))?;
    }
    Ok(())
}
