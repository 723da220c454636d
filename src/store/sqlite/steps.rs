//! The rows of steps: what is left of revisions that were pruned, from the beginning to the horizon.
//!
//! ```text
//! step = everything of a block, marks          (sealed under the document, first, last, time and chain)
//! ```

use rusqlite::{Connection, params};

use super::block::{put_stretch, read_stretch};
use super::client::seal_client;
use super::fault;
use super::ledger::seal_page;
use super::log::Log;
use super::marks::{put_marks, read_marks};
use super::sealed::{Press, Tag};
use super::slice::Put;
use super::{documents, label};
use crate::document::{Chain, LEDGER_PAGE, Step, Time, Version};
use crate::store::codec::Reader;
use crate::store::kept::{self, Needed};
use crate::store::{Head, Incarnation, Kept, PrunedPast, StoreError};

/// A step as it lies in its row.
pub struct StepRow {
    pub first: Version,
    pub last: Version,
    pub time: Time,
    pub chain: Chain,
    pub body: Vec<u8>,
}

impl StepRow {
    /// The row of a step.
    pub fn seal(press: &mut Press, document: Incarnation, step: &Step) -> Self {
        let mut content = Vec::with_capacity(64 + step.stretch.op.inserted_bytes() + 4 * step.stretch.op.parts_len());
        put_stretch(&mut content, &step.stretch);
        put_marks(&mut content, step.from(), &step.marks);
        let (time, chain) = (step.stretch.time, step.stretch.chain);
        let mut row = StepRow { first: step.from().next(), last: step.to(), time, chain, body: Vec::new() };
        row.body = press.seal(Tag::Step, &row.key(document), &content);
        row
    }

    /// The step, or what is wrong with it.
    pub fn open(&self, press: &mut Press, document: Incarnation) -> Result<Step, String> {
        let content = press.open(Tag::Step, &self.key(document), &self.body)?;
        let mut content = Reader(&content);
        let read = read_stretch(self.from(), self.last, &mut content)
            .and_then(|stretch| Ok(Step { marks: read_marks(self.from(), self.last, &mut content)?, stretch }));
        read.map_err(|error| error.to_string())
    }

    /// The version before it.
    pub fn from(&self) -> Version {
        Version(self.first.0 - 1)
    }

    fn key(&self, document: Incarnation) -> [u64; 5] {
        [document.0, self.first.0, self.last.0, self.time.0, self.chain.0]
    }

    /// Writes it in place of every step within its span.
    pub fn write(&self, conn: &Connection, document: Incarnation) -> rusqlite::Result<usize> {
        let mut drop = conn.prepare_cached("DELETE FROM steps WHERE document = ?1 AND first >= ?2 AND last <= ?3")?;
        drop.execute(params![document.0 as i64, self.first.0 as i64, self.last.0 as i64])?;
        let mut insert = conn.prepare_cached(
            "INSERT INTO steps(document, first, last, time, chain, body) VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
        )?;
        insert.execute(params![
            document.0 as i64,
            self.first.0 as i64,
            self.last.0 as i64,
            self.time.0 as i64,
            self.chain.0 as i64,
            self.body
        ])
    }

    /// Reads the columns first, last, time, chain, body.
    pub fn of_row(row: &rusqlite::Row) -> rusqlite::Result<StepRow> {
        let number = |column| row.get::<_, i64>(column).map(|number| number as u64);
        Ok(StepRow {
            first: Version(number(0)?),
            last: Version(number(1)?),
            time: Time(number(2)?),
            chain: Chain(number(3)?),
            body: row.get(4)?,
        })
    }
}

/// The rows of a document's pruned beginning.
pub fn rows(press: &mut Press, document: Incarnation, past: PrunedPast) -> Vec<Put> {
    let mut rows = Vec::with_capacity(past.steps.len() + past.ledger.len() + past.taken.len());
    for step in &past.steps {
        rows.push(Put::Step { document, step: StepRow::seal(press, document, step) });
    }
    for page in &past.ledger {
        let body = seal_page(press, document, page);
        rows.push(Put::Ledger { document, page: page.from.0 / LEDGER_PAGE, body });
    }
    for (client, taken) in past.taken {
        rows.push(Put::Client { document, client, body: seal_client(document, client, taken) });
    }
    rows
}

/// Where the steps of a document end.
pub fn kept(conn: &Connection, document: Incarnation) -> Result<Kept, StoreError> {
    let read = || -> rusqlite::Result<Vec<(Version, Head)>> {
        let mut select =
            conn.prepare_cached("SELECT first, last, time, chain FROM steps WHERE document = ?1 ORDER BY first")?;
        let rows = select.query_map([document.0 as i64], |row| {
            let number = |column| row.get::<_, i64>(column).map(|number| number as u64);
            let place = Head { version: Version(number(1)?), time: Time(number(2)?), chain: Chain(number(3)?) };
            Ok((Version(number(0)?), place))
        })?;
        rows.collect()
    };
    let steps = read().map_err(|error| fault(document, Version::ZERO, &error))?;
    let mut places = Vec::with_capacity(steps.len());
    let mut at = Version::ZERO;
    for (first, place) in steps {
        if first != at.next() || place.version < first {
            let reason = format!("a step of its pruned history leads from {} to {}", first.0 - 1, place.version);
            return Err(StoreError::Damaged { document, version: at.next(), reason });
        }
        at = place.version;
        places.push(place);
    }
    Ok(Kept::new(places))
}

/// A version that must stay and that a step `(from, to]` would squash: one that is labelled, or at which a branch begins.
pub fn hindrance(
    conn: &Connection,
    document: Incarnation,
    from: Version,
    to: Version,
) -> Result<Option<Version>, StoreError> {
    let needed = needed(conn, document)?;
    let labelled = needed.labelled.into_iter().find(|version| from < *version && *version < to);
    Ok(labelled.or(needed.branches.filter(|branches| *branches < to)))
}

/// What labels and branches need of a document's history.
pub fn needed(conn: &Connection, document: Incarnation) -> Result<Needed, StoreError> {
    let labels = |number| Ok(label::all(conn, number)?.into_iter().map(|label| label.version).collect());
    kept::needed(document, labels, |number| documents::branches(conn, number))
}

impl Log<'_> {
    /// The steps within `(from, to]`, and the version after them: both ends must be kept.
    pub fn steps_between(&mut self, from: Version, to: Version) -> Result<(Vec<Step>, Version), StoreError> {
        let until = self.kept.horizon().min(to);
        if until <= from {
            return Ok((Vec::new(), from));
        }
        self.kept.check(self.document, from)?;
        self.kept.check(self.document, to)?;
        let rows = self
            .reader
            .conn
            .prepare_cached(
                "SELECT first, last, time, chain, body FROM steps WHERE document = ?1 AND first > ?2 AND first <= ?3
                    ORDER BY first",
            )
            .and_then(|mut select| {
                let key = params![self.document.0 as i64, from.0 as i64, until.0 as i64];
                select.query_map(key, StepRow::of_row)?.collect::<rusqlite::Result<Vec<StepRow>>>()
            });
        let (mut steps, mut at) = (Vec::new(), from);
        for row in rows.map_err(|error| self.fault(from.next(), error))? {
            if row.from() != at || row.last > until {
                break;
            }
            let step = row.open(&mut self.reader.press, self.document);
            steps.push(step.map_err(|reason| self.damaged(row.first, format!("what is left of it: {reason}")))?);
            at = row.last;
        }
        if at < until {
            return Err(
                self.damaged(at.next(), format!("what is left of versions {} to {until} is missing", at.next()))
            );
        }
        Ok((steps, at))
    }
}
