//! Restores as they are asked for and answered over HTTP.

use compact_str::CompactString;
use serde::{Deserialize, Serialize};

use super::Code;
use super::fields::Fields;
use super::http::{bad, object, whole_characters};
use crate::document::{Chain, Time, Unclean, Version};
use crate::ot::TextOp;

/// What `POST /v1/docs/{id}/restore` carries: `{"version":7}` or `{"from":7,"to":31,"user":"qLj6x35oIblXs2ffyruYAQ"}`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoreBody {
    /// What to take back.
    pub what: RestoreWhat,
    /// Whether only to say what would be done.
    pub preview: bool,
}

/// What to take back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RestoreWhat {
    /// Everything since this version.
    Version(Version),
    /// The revisions `(from, to]`, all or one user's.
    Stretch {
        /// The version before.
        from: Version,
        /// The version after.
        to: Version,
        /// Whose.
        user: Option<CompactString>,
    },
}

impl RestoreBody {
    /// Reads the body.
    pub fn parse(body: &[u8]) -> Result<Self, (Code, String)> {
        let (text, fields): (&str, Fields) = object(body)?;
        whole_characters(text)?;
        let number = |name| fields.optional_number(name, 0).map(|number| number.map(Version)).map_err(bad);
        let user: Option<CompactString> = fields.optional("user", "a user id").map_err(bad)?;
        let what = match (number("version")?, number("from")?, number("to")?, user) {
            (Some(version), None, None, None) => RestoreWhat::Version(version),
            (None, Some(from), Some(to), user) if from < to => RestoreWhat::Stretch { from, to, user },
            (None, Some(from), Some(to), _) => {
                return Err(bad(format!("there is no revision after version {from} and up to version {to}")));
            }
            _ => return Err(bad("a restore has `version`, or else `from` and `to` and perhaps `user`".into())),
        };
        Ok(RestoreBody { what, preview: fields.optional("preview", "true or false").map_err(bad)?.unwrap_or(false) })
    }
}

/// What was taken back, or would be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restored {
    /// The document's incarnation.
    pub epoch: String,
    /// The revision that did it; the newest version if nothing was to be done. Left out of a preview.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Version>,
    /// The chain of that version; in a preview, of the newest.
    pub chain: Chain,
    /// The time of that version.
    pub time: Time,
    /// What it changed.
    pub op: TextOp,
    /// What could not be taken back cleanly.
    pub unclean: Vec<UncleanView>,
}

/// Text that both sides deleted: `{"at":6,"text":"Ana"}`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UncleanView {
    /// Where it was, in the new version.
    pub at: u64,
    /// What it said.
    pub text: String,
}

impl UncleanView {
    /// It as it is said.
    pub fn of(unclean: Unclean) -> Self {
        UncleanView { at: unclean.at, text: unclean.text }
    }
}
