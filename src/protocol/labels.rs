//! Labels as they are asked for and answered over HTTP.

use serde::{Deserialize, Serialize};

use super::UserView;
use super::fields::Fields;
use super::http::{bad, object, whole_characters};
use crate::document::{Label, Time, Version};
use crate::protocol::Code;

/// What `PUT /v1/docs/{id}/labels/{name}` carries: `{"version":7,"note":"sent to the editor"}`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelBody {
    /// The version to name; the newest if none.
    pub version: Option<Version>,
    /// Why; may be empty.
    pub note: String,
}

impl LabelBody {
    /// Reads the body; an empty one asks for nothing in particular.
    pub fn parse(body: &[u8]) -> Result<Self, (Code, String)> {
        let body: &[u8] = if body.is_empty() { b"{}" } else { body };
        let (text, fields): (&str, Fields) = object(body)?;
        whole_characters(text)?;
        let version = fields.optional_number("version", 0).map_err(bad)?.map(Version);
        let note: String = fields.optional("note", "a string").map_err(bad)?.unwrap_or_default();
        match note.chars().count() {
            length if length > Label::NOTE_MAX => {
                let message =
                    format!("field `note` has {length} characters, more than the {} allowed", Label::NOTE_MAX);
                Err((Code::TooLarge, message))
            }
            _ => Ok(LabelBody { version, note }),
        }
    }
}

/// A label. `{"name":"first draft","version":7,"author":{"id":"anonymous","name":""},"time":1767225600000,"note":""}`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LabelView {
    /// Its name.
    pub name: String,
    /// The version it names.
    pub version: Version,
    /// Who gave it.
    pub author: UserView,
    /// When.
    pub time: Time,
    /// Why; may be empty.
    pub note: String,
}

impl LabelView {
    /// A label as it is said.
    pub fn of(label: &Label) -> Self {
        LabelView {
            name: label.name.to_string(),
            version: label.version,
            author: UserView::of(&label.author),
            time: label.time,
            note: label.note.clone(),
        }
    }
}

/// Every label of a document: `{"labels":[]}`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LabelsView {
    /// In order of version and then of name.
    pub labels: Vec<LabelView>,
}
