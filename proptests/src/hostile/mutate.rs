//! Seeded mutations of kept inputs: bytes changed, cut, doubled, spliced, and replaced by what breaks parsers.

use crate::scribe::Dice;

/// What has broken a parser somewhere before: numbers at the edge of their types, halves of characters, names that mean
/// something in another language, and the marks that JSON, HTTP and records are made of.
const WORDS: [&[u8]; 40] = [
    b"0",
    b"-0",
    b"-1",
    b"1.0",
    b"1e9",
    b"9007199254740991",
    b"9007199254740992",
    b"-9007199254740991",
    b"9223372036854775807",
    b"-9223372036854775808",
    b"18446744073709551615",
    b"18446744073709551616",
    b"\\ud800",
    b"\\udc00\\ud800",
    b"\\u0000",
    b"\xed\xa0\x80",
    b"\xf0\x9d\x84\x9e",
    b"\xff",
    b"__proto__",
    b"constructor",
    b"[",
    b"]",
    b"{",
    b"}",
    b"\"",
    b"\\",
    b",",
    b":",
    b"null",
    b"[[[[[[[[",
    b"{\"op\":",
    b"\"a\",-1,",
    b"[5,\"abc\",-3,2]",
    b"%00",
    b"%2e%2e%2f",
    b"?",
    b"&",
    b"\r\n",
    b"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01",
    b"\x7f",
];
/// Longest input made.
const LONGEST: usize = 4096;

/// Makes inputs from a corpus, the same from the same seed.
pub struct Mutator {
    corpus: Vec<Vec<u8>>,
    dice: Dice,
    input: Vec<u8>,
}

impl Mutator {
    /// A mutator of these inputs.
    pub fn new(corpus: Vec<Vec<u8>>, seed: u64) -> Self {
        Mutator { corpus, dice: Dice::new(seed), input: Vec::new() }
    }

    /// The next input: one of the corpus with a few changes, and now and then none.
    #[expect(clippy::should_implement_trait, reason = "it lends what it makes")]
    pub fn next(&mut self) -> &[u8] {
        let chosen = self.below(self.corpus.len());
        let mut input = std::mem::take(&mut self.input);
        input.clear();
        input.extend_from_slice(&self.corpus[chosen]);
        for _ in 0..self.below(5) {
            self.change(&mut input);
        }
        input.truncate(LONGEST);
        self.input = input;
        &self.input
    }

    fn change(&mut self, input: &mut Vec<u8>) {
        let at = self.below(input.len() + 1);
        match self.below(8) {
            0 if at < input.len() => input[at] ^= 1 << self.below(8),
            1 if at < input.len() => input[at] = self.below(256) as u8,
            2 => {
                let to = at + self.below((input.len() - at).min(16) + 1);
                input.drain(at..to);
            }
            3 => {
                let to = at + self.below((input.len() - at).min(64) + 1);
                let piece = input[at..to].to_vec();
                let there = self.below(input.len() + 1);
                input.splice(there..there, piece);
            }
            4 => {
                let other = self.below(self.corpus.len());
                let other = &self.corpus[other];
                let from = self.dice.below(other.len() as u64 + 1) as usize;
                input.truncate(at);
                input.extend_from_slice(&other[from..]);
            }
            5 => {
                // A whole number is replaced: most of what is checked is a number.
                let from = input[at..].iter().position(u8::is_ascii_digit).map_or(at, |from| at + from);
                let to =
                    input[from..].iter().position(|byte| !byte.is_ascii_digit()).map_or(input.len(), |to| from + to);
                let word = WORDS[self.below(12)];
                input.splice(from..to, word.iter().copied());
            }
            _ => {
                let word = WORDS[self.below(WORDS.len())];
                input.splice(at..at, word.iter().copied());
            }
        }
    }

    fn below(&mut self, below: usize) -> usize {
        self.dice.below(below as u64) as usize
    }
}
