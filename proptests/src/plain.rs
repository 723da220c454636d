//! What an op means, written a second time in the plainest way: the yardstick for the rope and for the JSON vectors.

use variorum::ot::{Content, Op, Part, TextOp};

/// The text that `op` makes of `text`. The op fits: it covers as many scalar values as `text` has.
pub fn apply(op: &TextOp, text: &str) -> String {
    let mut rest = text.chars();
    let mut result = String::with_capacity(text.len() + op.inserted_bytes());
    for part in op.parts() {
        match part {
            Part::Keep(len) => result.extend(rest.by_ref().take(len as usize)),
            Part::Delete(len) => rest.by_ref().take(len as usize).for_each(drop),
            Part::Insert(inserted) => result.push_str(inserted),
        }
    }
    assert_eq!(rest.next(), None, "the op covers its text");
    result
}

/// The text that `op` makes of `text`, by the way the server goes: through a rope.
pub fn apply_to_content(op: &TextOp, text: &str) -> String {
    let mut content = Content::from(text);
    op.apply(&mut content).expect("the op fits");
    content.to_string()
}

/// Length in scalar values.
pub fn len(text: &str) -> u64 {
    text.chars().count() as u64
}
