//! What the server says: each message with its JSON.

use compact_str::CompactString;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use super::Code;
use crate::document::{Author, Chain, DocumentId, Revision, Seq, Stretch, Time, User, Version};
use crate::ot::TextOp;

/// A message from the server.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ServerMessage {
    /// The answer to `hello`.
    Welcome {
        /// The protocol version spoken: 1.
        protocol: u64,
        /// The public id of this connection.
        session: CompactString,
        /// Who the client is taken to be.
        user: UserView,
        /// The server's name and version.
        server: String,
        /// What it bounds.
        limits: Limits,
    },
    /// The answer to `open`. With `content`, and `reset` where the place the client named cannot be continued; or with
    /// `revisions` that lead from the client's version to `version`.
    Opened {
        /// The document.
        doc: DocumentId,
        /// Its kind.
        kind: String,
        /// Its incarnation.
        epoch: String,
        /// The version reached by this message.
        version: Version,
        /// The chain of that version.
        chain: Chain,
        /// What the client may do.
        access: Access,
        /// This client's last revision in this epoch.
        taken: Option<TakenView>,
        /// Everyone who is here.
        presence: PresenceView,
        /// The content at `version`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        content: Option<String>,
        /// Why the client's place cannot be continued: `epoch`, `ahead`, `pruned` or `chain`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reset: Option<CompactString>,
        /// What leads from the client's version to `version`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        revisions: Option<Vec<RevisionItem>>,
    },
    /// Someone's revision, or several composed.
    Revision {
        /// The document.
        doc: DocumentId,
        /// The revision.
        #[serde(flatten)]
        item: RevisionItem,
    },
    /// This client's edit is a revision, and durable.
    Ack {
        /// The document.
        doc: DocumentId,
        /// The client's count of its edits.
        seq: Seq,
        /// The revision it became.
        version: Version,
        /// The chain of that version.
        chain: Chain,
        /// When it was granted.
        time: Time,
    },
    /// The edit was not taken, and would be refused again.
    Refused {
        /// The document.
        doc: DocumentId,
        /// The client's count of its edits.
        seq: Seq,
        /// Why.
        code: Code,
        /// Why, in a sentence.
        message: String,
    },
    /// What changed among the people here.
    Presence {
        /// The document.
        doc: DocumentId,
        /// The change.
        #[serde(flatten)]
        view: PresenceView,
    },
    /// The content that the client checked is right.
    Checked {
        /// The document.
        doc: DocumentId,
        /// The version checked.
        version: Version,
    },
    /// The content that the client checked is not that of the version.
    Diverged {
        /// The document.
        doc: DocumentId,
        /// The version checked.
        version: Version,
    },
    /// The document is no longer open here; the last message about it.
    Closed {
        /// The document.
        doc: DocumentId,
        /// Why.
        code: Code,
        /// Why, in a sentence.
        message: String,
    },
    /// The answer to `ping`.
    Pong,
    /// A message was not understood or could not be served; nothing else is affected.
    Error {
        /// Why.
        code: Code,
        /// Why, in a sentence.
        message: String,
        /// The document concerned, as the client named it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        doc: Option<String>,
        /// The edit concerned.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        seq: Option<u64>,
        /// The type of the message it answers.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reply_to: Option<String>,
        /// After how many milliseconds to try again.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_ms: Option<u64>,
    },
    /// The server is going away; edits are still taken until the close.
    Draining {
        /// After about how many milliseconds to connect again.
        retry_ms: u64,
    },
}

impl ServerMessage {
    /// The code it carries, if it carries one.
    pub fn code(&self) -> Option<Code> {
        match self {
            ServerMessage::Refused { code, .. }
            | ServerMessage::Closed { code, .. }
            | ServerMessage::Error { code, .. } => Some(*code),
            _ => None,
        }
    }
}

/// A revision, or several composed, as one item of a list or the body of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevisionItem {
    /// The version after it.
    pub version: Version,
    /// The version before it; left out where that is `version - 1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Version>,
    /// The op.
    pub op: TextOp,
    /// The chain of `version`.
    pub chain: Chain,
    /// When the last of it was granted.
    pub time: Time,
    /// The connection it was made on: null for HTTP, left out where several people made it.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub session: Option<Option<CompactString>>,
    /// Who made it; left out where several people did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<UserView>,
    /// The client's own seq, where it is the edit whose fate the client asked about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<Seq>,
}

impl RevisionItem {
    /// A single revision.
    pub fn of(revision: &Revision) -> Self {
        RevisionItem {
            version: revision.version,
            from: None,
            op: revision.op.clone(),
            chain: revision.chain,
            time: revision.time,
            session: Some(revision.author.session.clone()),
            user: Some(UserView::of(&revision.author.user)),
            seq: None,
        }
    }

    /// A single revision that answers a client's question about its own edit.
    pub fn own(revision: &Revision) -> Self {
        RevisionItem { seq: revision.origin.map(|origin| origin.seq), ..Self::of(revision) }
    }

    /// A stretch of one or more.
    pub fn composed(stretch: &Stretch) -> Self {
        let single = stretch.to == stretch.from.next();
        RevisionItem {
            version: stretch.to,
            from: (!single).then_some(stretch.from),
            op: stretch.op.clone(),
            chain: stretch.chain,
            time: stretch.time,
            session: stretch.author.as_ref().map(|author: &std::sync::Arc<Author>| author.session.clone()),
            user: stretch.author.as_ref().map(|author| UserView::of(&author.user)),
            seq: None,
        }
    }

    /// The version before it.
    pub fn before(&self) -> Version {
        self.from.unwrap_or(Version(self.version.0.saturating_sub(1)))
    }
}

/// A person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserView {
    /// Stable public id.
    pub id: CompactString,
    /// The name to show; may be empty.
    pub name: CompactString,
}

impl UserView {
    /// A person as everyone may see them.
    pub fn of(user: &User) -> Self {
        UserView { id: user.id.clone(), name: user.name.clone() }
    }
}

/// What a client may do with a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// Read it.
    Read,
    /// Read and change it.
    Write,
}

/// A client's last revision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TakenView {
    /// The client's count of its edits.
    pub seq: Seq,
    /// The revision it became.
    pub version: Version,
}

/// People: everyone in `opened`, what changed in `presence`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct PresenceView {
    /// How many people are here, by distinct user id, the reader included.
    pub count: usize,
    /// Connections that came.
    pub joined: Vec<Present>,
    /// Connections that left.
    pub left: Vec<CompactString>,
    /// States that changed.
    pub states: Vec<StateView>,
}

/// A connection that is here.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Present {
    /// Its public id.
    pub session: CompactString,
    /// Who it is.
    pub user: UserView,
}

/// A connection's presence state.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StateView {
    /// Its public id.
    pub session: CompactString,
    /// The version that the state's positions refer to.
    pub version: Version,
    /// The state; null if it was cleared.
    #[serde(deserialize_with = "any_json")]
    pub state: Option<Box<RawValue>>,
}

/// What the server bounds, so that a client can keep within it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// Longest frame, in bytes.
    pub frame_bytes: u64,
    /// Most bytes of UTF-8 that one op may insert.
    pub op_bytes: u64,
    /// Most parts of one op.
    pub op_parts: u64,
    /// Longest document, in scalar values.
    pub document_length: u64,
    /// Most documents open on one connection.
    pub documents: u64,
    /// Largest presence state, in bytes of JSON.
    pub presence_bytes: u64,
    /// Longest name, in scalar values.
    pub name_length: u64,
    /// Edits per second beyond which reading is slowed.
    pub edits_per_second: u64,
    /// Silence after which a connection is gone.
    pub idle_ms: u64,
}

/// Tells a field that is null from one that is not there.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<Option<T>>, D::Error> {
    Option::<T>::deserialize(deserializer).map(Some)
}

/// A raw value cannot be taken out of a message that serde has buffered to find its `type`; a parsed one can.
fn any_json<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Box<RawValue>>, D::Error> {
    match serde_json::Value::deserialize(deserializer)? {
        serde_json::Value::Null => Ok(None),
        value => serde_json::value::to_raw_value(&value).map(Some).map_err(serde::de::Error::custom),
    }
}
