//! A document with all its history as a file of lines: `variorum export` writes it, `variorum import` reads it.
//!
//! ```text
//! {"type": "document", "format": 1, ...}   what the document is, with the key of its chain
//! {"type": "step", ...}                    what is left of pruned revisions; then, of the same,
//! {"type": "ledger", ...}                  who made them, and
//! {"type": "client", ...}                  what was last taken from each client
//! {"type": "revision", ...}                each revision, from the first that was not pruned
//! {"type": "label", ...}                   each label
//! {"type": "end", "lines": n}              how many lines came before
//! ```
//!
//! A reader refuses a format or a line that it does not know: what it passed over would be lost.

mod export;
mod import;
mod line;
mod pruned;

pub use export::{ExportError, export};
pub use import::{ImportError, Imported, import};

/// The format of a document that was not pruned.
pub const FORMAT: u64 = 1;
/// The format of one that was.
pub const FORMAT_PRUNED: u64 = 2;
