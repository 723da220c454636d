//! Which revision wrote, or removed, each character of a stretch: run lengths over characters.

use smallvec::SmallVec;

use super::Version;

/// Neighbouring characters that one revision wrote or removed, or of which each next one is of the next revision, as
/// characters typed one after another are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// How many characters; never 0.
    pub len: u64,
    /// The revision of the first of them.
    pub first: Version,
    /// Whether each next character is of the next revision. Never of a single one.
    pub rising: bool,
}

impl Mark {
    /// Characters of one revision.
    pub fn of_one(len: u64, version: Version) -> Self {
        Mark { len, first: version, rising: false }
    }

    /// The revision of the last character.
    pub fn last(&self) -> Version {
        Version(self.first.0 + if self.rising { self.len - 1 } else { 0 })
    }

    /// The version before its first revision.
    pub fn from(&self) -> Version {
        Version(self.first.0 - 1)
    }

    /// Its first `len` characters, of which there are more.
    pub fn head(&self, len: u64) -> Mark {
        Mark { len, first: self.first, rising: self.rising && len > 1 }
    }

    /// What is left without its first `len` characters, of which there are more.
    pub fn tail(&self, len: u64) -> Mark {
        let first = Version(self.first.0 + if self.rising { len } else { 0 });
        let len = self.len - len;
        Mark { len, first, rising: self.rising && len > 1 }
    }

    /// Whether every character is of a revision of its own.
    fn is_typed(&self) -> bool {
        self.rising || self.len == 1
    }
}

/// The marks of a sequence of characters.
///
/// They are canonical: neighbours of one revision are one mark, and then single characters of consecutive revisions are
/// one rising mark. So the same characters have the same marks, however they were put together.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Marks(SmallVec<[Mark; 2]>);

impl Marks {
    /// The marks in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Mark> + '_ {
        self.0.iter().copied()
    }

    /// How many characters they cover.
    pub fn characters(&self) -> u64 {
        self.0.iter().map(|mark| mark.len).sum()
    }

    /// About how many bytes they take in memory.
    pub fn weight(&self) -> usize {
        self.0.len() * size_of::<Mark>()
    }

    /// Adds characters at the end.
    pub fn push(&mut self, mark: Mark) {
        let Some(last) = self.0.last_mut() else { return self.0.push(mark) };
        let end = last.last();
        if end == mark.first {
            // Of `mark`, only the first character or all of it is of that revision.
            let same = if mark.rising { 1 } else { mark.len };
            if last.rising {
                *last = last.head(last.len - 1);
                self.0.push(Mark::of_one(1 + same, end));
            } else {
                last.len += same;
            }
            if same < mark.len {
                self.0.push(mark.tail(same));
            }
        } else if end.next() == mark.first && last.is_typed() && mark.is_typed() {
            last.len += mark.len;
            last.rising = true;
        } else {
            self.0.push(mark);
        }
    }

    /// Reads them from the beginning.
    pub fn reader(&self) -> MarksReader<'_> {
        MarksReader { rest: self.0.iter(), current: None }
    }
}

impl FromIterator<Mark> for Marks {
    fn from_iter<I: IntoIterator<Item = Mark>>(marks: I) -> Self {
        let mut all = Marks::default();
        marks.into_iter().for_each(|mark| all.push(mark));
        all
    }
}

/// A place within marks.
pub struct MarksReader<'a> {
    rest: std::slice::Iter<'a, Mark>,
    /// What is left of the mark that the reader stands in.
    current: Option<Mark>,
}

impl MarksReader<'_> {
    /// Hands the marks of the next `len` characters to `each`. There are so many.
    pub fn take(&mut self, len: u64, mut each: impl FnMut(Mark)) {
        let mut left = len;
        while left > 0 {
            let mark = self.current.take().or_else(|| self.rest.next().copied()).expect("marks cover their op");
            if mark.len > left {
                self.current = Some(mark.tail(left));
                each(mark.head(left));
                return;
            }
            left -= mark.len;
            each(mark);
        }
    }

    /// Adds the marks of the next `len` characters to `marks`. There are so many.
    pub fn append_to(&mut self, len: u64, marks: &mut Marks) {
        let mut left = len;
        while left > 0 {
            // Up to the end of one mark, and then whatever follows it.
            let mark = self.current.or_else(|| self.rest.as_slice().first().copied()).expect("marks cover their op");
            let (whole, next) = (self.current.is_none(), mark.len.min(left));
            self.take(next, |mark| marks.push(mark));
            left -= next;
            // Whether a mark stays apart from the one before it depends on that one alone: after one that stands as it stood
            // here, the others are copied as they stand.
            if whole && next == mark.len && marks.0.last() == Some(&mark) {
                let rest = self.rest.as_slice();
                let fits = |mark: &&Mark| left.checked_sub(mark.len).inspect(|less| left = *less).is_some();
                let count = rest.iter().take_while(fits).count();
                marks.0.extend_from_slice(&rest[..count]);
                self.rest = rest[count..].iter();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marks(marks: &[(u64, u64, bool)]) -> Marks {
        marks.iter().map(|&(len, first, rising)| Mark { len, first: Version(first), rising }).collect()
    }

    #[test]
    fn the_same_characters_have_the_same_marks() {
        // t, h, e typed, then "xy" pasted by the revision that typed e.
        let expected = marks(&[(2, 1, true), (3, 3, false), (1, 4, false)]);
        assert_eq!(expected.iter().len(), 3);
        assert_eq!(marks(&[(1, 1, false), (1, 2, false), (1, 3, false), (2, 3, false), (1, 4, false)]), expected);
        assert_eq!(marks(&[(3, 1, true), (1, 3, false), (2, 3, true)]), expected);
        assert_eq!(marks(&[(3, 1, true), (1, 4, false)]), marks(&[(1, 1, false), (3, 2, true)]));
    }

    #[test]
    fn marks_are_read_in_any_pieces() {
        let all = marks(&[(5, 10, true), (4, 3, false)]);
        for cut in 1..9 {
            let (mut again, mut reader) = (Marks::default(), all.reader());
            reader.take(cut, |mark| again.push(mark));
            assert_eq!(again.characters(), cut);
            reader.take(9 - cut, |mark| again.push(mark));
            assert_eq!(again, all, "cut at {cut}");
        }
    }

    #[test]
    fn marks_copied_in_any_pieces_are_those_pushed_one_by_one() {
        // Neighbours of one revision, of consecutive ones, and of neither, in every order of three.
        let sorts =
            [(1, 5, false), (3, 5, false), (1, 6, false), (2, 6, false), (3, 5, true), (2, 4, true), (1, 9, false)];
        let any = |n: usize| sorts[n % sorts.len()];
        for n in 0..sorts.len().pow(5) {
            let row: Vec<_> = (0..5).map(|place| any(n / sorts.len().pow(place))).collect();
            let (before, all) = (marks(&row[..2]), marks(&row[2..]));
            let length = all.characters();
            for cut in 0..length {
                let (mut copied, mut reader) = (before.clone(), all.reader());
                let (mut pushed, mut singly) = (before.clone(), all.reader());
                for len in [cut, length - cut] {
                    reader.append_to(len, &mut copied);
                    singly.take(len, |mark| pushed.push(mark));
                }
                assert_eq!(copied, pushed, "{row:?} cut at {cut}");
            }
        }
    }
}
