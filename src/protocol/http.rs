//! The bodies of the HTTP part.

use serde::{Deserialize, Serialize};

use super::fields::{Fields, has_lone_surrogate};
use super::from_client::client_secret;
use super::{Code, Create, RevisionItem, TakenView};
use crate::document::{Chain, DocumentId, Seq, Time, Version};
use crate::ot::{OpError, TextOp};

/// Every error over HTTP. `{"error":{"code":"unknown_document","message":"there is no document \"notes\""}}`
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ErrorBody {
    /// The error.
    pub error: ErrorDetail,
}

/// What went wrong.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ErrorDetail {
    /// The code.
    pub code: Code,
    /// A sentence for people.
    pub message: String,
}

impl ErrorBody {
    /// An error.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        ErrorBody { error: ErrorDetail { code, message: message.into() } }
    }
}

/// A document at a version; without `content` where only its place was asked for.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SnapshotBody {
    /// Its id.
    pub id: DocumentId,
    /// Its kind.
    pub kind: String,
    /// Its incarnation.
    pub epoch: String,
    /// The version.
    pub version: Version,
    /// The chain of that version.
    pub chain: Chain,
    /// The content at that version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// When that version was granted.
    pub time: Time,
}

/// The catch-up endpoint's answer.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RevisionsPage {
    /// The document's incarnation.
    pub epoch: String,
    /// Where this answer begins: `since`.
    pub from: Version,
    /// The chain of `version`, to be given with the next `since`.
    pub chain: Chain,
    /// Where this answer ends: the next `since`.
    pub version: Version,
    /// The newest version.
    pub head: Version,
    /// What leads from `from` to `version`.
    pub revisions: Vec<RevisionItem>,
    /// The asking client's last revision in this epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken: Option<TakenView>,
    /// Whether `head` is further on.
    pub more: bool,
}

/// An edit over HTTP was granted.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct EditGranted {
    /// The document's incarnation.
    pub epoch: String,
    /// The revision it became.
    pub version: Version,
    /// The chain of that version.
    pub chain: Chain,
    /// When it was granted.
    pub time: Time,
    /// The op as granted.
    pub op: TextOp,
}

/// Content was put as a whole: the version that holds it, with what others did since.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ContentPut {
    /// The document's incarnation.
    pub epoch: String,
    /// The version; the one that was named, if the content is as it was there.
    pub version: Version,
    /// The chain of that version.
    pub chain: Chain,
}

/// Which documents there are.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Listing {
    /// In byte order of their ids.
    pub documents: Vec<ListedDocument>,
    /// Whether there are more behind the last.
    pub more: bool,
}

/// A document in a listing; of one that is damaged only `id` and `damaged`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ListedDocument {
    /// Its id.
    pub id: DocumentId,
    /// What it is and where it is, if that can be read.
    #[serde(flatten, default, skip_serializing_if = "Option::is_none")]
    pub place: Option<ListedPlace>,
    /// Why it cannot be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub damaged: Option<String>,
}

/// What a listing tells of a document.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ListedPlace {
    /// Its kind.
    pub kind: String,
    /// Its newest version.
    pub version: Version,
    /// Its incarnation.
    pub epoch: String,
    /// When it was made.
    pub created: Time,
    /// When its newest version was granted; if there is none, when it was made.
    pub changed: Time,
}

/// What `PUT /v1/docs/{id}` carries: `{"kind":"text","content":"Hello"}`
#[derive(Debug, Clone)]
pub struct ContentBody(pub Create);

impl ContentBody {
    /// Reads the body.
    pub fn parse(body: &[u8]) -> Result<Self, (Code, String)> {
        let (text, fields) = object(body)?;
        whole_characters(text)?;
        let create = Create {
            kind: fields.required("kind", "a document kind such as \"text\"").map_err(bad)?,
            content: fields.optional("content", "a string").map_err(bad)?,
        };
        Ok(ContentBody(create))
    }
}

/// What `POST /v1/docs/{id}/edits` carries: `{"version":7,"op":[5,"abc"],"client":"AAAAAAAAAAAAAAAAAAAAAA","seq":1}`
#[derive(Debug, Clone)]
pub struct EditBody {
    /// The version that the op covers.
    pub version: Version,
    /// The op, or why the list sent is none.
    pub op: Result<TextOp, OpError>,
    /// The incarnation that the edit is meant for.
    pub epoch: Option<String>,
    /// The chain of `version`, as the client had it.
    pub chain: Option<String>,
    /// The client's secret id and its count of its edits.
    pub origin: Option<(String, Seq)>,
}

impl EditBody {
    /// Reads the body.
    pub fn parse(body: &[u8]) -> Result<Self, (Code, String)> {
        let (text, fields) = object(body)?;
        whole_characters(text)?;
        let client: Option<String> = fields.optional("client", "a string").map_err(bad)?;
        let seq = fields.optional_number("seq", 1).map_err(bad)?;
        let origin = match (client, seq) {
            (None, None) => None,
            (Some(client), Some(seq)) => Some((client_secret(&client).map_err(bad)?.to_owned(), Seq(seq))),
            _ => return Err(bad("`client` and `seq` come together or not at all".into())),
        };
        let op = match fields.raw("op") {
            Some(json) if json.starts_with('[') => TextOp::from_json(json),
            _ => return Err(bad("field `op` is missing or no list; expected an op such as [5,\"abc\",-3,2]".into())),
        };
        Ok(EditBody {
            version: Version(fields.number("version", 0).map_err(bad)?),
            op,
            epoch: fields.optional("epoch", "a string").map_err(bad)?,
            chain: fields.optional("chain", "a string").map_err(bad)?,
            origin,
        })
    }
}

pub(super) fn object(body: &[u8]) -> Result<(&str, Fields<'_>), (Code, String)> {
    let text = std::str::from_utf8(body).map_err(|error| bad(format!("the body is not UTF-8: {error}")))?;
    let fields =
        Fields::parse(text).map_err(|error| bad(format!("the body is one JSON object; this is not: {error}")))?;
    Ok((text, fields))
}

pub(super) fn whole_characters(text: &str) -> Result<(), (Code, String)> {
    if has_lone_surrogate(text) {
        return Err(bad("the body escapes half of a surrogate pair, which is no character".into()));
    }
    Ok(())
}

pub(super) fn bad(message: String) -> (Code, String) {
    (Code::BadMessage, message)
}
