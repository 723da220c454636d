//! The HTTP part: the same documents, read and edited by requests. One line per endpoint here, one file per subject beside.

mod body;
mod content;
mod documents;
mod edits;
mod endpoint;
mod health;
mod labels;
mod parameters;
mod place;
mod restore;
mod revisions;

use crate::protocol::Route;

pub(super) use endpoint::{Endpoint, Request, answer, find};

/// Every endpoint. `docs/openapi.yaml` describes each.
pub(super) static ENDPOINTS: &[Endpoint] = &[
    Endpoint::always(Route::Health, |request| Box::pin(health::health(request))),
    Endpoint::always(Route::Ready, |request| Box::pin(health::ready(request))),
    Endpoint::always(Route::Metrics, |request| Box::pin(health::metrics(request))),
    Endpoint::document(Route::Create, |id, request| Box::pin(documents::create(id, request))),
    Endpoint::document(Route::Read, |id, request| Box::pin(content::snapshot(id, request))),
    Endpoint::document(Route::Content, |id, request| Box::pin(content::bare(id, request))),
    Endpoint::document(Route::Revisions, |id, request| Box::pin(revisions::page(id, request))),
    Endpoint::document(Route::Edit, |id, request| Box::pin(edits::submit(id, request))),
    Endpoint::document(Route::Labels, |id, request| Box::pin(labels::list(id, request))),
    Endpoint::document(Route::Label, |id, request| Box::pin(labels::read_one(id, request))),
    Endpoint::document(Route::PutLabel, |id, request| Box::pin(labels::put(id, request))),
    Endpoint::document(Route::DeleteLabel, |id, request| Box::pin(labels::delete(id, request))),
    Endpoint::document(Route::Restore, |id, request| Box::pin(restore::restore(id, request))),
];
