//! Branches and merges as they are asked for and answered over HTTP.

use serde::{Deserialize, Serialize};

use super::Code;
use super::fields::Fields;
use super::http::{bad, object, whole_characters};
use crate::document::{Chain, DocumentId, Time, Version};
use crate::ot::TextOp;

/// What `POST /v1/docs/{id}/branches` carries: `{"id":"notes-ana","version":7}`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BranchBody {
    /// The branch's id.
    pub id: DocumentId,
    /// Where it begins; at the newest version if none.
    pub version: Option<Version>,
}

impl BranchBody {
    /// Reads the body.
    pub fn parse(body: &[u8]) -> Result<Self, (Code, String)> {
        let (text, fields): (&str, Fields) = object(body)?;
        whole_characters(text)?;
        let version = fields.optional_number("version", 0).map_err(bad)?.map(Version);
        Ok(BranchBody { id: document(&fields, "id")?, version })
    }
}

/// What `POST /v1/docs/{id}/merge` carries: `{"branch":"notes-ana"}`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MergeBody {
    /// The branch to merge.
    pub branch: DocumentId,
    /// Whether only to say what would be done.
    pub preview: bool,
}

impl MergeBody {
    /// Reads the body.
    pub fn parse(body: &[u8]) -> Result<Self, (Code, String)> {
        let (text, fields): (&str, Fields) = object(body)?;
        whole_characters(text)?;
        let preview = fields.optional("preview", "true or false").map_err(bad)?.unwrap_or(false);
        Ok(MergeBody { branch: document(&fields, "branch")?, preview })
    }
}

fn document(fields: &Fields, name: &str) -> Result<DocumentId, (Code, String)> {
    let id: String = fields.required(name, "a document id").map_err(bad)?;
    id.parse().map_err(|error: crate::document::BadDocumentId| (Code::BadDocumentId, error.to_string()))
}

/// A branch. `{"id":"notes-ana","of":"notes","version":7,"epoch":"...","head":9,"created":1767225600000}`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BranchView {
    /// Its id.
    pub id: DocumentId,
    /// The document that it is a branch of.
    pub of: DocumentId,
    /// The version of both with which they part.
    pub version: Version,
    /// Its epoch.
    pub epoch: String,
    /// Its newest version.
    pub head: Version,
    /// When it was made.
    pub created: Time,
}

/// Branches of a document: `{"branches":[],"more":false}`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BranchesView {
    /// In order of their ids.
    pub branches: Vec<BranchView>,
    /// Whether there are more behind the last.
    pub more: bool,
}

/// What was merged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MergedView {
    /// The document's incarnation.
    pub epoch: String,
    /// The version before the merged revisions.
    pub from: Version,
    /// The version after them.
    pub version: Version,
    /// The chain of that version; left out of a preview.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chain: Option<Chain>,
    /// What they do; only in a preview.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub op: Option<TextOp>,
    /// What of the branch it is.
    pub branch: BranchPart,
    /// Whether nothing was done now: the branch had nothing new.
    pub repeated: bool,
    /// Where both sides had changed the same.
    pub conflicts: Vec<ConflictView>,
}

/// A part of a branch: `{"id":"notes-ana","from":7,"version":9}`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BranchPart {
    /// The branch.
    pub id: DocumentId,
    /// The version before.
    pub from: Version,
    /// The version after.
    pub version: Version,
}

/// A place that both sides changed, as each has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConflictView {
    /// In the document as the merge before left it.
    pub base: Passage,
    /// In the document before this merge.
    pub parent: Passage,
    /// As the branch's changes alone make of the base.
    pub branch: Passage,
    /// In the document after this merge.
    pub merged: Passage,
}

/// A passage of a text: `{"from":4,"to":9,"text":"quick"}`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Passage {
    /// Where it begins.
    pub from: u64,
    /// Where it ends.
    pub to: u64,
    /// What it says; cut at [`Passage::TEXT_MAX`].
    pub text: String,
}

impl Passage {
    /// The longest text of a passage that is told, in characters.
    pub const TEXT_MAX: u64 = 200;
}
