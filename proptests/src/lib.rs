//! What proves Variorum: generated cases, golden vectors, servers and writers under test, a simulated world; `tests/` holds the proofs.

pub mod cases;
pub mod conformance;
pub mod exhaustive;
pub mod faulty;
pub mod fold;
pub mod golden;
pub mod hostile;
pub mod live;
pub mod model;
pub mod mutants;
pub mod page;
pub mod plain;
pub mod process;
pub mod schema;
pub mod scribe;
mod source;
pub mod trace;
pub mod twins;
pub mod versions;
pub mod world;
pub mod writers;

pub use source::{Source, TestCaseResult, check_random};
