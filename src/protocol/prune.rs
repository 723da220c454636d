//! Pruning as it is asked for and answered over HTTP.

use compact_str::CompactString;
use serde::{Deserialize, Serialize};

use super::Code;
use super::fields::Fields;
use super::http::{bad, object};
use crate::document::{Keeping, Version};

/// What `POST /v1/docs/{id}/prune` carries: `{"keep":"30d"}`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PruneBody {
    /// What stays.
    pub keep: Keeping,
    /// Whether only to say what would be done.
    pub preview: bool,
}

impl PruneBody {
    /// Reads the body.
    pub fn parse(body: &[u8]) -> Result<Self, (Code, String)> {
        let (_, fields): (&str, Fields) = object(body)?;
        let keep: Option<CompactString> = fields.optional("keep", "a string").map_err(bad)?;
        let keep = keep.ok_or_else(|| bad("field `keep` is missing: it says what stays, as in \"30d\"".into()))?;
        let keep = keep.parse().map_err(|error: crate::document::BadKeeping| bad(error.to_string()))?;
        Ok(PruneBody { keep, preview: fields.optional("preview", "true or false").map_err(bad)?.unwrap_or(false) })
    }
}

/// What was squashed, or would be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrunedView {
    /// The document's incarnation.
    pub epoch: String,
    /// The oldest version from which on all were kept before.
    pub before: Version,
    /// The oldest version from which on all are kept now.
    pub oldest: Version,
    /// Those before it that stay, because they are labelled.
    pub labelled: Vec<Version>,
}
