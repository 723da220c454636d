//! Every op on a short document, with at most one insert in each gap between its characters.

use variorum::ot::{TextOp, TextOpBuilder};

/// Every op on a document of `len` characters that keeps or deletes each of them, and inserts one of `texts` or nothing
/// into each gap before, between and after them. Inserts and deletes thereby stand beside each other in either order.
///
/// There are `2^len * (1 + texts.len())^(len + 1)` of them.
pub fn ops(len: u64, texts: &[&str]) -> Vec<TextOp> {
    let choices = 1 + texts.len() as u64;
    let count = 2u64.pow(len as u32) * choices.pow(len as u32 + 1);
    (0..count).map(|number| op(len, texts, number)).collect()
}

/// The op whose choices are the digits of `number`.
fn op(len: u64, texts: &[&str], mut number: u64) -> TextOp {
    let mut digit = |base: u64| {
        let digit = number % base;
        number /= base;
        digit as usize
    };
    let mut op = TextOpBuilder::default();
    for gap in 0..=len {
        if let Some(text) = digit(1 + texts.len() as u64).checked_sub(1) {
            op.insert(texts[text]);
        }
        if gap < len {
            match digit(2) {
                0 => op.keep(1),
                _ => op.delete(1),
            }
        }
    }
    op.finish()
}

/// Every op on documents of each length up to `most`, by length, with one insert text.
pub fn by_length(most: u64, text: &str) -> Vec<Vec<TextOp>> {
    (0..=most).map(|len| ops(len, &[text])).collect()
}
