//! The HTTP part: the same documents, read and edited by requests. One line per endpoint here, one file per subject beside.

mod blame;
mod body;
mod branches;
mod content;
mod diff;
mod documents;
mod edits;
mod endpoint;
mod etag;
mod health;
mod history;
mod immutable;
mod labels;
mod listing;
mod parameters;
mod place;
mod prune;
mod replacement;
mod restore;
mod revisions;
mod search;
mod submission;

use crate::protocol::Route;

pub(super) use endpoint::{Endpoint, Request, answer, find, not_among};

/// Every endpoint.
pub(super) static ENDPOINTS: &[Endpoint] = &[
    Endpoint::always(Route::Health, |request| Box::pin(health::health(request))),
    Endpoint::always(Route::Ready, |request| Box::pin(health::ready(request))),
    Endpoint::always(Route::Metrics, |request| Box::pin(health::metrics(request))),
    Endpoint::server(Route::List, |request| Box::pin(listing::list(request))),
    Endpoint::document(Route::Create, |id, request| Box::pin(documents::create(id, request))),
    Endpoint::document(Route::Read, |id, request| Box::pin(content::snapshot(id, request))),
    Endpoint::document(Route::Delete, |id, request| Box::pin(documents::delete(id, request))),
    Endpoint::document(Route::Replace, |id, request| Box::pin(replacement::put(id, request))),
    Endpoint::document(Route::Content, |id, request| Box::pin(content::bare(id, request))),
    Endpoint::document(Route::Revisions, |id, request| Box::pin(revisions::page(id, request))),
    Endpoint::document(Route::History, |id, request| Box::pin(history::page(id, request))),
    Endpoint::document(Route::Diff, |id, request| Box::pin(diff::between(id, request))),
    Endpoint::document(Route::Blame, |id, request| Box::pin(blame::of_version(id, request))),
    Endpoint::document(Route::Search, |id, request| Box::pin(search::in_history(id, request))),
    Endpoint::document(Route::Edit, |id, request| Box::pin(edits::post(id, request))),
    Endpoint::document(Route::Labels, |id, request| Box::pin(labels::list(id, request))),
    Endpoint::document(Route::Label, |id, request| Box::pin(labels::read_one(id, request))),
    Endpoint::document(Route::PutLabel, |id, request| Box::pin(labels::put(id, request))),
    Endpoint::document(Route::DeleteLabel, |id, request| Box::pin(labels::delete(id, request))),
    Endpoint::document(Route::Restore, |id, request| Box::pin(restore::restore(id, request))),
    Endpoint::document(Route::Branch, |id, request| Box::pin(branches::create(id, request))),
    Endpoint::document(Route::Branches, |id, request| Box::pin(branches::list(id, request))),
    Endpoint::document(Route::Merge, |id, request| Box::pin(branches::merge(id, request))),
    Endpoint::document(Route::Prune, |id, request| Box::pin(prune::prune(id, request))),
];
