//! The op between two texts: small where finding it costs little, coarse where it would cost much. What a PUT of content
//! becomes.
//!
//! The work is bounded by construction, whatever the texts are: what both have in common at their ends is cut off, words
//! (of longer texts, lines) that occur once on each side are matched in order (Cohen's patience difference: a sort), and
//! only the gaps between those are searched, each if its area fits what is left of a budget.
//! `docs/decisions/difference.md` has the figures.

use imara_diff::sources::lines;
use imara_diff::{Algorithm, Diff, InternedInput, Token, TokenSource};

use super::{TextOp, TextOpBuilder, count};

/// Pairs of places that all searches of one difference may look at together: about 10 ms.
const BUDGET: usize = 4 << 20;
/// Words are matched where both texts have up to this many bytes together, lines where they have more.
const WORDS_IN: usize = 1 << 20;
/// Words or lines on both sides together that are matched: as many take about 30 ms. In texts that have more, only what is
/// common at the ends is found.
const MATCHED_MAX: usize = 400_000;
/// A text that is kept between two changes costs two parts more: below this length it is written anew.
const KEPT_MIN: usize = 3;

impl TextOp {
    /// An op that leads from one text to another, of at most about `parts_max` parts. Where a text is replaced, the insert
    /// is written first, as an editor's replacement is.
    pub fn between(old: &str, new: &str, parts_max: usize) -> TextOp {
        let mut changes = Changes { old, new, budget: BUDGET, found: Vec::new() };
        changes.search(Span { old: 0..old.len(), new: 0..new.len() });
        let mut changes = changes.found;
        let mut kept_min = KEPT_MIN;
        join_near(&mut changes, kept_min);
        // Each change is at most an insert, a delete and a keep.
        while changes.len() * 3 + 1 > parts_max.max(4) {
            kept_min *= 2;
            join_near(&mut changes, kept_min);
        }
        let mut op = TextOpBuilder::default();
        let mut at = 0;
        for Span { old: gone, new: come } in changes {
            op.keep(count(&old[at..gone.start]));
            op.insert(&new[come]);
            op.delete(count(&old[gone.clone()]));
            at = gone.end;
        }
        op.keep(count(&old[at..]));
        op.finish()
    }
}

/// A range of bytes on each side, at character boundaries.
#[derive(Debug, Clone)]
struct Span {
    old: std::ops::Range<usize>,
    new: std::ops::Range<usize>,
}

struct Changes<'a> {
    old: &'a str,
    new: &'a str,
    budget: usize,
    /// In order; nothing in them is common at either end.
    found: Vec<Span>,
}

impl<'a> Changes<'a> {
    /// Finds the changes within a span, between the words that stand once on each side.
    fn search(&mut self, span: Span) {
        let Some(span) = self.trimmed(span) else { return };
        let (old, new) = (&self.old[span.old.clone()], &self.new[span.new.clone()]);
        if old.len() + new.len() <= WORDS_IN {
            self.search_by(Words(old), Words(new), span);
        } else {
            self.search_by(lines(old), lines(new), span);
        }
    }

    fn search_by<T: TokenSource<Token = &'a str>>(&mut self, old: T, new: T, span: Span) {
        if old.tokenize().chain(new.tokenize()).take(MATCHED_MAX + 1).count() > MATCHED_MAX {
            return self.found.push(span);
        }
        let words = InternedInput::new(old, new);
        let (mut old, mut new) =
            (Places::new(&words, &words.before, &span.old), Places::new(&words, &words.after, &span.new));
        for (before, after) in anchors(&words) {
            let gap = Span { old: old.to(before), new: new.to(after) };
            self.refine(gap);
            old.pass(before);
            new.pass(after);
        }
        self.refine(Span { old: old.at..span.old.end, new: new.at..span.new.end });
    }

    /// Finds the changes within a gap: by characters, else by words, else all of it is one change.
    fn refine(&mut self, gap: Span) {
        let Some(gap) = self.trimmed(gap) else { return };
        let (old, new) = (&self.old[gap.old.clone()], &self.new[gap.new.clone()]);
        if !self.refine_by(Chars(old), Chars(new), &gap) && !self.refine_by(Words(old), Words(new), &gap) {
            self.found.push(gap);
        }
    }

    /// Whether the budget lets the gap be searched by these tokens; then it is.
    fn refine_by<T: TokenSource<Token = &'a str>>(&mut self, old: T, new: T, gap: &Span) -> bool {
        // Looked at before they are counted, so that counting is bounded too.
        let fits = |tokens: &T, most: usize| tokens.tokenize().take(most + 1).count();
        let before = fits(&old, self.budget);
        let most = self.budget / before.max(1);
        let after = fits(&new, most);
        if after > most || gap.old.is_empty() || gap.new.is_empty() {
            return false;
        }
        self.budget -= before * after;
        let input = InternedInput::new(old, new);
        let (mut old, mut new) =
            (Places::new(&input, &input.before, &gap.old), Places::new(&input, &input.after, &gap.new));
        for hunk in Diff::compute(Algorithm::Myers, &input).hunks() {
            old.skip(hunk.before.start);
            new.skip(hunk.after.start);
            let span = Span { old: old.to(hunk.before.end), new: new.to(hunk.after.end) };
            old.skip(hunk.before.end);
            new.skip(hunk.after.end);
            self.found.extend(self.trimmed(span));
        }
        true
    }

    /// The span without what both sides have in common at its ends; none if nothing is left.
    fn trimmed(&self, span: Span) -> Option<Span> {
        let (old, new) = (&self.old[span.old.clone()], &self.new[span.new.clone()]);
        let same = old.bytes().zip(new.bytes()).take_while(|(a, b)| a == b).count();
        let front = (0..=same).rev().find(|at| old.is_char_boundary(*at) && new.is_char_boundary(*at))?;
        let (old, new) = (&old[front..], &new[front..]);
        let same = old.bytes().rev().zip(new.bytes().rev()).take_while(|(a, b)| a == b).count();
        let boundary = |back: &usize| old.is_char_boundary(old.len() - back) && new.is_char_boundary(new.len() - back);
        let back = (0..=same).rev().find(boundary)?;
        let span =
            Span { old: span.old.start + front..span.old.end - back, new: span.new.start + front..span.new.end - back };
        (!span.old.is_empty() || !span.new.is_empty()).then_some(span)
    }
}

/// Walks over tokens and knows at which byte each stands.
struct Places<'i> {
    input: &'i InternedInput<&'i str>,
    tokens: &'i [Token],
    next: u32,
    at: usize,
}

impl<'i> Places<'i> {
    fn new(input: &'i InternedInput<&'i str>, tokens: &'i [Token], span: &std::ops::Range<usize>) -> Self {
        Places { input, tokens, next: 0, at: span.start }
    }

    fn skip(&mut self, to: u32) {
        self.at = self.to(to).end;
        self.next = to;
    }

    /// From here to the beginning of a token.
    fn to(&self, token: u32) -> std::ops::Range<usize> {
        let tokens = &self.tokens[self.next as usize..token as usize];
        self.at..self.at + tokens.iter().map(|token| self.input.interner[*token].len()).sum::<usize>()
    }

    /// Goes behind a token.
    fn pass(&mut self, token: u32) {
        self.skip(token + 1);
    }
}

/// The tokens that stand once on each side, as many of them as are in the same order on both: the longest rising
/// subsequence of their places.
fn anchors(input: &InternedInput<&str>) -> Vec<(u32, u32)> {
    const NEVER: u32 = u32::MAX;
    const OFTEN: u32 = u32::MAX - 1;
    let places = |tokens: &[Token]| {
        let mut places = vec![NEVER; input.interner.num_tokens() as usize];
        for (place, token) in (0..).zip(tokens) {
            let there = &mut places[token.0 as usize];
            *there = if *there == NEVER { place } else { OFTEN };
        }
        places
    };
    let (old, new) = (places(&input.before), places(&input.after));
    let once = |place: u32| place < OFTEN;
    let pairs = input.before.iter().filter_map(|token| {
        let (old, new) = (old[token.0 as usize], new[token.0 as usize]);
        (once(old) && once(new)).then_some((old, new))
    });
    let pairs: Vec<(u32, u32)> = pairs.collect();
    // `piles[n]`: the pair that ends a rising sequence of n + 1 with the smallest new place.
    let (mut piles, mut before): (Vec<usize>, Vec<Option<usize>>) = (Vec::new(), Vec::with_capacity(pairs.len()));
    for (index, (_, new)) in pairs.iter().enumerate() {
        let pile = piles.partition_point(|top| pairs[*top].1 < *new);
        before.push(pile.checked_sub(1).map(|below| piles[below]));
        if pile == piles.len() { piles.push(index) } else { piles[pile] = index }
    }
    let mut rising = Vec::with_capacity(piles.len());
    let mut at = piles.last().copied();
    while let Some(index) = at {
        rising.push(pairs[index]);
        at = before[index];
    }
    rising.reverse();
    rising
}

/// Joins changes between which fewer than `kept_min` bytes are kept.
fn join_near(changes: &mut Vec<Span>, kept_min: usize) {
    changes.dedup_by(|next, last| {
        let near = next.old.start - last.old.end < kept_min;
        if near {
            last.old.end = next.old.end;
            last.new.end = next.new.end;
        }
        near
    });
}

/// A text as words, each with the white space after it.
#[derive(Clone, Copy)]
struct Words<'a>(&'a str);

impl<'a> Iterator for Words<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let bytes = self.0.as_bytes();
        let word = bytes.iter().position(u8::is_ascii_whitespace).unwrap_or(bytes.len());
        let space = bytes[word..].iter().position(|byte| !byte.is_ascii_whitespace());
        let (token, rest) = self.0.split_at(space.map_or(bytes.len(), |space| word + space));
        self.0 = rest;
        (!token.is_empty()).then_some(token)
    }
}

impl<'a> TokenSource for Words<'a> {
    type Token = &'a str;
    type Tokenizer = Self;

    fn tokenize(&self) -> Self {
        *self
    }

    fn estimate_tokens(&self) -> u32 {
        (self.0.len() / 6) as u32
    }
}

/// A text as characters.
#[derive(Clone, Copy)]
struct Chars<'a>(&'a str);

impl<'a> Iterator for Chars<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let len = self.0.chars().next()?.len_utf8();
        let (token, rest) = self.0.split_at(len);
        self.0 = rest;
        Some(token)
    }
}

impl<'a> TokenSource for Chars<'a> {
    type Token = &'a str;
    type Tokenizer = Self;

    fn tokenize(&self) -> Self {
        *self
    }

    fn estimate_tokens(&self) -> u32 {
        self.0.len() as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ot::{Content, Op};

    fn difference(old: &str, new: &str) -> String {
        let op = TextOp::between(old, new, 10_000);
        let mut content = Content::from(old);
        op.apply(&mut content).unwrap();
        assert_eq!(content.to_string(), new);
        op.to_json()
    }

    #[test]
    fn what_is_common_is_kept() {
        for (old, new, op) in [
            ("", "", "[]"),
            ("", "abc", r#"["abc"]"#),
            ("abc", "", "[-3]"),
            ("Hello", "Hello", "[5]"),
            ("Hello", "Hallo", r#"[1,"a",-1,3]"#),
            ("aaa", "aa", "[2,-1]"),
            ("né𝄞e", "né𝄢e", r#"[2,"𝄢",-1,1]"#),
            ("The quick brown fox\n", "The slow brown dog\n", r#"[4,"slow",-5,7,"dog",-3,1]"#),
            // Wherever the copy is cut, it is as long.
            ("one two three four", "two three one four", r#"[-4,8,"e on",6]"#),
            ("é", "è", r#"["è",-1]"#),
        ] {
            assert_eq!(difference(old, new), op, "{old:?} to {new:?}");
        }
    }

    #[test]
    fn an_op_has_no_more_parts_than_allowed() {
        let old: String = (0..5_000).map(|n| format!("word{n} and more. ")).collect();
        let new: String = (0..5_000).map(|n| format!("word{n} and other. ")).collect();
        for parts_max in [4, 10, 1_000, 20_000] {
            let op = TextOp::between(&old, &new, parts_max);
            assert!(op.parts_len() <= parts_max.max(4), "{} of {parts_max}", op.parts_len());
            let mut content = Content::from(old.as_str());
            op.apply(&mut content).unwrap();
            assert_eq!(content.to_string(), new);
        }
    }
}
