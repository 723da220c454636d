//! A document's content at a version, sent only to those who do not have it yet.

use warp::http::{Response, header};

use super::Request;
use super::endpoint::Answer;
use super::parameters::{bad, number};
use super::place::{not_ahead, open};
use crate::document::{DocumentId, Snapshot, Time, Version};
use crate::hub::{Live, OpenError};
use crate::protocol::{Code, SnapshotBody};
use crate::server::problem::Problem;

/// `GET /v1/docs/{id}`
pub(super) async fn snapshot(id: DocumentId, request: Request) -> Answer {
    conditional(&id, &request, |live, snapshot| {
        let content = Some(snapshot.content.to_string());
        let body = serde_json::to_vec(&snapshot_body(live, snapshot, content)).expect("a snapshot is JSON");
        ("application/json", body)
    })
    .await
}

/// `GET /v1/docs/{id}/content`
pub(super) async fn bare(id: DocumentId, request: Request) -> Answer {
    conditional(&id, &request, |_, snapshot| ("text/plain; charset=utf-8", snapshot.content.to_string().into_bytes()))
        .await
}

/// Answers with a version of a document, or 304 if that is what the client has: then no content is read.
async fn conditional(
    id: &DocumentId,
    request: &Request,
    body: impl FnOnce(&Live, &Snapshot) -> (&'static str, Vec<u8>),
) -> Answer {
    let live = open(&request.server, id).await?;
    let broken = |error| Problem::of(id, OpenError::Store(error));
    let version = match (number(&request.query, "version")?, number(&request.query, "at")?) {
        (Some(_), Some(_)) => return Err(bad("`version` and `at` each name a version; give one of them")),
        (Some(version), None) => not_ahead(live.head(), Version(version))?,
        (None, Some(at)) if at < live.identity().created.0 => {
            let created = live.identity().created.0;
            let message = format!("document {id} was created at {created}, after the time asked for, {at}");
            return Err(Problem::new(Code::NotFound, message));
        }
        (None, Some(at)) => live.version_at(Time(at)).await.map_err(broken)?,
        (None, None) => live.head(),
    };
    let chain = live.chain_at(version).await.map_err(broken)?;
    let tag = format!("\"{}/{version}/{chain}\"", live.identity().epoch);
    let response = Response::builder().header(header::ETAG, &tag).header(header::CACHE_CONTROL, "private, no-cache");
    let known = request.headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let known = known.flat_map(|value| value.split(',')).any(|value| {
        let value = value.trim();
        value == "*" || value.strip_prefix("W/").unwrap_or(value) == tag
    });
    let response = if known {
        response.status(warp::http::StatusCode::NOT_MODIFIED).body(Default::default())
    } else {
        let snapshot = live.snapshot_at(version).await.map_err(broken)?;
        let (kind, body) = body(&live, &snapshot);
        response.header(header::CONTENT_TYPE, kind).body(body.into())
    };
    Ok(response.expect("every header is well-formed"))
}

/// What is said of a document at a version.
pub(super) fn snapshot_body(live: &Live, snapshot: &Snapshot, content: Option<String>) -> SnapshotBody {
    let identity = live.identity();
    SnapshotBody {
        id: identity.id.clone(),
        kind: identity.kind.as_str().to_owned(),
        epoch: identity.epoch.to_string(),
        version: snapshot.version,
        chain: snapshot.chain,
        content,
        time: snapshot.time,
    }
}
