//! Every bound on what a stranger can make grow, with its reason.

use std::time::Duration;

use crate::document::EditLimits;

/// The bounds of a server.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Longest WebSocket message, in bytes. Room for a document's worth of pasted text with every character escaped; a
    /// longer one ends the connection with 4413.
    pub frame_bytes: usize,
    /// Longest HTTP body, in bytes: as a frame.
    pub body_bytes: usize,
    /// Most bytes of UTF-8 that one op may insert: more than anyone pastes, little enough to hold in memory many times.
    pub op_bytes: usize,
    /// Most parts of one op: a replacement in every line of a long document. One op is moved and applied in one go, and this
    /// keeps that within a few milliseconds.
    pub op_parts: usize,
    /// Longest document, in scalar values: beyond it joining takes longer than people wait.
    pub document_length: u64,
    /// Most documents open on one connection: each costs some hundred bytes while it is.
    pub documents_per_connection: usize,
    /// Largest presence state, in bytes of JSON: it is sent to everyone on every move.
    pub presence_bytes: usize,
    /// Longest token, in bytes: room for a hundred prefixes; its grants are kept while its connection lasts.
    pub token_bytes: usize,
    /// Longest `sub` of a token, in scalar values: it is stored with every revision.
    pub user_length: usize,
    /// Longest name, in scalar values: it is stored with every revision.
    pub name_length: usize,
    /// Edits per second and connection beyond which reading is slowed: far above what hands and programs that type do.
    pub edits_per_second: u32,
    /// Edits of one client to one document that wait for their answer before reading pauses.
    pub edits_outstanding: usize,
    /// Bytes of request headers.
    pub header_bytes: usize,
    /// Time for a request's headers to arrive.
    pub header_time: Duration,
    /// Time for a request's body to arrive.
    pub body_time: Duration,
    /// Time for `hello` to arrive after the upgrade.
    pub hello_time: Duration,
    /// Silence after which a ping is sent: below the 60 s after which many proxies drop a silent connection.
    pub ping_after: Duration,
    /// Silence after which a connection is gone.
    pub idle: Duration,
    /// Time in which a write must make progress.
    pub write_time: Duration,
    /// Bytes handed to a socket before it must have taken them: what a reader that stops costs.
    pub write_ahead_bytes: usize,
    /// Time that a closing handshake is waited for.
    pub close_time: Duration,
    /// How long a document that nobody has open stays in memory.
    pub document_idle: Duration,
    /// Most revisions of one answer over HTTP.
    pub revisions_per_page: u64,
    /// Most documents of one answer over HTTP: each costs a look at the end of its log.
    pub documents_per_page: u64,
    /// Most stretches of a page of history: each may be found in another part of the log.
    pub stretches_per_page: u64,
    /// Most runs of a diff, and of a page of blame: some ten megabytes of JSON.
    pub runs_per_page: usize,
    /// Longest text to search the history for, in scalar values.
    pub search_length: usize,
    /// Most places in one answer of a search.
    pub search_found: u64,
    /// Most revisions that one search goes over: a second or two of one core.
    pub search_revisions: u64,
}

/// Longest `Idempotency-Key`, in characters: any random id or hash fits. It is kept as a hash, so length costs nothing; the
/// bound tells a key from something sent by mistake.
pub const IDEMPOTENCY_KEY_LENGTH: usize = 255;

impl Default for Limits {
    fn default() -> Self {
        Limits {
            frame_bytes: 8 << 20,
            body_bytes: 8 << 20,
            op_bytes: 4 << 20,
            op_parts: 10_000,
            document_length: 10_000_000,
            documents_per_connection: 1_000,
            presence_bytes: 2_048,
            token_bytes: 8 << 10,
            user_length: 200,
            name_length: 100,
            edits_per_second: 10_000,
            edits_outstanding: 64,
            header_bytes: 32 << 10,
            header_time: Duration::from_secs(5),
            body_time: Duration::from_secs(10),
            hello_time: Duration::from_secs(10),
            ping_after: Duration::from_secs(54),
            idle: Duration::from_secs(60),
            write_time: Duration::from_secs(10),
            write_ahead_bytes: 16 << 10,
            close_time: Duration::from_millis(500),
            document_idle: Duration::from_secs(30),
            revisions_per_page: 5_000,
            documents_per_page: 1_000,
            stretches_per_page: 500,
            runs_per_page: 100_000,
            search_length: 200,
            search_found: 500,
            search_revisions: 500_000,
        }
    }
}

impl Limits {
    /// The bounds of one edit.
    pub fn edit(&self) -> EditLimits {
        EditLimits { op_bytes: self.op_bytes, op_parts: self.op_parts, document_length: self.document_length }
    }
}
