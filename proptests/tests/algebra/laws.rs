//! The laws of the text algebra, under the names that `src/ot/mod.rs` and `TextOp::move_position` give them: each on random
//! cases, and the ones that convergence stands on also on every small case.
//!
//! Where a law speaks of content, the plain reading of an op stands in for the rope; `composition_applies` and `commute`
//! go through the rope itself.

use proptest::{prop_assert, prop_assert_eq};
use proptests::{Source, TestCaseResult, cases, check_random, exhaustive, plain};
use variorum::ot::{Conflict, Content, LENGTH_MAX, LengthMismatch, Op, Part, Side, TextOp, compose_all};

fn random(law: impl Fn(&mut Source) -> TestCaseResult) {
    check_random(4_000, 120, law);
}

// ---- Ops on their own, and one after another.

#[test]
fn composition_applies() {
    random(|source| {
        let (document, [a, b]) = cases::consecutive(source);
        let both = a.compose(&b)?;
        let one_by_one = plain::apply_to_content(&b, &plain::apply_to_content(&a, &document));
        prop_assert_eq!(plain::apply_to_content(&both, &document), one_by_one, "{:?} then {:?}", a, b);
        // The rope reads an op as the plain reading does.
        prop_assert_eq!(plain::apply_to_content(&a, &document), plain::apply(&a, &document));
        Ok(())
    });
}

#[test]
fn typing_composition_applies() {
    random(|source| {
        let (document, [x, y]) = cases::consecutive(source);
        let one_by_one = plain::apply(&y, &plain::apply(&x, &document));
        prop_assert_eq!(plain::apply_to_content(&x.compose_typing(&y)?, &document), one_by_one, "{:?} then {:?}", x, y);
        Ok(())
    });
}

#[test]
fn associativity() {
    random(|source| {
        let (_, ops) = cases::consecutive(source);
        associates(&ops)?;
        prop_assert_eq!(compose_all(ops.to_vec())?, Some(ops[0].compose(&ops[1])?.compose(&ops[2])?));
        Ok(())
    });
}

#[test]
fn associativity_exhaustive() {
    let ops = exhaustive::by_length(1, "a");
    let mut cases = 0;
    for a in ops.iter().flatten() {
        for b in exhaustive::ops(a.target_len(), &["b"]) {
            for c in exhaustive::ops(b.target_len(), &["c"]) {
                associates(&[a.clone(), b.clone(), c]).unwrap();
                cases += 1;
            }
        }
    }
    println!("associativity: {cases} cases");
    assert_eq!(cases, 176_020);
}

fn associates([a, b, c]: &[TextOp; 3]) -> TestCaseResult {
    prop_assert_eq!(a.compose(b)?.compose(c)?, a.compose(&b.compose(c)?)?, "{:?} then {:?} then {:?}", a, b, c);
    let typed = a.compose_typing(b)?.compose_typing(c)?;
    prop_assert_eq!(typed, a.compose_typing(&b.compose_typing(c)?)?, "typing {:?} then {:?} then {:?}", a, b, c);
    Ok(())
}

#[test]
fn inversion_undoes() {
    random(|source| {
        let (document, [a]) = cases::consecutive(source);
        let undo = a.invert(&Content::from(document.as_str()))?;
        let back = plain::apply_to_content(&undo, &plain::apply_to_content(&a, &document));
        prop_assert_eq!(back, document, "{:?} undone by {:?}", a, undo);
        Ok(())
    });
}

#[test]
fn inversion_is_its_own_inverse() {
    random(|source| {
        let (document, [a]) = cases::consecutive(source);
        let undo = a.invert(&Content::from(document.as_str()))?;
        let after = plain::apply(&a, &document);
        prop_assert_eq!(undo.invert(&Content::from(after.as_str()))?, a);
        Ok(())
    });
}

#[test]
fn identity_is_neutral() {
    random(|source| {
        let (document, [a]) = cases::consecutive(source);
        let (before, after) = (TextOp::identity(a.base_len()), TextOp::identity(a.target_len()));
        prop_assert!(before.is_identity());
        prop_assert_eq!(plain::apply_to_content(&before, &document), document);
        for (with_identity, what) in [
            (before.compose(&a)?, "composed after it"),
            (a.compose(&after)?, "composed before it"),
            (before.compose_typing(&a)?, "typed after it"),
            (a.compose_typing(&after)?, "typed before it"),
            (a.transform_incoming(&before)?, "moved past it"),
            (a.transform_history(&before)?, "it moved past"),
        ] {
            prop_assert_eq!(with_identity, a.clone(), "{}", what);
        }
        prop_assert_eq!(before.transform_incoming(&a)?, after.clone());
        prop_assert_eq!(before.transform_history(&a)?, after);
        Ok(())
    });
}

#[test]
fn lengths_are_checked() {
    random(|source| {
        let a_document = cases::document(source);
        let a = cases::op(source, plain::len(&a_document));
        let found = source.below(14);
        let x = cases::op(source, found);
        let differ = a.base_len() != found;
        let answer = |op, found| differ.then_some(LengthMismatch { op, found });

        let before: String = "é".repeat(found as usize);
        let mut content = Content::from(before.as_str());
        prop_assert_eq!(a.apply(&mut content).err(), answer(a.base_len(), found));
        if differ {
            prop_assert_eq!(content.to_string(), before.clone(), "a refused op changed the content");
        }
        prop_assert_eq!(a.invert(&Content::from(before.as_str())).err(), answer(a.base_len(), found));
        prop_assert_eq!(TextOp::transform(&a, &x).err(), answer(a.base_len(), found));
        prop_assert_eq!(a.transform_incoming(&x).err(), answer(a.base_len(), found));
        prop_assert_eq!(TextOp::transform(&x, &a).err(), answer(found, a.base_len()));
        prop_assert_eq!(a.transform_history(&x).err(), answer(found, a.base_len()));
        let y_covers = x.target_len() + source.below(2);
        let y = cases::op(source, y_covers);
        let fits = y.base_len() == x.target_len();
        let mismatch = (!fits).then_some(LengthMismatch { op: y.base_len(), found: x.target_len() });
        prop_assert_eq!(x.compose(&y).err(), mismatch);
        prop_assert_eq!(x.compose_typing(&y).err(), mismatch);
        Ok(())
    });
}

#[test]
fn results_are_canonical() {
    random(|source| {
        let (document, [a, b], x) = cases::two_beside_one(source);
        let (moved, history) = TextOp::transform(&x, &a)?;
        let results = [a.compose(&b)?, x.compose_typing(&history)?, a.invert(&Content::from(document.as_str()))?];
        for op in results.iter().chain([&moved, &history, &a]) {
            canonical(op)?;
            // The wire takes only canonical ops, and gives back the same.
            prop_assert_eq!(TextOp::from_json(&op.to_json()), Ok(op.clone()));
        }
        Ok(())
    });
}

fn canonical(op: &TextOp) -> TestCaseResult {
    let (mut base, mut target, mut last) = (0, 0, None);
    for part in op.parts() {
        let len = match part {
            Part::Keep(len) | Part::Delete(len) => len,
            Part::Insert(text) => plain::len(text),
        };
        prop_assert!(len > 0, "an empty part in {:?}", op);
        prop_assert!(last != Some(std::mem::discriminant(&part)), "unmerged neighbours in {:?}", op);
        base += if matches!(part, Part::Insert(_)) { 0 } else { len };
        target += if matches!(part, Part::Delete(_)) { 0 } else { len };
        last = Some(std::mem::discriminant(&part));
    }
    prop_assert_eq!((op.base_len(), op.target_len()), (base, target), "{:?}", op);
    prop_assert!(base <= LENGTH_MAX && target <= LENGTH_MAX);
    Ok(())
}

// ---- Concurrent ops.

#[test]
fn commute() {
    random(|source| {
        let (document, x, a) = cases::concurrent(source);
        commutes(&document, &x, &a)
    });
}

#[test]
fn commute_exhaustive() {
    let mut cases = 0;
    for len in 0..=3 {
        let document: String = "1é𝄞".chars().take(len).collect();
        let history = exhaustive::ops(len as u64, &["a", "😀b"]);
        for x in exhaustive::ops(len as u64, &["x", "y😀"]) {
            for a in &history {
                commutes(&document, &x, a).unwrap();
                cases += 1;
            }
        }
    }
    println!("commute: {cases} cases");
    assert_eq!(cases, 9 + 324 + 11_664 + 419_904);
}

fn commutes(document: &str, x: &TextOp, a: &TextOp) -> TestCaseResult {
    let (moved, history) = TextOp::transform(x, a)?;
    let history_first = plain::apply_to_content(&moved, &plain::apply_to_content(a, document));
    let incoming_first = plain::apply_to_content(&history, &plain::apply_to_content(x, document));
    prop_assert_eq!(history_first, incoming_first, "incoming {:?}, history {:?} on {:?}", x, a, document);
    Ok(())
}

#[test]
fn the_incoming_side_goes_left_at_a_tie() {
    let op = |json| TextOp::from_json(json).unwrap();
    let (x, a) = (op(r#"[1,"x",1]"#), op(r#"[1,"a",1]"#));
    assert_eq!(TextOp::transform(&x, &a), Ok((op(r#"[1,"x",2]"#), op(r#"[2,"a",1]"#))));
}

#[test]
fn halves_agree() {
    random(|source| {
        let (_, x, a) = cases::concurrent(source);
        let both = TextOp::transform(&x, &a)?;
        prop_assert_eq!(
            (x.transform_incoming(&a)?, a.transform_history(&x)?),
            both,
            "incoming {:?}, history {:?}",
            x,
            a
        );
        Ok(())
    });
}

#[test]
fn exact_composition() {
    random(|source| {
        let (_, [a, b], x) = cases::two_beside_one(source);
        let by_stretch = x.transform_incoming(&a.compose(&b)?)?;
        let one_by_one = x.transform_incoming(&a)?.transform_incoming(&b)?;
        prop_assert_eq!(by_stretch, one_by_one, "{:?} past {:?} then {:?}", x, a, b);
        Ok(())
    });
}

#[test]
fn exact_composition_exhaustive() {
    let mut cases = 0;
    let next = exhaustive::by_length(LONGEST, "b");
    for len in 0..=3 {
        let incoming = exhaustive::ops(len, &["x"]);
        for a in exhaustive::ops(len, &["a"]) {
            let past_a: Vec<_> = incoming.iter().map(|x| x.transform_incoming(&a).unwrap()).collect();
            for b in &next[a.target_len() as usize] {
                let stretch = a.compose(b).unwrap();
                for (x, x_past_a) in incoming.iter().zip(&past_a) {
                    let by_stretch = x.transform_incoming(&stretch).unwrap();
                    let one_by_one = x_past_a.transform_incoming(b).unwrap();
                    assert_eq!(by_stretch, one_by_one, "{x:?} past {a:?} then {b:?}");
                    cases += 1;
                }
            }
        }
    }
    println!("exact_composition: {cases} cases");
    assert_eq!(cases, TRIPLES);
}

/// The longest document that one op of `exhaustive` makes of three characters.
const LONGEST: u64 = 7;

/// Documents of `n` up to 3 characters have 2^(2n+1) ops with one insert text; those after one of them that kept `k` and
/// inserted `i` are 2^(2(k+i)+1), so 2*5^(2n+1) consecutive pairs, each beside every op.
const TRIPLES: u64 = 2 * 10 + 8 * 250 + 32 * 6_250 + 128 * 156_250;

#[test]
fn exact_typing() {
    random(|source| {
        let (_, [x, y], a) = cases::two_beside_one(source);
        let past_batch = a.transform_history(&x.compose_typing(&y)?)?;
        let one_by_one = a.transform_history(&x)?.transform_history(&y)?;
        prop_assert_eq!(past_batch, one_by_one, "{:?} beside typing {:?} then {:?}", a, x, y);
        Ok(())
    });
}

#[test]
fn typing_batches() {
    random(|source| {
        let (document, [x, y], a) = cases::two_beside_one(source);
        let (moved_x, history) = TextOp::transform(&x, &a)?;
        let after = plain::apply(&a, &document);
        let one_by_one = plain::apply(&y.transform_incoming(&history)?, &plain::apply(&moved_x, &after));
        let batch = x.compose_typing(&y)?.transform_incoming(&a)?;
        prop_assert_eq!(plain::apply(&batch, &after), one_by_one, "typing {:?} then {:?} past {:?}", x, y, a);
        Ok(())
    });
}

#[test]
fn typing_batches_exhaustive() {
    let mut cases = 0;
    let next = exhaustive::by_length(LONGEST, "y");
    for len in 0..=3 {
        let document = &"123"[..len];
        let history = exhaustive::ops(len as u64, &["a"]);
        for x in exhaustive::ops(len as u64, &["x"]) {
            let past_x: Vec<_> = history
                .iter()
                .map(|a| {
                    let (x_moved, a_moved) = TextOp::transform(&x, a).unwrap();
                    let after_a = plain::apply(a, document);
                    (a, a_moved, plain::apply(&x_moved, &after_a), after_a)
                })
                .collect();
            for y in &next[x.target_len() as usize] {
                let batch = x.compose_typing(y).unwrap();
                for (a, a_past_x, after_a_x, after_a) in &past_x {
                    let (batch_moved, a_past_batch) = TextOp::transform(&batch, a).unwrap();
                    let (y_moved, a_past_both) = TextOp::transform(y, a_past_x).unwrap();
                    assert_eq!(a_past_batch, a_past_both, "exact_typing: {a:?} beside {x:?} then {y:?}");
                    let by_batch = plain::apply(&batch_moved, after_a);
                    assert_eq!(by_batch, plain::apply(&y_moved, after_a_x), "typing {x:?} then {y:?} past {a:?}");
                    cases += 1;
                }
            }
        }
    }
    println!("exact_typing and typing_batches: {cases} cases");
    assert_eq!(cases, TRIPLES);
}

#[test]
fn batches_agree_in_content_only() {
    // The smallest cases, as the trait documents them: what one side deleted had kept a delete and an insert apart.
    let op = |json| TextOp::from_json(json).unwrap();
    let (x, y, a) = (op("[-1,1]"), op(r#"[1,"c"]"#), op("[1,-1]"));
    let (x_moved, history) = TextOp::transform(&x, &a).unwrap();
    assert_eq!(x.compose_typing(&y).unwrap().transform_incoming(&a), Ok(op(r#"[-1,"c"]"#)));
    let y_moved = y.transform_incoming(&history).unwrap();
    assert_eq!(x_moved.compose_typing(&y_moved), Ok(op(r#"["c",-1]"#)));

    let (a, b, x) = (op("[1,-1]"), op(r#"["c",1]"#), op("[-1,1]"));
    let (x_moved, a_moved) = TextOp::transform(&x, &a).unwrap();
    assert_eq!(a.compose(&b).unwrap().transform_history(&x), Ok(op(r#"["c",-1]"#)));
    let b_moved = b.transform_history(&x_moved).unwrap();
    assert_eq!(a_moved.compose(&b_moved), Ok(op(r#"[-1,"c"]"#)));
}

// ---- Positions.

#[test]
fn positions_stay_in_order_and_in_bounds() {
    random(|source| {
        let (_, [a]) = cases::consecutive(source);
        let mut last = [0; 2];
        for position in 0..=a.base_len() {
            let [before, after] = [Side::Before, Side::After].map(|side| a.move_position(position, side));
            prop_assert!(last[0] <= before && last[1] <= after, "order at {} over {:?}", position, a);
            prop_assert!(before <= after && after <= a.target_len(), "bounds at {} over {:?}", position, a);
            last = [before, after];
        }
        // What is past the end stays past it by as much, and nothing overflows.
        for side in [Side::Before, Side::After] {
            prop_assert_eq!(a.move_position(a.base_len() + 7, side), a.target_len() + 7);
            prop_assert!(a.move_position(u64::MAX, side) >= LENGTH_MAX);
        }
        Ok(())
    });
}

#[test]
fn cursor_is_where_typing_lands() {
    random(|source| {
        let (_, [a]) = cases::consecutive(source);
        let position = source.below(a.base_len() + 1);
        let typed = TextOp::splice(a.base_len(), position, 0, "x").expect("the position lies within");
        let lands = |op: &TextOp| op.parts().find_map(insert_after(0)).expect("it inserts");
        prop_assert_eq!(a.move_position(position, Side::Before), lands(&typed.transform_incoming(&a)?));
        prop_assert_eq!(a.move_position(position, Side::After), lands(&typed.transform_history(&a)?));
        Ok(())
    });
}

/// Steps over kept and deleted parts until the insert, and answers where in the result it is.
fn insert_after(mut position: u64) -> impl FnMut(Part) -> Option<u64> {
    move |part| {
        match part {
            Part::Insert(_) => return Some(position),
            Part::Keep(len) => position += len,
            Part::Delete(_) => {}
        }
        None
    }
}

#[test]
fn cursor_follows_composition() {
    random(|source| {
        let (_, [a, b]) = cases::consecutive(source);
        let position = source.below(a.base_len() + 1);
        cursor_follows(&a, &b, position)
    });
}

#[test]
fn cursor_follows_composition_exhaustive() {
    let mut cases = 0;
    let next = exhaustive::by_length(LONGEST, "b");
    for a in exhaustive::by_length(3, "a").iter().flatten() {
        for b in &next[a.target_len() as usize] {
            for position in 0..=a.base_len() {
                cursor_follows(a, b, position).unwrap();
                cases += 1;
            }
        }
    }
    println!("cursor_follows_composition: {cases} cases");
    assert_eq!(cases, 10 + 2 * 250 + 3 * 6_250 + 4 * 156_250);
}

fn cursor_follows(a: &TextOp, b: &TextOp, position: u64) -> TestCaseResult {
    let one_by_one = |side| b.move_position(a.move_position(position, side), side);
    let (history, typing) = (a.compose(b)?, a.compose_typing(b)?);
    let before = history.move_position(position, Side::Before);
    prop_assert_eq!(before, one_by_one(Side::Before), "{} before {:?} then {:?}", position, a, b);
    let after = typing.move_position(position, Side::After);
    prop_assert_eq!(after, one_by_one(Side::After), "{} after typing {:?} then {:?}", position, a, b);
    Ok(())
}

#[test]
fn no_side_follows_both_compositions() {
    // The reason why the law above pairs each side with one composition: two histories that compose to one op, and send the
    // place before "1" to different sides of what they inserted. No reading of that one op can follow both.
    let op = |json| TextOp::from_json(json).unwrap();
    let histories = [[op("[-1]"), op(r#"["b"]"#)], [op(r#"[1,"b"]"#), op("[-1,1]")]];
    let [one, other] = histories.map(|[a, b]| {
        let moved = b.move_position(a.move_position(0, Side::After), Side::After);
        (a.compose(&b).unwrap(), moved)
    });
    assert_eq!((one.0, one.1), (op(r#"[-1,"b"]"#), 1));
    assert_eq!((other.0, other.1), (op(r#"[-1,"b"]"#), 0));
}

// ---- The documentation.

#[test]
fn each_documented_law_is_a_test_here() {
    let documentation =
        [include_str!("../../../src/ot/mod.rs"), include_str!("../../../src/ot/text/cursor.rs")].concat();
    let laws: Vec<_> = documentation
        .lines()
        .filter_map(|line| line.trim_start().strip_prefix("/// - **")?.split_once("**:"))
        .map(|(name, _)| name)
        .collect();
    assert!(laws.len() >= 16, "only found {laws:?}");
    for law in laws {
        let test = format!("#[test]\nfn {law}() {{");
        assert!(include_str!("laws.rs").contains(&test), "`{law}` is documented and not tested");
    }
}

// ---- Where two ops meet.

#[test]
fn far_changes_commute() {
    random(|source| {
        let (document, x, a) = cases::concurrent(source);
        if TextOp::conflicts(&x, &a)?.is_empty() {
            let x_incoming = plain::apply(&x.transform_incoming(&a)?, &plain::apply(&a, &document));
            let a_incoming = plain::apply(&a.transform_incoming(&x)?, &plain::apply(&x, &document));
            prop_assert_eq!(x_incoming, a_incoming, "{:?} and {:?}", x, a);
        }
        Ok(())
    });
}

#[test]
fn conflicts_cover_both_sides() {
    random(|source| {
        let (document, x, a) = cases::concurrent(source);
        let texts = [
            document.clone(),
            plain::apply(&x, &document),
            plain::apply(&a, &document),
            plain::apply(&x.transform_incoming(&a)?, &plain::apply(&a, &document)),
        ];
        let [base, left, right, both] = texts.map(|text| text.chars().collect::<Vec<_>>());
        // Between two conflicts, what both made of the text is what one of them alone made of it.
        let mut at = [0; 4];
        let mut conflicts = TextOp::conflicts(&x, &a)?;
        let ends = [&base, &left, &right, &both].map(|text| text.len() as u64);
        let end = |n: usize| ends[n]..ends[n];
        conflicts.push(Conflict { base: end(0), incoming: end(1), history: end(2), both: end(3) });
        for Conflict { base: b, incoming: i, history: h, both: all } in conflicts {
            let piece = |text: &[char], from: u64, to: u64| text[from as usize..to as usize].to_vec();
            let [from_b, from_i, from_h, from_all] = at;
            let (was, mine) = (piece(&base, from_b, b.start), piece(&left, from_i, i.start));
            let (theirs, result) = (piece(&right, from_h, h.start), piece(&both, from_all, all.start));
            // Changes apart from each other: the lengths they add or take add up.
            prop_assert_eq!(result.len() + was.len(), mine.len() + theirs.len(), "{:?} and {:?}", x, a);
            if mine == was {
                prop_assert_eq!(&result, &theirs);
            }
            if theirs == was {
                prop_assert_eq!(&result, &mine);
            }
            at = [b.end, i.end, h.end, all.end];
        }
        Ok(())
    });
}
