//! The algebra and what stands on it without a server: its laws, an independent oracle, golden vectors, the document, and
//! every interleaving of a small world.

mod document;
mod golden;
mod laws;
mod model;
mod oracle;
