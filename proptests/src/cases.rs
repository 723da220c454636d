//! Random documents, ops that fit them, and the pairs and triples that the laws speak of.

use variorum::ot::{Op, TextOp, TextOpBuilder};

use crate::{Source, plain};

/// What texts are made of: letters, NUL, a line end, two-, three- and four-byte scalar values, a combining mark, a joiner,
/// a mark of direction, the last scalar values before and after the surrogates, and the very last.
const ALPHABET: [char; 18] = [
    'a',
    'b',
    'c',
    ' ',
    '\n',
    'é',
    '\u{301}',
    '漢',
    '𝄞',
    '😀',
    '\u{200d}',
    '\0',
    '\u{feff}',
    '\u{202e}',
    '\u{d7ff}',
    '\u{e000}',
    '\u{10000}',
    '\u{10ffff}',
];

/// Text of at most `most` scalar values.
pub fn text(source: &mut Source, most: u64) -> String {
    let len = source.below(most + 1);
    (0..len).map(|_| *source.pick(&ALPHABET)).collect()
}

/// A document: most have a few scalar values, some have none, and some are large enough for a rope of several chunks.
pub fn document(source: &mut Source) -> String {
    let short = text(source, 12);
    if source.once_in(16) { short.repeat(1 + source.below(600) as usize) } else { short }
}

/// An op that covers `len` scalar values: keeps, inserts and deletes in any order beside each other.
pub fn op(source: &mut Source, len: u64) -> TextOp {
    let mut op = TextOpBuilder::default();
    let mut left = len;
    loop {
        match source.below(10) {
            // The simplest: nothing more.
            0 => {
                op.keep(left);
                return op.finish();
            }
            1..=2 => left -= part(source, left, |len| op.keep(len)),
            3..=5 => left -= part(source, left, |len| op.delete(len)),
            _ => op.insert(&text(source, 3)),
        }
    }
}

/// Hands on how much of `left` the next part covers, mostly little, and returns it.
fn part(source: &mut Source, left: u64, add: impl FnOnce(u64)) -> u64 {
    let most = if source.once_in(8) { left } else { left.min(3) };
    let len = source.below(most + 1);
    add(len);
    len
}

/// A document and two concurrent ops on it.
pub fn concurrent(source: &mut Source) -> (String, TextOp, TextOp) {
    let document = document(source);
    let len = plain::len(&document);
    (document, op(source, len), op(source, len))
}

/// A document and `N` consecutive ops on it.
pub fn consecutive<const N: usize>(source: &mut Source) -> (String, [TextOp; N]) {
    let document = document(source);
    let mut len = plain::len(&document);
    let ops = std::array::from_fn(|_| {
        let op = op(source, len);
        len = op.target_len();
        op
    });
    (document, ops)
}

/// A document, two consecutive ops on it, and one that is concurrent with both.
pub fn two_beside_one(source: &mut Source) -> (String, [TextOp; 2], TextOp) {
    let (document, two) = consecutive(source);
    let one = op(source, two[0].base_len());
    (document, two, one)
}
