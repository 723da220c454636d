//! Pruning over HTTP: squashing what of a document's history need not be kept.

use warp::http::StatusCode;

use super::Request;
use super::body::json;
use super::endpoint::Answer;
use crate::document::DocumentId;
use crate::protocol::{PruneBody, PrunedView};
use crate::server::problem::Problem;

/// `POST /v1/docs/{id}/prune`
pub(super) async fn prune(id: DocumentId, request: Request) -> Answer {
    let PruneBody { keep, preview } = PruneBody::parse(&request.body)?;
    let pruned = request.server.hub.prune(&id, keep, preview).await;
    let (epoch, pruned) = pruned.map_err(|error| Problem::of(&id, error))?;
    let labelled = pruned.kept.into_iter().filter(|version| *version < pruned.horizon).collect();
    let (before, oldest) = (pruned.before, pruned.horizon);
    json(StatusCode::OK, &PrunedView { epoch: epoch.to_string(), before, oldest, labelled })
}
