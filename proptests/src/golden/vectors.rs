//! The shapes of the vectors, and what it means that one holds.

use serde::{Deserialize, Serialize};
use variorum::ot::{Content, LengthMismatch, Op, Side, TextOp};
use variorum::protocol::{ClientMessage, Code};

use crate::plain;

/// One case of a file.
pub trait Vector {
    /// Runs it against the algebra; an error says what differs.
    fn run(&self) -> Result<(), String>;
}

/// `op` makes `result` of `doc`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Apply {
    pub doc: String,
    pub op: TextOp,
    pub result: String,
}

impl Vector for Apply {
    fn run(&self) -> Result<(), String> {
        same("by the rope", &plain::apply_to_content(&self.op, &self.doc), &self.result)?;
        same("plainly", &plain::apply(&self.op, &self.doc), &self.result)
    }
}

/// `incoming` and `history`, concurrent on `doc`, each moved past the other; both ways lead to `result`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Transform {
    pub doc: String,
    pub incoming: TextOp,
    pub history: TextOp,
    pub incoming_moved: TextOp,
    pub history_moved: TextOp,
    pub result: String,
}

impl Vector for Transform {
    fn run(&self) -> Result<(), String> {
        let moved = (self.incoming_moved.clone(), self.history_moved.clone());
        same("moved", &ok(TextOp::transform(&self.incoming, &self.history))?, &moved)?;
        same("the incoming side alone", &ok(self.incoming.transform_incoming(&self.history))?, &moved.0)?;
        same("the history side alone", &ok(self.history.transform_history(&self.incoming))?, &moved.1)?;
        for (first, then) in [(&self.history, &self.incoming_moved), (&self.incoming, &self.history_moved)] {
            same("result", &plain::apply(then, &plain::apply(first, &self.doc)), &self.result)?;
        }
        Ok(())
    }
}

/// As [`Transform`], on a document too long to write down.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TransformLarge {
    pub incoming: TextOp,
    pub history: TextOp,
    pub incoming_moved: TextOp,
    pub history_moved: TextOp,
}

impl Vector for TransformLarge {
    fn run(&self) -> Result<(), String> {
        let moved = (self.incoming_moved.clone(), self.history_moved.clone());
        same("moved", &ok(TextOp::transform(&self.incoming, &self.history))?, &moved)
    }
}

/// `first` and then `second`, as one op of the history and as one op of unsent typing.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Compose {
    pub first: TextOp,
    pub second: TextOp,
    pub composed: TextOp,
    pub typing_composed: TextOp,
}

impl Vector for Compose {
    fn run(&self) -> Result<(), String> {
        same("composed", &ok(self.first.compose(&self.second))?, &self.composed)?;
        same("composed typing", &ok(self.first.compose_typing(&self.second))?, &self.typing_composed)
    }
}

/// `inverse` takes back what `op` made of `doc`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Invert {
    pub doc: String,
    pub op: TextOp,
    pub inverse: TextOp,
}

impl Vector for Invert {
    fn run(&self) -> Result<(), String> {
        same("inverse", &ok(self.op.invert(&Content::from(self.doc.as_str())))?, &self.inverse)?;
        same("undone", &plain::apply(&self.inverse, &plain::apply(&self.op, &self.doc)), &self.doc)
    }
}

/// Where `op` moves a position.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cursor {
    pub op: TextOp,
    pub position: u64,
    #[serde(with = "SideName")]
    pub side: Side,
    pub moved: u64,
}

impl Vector for Cursor {
    fn run(&self) -> Result<(), String> {
        same("moved", &self.op.move_position(self.position, self.side), &self.moved)
    }
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Side", rename_all = "lowercase")]
enum SideName {
    Before,
    After,
}

/// Ops that do not fit: the lengths that disagree.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mismatch {
    /// Which function refuses.
    pub of: Function,
    /// What it is applied to or inverted on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub doc: Option<String>,
    /// The op; for transform incoming and history, for compose first and second.
    pub ops: Vec<TextOp>,
    /// The length that the op covers: the incoming one, or the second.
    pub op: u64,
    /// The length it meets.
    pub found: u64,
}

/// What can refuse ops for their lengths.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Function {
    Apply,
    Invert,
    Transform,
    Compose,
}

impl Vector for Mismatch {
    fn run(&self) -> Result<(), String> {
        let content = || Content::from(self.doc.as_deref().unwrap_or_default());
        let answers = match (self.of, self.ops.as_slice()) {
            (Function::Apply, [op]) => vec![op.apply(&mut content()).err()],
            (Function::Invert, [op]) => vec![op.invert(&content()).err()],
            (Function::Transform, [incoming, history]) => vec![
                TextOp::transform(incoming, history).err(),
                incoming.transform_incoming(history).err(),
                history.transform_history(incoming).err(),
            ],
            (Function::Compose, [first, second]) => {
                vec![first.compose(second).err(), first.compose_typing(second).err()]
            }
            (of, ops) => return Err(format!("{of:?} does not take {} ops", ops.len())),
        };
        let expected = Some(LengthMismatch { op: self.op, found: self.found });
        answers.iter().try_for_each(|answer| same("refusal", answer, &expected))
    }
}

/// What the server says to an edit whose op is the JSON text `json`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parse {
    pub json: String,
    pub accepted: bool,
    /// `bad_op` or `bad_message`, where it is not accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The op, where it is accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub op: Option<TextOp>,
    /// The fault is in how a number is written: it is gone once the text was read into floating point numbers.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub spelling: bool,
}

impl Vector for Parse {
    fn run(&self) -> Result<(), String> {
        let frame = format!(r#"{{"type":"edit","doc":"d","version":0,"seq":1,"op":{}}}"#, self.json);
        let (op, code) = match ClientMessage::parse(&frame) {
            Ok(ClientMessage::Edit(edit)) => match edit.op {
                Ok(op) => (Some(op), None),
                Err(_) => (None, Some("bad_op")),
            },
            Ok(other) => return Err(format!("an edit was read as {other:?}")),
            Err(malformed) if malformed.code == Code::BadMessage => (None, Some("bad_message")),
            Err(malformed) => return Err(format!("{:?} for {}", malformed.code, self.json)),
        };
        same(&self.json, &(op.is_some(), op.as_ref(), code), &(self.accepted, self.op.as_ref(), self.code.as_deref()))?;
        // The parser alone takes and refuses the same texts.
        same(&self.json, &TextOp::from_json(&self.json).ok().as_ref(), &self.op.as_ref())
    }
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, is: &T, expected: &T) -> Result<(), String> {
    if is == expected { Ok(()) } else { Err(format!("{what}: is {is:?}, expected {expected:?}")) }
}

fn ok<T>(result: Result<T, LengthMismatch>) -> Result<T, String> {
    result.map_err(|mismatch| mismatch.to_string())
}
