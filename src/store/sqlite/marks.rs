//! The marks of composed blocks, and through them trails: stretches that know which revision did what. Derived: what
//! cannot be read is composed again from revisions.
//!
//! ```text
//! marks = count, then each mark: length * 2 + rising, first revision less the end of the mark before (zigzag)
//! ```

use std::sync::Arc;

use rusqlite::OptionalExtension;

use super::block::Place;
use super::log::Log;
use super::sealed::{Press, Tag};
use crate::document::{Gathered, Mark, Marks, Trail, Version};
use crate::store::codec::{BadRecord, Reader, put_number};
use crate::store::{Incarnation, StoreError};

/// Blocks of this level and above are remembered once they were read: of smaller ones there are too many.
const REMEMBERED_LEVEL: u32 = 1;

/// The sealed body of a block's marks.
pub fn seal_marks(press: &mut Press, document: Incarnation, place: Place, marks: &Marks) -> Vec<u8> {
    let mut content = Vec::with_capacity(8 + marks.iter().len() * 4);
    put_marks(&mut content, place.from(), marks);
    press.seal(Tag::Marks, &place.key(document), &content)
}

/// The marks of what follows `from`.
pub fn put_marks(content: &mut Vec<u8>, from: Version, marks: &Marks) {
    put_number(content, marks.iter().len() as u64);
    let mut end = from;
    for mark in marks.iter() {
        put_number(content, mark.len << 1 | u64::from(mark.rising));
        let apart = mark.first.0 as i64 - end.0 as i64;
        put_number(content, (apart << 1 ^ apart >> 63) as u64);
        end = mark.last();
    }
}

fn open_marks(press: &mut Press, document: Incarnation, place: Place, body: &[u8]) -> Result<Marks, String> {
    let content = press.open(Tag::Marks, &place.key(document), body)?;
    read_marks(place.from(), place.to(), &mut Reader(&content)).map_err(|error| error.to_string())
}

/// What [`put_marks`] wrote of `(from, to]`.
pub fn read_marks(from: Version, to: Version, content: &mut Reader) -> Result<Marks, BadRecord> {
    let senseless = BadRecord::Senseless("mark");
    let mut marks = Marks::default();
    let mut end = from;
    for _ in 0..content.number()? {
        let word = content.number()?;
        let apart = content.number()?;
        let apart = (apart >> 1) as i64 ^ -((apart & 1) as i64);
        let first = Version(end.0.checked_add_signed(apart).ok_or(senseless.clone())?);
        let (len, rising) = (word >> 1, word & 1 == 1);
        // Within the stretch: so no arithmetic on it overflows.
        let last = first.0.checked_add(if rising { len } else { 1 }).ok_or(senseless.clone())? - 1;
        if len == 0 || first <= from || last > to.0 {
            return Err(senseless);
        }
        let mark = Mark { len, first, rising };
        end = mark.last();
        marks.push(mark);
    }
    Ok(marks)
}

impl Log<'_> {
    /// `(from, to]` as one trail; none if there is nothing between.
    pub fn trail(&mut self, from: Version, to: Version) -> Result<Option<Trail>, StoreError> {
        let (steps, mut at) = self.steps_between(from, to)?;
        let mut trails = Gathered::default();
        steps.iter().for_each(|step| trails.push(Arc::new(step.trail())));
        while at < to {
            match Place::largest(at, to) {
                Some(place) => {
                    trails.push(self.marked_block(place)?);
                    at = place.to();
                }
                None => {
                    let until = to.min(Place::next_after(at));
                    at = self.gather((at, until), |revision| Arc::new(Trail::of(revision)), &mut trails)?;
                }
            }
        }
        Ok(trails.join().map(Arc::unwrap_or_clone))
    }

    /// A block with its marks, composed from what is below it if they are not stored.
    pub fn marked_block(&mut self, place: Place) -> Result<Arc<Trail>, StoreError> {
        if let Some(trail) = self.trails.get(&place) {
            return Ok(trail.clone());
        }
        if let Some(trail) = self.reader.remembered.get(self.document, place) {
            return Ok(trail);
        }
        if let Some(trail) = self.stored_trail(place)?.map(Arc::new) {
            if place.level >= REMEMBERED_LEVEL {
                self.reader.remembered.put(self.document, place, &trail);
            }
            return Ok(trail);
        }
        let mut parts = Gathered::default();
        match place.level.checked_sub(1) {
            None => {
                self.gather((place.from(), place.to()), |revision| Arc::new(Trail::of(revision)), &mut parts)?;
            }
            Some(level) => {
                for child in 0..8 {
                    parts.push(self.marked_block(Place { level, place: place.place * 8 + child })?);
                }
            }
        }
        let trail = parts.join().expect("a block is not empty");
        self.trails.insert(place, trail.clone());
        Ok(trail)
    }

    fn stored_trail(&mut self, place: Place) -> Result<Option<Trail>, StoreError> {
        let sql = "SELECT body FROM marks WHERE document = ?1 AND level = ?2 AND place = ?3";
        let key = [self.document.0 as i64, i64::from(place.level), place.place as i64];
        let Some(body) = self.derived_row(place.to(), sql, key)? else { return Ok(None) };
        let marks = match open_marks(&mut self.reader.press, self.document, place, &body) {
            Ok(marks) => marks,
            Err(reason) => {
                tracing::warn!(document = self.document.0, ?place, reason, "marks are damaged and composed again");
                return Ok(None);
            }
        };
        let op = self.block(place)?.op;
        let trail = Trail::new(place.from(), place.to(), op, marks);
        if trail.is_none() {
            tracing::warn!(document = self.document.0, ?place, "marks do not cover their block and are composed again");
        }
        Ok(trail)
    }

    /// The body of a derived row, if it is there and lies before what is in memory only.
    pub fn derived_row(
        &self,
        to: Version,
        sql: &str,
        key: impl rusqlite::Params,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        if self.unfolded.is_some_and(|first| first <= to) {
            return Ok(None);
        }
        self.stored_row(to, sql, key)
    }

    /// The body of a row, if it is there and can be read.
    pub fn stored_row(
        &self,
        to: Version,
        sql: &str,
        key: impl rusqlite::Params,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let body = self
            .reader
            .conn
            .prepare_cached(sql)
            .and_then(|mut select| select.query_row(key, |row| row.get::<_, Vec<u8>>(0)).optional());
        body.or_else(|error| match self.fault(to, error) {
            StoreError::Damaged { reason, .. } => {
                tracing::warn!(document = self.document.0, %to, reason, "a derived row cannot be read; it is made again");
                Ok(None)
            }
            unavailable => Err(unavailable),
        })
    }
}
