//! The bodies about the past: history, diff, blame and search. `docs/versions.md` explains them.

use serde::{Deserialize, Serialize};

use super::UserView;
use crate::document::{Change, Credit, Run, Sitting, Time, Version};
use crate::ot::TextOp;

/// A page of history, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryPage {
    /// The document's incarnation.
    pub epoch: String,
    /// The newest version.
    pub head: Version,
    /// How long a pause ended a stretch.
    pub pause_ms: u64,
    /// What people did, one stretch of one person after another.
    pub stretches: Vec<StretchView>,
    /// The next `before`.
    pub before: Version,
    /// Whether there is anything before that.
    pub more: bool,
}

/// What one person did without a longer pause: the revisions `(from, version]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StretchView {
    /// The version before its first revision.
    pub from: Version,
    /// Its last revision.
    pub version: Version,
    /// Who.
    pub user: UserView,
    /// When the first revision was made.
    pub began: Time,
    /// When the last one was.
    pub time: Time,
    /// How many scalar values its revisions added, in all.
    pub added: u64,
    /// How many they removed.
    pub removed: u64,
}

impl From<Sitting> for StretchView {
    fn from(sitting: Sitting) -> Self {
        let Sitting { from, to: version, user, began, ended: time, added, removed } = sitting;
        StretchView { from, version, user: UserView::of(&user), began, time, added, removed }
    }
}

/// What differs between two versions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiffBody {
    /// The document's incarnation.
    pub epoch: String,
    /// Where it begins.
    pub from: Version,
    /// Where it leads; before `from` if it goes back.
    pub to: Version,
    /// All of it as one op.
    pub op: TextOp,
    /// How many scalar values it adds.
    pub added: u64,
    /// How many it removes.
    pub removed: u64,
    /// Who is named in `runs`.
    pub users: Vec<UserView>,
    /// What became of each character, in order.
    pub runs: Vec<DiffRun>,
}

/// Characters side by side with the same fate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "sort", rename_all = "lowercase")]
pub enum DiffRun {
    /// They stay.
    Kept {
        /// How many.
        length: u64,
        /// The characters, if they were asked for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        text: Option<String>,
    },
    /// They are new.
    Added(Attributed),
    /// They are gone.
    Removed(Attributed),
}

/// Characters of one person, each by the one revision, or each by the next one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attributed {
    /// How many.
    pub length: u64,
    /// The characters, unless they were not asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Who: a place in `users`.
    pub user: u32,
    /// The version before the first revision, if there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Version>,
    /// The last revision.
    pub version: Version,
    /// When the last revision was made.
    pub time: Time,
}

impl Attributed {
    /// What is said of characters with this credit.
    pub fn new(credit: &Credit, text: Option<String>) -> Self {
        Attributed {
            length: credit.mark.len,
            text,
            user: credit.user,
            from: credit.mark.rising.then(|| credit.mark.from()),
            version: credit.mark.last(),
            time: credit.time,
        }
    }
}

impl From<Run> for DiffRun {
    fn from(run: Run) -> Self {
        let Run { change, len: length, text, credit } = run;
        match (change, credit) {
            (Change::Added, Some(credit)) => DiffRun::Added(Attributed::new(&credit, text)),
            (Change::Removed, Some(credit)) => DiffRun::Removed(Attributed::new(&credit, text)),
            _ => DiffRun::Kept { length, text },
        }
    }
}

/// Who wrote each character of a version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlameBody {
    /// The document's incarnation.
    pub epoch: String,
    /// The version.
    pub version: Version,
    /// How long the content is.
    pub length: u64,
    /// Where `runs` begin.
    pub start: u64,
    /// Who is named in `runs`.
    pub users: Vec<UserView>,
    /// Who wrote what, in order.
    pub runs: Vec<Attributed>,
    /// Whether there is content after the last run.
    pub more: bool,
}

/// Where a text has stood.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SearchBody {
    /// The document's incarnation.
    pub epoch: String,
    /// Where the search began.
    pub since: Version,
    /// Where it ended.
    pub until: Version,
    /// Who is named in `found`.
    pub users: Vec<UserView>,
    /// Every place, the newest first.
    pub found: Vec<FoundView>,
    /// Whether there are more than asked for.
    pub more: bool,
}

/// A place where a text stood.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundView {
    /// Where it stood at first.
    pub position: u64,
    /// The revision that completed it; null if it stood there at `since`.
    pub version: Option<Version>,
    /// Who made that revision: a place in `users`.
    pub user: Option<u32>,
    /// When.
    pub time: Option<Time>,
    /// How it ended; null if it still stands at `until`.
    pub gone: Option<GoneView>,
}

/// How a place where a text stood came to its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GoneView {
    /// Where it stood just before.
    pub position: u64,
    /// The revision that broke it up.
    pub version: Version,
    /// Who made that revision: a place in `users`.
    pub user: u32,
    /// When.
    pub time: Time,
}
