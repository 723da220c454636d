//! The text op of protocol.md: keep, insert and delete over the whole document, in the order written.

mod algebra;
mod content;
mod cursor;
mod difference;
mod meeting;
mod oracle;
mod walk;
mod wire;

use compact_str::CompactString;
use smallvec::SmallVec;

pub use content::Content;
pub use meeting::Conflict;
pub use oracle::ConversionError;
pub use wire::OpError;

use super::LENGTH_MAX;

/// One part of an op, as a reader sees it. Lengths count Unicode scalar values and are never zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part<'a> {
    /// Leaves this many scalar values as they are.
    Keep(u64),
    /// Puts this text here.
    Insert(&'a str),
    /// Removes this many scalar values.
    Delete(u64),
}

/// A part without its text: its sort, and its length in Unicode scalar values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Span {
    /// Leaves this many as they are.
    Keep(u64),
    /// Puts this many here.
    Insert(u64),
    /// Removes this many.
    Delete(u64),
}

impl Span {
    /// Its length.
    pub fn length(self) -> u64 {
        match self {
            Span::Keep(len) | Span::Insert(len) | Span::Delete(len) => len,
        }
    }

    /// It without so many of its scalar values.
    pub fn shortened(self, by: u64) -> Span {
        match self {
            Span::Keep(len) => Span::Keep(len - by),
            Span::Insert(len) => Span::Insert(len - by),
            Span::Delete(len) => Span::Delete(len - by),
        }
    }
}

/// A text op: `[5, "abc", -3, 2]` on the wire.
///
/// It covers its whole base: kept and deleted lengths add up to the length of the document it applies to. Neighbours of
/// one sort are merged and no part is empty; the order of an insert and a delete beside it is kept as written. A value of
/// this type always has these properties, and one that was parsed has lengths of at most [`LENGTH_MAX`].
#[derive(Clone, PartialEq, Eq, Default)]
pub struct TextOp {
    /// Sort and length of each part, one word each; an op of one keystroke fits without a heap allocation.
    parts: SmallVec<[Packed; 4]>,
    /// The text of all inserts, end to end, in the order of the parts.
    inserted: CompactString,
    base_len: u64,
    target_len: u64,
}

impl TextOp {
    /// The parts in order.
    pub fn parts(&self) -> impl Iterator<Item = Part<'_>> {
        let mut text = self.inserted.as_str();
        self.parts.iter().map(move |packed| match packed.sort() {
            Sort::Keep => Part::Keep(packed.len()),
            Sort::Delete => Part::Delete(packed.len()),
            Sort::Insert => {
                let (head, tail) = text.split_at(packed.bytes());
                text = tail;
                Part::Insert(head)
            }
        })
    }

    /// The sort and length of each part, in order.
    pub fn spans(&self) -> impl Iterator<Item = Span> + '_ {
        self.parts.iter().map(|packed| match packed.sort() {
            Sort::Keep => Span::Keep(packed.len()),
            Sort::Insert => Span::Insert(packed.len()),
            Sort::Delete => Span::Delete(packed.len()),
        })
    }

    /// How many parts the op has.
    pub fn parts_len(&self) -> usize {
        self.parts.len()
    }

    /// How many bytes of UTF-8 the op inserts.
    pub fn inserted_bytes(&self) -> usize {
        self.inserted.len()
    }

    /// About how many bytes the op takes in memory: what everything that keeps many of them is bounded by.
    pub fn weight(&self) -> usize {
        size_of::<Self>() + self.parts.len() * size_of::<Packed>() + self.inserted.len()
    }

    /// Whether applying the op leaves every document as it was.
    pub fn is_identity(&self) -> bool {
        self.parts.iter().all(|part| part.sort() == Sort::Keep)
    }

    /// The op that replaces `deleted` scalar values at `position` by `inserted`, in a document of `len` scalar values: the
    /// insert is written first, as an editor's replacement is. `None` if the range does not lie within the document.
    pub fn splice(len: u64, position: u64, deleted: u64, inserted: &str) -> Option<Self> {
        let end = position.checked_add(deleted)?;
        let rest = len.checked_sub(end)?;
        let mut op = TextOpBuilder::default();
        op.keep(position);
        op.insert(inserted);
        op.delete(deleted);
        op.keep(rest);
        Some(op.finish())
    }
}

impl std::fmt::Debug for TextOp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.parts()).finish()
    }
}

/// Builds an op part by part, merging neighbours of one sort and leaving out what is empty.
///
/// The caller keeps lengths within [`LENGTH_MAX`]; ops from outside are parsed with checked lengths. Results of the algebra
/// can exceed it where ops claim a document of nearly that length, by no more than the text they insert: that overflows
/// nothing, and no such document exists for them to be applied to.
#[derive(Default)]
pub struct TextOpBuilder {
    op: TextOp,
}

impl TextOpBuilder {
    /// Keeps `len` more scalar values.
    pub fn keep(&mut self, len: u64) {
        self.op.base_len += len;
        self.op.target_len += len;
        self.push(Sort::Keep, len);
    }

    /// Deletes `len` more scalar values.
    pub fn delete(&mut self, len: u64) {
        self.op.base_len += len;
        self.push(Sort::Delete, len);
    }

    /// Inserts `text`.
    pub fn insert(&mut self, text: &str) {
        self.insert_counted(text, count(text));
    }

    /// Inserts `text`, whose length in scalar values the caller knows to be `len`.
    fn insert_counted(&mut self, text: &str, len: u64) {
        if text.is_empty() {
            return;
        }
        self.op.inserted.push_str(text);
        self.op.target_len += len;
        match self.op.parts.last_mut() {
            Some(last) if last.sort() == Sort::Insert => {
                *last = Packed::insert(last.len() + len, last.bytes() + text.len())
            }
            _ => self.op.parts.push(Packed::insert(len, text.len())),
        }
    }

    /// The op built.
    pub fn finish(self) -> TextOp {
        self.op
    }

    fn push(&mut self, sort: Sort, len: u64) {
        if len == 0 {
            return;
        }
        match self.op.parts.last_mut() {
            Some(last) if last.sort() == sort => *last = Packed::plain(sort, last.len() + len),
            _ => self.op.parts.push(Packed::plain(sort, len)),
        }
    }

    /// Whether a part more leaves both lengths within [`LENGTH_MAX`]: what every op from outside is asked first.
    fn has_room(&self, sort: Sort, len: u64) -> bool {
        let fits = |so_far: u64| so_far.checked_add(len).is_some_and(|sum| sum <= LENGTH_MAX);
        (sort == Sort::Insert || fits(self.op.base_len)) && (sort == Sort::Delete || fits(self.op.target_len))
    }

    /// The sort of the last part, for the wire's check that neighbours are merged.
    fn last_sort(&self) -> Option<Sort> {
        self.op.parts.last().map(|part| part.sort())
    }
}

/// `text` in two: its first `len` Unicode scalar values, or all of it, and the rest.
pub(crate) fn split_at(text: &str, len: u64) -> (&str, &str) {
    text.split_at(walk::byte_offset(text, len))
}

/// Length of `text` in Unicode scalar values, the unit of every position in a text document.
pub(crate) fn count(text: &str) -> u64 {
    if text.is_ascii() { text.len() as u64 } else { text.chars().count() as u64 }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sort {
    Keep,
    Insert,
    Delete,
}

/// A part in one word: two bits of sort, and either a length below 2^62, or 31 bits of scalar values above 31 bits of
/// bytes for an insert (so one insert holds less than 2 GiB).
#[derive(Clone, Copy, PartialEq, Eq)]
struct Packed(u64);

impl Packed {
    const SORT_SHIFT: u32 = 62;
    const BYTES_BITS: u32 = 31;
    const BYTES_MASK: u64 = (1 << Self::BYTES_BITS) - 1;
    const LEN_MASK: u64 = (1 << Self::SORT_SHIFT) - 1;

    fn plain(sort: Sort, len: u64) -> Self {
        let tag = match sort {
            Sort::Keep => 0,
            Sort::Delete => 1,
            Sort::Insert => unreachable!("inserts are packed with their bytes"),
        };
        debug_assert!(len <= Self::LEN_MASK);
        Self(tag << Self::SORT_SHIFT | len)
    }

    fn insert(len: u64, bytes: usize) -> Self {
        let bytes = bytes as u64;
        assert!(bytes <= Self::BYTES_MASK, "an insert of {bytes} bytes is past what any limit lets in");
        Self(2 << Self::SORT_SHIFT | len << Self::BYTES_BITS | bytes)
    }

    fn sort(self) -> Sort {
        match self.0 >> Self::SORT_SHIFT {
            0 => Sort::Keep,
            1 => Sort::Delete,
            _ => Sort::Insert,
        }
    }

    /// Scalar values kept, deleted or inserted.
    fn len(self) -> u64 {
        match self.sort() {
            Sort::Insert => (self.0 & Self::LEN_MASK) >> Self::BYTES_BITS,
            _ => self.0 & Self::LEN_MASK,
        }
    }

    /// Bytes inserted; zero for the other sorts.
    fn bytes(self) -> usize {
        match self.sort() {
            Sort::Insert => (self.0 & Self::BYTES_MASK) as usize,
            _ => 0,
        }
    }
}
