//! How the simulated people type: 70 % go on with a run, 20 % delete, 10 % paste; the same for the same seed.

use crate::ot::{Op, TextOp};

/// Small, fast and seeded: xorshift64*, as in Vigna, "An experimental exploration of Marsaglia's xorshift generators".
#[derive(Debug, Clone)]
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        // Zero is the one state that never leaves itself.
        Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(super) fn roll(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `below`, which is not 0.
    pub(super) fn below(&mut self, below: u64) -> u64 {
        (self.roll() >> 16) % below
    }
}

/// Where a person types next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// On from where they are; now and then they go elsewhere.
    Runs,
    /// Somewhere else each time.
    Random,
}

/// Edits after which a run ends, on average.
const RUN: u64 = 40;
/// A document of this length is made no longer: deletes then outweigh what is typed.
const LONG_ENOUGH: u64 = 20_000;
/// What they type.
const WORDS: &str =
    "the quick brown fox jumps over the lazy dog; pack my box with five dozen liquor jugs, and vow to quit. ";

/// One person at a keyboard.
#[derive(Debug, Clone)]
pub(super) struct Typing {
    dice: Dice,
    place: Place,
    cursor: u64,
    typed: u64,
    /// The length that the document is kept at, about.
    length: u64,
}

impl Typing {
    pub(super) fn new(seed: u64, place: Place, length: Option<u64>) -> Self {
        Typing { dice: Dice::new(seed), place, cursor: u64::MAX, typed: seed, length: length.unwrap_or(LONG_ENOUGH) }
    }

    /// The next edit of a text of `len` characters, which changes something.
    pub(super) fn next(&mut self, len: u64) -> TextOp {
        if self.place == Place::Random || self.cursor > len || self.dice.below(RUN) == 0 {
            self.cursor = self.dice.below(len + 1);
        }
        let (deleted, inserted) = self.strike(len);
        let op = TextOp::splice(len, self.cursor - deleted, deleted, inserted);
        self.cursor = self.cursor - deleted + inserted.len() as u64;
        op.expect("what is deleted lies before the cursor, and that in the text")
    }

    /// So many edits, each of the text that the one before leaves; the first of one of `len` characters.
    pub(super) fn edits(&mut self, mut len: u64, count: usize) -> impl Iterator<Item = TextOp> {
        std::iter::repeat_with(move || {
            let op = self.next(len);
            len = op.target_len();
            op
        })
        .take(count)
    }

    /// What is deleted before the cursor, or typed there.
    fn strike(&mut self, len: u64) -> (u64, &'static str) {
        let percent = self.dice.below(100);
        // The balance that keeps the length: pastes are as long as what is deleted, and runs are made up for.
        let most = if len > self.length { 20 } else { 8 };
        if percent < 20 && self.cursor > 0 {
            let deleted = 1 + self.dice.below(most);
            return (deleted.min(self.cursor), "");
        }
        let count = if percent < 90 { 1 } else { 6 + self.dice.below(12) } as usize;
        self.typed += 1;
        let from = (self.typed as usize) % (WORDS.len() - 20);
        (0, &WORDS[from..from + count])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ot::Content;

    #[test]
    fn what_is_typed_fits_the_text_and_keeps_its_length() {
        for place in [Place::Runs, Place::Random] {
            let mut typing = Typing::new(7, place, Some(5_000));
            let mut text = Content::from("");
            for _ in 0..50_000 {
                typing.next(text.len()).apply(&mut text).unwrap();
            }
            assert!((4_000..7_000).contains(&text.len()), "{place:?}: {}", text.len());
        }
    }

    #[test]
    fn seventy_of_a_hundred_type_on_twenty_delete_and_ten_paste() {
        let mut typing = Typing::new(1, Place::Runs, None);
        let mut text = Content::from("x".repeat(1_000).as_str());
        let mut counts = [0; 3];
        for _ in 0..10_000 {
            let op = typing.next(text.len());
            op.apply(&mut text).unwrap();
            counts[match op.inserted_bytes() {
                1 => 0,
                0 => 1,
                _ => 2,
            }] += 1;
        }
        let near = |count: i32, wanted: i32| (count - wanted).abs() < 300;
        assert!(near(counts[0], 7_000) && near(counts[1], 2_000) && near(counts[2], 1_000), "{counts:?}");
    }
}
