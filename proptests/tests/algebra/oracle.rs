//! The algebra against an independent one, the `operational-transform` crate, at every single step.
//!
//! That crate writes an insert before a delete beside it, always, so ops are compared in its order; where ours has no delete
//! directly before an insert that is our op itself. Its `transform` sends its first operand left at a tie: the incoming side.

use operational_transform::OperationSeq;
use proptest::{prop_assert, prop_assert_eq};
use proptests::{Source, TestCaseResult, cases, check_random, plain};
use variorum::ot::{Content, ConversionError, LENGTH_MAX, Op, Part, TextOp, TextOpBuilder};

#[test]
fn every_step_agrees() {
    check_random(4_000, 400, |source| {
        let mut text = cases::text(source, 12);
        let mut last: Option<TextOp> = None;
        for _ in 0..1 + source.below(8) {
            let len = plain::len(&text);
            let (x, a) = (convertible(source, len), convertible(source, len));
            let result = step(&text, &x, &a)?;
            if let Some(before) = last {
                composition(&before, &x)?;
            }
            text = result;
            // What follows `x` here is the history moved past it, which the next op comes after.
            let past_x = a.transform_history(&x)?;
            last = held(&past_x).then_some(past_x);
        }
        Ok(())
    });
}

/// Applies, inverts and transforms two concurrent ops both ways, and gives the text they lead to.
fn step(text: &str, x: &TextOp, a: &TextOp) -> Result<String, proptest::test_runner::TestCaseError> {
    let (their_x, their_a) = (theirs(x)?, theirs(a)?);
    for (op, their_op) in [(x, &their_x), (a, &their_a)] {
        prop_assert_eq!(plain::apply_to_content(op, text), their_op.apply(text).unwrap());
        agree(&op.invert(&Content::from(text))?, &their_op.invert(text))?;
        prop_assert_eq!(op.base_len(), their_op.base_len() as u64);
        prop_assert_eq!(op.target_len(), their_op.target_len() as u64);
    }
    let (moved, history) = TextOp::transform(x, a)?;
    let (their_moved, their_history) = their_x.transform(&their_a).unwrap();
    agree(&moved, &their_moved)?;
    agree(&history, &their_history)?;
    let result = plain::apply_to_content(&moved, &plain::apply_to_content(a, text));
    prop_assert_eq!(&result, &their_moved.apply(&their_a.apply(text).unwrap()).unwrap());
    if held(&history) {
        composition(x, &history)?;
    }
    if held(&moved) {
        composition(a, &moved)?;
    }
    Ok(result)
}

fn composition(first: &TextOp, second: &TextOp) -> TestCaseResult {
    let composed = theirs(first)?.compose(&theirs(second)?).unwrap();
    agree(&first.compose(second)?, &composed)?;
    // Insert first is their order anyway.
    agree(&first.compose_typing(second)?, &composed)
}

/// Our answer in their order is theirs; and where their order is ours, it is the very op.
fn agree(ours: &TextOp, theirs: &OperationSeq) -> TestCaseResult {
    prop_assert_eq!(&in_their_order(ours), theirs, "ours is {:?}", ours);
    match OperationSeq::try_from(ours) {
        Ok(converted) => prop_assert_eq!(&TextOp::try_from(&converted), &Ok(ours.clone())),
        Err(_) => prop_assert!(!held(ours)),
    }
    Ok(())
}

#[test]
fn conversion_keeps_every_op_it_can_hold() {
    check_random(4_000, 120, |source| {
        let len = source.below(13);
        let op = cases::op(source, len);
        match (first_delete_before_insert(&op), OperationSeq::try_from(&op)) {
            (None, Ok(seq)) => prop_assert_eq!(TextOp::try_from(&seq), Ok(op)),
            (Some(part), answer) => prop_assert_eq!(answer, Err(ConversionError::DeleteBeforeInsert { part })),
            (None, Err(error)) => prop_assert!(false, "{:?}: {}", op, error),
        }
        let seq = in_their_order(&cases::op(source, len));
        prop_assert_eq!(OperationSeq::try_from(&TextOp::try_from(&seq).unwrap()), Ok(seq));
        Ok(())
    });
}

#[test]
fn converted_lengths_are_capped() {
    let seq = |parts: &[i128]| {
        let mut seq = OperationSeq::default();
        for &part in parts {
            if part < 0 { seq.delete(part.unsigned_abs() as u64) } else { seq.retain(part as u64) }
        }
        seq
    };
    let most = i128::from(LENGTH_MAX);
    for fits in [&[most][..], &[-most], &[1, 1 - most]] {
        assert!(TextOp::try_from(&seq(fits)).is_ok(), "{fits:?}");
    }
    for hostile in [&[most + 1][..], &[-most - 1], &[most, -1], &[-most, 1], &[i128::from(u64::MAX)], &[-(1 << 63)]] {
        assert_eq!(TextOp::try_from(&seq(hostile)), Err(ConversionError::TooLong), "{hostile:?}");
    }
    let mut after_text = OperationSeq::default();
    after_text.insert("é");
    after_text.retain(LENGTH_MAX);
    assert_eq!(TextOp::try_from(&after_text), Err(ConversionError::TooLong));
}

#[test]
fn hostile_lengths_never_panic() {
    // Lengths beside every power of two up to 2^64, which the parser caps, against each other and a real text. Most do not
    // fit; none may panic, hang or take memory for what they claim.
    let edges = (0..=64).flat_map(|power| [(1i128 << power) - 1, 1 << power, (1 << power) + 1]);
    let lengths: Vec<i128> = edges.flat_map(|length| [length, -length]).collect();
    let text = Content::from("hello");
    check_random(4_000, 60, |source| {
        let mut json = || {
            let parts: Vec<_> = (0..source.below(5))
                .map(|_| if source.once_in(3) { r#""é""#.to_owned() } else { source.pick(&lengths).to_string() })
                .collect();
            format!("[{}]", parts.join(","))
        };
        let ops: Vec<_> = [json(), json()].iter().filter_map(|json| TextOp::from_json(json).ok()).collect();
        for op in &ops {
            prop_assert!(op.base_len() <= LENGTH_MAX && op.target_len() <= LENGTH_MAX);
            let mut content = text.clone();
            prop_assert_eq!(op.apply(&mut content).is_ok(), op.base_len() == 5);
            prop_assert_eq!(op.invert(&text).is_ok(), op.base_len() == 5);
            prop_assert_eq!(TextOp::from_json(&op.to_json()), Ok(op.clone()));
        }
        if let [x, a] = ops.as_slice() {
            prop_assert_eq!(TextOp::transform(x, a).is_ok(), x.base_len() == a.base_len());
            prop_assert_eq!(x.compose(a).is_ok(), x.target_len() == a.base_len());
            prop_assert_eq!(x.compose_typing(a).is_ok(), x.target_len() == a.base_len());
            let past = TextOp::identity(x.base_len()).transform_incoming(x)?;
            prop_assert_eq!(x.compose(&past)?, x.clone());
        }
        Ok(())
    });
}

/// A random op that `OperationSeq` can hold.
fn convertible(source: &mut Source, len: u64) -> TextOp {
    TextOp::try_from(&in_their_order(&cases::op(source, len))).expect("random ops are short")
}

fn theirs(op: &TextOp) -> Result<OperationSeq, proptest::test_runner::TestCaseError> {
    Ok(OperationSeq::try_from(op)?)
}

/// The op built by the crate's own builder, which puts inserts first.
fn in_their_order(op: &TextOp) -> OperationSeq {
    let mut seq = OperationSeq::default();
    for part in op.parts() {
        match part {
            Part::Keep(len) => seq.retain(len),
            Part::Delete(len) => seq.delete(len),
            Part::Insert(text) => seq.insert(text),
        }
    }
    seq
}

fn held(op: &TextOp) -> bool {
    first_delete_before_insert(op).is_none()
}

fn first_delete_before_insert(op: &TextOp) -> Option<usize> {
    let parts: Vec<_> = op.parts().collect();
    parts.windows(2).position(|two| matches!(two, [Part::Delete(_), Part::Insert(_)]))
}

#[test]
fn it_is_the_order_that_keeps_the_crate_from_composing_exactly() {
    // Why this project has an algebra of its own: x past a and then b, and past both as one, on "z".
    let op = |json| TextOp::from_json(json).unwrap();
    let (x, a, b) = (op(r#"[1,"b"]"#), op("[-1]"), op(r#"["c"]"#));
    let [their_x, their_a, their_b] = [&x, &a, &b].map(|op| OperationSeq::try_from(op).unwrap());
    let one_by_one = their_x.transform(&their_a).unwrap().0.transform(&their_b).unwrap().0;
    let by_stretch = their_x.transform(&their_a.compose(&their_b).unwrap()).unwrap().0;
    assert_ne!(one_by_one, by_stretch);
    let one_by_one = x.transform_incoming(&a).unwrap().transform_incoming(&b).unwrap();
    assert_eq!(x.transform_incoming(&a.compose(&b).unwrap()), Ok(one_by_one));
    // The builder of ours keeps the order it is given.
    let mut kept = TextOpBuilder::default();
    kept.delete(1);
    kept.insert("c");
    assert_eq!(kept.finish(), a.compose(&b).unwrap());
}
