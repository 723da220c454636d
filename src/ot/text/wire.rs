//! The op as JSON: `[5, "abc", -3, 2]`. Parsing checks and caps every length before anything else sees the op.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeSeq, Serializer};
use serde_json::value::RawValue;

use super::{Part, Sort, TextOp, TextOpBuilder};
use crate::ot::LENGTH_MAX;

/// Why a list is not an op. `part` counts from 0.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpError {
    /// A part that is neither a whole number nor a string.
    #[error("part {part} of the op is {found}; expected a whole number other than zero, or a string")]
    NotAPart {
        /// Its place in the list.
        part: usize,
        /// What was found there, in words.
        found: String,
    },
    /// A zero or an empty string.
    #[error("part {part} of the op is empty; a part keeps, inserts or deletes something")]
    Empty {
        /// Its place in the list.
        part: usize,
    },
    /// Two neighbours of one sort.
    #[error("parts {} and {part} of the op are of one sort; neighbours of one sort are written as one", part - 1)]
    Unmerged {
        /// The place of the second.
        part: usize,
    },
    /// Lengths that add up to more than a document can have.
    #[error("the op's lengths add up past {LENGTH_MAX} at part {part}")]
    TooLong {
        /// The part at which they do.
        part: usize,
    },
    /// Not the JSON text of a list; half of a surrogate pair is no text.
    #[error("the op is not a list: {reason}")]
    NotAList {
        /// What the JSON parser said.
        reason: String,
    },
}

impl TextOp {
    /// Parses an op from its JSON text. The answer to any input is an op with checked lengths or a reason; work and memory
    /// are linear in the input's length.
    pub fn from_json(json: &str) -> Result<Self, OpError> {
        let mut failure = None;
        let mut parser = serde_json::Deserializer::from_str(json);
        let parsed = parser.deserialize_seq(Parts { failure: &mut failure }).and_then(|op| parser.end().map(|()| op));
        parsed.map_err(|error| failure.unwrap_or_else(|| unread(json, &error)))
    }

    /// The op's JSON text.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("numbers and strings are always JSON")
    }
}

/// Why the JSON parser gave up before any part could be blamed: at a number that even a float cannot hold, which is a part
/// like any other wrong number, or because the text is no list.
fn unread(json: &str, error: &serde_json::Error) -> OpError {
    let parts: Vec<&RawValue> = serde_json::from_str(json).unwrap_or_default();
    let number = |part: &str| part.starts_with(|c: char| c == '-' || c.is_ascii_digit());
    match parts.iter().position(|part| number(part.get()) && serde_json::from_str::<f64>(part.get()).is_err()) {
        Some(part) => OpError::NotAPart { part, found: "a number out of all range".to_owned() },
        None => OpError::NotAList { reason: error.to_string() },
    }
}

impl Serialize for TextOp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.parts_len()))?;
        for part in self.parts() {
            match part {
                Part::Keep(len) => list.serialize_element(&len)?,
                // Lengths stay below 2^53, so the sign always has room.
                Part::Delete(len) => list.serialize_element(&-(len as i64))?,
                Part::Insert(text) => list.serialize_element(text)?,
            }
        }
        list.end()
    }
}

impl<'de> serde::Deserialize<'de> for TextOp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut failure = None;
        let parsed = deserializer.deserialize_seq(Parts { failure: &mut failure });
        // serde's errors carry a sentence only; ours is the better one where there is one.
        parsed.map_err(|error| failure.map_or(error, D::Error::custom))
    }
}

/// Reads the list, part by part. serde's errors carry text only, so the typed reason is left in `failure`.
struct Parts<'f> {
    failure: &'f mut Option<OpError>,
}

impl<'de> Visitor<'de> for Parts<'_> {
    type Value = TextOp;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a list of whole numbers and strings")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<TextOp, A::Error> {
        let mut op = TextOpBuilder::default();
        let mut part = 0;
        while list.next_element_seed(PartOf { op: &mut op, part, failure: self.failure })?.is_some() {
            part += 1;
        }
        Ok(op.finish())
    }
}

/// Reads one part into the op under construction.
struct PartOf<'f> {
    op: &'f mut TextOpBuilder,
    part: usize,
    failure: &'f mut Option<OpError>,
}

impl PartOf<'_> {
    fn fail<E: Error>(self, reason: OpError) -> Result<(), E> {
        *self.failure = Some(reason);
        Err(E::custom("not a text op"))
    }

    fn not_a_part<E: Error>(self, found: &str) -> Result<(), E> {
        let part = self.part;
        self.fail(OpError::NotAPart { part, found: found.to_owned() })
    }

    /// Adds a part whose length is `len` after every check that the format asks for.
    fn add<E: Error>(self, sort: Sort, len: u64, text: &str) -> Result<(), E> {
        let part = self.part;
        if len == 0 {
            return self.fail(OpError::Empty { part });
        }
        if self.op.last_sort() == Some(sort) {
            return self.fail(OpError::Unmerged { part });
        }
        if !self.op.has_room(sort, len) {
            return self.fail(OpError::TooLong { part });
        }
        match sort {
            Sort::Keep => self.op.keep(len),
            Sort::Delete => self.op.delete(len),
            Sort::Insert => self.op.insert_counted(text, len),
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for PartOf<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for PartOf<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a whole number other than zero, or a string")
    }

    fn visit_u64<E: Error>(self, len: u64) -> Result<(), E> {
        self.add(Sort::Keep, len, "")
    }

    fn visit_i64<E: Error>(self, len: i64) -> Result<(), E> {
        let sort = if len < 0 { Sort::Delete } else { Sort::Keep };
        self.add(sort, len.unsigned_abs(), "")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.add(Sort::Insert, super::count(text), text)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        self.not_a_part("a number with a point, an exponent, a minus before zero or too many digits")
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        self.not_a_part("true or false")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.not_a_part("null")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<(), A::Error> {
        self.not_a_part("a list")
    }

    fn visit_map<A: serde::de::MapAccess<'de>>(self, _: A) -> Result<(), A::Error> {
        self.not_a_part("an object")
    }
}
