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
    let kind: Kind = match create.kind.parse() {
        Ok(kind) => kind,
        Err(unknown) => return Err(not_of_that_kind(&id, &request, unknown).await),
    };
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

/// Why a document is not made of a kind that nobody serves: one of another kind is there, or the kind alone.
async fn not_of_that_kind(id: &DocumentId, request: &Request, unknown: UnsupportedKind) -> Problem {
    match request.server.hub.store().find(id).await {
        Ok(Some(found)) => {
            let message = format!("document {id} is of kind {}: {unknown}", found.identity.kind.as_str());
            Problem::new(Code::WrongKind, message)
        }
        Ok(None) => Problem::new(Code::UnsupportedKind, unknown.to_string()),
        Err(error) => Problem::of(id, error),
    }
}

/// `DELETE /v1/docs/{id}`
pub(super) async fn delete(id: DocumentId, request: Request) -> Answer {
    request.server.hub.delete(&id).await.map_err(|error| Problem::of(&id, error))?;
    let answer = Response::builder().status(StatusCode::NO_CONTENT).body(Default::default());
    Ok(answer.expect("a status is an answer"))
}
