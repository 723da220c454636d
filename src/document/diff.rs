//! What differs between two versions, run by run.

use super::{Credit, Mark, Trail};
use crate::ot::{Content, Part, Span, split_at};

/// What became of a run of characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It is in both versions.
    Kept,
    /// It is in the later one only.
    Added,
    /// It is in the earlier one only.
    Removed,
}

impl Change {
    /// What it is the other way round.
    pub fn inverse(self) -> Change {
        match self {
            Change::Kept => Change::Kept,
            Change::Added => Change::Removed,
            Change::Removed => Change::Added,
        }
    }
}

/// Characters side by side that had the same fate, by the same revisions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// What became of them.
    pub change: Change,
    /// How many.
    pub len: u64,
    /// The characters; of kept ones only if they are wanted.
    pub text: Option<String>,
    /// Who added or removed them; none for kept ones.
    pub credit: Option<Credit>,
}

impl Trail {
    /// The marks of all that the op changes, cut where a part of the op ends.
    pub fn cut_marks(&self) -> Vec<Mark> {
        let mut marks = Vec::with_capacity(self.marks.iter().len());
        let mut reader = self.marks.reader();
        for span in self.op.spans() {
            if !matches!(span, Span::Keep(_)) {
                reader.take(span.length(), |mark| marks.push(mark));
            }
        }
        marks
    }

    /// The runs from the version before to the version after it. `base` is the content before it, and `credits` those of
    /// [`Trail::cut_marks`].
    pub fn runs(&self, base: &Content, credits: &[Credit], with_kept: bool) -> Vec<Run> {
        let mut credits = credits.iter();
        let mut runs = Vec::with_capacity(2 * credits.len() + 1);
        let mut at = 0;
        for (part, span) in self.op.parts().zip(self.op.spans()) {
            let len = span.length();
            let change = match span {
                Span::Keep(_) => Change::Kept,
                Span::Insert(_) => Change::Added,
                Span::Delete(_) => Change::Removed,
            };
            if change == Change::Kept {
                let text = with_kept.then(|| base.slice(at, len).collect());
                runs.push(Run { change, len, text, credit: None });
                at += len;
                continue;
            }
            let removed: String;
            let mut text = match part {
                Part::Insert(text) => text,
                _ => {
                    removed = base.slice(at, len).collect();
                    at += len;
                    &removed
                }
            };
            let mut left = len;
            while left > 0 {
                let credit = *credits.next().expect("every mark has its credits");
                let (head, tail) = split_at(text, credit.mark.len);
                runs.push(Run { change, len: credit.mark.len, text: Some(head.to_owned()), credit: Some(credit) });
                text = tail;
                left -= credit.mark.len;
            }
        }
        runs
    }
}
