//! Where a text has stood, over a stretch of history: when it came together, and when it was broken up.

use super::{Revision, Version};
use crate::ot::{Content, LengthMismatch, Op, Span};

/// A place where the text stood: the same characters, side by side, from one version to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appearance {
    /// The revision that completed it; none if it stood there before the search began.
    pub began: Option<Version>,
    /// Where it stood then, or where the search began.
    pub position: u64,
    /// The revision that broke it up, and where it stood just before; none if it still stands where the search ends.
    pub gone: Option<(Version, u64)>,
}

/// A search on its way through the revisions of a document.
///
/// A text appears where characters side by side come to spell it, and is gone when one of them is deleted or another comes
/// between. Each revision is looked at only around what it changes.
pub struct Search {
    wanted: Vec<char>,
    content: Content,
    /// Where it stands now, by position.
    standing: Vec<Standing>,
    /// Where it stood once.
    gone: Vec<Appearance>,
}

#[derive(Clone, Copy)]
struct Standing {
    began: Option<Version>,
    first: u64,
    now: u64,
}

impl Search {
    /// Begins at a version with this content. The text is not empty.
    pub fn new(wanted: &str, content: Content) -> Self {
        let wanted: Vec<char> = wanted.chars().collect();
        assert!(!wanted.is_empty(), "an empty text stands everywhere");
        let mut search = Search { wanted, standing: Vec::new(), gone: Vec::new(), content };
        search.standing = search.found_between(0, search.content.len()).map(|at| Standing::new(None, at)).collect();
        search
    }

    /// How many places are known, standing and gone: what a caller bounds.
    pub fn places(&self) -> usize {
        self.standing.len() + self.gone.len()
    }

    /// How many places each next revision is held against.
    pub fn standing(&self) -> usize {
        self.standing.len()
    }

    /// Goes over the next revision.
    pub fn step(&mut self, revision: &Revision) -> Result<(), LengthMismatch> {
        revision.op.apply(&mut self.content)?;
        let reach = self.wanted.len() as u64;
        let before = std::mem::take(&mut self.standing);
        let mut before = before.into_iter().peekable();
        // Stretches of the new content that may hold the text anew: around each change, as far as the text reaches.
        let mut windows: Vec<(u64, u64)> = Vec::new();
        let mut window = |from: u64, to: u64| {
            let (from, to) = (from.saturating_sub(reach - 1), to + reach - 1);
            match windows.last_mut() {
                Some(last) if from <= last.1 => last.1 = to,
                _ => windows.push((from, to)),
            }
        };
        let (mut base, mut target) = (0, 0);
        for span in revision.op.spans() {
            match span {
                Span::Keep(len) => {
                    // It stands on if it lies within what is kept side by side.
                    while let Some(place) = before.next_if(|place| place.now < base + len) {
                        if base <= place.now && place.now + reach <= base + len {
                            self.standing.push(Standing { now: target + (place.now - base), ..place });
                        } else {
                            self.gone.push(place.gone(revision.version));
                        }
                    }
                    base += len;
                    target += len;
                }
                Span::Insert(len) => {
                    window(target, target + len);
                    target += len;
                }
                Span::Delete(len) => {
                    while let Some(place) = before.next_if(|place| place.now < base + len) {
                        self.gone.push(place.gone(revision.version));
                    }
                    window(target, target);
                    base += len;
                }
            }
        }
        let mut new = Vec::new();
        for (from, to) in windows {
            let to = to.min(self.content.len());
            let standing = |at: &u64| self.standing.binary_search_by_key(at, |place| place.now).is_ok();
            new.extend(self.found_between(from, to).filter(|at| !standing(at)));
        }
        if !new.is_empty() {
            self.standing.extend(new.into_iter().map(|at| Standing::new(Some(revision.version), at)));
            self.standing.sort_unstable_by_key(|place| place.now);
        }
        Ok(())
    }

    /// Every place, the newest first.
    pub fn finish(mut self) -> Vec<Appearance> {
        let standing = self.standing.into_iter();
        self.gone.extend(standing.map(|place| Appearance { began: place.began, position: place.first, gone: None }));
        // Of one revision, from left to right.
        self.gone.sort_by_key(|place| (std::cmp::Reverse(place.began), place.position));
        self.gone
    }

    /// Where the text stands between two positions.
    fn found_between(&self, from: u64, to: u64) -> impl Iterator<Item = u64> + use<> {
        let text: Vec<char> = match from < to {
            true => self.content.slice(from, to - from).flat_map(str::chars).collect(),
            false => Vec::new(),
        };
        let wanted = self.wanted.clone();
        let places = (text.len() + 1).saturating_sub(wanted.len());
        (0..places).filter(move |at| text[*at..*at + wanted.len()] == wanted[..]).map(move |at| from + at as u64)
    }
}

impl Standing {
    fn new(began: Option<Version>, at: u64) -> Self {
        Standing { began, first: at, now: at }
    }

    fn gone(self, by: Version) -> Appearance {
        Appearance { began: self.began, position: self.first, gone: Some((by, self.now)) }
    }
}
