//! A reader of an op's parts that can stop inside a part: what transform and compose step with.

use super::{Sort, TextOp, count};

/// What is left of the part that a walk stands on.
#[derive(Clone, Copy)]
pub(super) struct Current<'a> {
    pub(super) sort: Sort,
    /// Scalar values left in this part; never zero.
    pub(super) len: u64,
    /// What is left of the text to insert; empty for the other sorts.
    pub(super) text: &'a str,
}

/// A place within an op.
pub(super) struct Walk<'a> {
    op: &'a TextOp,
    /// The part after the current one.
    next: usize,
    /// The text of all inserts after the current part.
    text: &'a str,
    current: Option<Current<'a>>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(op: &'a TextOp) -> Self {
        let mut walk = Walk { op, next: 0, text: &op.inserted, current: None };
        walk.advance();
        walk
    }

    /// What is left of the part the walk stands on; `None` at the end of the op.
    pub(super) fn current(&self) -> Option<Current<'a>> {
        self.current
    }

    /// Takes the rest of the current part if it is of this sort.
    pub(super) fn take_if(&mut self, sort: Sort) -> Option<Current<'a>> {
        let taken = self.current.filter(|current| current.sort == sort)?;
        self.advance();
        Some(taken)
    }

    /// Takes `len` scalar values of the current part, which holds at least that many.
    pub(super) fn take(&mut self, len: u64) -> &'a str {
        let Some(current) = &mut self.current else { unreachable!("a walk is asked for no more than its op holds") };
        if len == current.len {
            let text = current.text;
            self.advance();
            return text;
        }
        current.len -= len;
        let (head, tail) = current.text.split_at(byte_offset(current.text, len));
        current.text = tail;
        head
    }

    fn advance(&mut self) {
        self.current = self.op.parts.get(self.next).map(|part| {
            let (head, tail) = self.text.split_at(part.bytes());
            self.text = tail;
            Current { sort: part.sort(), len: part.len(), text: head }
        });
        self.next += 1;
    }
}

/// The byte at which the scalar value number `len` of `text` begins; the end if there are fewer.
pub(super) fn byte_offset(text: &str, len: u64) -> usize {
    let mut bytes = 0;
    let mut left = len as usize;
    // Typing is mostly ASCII, where the first `len` bytes are the first `len` scalar values.
    if let Some(head) = text.as_bytes().get(..left)
        && head.is_ascii()
    {
        return left;
    }
    for char in text.chars() {
        if left == 0 {
            break;
        }
        bytes += char.len_utf8();
        left -= 1;
    }
    debug_assert!(left == 0 || count(text) < len);
    bytes
}
