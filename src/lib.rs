//! Variorum: a document server for people who write together. `docs/architecture.md` is the way in.

pub mod archive;
pub mod bench;
pub mod cli;
pub mod client;
pub mod config;
pub mod document;
pub mod files;
pub mod hub;
pub mod limits;
pub mod logs;
pub mod metrics;
pub mod ot;
pub mod past;
pub mod protocol;
pub mod replay;
pub mod server;
pub mod shutdown;
pub mod store;
pub mod token;
pub mod upkeep;
