//! What proves Variorum: generated cases, every small case, and golden vectors; `tests/` holds the proofs themselves.

pub mod cases;
pub mod exhaustive;
pub mod golden;
pub mod plain;
mod source;

pub use source::{Source, TestCaseResult, check_random};
