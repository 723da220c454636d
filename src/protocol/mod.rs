//! What clients and the server say: every message and body with its JSON, and the table of error codes. No state.

mod branches;
mod codes;
mod diff_text;
mod fields;
mod from_client;
mod from_server;
mod http;
mod labels;
mod past;
mod presence;
mod prune;
mod restore;
mod routes;

pub use branches::{BranchBody, BranchPart, BranchView, BranchesView, ConflictView, MergeBody, MergedView, Passage};
pub use codes::{Code, OnSocket, Retry, close};
pub use diff_text::{Paint, diff_text};
pub use from_client::{Check, ClientMessage, Create, EditMessage, Hello, Malformed, Open, PresenceMessage};
pub use from_client::{Place, client_secret};
pub use from_server::{
    Access, Limits, PresenceView, Present, RevisionItem, ServerMessage, StateView, TakenView, UserView,
};
pub use http::{ContentBody, ContentPut, EditBody, EditGranted, ErrorBody};
pub use http::{ListedDocument, ListedPlace, Listing, RevisionsPage, SnapshotBody};
pub use labels::{LabelBody, LabelView, LabelsView};
pub use past::{Attributed, BlameBody, DiffBody, DiffRun, FoundView, GoneView, HistoryPage, SearchBody, StretchView};
pub use presence::{read_cursors, write_cursors};
pub use prune::{PruneBody, PrunedView};
pub use restore::{RestoreBody, RestoreWhat, Restored, UncleanView};
pub use routes::Route;

/// The version of the protocol that this server speaks.
pub const PROTOCOL: u64 = 1;

/// The WebSocket subprotocol of that version.
pub const SUBPROTOCOL: &str = "variorum.v1";
