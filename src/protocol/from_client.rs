//! What a client says: each message with its JSON, and how a frame becomes one.

use std::sync::Arc;

use serde::Serialize;

use super::fields::{Fields, has_lone_surrogate};
use super::{Code, PROTOCOL, read_cursors};
use crate::document::{DocumentId, Seq, Version};
use crate::ot::{OpError, TextOp};

/// A message from a client.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ClientMessage {
    /// The first message. `{"type":"hello","protocol":1,"client":"AAAAAAAAAAAAAAAAAAAAAA","name":"Ana"}`
    Hello(Hello),
    /// Opens a document on this connection. `{"type":"open","doc":"notes","create":{"kind":"text"}}`
    Open(Open),
    /// Asks for a change. `{"type":"edit","doc":"notes","version":7,"seq":3,"op":[5,"abc",-3,2]}`
    Edit(EditMessage),
    /// Says where its user is. `{"type":"presence","doc":"notes","version":7,"state":{"cursors":[[5,5]]}}`
    Presence(PresenceMessage),
    /// Asks whether its content is right. `{"type":"check","doc":"notes","version":7,"sum":"352441c2"}`
    Check(Check),
    /// Closes a document on this connection. `{"type":"close","doc":"notes"}`
    Close {
        /// Which.
        doc: DocumentId,
    },
    /// Asks for a `pong`. `{"type":"ping"}`
    Ping,
}

/// Who the client is.
#[derive(Debug, Clone, Serialize)]
pub struct Hello {
    /// The protocol version it speaks: 1.
    pub protocol: u64,
    /// Its secret random id: 22 characters of base64url.
    pub client: String,
    /// Proof of who the user is, where the server asks for one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// The user's name, where no token says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Secret random id of the browser, so that one person's tabs count as one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub person: Option<String>,
}

/// Which document to open, and from where.
#[derive(Debug, Clone, Serialize)]
pub struct Open {
    /// Which.
    pub doc: DocumentId,
    /// How to make it if it is not there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub create: Option<Create>,
    /// What the client has of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Place>,
    /// The seq of its edit whose fate it does not know.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pending: Option<Seq>,
}

/// How to make a document.
#[derive(Debug, Clone, Serialize)]
pub struct Create {
    /// Its kind.
    pub kind: String,
    /// What it begins with: revision 1, unless empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
}

impl Create {
    /// A text document that begins with this.
    pub fn text(content: impl Into<String>) -> Self {
        Create { kind: crate::document::Kind::Text.as_str().to_owned(), content: Some(content.into()) }
    }
}

/// A place in a document's history, as a client names it. Epoch and chain are compared, never understood.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Place {
    /// The incarnation.
    pub epoch: String,
    /// The version.
    pub version: Version,
    /// The chain of that version.
    pub chain: String,
}

impl Place {
    /// The place as the core compares it.
    pub fn known(&self) -> crate::document::Place {
        crate::document::Place { epoch: self.epoch.parse().ok(), version: self.version, chain: self.chain.parse().ok() }
    }
}

/// A change asked for.
#[derive(Debug, Clone, Serialize)]
pub struct EditMessage {
    /// In which document.
    pub doc: DocumentId,
    /// The version that the op covers.
    pub version: Version,
    /// The client's count of its edits.
    pub seq: Seq,
    /// The op, or why the list sent is none: a repeat is answered even then.
    #[serde(serialize_with = "only_an_op")]
    pub op: Result<TextOp, OpError>,
}

/// Where a user is.
#[derive(Debug, Clone, Serialize)]
pub struct PresenceMessage {
    /// In which document.
    pub doc: DocumentId,
    /// The version that its positions refer to.
    pub version: Version,
    /// Any JSON, as text; `None` clears it.
    #[serde(serialize_with = "raw_json")]
    pub state: Option<Arc<str>>,
    /// The positions in it that follow the text, by the convention `cursors: [[anchor, head], ...]`.
    #[serde(skip)]
    pub cursors: Vec<[u64; 2]>,
}

/// A client's claim of what a version's content is.
#[derive(Debug, Clone, Serialize)]
pub struct Check {
    /// Of which document.
    pub doc: DocumentId,
    /// At which version.
    pub version: Version,
    /// CRC-32 of the content's UTF-8, as 8 lower-case hex digits.
    pub sum: String,
}

/// A frame that is no message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed {
    /// The code to answer with.
    pub code: Code,
    /// What was expected.
    pub message: String,
    /// The `doc` it named, if one could be read.
    pub doc: Option<String>,
    /// The `seq` it named, if one could be read.
    pub seq: Option<u64>,
    /// The `type` it had, if one could be read.
    pub reply_to: Option<String>,
    /// Whether the connection cannot go on.
    pub ends: bool,
}

impl Malformed {
    fn ending(message: String) -> Self {
        Malformed { code: Code::BadMessage, message, doc: None, seq: None, reply_to: None, ends: true }
    }
}

/// What goes wrong while a known message is read: a code and a sentence.
type Wrong = (Code, String);

impl ClientMessage {
    /// Its `type`.
    pub fn name(&self) -> &'static str {
        match self {
            ClientMessage::Hello(_) => "hello",
            ClientMessage::Open(_) => "open",
            ClientMessage::Edit(_) => "edit",
            ClientMessage::Presence(_) => "presence",
            ClientMessage::Check(_) => "check",
            ClientMessage::Close { .. } => "close",
            ClientMessage::Ping => "ping",
        }
    }

    /// The document it is about.
    pub fn document(&self) -> Option<&DocumentId> {
        match self {
            ClientMessage::Hello(_) | ClientMessage::Ping => None,
            ClientMessage::Open(Open { doc, .. })
            | ClientMessage::Edit(EditMessage { doc, .. })
            | ClientMessage::Presence(PresenceMessage { doc, .. })
            | ClientMessage::Check(Check { doc, .. })
            | ClientMessage::Close { doc } => Some(doc),
        }
    }

    /// Reads a text frame. Whatever the text is, the answer is a message or a reason, in time linear in its length.
    pub fn parse(frame: &str) -> Result<Self, Malformed> {
        let fields = Fields::parse(frame)
            .map_err(|error| Malformed::ending(format!("a message is one JSON object; this is not: {error}")))?;
        let Ok(kind) = fields.required::<String>("type", "a string") else {
            return Err(Malformed::ending("a message has a string field `type`; this one has none".into()));
        };
        read(&kind, &fields, frame).map_err(|(code, message)| Malformed {
            code,
            message,
            doc: fields.optional("doc", "").ok().flatten(),
            seq: fields.optional("seq", "").ok().flatten(),
            ends: kind == "hello",
            reply_to: Some(kind),
        })
    }
}

fn read(kind: &str, fields: &Fields, frame: &str) -> Result<ClientMessage, Wrong> {
    if has_lone_surrogate(frame) {
        return Err(bad("the message escapes half of a surrogate pair, which is no character".into()));
    }
    Ok(match kind {
        "hello" => ClientMessage::Hello(hello(fields)?),
        "open" => ClientMessage::Open(open(fields)?),
        "edit" => ClientMessage::Edit(EditMessage {
            doc: doc(fields)?,
            version: Version(fields.number("version", 0).map_err(bad)?),
            seq: Seq(fields.number("seq", 1).map_err(bad)?),
            op: op(fields)?,
        }),
        "presence" => presence(fields)?,
        "check" => ClientMessage::Check(Check {
            doc: doc(fields)?,
            version: Version(fields.number("version", 0).map_err(bad)?),
            sum: fields.required("sum", "CRC-32 as 8 hex digits").and_then(sum).map_err(bad)?,
        }),
        "close" => ClientMessage::Close { doc: doc(fields)? },
        "ping" => ClientMessage::Ping,
        other => {
            let other: String = other.chars().take(40).collect();
            return Err(bad(format!(
                "there is no message type {other:?}; a client says hello, open, edit, presence, check, close or ping"
            )));
        }
    })
}

fn bad(message: String) -> Wrong {
    (Code::BadMessage, message)
}

fn doc(fields: &Fields) -> Result<DocumentId, Wrong> {
    let id: String = fields.required("doc", "a document id").map_err(bad)?;
    id.parse().map_err(|error: crate::document::BadDocumentId| (Code::BadDocumentId, error.to_string()))
}

/// A sum as a `check` carries it: one form only, so that what differs is the content.
fn sum(text: String) -> Result<String, String> {
    let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    match text.len() == 8 && text.bytes().all(hex) {
        true => Ok(text),
        false => Err(format!("field `sum` is {text:?}; expected CRC-32 as 8 hex digits in lower case")),
    }
}

fn op(fields: &Fields) -> Result<Result<TextOp, OpError>, Wrong> {
    match fields.raw("op") {
        Some(json) if json.starts_with('[') => Ok(TextOp::from_json(json)),
        Some(_) => Err(bad("field `op` is no list; expected an op such as [5,\"abc\",-3,2]".into())),
        None => Err(bad("field `op` is missing; expected an op such as [5,\"abc\",-3,2]".into())),
    }
}

fn hello(fields: &Fields) -> Result<Hello, Wrong> {
    let protocol = fields.required::<u64>("protocol", "the number 1").map_err(bad)?;
    if protocol != PROTOCOL {
        let message = format!("the client speaks protocol {protocol}, this server speaks {PROTOCOL}");
        return Err((Code::UnsupportedProtocol, message));
    }
    let client: String = fields.required("client", "22 characters of base64url").map_err(bad)?;
    Ok(Hello {
        protocol,
        client: client_secret(&client).map_err(bad)?.to_owned(),
        token: fields.optional("token", "a string").map_err(bad)?,
        name: fields.optional("name", "a string").map_err(bad)?,
        person: fields.optional("person", "a string").map_err(bad)?,
    })
}

/// Checks the form of a client's secret id.
pub fn client_secret(text: &str) -> Result<&str, String> {
    let fits = text.len() == 22 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    if fits { Ok(text) } else { Err("a client id is 22 characters of base64url".into()) }
}

fn open(fields: &Fields) -> Result<Open, Wrong> {
    let create = match object(fields, "create", "{kind, content?}")? {
        None => None,
        Some(create) => Some(Create {
            kind: create.required("kind", "a document kind such as \"text\"").map_err(bad)?,
            content: create.optional("content", "a string").map_err(bad)?,
        }),
    };
    let from = match object(fields, "from", "{epoch, version, chain}")? {
        None => None,
        Some(from) => Some(Place {
            epoch: from.required("epoch", "a string").map_err(bad)?,
            version: Version(from.number("version", 0).map_err(bad)?),
            chain: from.required("chain", "a string").map_err(bad)?,
        }),
    };
    let pending = fields.optional_number("pending", 1).map_err(bad)?.map(Seq);
    Ok(Open { doc: doc(fields)?, create, from, pending })
}

/// An optional field that is an object itself.
fn object<'a>(fields: &Fields<'a>, name: &str, expected: &str) -> Result<Option<Fields<'a>>, Wrong> {
    match fields.raw(name) {
        None | Some("null") => Ok(None),
        Some(json) => {
            let inner =
                Fields::parse(json).map_err(|_| bad(format!("field `{name}` is no object; expected {expected}")));
            inner.map(Some)
        }
    }
}

fn presence(fields: &Fields) -> Result<ClientMessage, Wrong> {
    let Some(json) = fields.raw("state") else {
        return Err(bad("field `state` is missing; expected any JSON, or null to clear it".into()));
    };
    let state = (json != "null").then(|| Arc::from(json));
    Ok(ClientMessage::Presence(PresenceMessage {
        doc: doc(fields)?,
        version: Version(fields.number("version", 0).map_err(bad)?),
        state,
        cursors: read_cursors(json),
    }))
}

fn only_an_op<S: serde::Serializer>(op: &Result<TextOp, OpError>, serializer: S) -> Result<S::Ok, S::Error> {
    match op {
        Ok(op) => op.serialize(serializer),
        Err(error) => Err(serde::ser::Error::custom(error)),
    }
}

fn raw_json<S: serde::Serializer>(state: &Option<Arc<str>>, serializer: S) -> Result<S::Ok, S::Error> {
    let json: Option<&serde_json::value::RawValue> = match state {
        None => None,
        Some(text) => Some(serde_json::from_str(text).map_err(serde::ser::Error::custom)?),
    };
    json.serialize(serializer)
}
