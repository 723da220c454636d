//! Conversion from and to the `operational-transform` crate's op, for programs that hold those.
//!
//! That crate writes an insert before a delete beside it, always. Ops that keep a delete before an insert cannot be
//! written in it, and converting one is an error rather than a silent change of meaning.

use operational_transform::{Operation, OperationSeq};

use super::{Part, Sort, TextOp, TextOpBuilder};
use crate::ot::LENGTH_MAX;

/// Why an op has no counterpart on the other side of the conversion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ConversionError {
    /// A delete directly before an insert, which `OperationSeq` would reorder.
    #[error("part {part} deletes directly before an insert, an order that OperationSeq cannot hold")]
    DeleteBeforeInsert {
        /// The place of the delete, from 0.
        part: usize,
    },
    /// Lengths past [`LENGTH_MAX`], which `OperationSeq` does not check.
    #[error("the operation's lengths add up past {LENGTH_MAX}")]
    TooLong,
}

impl TryFrom<&TextOp> for OperationSeq {
    type Error = ConversionError;

    fn try_from(op: &TextOp) -> Result<Self, ConversionError> {
        let mut seq = OperationSeq::default();
        let mut after_delete = false;
        for (place, part) in op.parts().enumerate() {
            match part {
                Part::Keep(len) => seq.retain(len),
                Part::Delete(len) => seq.delete(len),
                Part::Insert(_) if after_delete => return Err(ConversionError::DeleteBeforeInsert { part: place - 1 }),
                Part::Insert(text) => seq.insert(text),
            }
            after_delete = matches!(part, Part::Delete(_));
        }
        Ok(seq)
    }
}

impl TryFrom<&OperationSeq> for TextOp {
    type Error = ConversionError;

    fn try_from(seq: &OperationSeq) -> Result<Self, ConversionError> {
        let mut op = TextOpBuilder::default();
        for operation in seq.ops() {
            let (sort, len) = match operation {
                Operation::Retain(len) => (Sort::Keep, *len),
                Operation::Delete(len) => (Sort::Delete, *len),
                Operation::Insert(text) => (Sort::Insert, super::count(text)),
            };
            if !op.has_room(sort, len) {
                return Err(ConversionError::TooLong);
            }
            match operation {
                Operation::Retain(len) => op.keep(*len),
                Operation::Delete(len) => op.delete(*len),
                Operation::Insert(text) => op.insert(text),
            }
        }
        Ok(op.finish())
    }
}
