//! What proves Variorum: what the suites share.

pub mod live;
pub mod scribe;
