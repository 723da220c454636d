//! One journal row: the records of one commit, and a footer that says whose they are.
//!
//! ```text
//! row    = record bytes, records, footer, footer bytes, footer crc, row crc
//! footer = format, runs, then each run: document, first version, count, the length of each of its records
//!          (the footer's numbers are varints, those of the row 4 bytes LE)
//! ```
//!
//! A damaged record is known by the footer, a damaged footer is replaced by reading the records in turn; only if both
//! are damaged is the row lost.

use std::sync::Arc;

use bytes::Bytes;

use crate::document::Version;
use crate::store::codec::{BadRecord, Glance, Reader, decode_record, glance_record, put_number};
use crate::store::{Incarnation, StoreError};

const FORMAT: u8 = 1;
/// Footer length, footer crc and row crc.
const TRAILER: usize = 12;
const HEADER: usize = 4;

/// Consecutive revisions of one document from one journal row.
#[derive(Debug, Clone)]
pub struct Run {
    /// The row it is from, which must stay in the journal until the run is folded.
    pub row: u64,
    /// Whose.
    pub document: Incarnation,
    /// The first version.
    pub first: Version,
    /// How many; never 0.
    pub count: u64,
    /// The records one after another, verified; or why they cannot be read.
    pub records: Result<Bytes, Arc<str>>,
}

impl Run {
    /// The last version.
    pub fn last(&self) -> Version {
        Version(self.first.0 + self.count - 1)
    }

    /// The records, or the damage by name.
    pub fn bytes(&self) -> Result<&[u8], StoreError> {
        match &self.records {
            Ok(bytes) => Ok(bytes),
            Err(reason) => {
                Err(StoreError::Damaged { document: self.document, version: self.first, reason: reason.to_string() })
            }
        }
    }

    /// How much it holds.
    pub fn len(&self) -> usize {
        self.records.as_ref().map_or(0, |bytes| bytes.len())
    }
}

/// Builds a row.
pub struct RowWriter {
    body: Vec<u8>,
    runs: Vec<(Incarnation, Version, u64, usize)>,
    lens: Vec<u8>,
}

/// A row as it is written, and what it holds.
pub struct Row {
    pub body: Bytes,
    /// The row's checksum, which the mark repeats.
    pub sum: u32,
    pub runs: Vec<Run>,
}

impl RowWriter {
    /// An empty row for this many bytes of records.
    pub fn new(capacity: usize) -> Self {
        let mut body = Vec::with_capacity(capacity + capacity / 8 + 64);
        body.extend_from_slice(&[0; HEADER]);
        RowWriter { body, runs: Vec::new(), lens: Vec::new() }
    }

    /// Adds records that [`encode_record`](crate::store::encode_record) wrote, of consecutive versions.
    pub fn push(&mut self, document: Incarnation, first: Version, count: u64, records: &[u8]) {
        put_number(&mut self.lens, document.0);
        put_number(&mut self.lens, first.0);
        put_number(&mut self.lens, count);
        let mut rest = records;
        for _ in 0..count {
            let mut reader = Reader(rest);
            let len = reader.number().expect("a record begins with its length");
            let len = rest.len() - reader.0.len() + len as usize;
            put_number(&mut self.lens, len as u64);
            rest = &rest[len..];
        }
        debug_assert!(rest.is_empty(), "as many records as were counted");
        self.runs.push((document, first, count, records.len()));
        self.body.extend_from_slice(records);
    }

    /// How many revisions were added.
    pub fn revisions(&self) -> u64 {
        self.runs.iter().map(|run| run.2).sum()
    }

    /// The row, which will have this id.
    pub fn finish(mut self, row: u64) -> Row {
        let records = (self.body.len() - HEADER) as u32;
        self.body[..HEADER].copy_from_slice(&records.to_le_bytes());
        let footer = self.body.len();
        self.body.push(FORMAT);
        put_number(&mut self.body, self.runs.len() as u64);
        self.body.extend_from_slice(&self.lens);
        let footer_sum = crc32fast::hash(&self.body[footer..]);
        let footer_len = (self.body.len() - footer) as u32;
        self.body.extend_from_slice(&footer_len.to_le_bytes());
        self.body.extend_from_slice(&footer_sum.to_le_bytes());
        let sum = crc32fast::hash(&self.body);
        self.body.extend_from_slice(&sum.to_le_bytes());
        let body = Bytes::from(self.body);
        let mut at = HEADER;
        let slice = |(document, first, count, len)| {
            let records = Ok(body.slice(at..at + len));
            at += len;
            Run { row, document, first, count, records }
        };
        let runs = self.runs.into_iter().map(slice).collect();
        Row { body, sum, runs }
    }
}

/// What a row read from the journal holds.
pub struct ReadRow {
    pub runs: Vec<Run>,
    /// Checksum stored in it and the one its content gives; they differ in a damaged row.
    pub sums: (u32, u32),
}

/// Reads a row. `None` if neither its footer nor its records say what was in it.
pub fn read_row(row: u64, body: &Bytes) -> Option<ReadRow> {
    let (content, sum) = body.split_last_chunk::<4>()?;
    let sums = (u32::from_le_bytes(*sum), crc32fast::hash(content));
    let runs = match (read_footer(body), sums.0 == sums.1) {
        (Some(spans), true) => whole(row, body, spans),
        (Some(spans), false) => checked(row, body, spans),
        (None, _) => from_records(row, body)?,
    };
    Some(ReadRow { runs, sums })
}

/// Whose records there are: document, first version, and where each record ends.
struct Span {
    document: Incarnation,
    first: Version,
    start: usize,
    ends: Vec<usize>,
}

fn read_footer(body: &[u8]) -> Option<Vec<Span>> {
    let (rest, trailer) = body.split_last_chunk::<TRAILER>()?;
    let word = |at: usize| u32::from_le_bytes([trailer[at], trailer[at + 1], trailer[at + 2], trailer[at + 3]]);
    let footer_at = rest.len().checked_sub(word(0) as usize).filter(|at| *at >= HEADER)?;
    let footer = &rest[footer_at..];
    if crc32fast::hash(footer) != word(4) {
        return None;
    }
    let spans = parse_footer(footer, footer_at).ok()?;
    Some(spans)
}

fn parse_footer(footer: &[u8], footer_at: usize) -> Result<Vec<Span>, BadRecord> {
    let mut footer = Reader(footer);
    let format = footer.byte()?;
    if format != FORMAT {
        return Err(BadRecord::Format(format));
    }
    let mut at = HEADER;
    let mut spans = Vec::new();
    for _ in 0..footer.number()? {
        let (document, first) = (Incarnation(footer.number()?), Version(footer.number()?));
        let (start, mut ends) = (at, Vec::new());
        for _ in 0..footer.number()? {
            let len = usize::try_from(footer.number()?).map_err(|_| BadRecord::Short)?;
            at = at.checked_add(len).filter(|end| *end <= footer_at).ok_or(BadRecord::Short)?;
            ends.push(at);
        }
        spans.push(Span { document, first, start, ends });
    }
    if at == footer_at { Ok(spans) } else { Err(BadRecord::Short) }
}

/// The row's checksum holds: nothing in it needs to be looked at.
fn whole(row: u64, body: &Bytes, spans: Vec<Span>) -> Vec<Run> {
    let runs = spans.into_iter().filter_map(|Span { document, first, start, ends }| {
        let end = *ends.last()?;
        Some(Run { row, document, first, count: ends.len() as u64, records: Ok(body.slice(start..end)) })
    });
    runs.collect()
}

/// Something in the row is damaged: each record is checked, and a bad one is a run of its own.
fn checked(row: u64, body: &Bytes, spans: Vec<Span>) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for Span { document, first, start, ends } in spans {
        let mut at = start;
        for (version, end) in (first.0..).map(Version).zip(ends) {
            let bytes = body.slice(at..end);
            at = end;
            let records = match decode_record(&bytes) {
                Ok((whose, revision, len)) if (whose, revision.version, len) == (document, version, bytes.len()) => {
                    Ok(bytes)
                }
                Ok((whose, revision, _)) => {
                    Err(format!("the record is of version {} of document {}", revision.version, whose.0).into())
                }
                Err(error) => Err(error.to_string().into()),
            };
            runs.push(Run { row, document, first: version, count: 1, records });
        }
    }
    runs
}

/// The footer is damaged: the records say themselves whose they are, if all of them can be read.
fn from_records(row: u64, body: &Bytes) -> Option<Vec<Run>> {
    let (header, _) = body.split_first_chunk::<HEADER>()?;
    let by_header = HEADER.checked_add(u32::from_le_bytes(*header) as usize)?;
    let by_trailer = body.split_last_chunk::<TRAILER>().and_then(|(rest, trailer)| {
        rest.len().checked_sub(u32::from_le_bytes([trailer[0], trailer[1], trailer[2], trailer[3]]) as usize)
    });
    let (mut at, mut runs) = (HEADER, Vec::new());
    while let Some(rest) = body.get(at..) {
        let Ok((document, revision, len)) = decode_record(rest) else { break };
        let records = Ok(body.slice(at..at + len));
        runs.push(Run { row, document, first: revision.version, count: 1, records });
        at += len;
    }
    (at == by_header || Some(at) == by_trailer).then_some(runs)
}

/// Walks records whose bytes were verified.
pub fn each_record(mut bytes: &[u8]) -> impl Iterator<Item = Result<(Glance, &[u8]), BadRecord>> {
    std::iter::from_fn(move || {
        if bytes.is_empty() {
            return None;
        }
        let (record, rest) = match glance_record(bytes) {
            Ok(glance) => {
                let (record, rest) = bytes.split_at(glance.len);
                (Ok((glance, record)), rest)
            }
            Err(error) => (Err(error), &[][..]),
        };
        bytes = rest;
        Some(record)
    })
}
