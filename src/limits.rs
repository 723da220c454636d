//! Every bound on what a stranger can make grow, with its reason: one table, from which the settings, `variorum limits` and
//! the counters take their names.

use std::time::Duration;

use crate::document::EditLimits;

macro_rules! limits {
    ($($(#[doc = $doc:literal])+ $name:ident: $type:ty = $default:expr, $unit:literal;)+) => {
        /// The bounds of a server.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct Limits { $($(#[doc = $doc])+ pub $name: $type,)+ }

        /// The name of each, to be counted by.
        #[allow(non_upper_case_globals, reason = "each is named as the field it stands for")]
        pub mod named { $($(#[doc = $doc])+ pub const $name: &str = stringify!($name);)+ }

        impl Default for Limits {
            fn default() -> Self {
                Limits { $($name: $default,)+ }
            }
        }

        impl Limits {
            /// Each as people are shown it.
            pub fn rows(&self) -> Vec<Row> {
                vec![$(Row {
                    name: stringify!($name),
                    value: self.$name.show(),
                    unit: $unit,
                    reason: concat!($($doc),+).trim(),
                },)+]
            }

            /// Sets one by its name.
            pub fn set(&mut self, name: &str, text: &str) -> Result<(), BadLimit> {
                match name {
                    $(stringify!($name) => {
                        let wrong = || BadLimit::Value { name: stringify!($name), text: text.to_owned(), expected: <$type>::EXPECTED };
                        self.$name = <$type>::read(text).ok_or_else(wrong)?;
                    })+
                    other => return Err(BadLimit::Name(other.to_owned())),
                }
                Ok(())
            }
        }
    };
}

limits! {
    /// TCP connections that are open, of everyone together. An idle one takes some 6.4 KiB, so that all of them leave a small
    /// machine its memory. It is lowered at start to what the limit on open files leaves room for.
    connections: usize = 50_000, "connections";
    /// TCP connections that are open from one address (of IPv6, from one /64): a large office behind one address fits in, and
    /// nobody takes all places alone. Behind a proxy that is trusted, the address is that of whoever it speaks for.
    connections_per_address: usize = 10_000, "connections";
    /// Documents in memory. Each takes some kilobytes and its text; those that nobody has open leave after `document_idle`.
    open_documents: usize = 100_000, "documents";
    /// Documents open on one connection: each costs some hundred bytes while it is.
    documents_per_connection: usize = 1_000, "documents";
    /// HTTP requests of one address in a second, this machine's own aside: a large office of people and some programs. Beyond it
    /// they are answered with `rate_limited`.
    requests_per_second: u32 = 1_000, "requests";
    /// Documents that one address makes in a minute, branches among them, this machine's own aside: each stays on disk until it
    /// is deleted.
    documents_made_per_minute: usize = 600, "documents";
    /// One WebSocket message. Room for a document's worth of pasted text with every character escaped; a longer one ends the
    /// connection with 4413.
    frame_bytes: usize = 8 << 20, "bytes";
    /// All that a connection may send before its `hello` was read, and so before it is known whose it is: a token and a name
    /// several times over.
    hello_bytes: usize = 32 << 10, "bytes";
    /// One HTTP body: as a frame. It is read only once its sender may do what is asked for.
    body_bytes: usize = 8 << 20, "bytes";
    /// What has come of messages and bodies that are not at their end yet, of everyone together and beyond the first 16 KiB of
    /// each: dozens of the largest at a time, and little of a small machine's memory. Whoever comes with more may come again.
    unfinished_bytes: usize = 256 << 20, "bytes";
    /// UTF-8 that one op may insert: more than anyone pastes, little enough to hold in memory many times.
    op_bytes: usize = 4 << 20, "bytes";
    /// Parts of one op: a replacement in every line of a long document. One op is moved and applied in one go, and this keeps
    /// that within a few milliseconds.
    op_parts: usize = 10_000, "parts";
    /// One document: beyond it joining takes longer than people wait.
    document_length: u64 = 10_000_000, "characters";
    /// One presence state, as JSON: it is sent to everyone on every move.
    presence_bytes: usize = 2_048, "bytes";
    /// One token: room for a hundred prefixes; its grants are kept while its connection lasts.
    token_bytes: usize = 8 << 10, "bytes";
    /// The `sub` of a token: it is stored with every revision.
    user_length: usize = 200, "characters";
    /// A name: it is stored with every revision.
    name_length: usize = 100, "characters";
    /// Edits of one connection in a second, beyond which it is read more slowly: far above what hands and programs that type
    /// do.
    edits_per_second: u32 = 10_000, "edits";
    /// What is read of one connection in a second, before it is read more slowly: a whole frame. What comes faster is held
    /// back by TCP, at its sender.
    bytes_per_second: usize = 8 << 20, "bytes";
    /// Presence states of one connection in a second, beyond which it is read more slowly: more than a screen shows, and five
    /// times what others are told.
    presence_per_second: u32 = 100, "states";
    /// Checks of one connection in a second, beyond which it is read more slowly: each may sum up a whole document.
    checks_per_second: u32 = 10, "checks";
    /// Pings and pongs of one connection in a second, beyond which it is read more slowly: each ping is answered.
    controls_per_second: u32 = 100, "frames";
    /// Edits of one client to one document that wait for their answer before reading pauses.
    edits_outstanding: usize = 64, "edits";
    /// A request's headers.
    header_bytes: usize = 32 << 10, "bytes";
    /// For a request's headers to arrive.
    header_time: Duration = Duration::from_secs(5), "time";
    /// For a request's body to arrive, as for the next.
    body_time: Duration = Duration::from_secs(9), "time";
    /// For `hello` to arrive after the upgrade. The protocol speaks of 10 s; the last of them is for the farewell, so that
    /// who says nothing is gone by then.
    hello_time: Duration = Duration::from_secs(9), "time";
    /// Silence after which a ping is sent: below the 60 s after which many proxies drop a silent connection.
    ping_after: Duration = Duration::from_secs(54), "time";
    /// Silence after which a connection is gone.
    idle: Duration = Duration::from_secs(60), "time";
    /// In which a write must make progress, on a socket and of an answer over HTTP; a reader that takes nothing for so long is
    /// cut off, and catches up when it returns.
    write_time: Duration = Duration::from_secs(10), "time";
    /// Handed to a socket before it must have taken them: what a reader that stops costs.
    write_ahead_bytes: usize = 16 << 10, "bytes";
    /// For which a closing handshake is waited.
    close_time: Duration = Duration::from_millis(500), "time";
    /// For which a document that nobody has open stays in memory.
    document_idle: Duration = Duration::from_secs(30), "time";
    /// Revisions of one answer over HTTP: what is made in memory before it is sent.
    revisions_per_page: u64 = 5_000, "revisions";
    /// Bytes that the ops of those revisions take in memory, beyond which the answer ends early and says that there is more:
    /// 5,000 revisions of 4 MiB would be 20 GB.
    revisions_bytes_per_page: usize = 16 << 20, "bytes";
    /// Documents of one answer over HTTP: each costs a look at the end of its log.
    documents_per_page: u64 = 1_000, "documents";
    /// Stretches of a page of history: each may be found in another part of the log.
    stretches_per_page: u64 = 500, "stretches";
    /// Runs of a diff, and of a page of blame: some ten megabytes of JSON.
    runs_per_page: usize = 100_000, "runs";
    /// A text to search the history for.
    search_length: usize = 200, "characters";
    /// Places in one answer of a search.
    search_found: u64 = 500, "places";
    /// For which a search waits for others, of which two go on at a time, before it is answered with `rate_limited`.
    search_wait: Duration = Duration::from_secs(10), "time";
    /// Revisions that one search goes over: a second or two of one core.
    search_revisions: u64 = 500_000, "revisions";
}

/// Longest `Idempotency-Key`, in characters: any random id or hash fits. It is kept as a hash, so length costs nothing; the
/// bound tells a key from something sent by mistake.
pub const IDEMPOTENCY_KEY_LENGTH: usize = 255;

/// A limit as people are shown it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its name: in settings, in counters.
    pub name: &'static str,
    /// What it is set to.
    pub value: String,
    /// What it counts.
    pub unit: &'static str,
    /// What it bounds, and why so much.
    pub reason: &'static str,
}

impl Row {
    /// The environment variable that sets it.
    pub fn variable(&self) -> String {
        format!("VARIORUM_LIMIT_{}", self.name.to_uppercase())
    }
}

/// Why a limit cannot be set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadLimit {
    /// There is none of this name.
    #[error("there is no limit {0:?}; `variorum limits` shows all")]
    Name(String),
    /// It cannot be set to this.
    #[error("the limit {name} cannot be {text:?}; expected {expected}")]
    Value {
        /// Which.
        name: &'static str,
        /// What was given.
        text: String,
        /// What could be.
        expected: &'static str,
    },
    /// Not `NAME=VALUE`.
    #[error("{0:?} sets no limit; expected NAME=VALUE, as in documents_per_connection=100")]
    Form(String),
}

/// What a limit may be: read from a setting, and shown.
trait Bound: Sized {
    const EXPECTED: &'static str;
    fn read(text: &str) -> Option<Self>;
    fn show(&self) -> String;
}

macro_rules! number_bounds {
    ($($number:ty),+) => {$(
        impl Bound for $number {
            const EXPECTED: &'static str = "a whole number, for bytes perhaps with KiB or MiB";

            fn read(text: &str) -> Option<Self> {
                let (digits, shift) = match (text.strip_suffix("KiB"), text.strip_suffix("MiB")) {
                    (Some(digits), _) => (digits, 10),
                    (_, Some(digits)) => (digits, 20),
                    _ => (text, 0),
                };
                digits.trim().parse::<$number>().ok()?.checked_mul(1 << shift)
            }

            fn show(&self) -> String {
                self.to_string()
            }
        }
    )+};
}

number_bounds!(u32, u64, usize);

impl Bound for Duration {
    const EXPECTED: &'static str = "a time with its unit, as in 500ms, 5s or 2m";

    fn read(text: &str) -> Option<Self> {
        let (digits, unit_ms) = match (text.strip_suffix("ms"), text.strip_suffix('s'), text.strip_suffix('m')) {
            (Some(digits), ..) => (digits, 1),
            (_, Some(digits), _) => (digits, 1_000),
            (.., Some(digits)) => (digits, 60_000),
            _ => return None,
        };
        let ms = digits.trim().parse::<u32>().ok()?;
        Some(Duration::from_millis(u64::from(ms) * unit_ms))
    }

    fn show(&self) -> String {
        let ms = self.as_millis();
        if ms.is_multiple_of(1_000) { format!("{}s", ms / 1_000) } else { format!("{ms}ms") }
    }
}

impl Limits {
    /// Sets one as it is written on the command line: `NAME=VALUE`.
    pub fn set_pair(&mut self, pair: &str) -> Result<(), BadLimit> {
        let (name, text) = pair.split_once('=').ok_or_else(|| BadLimit::Form(pair.to_owned()))?;
        self.set(name.trim(), text.trim())
    }

    /// The bounds of one edit.
    pub fn edit(&self) -> EditLimits {
        EditLimits { op_bytes: self.op_bytes, op_parts: self.op_parts, document_length: self.document_length }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_limit_is_set_by_what_it_is_shown_as() {
        let mut limits = Limits::default();
        for row in Limits::default().rows() {
            assert!(row.reason.ends_with('.') && !row.reason.contains("  "), "{}: {}", row.name, row.reason);
            limits.set(row.name, &row.value).unwrap();
        }
        assert_eq!(limits, Limits::default());
    }

    #[test]
    fn what_is_set_is_read_with_its_unit_or_not_at_all() {
        let mut limits = Limits::default();
        limits.set_pair("frame_bytes=1MiB").unwrap();
        limits.set_pair("header_time = 250ms").unwrap();
        limits.set_pair("idle=2m").unwrap();
        assert_eq!(
            (limits.frame_bytes, limits.header_time, limits.idle.as_secs()),
            (1 << 20, Duration::from_millis(250), 120)
        );
        for bad in [
            "frame_bytes",
            "frame_byte=1",
            "frame_bytes=",
            "frame_bytes=-1",
            "idle=60",
            "idle=1.5s",
            "idle=5h",
            "op_parts=99999999999999999999",
        ] {
            assert!(limits.set_pair(bad).is_err(), "{bad}");
        }
    }
}
