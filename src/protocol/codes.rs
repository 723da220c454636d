//! Every error code: what it means over HTTP, on a socket, and for a client that wonders whether to try again.

/// Whether the same request may succeed later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// It would fail again.
    No,
    /// With another token it may.
    WithAnotherToken,
    /// After a while it may.
    Later,
}

/// What a code does to the connection it is said on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnSocket {
    /// The connection stays.
    Stays,
    /// The connection ends with this close code.
    Ends(u16),
    /// The document is closed, the connection stays.
    ClosesDocument,
    /// Said over HTTP only.
    Never,
}

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal, $status:literal, $retry:expr, $socket:expr;)+) => {
        /// An error code of the protocol.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Code { $($(#[doc = $doc])+ $variant,)+ }

        impl Code {
            /// Every code.
            pub const ALL: &'static [Code] = &[$(Code::$variant,)+];

            /// Its name on the wire.
            pub fn as_str(self) -> &'static str {
                match self { $(Code::$variant => $name,)+ }
            }

            /// The HTTP status that carries it.
            pub fn status(self) -> u16 {
                match self { $(Code::$variant => $status,)+ }
            }

            /// Whether to try again.
            pub fn retry(self) -> Retry {
                match self { $(Code::$variant => $retry,)+ }
            }

            /// What it does to a socket.
            pub fn on_socket(self) -> OnSocket {
                match self { $(Code::$variant => $socket,)+ }
            }
        }
    };
}

codes! {
    /// A message, or a field of one, that is not what the protocol says.
    BadMessage = "bad_message", 400, Retry::No, OnSocket::Stays;
    /// A document id of the wrong form.
    BadDocumentId = "bad_document_id", 400, Retry::No, OnSocket::Stays;
    /// A list that is no op.
    BadOp = "bad_op", 400, Retry::No, OnSocket::Stays;
    /// A protocol version or subprotocol that this server does not speak.
    UnsupportedProtocol = "unsupported_protocol", 400, Retry::No, OnSocket::Ends(4400);
    /// A token that is missing, forged or expired.
    Unauthorized = "unauthorized", 401, Retry::WithAnotherToken, OnSocket::Ends(4401);
    /// Access that the token does not give.
    Forbidden = "forbidden", 403, Retry::No, OnSocket::Stays;
    /// A write by someone who may only read.
    ReadOnly = "read_only", 403, Retry::No, OnSocket::Stays;
    /// No document has this id.
    UnknownDocument = "unknown_document", 404, Retry::No, OnSocket::Stays;
    /// The document has no label of this name.
    UnknownLabel = "unknown_label", 404, Retry::No, OnSocket::Never;
    /// No such path.
    NotFound = "not_found", 404, Retry::No, OnSocket::Never;
    /// A path that exists, asked with a method it does not have.
    MethodNotAllowed = "method_not_allowed", 405, Retry::No, OnSocket::Never;
    /// An op that covers another length than its document has.
    LengthMismatch = "length_mismatch", 409, Retry::No, OnSocket::Stays;
    /// A version that does not exist yet.
    VersionAhead = "version_ahead", 409, Retry::No, OnSocket::Stays;
    /// An edit below the last one taken from its client.
    SeqOutOfOrder = "seq_out_of_order", 409, Retry::No, OnSocket::Stays;
    /// A document that exists with another kind.
    WrongKind = "wrong_kind", 409, Retry::No, OnSocket::Stays;
    /// A message about a document that is not open on this connection.
    NotOpen = "not_open", 409, Retry::No, OnSocket::Stays;
    /// A label whose name is given to another version.
    LabelExists = "label_exists", 409, Retry::No, OnSocket::Never;
    /// A new document under an id that is another document's.
    DocumentExists = "document_exists", 409, Retry::No, OnSocket::Never;
    /// A merge of a document that does not begin at a version of the one it is merged into.
    NotABranch = "not_a_branch", 409, Retry::No, OnSocket::Never;
    /// A deletion of a document that branches begin at.
    HasBranches = "has_branches", 409, Retry::No, OnSocket::Never;
    /// A version whose history is no longer kept.
    VersionPruned = "version_pruned", 410, Retry::No, OnSocket::Stays;
    /// The document was deleted and made anew since.
    EpochChanged = "epoch_changed", 412, Retry::No, OnSocket::Stays;
    /// The history up to the version is another than the client saw.
    ChainDiffers = "chain_differs", 412, Retry::No, OnSocket::Stays;
    /// More than a limit allows.
    TooLarge = "too_large", 413, Retry::No, OnSocket::Stays;
    /// A kind that this server does not serve.
    UnsupportedKind = "unsupported_kind", 422, Retry::No, OnSocket::Stays;
    /// A conditional request without its condition.
    PreconditionRequired = "precondition_required", 428, Retry::No, OnSocket::Never;
    /// More documents open on this connection than allowed.
    TooManyDocuments = "too_many_documents", 429, Retry::Later, OnSocket::Stays;
    /// More requests than allowed.
    RateLimited = "rate_limited", 429, Retry::Later, OnSocket::Stays;
    /// More connections than allowed.
    TooManyConnections = "too_many_connections", 429, Retry::Later, OnSocket::Ends(4429);
    /// A fault of the server.
    Internal = "internal", 500, Retry::Later, OnSocket::Stays;
    /// The store cannot take or give anything at present.
    StorageUnavailable = "storage_unavailable", 503, Retry::Later, OnSocket::ClosesDocument;
    /// What the store holds of the document is not what was written.
    DocumentDamaged = "document_damaged", 503, Retry::Later, OnSocket::ClosesDocument;
    /// The server is going away.
    ShuttingDown = "shutting_down", 503, Retry::Later, OnSocket::Ends(1012);
    /// The client closed the document.
    Closed = "closed", 200, Retry::No, OnSocket::ClosesDocument;
    /// The document was deleted.
    Deleted = "deleted", 404, Retry::No, OnSocket::ClosesDocument;
    /// The document was replaced by another under its id.
    Replaced = "replaced", 409, Retry::Later, OnSocket::ClosesDocument;
}

/// Close codes of the WebSocket that belong to no error code.
pub mod close {
    /// The connection ended as both sides wished.
    pub const NORMAL: u16 = 1000;
    /// The server restarts.
    pub const RESTART: u16 = 1012;
    /// The first message was not a good one, or the stream of messages cannot be understood.
    pub const BAD_MESSAGE: u16 = 4400;
    /// A token that is missing, forged or expired.
    pub const UNAUTHORIZED: u16 = 4401;
    /// No `hello` in time.
    pub const HELLO_TIMEOUT: u16 = 4408;
    /// The same client connected anew.
    pub const SUPERSEDED: u16 = 4409;
    /// A frame over the limit.
    pub const TOO_LARGE: u16 = 4413;
    /// At hello: this user may not connect so.
    pub const FORBIDDEN: u16 = 4403;
    /// Too many connections.
    pub const TOO_MANY: u16 = 4429;
    /// A fault of the server.
    pub const INTERNAL: u16 = 1011;
}

impl serde::Serialize for Code {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> serde::Deserialize<'de> for Code {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = std::borrow::Cow::<str>::deserialize(deserializer)?;
        let known = Code::ALL.iter().find(|code| code.as_str() == name);
        known.copied().ok_or_else(|| serde::de::Error::custom(format_args!("{name:?} is no code of this protocol")))
    }
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<&crate::document::Refusal> for Code {
    fn from(refusal: &crate::document::Refusal) -> Code {
        use crate::document::Refusal;
        match refusal {
            Refusal::BadOp(_) => Code::BadOp,
            Refusal::LengthMismatch { .. } => Code::LengthMismatch,
            Refusal::VersionAhead { .. } => Code::VersionAhead,
            Refusal::VersionPruned { .. } | Refusal::TakenAndPruned { .. } => Code::VersionPruned,
            Refusal::SeqOutOfOrder { .. } => Code::SeqOutOfOrder,
            Refusal::ReadOnly => Code::ReadOnly,
            Refusal::TooLarge { .. } => Code::TooLarge,
        }
    }
}
