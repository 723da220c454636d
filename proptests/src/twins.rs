//! The same questions to this algebra and to one in another language, as lines of JSON: the twin must give the same answers.
//!
//! `ask` makes up questions and answers them, for the twin to compare; `answer` answers the twin's.

use std::io::{self, BufRead, Write};

use serde::{Deserialize, Serialize};
use variorum::ot::{Content, LengthMismatch, Op, Side, TextOp};

use crate::{Source, cases, plain};

/// One text, two concurrent ops on it, one that follows the second, and a place in the text.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    doc: String,
    x: TextOp,
    a: TextOp,
    b: TextOp,
    place: u64,
}

/// Everything that the algebra says about it.
#[derive(Debug, Serialize)]
pub struct Answer {
    /// The text after `a`, and after `a` and `b`.
    after_a: String,
    after_b: String,
    /// `x` past `a`, and `a` past `x`.
    moved: TextOp,
    history: TextOp,
    /// `a` and `b` as one op of the history, and of unsent typing.
    composed: TextOp,
    typing: TextOp,
    /// What takes `a` back.
    inverse: TextOp,
    /// Where `a` moves the place, as one that stays before what is inserted there and as one that goes behind it.
    before: u64,
    after: u64,
}

/// A question with its answer.
#[derive(Debug, Serialize)]
struct Asked {
    question: Question,
    answer: Answer,
}

impl Question {
    fn random(source: &mut Source) -> Self {
        let (doc, [a, b], x) = cases::two_beside_one(source);
        let place = source.below(plain::len(&doc) + 2);
        Question { doc, x, a, b, place }
    }

    fn answer(&self) -> Result<Answer, LengthMismatch> {
        let Question { doc, x, a, b, place } = self;
        let mut content = Content::from(doc.as_str());
        let inverse = a.invert(&content)?;
        a.apply(&mut content)?;
        let after_a = content.to_string();
        b.apply(&mut content)?;
        let (moved, history) = TextOp::transform(x, a)?;
        Ok(Answer {
            after_a,
            after_b: content.to_string(),
            moved,
            history,
            composed: a.compose(b)?,
            typing: a.compose_typing(b)?,
            inverse,
            before: a.move_position(*place, Side::Before),
            after: a.move_position(*place, Side::After),
        })
    }
}

/// Writes `count` random questions with their answers, a line each; the same for the same seed.
pub fn ask(seed: u64, count: u64, out: &mut impl Write) -> io::Result<()> {
    let mut source = Source::seeded(seed);
    for _ in 0..count {
        let question = Question::random(&mut source);
        let answer = question.answer().map_err(io::Error::other)?;
        write(out, &Asked { question, answer })?;
    }
    out.flush()
}

/// Answers the questions in `lines`, a line each.
pub fn answer(lines: impl BufRead, out: &mut impl Write) -> io::Result<()> {
    for line in lines.lines() {
        let question: Question = serde_json::from_str(&line?)?;
        write(out, &question.answer().map_err(io::Error::other)?)?;
    }
    out.flush()
}

fn write(out: &mut impl Write, line: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, line)?;
    out.write_all(b"\n")
}
