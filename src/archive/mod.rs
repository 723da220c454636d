//! A document with all its history as a file of lines: `variorum export` writes it, `variorum import` reads it.
//!
//! ```text
//! {"type": "document", "format": 1, ...}   what the document is, with the key of its chain
//! {"type": "revision", ...}                each revision, from the first
//! {"type": "label", ...}                   each label
//! {"type": "end", "lines": n}              how many lines came before
//! ```
//!
//! A reader refuses a format or a line that it does not know: what it passed over would be lost.

mod export;
mod import;
mod line;

pub use export::{ExportError, export};
pub use import::{ImportError, Imported, import};

/// The format that is written and read.
pub const FORMAT: u64 = 1;
