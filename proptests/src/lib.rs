//! What proves Variorum: generated cases and every small case; `tests/` holds the proofs themselves.

pub mod cases;
pub mod exhaustive;
pub mod plain;
mod source;

pub use source::{Source, TestCaseResult, check_random};
