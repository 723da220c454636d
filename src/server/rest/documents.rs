//! Documents as a whole: making one, and taking one away.

use warp::http::{Response, StatusCode};

use super::Request;
use super::body::json;
use super::content::snapshot_body;
use super::endpoint::Answer;
use super::submission::author;
use crate::document::{DocumentId, Kind, UnsupportedKind};
use crate::hub::Creation;
use crate::protocol::{Code, ContentBody};
use crate::server::problem::Problem;

/// `PUT /v1/docs/{id}`
pub(super) async fn create(id: DocumentId, request: Request) -> Answer {
    let ContentBody(create) = ContentBody::parse(&request.body)?;
    let kind: Kind =
        create.kind.parse().map_err(|error: UnsupportedKind| Problem::new(Code::UnsupportedKind, error.to_string()))?;
    let creation =
        Creation { kind, content: create.content.unwrap_or_default(), author: author(&request.caller, None) };
    let (live, made) = request.server.open(&id, Some(&creation), request.address).await?;
    let there = live.identity().kind;
    if there != kind {
        let message = format!("document {id} is of kind {}, not {}", there.as_str(), kind.as_str());
        return Err(Problem::new(Code::WrongKind, message));
    }
    let status = if made { StatusCode::CREATED } else { StatusCode::OK };
    json(status, &snapshot_body(&live, &live.now(), None))
}

/// `DELETE /v1/docs/{id}`
pub(super) async fn delete(id: DocumentId, request: Request) -> Answer {
    request.server.hub.delete(&id).await.map_err(|error| Problem::of(&id, error))?;
    let answer = Response::builder().status(StatusCode::NO_CONTENT).body(Default::default());
    Ok(answer.expect("a status is an answer"))
}
