//! Proofs.

pub mod scribe;
