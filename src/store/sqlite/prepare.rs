//! Preparing a document's unfolded revisions for pages: cutting, compressing, composing. Writes nothing.

use std::collections::HashMap;

use super::block::Place;
use super::client::seal_client;
use super::log::Log;
use super::page::Page;
use super::row::{Run, each_record};
use super::sealed::Tag;
use super::slice::Put;
use crate::document::{ClientKey, LEDGER_PAGE, Taken, Time, Version};
use crate::store::{Incarnation, StoreError};

/// Revisions of a page: enough to compress well, few enough that a read of one costs little.
const PAGE: u64 = 256;
/// A page that is not full is taken up by a new one unless it is more than this many times as large: each revision is
/// rewritten a few times only, and a document never has more than a handful of small pages.
const TAKE_UP: u64 = 2;

/// The rows that take a part of a document's journal into pages.
pub struct Prepared {
    pub puts: Vec<Put>,
    /// The document is in pages up to here once they are written.
    pub to: Version,
    /// How many revisions are new in pages.
    pub count: u64,
}

/// Prepares everything in the log's tail that is not yet in pages.
pub fn prepare(log: &mut Log) -> Result<Prepared, StoreError> {
    let document = log.document;
    let to = log.tail.last().expect("a step holds a run").last();
    let newest = log.newest_page()?;
    let folded = newest.as_ref().map_or(log.start, |page| page.last);
    if to <= folded {
        // Left in the journal by a crash, or as its newest row.
        return Ok(Prepared { puts: Vec::new(), to, count: 0 });
    }
    let first = log.tail.iter().find(|run| run.last() > folded).map_or(to, |run| run.first);
    if first > folded.next() {
        let reason = format!("versions {} to {} are missing", folded.next(), first.0 - 1);
        return Err(StoreError::Damaged { document, version: folded.next(), reason });
    }
    let mut cut = Cut::new(document);
    let mut runs = Vec::new();
    for page in taken_up(log, newest, to.since(folded))? {
        cut.replaced.push(page.first);
        let (first, count) = (page.first, page.last.0 - page.first.0 + 1);
        let content = log.open_page(&page)?;
        cut.add(&content, log)?;
        runs.push(Run { row: 0, document, first, count, records: Ok(content.into_owned().into()) });
    }
    // The rows of those who wrote the older pages are there already.
    cut.clients.clear();
    cut.after = folded;
    runs.append(&mut log.tail);
    for run in runs.iter().filter(|run| run.last() > folded) {
        cut.add(run.bytes()?, log)?;
    }
    // Blocks are composed from what is at hand, as far as it goes.
    log.tail = runs;
    let mut puts = cut.finish(log);
    hold_singles(log, folded, to)?;
    compose_blocks(log, folded, to)?;
    mark_blocks(log, folded, to)?;
    puts.extend(log.made_rows(to));
    Ok(Prepared { puts, to, count: to.since(folded) })
}

/// The pages that a new one of `count` revisions takes up, oldest first.
fn taken_up(log: &mut Log, newest: Option<Page>, count: u64) -> Result<Vec<Page>, StoreError> {
    let (mut pages, mut count, mut at) = (Vec::new(), count, newest);
    while let Some(page) = at {
        let size = page.last.0 - page.first.0 + 1;
        if size >= PAGE || size > TAKE_UP * count {
            break;
        }
        count += size;
        at = if page.first.0 <= 1 { None } else { log.page_at(Version(page.first.0 - 1))? };
        pages.push(page);
    }
    pages.reverse();
    Ok(pages)
}

/// Marks every block that `(folded, to]` completes, and makes the ledger's pages. What cannot be read of older pages is
/// left out: it is derived.
fn mark_blocks(log: &mut Log, folded: Version, to: Version) -> Result<(), StoreError> {
    let completed = |size: u64| folded.0 / size..to.0 / size;
    let derived = |made: Result<(), StoreError>| match made {
        Err(error @ StoreError::Unavailable(_)) => Err(error),
        _ => Ok(()),
    };
    for level in 0.. {
        let size = Place { level, place: 0 }.size();
        if size > to.0 {
            break;
        }
        // A block of which a part is the parent's is in neither log.
        for place in completed(size).filter(|place| place * size >= log.start.0).collect::<Vec<_>>() {
            derived(log.marked_block(Place { level, place }).map(drop))?;
        }
    }
    for number in completed(LEDGER_PAGE).filter(|number| number * LEDGER_PAGE >= log.start.0).collect::<Vec<_>>() {
        derived(log.ledger_page(number, to).map(drop))?;
    }
    Ok(())
}

/// Decodes once what several rows are made of: from where the largest of them begins that `(folded, to]` completes and that
/// is made of single revisions.
fn hold_singles(log: &mut Log, folded: Version, to: Version) -> Result<(), StoreError> {
    let sizes = [LEDGER_PAGE, Place { level: 0, place: 0 }.size()];
    let Some(size) = sizes.into_iter().find(|size| folded.0 / size < to.0 / size) else { return Ok(()) };
    let from = Version(folded.0 / size * size).max(log.start);
    match log.hold(from, to) {
        // Each row then reads what it can.
        Ok(()) | Err(StoreError::Damaged { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Composes every block that `(folded, to]` completes. What cannot be read of older pages leaves its block out: it is
/// derived.
fn compose_blocks(log: &mut Log, folded: Version, to: Version) -> Result<(), StoreError> {
    for level in 0.. {
        let size = Place { level, place: 0 }.size();
        if size > to.0 {
            break;
        }
        // A block of which a part is the parent's is in neither log.
        let whole = (folded.0 / size..to.0 / size).filter(|place| place * size >= log.start.0);
        for place in whole.collect::<Vec<_>>() {
            match log.block(Place { level, place }) {
                Ok(_) | Err(StoreError::Damaged { .. }) => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(())
}

/// Bytes of records in one page, unless a single record is larger: a page is read as a whole, and nothing is sealed that
/// [`super::sealed`] would not open.
const PAGE_BYTES: usize = 8 << 20;

/// Cuts records into pages, at each multiple of [`PAGE`] and before [`PAGE_BYTES`] are passed.
struct Cut {
    document: Incarnation,
    /// Records up to this version are left out.
    after: Version,
    records: Vec<u8>,
    /// First and last version and first time of `records`.
    span: Option<(Version, Version, Time)>,
    pages: Vec<Page>,
    /// Pages that are part of the new ones.
    replaced: Vec<Version>,
    clients: HashMap<ClientKey, Taken>,
}

impl Cut {
    fn new(document: Incarnation) -> Self {
        Cut {
            document,
            after: Version::ZERO,
            records: Vec::new(),
            span: None,
            pages: Vec::new(),
            replaced: Vec::new(),
            clients: HashMap::new(),
        }
    }

    fn add(&mut self, records: &[u8], log: &mut Log) -> Result<(), StoreError> {
        for record in each_record(records) {
            let (glance, bytes) = record.map_err(|error| StoreError::Damaged {
                document: self.document,
                version: self.span.map_or(self.after, |(_, last, _)| last).next(),
                reason: error.to_string(),
            })?;
            if glance.version <= self.after {
                continue;
            }
            if let Some(origin) = glance.origin {
                self.clients.insert(origin.client, Taken { seq: origin.seq, version: glance.version });
            }
            // A page that would grow too large to be read again ends early.
            if self.records.len() + bytes.len() > PAGE_BYTES {
                self.end_page(log);
            }
            self.records.extend_from_slice(bytes);
            let (first, time) = self.span.map_or((glance.version, glance.time), |(first, _, time)| (first, time));
            self.span = Some((first, glance.version, time));
            if glance.version.0.is_multiple_of(PAGE) {
                self.end_page(log);
            }
        }
        Ok(())
    }

    fn end_page(&mut self, log: &mut Log) {
        let Some((first, last, time)) = self.span.take() else { return };
        let mut page = Page { first, last, time, body: Vec::new() };
        page.body = log.reader.press.seal(Tag::Page, &page.key(self.document), &self.records);
        self.records.clear();
        self.pages.push(page);
    }

    fn finish(mut self, log: &mut Log) -> Vec<Put> {
        self.end_page(log);
        let Cut { document, pages, replaced, clients, .. } = self;
        let gone = replaced.into_iter().filter(|first| pages.iter().all(|page| page.first != *first));
        let mut puts: Vec<Put> = gone.map(|first| Put::DropPage { document, first }).collect();
        puts.extend(pages.into_iter().map(|page| Put::Page { document, page }));
        let client = |(client, taken)| Put::Client { document, client, body: seal_client(document, client, taken) };
        puts.extend(clients.into_iter().map(client));
        puts
    }
}
