//! The HTTP part: the same documents, read and edited by requests. One line per endpoint here, one file per subject beside.

mod body;
mod content;
mod documents;
mod edits;
mod endpoint;
mod health;
mod parameters;
mod place;
mod revisions;

use warp::http::Method;

pub(super) use endpoint::{Endpoint, Request, answer, find};

/// Every endpoint. `docs/openapi.yaml` describes each.
pub(super) static ENDPOINTS: &[Endpoint] = &[
    Endpoint::always(Method::GET, "/health", |request| Box::pin(health::health(request))),
    Endpoint::always(Method::GET, "/ready", |request| Box::pin(health::ready(request))),
    Endpoint::always(Method::GET, "/metrics", |request| Box::pin(health::metrics(request))),
    Endpoint::document(Method::PUT, "/v1/docs/{id}", |id, request| Box::pin(documents::create(id, request))),
    Endpoint::document(Method::GET, "/v1/docs/{id}", |id, request| Box::pin(content::snapshot(id, request))),
    Endpoint::document(Method::GET, "/v1/docs/{id}/content", |id, request| Box::pin(content::bare(id, request))),
    Endpoint::document(Method::GET, "/v1/docs/{id}/revisions", |id, request| Box::pin(revisions::page(id, request))),
    Endpoint::document(Method::POST, "/v1/docs/{id}/edits", |id, request| Box::pin(edits::submit(id, request))),
];
