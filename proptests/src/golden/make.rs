//! Makes the vectors: every op on the shortest documents, then random ones. Each file has its own seed, so that a change to
//! one leaves the others as they are.

use variorum::ot::{Content, LENGTH_MAX, LengthMismatch, Op, Side, TextOp};

use super::vectors::Function;
use super::{Apply, Compose, Cursor, Invert, Mismatch, Transform, TransformLarge};
use crate::{Source, cases, exhaustive, plain};

const FITS: &str = "the ops were made to fit";

/// Documents of 0 to 3 scalar values, the shortest first: ASCII, an astral one, a combining mark, NUL.
const SHORT: [&str; 4] = ["", "z", "é𝄞", "a\u{301}\0"];
const SIDES: [Side; 2] = [Side::Before, Side::After];

pub(super) fn apply() -> Vec<Apply> {
    let case = |(doc, op): (String, TextOp)| Apply { result: plain::apply(&op, &doc), doc, op };
    let mut made: Vec<_> = on_short_documents(3).map(case).collect();
    let mut source = Source::seeded(1);
    made.extend((0..330).map(|_| case(fitting(&mut source))));
    made
}

pub(super) fn invert() -> Vec<Invert> {
    let case = |(doc, op): (String, TextOp)| {
        let inverse = op.invert(&Content::from(doc.as_str())).expect(FITS);
        Invert { doc, op, inverse }
    };
    let mut made: Vec<_> = on_short_documents(3).map(case).collect();
    let mut source = Source::seeded(2);
    made.extend((0..330).map(|_| case(fitting(&mut source))));
    made
}

pub(super) fn transform() -> Vec<Transform> {
    let case = |doc: String, incoming: TextOp, history: TextOp| {
        let (incoming_moved, history_moved) = TextOp::transform(&incoming, &history).expect(FITS);
        let result = plain::apply(&incoming_moved, &plain::apply(&history, &doc));
        Transform { doc, incoming, history, incoming_moved, history_moved, result }
    };
    let mut made = Vec::new();
    for doc in &SHORT[..3] {
        let histories = exhaustive::ops(plain::len(doc), &["a"]);
        for incoming in exhaustive::ops(plain::len(doc), &["x"]) {
            made.extend(histories.iter().map(|history| case((*doc).into(), incoming.clone(), history.clone())));
        }
    }
    let mut source = Source::seeded(3);
    made.extend((0..500).map(|_| {
        let (doc, incoming) = fitting(&mut source);
        let history = cases::op(&mut source, incoming.base_len());
        case(doc, incoming, history)
    }));
    made
}

pub(super) fn transform_large() -> Vec<TransformLarge> {
    let mut source = Source::seeded(4);
    let case = |_| {
        let len = large(&mut source);
        let (incoming, history) = (cases::op(&mut source, len), cases::op(&mut source, len));
        let (incoming_moved, history_moved) = TextOp::transform(&incoming, &history).expect(FITS);
        TransformLarge { incoming, history, incoming_moved, history_moved }
    };
    let exchangeable = |case: &TransformLarge| {
        [&case.incoming, &case.history, &case.incoming_moved, &case.history_moved].into_iter().all(may_be_sent)
    };
    (0..200).map(case).filter(exchangeable).collect()
}

pub(super) fn compose() -> Vec<Compose> {
    let case = |first: TextOp, second: TextOp| {
        let composed = first.compose(&second).expect(FITS);
        let typing_composed = first.compose_typing(&second).expect(FITS);
        Compose { first, second, composed, typing_composed }
    };
    let mut made = Vec::new();
    for first in exhaustive::by_length(1, "a").into_iter().flatten() {
        let seconds = exhaustive::ops(first.target_len(), &["b"]);
        made.extend(seconds.into_iter().map(|second| case(first.clone(), second)));
    }
    let mut source = Source::seeded(5);
    for number in 0..500 {
        let len = if number % 5 == 0 { large(&mut source) } else { source.below(13) };
        let first = cases::op(&mut source, len);
        let second = cases::op(&mut source, first.target_len());
        let case = case(first, second);
        if [&case.first, &case.second, &case.composed, &case.typing_composed].into_iter().all(may_be_sent) {
            made.push(case);
        }
    }
    made
}

pub(super) fn cursor() -> Vec<Cursor> {
    let case = |op: &TextOp, position: u64, side: Side| {
        let moved = op.move_position(position, side);
        Cursor { op: op.clone(), position, side, moved }
    };
    let mut made = Vec::new();
    for op in exhaustive::by_length(2, "a").iter().flatten() {
        for position in 0..=op.base_len() {
            made.extend(SIDES.map(|side| case(op, position, side)));
        }
    }
    let mut source = Source::seeded(6);
    for number in 0..250 {
        let len = if number % 5 == 0 { large(&mut source) } else { source.below(13) };
        let op = cases::op(&mut source, len);
        // One past the end, too.
        let position = source.below(len + 2);
        let case = case(&op, position, *source.pick(&SIDES));
        if may_be_sent(&op) && case.moved.max(position) <= LENGTH_MAX {
            made.push(case);
        }
    }
    made
}

pub(super) fn mismatch() -> Vec<Mismatch> {
    let mut source = Source::seeded(7);
    let mut made = Vec::new();
    while made.len() < 120 {
        let doc = cases::text(&mut source, 4);
        let (found, other) = (plain::len(&doc), source.below(6));
        if found == other {
            continue;
        }
        let op = cases::op(&mut source, other);
        let beside = cases::op(&mut source, found);
        let (of, doc, ops) = match made.len() % 4 {
            0 => (Function::Apply, Some(doc), vec![op]),
            1 => (Function::Invert, Some(doc), vec![op]),
            2 => (Function::Transform, None, vec![op, beside]),
            _ => (Function::Compose, None, vec![beside, op]),
        };
        let lengths = match of {
            Function::Compose => LengthMismatch { op: other, found: ops[0].target_len() },
            _ => LengthMismatch { op: other, found },
        };
        if lengths.op != lengths.found {
            made.push(Mismatch { of, doc, ops, op: lengths.op, found: lengths.found });
        }
    }
    made
}

/// Every op on each of the shortest documents.
fn on_short_documents(most: usize) -> impl Iterator<Item = (String, TextOp)> {
    let ops = |doc: &'static str| exhaustive::ops(plain::len(doc), &["x"]).into_iter().map(|op| (doc.to_owned(), op));
    SHORT[..=most].iter().flat_map(move |doc| ops(doc))
}

/// A random document and an op that fits it.
fn fitting(source: &mut Source) -> (String, TextOp) {
    let doc = cases::text(source, 12);
    let op = cases::op(source, plain::len(&doc));
    (doc, op)
}

/// The length of a document that nobody has, up to the largest that an op may speak of.
fn large(source: &mut Source) -> u64 {
    let below = source.below(40);
    *source.pick(&[LENGTH_MAX, LENGTH_MAX - below, 1 << 52, (1 << 32) + below, (1 << 31) - 1, 1_000_000])
}

/// Whether an op is within what the protocol lets anyone send.
fn may_be_sent(op: &TextOp) -> bool {
    op.base_len() <= LENGTH_MAX && op.target_len() <= LENGTH_MAX
}
